//! The `girih` command: networks on encrypted data, in one go or as three separate roles.
#![forbid(unsafe_code)]

mod commands;
mod console;
mod npy;
mod plot;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    calibrate, compile, decrypt, encrypt, evaluate, explain, fit, infer, keygen, params,
};

/// A trained network answers on encrypted inputs.
#[derive(Debug, Parser)]
#[command(name = "girih", version, about, max_term_width = 110)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Model owner: turns an ONNX file into a part for the server and a part for clients.
    Compile(compile::Args),
    /// Client: makes a secret key and the evaluation keys for the server.
    Keygen(keygen::Args),
    /// Client: encrypts an input.
    Encrypt(encrypt::Args),
    /// Model owner: encrypts weights under a client's public key (models compiled with --encrypt-weights).
    EncryptWeights(keygen::WeightsArgs),
    /// Server: evaluates the model on an encrypted input.
    Evaluate(evaluate::Args),
    /// Client: decrypts the answer.
    Decrypt(decrypt::Args),
    /// All roles in one go.
    Infer(infer::Args),
    /// Measures what the functions of a model read, and chooses the polynomials that replace them.
    Calibrate(calibrate::Args),
    /// Prints graph, plan, parameters, keys, predicted time and memory, before any key exists.
    Explain(explain::Args),
    /// Fits a polynomial, or the cheapest plan for a target error, to a function: coefficients, errors, costs, figures.
    Fit(fit::Args),
    /// Prints the security table and the named parameter sets.
    Params(params::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Compile(args) => compile::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Encrypt(args) => encrypt::run(&args),
        Command::EncryptWeights(args) => keygen::encrypt_weights(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Decrypt(args) => decrypt::run(&args),
        Command::Infer(args) => infer::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Params(args) => params::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", told_once(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, without those whose words a message before has already said.
fn told_once(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |told, cause| {
            if told.is_empty() {
                cause
            } else if told.contains(&cause) {
                told
            } else {
                format!("{told}: {cause}")
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::anyhow!("disk full")
            .context("x.ct: disk full")
            .context("evaluate");
        assert_eq!(told_once(&error), "evaluate: x.ct: disk full");
    }
}
