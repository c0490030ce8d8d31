//! Stored tensors to constants, sizes checked against the data before anything is allocated.

use super::constant::Constant;
use crate::error::{ModelError, Result};
use crate::shape::{MAX_VALUES, finite};
use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

/// The constant that `proto` stores.
///
/// # Errors
/// External data, negative or oversized dimensions, a data length that differs from the dimensions' product, an
/// element type that is no number, NaN or infinity.
pub(super) fn read(proto: &TensorProto, name: &str) -> Result<Constant> {
    if proto.data_location == Some(DataLocation::External as i32) || !proto.external_data.is_empty()
    {
        let location = proto.external_data.iter().find(|e| e.key == "location");
        return Err(ModelError::ExternalData {
            tensor: name.into(),
            location: location.map_or_else(|| "?".into(), |e| e.value.clone()),
        });
    }
    let malformed = |reason: String| ModelError::Malformed { reason };
    if proto.segment.is_some() {
        return Err(malformed(format!("tensor `{name}` is stored in segments")));
    }
    let count = proto.dims.iter().try_fold(1u128, |acc, &d| {
        u128::try_from(d).ok().map(|d| acc.saturating_mul(d))
    });
    let Some(count) = count else {
        return Err(malformed(format!(
            "tensor `{name}` has a negative dimension in {:?}",
            proto.dims
        )));
    };
    if count > MAX_VALUES as u128 {
        return Err(ModelError::TooLarge {
            what: format!("tensor `{name}` of shape {:?} (values)", proto.dims),
            needed: count,
            limit: MAX_VALUES as u128,
        });
    }
    // A product of zero does not bound the other dimensions.
    let dims: Option<Vec<usize>> = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).ok().filter(|d| *d <= MAX_VALUES))
        .collect();
    let Some(dims) = dims else {
        return Err(malformed(format!(
            "tensor `{name}` has dimensions {:?}",
            proto.dims
        )));
    };
    let source = Source {
        proto,
        name,
        count: count as usize,
    };
    let kind = DataType::try_from(proto.data_type).unwrap_or(DataType::Undefined);
    let floats = match kind {
        DataType::Float => Some(source.decode(
            &proto.float_data,
            |v| f64::from(*v),
            |b| f64::from(f32::from_le_bytes(b)),
        )?),
        DataType::Double => Some(source.decode(&proto.double_data, |v| *v, f64::from_le_bytes)?),
        DataType::Float16 => Some(source.decode(
            &proto.int32_data,
            |v| half(*v as u16),
            |b| half(u16::from_le_bytes(b)),
        )?),
        DataType::Bfloat16 => Some(source.decode(
            &proto.int32_data,
            |v| brain(*v as u16),
            |b| brain(u16::from_le_bytes(b)),
        )?),
        _ => None,
    };
    let build = |what| {
        malformed(format!(
            "tensor `{name}` does not fit its dimensions: {what}"
        ))
    };
    if let Some(values) = floats {
        let array =
            ArrayD::from_shape_vec(IxDyn(&dims), values).map_err(|e| build(e.to_string()))?;
        finite(name, &array)?;
        return Ok(Constant::Float(array));
    }
    let small = &proto.int32_data;
    let values = match kind {
        DataType::Int64 => source.decode(&proto.int64_data, |v| *v, i64::from_le_bytes)?,
        DataType::Int32 => source.decode(
            small,
            |v| i64::from(*v),
            |b| i64::from(i32::from_le_bytes(b)),
        )?,
        DataType::Int16 => source.decode(
            small,
            |v| i64::from(*v),
            |b| i64::from(i16::from_le_bytes(b)),
        )?,
        DataType::Int8 => source.decode(
            small,
            |v| i64::from(*v),
            |b: [u8; 1]| i64::from(i8::from_le_bytes(b)),
        )?,
        DataType::Uint8 | DataType::Bool => {
            source.decode(small, |v| i64::from(*v), |b: [u8; 1]| i64::from(b[0]))?
        }
        other => {
            return Err(malformed(format!(
                "tensor `{name}` has the element type {}, which is not read",
                other.as_str_name()
            )));
        }
    };
    let array = ArrayD::from_shape_vec(IxDyn(&dims), values).map_err(|e| build(e.to_string()))?;
    Ok(Constant::Int(array))
}

struct Source<'a> {
    proto: &'a TensorProto,
    name: &'a str,
    count: usize,
}

impl Source<'_> {
    /// The values from the typed list, or from the raw bytes if those are present.
    fn decode<T, U, const BYTES: usize>(
        &self,
        typed: &[T],
        convert: impl Fn(&T) -> U,
        parse: impl Fn([u8; BYTES]) -> U,
    ) -> Result<Vec<U>> {
        let wrong = |expected, found, unit| {
            Err(ModelError::TensorSize {
                tensor: self.name.into(),
                dims: self.proto.dims.clone(),
                expected,
                found,
                unit,
            })
        };
        let raw = &self.proto.raw_data;
        if raw.is_empty() {
            if typed.len() != self.count {
                return wrong(self.count as u128, typed.len(), "values");
            }
            return Ok(typed.iter().map(convert).collect());
        }
        let expected = self.count as u128 * BYTES as u128;
        if raw.len() as u128 != expected {
            return wrong(expected, raw.len(), "bytes");
        }
        let (chunks, _) = raw.as_chunks::<BYTES>();
        Ok(chunks.iter().map(|c| parse(*c)).collect())
    }
}

/// IEEE 754 binary16: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    sign * magnitude
}

/// bfloat16: the upper half of a binary32.
fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tract_onnx::pb::StringStringEntryProto;

    fn raw(kind: DataType, dims: &[i64], bytes: &[u8]) -> TensorProto {
        TensorProto {
            dims: dims.to_vec(),
            data_type: kind as i32,
            raw_data: bytes.to_vec(),
            ..Default::default()
        }
    }

    #[test]
    fn both_storage_forms_of_every_type_are_read() {
        let float = |v: &[f64]| {
            Constant::Float(ArrayD::from_shape_vec(IxDyn(&[v.len()]), v.to_vec()).unwrap())
        };
        let two = 2f32.to_le_bytes();
        assert_eq!(
            read(&raw(DataType::Float, &[1], &two), "t").unwrap(),
            float(&[2.0])
        );
        let eight = 2f64.to_le_bytes();
        assert_eq!(
            read(&raw(DataType::Double, &[1], &eight), "t").unwrap(),
            float(&[2.0])
        );
        // 1.0, -2.0, the largest number, the smallest one (IEEE 754-2008, 3.6).
        let halves: Vec<u8> = [0x3c00u16, 0xc000, 0x7bff, 0x0001]
            .iter()
            .flat_map(|b| b.to_le_bytes())
            .collect();
        assert_eq!(
            read(&raw(DataType::Float16, &[4], &halves), "t").unwrap(),
            float(&[1.0, -2.0, 65504.0, 2f64.powi(-24)])
        );
        let brains = 0x3f80u16.to_le_bytes();
        assert_eq!(
            read(&raw(DataType::Bfloat16, &[1], &brains), "t").unwrap(),
            float(&[1.0])
        );
        let minus = (-3i64).to_le_bytes();
        for (kind, width) in [
            (DataType::Int64, 8),
            (DataType::Int32, 4),
            (DataType::Int16, 2),
            (DataType::Int8, 1),
        ] {
            assert_eq!(
                read(&raw(kind, &[1], &minus[..width]), "t").unwrap(),
                Constant::ints(&[-3])
            );
        }
        let typed = TensorProto {
            dims: vec![2],
            data_type: DataType::Int64 as i32,
            int64_data: vec![5, -1],
            ..Default::default()
        };
        assert_eq!(read(&typed, "t").unwrap(), Constant::ints(&[5, -1]));
        let typed = TensorProto {
            dims: vec![],
            data_type: DataType::Float as i32,
            float_data: vec![0.5],
            ..Default::default()
        };
        assert_eq!(read(&typed, "t").unwrap().scalar(), Some(0.5));
    }

    #[test]
    fn sizes_are_compared_before_anything_is_allocated() {
        let check = |dims: &[i64], bytes: &[u8], want: &str| {
            let error = read(&raw(DataType::Float, dims, bytes), "w").unwrap_err();
            let text = error.to_string();
            assert!(text.contains(want), "{text:?} lacks {want:?}");
        };
        check(&[2], &[0; 4], "stores 4 bytes, not 8");
        check(&[2], &[0; 9], "stores 9 bytes, not 8");
        check(&[1 << 40, 1 << 40], &[0; 4], "limit of 268435456");
        check(&[i64::MAX, i64::MAX, i64::MAX], &[0; 4], "limit of");
        check(&[-1], &[0; 4], "negative dimension");
        check(&[0, i64::MAX], &[], "dimensions");
        check(&[2], &[], "stores 0 values, not 2");
        let error = read(&raw(DataType::String, &[1], &[0]), "w").unwrap_err();
        assert!(error.to_string().contains("STRING"), "{error}");
        assert!(read(&raw(DataType::Undefined, &[1], &[0]), "w").is_err());
    }

    #[test]
    fn values_that_are_not_finite_and_foreign_files_are_named() {
        let mut bytes = [0u8; 16];
        bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        match read(&raw(DataType::Float, &[2, 2], &bytes), "conv.w").unwrap_err() {
            ModelError::NonFinite {
                tensor,
                index,
                value,
            } => {
                assert_eq!((tensor.as_str(), index), ("conv.w", vec![1, 0]));
                assert!(value.is_nan());
            }
            other => panic!("{other}"),
        }
        let mut elsewhere = raw(DataType::Float, &[1 << 20], &[]);
        elsewhere.external_data.push(StringStringEntryProto {
            key: "location".into(),
            value: "../weights.bin".into(),
        });
        assert_eq!(
            read(&elsewhere, "w").unwrap_err(),
            ModelError::ExternalData {
                tensor: "w".into(),
                location: "../weights.bin".into()
            }
        );
    }
}
