//! Levels: inserts rescalings and drops, assigns a state to every value.
//!
//! *Before*: products and sums without a word about levels. *After*: every operand of a product is on its canonical
//! scale, operands of one operation share a level, the outputs are at level 0 and the inputs as low as their
//! uses allow. *Why here*: layers do not know levels, keys and prices depend on them.
//!
//! ```text
//! %1 = mul_plain %0 "a"           %1 = mul_plain %0 "a"    @L1*
//! %2 = rotate %1 by 4       →     %2 = rescale %1          @L0
//!                                 %3 = rotate %2 by 4      @L0
//! ```
//!
//! A `dot_affine` is rescaled at once; its linear terms keep their levels. Other sums of products are formed before the rescaling (one rescaling for all), rotations after it (one limb less).

use std::collections::BTreeMap;

use girih_he::{Bootstrapping, Inst, Level, Op, Program, State, ValueId};

use crate::{Error, Result};

/// Levels during the pass count down from here; the outputs decide where zero is.
const START: u8 = u8::MAX;

/// Assigns levels; the program must not contain rescalings, drops or bootstraps yet.
///
/// # Errors
/// A program deeper than 255 levels or already leveled.
pub fn run(program: &Program) -> Result<Program> {
    let first = Pass::new(program, BTreeMap::new()).run()?;
    // Inputs that are only used below the top enter at the level of their highest use.
    let mut entry: BTreeMap<ValueId, u8> = BTreeMap::new();
    for (i, inst) in first.program.insts.iter().enumerate() {
        for operand in inst.op.operands() {
            if let Op::Input(_) = first.program.insts[operand.index()].op {
                let level = match inst.op {
                    Op::DropTo(_, level) => level,
                    _ => inst.op.working_level(state(&first.program, operand).level),
                };
                let highest = entry.entry(first.origin[&operand]).or_insert(0);
                *highest = (*highest).max(level.0);
            }
        }
        debug_assert!(inst.state.is_some(), "instruction {i} has a state");
    }
    let mut leveled = Pass::new(program, entry).run()?.program;
    let lowest = leveled
        .outputs
        .iter()
        .map(|(_, v)| state(&leveled, *v).level.0)
        .min()
        .unwrap_or(0);
    for inst in &mut leveled.insts {
        if let Op::DropTo(_, level) | Op::Rescaled(_, level) = &mut inst.op {
            level.0 = level.0.checked_sub(lowest).ok_or(Error::TooDeep)?;
        }
        if let Some(state) = &mut inst.state {
            state.level.0 = state.level.0.checked_sub(lowest).ok_or(Error::TooDeep)?;
        }
    }
    Ok(leveled)
}

/// Assigns levels to a program with bootstraps; it must not contain rescalings or drops yet.
///
/// Every input and every bootstrapped value enters at the level that the products after it need, up to the next
/// bootstrap or to an output, which ends at `last` or above. Outputs share a level.
///
/// # Errors
/// More products in sequence than the bootstrapping gives levels; a program already leveled.
pub fn run_bootstrapped(
    program: &Program,
    bootstrapping: &Bootstrapping,
    last: Level,
) -> Result<Program> {
    let mut need = vec![0u8; program.insts.len()];
    for (_, v) in &program.outputs {
        need[v.index()] = last.0;
    }
    let mut entry = BTreeMap::new();
    for (i, inst) in program.insts.iter().enumerate().rev() {
        let wanted = match inst.op {
            Op::Bootstrap(_) => bootstrapping.input.0,
            ref op => need[i].saturating_add(u8::from(op.makes_product())),
        };
        if wanted > bootstrapping.output.0 {
            return Err(Error::TooFewLevels {
                region: program.regions[inst.region as usize].clone(),
                levels: bootstrapping.output.0,
            });
        }
        for v in inst.op.operands() {
            need[v.index()] = need[v.index()].max(wanted);
        }
        if let Op::Input(_) | Op::Bootstrap(_) = inst.op {
            entry.insert(ValueId(i as u32), need[i]);
        }
    }
    Ok(Pass::new(program, entry).run()?.program)
}

fn state(program: &Program, value: ValueId) -> State {
    program.insts[value.index()]
        .state
        .expect("the pass assigns a state to every value")
}

struct Pass<'a> {
    source: &'a Program,
    entry: BTreeMap<ValueId, u8>,
    program: Program,
    /// New value of every old one.
    renamed: Vec<ValueId>,
    /// Old value of every new input.
    origin: BTreeMap<ValueId, ValueId>,
    rescaled: BTreeMap<ValueId, ValueId>,
    dropped: BTreeMap<(ValueId, Level), ValueId>,
}

impl<'a> Pass<'a> {
    fn new(source: &'a Program, entry: BTreeMap<ValueId, u8>) -> Self {
        let program = Program {
            insts: Vec::with_capacity(source.insts.len() * 2),
            outputs: Vec::new(),
            ..source.clone()
        };
        Pass {
            source,
            entry,
            program,
            renamed: Vec::new(),
            origin: BTreeMap::new(),
            rescaled: BTreeMap::new(),
            dropped: BTreeMap::new(),
        }
    }

    fn run(mut self) -> Result<Self> {
        for (i, inst) in self.source.insts.iter().enumerate() {
            let new = self.inst(ValueId(i as u32), inst)?;
            self.renamed.push(new);
        }
        for (name, value) in &self.source.outputs {
            let region = self.source.insts[value.index()].region;
            let ready = self.ready(self.renamed[value.index()], region)?;
            self.program.outputs.push((name.clone(), ready));
        }
        let lowest = self
            .program
            .outputs
            .iter()
            .map(|(_, v)| self.state(*v).level)
            .min();
        if let Some(lowest) = lowest {
            for k in 0..self.program.outputs.len() {
                let value = self.program.outputs[k].1;
                let region = self.program.insts[value.index()].region;
                self.program.outputs[k].1 = self.at(value, lowest, region);
            }
        }
        Ok(self)
    }

    fn state(&self, value: ValueId) -> State {
        state(&self.program, value)
    }

    fn push(&mut self, op: Op, level: Level, product: bool, region: u32) -> ValueId {
        self.program.insts.push(Inst {
            op,
            state: Some(State { level, product }),
            region,
        });
        ValueId(u32::try_from(self.program.insts.len() - 1).expect("fewer than 2^32 instructions"))
    }

    /// The value on its canonical scale.
    fn ready(&mut self, value: ValueId, region: u32) -> Result<ValueId> {
        let State { level, product } = self.state(value);
        if !product {
            return Ok(value);
        }
        if let Some(&found) = self.rescaled.get(&value) {
            return Ok(found);
        }
        let below = level.below().ok_or(Error::TooDeep)?;
        let new = self.push(Op::Rescale(value), below, false, region);
        self.rescaled.insert(value, new);
        Ok(new)
    }

    /// The (rescaled) value at a level not above its own.
    fn at(&mut self, value: ValueId, level: Level, region: u32) -> ValueId {
        if self.state(value).level == level {
            return value;
        }
        if let Some(&found) = self.dropped.get(&(value, level)) {
            return found;
        }
        let new = self.push(Op::DropTo(value, level), level, false, region);
        self.dropped.insert((value, level), new);
        new
    }

    fn inst(&mut self, old: ValueId, inst: &Inst) -> Result<ValueId> {
        let region = inst.region;
        let operands: Vec<ValueId> = inst
            .op
            .operands()
            .iter()
            .map(|v| self.renamed[v.index()])
            .collect();
        let keeps_products = match inst.op {
            Op::Input(_) => {
                let level = Level(self.entry.get(&old).copied().unwrap_or(START));
                let new = self.push(inst.op.clone(), level, false, region);
                self.origin.insert(new, old);
                return Ok(new);
            }
            Op::Bootstrap(_) if let Some(&level) = self.entry.get(&old) => {
                let ready = self.ready(operands[0], region)?;
                return Ok(self.push(Op::Bootstrap(ready), Level(level), false, region));
            }
            Op::Rescale(_) | Op::DropTo(..) | Op::Rescaled(..) | Op::Bootstrap(_) => {
                return Err(Error::AlreadyLeveled { at: old.index() });
            }
            Op::DotAffine { ref products, .. } => {
                return self.affine(&inst.op, 2 * products.len(), &operands, region);
            }
            Op::Add(..) | Op::Sub(..) | Op::SumRotated(_) | Op::AddScalar(..) | Op::Neg(_) => true,
            _ => false,
        };
        let first = operands.first().map(|&v| self.state(v));
        let alike = operands.iter().all(|&v| Some(self.state(v)) == first);
        let mut placed: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        if keeps_products && alike {
            placed.extend(operands.iter().map(|&v| (v, v)));
        } else {
            for &value in &operands {
                let ready = self.ready(value, region)?;
                placed.insert(value, ready);
            }
            let level = placed
                .values()
                .map(|&v| self.state(v).level)
                .min()
                .unwrap_or(Level(START));
            for value in placed.values_mut() {
                *value = self.at(*value, level, region);
            }
        }
        let op = inst.op.map_operands(|v| placed[&self.renamed[v.index()]]);
        let result = op.operands().first().map_or(
            State {
                level: Level(START),
                product: false,
            },
            |&v| self.state(v),
        );
        let product = op.makes_product() || result.product;
        Ok(self.push(op, result.level, product, region))
    }

    /// A sum of products and linear terms, rescaled at once. The first `factors` operands are those of products: all
    /// at one level. Linear terms may stay above: their coefficients lower them.
    fn affine(
        &mut self,
        op: &Op,
        factors: usize,
        operands: &[ValueId],
        region: u32,
    ) -> Result<ValueId> {
        let mut placed = operands
            .iter()
            .map(|&v| self.ready(v, region))
            .collect::<Result<Vec<_>>>()?;
        let level = placed.iter().map(|&v| self.state(v).level).min();
        let level = level.unwrap_or(Level(START));
        let below = level.below().ok_or(Error::TooDeep)?;
        for value in &mut placed[..factors] {
            *value = self.at(*value, level, region);
        }
        let mut next = placed.into_iter();
        let op = op.map_operands(|old| next.next().unwrap_or(old));
        Ok(self.push(Op::Rescaled(Box::new(op), below), below, false, region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use girih_he::{Evaluator, Recorder, Rotation};

    fn states(program: &Program) -> Vec<(&'static str, u8, bool)> {
        program
            .insts
            .iter()
            .map(|i| {
                let s = i.state.expect("leveled");
                (i.op.name(), s.level.0, s.product)
            })
            .collect()
    }

    #[test]
    fn sums_of_products_are_rescaled_once_and_outputs_end_at_level_zero() {
        let r = Recorder::new("t", 8);
        let x = r.input("x").expect("new name");
        let square = r.mul(&x, &x).expect("records");
        let double = r.mul_scalar(&x, 2.0).expect("records");
        let sum = r.add(&square, &double).expect("records");
        let turned = r.rotate(&sum, Rotation(1)).expect("records");
        let out = r.add(&turned, &x).expect("records");
        r.output("y", &out).expect("new name");
        let leveled = run(&r.finish().0).expect("levels");
        assert_eq!(
            states(&leveled),
            [
                ("input", 1, false),
                ("mul", 1, true),
                ("mul_scalar", 1, true),
                ("add", 1, true),
                ("rescale", 0, false),
                ("rotate", 0, false),
                ("drop_to", 0, false),
                ("add", 0, false),
            ]
        );
    }

    #[test]
    fn bootstrapped_values_enter_at_the_level_that_is_needed() {
        let r = Recorder::new("t", 8);
        let x = r.input("x").expect("new name");
        let square = r.mul(&x, &x).expect("records");
        let raised = r.bootstrap(&square).expect("records");
        let third = r.mul(&raised, &x).expect("records");
        let fifth = r.mul(&third, &raised).expect("records");
        r.output("y", &fifth).expect("new name");
        let program = r.finish().0;
        let bootstrapping = |output| Bootstrapping {
            input: Level(1),
            output: Level(output),
            bound: 1.0,
            error: 0.0,
            values: girih_he::SlotValues::Real,
            slots: 8,
        };
        let leveled = run_bootstrapped(&program, &bootstrapping(4), Level(0)).expect("levels");
        assert_eq!(
            states(&leveled),
            [
                ("input", 2, false),
                ("mul", 2, true),
                ("rescale", 1, false),
                ("bootstrap", 2, false),
                ("mul", 2, true),
                ("rescale", 1, false),
                ("drop_to", 1, false),
                ("mul", 1, true),
                ("rescale", 0, false),
            ]
        );
        girih_he::verify(&leveled, Level(4)).expect("verifies");
        let higher = run_bootstrapped(&program, &bootstrapping(4), Level(1)).expect("levels");
        assert_eq!(states(&higher).last(), Some(&("rescale", 1, false)));
        assert!(matches!(
            run_bootstrapped(&program, &bootstrapping(1), Level(0)),
            Err(Error::TooFewLevels { levels: 1, .. })
        ));
    }

    #[test]
    fn inputs_enter_at_their_highest_use() {
        let r = Recorder::new("t", 8);
        let x = r.input("x").expect("new name");
        let w = r.input("w").expect("new name");
        let square = r.mul(&x, &x).expect("records");
        let out = r.mul(&square, &w).expect("records");
        r.output("y", &out).expect("new name");
        let leveled = run(&r.finish().0).expect("levels");
        assert_eq!(
            states(&leveled)[..2],
            [("input", 2, false), ("input", 1, false)]
        );
        assert!(!leveled.insts.iter().any(|i| matches!(i.op, Op::DropTo(..))));
    }
}
