//! The server: holds a program, its constants and evaluation keys; sees ciphertexts only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use girih_bootstrap::{BootstrapEvaluator, BootstrapKeys, Bootstrapper};
use girih_ckks::{
    Ciphertext, EncapsulationKeys, Encoder, Encodings, Encryptor, EvaluationKeys, Evaluator,
    Params, PublicKey, Use,
};
use girih_he::cost::primitives;
use girih_he::{
    ConstId, ConstantUse, Constants, Encoding, HeProfile, KeyManifest, Level, Op, Program, State,
    ValueId, encodings, kept_encodings, verify, verify_bootstraps,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use rayon::prelude::*;

use crate::artifact::{ModelId, ServerPart};
use crate::executor::{Executor, Progress};
use crate::metrics::Timings;
use crate::tensor::{EncryptedTensor, Role, Tile};
use crate::{Error, FormatError, MachineTable, Result, bootstrapping};

/// Name of the evaluation keys' file in the server's folder.
pub const EVALUATION_KEYS_FILE: &str = "evaluation.keys";
/// Name of the file of the keys to the sparse secret and back in the server's folder, where programs bootstrap.
pub const ENCAPSULATION_KEYS_FILE: &str = "encapsulation.keys";
/// Name of the public key's file in the server's folder.
pub const PUBLIC_KEY_FILE: &str = "public.key";
/// Name of the encrypted weights' file in the server's folder.
pub const ENCRYPTED_WEIGHTS_FILE: &str = "weights.ct";

/// What a client gives the server to compute with.
pub struct ServerKeys {
    /// Relinearisation, rotations, conjugation.
    pub evaluation: EvaluationKeys,
    /// To the sparse secret of a bootstrapping and back, for programs that bootstrap.
    pub encapsulation: Option<EncapsulationKeys>,
}

impl From<EvaluationKeys> for ServerKeys {
    /// The keys of a program without bootstraps.
    fn from(evaluation: EvaluationKeys) -> Self {
        ServerKeys {
            evaluation,
            encapsulation: None,
        }
    }
}

/// A server of one compiled model for one client's keys.
pub struct Server {
    id: ModelId,
    outputs: Vec<String>,
    params: Params,
    evaluator: BootstrapEvaluator,
    executor: Executor<BootstrapEvaluator>,
    states: Vec<State>,
    weights: BTreeMap<String, Arc<Ciphertext>>,
    /// The encodings that are made ahead.
    kept: BTreeSet<Encoding>,
}

/// An input of a program, before it is read.
#[derive(Clone)]
enum Closed<'a> {
    /// Of the client's tensor.
    Tile(&'a Tile),
    /// An encrypted weight.
    Weight(&'a Arc<Ciphertext>),
}

impl Server {
    /// A server. Constants are encoded by [`encode`](Self::encode), those that fit the plan's memory, and the others whenever they are
    /// used.
    ///
    /// # Errors
    /// Keys of other parameters or lacking what the program needs (all of it is named); a program that breaks a rule.
    pub fn try_new(part: ServerPart, keys: impl Into<ServerKeys>) -> Result<Server> {
        let ServerKeys {
            evaluation: keys,
            encapsulation,
        } = keys.into();
        let params = keys.params().clone();
        if *params.spec() != part.spec {
            return Err(girih_ckks::Error::ParamsMismatch {
                what: "evaluation keys",
            }
            .into());
        }
        let machine = MachineTable::shipped().machine(1);
        let prices = bootstrapping::prices(&params, part.preset.as_deref(), &machine)?;
        let bootstrapping = prices.bootstrapping;
        let plan = match &part.preset {
            None => None,
            Some(name) => {
                let set =
                    bootstrapping::preset(name, &part.spec).map_err(|e| e.of("server part"))?;
                Some(set.plan(&params)?)
            }
        };
        let top = prices.top();
        let mut needed = verify(&part.program, top)?;
        verify_bootstraps(&part.program, top, bootstrapping.as_ref())?;
        if let Some(plan) = &plan {
            needed.merge(&plan.manifest());
        }
        let mut missing = missing_keys(&needed, &keys.manifest());
        if plan.is_some() && encapsulation.is_none() {
            missing.push("encapsulation (to the sparse secret and back)".to_string());
        }
        if !missing.is_empty() {
            return Err(Error::MissingKeys { missing });
        }
        let states = girih_he::states(&part.program, top)?;
        let evaluator = match (plan, bootstrapping, encapsulation) {
            (Some(plan), Some(bootstrapping), Some(encapsulation)) => {
                let keys = BootstrapKeys {
                    evaluation: keys.into(),
                    encapsulation: encapsulation.into(),
                };
                BootstrapEvaluator::new(Bootstrapper::try_new(plan, keys)?, bootstrapping)
            }
            _ => BootstrapEvaluator::leveled(Evaluator::new(keys)),
        };
        let evaluator = evaluator.with_encodings(Encodings::Transient);
        let kept = kept_encodings(
            &encodings(&part.program, &states),
            &prices,
            &part.constants.periods(&part.program),
            part.constant_budget,
        );
        let program = Arc::new(part.program);
        let weigh = |v: ValueId| predicted_seconds(&program, v, &states, &prices);
        let executor = Executor::try_new(program.clone(), &part.constants, &evaluator, weigh)?;
        Ok(Server {
            id: part.id,
            outputs: part.outputs,
            params,
            evaluator,
            executor,
            states,
            weights: BTreeMap::new(),
            kept,
        })
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Hands over the encrypted weights.
    ///
    /// # Errors
    /// Weights of another model, or a name that the program does not read.
    pub fn set_weights(&mut self, weights: EncryptedTensor) -> Result<()> {
        weights.check(&self.id, Role::Weights)?;
        let [tiles] = <[Vec<Tile>; 1]>::try_from(weights.chunks).map_err(|chunks| {
            let why = format!("{} chunks, expected one", chunks.len());
            FormatError::field("weights", why).of("encrypted weights")
        })?;
        let program = self.executor.program();
        let inputs: BTreeSet<&str> = program.inputs().map(|(name, _)| name).collect();
        for (name, tile) in weights.names.iter().zip(tiles) {
            if !inputs.contains(name.as_str()) {
                return Err(FormatError::field(
                    "weights",
                    format!("the program reads no {name:?}"),
                )
                .of("encrypted weights"));
            }
            let weight = match tile {
                Tile::Full(ciphertext) => ciphertext,
                Tile::Seeded(ciphertext) => ciphertext.expand(&self.params),
            };
            self.weights.insert(name.clone(), Arc::new(weight));
        }
        Ok(())
    }

    /// Encodes the constants that are kept, in parallel, at every level and scale at which the program uses them; and the matrices
    /// of the bootstrapping.
    ///
    /// # Errors
    /// Values that overflow the modulus.
    pub fn encode(&self) -> Result<()> {
        self.kept.par_iter().try_for_each(|encoding| {
            let usage = match encoding.usage {
                ConstantUse::Factor => Use::Factor,
                ConstantUse::Term => Use::Term,
                ConstantUse::ProductTerm => Use::ProductTerm,
                ConstantUse::LazyFactor => Use::LazyFactor,
            };
            match self.executor.constant(encoding.constant) {
                Some(constant) => self
                    .evaluator
                    .scheme()
                    .prepare(constant, encoding.level, usage)
                    .map_err(Error::from),
                None => Ok(()),
            }
        })?;
        if let Some(bootstrapper) = self.evaluator.bootstrapper() {
            bootstrapper.prepare()?;
        }
        // What keys and encodings needed on the way has other sizes than what an evaluation needs.
        self.params.ring().pool().trim();
        Ok(())
    }

    /// Bytes of the encoded constants.
    #[must_use]
    pub fn encoded_bytes(&self) -> u64 {
        let count = self.executor.program().constants.len();
        let ids = (0..count).map(|i| ConstId(i as u32));
        ids.filter_map(|id| self.executor.constant(id))
            .map(|c| c.encoded_bytes() as u64)
            .sum()
    }

    /// Evaluates the model on every chunk of an encrypted input.
    ///
    /// # Errors
    /// An input of another model, missing or unknown ciphertexts, ciphertexts at other levels than the program wants.
    pub fn evaluate(
        &self,
        input: &EncryptedTensor,
        progress: Option<Progress<'_>>,
    ) -> Result<(EncryptedTensor, Timings)> {
        input.check(&self.id, Role::Input)?;
        let mut timings = Timings::default();
        let mut chunks = Vec::with_capacity(input.chunks.len());
        let count = input.chunks.len().max(1) as f64;
        for (i, tiles) in input.chunks.iter().enumerate() {
            let tiles = tiles.iter().map(Closed::Tile);
            let weights = self.weights.iter();
            let named: BTreeMap<String, Closed<'_>> = input
                .names
                .iter()
                .cloned()
                .zip(tiles)
                .chain(weights.map(|(name, c)| (name.clone(), Closed::Weight(c))))
                .collect();
            self.check_levels(&named)?;
            let open = |input: Closed<'_>| match input {
                Closed::Tile(tile) => Arc::new(tile.expand(&self.params)),
                Closed::Weight(weight) => weight.clone(),
            };
            let part = |f: f64| {
                if let Some(progress) = progress {
                    progress((i as f64 + f) / count);
                }
            };
            let run = self
                .executor
                .run(&self.evaluator, named, open, Some(&part))?;
            timings.merge(&run.timings);
            let mut results: BTreeMap<String, Ciphertext> = run.outputs.into_iter().collect();
            let tiles = self
                .outputs
                .iter()
                .filter_map(|name| results.remove(name))
                .map(Tile::Full)
                .collect();
            chunks.push(tiles);
        }
        let output = EncryptedTensor {
            model: self.id.clone(),
            role: Role::Output,
            samples: input.samples,
            names: self.outputs.clone(),
            chunks,
        };
        Ok((output, timings))
    }

    /// Inputs must be at the level and scale that the program was compiled for.
    fn check_levels(&self, inputs: &BTreeMap<String, Closed<'_>>) -> Result<()> {
        for (name, v) in self.executor.program().inputs() {
            let given = match inputs.get(name) {
                None => continue,
                Some(Closed::Tile(tile)) => tile.state(),
                Some(Closed::Weight(weight)) => State {
                    level: weight.level(),
                    product: weight.is_product(),
                },
            };
            let wanted = self.states[v.index()];
            if given != wanted {
                return Err(girih_he::Error::Input {
                    name: name.to_string(),
                    why: format!("is at {given}, the program wants {wanted}"),
                }
                .into());
            }
        }
        Ok(())
    }
}

/// Encrypts weights for a client, with the client's public key.
///
/// # Errors
/// Weights without a level in the client part, a key of other parameters.
pub fn encrypt_weights<R: CryptoRng>(
    weights: &Constants,
    part: &crate::ClientPart,
    key: &PublicKey,
    rng: &mut R,
) -> Result<EncryptedTensor> {
    let params = key.params().clone();
    let encoder = Encoder::new(&params);
    let jobs: Vec<(&String, Level, [u8; 32])> = part
        .weights
        .iter()
        .map(|(name, level)| {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            (name, *level, seed)
        })
        .collect();
    let tiles = jobs
        .par_iter()
        .map(|(name, level, seed)| {
            let values = weights
                .get(name)
                .ok_or_else(|| girih_he::Error::MissingConstant {
                    name: name.to_string(),
                })?;
            let scale = params.chain().scale(*level);
            let plaintext = encoder
                .encode(&values.slots(), *level, scale)
                .map_err(girih_ckks::Error::from)?;
            Ok(Tile::Full(
                Encryptor::new(key).encrypt(&plaintext, &mut ChaCha20Rng::from_seed(*seed))?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(EncryptedTensor {
        model: part.id.clone(),
        role: Role::Weights,
        samples: 0,
        names: jobs.into_iter().map(|(name, _, _)| name.clone()).collect(),
        chunks: vec![tiles],
    })
}

/// In words, the keys of `needed` that `given` lacks or holds for lower levels only.
fn missing_keys(needed: &KeyManifest, given: &KeyManifest) -> Vec<String> {
    let lacks = |needed: Option<Level>, given: Option<Level>| match (needed, given) {
        (Some(n), Some(g)) => g < n,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let mut missing = Vec::new();
    if lacks(needed.relinearization, given.relinearization) {
        missing.push("relinearisation".to_string());
    }
    for (rotation, level) in &needed.rotations {
        if lacks(Some(*level), given.rotations.get(rotation).copied()) {
            missing.push(format!("rotation {rotation} at {level}"));
        }
    }
    if lacks(needed.conjugation, given.conjugation) {
        missing.push("conjugation".to_string());
    }
    missing
}

/// Seconds of one instruction on one thread, as priced; shares of the work for the progress report.
fn predicted_seconds(program: &Program, v: ValueId, states: &[State], prices: &HeProfile) -> f64 {
    let op = &program.insts[v.index()].op;
    let level = op
        .operands()
        .first()
        .map_or_else(|| states[v.index()].level, |o| states[o.index()].level);
    let level = op.working_level(level);
    // Rotations of one value run together.
    let hoisted = matches!(op, Op::Rotate(..));
    primitives(op, level, program.slots, hoisted)
        .into_iter()
        .map(|(primitive, times)| times as f64 * prices.seconds_of(primitive, level))
        .sum()
}
