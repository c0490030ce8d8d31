//! A compiled model on disk: what the server needs, and what a client needs, apart.

use std::path::Path;

use girih_ckks::{Params, ParamsSpec};
use girih_compile::{Compiled, TensorPacking};
use girih_he::{Constants, KeyManifest, Level, Program, Rotation, verify};
use girih_nn::{Place, Placement};
use serde::{Deserialize, Serialize};

use crate::container::{self, Kind, f64_bytes, f64_values, section};
use crate::{Error, FormatError, Result, bootstrapping, scheme};

/// Which compiled model a file belongs to: BLAKE3 of parameters, packing and program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelId(String);

impl ModelId {
    /// The first digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.chars().take(8).collect()
    }

    /// Refuses an object of another model.
    pub(crate) fn check(&self, found: &ModelId, what: &'static str) -> Result<()> {
        if self == found {
            return Ok(());
        }
        Err(Error::OtherModel {
            what,
            found: found.short(),
            expected: self.short(),
        })
    }
}

/// What a client needs: parameters, keys to make, packing. Nothing of the model's weights.
#[derive(Clone, Debug)]
pub struct ClientPart {
    /// Name of the model.
    pub name: String,
    /// Identity of the compiled model.
    pub id: ModelId,
    /// Parameters.
    pub spec: ParamsSpec,
    /// Name of the bootstrapping, if the program bootstraps.
    pub preset: Option<String>,
    /// The keys the program needs.
    pub manifest: KeyManifest,
    /// How inputs are packed.
    pub input: TensorPacking,
    /// Level at which every input tile is encrypted.
    pub input_levels: Vec<Level>,
    /// How outputs are unpacked.
    pub output: TensorPacking,
    /// Names and levels of the encrypted weights; empty if the server sees the weights.
    pub weights: Vec<(String, Level)>,
    /// Predicted largest error of an output.
    pub predicted_error: f64,
}

/// What the server needs: program, constants, parameters.
#[derive(Clone, Debug)]
pub struct ServerPart {
    /// Name of the model.
    pub name: String,
    /// Identity of the compiled model.
    pub id: ModelId,
    /// Parameters.
    pub spec: ParamsSpec,
    /// Name of the bootstrapping, if the program bootstraps.
    pub preset: Option<String>,
    /// The leveled program.
    pub program: Program,
    /// Its constants.
    pub constants: Constants,
    /// Names of the output tiles.
    pub outputs: Vec<String>,
    /// Bytes of constants that are encoded ahead; all of them if `None`.
    pub constant_budget: Option<u64>,
    /// Predicted peak bytes.
    pub predicted_peak_bytes: u64,
    /// Predicted seconds of one evaluation.
    pub predicted_seconds: f64,
}

/// A compiled model in its parts.
#[derive(Clone, Debug)]
pub struct CompiledModel {
    /// For the server.
    pub server: ServerPart,
    /// For clients.
    pub client: ClientPart,
    /// Values of the weights that the server must not see, by input name; stays with the model's owner.
    pub weights: Constants,
}

/// Name of the client part's file in its folder.
pub const CLIENT_FILE: &str = "client.girih";
/// Name of the server part's file in its folder.
pub const SERVER_FILE: &str = "server.girih";
/// Name of the file of weights that are to be encrypted, in the owner's folder.
pub const WEIGHTS_FILE: &str = "weights.girih";

impl CompiledModel {
    /// The parts of what the compiler made.
    ///
    /// # Errors
    /// Parameters that the scheme refuses.
    pub fn try_new(compiled: &Compiled) -> Result<Self> {
        let spec = scheme::spec(&compiled.chain)
            .map_err(|why| FormatError::field("chain", why).of("compiled model"))?;
        let top = Level(u8::try_from(spec.depth()).unwrap_or(u8::MAX));
        let level = |name: &str| {
            let input = compiled.program.inputs().find(|(n, _)| *n == name);
            input
                .and_then(|(_, v)| compiled.program.insts[v.index()].state)
                .map_or(top, |s| s.level)
        };
        let weights = compiled
            .encrypted_weights
            .iter()
            .map(|(name, _)| (name.to_string(), level(name)))
            .collect();
        let mut client = ClientPart {
            name: compiled.name.clone(),
            id: ModelId(String::new()),
            spec: spec.clone(),
            preset: compiled.chain.preset.clone(),
            manifest: compiled.manifest.clone(),
            input: compiled.input.clone(),
            input_levels: compiled
                .input
                .tile_names()
                .iter()
                .map(|n| level(n))
                .collect(),
            output: compiled.output.clone(),
            weights,
            predicted_error: compiled.report.predicted_error,
        };
        client.id = identity(&client, &compiled.program);
        let server = ServerPart {
            name: compiled.name.clone(),
            id: client.id.clone(),
            spec,
            preset: compiled.chain.preset.clone(),
            program: compiled.program.clone(),
            constants: compiled.constants.clone(),
            outputs: compiled.output.tile_names(),
            constant_budget: compiled.report.constant_budget,
            predicted_peak_bytes: compiled.report.measures.server_bytes,
            predicted_seconds: compiled.report.measures.server_seconds,
        };
        Ok(CompiledModel {
            server,
            client,
            weights: compiled.encrypted_weights.clone(),
        })
    }
}

/// Everything that client and server must agree on.
fn identity(client: &ClientPart, program: &Program) -> ModelId {
    let mut hasher = blake3::Hasher::new_derive_key("girih-engine compiled model, version 1");
    let head = serde_json::to_vec(&ClientHead::from(client)).unwrap_or_default();
    for part in [
        client.spec.to_bytes(),
        head,
        program.to_string().into_bytes(),
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(&part);
    }
    ModelId(hasher.finalize().to_hex().to_string())
}

#[derive(Serialize, Deserialize)]
struct PackingHead {
    name: String,
    shape: Vec<usize>,
    notation: String,
    batch: usize,
    period: usize,
    places: Vec<(u32, u32)>,
}

impl From<&TensorPacking> for PackingHead {
    fn from(packing: &TensorPacking) -> Self {
        let p = packing.placement();
        PackingHead {
            name: packing.name().to_string(),
            shape: packing.shape().to_vec(),
            notation: p.to_string(),
            batch: p.batch(),
            period: p.period(),
            places: p.places().iter().map(|p| (p.tile, p.unit)).collect(),
        }
    }
}

impl PackingHead {
    fn check(self, slots: usize) -> std::result::Result<TensorPacking, FormatError> {
        let fail = |why: String| FormatError::field("packing", why);
        let features = self
            .shape
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size));
        if features != Some(self.places.len()) {
            return Err(fail(format!(
                "shape {:?} for {} values",
                self.shape,
                self.places.len()
            )));
        }
        let places = self
            .places
            .iter()
            .map(|&(tile, unit)| Place { tile, unit })
            .collect::<Vec<_>>();
        let tiles = self.notation.parse().map_err(|e| fail(format!("{e}")))?;
        let placement = Placement::try_new(tiles, self.batch, self.period, places)
            .map_err(|e| fail(e.to_string()))?;
        if placement.slots() != slots {
            return Err(fail(format!(
                "{} slots, the parameters have {slots}",
                placement.slots()
            )));
        }
        TensorPacking::try_new(self.name, self.shape, placement).map_err(|e| fail(e.to_string()))
    }
}

#[derive(Serialize, Deserialize)]
struct ClientHead {
    name: String,
    id: ModelId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    relinearization: Option<u8>,
    rotations: Vec<(i32, u8)>,
    conjugation: Option<u8>,
    input: PackingHead,
    input_levels: Vec<u8>,
    output: PackingHead,
    weights: Vec<(String, u8)>,
    predicted_error: f64,
}

impl From<&ClientPart> for ClientHead {
    fn from(part: &ClientPart) -> Self {
        ClientHead {
            name: part.name.clone(),
            id: part.id.clone(),
            preset: part.preset.clone(),
            relinearization: part.manifest.relinearization.map(|l| l.0),
            rotations: part
                .manifest
                .rotations
                .iter()
                .map(|(r, l)| (r.0, l.0))
                .collect(),
            conjugation: part.manifest.conjugation.map(|l| l.0),
            input: (&part.input).into(),
            input_levels: part.input_levels.iter().map(|l| l.0).collect(),
            output: (&part.output).into(),
            weights: part.weights.iter().map(|(n, l)| (n.clone(), l.0)).collect(),
            predicted_error: part.predicted_error,
        }
    }
}

impl ClientPart {
    /// The serialised form.
    ///
    /// # Errors
    /// None for a part made by [`CompiledModel`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        container::write(
            Kind::ClientPart,
            &ClientHead::from(self),
            &[self.spec.to_bytes()],
        )
    }

    /// Reads the serialised form.
    ///
    /// # Errors
    /// Damage, another kind, fields that contradict each other.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "client part";
        let (head, sections) = container::read::<ClientHead>(Kind::ClientPart, bytes)?;
        let spec = ParamsSpec::from_bytes(section(&sections, 0, WHAT)?)?;
        if let Some(name) = &head.preset {
            bootstrapping::preset(name, &spec).map_err(|e| e.of(WHAT))?;
        }
        let top = spec.depth();
        let level = |l: u8| {
            let why = format!("level {l} is above the top level {top}");
            (usize::from(l) <= top)
                .then_some(Level(l))
                .ok_or_else(|| FormatError::field("level", why).of(WHAT))
        };
        let input = head.input.check(spec.slots()).map_err(|e| e.of(WHAT))?;
        let output = head.output.check(spec.slots()).map_err(|e| e.of(WHAT))?;
        let input_levels = head
            .input_levels
            .into_iter()
            .map(level)
            .collect::<Result<Vec<_>>>()?;
        if input_levels.len() != input.placement().tiles() {
            return Err(FormatError::field("input_levels", "one a tile is needed").of(WHAT));
        }
        let mut manifest = KeyManifest {
            relinearization: head.relinearization.map(level).transpose()?,
            conjugation: head.conjugation.map(level).transpose()?,
            ..KeyManifest::default()
        };
        for (r, l) in head.rotations {
            manifest.rotations.insert(Rotation(r), level(l)?);
        }
        let weights = head
            .weights
            .into_iter()
            .map(|(n, l)| Ok((n, level(l)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(ClientPart {
            name: head.name,
            id: head.id,
            spec,
            preset: head.preset,
            manifest,
            input,
            input_levels,
            output,
            weights,
            predicted_error: head.predicted_error,
        })
    }

    /// Reads the file in a folder, or the file itself.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and the system's.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_bytes(&crate::files::read(&in_folder(path, CLIENT_FILE))?)
    }

    /// Checked parameters: builds the tables.
    ///
    /// # Errors
    /// Those of the security gate.
    pub fn params(&self) -> Result<Params> {
        Ok(Params::try_new(self.spec.clone())?)
    }
}

#[derive(Serialize, Deserialize)]
struct ServerHead {
    name: String,
    id: ModelId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    program: String,
    constants: Vec<(String, usize)>,
    outputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    constant_budget: Option<u64>,
    predicted_peak_bytes: u64,
    predicted_seconds: f64,
}

impl ServerPart {
    /// The serialised form.
    ///
    /// # Errors
    /// None for a part made by [`CompiledModel`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (constants, values) = flattened(&self.constants);
        let head = ServerHead {
            name: self.name.clone(),
            id: self.id.clone(),
            preset: self.preset.clone(),
            program: self.program.to_string(),
            constants,
            outputs: self.outputs.clone(),
            constant_budget: self.constant_budget,
            predicted_peak_bytes: self.predicted_peak_bytes,
            predicted_seconds: self.predicted_seconds,
        };
        container::write(
            Kind::ServerPart,
            &head,
            &[self.spec.to_bytes(), f64_bytes(&values)],
        )
    }

    /// Reads the serialised form and verifies the program.
    ///
    /// # Errors
    /// Damage, another kind, a program that breaks a rule or exceeds the levels of the parameters.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "server part";
        let (head, sections) = container::read::<ServerHead>(Kind::ServerPart, bytes)?;
        let spec = ParamsSpec::from_bytes(section(&sections, 0, WHAT)?)?;
        let program: Program = head.program.parse()?;
        if program.slots != spec.slots() {
            let why = format!(
                "the program has {}, the parameters {}",
                program.slots,
                spec.slots()
            );
            return Err(FormatError::field("slots", why).of(WHAT));
        }
        verify(
            &program,
            Level(u8::try_from(spec.depth()).unwrap_or(u8::MAX)),
        )?;
        for output in &head.outputs {
            if !program.outputs.iter().any(|(name, _)| name == output) {
                return Err(FormatError::field(
                    "outputs",
                    format!("the program has no output {output:?}"),
                )
                .of(WHAT));
            }
        }
        let constants = named_values(
            &head.constants,
            section(&sections, 1, WHAT)?,
            spec.slots(),
            WHAT,
        )?;
        Ok(ServerPart {
            name: head.name,
            id: head.id,
            spec,
            preset: head.preset,
            program,
            constants,
            outputs: head.outputs,
            constant_budget: head.constant_budget,
            predicted_peak_bytes: head.predicted_peak_bytes,
            predicted_seconds: head.predicted_seconds,
        })
    }

    /// Reads the file in a folder, or the file itself.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and the system's.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_bytes(&crate::files::read(&in_folder(path, SERVER_FILE))?)
    }

    /// Checked parameters: builds the tables.
    ///
    /// # Errors
    /// Those of the security gate.
    pub fn params(&self) -> Result<Params> {
        Ok(Params::try_new(self.spec.clone())?)
    }
}

#[derive(Serialize, Deserialize)]
struct WeightsHead {
    id: ModelId,
    names: Vec<(String, usize)>,
}

/// The file of weights that are to be encrypted; stays with the model's owner.
///
/// # Errors
/// None for weights made by the compiler.
pub fn weights_to_bytes(id: &ModelId, weights: &Constants) -> Result<Vec<u8>> {
    let (names, values) = flattened(weights);
    container::write(
        Kind::Weights,
        &WeightsHead {
            id: id.clone(),
            names,
        },
        &[f64_bytes(&values)],
    )
}

/// Reads the file of weights of one model.
///
/// # Errors
/// Damage, another kind, another model.
pub fn weights_from_bytes(bytes: &[u8], id: &ModelId) -> Result<Constants> {
    let (head, sections) = container::read::<WeightsHead>(Kind::Weights, bytes)?;
    id.check(&head.id, "the file of weights")?;
    named_values(
        &head.names,
        section(&sections, 0, "weights")?,
        usize::MAX,
        "weights",
    )
}

/// Names and sizes of all constants, and their slots one after the other.
fn flattened(constants: &Constants) -> (Vec<(String, usize)>, Vec<f64>) {
    let mut values = Vec::new();
    let names = constants.iter().map(|(name, constant)| {
        let slots = constant.slots();
        values.extend_from_slice(&slots);
        (name.to_string(), slots.len())
    });
    (names.collect(), values)
}

fn named_values(
    names: &[(String, usize)],
    bytes: &[u8],
    most: usize,
    what: &'static str,
) -> Result<Constants> {
    let values = f64_values(bytes, what)?;
    let mut rest = values.as_slice();
    let mut constants = Constants::default();
    for (name, len) in names {
        if *len > most || *len > rest.len() {
            let why = format!(
                "{name:?} has {len} values; {} are left, {most} allowed",
                rest.len()
            );
            return Err(FormatError::field("constants", why).of(what));
        }
        let (own, after) = rest.split_at(*len);
        if let Some(index) = own.iter().position(|v| !v.is_finite()) {
            return Err(girih_he::Error::NotFinite {
                name: name.clone(),
                index,
                value: own[index],
            }
            .into());
        }
        constants.insert(name.clone(), own);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(
            FormatError::field("constants", format!("{} values have no name", rest.len())).of(what),
        );
    }
    Ok(constants)
}

fn in_folder(path: &Path, file: &str) -> std::path::PathBuf {
    if path.is_dir() {
        path.join(file)
    } else {
        path.to_path_buf()
    }
}
