//! `girih params`: the security table and the named parameter sets.

use girih_ckks::{MAX_LOG_N, MIN_LOG_N, Params, Security, presets};

use crate::console::{say, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> anyhow::Result<()> {
    say!("largest log2(QP) by ring degree, uniform ternary secret");
    let limit = |s: Security, log_n: u8| {
        s.max_log_qp(log_n)
            .map_or_else(|| "-".to_string(), |m| m.to_string())
    };
    let rows = (MIN_LOG_N..=MAX_LOG_N).map(|log_n| {
        let of = |s| limit(s, log_n);
        [
            format!("2^{log_n}"),
            of(Security::Bits128),
            of(Security::Bits192),
            of(Security::Bits256),
            of(Security::Quantum128),
            of(Security::Quantum192),
            of(Security::Quantum256),
        ]
    });
    let head = [
        "N",
        "128",
        "192",
        "256",
        "128 quantum",
        "192 quantum",
        "256 quantum",
    ];
    say!("{}\n", table(head, rows, 1));
    for (name, spec) in presets::all() {
        say!("{name}: {}\n", Params::try_new(spec)?);
    }
    Ok(())
}
