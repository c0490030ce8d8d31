//! Encrypted tensors: ciphertexts by name, in chunks of the compiled batch.

use girih_ckks::wire::Kind as Wire;
use girih_ckks::{Ciphertext, Params, SeededCiphertext};
use girih_he::State;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::artifact::ModelId;
use crate::container::{self, Kind};
use crate::{FormatError, Result};

/// A ciphertext, possibly with its uniform half as a seed.
#[derive(Clone, Debug)]
pub enum Tile {
    /// As computed.
    Full(Ciphertext),
    /// Fresh, with its uniform half as a seed: half the bytes.
    Seeded(SeededCiphertext),
}

impl Tile {
    /// The ciphertext, its uniform half expanded.
    #[must_use]
    pub fn expand(&self, params: &Params) -> Ciphertext {
        match self {
            Tile::Full(ciphertext) => ciphertext.clone(),
            Tile::Seeded(ciphertext) => ciphertext.expand(params),
        }
    }

    /// Level and scale.
    pub(crate) fn state(&self) -> State {
        let (level, product) = match self {
            Tile::Full(ciphertext) => (ciphertext.level(), ciphertext.is_product()),
            Tile::Seeded(ciphertext) => (ciphertext.level(), ciphertext.is_product()),
        };
        State { level, product }
    }

    fn to_bytes(&self, params: &Params) -> Vec<u8> {
        match self {
            Tile::Full(ciphertext) => ciphertext.to_bytes(params),
            Tile::Seeded(ciphertext) => ciphertext.to_bytes(params),
        }
    }

    fn from_bytes(bytes: &[u8], params: &Params) -> Result<Tile> {
        Ok(match Wire::of(bytes)? {
            Wire::SeededCiphertext => Tile::Seeded(SeededCiphertext::from_bytes(bytes, params)?),
            _ => Tile::Full(Ciphertext::from_bytes(bytes, params)?),
        })
    }
}

/// What an encrypted tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Goes to the server.
    Input,
    /// Comes from the server.
    Output,
    /// Weights that the server must not see.
    Weights,
}

/// An encrypted tensor of one compiled model.
#[derive(Clone, Debug)]
pub struct EncryptedTensor {
    /// The model it belongs to.
    pub model: ModelId,
    /// What it is for.
    pub role: Role,
    /// Samples in all chunks together.
    pub samples: usize,
    /// Names of the ciphertexts of a chunk, as in the program.
    pub names: Vec<String>,
    /// For every chunk of the batch, one ciphertext a name.
    pub chunks: Vec<Vec<Tile>>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    model: ModelId,
    role: Role,
    samples: usize,
    names: Vec<String>,
    chunks: usize,
}

impl EncryptedTensor {
    /// The serialised form.
    ///
    /// # Errors
    /// None for a tensor made by a client or a server.
    pub fn to_bytes(&self, params: &Params) -> Result<Vec<u8>> {
        let head = Head {
            model: self.model.clone(),
            role: self.role,
            samples: self.samples,
            names: self.names.clone(),
            chunks: self.chunks.len(),
        };
        let tiles: Vec<&Tile> = self.chunks.iter().flatten().collect();
        let sections: Vec<Vec<u8>> = tiles.par_iter().map(|t| t.to_bytes(params)).collect();
        container::write(Kind::Tensor, &head, &sections)
    }

    /// Reads the serialised form.
    ///
    /// # Errors
    /// Damage, another kind, ciphertexts of other parameters.
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<Self> {
        const WHAT: &str = "encrypted tensor";
        let (head, sections) = container::read::<Head>(Kind::Tensor, bytes)?;
        let expected = head.chunks.checked_mul(head.names.len());
        if head.names.is_empty() || expected != Some(sections.len()) {
            let why = format!(
                "{} chunks of {} ciphertexts, {} are there",
                head.chunks,
                head.names.len(),
                sections.len()
            );
            return Err(FormatError::field("chunks", why).of(WHAT));
        }
        let tiles = sections
            .par_iter()
            .map(|s| Tile::from_bytes(s, params))
            .collect::<Result<Vec<_>>>()?;
        let chunks = tiles
            .chunks(head.names.len())
            .map(<[Tile]>::to_vec)
            .collect();
        Ok(EncryptedTensor {
            model: head.model,
            role: head.role,
            samples: head.samples,
            names: head.names,
            chunks,
        })
    }

    /// Refuses a tensor of another model or for another use.
    pub(crate) fn check(&self, model: &ModelId, role: Role) -> Result<()> {
        model.check(&self.model, "the encrypted tensor")?;
        if self.role != role {
            let why = format!(
                "this is an encrypted {:?}, an encrypted {role:?} is needed",
                self.role
            )
            .to_lowercase();
            return Err(FormatError::field("role", why).of("encrypted tensor"));
        }
        Ok(())
    }
}
