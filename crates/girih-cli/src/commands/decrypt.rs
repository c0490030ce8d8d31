//! `girih decrypt`.

use crate::console::say;
use std::path::PathBuf;

use anyhow::Context as _;
use girih_engine::{EncryptedTensor, files};

use super::encrypt::open;
use super::{OutputOptions, ThreadOptions};
use crate::npy;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The client's folder.
    #[arg(long, value_name = "CDIR")]
    client: PathBuf,
    /// The encrypted answer.
    #[arg(long, value_name = "y.ct")]
    input: PathBuf,
    /// The answer, `[samples, ..]`, f64.
    #[arg(long, value_name = "Y.npy")]
    output: PathBuf,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    files: OutputOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    files::check_free(&args.output, overwrite)?;
    let client = open(&args.client)?;
    let bytes = files::read(&args.input)?;
    args.threads.install(|_| {
        let tensor = EncryptedTensor::from_bytes(&bytes, client.params())
            .with_context(|| args.input.display().to_string())?;
        let answer = client.decrypt(&tensor)?;
        npy::write(&args.output, &answer, overwrite)?;
        say!("shape {:?} in {}", answer.shape(), args.output.display());
        Ok(())
    })
}
