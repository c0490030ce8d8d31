//! Recomputes the states of a program and the keys it needs.

use crate::{
    Bootstrapping, Error, KeyManifest, Level, Op, Program, Result, Rotation, State, ValueId, rules,
};

/// Checks every rule of a program whose levels are assigned and returns the keys it needs.
///
/// Beyond [`Program::check`], the state of every value is recomputed from the inputs (which start
/// where the program says, or at `top`) by the [`rules`], and compared with the one it carries.
///
/// # Errors
/// The first instruction that breaks a rule or carries another state than the recomputed one.
pub fn verify(program: &Program, top: Level) -> Result<KeyManifest> {
    let states = states(program, top)?;
    for (at, (inst, state)) in program.insts.iter().zip(&states).enumerate() {
        if let Some(carried) = inst.state.filter(|carried| carried != state) {
            return Err(Error::Program {
                at,
                why: format!("carries the state {carried}, but is at {state}"),
            });
        }
    }
    let mut manifest = KeyManifest::default();
    for (inst, state) in program.insts.iter().zip(&states) {
        manifest.require(&inst.op, state.level, program.slots);
    }
    Ok(manifest)
}

/// Checks the bootstraps of a verified program: operands not below the input level, results not above the output level.
///
/// # Errors
/// The first bootstrap that breaks a rule; any bootstrap if there is no bootstrapping.
pub fn verify_bootstraps(
    program: &Program,
    top: Level,
    bootstrapping: Option<&Bootstrapping>,
) -> Result<()> {
    let states = states(program, top)?;
    for (at, inst) in program.insts.iter().enumerate() {
        let Op::Bootstrap(a) = inst.op else {
            continue;
        };
        rules::bootstrapping(bootstrapping)
            .and_then(|b| rules::bootstrap(states[a.index()], b))
            .and_then(|highest| rules::drop_to(highest, states[at].level))
            .map_err(|e| Error::Program {
                at,
                why: e.to_string(),
            })?;
    }
    Ok(())
}

/// The state of every value, recomputed.
///
/// # Errors
/// The program is malformed or breaks a rule.
pub fn states(program: &Program, top: Level) -> Result<Vec<State>> {
    program.check()?;
    let mut states: Vec<State> = Vec::with_capacity(program.insts.len());
    for (at, inst) in program.insts.iter().enumerate() {
        let state =
            rules::result_state(inst, top, |v: ValueId| states[v.index()]).map_err(|e| {
                Error::Program {
                    at,
                    why: e.to_string(),
                }
            })?;
        states.push(state);
    }
    Ok(states)
}

impl KeyManifest {
    /// Adds the keys of one operation whose operands are at `level`.
    pub fn require(&mut self, op: &Op, level: Level, slots: usize) {
        match op {
            Op::Mul(..) | Op::Dot(_) => raise(&mut self.relinearization, level),
            Op::Conjugate(_) => raise(&mut self.conjugation, level),
            Op::Rotate(_, r) => self.require_rotation(*r, level, slots),
            Op::SumRotated(terms) => {
                for (_, r) in terms {
                    self.require_rotation(*r, level, slots);
                }
            }
            Op::DotAffine { products, .. } if !products.is_empty() => {
                raise(&mut self.relinearization, level);
            }
            Op::SumRotatedProducts(giants) => {
                for giant in giants {
                    self.require_rotation(giant.by, level, slots);
                    for (_, r, _) in &giant.terms {
                        self.require_rotation(*r, level, slots);
                    }
                }
            }
            Op::Rescaled(inner, _) => self.require(inner, op.working_level(level), slots),
            _ => {}
        }
    }

    /// Adds the key of a rotation at `level`; the identity needs none.
    pub fn require_rotation(&mut self, by: Rotation, level: Level, slots: usize) {
        if !by.is_identity(slots) {
            let highest = self.rotations.entry(by.normalized(slots)).or_insert(level);
            *highest = level.max(*highest);
        }
    }

    /// Adds all keys of another manifest.
    pub fn merge(&mut self, other: &KeyManifest) {
        if let Some(level) = other.relinearization {
            raise(&mut self.relinearization, level);
        }
        if let Some(level) = other.conjugation {
            raise(&mut self.conjugation, level);
        }
        for (&r, &level) in &other.rotations {
            let highest = self.rotations.entry(r).or_insert(level);
            *highest = level.max(*highest);
        }
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rotations.len()
            + usize::from(self.relinearization.is_some())
            + usize::from(self.conjugation.is_some())
    }

    /// Whether no key is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The level of every key.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        self.relinearization
            .into_iter()
            .chain(self.conjugation)
            .chain(self.rotations.values().copied())
    }
}

fn raise(highest: &mut Option<Level>, level: Level) {
    *highest = Some(highest.map_or(level, |h| h.max(level)));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Inst;

    fn program(ops: Vec<Op>) -> Program {
        Program {
            name: "t".into(),
            slots: 8,
            insts: ops
                .into_iter()
                .map(|op| Inst {
                    op,
                    state: None,
                    region: 0,
                })
                .collect(),
            constants: vec!["w".into()],
            regions: vec!["main".into()],
            outputs: Vec::new(),
        }
    }

    const V: fn(u32) -> ValueId = ValueId;

    #[test]
    fn keys_carry_their_highest_level() {
        let p = program(vec![
            Op::Input("x".into()),
            Op::Rotate(V(0), Rotation(-1)),
            Op::Mul(V(0), V(1)),
            Op::Rescale(V(2)),
            Op::SumRotated(vec![
                (V(3), Rotation(0)),
                (V(3), Rotation(7)),
                (V(3), Rotation(2)),
            ]),
            Op::Mul(V(4), V(4)),
            Op::Conjugate(V(5)),
        ]);
        let keys = verify(&p, Level(3)).unwrap();
        assert_eq!(keys.relinearization, Some(Level(3)));
        assert_eq!(keys.conjugation, Some(Level(2)));
        assert_eq!(
            keys.rotations.into_iter().collect::<Vec<_>>(),
            [(Rotation(2), Level(2)), (Rotation(7), Level(3))]
        );
    }

    #[test]
    fn broken_rules_are_found_where_they_are() {
        let input = || Op::Input("x".into());
        let sum_of_states = vec![input(), Op::Mul(V(0), V(0)), Op::Add(V(0), V(1))];
        let product_of_product = vec![input(), Op::MulScalar(V(0), 2.0), Op::Mul(V(1), V(1))];
        let no_level = vec![
            input(),
            Op::DropTo(V(0), Level(0)),
            Op::MulScalar(V(1), 1.0),
        ];
        let upward = vec![
            input(),
            Op::DropTo(V(0), Level(1)),
            Op::DropTo(V(1), Level(2)),
        ];
        let twice = vec![input(), Op::Neg(V(0)), Op::Rescale(V(1))];
        let later = vec![input(), Op::Neg(V(0)), Op::Neg(V(2))];
        let constant = vec![
            input(),
            Op::Neg(V(0)),
            Op::MulPlain(V(0), crate::ConstId(1)),
        ];
        let empty = vec![input(), Op::Neg(V(0)), Op::Dot(Vec::new())];
        let levels = vec![
            input(),
            Op::DropTo(V(0), Level(1)),
            Op::DotPlain(vec![(V(0), crate::ConstId(0)), (V(1), crate::ConstId(0))]),
        ];
        for ops in [
            sum_of_states,
            product_of_product,
            no_level,
            upward,
            twice,
            later,
            constant,
            empty,
            levels,
        ] {
            let shown = format!("{ops:?}");
            let error = verify(&program(ops), Level(3)).unwrap_err();
            assert!(
                matches!(error, Error::Program { at: 2, .. }),
                "{shown}: {error}"
            );
        }
    }

    #[test]
    fn bootstraps_stay_within_their_levels() {
        let low = |level| {
            Some(State {
                level: Level(level),
                product: false,
            })
        };
        let bootstrapping = Bootstrapping {
            input: Level(1),
            output: Level(2),
            bound: 1.0,
            error: 0.0,
            values: crate::SlotValues::Real,
            slots: 8,
        };
        let mut p = program(vec![Op::Input("x".into()), Op::Bootstrap(V(0))]);
        let check = |p: &Program, b: Option<&Bootstrapping>| {
            verify(p, Level(3)).unwrap();
            verify_bootstraps(p, Level(3), b)
        };
        p.insts[1].state = low(2);
        check(&p, Some(&bootstrapping)).unwrap();
        assert!(check(&p, None).is_err());
        p.insts[1].state = low(3);
        assert!(check(&p, Some(&bootstrapping)).is_err());
        p.insts[0].state = low(0);
        p.insts[1].state = low(2);
        assert!(check(&p, Some(&bootstrapping)).is_err());
    }

    #[test]
    fn carried_states_must_be_true() {
        let mut p = program(vec![Op::Input("x".into()), Op::Neg(V(0))]);
        let low = State {
            level: Level(1),
            product: false,
        };
        p.insts[0].state = Some(low);
        verify(&p, Level(3)).unwrap();
        p.insts[1].state = Some(State {
            level: Level(2),
            product: false,
        });
        assert!(matches!(
            verify(&p, Level(3)),
            Err(Error::Program { at: 1, .. })
        ));
        p.insts[0].state = Some(State {
            level: Level(4),
            product: false,
        });
        assert!(matches!(
            verify(&p, Level(3)),
            Err(Error::Program { at: 0, .. })
        ));
    }
}
