//! The table of ratios: a peer's time divided by girih's, beside the ratio that is wanted.

use comfy_table::{CellAlignment, Table, presets};

use crate::record::Record;

/// A transform of less than 2^16 is to take at most 0.6 of tfhe-ntt's time.
const SMALL_NTT: f64 = 1.0 / 0.6;

/// The ratio that is wanted of an operation at a degree, if one is.
fn wanted(peer: &str, op: &str, log_n: u32) -> Option<f64> {
    match (peer, op, log_n) {
        ("openfhe", "mul_relin_rescale" | "rotate", 16) => Some(10.0),
        ("openfhe", "mul_relin_rescale", 15) => Some(8.0),
        ("openfhe", "mul_relin_rescale", 14) => Some(6.0),
        ("openfhe", "hoisted_rotate", 16) => Some(8.0),
        (
            "openfhe",
            "rescale" | "mul_plain" | "encode" | "encrypt" | "decrypt" | "rotation_keygen",
            16,
        ) => Some(5.0),
        ("tfhe-ntt", _, 16) => Some(2.0),
        ("tfhe-ntt", _, 13..=15) => Some(SMALL_NTT),
        _ => None,
    }
}

/// One row for each measurement of a peer that girih has too.
pub(super) fn table(records: &[Record]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "op", "N", "log Q", "log QP", "dnum", "thr", "peer", "peer ms", "girih ms", "ratio",
        "wanted", "met",
    ]);
    for peer in records.iter().filter(|r| r.implementation != "girih") {
        let own = records
            .iter()
            .find(|r| r.implementation == "girih" && r.op == peer.op && r.n == peer.n);
        let (Some(own), Some(n)) = (own, peer.n) else {
            continue;
        };
        let ratio = peer.median_ns as f64 / own.median_ns.max(1) as f64;
        let wanted = wanted(peer.implementation, peer.op, n.ilog2());
        let met = wanted.map_or("", |w| if ratio >= w { "yes" } else { "no" });
        table.add_row([
            peer.op.to_string(),
            format!("2^{}", n.ilog2()),
            both(peer.log_q, own.log_q),
            both(peer.log_qp, own.log_qp),
            both(peer.dnum.map(|d| d as f64), own.dnum.map(|d| d as f64)),
            peer.threads.to_string(),
            peer.implementation.to_string(),
            milliseconds(peer.median_ns),
            milliseconds(own.median_ns),
            format!("{ratio:.2}"),
            wanted.map_or_else(String::new, |w| format!("{w:.2}")),
            met.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(7).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A peer's figure and girih's, once if they are the same.
fn both(peer: Option<f64>, own: Option<f64>) -> String {
    let shown = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.0}"));
    let (peer, own) = (shown(peer), shown(own));
    if peer == own {
        peer
    } else {
        format!("{peer} / {own}")
    }
}

fn milliseconds(ns: u64) -> String {
    let ms = ns as f64 / 1e6;
    if ms < 1.0 {
        format!("{ms:.4}")
    } else {
        format!("{ms:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(implementation: &'static str, median_ns: u64) -> Record {
        Record {
            implementation,
            n: Some(1 << 16),
            log_q: Some(1260.0),
            median_ns,
            ..Record::new("peers", "rotate")
        }
    }

    #[test]
    fn a_ratio_is_met_from_the_wanted_value_on() {
        let met = |own| table(&[record("openfhe", 100), record("girih", own)]).to_string();
        assert!(met(10).contains("| 10.00 "), "{}", met(10));
        assert!(met(10).contains("| yes "));
        assert!(met(11).contains("| no "));
    }

    #[test]
    fn rows_need_both_sides() {
        let rows = |records: &[Record]| table(records).row_iter().count();
        assert_eq!(rows(&[record("openfhe", 100)]), 0);
        assert_eq!(rows(&[record("girih", 100)]), 0);
        let mut other = record("girih", 9);
        other.n = Some(1 << 15);
        assert_eq!(rows(&[record("openfhe", 100), other]), 0);
    }
}
