//! A folder per test, calls of the command, small NumPy files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{ArrayD, IxDyn};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};

/// A folder that is removed at the end of the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("girih-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes an array and returns its path.
    pub(crate) fn npy<T: ndarray_npy::WritableElement>(
        &self,
        name: &str,
        values: &ArrayD<T>,
    ) -> String {
        let path = self.path(name);
        values
            .write_npy(std::fs::File::create(&path).expect("creates"))
            .expect("writes");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Calls the command.
pub(crate) fn girih(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_girih"))
        .args(args)
        .output()
        .expect("the command starts")
}

/// Calls the command, which must succeed; returns what it printed.
#[track_caller]
pub(crate) fn ok(args: &[&str]) -> String {
    let output = girih(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Calls the command, which must fail with one clear sentence that holds `words`.
#[track_caller]
pub(crate) fn refused(args: &[&str], words: &str) {
    let output = girih(args);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
    assert!(
        errors.contains("error: ") && errors.contains(words),
        "{args:?}: {words:?} is not in: {errors}"
    );
    assert!(!errors.contains("panicked"), "{args:?}: {errors}");
}

/// A model of the fixtures.
pub(crate) fn model(name: &str) -> String {
    girih_fixtures::model(name).display().to_string()
}

/// A data file of the fixtures.
pub(crate) fn data(name: &str) -> String {
    girih_fixtures::data_file(name).display().to_string()
}

/// Reads an answer.
pub(crate) fn answer(path: &str) -> ArrayD<f64> {
    ArrayD::<f64>::read_npy(std::fs::File::open(path).expect("there")).expect("an array of f64")
}

/// A few digits as the networks read them.
pub(crate) fn digits(count: usize) -> ArrayD<f32> {
    let values = girih_fixtures::mnist_test()
        .rows()
        .take(count)
        .flatten()
        .copied()
        .collect();
    ArrayD::from_shape_vec(IxDyn(&[count, 1, 28, 28]), values).expect("as many pixels")
}

/// Calibration digits, as the networks read them.
pub(crate) fn calibration(f: &Folder) -> String {
    let samples = girih_fixtures::mnist_calibration();
    let shape = [samples.len(), 1, 28, 28];
    f.npy(
        "calibration.npy",
        &ArrayD::from_shape_vec(IxDyn(&shape), samples.values).expect("as many pixels"),
    )
}

#[track_caller]
pub(crate) fn close(a: &ArrayD<f64>, b: &ArrayD<f64>, tolerance: f64) {
    assert_eq!(a.shape(), b.shape());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance, "output {i}: {a} and {b}");
    }
}

/// All files below a folder.
pub(crate) fn walk(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(folder).to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}
