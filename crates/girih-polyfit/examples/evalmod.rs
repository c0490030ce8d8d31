//! Methods of modular reduction: cost, gains of roundings, predicted precision.
//!
//! `cargo run --release -p girih-polyfit --example evalmod`

use girih_polyfit::Result;
use girih_polyfit::overflow::Overflow;
use girih_polyfit::trigonometric::{
    Message, ModularMethod, ModularReduction, ReductionSetting, rounding_deviation,
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
