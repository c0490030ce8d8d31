//! Index tables for gathers, checked once so that kernels need not check.

use crate::error::{Error, Result};

/// A permutation of the positions of a row: `out[i] = in[index[i]]`.
///
/// Galois automorphisms in the transformed domain are such permutations
/// ([`NttTable::automorphism`](crate::NttTable::automorphism)). Those move whole groups of
/// eight neighbours and only permute inside a group; the table notes this, so that vector kernels load a
/// group and permute it in a register instead of gathering eight words.
#[derive(Clone, PartialEq, Eq)]
pub struct Permutation {
    index: Box<[u32]>,
    /// Per group of eight outputs: the group it comes from, and the eight lane numbers, a byte each.
    groups: Option<Box<[Group]>>,
}

/// Where a group of eight outputs comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Group {
    /// The first input position, a multiple of eight.
    pub(crate) start: u64,
    /// Lane numbers, lane 0 in the low byte.
    pub(crate) lanes: u64,
}

/// Words per group.
pub(crate) const GROUP: usize = 8;

impl Permutation {
    /// Checks that `index` is a permutation of `0..index.len()`.
    ///
    /// # Errors
    /// [`Error::NotAPermutation`] at the first position that leaves the range or repeats.
    pub fn try_new(index: Vec<u32>) -> Result<Permutation> {
        let n = index.len();
        let mut seen = vec![false; n];
        for (position, i) in index.iter().enumerate() {
            match seen.get_mut(*i as usize) {
                Some(slot) if !*slot => *slot = true,
                _ => {
                    return Err(Error::NotAPermutation {
                        n,
                        position,
                        index: *i,
                    });
                }
            }
        }
        let groups = find_groups(&index);
        Ok(Permutation {
            index: index.into_boxed_slice(),
            groups,
        })
    }

    /// The number of positions.
    #[inline]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the table has no positions.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// `index[i]`: where output `i` comes from; each below [`Permutation::len`].
    #[inline]
    pub fn index(&self) -> &[u32] {
        &self.index
    }

    /// The group form, if groups of eight stay together.
    #[inline]
    pub(crate) fn groups(&self) -> Option<&[Group]> {
        self.groups.as_deref()
    }
}

impl std::fmt::Debug for Permutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permutation")
            .field("len", &self.len())
            .field("in_groups", &self.groups.is_some())
            .finish()
    }
}

fn find_groups(index: &[u32]) -> Option<Box<[Group]>> {
    let (chunks, rest) = index.as_chunks::<GROUP>();
    if !rest.is_empty() {
        return None;
    }
    chunks
        .iter()
        .map(|chunk| {
            let start = chunk[0] & !(GROUP as u32 - 1);
            let mut lanes = 0;
            for (lane, i) in chunk.iter().enumerate() {
                let from = i.wrapping_sub(start);
                if from >= GROUP as u32 {
                    return None;
                }
                lanes |= u64::from(from) << (8 * lane);
            }
            Some(Group {
                start: u64::from(start),
                lanes,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_tables_are_refused_where_they_go_wrong() {
        let error = |index: Vec<u32>| Permutation::try_new(index).expect_err("refused");
        assert_eq!(
            error(vec![0, 2]),
            Error::NotAPermutation {
                n: 2,
                position: 1,
                index: 2
            }
        );
        assert_eq!(
            error(vec![1, 1, 0]),
            Error::NotAPermutation {
                n: 3,
                position: 1,
                index: 1
            }
        );
        assert!(Permutation::try_new(Vec::new()).expect("empty").is_empty());
    }

    #[test]
    fn groups_are_found_exactly_when_they_exist() {
        let reversed: Vec<u32> = (0..24).rev().collect();
        let p = Permutation::try_new(reversed).expect("permutation");
        let groups = p.groups().expect("reversal keeps groups");
        assert_eq!(groups[0].start, 16);
        assert_eq!(groups[0].lanes, 0x0001_0203_0405_0607);
        let mut mixed: Vec<u32> = (0..24).collect();
        mixed.swap(0, 8);
        assert!(
            Permutation::try_new(mixed)
                .expect("permutation")
                .groups()
                .is_none()
        );
        let odd: Vec<u32> = (0..9).collect();
        assert!(
            Permutation::try_new(odd)
                .expect("permutation")
                .groups()
                .is_none()
        );
    }
}
