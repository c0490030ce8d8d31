//! An independent run of a model file by the ONNX library, in single precision.
//!
//! It shares nothing with [`crate::reference`] but the decoding of the file, so agreement of the two is evidence.

use super::{MAX_FILE_BYTES, guarded};
use crate::error::{ModelError, Result};
use ndarray::ArrayD;
use tract_onnx::prelude::*;

/// `outputs = model(input)` by the library's own interpreter, batch first.
///
/// The model is loaded anew on each call; this is for checks, not for speed. The library allocates what the file asks
/// for, so run only models that [`load_onnx_bytes`](super::load_onnx_bytes) has accepted.
///
/// # Errors
/// [`ModelError::Oracle`] with the library's reason, also if it panics; [`ModelError::TooLarge`].
pub fn run(bytes: &[u8], input: &ArrayD<f32>) -> Result<Vec<ArrayD<f32>>> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ModelError::TooLarge {
            what: "the model (bytes)".into(),
            needed: bytes.len() as u128,
            limit: u128::from(MAX_FILE_BYTES),
        });
    }
    guarded(|| attempt(bytes, input).map_err(|e| format!("{e:#}")))
        .map_err(|reason| ModelError::Oracle { reason })
}

fn attempt(bytes: &[u8], input: &ArrayD<f32>) -> TractResult<Vec<ArrayD<f32>>> {
    let model = tract_onnx::onnx()
        .with_ignore_output_shapes(true)
        .with_ignore_value_info(true)
        .model_for_read(&mut &bytes[..])?
        .with_input_fact(0, f32::fact(input.shape()).into())?
        .into_optimized()?
        .into_runnable()?;
    let input: Tensor = input.as_standard_layout().to_owned().into();
    let mut outputs = Vec::new();
    for value in model.run(tvec!(input.into()))?.iter() {
        let value = value.cast_to::<f32>()?;
        let flat = value.to_plain_array_view::<f32>()?;
        outputs.push(flat.to_owned());
    }
    Ok(outputs)
}
