//! `girih compile`: from an ONNX file to the parts of server and clients.

use std::path::PathBuf;

use girih_engine::files::{self, Access};
use girih_engine::{CLIENT_FILE, CompiledModel, SERVER_FILE, WEIGHTS_FILE, weights_to_bytes};

use super::{CompileOptions, OutputOptions, Request, load_with_digest};
use crate::console::{human_seconds, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model.
    #[arg(value_name = "M.onnx")]
    model: PathBuf,
    /// Folder for the parts: `server/`, `client/` and, with encrypted weights, the owner's `weights.girih`.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    options: CompileOptions,
    #[command(flatten)]
    files: OutputOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    let server = args.output.join("server").join(SERVER_FILE);
    let client = args.output.join("client").join(CLIENT_FILE);
    let weights = args.output.join(WEIGHTS_FILE);
    let mut outputs = vec![&server, &client];
    if args.options.encrypt_weights {
        outputs.push(&weights);
    }
    for path in &outputs {
        files::check_free(path, overwrite)?;
    }
    let model = args
        .options
        .compile(load_with_digest(&args.model)?, None, Request::Any)?;
    let parts = CompiledModel::try_new(&model.compiled)?;
    for path in [&server, &client] {
        if let Some(folder) = path.parent() {
            files::create_dir(folder)?;
        }
    }
    files::write(
        &server,
        &parts.server.to_bytes()?,
        overwrite,
        Access::Default,
    )?;
    files::write(
        &client,
        &parts.client.to_bytes()?,
        overwrite,
        Access::Default,
    )?;
    if args.options.encrypt_weights {
        files::write(
            &weights,
            &weights_to_bytes(&parts.client.id, &parts.weights)?,
            overwrite,
            Access::Owner,
        )?;
    }
    say!("{}", model.params);
    say!(
        "compiled in {}: {}, {}",
        human_seconds(model.seconds),
        server.display(),
        client.display()
    );
    Ok(())
}
