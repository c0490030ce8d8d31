//! Checks and elementary operations on clear slot vectors.

use std::sync::Arc;

use crate::{Error, Result, Rotation};

/// Largest number of slots a program may have (rotations are 32-bit integers).
pub const MAX_SLOTS: usize = 1 << 30;

/// A copy of `values`, filled with zeros to `slots`.
///
/// # Errors
/// More values than slots, or a value that is not finite.
pub(crate) fn padded(name: &str, values: &[f64], slots: usize) -> Result<Arc<[f64]>> {
    check(name, values, slots)?;
    let mut full = values.to_vec();
    full.resize(slots, 0.0);
    Ok(full.into())
}

/// Whether `values` are finite and fit `slots`.
pub(crate) fn check(name: &str, values: &[f64], slots: usize) -> Result<()> {
    if values.len() > slots {
        return Err(Error::TooManyValues {
            name: name.to_owned(),
            len: values.len(),
            slots,
        });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite {
            name: name.to_owned(),
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}

/// Whether a scalar is finite.
pub(crate) fn check_scalar(op: &str, s: f64) -> Result<()> {
    check(op, &[s], 1)
}

/// `out[i] = a[(i + by) mod n]`.
pub(crate) fn rotated(a: &[f64], by: Rotation) -> Vec<f64> {
    let r = by.normalized(a.len()).0 as usize;
    let mut out = Vec::with_capacity(a.len());
    out.extend_from_slice(&a[r..]);
    out.extend_from_slice(&a[..r]);
    out
}
