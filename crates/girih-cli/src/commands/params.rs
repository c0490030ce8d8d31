//! `girih params`: the security table and the named parameter sets.

use girih_ckks::{MAX_LOG_N, MIN_LOG_N, Params, Security, presets};

use girih_bootstrap::{Order, Preset};

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
    for preset in Preset::all()? {
        bootstrapping(&preset)?;
    }
    Ok(())
}

/// A preset of bootstrapping: its parameters, its chain by stage, what it takes and gives.
fn bootstrapping(preset: &Preset) -> anyhow::Result<()> {
    let params = Params::try_new(preset.params.clone())?;
    say!(
        "bootstrapping {}, for {}: {params}",
        preset.name,
        preset.purpose
    );
    let spec = &preset.spec;
    let stages = preset
        .stages()
        .into_iter()
        .map(|(name, levels, bits)| [name.to_string(), levels.to_string(), format!("{bits:.0}")]);
    say!("{}", table(["stage", "levels", "bits"], stages, 1));
    let order = match spec.order {
        Order::RaiseFirst => "raise, to coefficients, reduce, to slots",
        Order::SlotsFirst => "to slots, raise, to coefficients, reduce",
    };
    let failure = spec.failure_log2(params.log_n())?;
    say!(
        "  {order}; {} slots; sparse secret of weight {}; failure at most 2^{failure:.1} a bootstrapping{}",
        spec.slots,
        spec.weight,
        if spec.refinement.is_some() {
            "; twice"
        } else {
            ""
        }
    );
    let of = &preset.figures;
    let gb = |bytes: u64| bytes as f64 / 1e9;
    say!(
        "  measured: {:.1} s on one core; keys {:.1} GB, peak {:.1} GB; bits: {:.1} mean, {:.1} worst, {:.1} on a constant\n",
        of.seconds,
        gb(of.key_bytes),
        gb(of.peak_bytes),
        of.mean_bits,
        of.worst_bits,
        of.constant_bits
    );
    Ok(())
}
