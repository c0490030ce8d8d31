//! `girih encrypt`.

use std::path::PathBuf;

use anyhow::Context as _;
use girih_engine::files::{self, Access};
use girih_engine::{Client, ClientPart, SECRET_KEY_FILE};

use super::{InputOptions, OutputOptions, SeedOptions, ThreadOptions};
use crate::console::{human_bytes, say};
use crate::npy;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The client's folder.
    #[arg(long, value_name = "CDIR")]
    client: PathBuf,
    /// One sample or `[samples, ..]`, f32 or f64, or bytes with --divide.
    #[arg(long, value_name = "X.npy")]
    input: PathBuf,
    /// The encrypted input.
    #[arg(long, value_name = "x.ct")]
    output: PathBuf,
    #[command(flatten)]
    seed: SeedOptions,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    values: InputOptions,
    #[command(flatten)]
    files: OutputOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    files::check_free(&args.output, overwrite)?;
    let client = open(&args.client)?;
    let input = npy::read(&args.input, args.values.divide)?;
    let mut rng = args.seed.rng("encrypt")?;
    args.threads.install(|_| {
        let encrypted = client.encrypt(input, &mut rng)?;
        let bytes = encrypted.to_bytes(client.params())?;
        files::write(&args.output, &bytes, overwrite, Access::Default)?;
        say!(
            "{} sample(s), {} in {}",
            encrypted.samples,
            human_bytes(bytes.len() as u64),
            args.output.display()
        );
        Ok(())
    })
}

/// The client of a folder.
pub(crate) fn open(folder: &std::path::Path) -> anyhow::Result<Client> {
    let part = ClientPart::load(folder)
        .with_context(|| format!("{} is not a client's folder", folder.display()))?;
    let path = folder.join(SECRET_KEY_FILE);
    Client::open(part, &files::read(&path)?).with_context(|| path.display().to_string())
}
