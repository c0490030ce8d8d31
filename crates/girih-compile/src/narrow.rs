//! A program on fewer samples: predictions need no more samples than there are probes.
//!
//! Samples lie side by side in the innermost dimension and never meet, so that every `k`-th sample can be looked at alone: of
//! every vector the slots `0, k, 2k, …`, and rotations by a `k`-th of their distances.

use girih_he::{Bootstrapping, Constants, GiantStep, HeProfile, Op, Program, Rotation};

use crate::Result;
use crate::packing::TensorPacking;

/// A program, its constants and its ends, on some of the samples.
pub(crate) struct Narrow {
    /// One of so many samples is kept.
    every: usize,
    pub(crate) program: Program,
    pub(crate) constants: Constants,
    pub(crate) encrypted: Constants,
    pub(crate) input: TensorPacking,
    pub(crate) output: TensorPacking,
}

impl Narrow {
    /// Keeps at most `samples` samples, a power of two.
    pub(crate) fn of(
        program: &Program,
        [constants, encrypted]: [&Constants; 2],
        [input, output]: [&TensorPacking; 2],
        samples: usize,
    ) -> Result<Narrow> {
        let every = (input.batch() / samples).max(1);
        let thin = |constants: &Constants| {
            let mut thinned = Constants::default();
            for (name, values) in constants.iter() {
                match every {
                    1 => thinned.insert(name, values.clone()),
                    _ => {
                        let slots = values.slots();
                        let kept: Vec<f64> = slots.iter().copied().step_by(every).collect();
                        thinned.insert(name, kept);
                    }
                }
            }
            thinned
        };
        let mut program = program.clone();
        if every > 1 {
            program.slots /= every;
            for inst in &mut program.insts {
                turn(&mut inst.op, every);
            }
        }
        Ok(Narrow {
            every,
            program,
            constants: thin(constants),
            encrypted: thin(encrypted),
            input: packing(input, every)?,
            output: packing(output, every)?,
        })
    }

    /// Samples that are kept.
    pub(crate) fn batch(&self) -> usize {
        self.input.batch()
    }

    /// The profile of ciphertexts of so many slots.
    pub(crate) fn profile(&self, profile: &HeProfile) -> HeProfile {
        HeProfile {
            slots: self.program.slots,
            bootstrapping: profile.bootstrapping.map(|b| Bootstrapping {
                slots: b.slots / self.every,
                ..b
            }),
            ..profile.clone()
        }
    }
}

/// Divides the distances of an operation.
fn turn(op: &mut Op, by: usize) {
    let divide = |r: &mut Rotation| {
        debug_assert_eq!(r.0.unsigned_abs() as usize % by, 0, "samples do not mix");
        r.0 /= by as i32;
    };
    match op {
        Op::Rotate(_, r) => divide(r),
        Op::SumRotated(terms) => terms.iter_mut().for_each(|(_, r)| divide(r)),
        Op::SumRotatedProducts(giants) => {
            for GiantStep { by, terms } in giants {
                divide(by);
                terms.iter_mut().for_each(|(_, r, _)| divide(r));
            }
        }
        Op::Rescaled(op, _) => turn(op, by),
        _ => {}
    }
}

fn packing(packing: &TensorPacking, every: usize) -> Result<TensorPacking> {
    let placement = packing.placement().thinned(every)?;
    TensorPacking::try_new(packing.name(), packing.shape().to_vec(), placement)
}
