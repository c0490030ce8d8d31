//! All roles in one process: what `girih infer`, the demo and the measurements run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use girih_compile::{Compiled, TensorPacking};
use girih_he::{ClearEvaluator, Constants, Evaluator, Leveled, Program};
use girih_model::{Graph, reference};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use rand_core::CryptoRng;

use crate::executor::Progress;
use crate::metrics::{Timings, peak_bytes, resident_bytes, restart_peak};
use crate::report::{Explanation, RunReport};
use crate::server::encrypt_weights;
use crate::{Client, CompiledModel, EncryptedTensor, Error, Executor, Result, Server, with_batch};

/// What is being done, for the progress display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Secret and evaluation keys.
    Keys,
    /// Weights into plaintexts.
    Encode,
    /// Input into ciphertexts.
    Encrypt,
    /// The model on ciphertexts.
    Evaluate,
    /// Ciphertexts into the answer.
    Decrypt,
}

/// Called with the phase and the fraction of it that is done.
pub type Watch<'a> = &'a (dyn Fn(Phase, f64) + Sync);

/// A client and a server of one model in one process.
pub struct LocalSession {
    client: Client,
    server: Server,
    report: RunReport,
}

impl LocalSession {
    /// Makes keys and encodes the weights. `compile_seconds` is passed on to the report. The report's peaks are those of the session,
    /// what the process holds at its start included.
    ///
    /// # Errors
    /// Parameters that the gate refuses, values that overflow the modulus.
    pub fn start<R: CryptoRng>(
        compiled: &Compiled,
        explanation: &Explanation,
        compile_seconds: f64,
        rng: &mut R,
        watch: Watch<'_>,
    ) -> Result<Self> {
        restart_peak();
        let held = resident_bytes().unwrap_or(explanation.held_bytes);
        let model = CompiledModel::try_new(compiled)?;
        watch(Phase::Keys, 0.0);
        let begin = Instant::now();
        let client = Client::generate(model.client.clone(), rng)?;
        let keys = client.server_keys(rng)?;
        let mut server = Server::try_new(model.server, keys)?;
        if !model.client.weights.is_empty() {
            let key = client.public_key(rng)?;
            server.set_weights(encrypt_weights(&model.weights, &model.client, &key, rng)?)?;
        }
        let keygen_seconds = begin.elapsed().as_secs_f64();
        watch(Phase::Keys, 1.0);
        watch(Phase::Encode, 0.0);
        let begin = Instant::now();
        server.encode()?;
        let encode_seconds = begin.elapsed().as_secs_f64();
        watch(Phase::Encode, 1.0);
        let mut report = empty_report("encrypted", explanation);
        report.compile_seconds = compile_seconds;
        report.predicted_peak_bytes =
            held + (explanation.predicted_peak_bytes).saturating_sub(explanation.held_bytes);
        report.keygen_seconds = keygen_seconds;
        report.encode_seconds = encode_seconds;
        report.constant_bytes = server.encoded_bytes();
        Ok(LocalSession {
            client,
            server,
            report,
        })
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Encrypts, evaluates and decrypts an input of any number of samples.
    ///
    /// # Errors
    /// An input that the model cannot read.
    pub fn infer<R: CryptoRng>(
        &self,
        input: ArrayD<f64>,
        rng: &mut R,
        watch: Watch<'_>,
    ) -> Result<(ArrayD<f64>, RunReport)> {
        let mut report = self.report.clone();
        watch(Phase::Encrypt, 0.0);
        let begin = Instant::now();
        let encrypted = self.client.encrypt(input, rng)?;
        report.encrypt_seconds = begin.elapsed().as_secs_f64();
        watch(Phase::Encrypt, 1.0);
        let progress = |f: f64| watch(Phase::Evaluate, f);
        let (output, timings) = self.server.evaluate(&encrypted, Some(&progress))?;
        watch(Phase::Decrypt, 0.0);
        let begin = Instant::now();
        let answer = self.client.decrypt(&output)?;
        report.decrypt_seconds = begin.elapsed().as_secs_f64();
        watch(Phase::Decrypt, 1.0);
        report.samples = encrypted.samples;
        report.ciphertext_bytes = self.file_bytes(&encrypted);
        report.output_bytes = self.file_bytes(&output);
        book(&mut report, timings, encrypted.chunks.len());
        Ok((answer, report))
    }

    fn file_bytes(&self, tensor: &EncryptedTensor) -> u64 {
        let params = self.client.params();
        let bytes = |tile: &crate::Tile| match tile {
            crate::Tile::Full(c) => girih_ckks::wire::ciphertext_len(params, c.level()).1,
            crate::Tile::Seeded(c) => girih_ckks::wire::ciphertext_len(params, c.level()).0,
        };
        tensor
            .chunks
            .iter()
            .flatten()
            .map(|t| bytes(t) as u64)
            .sum()
    }
}

/// The same program on plain numbers, in the same chunks.
///
/// # Errors
/// An input that the model cannot read.
pub fn infer_clear(
    compiled: &Compiled,
    explanation: &Explanation,
    input: ArrayD<f64>,
    progress: Option<Progress<'_>>,
) -> Result<(ArrayD<f64>, RunReport)> {
    let clear = ClearModel::try_new(compiled)?;
    let input = with_batch(compiled.input.shape(), input)?;
    let samples = input.shape()[0];
    let batch = compiled.input.batch();
    let chunks = samples.div_ceil(batch);
    let mut timings = Timings::default();
    let mut answers = Vec::new();
    for (i, begin) in (0..samples).step_by(batch).enumerate() {
        let chunk = input
            .slice_axis(Axis(0), Slice::from(begin..(begin + batch).min(samples)))
            .to_owned();
        let part = |f: f64| {
            if let Some(progress) = progress {
                progress((i as f64 + f) / chunks as f64);
            }
        };
        let (answer, cost) = clear.run(&compiled.input, &compiled.output, &chunk, Some(&part))?;
        timings.merge(&cost);
        answers.extend(answer);
    }
    let shape: Vec<usize> = [samples]
        .iter()
        .chain(compiled.output.shape())
        .copied()
        .collect();
    let answer = ArrayD::from_shape_vec(IxDyn(&shape), answers)
        .map_err(|e| Error::Input { why: e.to_string() })?;
    let mut report = empty_report("clear", explanation);
    report.samples = samples;
    book(&mut report, timings, chunks);
    Ok((answer, report))
}

/// A program with its constants on the clear evaluator.
struct ClearModel<'c> {
    eval: ClearEvaluator,
    executor: Executor<ClearEvaluator>,
    program: &'c Program,
    weights: &'c Constants,
}

impl<'c> ClearModel<'c> {
    fn try_new(compiled: &'c Compiled) -> Result<Self> {
        let program = &compiled.program;
        let eval = ClearEvaluator::leveled(program.slots, compiled.profile.top())
            .with_bootstrapping(compiled.profile.bootstrapping);
        let executor =
            Executor::try_new(program.clone().into(), &compiled.constants, &eval, |_| 1.0)?;
        Ok(ClearModel {
            eval,
            executor,
            program,
            weights: &compiled.encrypted_weights,
        })
    }

    fn run(
        &self,
        input: &TensorPacking,
        output: &TensorPacking,
        chunk: &ArrayD<f64>,
        progress: Option<Progress<'_>>,
    ) -> Result<(ArrayD<f64>, Timings)> {
        let mut values: BTreeMap<String, Vec<f64>> = input
            .tile_names()
            .into_iter()
            .zip(input.pack(chunk)?)
            .collect();
        values.extend(
            self.weights
                .iter()
                .map(|(name, w)| (name.to_string(), w.slots().to_vec())),
        );
        let mut inputs = BTreeMap::new();
        for (name, v) in self.program.inputs() {
            let Some(values) = values.get(name) else {
                continue;
            };
            let vector = self.eval.vector(values)?;
            let level = self.program.insts[v.index()]
                .state
                .map_or_else(|| self.eval.level(&vector), |s| s.level);
            inputs.insert(name.to_string(), self.eval.drop_to(&vector, level)?);
        }
        let run = self.executor.run(&self.eval, inputs, Arc::new, progress)?;
        let mut results: BTreeMap<String, _> = run.outputs.into_iter().collect();
        let slots = self.eval.slots();
        let tiles: Vec<Vec<f64>> = output
            .tile_names()
            .iter()
            .map(|name| {
                results
                    .remove(name)
                    .map_or_else(|| vec![0.0; slots], |v| v.values().to_vec())
            })
            .collect();
        Ok((output.unpack(&tiles, chunk.shape()[0])?, run.timings))
    }
}

/// The answers of the plain model, and how far others are from them.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The plain model's answers.
    pub plain: ArrayD<f64>,
    /// Absolute differences, output by output.
    pub errors: Vec<f64>,
    /// The largest of them.
    pub max_error: f64,
    /// Share of the samples with the same largest output.
    pub agreement: f64,
}

impl Comparison {
    /// Runs the plain model on `[samples, ..]` and compares.
    ///
    /// # Errors
    /// An input that the model cannot read.
    pub fn with_plain(graph: &Graph, input: &ArrayD<f64>, answer: &ArrayD<f64>) -> Result<Self> {
        let plain = reference::run(graph, input).map_err(girih_compile::Error::from)?;
        let errors: Vec<f64> = plain
            .iter()
            .zip(answer)
            .map(|(p, a)| (p - a).abs())
            .collect();
        let agree = plain.axis_iter(Axis(0)).zip(answer.axis_iter(Axis(0)));
        let same = agree
            .filter(|(p, a)| arg_max(p.iter()) == arg_max(a.iter()))
            .count();
        let samples = plain.shape().first().copied().unwrap_or(0).max(1);
        Ok(Comparison {
            max_error: errors
                .iter()
                .fold(0.0, |m, &e| if e > m || e.is_nan() { e } else { m }),
            agreement: same as f64 / samples as f64,
            plain,
            errors,
        })
    }
}

/// Index of the largest value; the first of equals.
pub fn arg_max<'v>(values: impl Iterator<Item = &'v f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (i, &v) in values.enumerate() {
        if best.is_none_or(|(_, b)| v > b) {
            best = Some((i, v));
        }
    }
    best.map(|(i, _)| i)
}

/// Refuses inputs that drive a replaced function outside the range of its polynomial.
///
/// # Errors
/// [`Error::OutOfRange`] with one sentence a layer.
pub fn check_ranges(graph: &Graph, compiled: &Compiled, input: &ArrayD<f64>) -> Result<()> {
    if compiled.report.fits.is_empty() {
        return Ok(());
    }
    let seen = reference::ranges(graph, input).map_err(girih_compile::Error::from)?;
    let mut layers = Vec::new();
    for fit in &compiled.report.fits {
        let Some(node) = graph.nodes.iter().find(|n| n.name == fit.node) else {
            continue;
        };
        let Some(&operand) = node.inputs.first() else {
            continue;
        };
        let [lo, hi] = seen.of(operand);
        if lo < fit.range.0 || hi > fit.range.1 {
            layers.push(format!(
                "{}: {} is fitted on [{:.3}, {:.3}], the input reaches [{lo:.3}, {hi:.3}]; calibrate on samples like it",
                fit.node, fit.function, fit.range.0, fit.range.1
            ));
        }
    }
    if layers.is_empty() {
        Ok(())
    } else {
        Err(Error::OutOfRange { layers })
    }
}

fn empty_report(mode: &'static str, explanation: &Explanation) -> RunReport {
    RunReport {
        model: explanation.model.clone(),
        mode,
        samples: 0,
        batch: explanation.batch,
        threads: explanation.threads,
        params: explanation.params.clone(),
        compile_seconds: 0.0,
        keygen_seconds: 0.0,
        encode_seconds: 0.0,
        encrypt_seconds: 0.0,
        evaluate_seconds: 0.0,
        decrypt_seconds: 0.0,
        peak_bytes: None,
        key_bytes: explanation.key_bytes,
        keys: explanation.keys.len(),
        ciphertext_bytes: 0,
        output_bytes: 0,
        constant_bytes: 0,
        peak_ciphertexts: 0,
        preset: explanation.preset.clone(),
        bootstraps: explanation.bootstraps.iter().map(|b| b.ciphertexts).sum(),
        predicted_seconds: explanation.predicted_seconds,
        predicted_peak_bytes: explanation.predicted_peak_bytes,
        predicted_error: explanation.predicted_error,
        max_error: None,
        agreement: None,
        layers: Vec::new(),
    }
}

fn book(report: &mut RunReport, timings: Timings, chunks: usize) {
    report.evaluate_seconds = timings.seconds;
    report.predicted_seconds *= chunks as f64;
    report.peak_ciphertexts = timings.peak_values;
    report.layers = timings.layers;
    report.peak_bytes = peak_bytes();
}
