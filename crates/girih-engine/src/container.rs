//! The frame of the engine's files: a JSON head for people, raw sections for numbers, a checksum.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic `GIRIHENG` |
//! | 4, 4 | format version, kind |
//! | 8, 8 | length of the head, number of sections |
//! | 8 each | lengths of the sections |
//! | | head, sections |
//! | 32 | BLAKE3 of everything before |

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, FormatError, Result};

const MAGIC: &[u8; 8] = b"GIRIHENG";
/// Version of the format.
const VERSION: u32 = 1;
const FIXED: usize = 32;
const CHECKSUM: usize = 32;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ServerPart = 1,
    ClientPart = 2,
    Weights = 3,
    Tensor = 4,
}

impl Kind {
    const ALL: [Kind; 4] = [
        Kind::ServerPart,
        Kind::ClientPart,
        Kind::Weights,
        Kind::Tensor,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::ServerPart => "server part of a model",
            Kind::ClientPart => "client part of a model",
            Kind::Weights => "file of weights",
            Kind::Tensor => "encrypted tensor",
        }
    }
}

/// A file of `kind` from its head and sections.
pub(crate) fn write<H: Serialize, S: AsRef<[u8]>>(
    kind: Kind,
    head: &H,
    sections: &[S],
) -> Result<Vec<u8>> {
    let head =
        serde_json::to_vec(head).map_err(|e| FormatError::field("head", e).of(kind.name()))?;
    let content: usize = sections.iter().map(|s| s.as_ref().len()).sum();
    let mut out = Vec::with_capacity(FIXED + 8 * sections.len() + head.len() + content + CHECKSUM);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(kind as u32).to_le_bytes());
    out.extend_from_slice(&(head.len() as u64).to_le_bytes());
    out.extend_from_slice(&(sections.len() as u64).to_le_bytes());
    for section in sections {
        out.extend_from_slice(&(section.as_ref().len() as u64).to_le_bytes());
    }
    out.extend_from_slice(&head);
    for section in sections {
        out.extend_from_slice(section.as_ref());
    }
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    Ok(out)
}

/// The head and the sections of a file of `kind`.
pub(crate) fn read<H: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<(H, Vec<&[u8]>)> {
    parse(kind, bytes).map_err(|e| e.of(kind.name()))
}

fn parse<H: DeserializeOwned>(
    kind: Kind,
    bytes: &[u8],
) -> std::result::Result<(H, Vec<&[u8]>), FormatError> {
    let found = bytes.len() as u64;
    let truncated = |needed: u64| FormatError::Truncated { needed, found };
    if bytes.len() >= MAGIC.len() && !bytes.starts_with(MAGIC) {
        return Err(FormatError::Magic);
    }
    if bytes.len() < FIXED + CHECKSUM {
        return Err(truncated((FIXED + CHECKSUM) as u64));
    }
    let version = u32_at(bytes, 8);
    if version != VERSION {
        return Err(FormatError::Version {
            found: version,
            supported: VERSION,
        });
    }
    let tag = u32_at(bytes, 12);
    if tag != kind as u32 {
        let known = Kind::ALL.iter().find(|k| **k as u32 == tag);
        return Err(FormatError::Kind {
            found: known.map_or_else(
                || format!("file of unknown kind {tag}"),
                |k| k.name().to_string(),
            ),
            expected: kind.name(),
        });
    }
    let (head_len, count) = (u64_at(bytes, 16), u64_at(bytes, 24));
    let table = count
        .checked_mul(8)
        .and_then(|t| t.checked_add((FIXED + CHECKSUM) as u64));
    let table = table
        .filter(|&t| t <= found)
        .ok_or_else(|| truncated(count.saturating_mul(8)))?;
    // The table lies inside the file, so the count fits memory.
    let lengths: Vec<u64> = (0..count as usize)
        .map(|i| u64_at(bytes, FIXED + 8 * i))
        .collect();
    let needed = lengths
        .iter()
        .try_fold(table, |sum, &l| sum.checked_add(l))
        .and_then(|sum| sum.checked_add(head_len));
    match needed {
        Some(needed) if needed == found => {}
        Some(needed) if needed < found => {
            return Err(FormatError::field(
                "length",
                format!("{} bytes follow the end", found - needed),
            ));
        }
        needed => return Err(truncated(needed.unwrap_or(u64::MAX))),
    }
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if blake3::hash(content).as_bytes() != checksum {
        return Err(FormatError::Checksum);
    }
    let (head, mut rest) = content[FIXED + 8 * lengths.len()..].split_at(head_len as usize);
    let head = serde_json::from_slice(head).map_err(|e| FormatError::field("head", e))?;
    let sections = lengths
        .iter()
        .map(|&len| {
            let (section, after) = rest.split_at(len as usize);
            rest = after;
            section
        })
        .collect();
    Ok((head, sections))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Little-endian bytes of numbers.
pub(crate) fn f64_bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The numbers of little-endian bytes.
pub(crate) fn f64_values(bytes: &[u8], what: &'static str) -> Result<Vec<f64>> {
    if !bytes.len().is_multiple_of(8) {
        return Err(FormatError::field(
            "section",
            format!("{} bytes are no f64 numbers", bytes.len()),
        )
        .of(what));
    }
    Ok(bytes
        .chunks_exact(8)
        .map(|c| f64::from_bits(u64_at(c, 0)))
        .collect())
}

/// Section `i` of a file.
pub(crate) fn section<'a>(sections: &[&'a [u8]], i: usize, what: &'static str) -> Result<&'a [u8]> {
    sections.get(i).copied().ok_or_else(|| -> Error {
        FormatError::field("sections", format!("section {i} is missing")).of(what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        write(
            Kind::Tensor,
            &vec![1, 2, 3],
            &[vec![7u8; 40], vec![], vec![9u8; 3]],
        )
        .expect("writes")
    }

    #[test]
    fn comes_back() {
        let bytes = sample();
        let (head, sections) = read::<Vec<u32>>(Kind::Tensor, &bytes).expect("reads");
        assert_eq!(head, [1, 2, 3]);
        assert_eq!(sections, [&[7u8; 40][..], &[][..], &[9u8; 3][..]]);
        let error = read::<Vec<u32>>(Kind::Weights, &bytes).expect_err("another kind");
        assert!(
            error
                .to_string()
                .contains("encrypted tensor, not a file of weights"),
            "{error}"
        );
    }

    #[test]
    fn every_altered_byte_and_every_length_is_refused() {
        let bytes = sample();
        for at in 0..bytes.len() {
            for flip in [1u8, 0x80] {
                let mut altered = bytes.clone();
                altered[at] ^= flip;
                assert!(
                    read::<Vec<u32>>(Kind::Tensor, &altered).is_err(),
                    "byte {at}"
                );
            }
            assert!(
                read::<Vec<u32>>(Kind::Tensor, &bytes[..at]).is_err(),
                "length {at}"
            );
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(read::<Vec<u32>>(Kind::Tensor, &longer).is_err());
    }

    proptest! {
        /// A forger computes the checksum too: lengths must not panic or allocate.
        #[test]
        fn forged_lengths_are_refused(at in 16usize..56, value in any::<u64>()) {
            let mut bytes = sample();
            bytes.truncate(bytes.len() - CHECKSUM);
            let at = at.min(bytes.len() - 8);
            let original = bytes[at..at + 8].to_vec();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            let checksum = blake3::hash(&bytes);
            bytes.extend_from_slice(checksum.as_bytes());
            let result = read::<Vec<u32>>(Kind::Tensor, &bytes);
            prop_assert!(result.is_err() || value.to_le_bytes()[..] == original[..]);
        }
    }
}
