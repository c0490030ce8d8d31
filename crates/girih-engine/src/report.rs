//! What a run was and what it cost, as one JSON object.

use std::collections::BTreeMap;

use girih_ckks::cost::Machine;
use girih_ckks::wire::{ciphertext_len, encapsulation_keys_len, evaluation_keys_len};
use girih_ckks::{KeyId, Params};
use girih_compile::{BootstrapReport, Compiled, Effect, FitReport, Ranges};
use girih_he::{KeyManifest, Primitive, Storage, price_stored};
use serde::{Deserialize, Serialize};

use crate::metrics::LayerTiming;
use crate::plans::Plans;
use crate::{Result, bootstrapping};

/// Parameters in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct ParamsReport {
    /// Ring degree.
    pub n: usize,
    /// Slots of a ciphertext.
    pub slots: usize,
    /// Multiplications in sequence.
    pub levels: u8,
    /// log2 of the scale at the top.
    pub log_scale: f64,
    /// log2 of the ciphertext modulus.
    pub log_q: f64,
    /// log2 of the largest modulus of any published key.
    pub log_qp: f64,
    /// Limit of log2(QP) for this degree at the security asked for; null if the gate is off.
    pub max_log_qp: Option<u32>,
    /// Primes of the ciphertext modulus.
    pub limbs: usize,
    /// Key-switching digits at the top.
    pub dnum: usize,
    /// Estimated bits of classical security.
    pub security_bits: f64,
    /// What was asked for, in words; says so if it is insecure.
    pub security: String,
}

impl ParamsReport {
    /// The numbers of a parameter set.
    #[must_use]
    pub fn of(params: &Params) -> Self {
        let security = params.security();
        ParamsReport {
            n: params.n(),
            slots: params.slots(),
            levels: params.top().0,
            log_scale: params.chain().scale(params.top()).log2(),
            log_q: params.log_q(),
            log_qp: params.log_qp(),
            max_log_qp: security.max_log_qp(params.log_n()),
            limbs: params.chain().limbs(params.top()),
            dnum: params.digits(params.top()),
            security_bits: params.security_bits(),
            security: security.to_string(),
        }
    }
}

/// One evaluation key, before it exists.
#[derive(Clone, Debug, Serialize)]
pub struct KeyReport {
    /// The key in words, as `rotation 64`.
    pub key: String,
    /// Level up to which it serves.
    pub level: u8,
    /// Bytes of its file form.
    pub bytes: u64,
}

/// The evaluation keys of a manifest with their bytes.
#[must_use]
pub fn key_reports(params: &Params, manifest: &KeyManifest) -> Vec<KeyReport> {
    let empty = evaluation_keys_len(params, &KeyManifest::default());
    let report = |key: KeyId, level: girih_he::Level| {
        let mut one = KeyManifest::default();
        match key {
            KeyId::Relinearization => one.relinearization = Some(level),
            KeyId::Rotation(r) => {
                one.rotations.insert(r, level);
            }
            KeyId::Conjugation => one.conjugation = Some(level),
        }
        let bytes = evaluation_keys_len(params, &one).saturating_sub(empty) as u64;
        KeyReport {
            key: key.to_string(),
            level: level.0,
            bytes,
        }
    };
    let relinearization = manifest
        .relinearization
        .map(|l| report(KeyId::Relinearization, l));
    let rotations = manifest
        .rotations
        .iter()
        .map(|(r, l)| report(KeyId::Rotation(*r), *l));
    let conjugation = manifest.conjugation.map(|l| report(KeyId::Conjugation, l));
    relinearization
        .into_iter()
        .chain(rotations)
        .chain(conjugation)
        .collect()
}

/// A layer of the plan, priced.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedLayer {
    /// Name.
    pub name: String,
    /// What is computed.
    pub operation: String,
    /// Shape of the result without the batch.
    pub shape: Vec<usize>,
    /// Where the result lies, in tile-tensor notation.
    pub placement: String,
    /// Ciphertexts of the result.
    pub ciphertexts: usize,
    /// Level at which the layer starts.
    pub level: u8,
    /// Predicted share of the time, between 0 and 1.
    pub share: f64,
    /// Predicted counts by primitive.
    pub primitives: BTreeMap<&'static str, u64>,
}

/// A polynomial that replaces a function.
#[derive(Clone, Debug, Serialize)]
pub struct FittedFunction {
    /// Name of the node.
    pub node: String,
    /// The function.
    pub function: String,
    /// How the plan was made.
    pub method: String,
    /// Degree of the whole plan as a polynomial of its input.
    pub degree: usize,
    /// Levels it consumes.
    pub depth: u32,
    /// Products of ciphertexts.
    pub products: usize,
    /// The range it is fitted on.
    pub range: (f64, f64),
    /// The range measured on the calibration samples.
    pub measured: (f64, f64),
    /// Largest error on the range.
    pub max_error: f64,
    /// Root of the mean squared error over the measured inputs.
    pub mean_error: f64,
    /// What it does alone to the output of the plain model; null if that was not measured.
    pub alone: Option<EffectReport>,
}

impl From<&FitReport> for FittedFunction {
    fn from(f: &FitReport) -> Self {
        FittedFunction {
            node: f.node.clone(),
            function: f.function.clone(),
            method: f.method.clone(),
            degree: f.degree,
            depth: f.depth,
            products: f.products,
            range: f.range,
            measured: f.measured,
            max_error: f.max_error,
            mean_error: f.mean_error,
            alone: f.alone.map(EffectReport::from),
        }
    }
}

/// The replaced functions of ranges, as reported.
#[must_use]
pub fn fitted_functions(ranges: &Ranges) -> Vec<FittedFunction> {
    ranges.fits().iter().map(FittedFunction::from).collect()
}

/// What replacements do to the answers of the plain model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectReport {
    /// Samples.
    pub samples: usize,
    /// Largest difference of an output.
    pub max_difference: f64,
    /// Root of the mean squared difference of the outputs.
    pub rms_difference: f64,
    /// Share of the samples with the plain model's answer.
    pub agreement: f64,
    /// Estimated share of answers that change on samples like these.
    pub changed: f64,
    /// Share of right answers of the plain model; null without labels.
    pub plain_accuracy: Option<f64>,
    /// Share of right answers with the replacements; null without labels.
    pub accuracy: Option<f64>,
}

impl From<Effect> for EffectReport {
    fn from(e: Effect) -> Self {
        EffectReport {
            samples: e.samples,
            max_difference: e.max_difference,
            rms_difference: e.rms_difference,
            agreement: e.agreement,
            changed: e.changed,
            plain_accuracy: e.accuracy.map(|a| a.0),
            accuracy: e.accuracy.map(|a| a.1),
        }
    }
}

impl From<EffectReport> for Effect {
    fn from(e: EffectReport) -> Self {
        Effect {
            samples: e.samples,
            max_difference: e.max_difference,
            rms_difference: e.rms_difference,
            agreement: e.agreement,
            changed: e.changed,
            accuracy: e.plain_accuracy.zip(e.accuracy),
        }
    }
}

/// What is known before any key exists.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Name of the model.
    pub model: String,
    /// Samples that are answered together.
    pub batch: usize,
    /// The parameters.
    #[serde(flatten)]
    pub params: ParamsReport,
    /// Threads of the prediction.
    pub threads: usize,
    /// Predicted seconds of one evaluation on this machine.
    pub predicted_seconds: f64,
    /// Predicted peak bytes of the server.
    pub predicted_peak_bytes: u64,
    /// Of these, the bytes of the process, of the scheme's tables and of the constants in the clear: what a process that has compiled the
    /// model holds already.
    pub held_bytes: u64,
    /// Predicted largest error of an output value.
    pub predicted_error: f64,
    /// Bytes of all evaluation keys in their file form.
    pub key_bytes: u64,
    /// Bytes of the encrypted input of one batch.
    pub ciphertext_bytes: u64,
    /// Bytes of the encoded constants.
    pub constant_bytes: u64,
    /// Instructions of the program.
    pub instructions: usize,
    /// The layers.
    pub layers: Vec<PlannedLayer>,
    /// The replaced functions.
    pub fits: Vec<FittedFunction>,
    /// What all of them together do to the output of the plain model; null if that was not measured.
    pub together: Option<EffectReport>,
    /// Name of the parameter set with a bootstrapping; null if levels suffice.
    pub preset: Option<String>,
    /// Predicted seconds of one bootstrapping on this machine; zero if there is none.
    pub bootstrap_seconds: f64,
    /// Where ciphertexts are bootstrapped.
    pub bootstraps: Vec<PlannedBootstrap>,
    /// The evaluation keys.
    pub keys: Vec<KeyReport>,
    /// The plan beside those that lost.
    pub plans: Plans,
}

/// A value that is bootstrapped.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedBootstrap {
    /// The layer whose result it is.
    pub after: String,
    /// Ciphertexts.
    pub ciphertexts: usize,
    /// Level before.
    pub from: u8,
    /// Level at which it is read: what is consumed up to the next bootstrapping or to the output.
    pub to: u8,
    /// Largest modulus of its values by range analysis.
    pub largest: f64,
}

impl From<&BootstrapReport> for PlannedBootstrap {
    fn from(b: &BootstrapReport) -> Self {
        PlannedBootstrap {
            after: b.after.clone(),
            ciphertexts: b.ciphertexts,
            from: b.from.0,
            to: b.to.0,
            largest: b.largest,
        }
    }
}

impl Explanation {
    /// Explains a compiled model on a machine.
    ///
    /// # Errors
    /// None for what the compiler made.
    pub fn of(compiled: &Compiled, params: &Params, machine: &Machine) -> Result<Self> {
        let preset = compiled.chain.preset.as_deref();
        let prices = bootstrapping::prices(params, preset, machine)?;
        let storage = Storage {
            constants: &compiled.constants,
            encrypted: &compiled.encrypted_weights,
            constant_budget: compiled.report.constant_budget,
        };
        let cost = price_stored(&compiled.program, &storage, &prices)?;
        // Keys and matrices of a bootstrapping are none of the program's.
        let keys_besides = compiled
            .report
            .measures
            .key_bytes
            .saturating_sub(cost.key_bytes);
        let constants_besides = compiled
            .report
            .constant_bytes
            .saturating_sub(cost.constant_bytes);
        let mut keys = key_reports(params, &compiled.manifest);
        if preset.is_some() {
            keys.push(KeyReport {
                key: "encapsulation".into(),
                level: params.top().0,
                bytes: encapsulation_keys_len(params, params.top())? as u64,
            });
        }
        let planned: f64 = compiled
            .report
            .layers
            .iter()
            .map(|l| l.seconds)
            .sum::<f64>()
            .max(f64::MIN_POSITIVE);
        let tiles = compiled.input.placement().tiles() as u64;
        let first = compiled.program.inputs().next();
        let entry = first.and_then(|(_, v)| compiled.program.insts[v.index()].state);
        let entry = entry.map_or(params.top(), |s| s.level);
        Ok(Explanation {
            model: compiled.name.clone(),
            batch: compiled.input.batch(),
            params: ParamsReport::of(params),
            threads: machine.threads(),
            predicted_seconds: cost.elapsed,
            predicted_peak_bytes: cost.peak_bytes() + keys_besides + constants_besides,
            held_bytes: prices.base_bytes + cost.clear_bytes,
            predicted_error: compiled.report.predicted_error,
            key_bytes: keys.iter().map(|k| k.bytes).sum(),
            ciphertext_bytes: tiles * ciphertext_len(params, entry).0 as u64,
            constant_bytes: compiled.report.constant_bytes,
            instructions: compiled.program.insts.len(),
            layers: compiled
                .report
                .layers
                .iter()
                .map(|l| PlannedLayer {
                    name: l.name.clone(),
                    operation: l.operation.clone(),
                    shape: l.shape.clone(),
                    placement: l.placement.clone(),
                    ciphertexts: l.tiles,
                    level: l.level.0,
                    share: l.seconds / planned,
                    primitives: l
                        .primitives
                        .iter()
                        .map(|(p, count)| (p.name(), *count))
                        .collect(),
                })
                .collect(),
            fits: compiled
                .report
                .fits
                .iter()
                .map(FittedFunction::from)
                .collect(),
            together: compiled.report.together.map(EffectReport::from),
            preset: compiled.chain.preset.clone(),
            bootstrap_seconds: prices.seconds_of(Primitive::Bootstrap, prices.top()),
            bootstraps: compiled
                .report
                .bootstraps
                .iter()
                .map(PlannedBootstrap::from)
                .collect(),
            keys,
            plans: Plans::of(compiled),
        })
    }
}

/// What a run was and what it cost. Seconds that do not apply are zero.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Name of the model.
    pub model: String,
    /// `encrypted`, or `clear` for the same program on plain numbers.
    pub mode: &'static str,
    /// Samples answered.
    pub samples: usize,
    /// Samples that are answered together.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// The parameters.
    #[serde(flatten)]
    pub params: ParamsReport,
    /// Seconds to compile the model.
    pub compile_seconds: f64,
    /// Seconds to make all keys.
    pub keygen_seconds: f64,
    /// Seconds to encode the weights ahead.
    pub encode_seconds: f64,
    /// Seconds to encrypt the input.
    pub encrypt_seconds: f64,
    /// Seconds from encrypted input to encrypted output, all batches.
    pub evaluate_seconds: f64,
    /// Seconds to decrypt the output.
    pub decrypt_seconds: f64,
    /// Peak resident bytes of the process; null where the system does not tell.
    pub peak_bytes: Option<u64>,
    /// Bytes of the evaluation keys in their file form.
    pub key_bytes: u64,
    /// Evaluation keys.
    pub keys: usize,
    /// Bytes of the encrypted input in its file form.
    pub ciphertext_bytes: u64,
    /// Bytes of the encrypted output in its file form.
    pub output_bytes: u64,
    /// Bytes of the encoded constants.
    pub constant_bytes: u64,
    /// Most ciphertexts alive at one time.
    pub peak_ciphertexts: usize,
    /// Name of the parameter set with a bootstrapping; null if levels suffice.
    pub preset: Option<String>,
    /// Bootstrapped ciphertexts a batch.
    pub bootstraps: usize,
    /// Predicted seconds of all batches on this machine.
    pub predicted_seconds: f64,
    /// Predicted peak bytes.
    pub predicted_peak_bytes: u64,
    /// Predicted largest error of an output value.
    pub predicted_error: f64,
    /// Largest difference from the plain model, if that was run.
    pub max_error: Option<f64>,
    /// Share of the samples whose largest output is that of the plain model, if that was run.
    pub agreement: Option<f64>,
    /// Seconds by layer and primitive.
    pub layers: Vec<LayerTiming>,
}
