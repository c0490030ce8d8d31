//! NumPy files: f32, f64 and bytes in, f64 out.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context as _, bail};
use girih_engine::files::{self, Access, Overwrite};
use ndarray::ArrayD;
use ndarray_npy::{ReadNpyError, ReadNpyExt, WriteNpyExt};

/// Reads an array of f32 or f64, or of bytes if a divisor is given, by which all values are divided.
pub(crate) fn read(path: &Path, divisor: Option<f64>) -> anyhow::Result<ArrayD<f64>> {
    let bytes = files::read(path)?;
    parse(&bytes, divisor).with_context(|| format!("{} is not a usable .npy file", path.display()))
}

fn parse(bytes: &[u8], divisor: Option<f64>) -> anyhow::Result<ArrayD<f64>> {
    plausible(bytes)?;
    let scaled = |mut values: ArrayD<f64>| {
        if let Some(divisor) = divisor {
            values.mapv_inplace(|v| v / divisor);
        }
        values
    };
    match ArrayD::<f64>::read_npy(Cursor::new(bytes)) {
        Err(ReadNpyError::WrongDescriptor(_)) => {}
        result => return Ok(scaled(result?)),
    }
    match ArrayD::<f32>::read_npy(Cursor::new(bytes)) {
        Err(ReadNpyError::WrongDescriptor(_)) => {}
        result => return Ok(scaled(result?.mapv(f64::from))),
    }
    match (ArrayD::<u8>::read_npy(Cursor::new(bytes)), divisor) {
        (Ok(values), Some(_)) => Ok(scaled(values.mapv(f64::from))),
        (Ok(_), None) => bail!(
            "its values are bytes, and the network was trained on numbers: say by what they are to be divided \
             (images usually --divide 255), or give f32 or f64"
        ),
        (Err(ReadNpyError::WrongDescriptor(found)), _) => {
            bail!("its values are of type {found}; f32 and f64 are read, and bytes with --divide")
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Reads classes: an array `[samples]` of integers.
pub(crate) fn read_labels(path: &Path) -> anyhow::Result<Vec<usize>> {
    let bytes = files::read(path)?;
    parse_labels(&bytes).with_context(|| format!("{} holds no usable labels", path.display()))
}

fn parse_labels(bytes: &[u8]) -> anyhow::Result<Vec<usize>> {
    plausible(bytes)?;
    fn try_as<T>(bytes: &[u8]) -> anyhow::Result<Option<Vec<usize>>>
    where
        T: ndarray_npy::ReadableElement + TryInto<usize> + Copy + std::fmt::Display,
    {
        let values = match ArrayD::<T>::read_npy(Cursor::new(bytes)) {
            Err(ReadNpyError::WrongDescriptor(_)) => return Ok(None),
            result => result?,
        };
        if values.ndim() != 1 {
            bail!(
                "their shape is {:?}; one label a sample is needed",
                values.shape()
            );
        }
        let label = |v: &T| (*v).try_into().ok();
        let labels: Option<Vec<usize>> = values.iter().map(label).collect();
        labels
            .map(Some)
            .with_context(|| "a label is negative".to_string())
    }
    let labels = [
        try_as::<u8>,
        try_as::<i64>,
        try_as::<i32>,
        try_as::<u16>,
        try_as::<u32>,
        try_as::<u64>,
        try_as::<i16>,
        try_as::<i8>,
    ];
    for read in labels {
        if let Some(labels) = read(bytes)? {
            return Ok(labels);
        }
    }
    bail!("integers are needed")
}

/// Refuses a header that promises more values than the file has bytes, before memory is taken for them.
fn plausible(bytes: &[u8]) -> anyhow::Result<()> {
    if !bytes.starts_with(b"\x93NUMPY") {
        bail!("it does not start like one");
    }
    let head = &bytes[..bytes.len().min(65_536)];
    let text = String::from_utf8_lossy(head);
    let shape = text
        .split("'shape'")
        .nth(1)
        .and_then(|t| t.split('(').nth(1))
        .and_then(|t| t.split(')').next());
    let Some(shape) = shape else {
        bail!("its header has no shape")
    };
    let mut values = 1u64;
    for size in shape.split(',').map(str::trim).filter(|s| !s.is_empty()) {
        let size: u64 = size
            .parse()
            .with_context(|| format!("its shape has the size {size:?}"))?;
        values = values.saturating_mul(size);
    }
    if values > bytes.len() as u64 {
        bail!(
            "its header promises {values} values, the file has {} bytes",
            bytes.len()
        );
    }
    Ok(())
}

/// Writes an array of f64.
pub(crate) fn write(path: &Path, values: &ArrayD<f64>, overwrite: Overwrite) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    values
        .write_npy(Cursor::new(&mut bytes))
        .context("cannot encode the answer")?;
    Ok(files::write(path, &bytes, overwrite, Access::Default)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayD, IxDyn};

    fn file<T: ndarray_npy::WritableElement>(values: &ArrayD<T>) -> Vec<u8> {
        let mut bytes = Vec::new();
        values.write_npy(Cursor::new(&mut bytes)).expect("writes");
        bytes
    }

    #[test]
    fn floats_come_back_and_bytes_are_explained() {
        let values = ArrayD::from_shape_fn(IxDyn(&[2, 3]), |i| i[0] as f64 - 0.5 * i[1] as f64);
        assert_eq!(parse(&file(&values), None).expect("f64"), values);
        assert_eq!(
            parse(&file(&values.mapv(|v| v as f32)), None).expect("f32"),
            values
        );
        assert_eq!(
            parse(&file(&values.mapv(|v| v as u8)), Some(2.0)).expect("bytes"),
            values.mapv(|v| f64::from(v as u8) / 2.0)
        );
        let error = parse(&file(&values.mapv(|v| v as u8)), None).expect_err("u8");
        assert!(error.to_string().contains("255"), "{error}");
    }

    #[test]
    fn no_altered_file_panics_or_takes_memory() {
        let bytes = file(&ArrayD::<f32>::zeros(IxDyn(&[2, 3])));
        for at in 0..bytes.len() {
            let _ = parse(&bytes[..at], None);
            for value in [0, b'9', b'(', 0xff] {
                let mut altered = bytes.clone();
                altered[at] = value;
                let _ = parse(&altered, Some(255.0));
            }
        }
        let huge = String::from_utf8_lossy(&bytes).replace("(2, 3)", "(99999999999, 3)");
        assert!(parse(huge.as_bytes(), None).is_err());
    }
}
