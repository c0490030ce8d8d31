//! Serialised forms.
//!
//! Every object is one frame, integers little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic `GRIH` |
//! | 2 | format version |
//! | 1 | [`Kind`] |
//! | 1 | zero |
//! | 32 | [`Params::digest`](crate::Params::digest) (zero for parameters themselves) |
//! | 8 | length of the payload |
//! | | payload |
//! | 32 | BLAKE3 of everything before |
//!
//! Residues are packed in as many bits as their prime has; uniform halves are 32-byte seeds wherever
//! they were expanded from one. A reader checks every length against the bytes that are there and against the
//! parameters before it takes memory, and every residue against its prime. The checksum detects damage, not
//! forgery: authenticate files that come from strangers.

use std::collections::BTreeMap;
use std::fmt;

use crate::{ParamsSpec, Security, WireError};

mod encapsulation;
mod objects;
mod pack;

pub use encapsulation::encapsulation_keys_len;
pub use objects::{ciphertext_len, evaluation_keys_len, public_key_len};

/// Version of the format. 3: seeds are expanded by AES-128 and 52-bit draws (see [`girih_rns::sample::Expander`]); files
/// of earlier versions would expand to other keys and are refused.
pub const VERSION: u16 = 3;

const MAGIC: [u8; 4] = *b"GRIH";
const HEADER: usize = 48;
const CHECKSUM: usize = 32;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A [`ParamsSpec`].
    Params,
    /// A [`SecretKey`](crate::SecretKey).
    SecretKey,
    /// A [`PublicKey`](crate::PublicKey).
    PublicKey,
    /// [`EvaluationKeys`](crate::EvaluationKeys).
    EvaluationKeys,
    /// A [`Ciphertext`](crate::Ciphertext).
    Ciphertext,
    /// A [`SeededCiphertext`](crate::SeededCiphertext).
    SeededCiphertext,
    /// [`EncapsulationKeys`](crate::EncapsulationKeys).
    EncapsulationKeys,
}

impl Kind {
    /// All kinds; the tag of a kind is one more than its index.
    const ALL: [Kind; 7] = [
        Kind::Params,
        Kind::SecretKey,
        Kind::PublicKey,
        Kind::EvaluationKeys,
        Kind::Ciphertext,
        Kind::SeededCiphertext,
        Kind::EncapsulationKeys,
    ];

    /// The kind of a frame, from its header alone.
    ///
    /// # Errors
    /// Fewer bytes than a header, another magic number or version, an unknown kind.
    pub fn of(bytes: &[u8]) -> Result<Kind, WireError> {
        let mut reader = Reader::new(bytes);
        let magic = reader.array::<4>()?;
        if magic != MAGIC {
            return Err(WireError::BadMagic { found: magic });
        }
        let version = u16::from_le_bytes(reader.array()?);
        if version != VERSION {
            return Err(WireError::Version {
                found: version,
                supported: VERSION,
            });
        }
        let tag = usize::from(reader.byte()?);
        Kind::ALL
            .get(tag.wrapping_sub(1))
            .copied()
            .ok_or(WireError::OutOfRange {
                field: "kind",
                value: tag as u64,
                max: Kind::ALL.len() as u64,
            })
    }

    fn tag(self) -> u8 {
        self as u8 + 1
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Params => "parameter set",
            Kind::SecretKey => "secret key",
            Kind::PublicKey => "public key",
            Kind::EvaluationKeys => "set of evaluation keys",
            Kind::Ciphertext => "ciphertext",
            Kind::SeededCiphertext => "seeded ciphertext",
            Kind::EncapsulationKeys => "set of encapsulation keys",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Bytes of a frame with a payload of `payload` bytes.
const fn frame_len(payload: usize) -> usize {
    HEADER + payload + CHECKSUM
}

/// Writes a frame: the payload is appended by `write` and must have `payload` bytes.
fn write_frame(
    kind: Kind,
    digest: &[u8; 32],
    payload: usize,
    write: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame_len(payload));
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[kind.tag(), 0]);
    out.extend_from_slice(digest);
    out.extend_from_slice(&(payload as u64).to_le_bytes());
    write(&mut out);
    assert_eq!(
        out.len(),
        HEADER + payload,
        "the payload has the announced length"
    );
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

/// The payload of a frame whose header, length and checksum are right.
fn read_frame<'b>(bytes: &'b [u8], kind: Kind, digest: &[u8; 32]) -> Result<Reader<'b>, WireError> {
    let found = Kind::of(bytes)?;
    if found != kind {
        return Err(WireError::WrongKind {
            found: found.to_string(),
            expected: kind.name(),
        });
    }
    let mut reader = Reader::new(bytes);
    reader.take(7)?;
    let reserved = reader.byte()?;
    if reserved != 0 {
        return Err(WireError::OutOfRange {
            field: "reserved byte",
            value: reserved.into(),
            max: 0,
        });
    }
    let found = reader.array::<32>()?;
    if found != *digest {
        return Err(WireError::ParamsMismatch {
            found: short_hex(&found),
            expected: short_hex(digest),
        });
    }
    let payload = u64::from_le_bytes(reader.array()?);
    let left = reader.left() as u64;
    let needed = payload.saturating_add(CHECKSUM as u64);
    if needed > left {
        return Err(WireError::Truncated { needed, left });
    }
    if needed < left {
        return Err(WireError::Trailing {
            extra: left - needed,
        });
    }
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if blake3::hash(content).as_bytes() != checksum {
        return Err(WireError::Checksum);
    }
    Ok(Reader::new(&content[HEADER..]))
}

fn short_hex(digest: &[u8; 32]) -> String {
    digest[..4].iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes that are consumed from the front.
struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader { bytes }
    }

    fn left(&self) -> usize {
        self.bytes.len()
    }

    fn take(&mut self, len: usize) -> Result<&'b [u8], WireError> {
        let (front, back) = self
            .bytes
            .split_at_checked(len)
            .ok_or(WireError::Truncated {
                needed: len as u64,
                left: self.left() as u64,
            })?;
        self.bytes = back;
        Ok(front)
    }

    fn array<const K: usize>(&mut self) -> Result<[u8; K], WireError> {
        let mut array = [0; K];
        array.copy_from_slice(self.take(K)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    /// A byte that is 0 or 1.
    fn flag(&mut self, field: &'static str) -> Result<bool, WireError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(WireError::OutOfRange {
                field,
                value: other.into(),
                max: 1,
            }),
        }
    }

    /// Everything was read.
    fn finish(self) -> Result<(), WireError> {
        match self.left() {
            0 => Ok(()),
            extra => Err(WireError::Trailing {
                extra: extra as u64,
            }),
        }
    }
}

/// The canonical bytes of a specification.
pub(crate) fn spec_bytes(spec: &ParamsSpec) -> Vec<u8> {
    let mut bytes = vec![
        spec.log_n,
        spec.first_bits,
        spec.special_count,
        spec.special_bits,
        security_tag(spec.security),
    ];
    bytes.extend_from_slice(&(spec.scale_bits.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&spec.scale_bits);
    // Pairs up to the end: nothing where no level is linear.
    bytes.extend(spec.linear_bits.iter().flat_map(|(l, bits)| [*l, *bits]));
    bytes
}

impl ParamsSpec {
    /// The serialised form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let payload = spec_bytes(self);
        write_frame(Kind::Params, &[0; 32], payload.len(), |out| {
            out.extend_from_slice(&payload);
        })
    }

    /// Reads the serialised form. The result may still be refused by [`Params::try_new`](crate::Params::try_new).
    ///
    /// # Errors
    /// Any [`WireError`] but those of residues.
    pub fn from_bytes(bytes: &[u8]) -> Result<ParamsSpec, WireError> {
        let mut reader = read_frame(bytes, Kind::Params, &[0; 32])?;
        let [log_n, first_bits, special_count, special_bits, tag] = reader.array()?;
        let security = Security::ALL
            .into_iter()
            .find(|s| security_tag(*s) == tag)
            .ok_or(WireError::OutOfRange {
                field: "security",
                value: tag.into(),
                max: Security::ALL.len() as u64 - 1,
            })?;
        let levels = u16::from_le_bytes(reader.array()?);
        let scale_bits = reader.take(levels.into())?.to_vec();
        let mut linear_bits = BTreeMap::new();
        while reader.left() > 0 {
            let [level, bits] = reader.array()?;
            linear_bits.insert(level, bits);
        }
        Ok(ParamsSpec {
            log_n,
            first_bits,
            scale_bits,
            linear_bits,
            special_count,
            special_bits,
            security,
        })
    }
}

/// The byte that stands for a security choice; part of the format.
const fn security_tag(security: Security) -> u8 {
    match security {
        Security::Insecure => 0,
        Security::Bits128 => 1,
        Security::Bits192 => 2,
        Security::Bits256 => 3,
        Security::Quantum128 => 4,
        Security::Quantum192 => 5,
        Security::Quantum256 => 6,
    }
}
