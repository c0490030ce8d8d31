//! ONNX files to [`Graph`]s; the only module that names types of the ONNX library.
//!
//! The protobuf message types and their decoding come from `tract-onnx`; operators are read from the message itself, so
//! a graph keeps the file's meaning (a `Gelu` stays a `Gelu`), and shapes are inferred by [`crate::shape`]. The same
//! library runs the file independently of this crate's code in [`oracle`].
//!
//! Files come from strangers. Dimensions are compared with the data before anything is allocated, constants that grow
//! while they are folded draw on a fixed budget, nothing recurses over the graph, and calls into the library run under
//! `catch_unwind`, so that a panic inside it becomes a [`ModelError`] (its message still reaches the panic hook). That
//! does not help in a program built with `panic = "abort"`.

mod attribute;
mod constant;
mod dims;
mod fold;
mod gelu;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod hostile;
mod import;
mod layers;
mod layout;
pub mod oracle;
mod tensor;
mod window;

use crate::error::{ModelError, Result};
use crate::graph::Graph;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::Framework;

/// Largest file that is read: 2 GiB, the limit of the protobuf encoding itself.
pub const MAX_FILE_BYTES: u64 = 1 << 31;

/// Oldest operator set whose meaning this loader knows (broadcasting as today came with 7; older files are accepted
/// as long as no node carries the old broadcasting attributes).
pub const MIN_OPSET: i64 = 5;

/// Newest operator set whose meaning this loader knows.
pub const MAX_OPSET: i64 = 26;

/// The graph of an ONNX file.
///
/// # Errors
/// [`ModelError::Io`] and [`ModelError::TooLarge`] for the file, else as [`load_onnx_bytes`].
pub fn load_onnx(path: impl AsRef<Path>) -> Result<Graph> {
    load_onnx_bytes(&read_file(path.as_ref())?)
}

/// The graph of an ONNX file's bytes, as the file states it: no pass of [`crate::passes`] is applied.
///
/// Dimension 0 of the input is the batch, whether it is symbolic or fixed; the other dimensions must be fixed.
///
/// # Errors
/// * [`ModelError::Malformed`]: no protobuf message, or one that contradicts itself;
/// * [`ModelError::Unsupported`]: operators, attributes or inputs outside the supported set, **all** of them;
/// * [`ModelError::NonFinite`], [`ModelError::TensorSize`], [`ModelError::ExternalData`]: a weight tensor;
/// * [`ModelError::Dangling`], [`ModelError::Cyclic`], [`ModelError::Shape`], [`ModelError::TooLarge`]: the graph.
pub fn load_onnx_bytes(bytes: &[u8]) -> Result<Graph> {
    let model = decode(bytes)?;
    let graph = import::import(&model)?;
    graph.check()?;
    Ok(graph)
}

/// The whole file, its size checked before it is read.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let io = |e: std::io::Error| ModelError::Io {
        path: path.display().to_string(),
        reason: e.to_string(),
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let too_large = |needed: u64| ModelError::TooLarge {
        what: format!("{} (bytes)", path.display()),
        needed: u128::from(needed),
        limit: u128::from(MAX_FILE_BYTES),
    };
    if size > MAX_FILE_BYTES {
        return Err(too_large(size));
    }
    let mut bytes = Vec::new();
    // A device or pipe states no size, so the reading itself is bounded too.
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<ModelProto> {
    let result = guarded(|| {
        tract_onnx::onnx()
            .proto_model_for_read(&mut &bytes[..])
            .map_err(|e| format!("{e:#}"))
    });
    result.map_err(|reason| ModelError::Malformed { reason })
}

/// Runs a call into the library; a panic in there is an error here.
fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into());
        Err(format!("the ONNX library panicked: {text}"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_the_library_becomes_an_error() {
        let error = guarded::<()>(|| panic!("index {} out of range", 7)).unwrap_err();
        assert_eq!(error, "the ONNX library panicked: index 7 out of range");
        assert_eq!(guarded(|| Ok(3)), Ok(3));
    }

    #[test]
    fn files_that_are_no_models_are_errors() {
        assert!(matches!(
            load_onnx("no/such/file.onnx"),
            Err(ModelError::Io { .. })
        ));
        assert!(matches!(load_onnx("src"), Err(ModelError::Io { .. })));
        for bytes in [&b""[..], b"\x00", b"PK\x03\x04 not a model", &[0xff; 64]] {
            let error = load_onnx_bytes(bytes).unwrap_err();
            assert!(matches!(error, ModelError::Malformed { .. }), "{error}");
        }
    }
}
