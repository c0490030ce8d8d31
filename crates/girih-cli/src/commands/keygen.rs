//! `girih keygen` and `girih encrypt-weights`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use girih_ckks::PublicKey;
use girih_engine::files::{self, Access};
use girih_engine::{
    CLIENT_FILE, Client, ClientPart, ENCAPSULATION_KEYS_FILE, ENCRYPTED_WEIGHTS_FILE,
    EVALUATION_KEYS_FILE, PUBLIC_KEY_FILE, Phase, SECRET_KEY_FILE, WEIGHTS_FILE,
    encrypt_weights as encrypt_all, weights_from_bytes,
};

use super::{OutputOptions, SeedOptions, ThreadOptions};
use crate::console::{Bars, human_bytes, human_seconds, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The client part of a compiled model (a folder or the file).
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder for the secret key; stays with the client.
    #[arg(long, value_name = "CDIR")]
    client: PathBuf,
    /// Folder for the evaluation keys; goes to the server.
    #[arg(long, value_name = "SDIR")]
    server: PathBuf,
    #[command(flatten)]
    seed: SeedOptions,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    files: OutputOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    let outputs = [
        args.client.join(CLIENT_FILE),
        args.client.join(SECRET_KEY_FILE),
        args.server.join(EVALUATION_KEYS_FILE),
        args.server.join(PUBLIC_KEY_FILE),
        args.server.join(ENCAPSULATION_KEYS_FILE),
    ];
    let [
        part_file,
        secret_file,
        keys_file,
        public_file,
        encapsulation_file,
    ] = &outputs;
    anyhow::ensure!(
        !same_folder(&args.client, &args.server),
        "--client and --server name the same folder: the server must not get the secret key"
    );
    for path in &outputs {
        files::check_free(path, overwrite)?;
    }
    let part = ClientPart::load(&args.model)?;
    let part_bytes = part.to_bytes()?;
    let mut rng = args.seed.rng("keygen")?;
    args.threads.install(|_| {
        let bars = Bars::default();
        bars.show(Phase::Keys, 0.0);
        let begin = Instant::now();
        let client = Client::generate(part, &mut rng)?;
        let keys = client.evaluation_keys(&mut rng)?.to_bytes();
        let encapsulation = client.encapsulation_keys(&mut rng)?.map(|k| k.to_bytes());
        let public = client.public_key(&mut rng)?.to_bytes();
        bars.show(Phase::Keys, 1.0);
        files::create_dir(&args.client)?;
        files::create_dir(&args.server)?;
        files::write(part_file, &part_bytes, overwrite, Access::Default)?;
        files::write(
            secret_file,
            &client.secret_key().to_bytes(),
            overwrite,
            Access::Owner,
        )?;
        files::write(keys_file, &keys, overwrite, Access::Default)?;
        files::write(public_file, &public, overwrite, Access::Default)?;
        if let Some(keys) = &encapsulation {
            files::write(encapsulation_file, keys, overwrite, Access::Default)?;
        }
        say!(
            "secret key in {}, {} of evaluation keys in {}, made in {}",
            args.client.display(),
            human_bytes(keys.len() as u64),
            args.server.display(),
            human_seconds(begin.elapsed().as_secs_f64())
        );
        Ok(())
    })
}

/// Whether two paths name one folder, also if it does not exist yet.
fn same_folder(a: &PathBuf, b: &PathBuf) -> bool {
    let real = |p: &PathBuf| {
        p.canonicalize()
            .or_else(|_| std::path::absolute(p))
            .unwrap_or_else(|_| p.clone())
    };
    real(a) == real(b)
}

#[derive(Debug, clap::Args)]
pub(crate) struct WeightsArgs {
    /// Folder of the compiled model, with `weights.girih` and `client/`.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The client's folder for the server, with `public.key`; gets the encrypted weights.
    #[arg(long, value_name = "SDIR")]
    server: PathBuf,
    #[command(flatten)]
    seed: SeedOptions,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    files: OutputOptions,
}

pub(crate) fn encrypt_weights(args: &WeightsArgs) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    let output = args.server.join(ENCRYPTED_WEIGHTS_FILE);
    files::check_free(&output, overwrite)?;
    let part = ClientPart::load(&args.model.join("client")).context("the model's client part")?;
    let weights = weights_from_bytes(&files::read(&args.model.join(WEIGHTS_FILE))?, &part.id)?;
    let params = part.params()?;
    let key = PublicKey::from_bytes(&files::read(&args.server.join(PUBLIC_KEY_FILE))?, &params)
        .with_context(|| format!("{PUBLIC_KEY_FILE} in {}", args.server.display()))?;
    let mut rng = args.seed.rng("weights")?;
    args.threads.install(|_| {
        let bytes = encrypt_all(&weights, &part, &key, &mut rng)?.to_bytes(&params)?;
        files::write(&output, &bytes, overwrite, Access::Default)?;
        say!(
            "{} of encrypted weights in {}",
            human_bytes(bytes.len() as u64),
            output.display()
        );
        Ok(())
    })
}
