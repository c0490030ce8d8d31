//! Typed access to a node's attributes.

use super::import::Refusal;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

/// The attributes of one node; every getter checks the declared type.
pub(super) struct Attributes<'a>(pub(super) &'a NodeProto);

impl<'a> Attributes<'a> {
    fn get(&self, name: &str, kind: AttributeType) -> Result<Option<&'a AttributeProto>, Refusal> {
        let Some(a) = self.0.attribute.iter().find(|a| a.name == name) else {
            return Ok(None);
        };
        // Writers of the first format version left the type out.
        if a.r#type == kind as i32 || a.r#type == AttributeType::Undefined as i32 {
            Ok(Some(a))
        } else {
            Err(Refusal::malformed(format!(
                "attribute `{name}` of node `{}` is not of type {}",
                self.0.name,
                kind.as_str_name()
            )))
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.attribute.iter().any(|a| a.name == name)
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        Ok(self.get(name, AttributeType::Int)?.map(|a| a.i))
    }

    pub(super) fn int_or(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f64>, Refusal> {
        Ok(self
            .get(name, AttributeType::Float)?
            .map(|a| f64::from(a.f)))
    }

    pub(super) fn float_or(&self, name: &str, default: f64) -> Result<f64, Refusal> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<&'a [i64]>, Refusal> {
        Ok(self
            .get(name, AttributeType::Ints)?
            .map(|a| a.ints.as_slice()))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<&'a [f32]>, Refusal> {
        Ok(self
            .get(name, AttributeType::Floats)?
            .map(|a| a.floats.as_slice()))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match self.get(name, AttributeType::String)? {
            None => Ok(None),
            Some(a) => std::str::from_utf8(&a.s).map(Some).map_err(|_| {
                Refusal::malformed(format!(
                    "attribute `{name}` of node `{}` is no text",
                    self.0.name
                ))
            }),
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<&'a TensorProto>, Refusal> {
        Ok(self
            .get(name, AttributeType::Tensor)?
            .and_then(|a| a.t.as_ref()))
    }
}
