//! Files that are complete or not there: written under a temporary name, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Whether an existing output may be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// An existing file is an error.
    #[default]
    Refuse,
    /// An existing file is replaced, once the new one is complete.
    Replace,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// As the system's default says.
    #[default]
    Default,
    /// Its owner only.
    Owner,
}

/// Refuses an output that exists, before the work for it begins. Devices and pipes are never in the way.
///
/// # Errors
/// [`Error::Exists`].
pub fn check_free(path: &Path, overwrite: Overwrite) -> Result<()> {
    if overwrite == Overwrite::Refuse && path.symlink_metadata().is_ok() && !is_device(path) {
        return Err(Error::Exists {
            path: path.to_path_buf(),
        });
    }
    Ok(())
}

/// Writes a whole file, or nothing: after an error (a full disk, say) neither the file nor a part of it is
/// left behind.
///
/// # Errors
/// The file exists and may not be replaced, or the system refuses.
pub fn write(path: &Path, bytes: &[u8], overwrite: Overwrite, access: Access) -> Result<()> {
    check_free(path, overwrite)?;
    if is_device(path) {
        let open = OpenOptions::new().write(true).open(path);
        return open
            .and_then(|mut device| device.write_all(bytes))
            .map_err(|source| Error::Io {
                path: path.to_path_buf(),
                action: "write",
                source,
            });
    }
    let temporary = temporary_name(path);
    let written = create(&temporary, access)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            // A full disk may show only when the data reaches it.
            file.sync_all()
        })
        .map_err(|source| Error::Io {
            path: path.to_path_buf(),
            action: "write",
            source,
        })
        .and_then(|()| publish(&temporary, path, overwrite));
    if written.is_err() {
        // The error that is reported is the first one; there may be nothing to remove.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Reads a whole file.
///
/// # Errors
/// The system's.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        action: "read",
        source,
    })
}

/// Creates a folder and those above it.
///
/// # Errors
/// The system's.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        action: "create the folder",
        source,
    })
}

/// Whether a path is something that is written into, not replaced: a device, a pipe.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

fn create(path: &Path, access: Access) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    options.open(path)
}

/// Gives the complete file its name. A hard link refuses a name that was taken meanwhile, a rename would not.
fn publish(temporary: &Path, path: &Path, overwrite: Overwrite) -> Result<()> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists {
            path: path.to_path_buf(),
        },
        _ => Error::Io {
            path: path.to_path_buf(),
            action: "write",
            source,
        },
    };
    if overwrite == Overwrite::Refuse {
        match fs::hard_link(temporary, path) {
            Ok(()) => return fs::remove_file(temporary).map_err(failed),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            // A file system without hard links.
            Err(_) => check_free(path, overwrite)?,
        }
    }
    fs::rename(temporary, path).map_err(failed)
}

/// A name in the same folder that no other process uses.
fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("girih-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a folder for the test");
        dir
    }

    #[test]
    fn existing_files_stay_unless_asked() {
        let dir = folder("exists");
        let path = dir.join("a");
        write(&path, b"one", Overwrite::Refuse, Access::Default).expect("free");
        let error = write(&path, b"two", Overwrite::Refuse, Access::Default).expect_err("taken");
        assert!(matches!(error, Error::Exists { .. }));
        assert_eq!(fs::read(&path).expect("there"), b"one");
        write(&path, b"two", Overwrite::Replace, Access::Default).expect("asked");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        assert_eq!(
            fs::read_dir(&dir).expect("there").count(),
            1,
            "no partial file is left"
        );
        fs::remove_dir_all(dir).expect("removes");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        // A device that is always full.
        let error = write(
            Path::new("/dev/full"),
            b"x",
            Overwrite::Refuse,
            Access::Default,
        )
        .expect_err("full");
        match error {
            Error::Io { source, .. } => assert_eq!(source.kind(), std::io::ErrorKind::StorageFull),
            other => panic!("{other}"),
        }
        write(
            Path::new("/dev/null"),
            b"x",
            Overwrite::Replace,
            Access::Default,
        )
        .expect("takes everything");
        assert!(is_device(Path::new("/dev/null")), "and stays what it is");
    }

    #[test]
    fn a_folder_that_is_not_there_leaves_nothing() {
        let dir = folder("nowhere");
        let error = write(&dir.join("b/c"), b"x", Overwrite::Refuse, Access::Default)
            .expect_err("no folder");
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(fs::read_dir(&dir).expect("there").count(), 0);
        fs::remove_dir_all(dir).expect("removes");
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_their_owner() {
        use std::os::unix::fs::PermissionsExt;
        let dir = folder("mode");
        let path = dir.join("secret");
        write(&path, b"x", Overwrite::Refuse, Access::Owner).expect("free");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0);
        fs::remove_dir_all(dir).expect("removes");
    }
}
