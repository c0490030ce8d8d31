//! Methods of modular reduction: cost, gains of roundings, predicted precision, scales. `docs/evalmod.md` discusses the tables.
//!
//! `cargo run --release -p girih-polyfit --example evalmod`

use girih_polyfit::Result;
use girih_polyfit::overflow::Overflow;
use girih_polyfit::trigonometric::{
    Message, ModularMethod, ModularReduction, ReductionSetting, ScaleTarget, rounding_deviation,
};

const LOG_N: u32 = 16;
const BOUND: usize = 15;
const RATIO: f64 = 256.0;

fn main() -> Result<()> {
    let overflow = Overflow::sparse(32)?;
    println!(
        "P(some |I| > {BOUND}) <= 2^{:.1}\n",
        overflow.failure_log2(BOUND, LOG_N)
    );
    let radius = 1.1 / RATIO;
    let method = |degree, doublings, arcsine| ModularMethod {
        degree,
        doublings,
        arcsine,
    };
    let minimax = ModularReduction::new(BOUND, radius, method(30, 3, 1))?;
    println!(
        "| method | levels | products | relinearisations | fit | bias | roundings, scale 2^58 | balanced | random mean | worst | constant |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    row("30, 3 minimax", &minimax, &overflow);
    let mut chosen = None;
    for (degree, doublings, arcsine) in [
        (30, 3, 1),
        (28, 3, 1),
        (26, 3, 1),
        (24, 3, 1),
        (22, 3, 1),
        (14, 4, 1),
        (12, 4, 1),
        (16, 4, 1),
        (22, 4, 1),
        (54, 2, 1),
        (30, 3, 3),
        (30, 3, 5),
    ] {
        let method = method(degree, doublings, arcsine);
        let reduction = ModularReduction::weighted(&overflow, BOUND, radius, method)?;
        let name = match arcsine {
            1 => format!("{degree}, {doublings}"),
            _ => format!("{degree}, {doublings}, arcsine {arcsine}"),
        };
        row(&name, &reduction, &overflow);
        if (degree, doublings) == (28, 3) {
            chosen = Some(reduction);
        }
    }
    if let Some(reduction) = chosen {
        let bits = |v: &[f64]| -> Vec<String> { v.iter().map(|g| format!("{g:.1}")).collect() };
        let gains: Vec<f64> = reduction
            .gains(&overflow)
            .iter()
            .map(|g| g.log2())
            .collect();
        println!("\nlog2 of gains by level: {}", bits(&gains).join(" "));
        let balanced = reduction.balanced_scales(&overflow, 58.0);
        println!("balanced scales: {}", bits(&balanced).join(" "));
        println!("\n| abs I | probability | error |\n|---|---|---|");
        let errors = reduction.errors(&overflow);
        for i in 0..=BOUND {
            let (a, b) = (errors[BOUND + i], errors[BOUND - i]);
            println!(
                "| {i} | 2^{:.0} | 2^{:.0} |",
                (a.probability + if i > 0 { b.probability } else { 0.0 }).log2(),
                a.error.abs().max(b.error.abs()).log2()
            );
        }
        chains(&reduction, &overflow)?;
    }
    constants(&overflow)
}

/// The error of a constant by `q₀` over the scale and by the arcsine, at the same precision of random messages.
fn constants(overflow: &Overflow) -> Result<()> {
    println!(
        "\n| log2 q0 / scale | arcsine | levels | products | bits of modulus | random mean | constant |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (log_ratio, arcsine) in [
        (8.0, 1),
        (9.0, 1),
        (10.0, 1),
        (10.5, 1),
        (11.0, 1),
        (8.0, 3),
        (6.0, 3),
        (5.0, 3),
        (5.0, 5),
    ] {
        let ratio = f64::exp2(log_ratio);
        let method = ModularMethod {
            arcsine,
            ..ModularMethod::default()
        };
        let reduction = ModularReduction::weighted(overflow, BOUND, 1.1 / ratio, method)?;
        // Balanced scales of as many bits as 22.5 of a random message's mean need.
        let predict = |mean: f64, message| {
            let bits = reduction.balanced_scales(overflow, mean);
            let deviation = rounding_deviation(LOG_N);
            let roundings: Vec<f64> = bits.iter().map(|b| deviation / b.exp2()).collect();
            let setting = ReductionSetting {
                log_n: LOG_N,
                ratio,
                overflow,
                roundings: &roundings,
            };
            reduction.predict(setting, message)
        };
        let mut mean = 40.0;
        while predict(mean, Message::Random).mean_bits() < 22.5 {
            mean += 0.1;
        }
        let depth = reduction.plan.unit_depth();
        println!(
            "| {log_ratio} | {} | {depth} | {} | {:.0} | {:.1} | {:.1} |",
            if arcsine > 1 {
                arcsine.to_string()
            } else {
                "none".to_owned()
            },
            reduction.plan.counts().products,
            mean * depth as f64 + log_ratio - 8.0,
            predict(mean, Message::Random).mean_bits(),
            predict(mean, Message::Constant).worst_bits()
        );
    }
    Ok(())
}

/// Scales for a chain: bits against primes.
fn chains(reduction: &ModularReduction, overflow: &Overflow) -> Result<()> {
    println!(
        "\n| primes | bits | scales from the input to the result | consumed |\n|---|---|---|---|"
    );
    let target = ScaleTarget {
        log_n: LOG_N,
        ratio: RATIO,
        rounding: rounding_deviation(LOG_N),
        error: f64::exp2(-22.5),
        single_bits: 49,
    };
    for scales in reduction.scales(overflow, target)? {
        let bits: Vec<i32> = scales.bits.iter().map(|&b| b.into()).collect();
        let joined = |v: &[i32]| {
            v.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let consumed: Vec<i32> = bits.windows(2).map(|w| 2 * w[0] - w[1]).collect();
        println!(
            "| {} | {} | {} | {} |",
            scales.primes,
            scales.cost,
            joined(&bits),
            joined(&consumed)
        );
    }
    Ok(())
}

fn row(name: &str, reduction: &ModularReduction, overflow: &Overflow) {
    let deviation = rounding_deviation(LOG_N);
    let uniform = vec![deviation / 2f64.powi(58); reduction.plan.unit_depth() + 1];
    let setting = |roundings| ReductionSetting {
        log_n: LOG_N,
        ratio: RATIO,
        overflow,
        roundings,
    };
    let random = reduction.predict(setting(&uniform), Message::Random);
    let constant = reduction.predict(setting(&uniform), Message::Constant);
    let balanced: Vec<f64> = reduction
        .balanced_scales(overflow, 58.0)
        .iter()
        .map(|b| deviation / b.exp2())
        .collect();
    let better = reduction.predict(setting(&balanced), Message::Random);
    let counts = reduction.plan.counts();
    println!(
        "| {name} | {} | {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
        reduction.plan.unit_depth(),
        counts.products,
        counts.relinearizations,
        -random.fit.log2(),
        -random.bias.log2(),
        -random.rounding.log2(),
        -better.rounding.log2(),
        random.mean_bits(),
        random.worst_bits(),
        constant.worst_bits()
    );
}
