//! The security gate: ring degree -> largest log2(QP).
//!
//! Secrets are uniform ternary, noise has standard deviation 3.2. The limits are those of the
//! Homomorphic Encryption Security Standard (Albrecht et al., 2018) extended to N = 2^16 and 2^17 as
//! in the table that OpenFHE ships since its release 1.2 (`stdlatticeparms`, classical and quantum columns).

use std::fmt;

/// The security a parameter set must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Security {
    /// 128 bits against classical attackers.
    Bits128,
    /// 192 bits against classical attackers.
    Bits192,
    /// 256 bits against classical attackers.
    Bits256,
    /// 128 bits against quantum attackers.
    Quantum128,
    /// 192 bits against quantum attackers.
    Quantum192,
    /// 256 bits against quantum attackers.
    Quantum256,
    /// No limit: for tests and experiments. Every print-out of such parameters says so.
    Insecure,
}

/// Rows: log2 N = 10..=17. Columns: classical 128, 192, 256, quantum 128, 192, 256.
const MAX_LOG_QP: [[u32; 6]; 8] = [
    [27, 19, 14, 25, 17, 13],
    [54, 37, 29, 51, 35, 27],
    [109, 75, 58, 101, 70, 54],
    [218, 152, 118, 202, 141, 109],
    [438, 305, 237, 411, 284, 220],
    [881, 611, 476, 827, 571, 443],
    [1747, 1199, 929, 1663, 1145, 888],
    [3523, 2411, 1866, 3348, 2301, 1784],
];

/// Fewest coefficients of a sparse secret that are not zero, for which there are limits.
const SPARSE_WEIGHT: usize = 32;
/// log2 N and the largest log2 of a modulus under a ternary secret of weight 32 at 128 bits: hybrid attacks that guess
/// zeros bind (Bossuat, Troncoso-Pastoriza, Hubaux, ACNS 2022, use 121 bits at N = 2^16; OpenFHE put 126 bits through the
/// lattice estimator before it made them its default in 2026). A larger degree is at least as hard; the limit at 2^15 is
/// reduced for its smaller dimension.
const SPARSE_LOG_MODULUS: [(u8, u32); 3] = [(15, 100), (16, 126), (17, 126)];

/// Smallest log2 N of the table.
pub const MIN_LOG_N: u8 = 10;
/// Largest log2 N of the table.
pub const MAX_LOG_N: u8 = 17;

impl Security {
    /// All choices, strictest last but `Insecure`.
    pub const ALL: [Security; 7] = [
        Security::Bits128,
        Security::Bits192,
        Security::Bits256,
        Security::Quantum128,
        Security::Quantum192,
        Security::Quantum256,
        Security::Insecure,
    ];

    /// The largest log2(QP) at degree `2^log_n`; `None` if there is no limit.
    ///
    /// A degree outside the table allows nothing: the limit is 0.
    #[must_use]
    pub fn max_log_qp(self, log_n: u8) -> Option<u32> {
        let column = match self {
            Security::Bits128 => 0,
            Security::Bits192 => 1,
            Security::Bits256 => 2,
            Security::Quantum128 => 3,
            Security::Quantum192 => 4,
            Security::Quantum256 => 5,
            Security::Insecure => return None,
        };
        let row = usize::from(log_n.wrapping_sub(MIN_LOG_N));
        Some(MAX_LOG_QP.get(row).map_or(0, |limits| limits[column]))
    }

    /// The largest log2 of a modulus under a sparse ternary secret at degree `2^log_n`; `None` if there is no limit.
    ///
    /// A degree, a weight below 32 or a security for which there is no estimate allow nothing: the limit is 0.
    #[must_use]
    pub fn max_log_sparse(self, log_n: u8, weight: usize) -> Option<u32> {
        match self {
            Security::Insecure => None,
            Security::Bits128 if weight >= SPARSE_WEIGHT => {
                let of = SPARSE_LOG_MODULUS.iter().find(|(n, _)| *n == log_n);
                Some(of.map_or(0, |(_, max)| *max))
            }
            _ => Some(0),
        }
    }

    /// The bits asked for; 0 for `Insecure`.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Security::Bits128 | Security::Quantum128 => 128,
            Security::Bits192 | Security::Quantum192 => 192,
            Security::Bits256 | Security::Quantum256 => 256,
            Security::Insecure => 0,
        }
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Security::Bits128 | Security::Bits192 | Security::Bits256 => {
                write!(f, "{}-bit classical", self.bits())
            }
            Security::Quantum128 | Security::Quantum192 | Security::Quantum256 => {
                write!(f, "{}-bit quantum", self.bits())
            }
            Security::Insecure => f.write_str("INSECURE (no)"),
        }
    }
}

/// Estimated classical security in bits of a modulus of `log_qp` bits at degree `2^log_n`.
///
/// Security is close to linear in `N / log2(QP)`: the estimate interpolates the classical columns linearly in
/// `1 / log2(QP)` and continues the outer pieces. It serves reports; the gate uses the table itself.
#[must_use]
pub fn security_bits(log_n: u8, log_qp: f64) -> f64 {
    let Some(limits) = MAX_LOG_QP.get(usize::from(log_n.wrapping_sub(MIN_LOG_N))) else {
        return 0.0;
    };
    let inverse = |column: usize| 1.0 / f64::from(limits[column]);
    let x = 1.0 / log_qp.max(1.0);
    let (lower, bits) = if x < inverse(1) {
        (0, 128.0)
    } else {
        (1, 192.0)
    };
    let slope = 64.0 / (inverse(lower + 1) - inverse(lower));
    (bits + slope * (x - inverse(lower))).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_published_table() {
        assert_eq!(Security::Bits128.max_log_qp(13), Some(218));
        assert_eq!(Security::Bits192.max_log_qp(14), Some(305));
        assert_eq!(Security::Bits256.max_log_qp(16), Some(929));
        assert_eq!(Security::Quantum128.max_log_qp(15), Some(827));
        assert_eq!(Security::Quantum256.max_log_qp(17), Some(1784));
        assert_eq!(Security::Insecure.max_log_qp(13), None);
        for outside in [0, 9, 18, 255] {
            assert_eq!(Security::Bits128.max_log_qp(outside), Some(0));
        }
    }

    #[test]
    fn sparse_secrets_have_limits_of_their_own() {
        let limit = |log_n, weight| Security::Bits128.max_log_sparse(log_n, weight);
        assert_eq!(limit(16, 32), Some(126));
        assert_eq!(limit(16, 64), Some(126));
        assert_eq!((limit(16, 31), limit(14, 32)), (Some(0), Some(0)));
        assert_eq!(Security::Quantum128.max_log_sparse(16, 32), Some(0));
        assert_eq!(Security::Insecure.max_log_sparse(10, 8), None);
        // Far below what a dense secret of the degree allows.
        for (log_n, max) in SPARSE_LOG_MODULUS {
            assert!(8 * max < Security::Bits128.max_log_qp(log_n).expect("a limit"));
        }
    }

    #[test]
    fn limits_grow_with_the_degree_and_fall_with_the_security() {
        for rows in MAX_LOG_QP.windows(2) {
            assert!(rows[0].iter().zip(&rows[1]).all(|(&small, &large)| {
                let ratio = f64::from(large) / f64::from(small);
                (1.85..2.2).contains(&ratio)
            }));
        }
        for row in MAX_LOG_QP {
            assert!(row[0] > row[1] && row[1] > row[2] && row[3] > row[4] && row[4] > row[5]);
            assert!(
                (0..3).all(|c| row[c] > row[c + 3]),
                "quantum attackers allow less"
            );
        }
    }

    #[test]
    fn estimate_meets_the_table_and_is_monotone() {
        for log_n in MIN_LOG_N..=MAX_LOG_N {
            for security in [Security::Bits128, Security::Bits192, Security::Bits256] {
                let max = security.max_log_qp(log_n).expect("secure sets have limits");
                assert!(
                    (security_bits(log_n, f64::from(max)) - f64::from(security.bits())).abs()
                        < 1e-9
                );
            }
            let estimates: Vec<f64> = (10..4000)
                .map(|q| security_bits(log_n, f64::from(q)))
                .collect();
            assert!(estimates.windows(2).all(|w| w[0] >= w[1]));
        }
        // own primal estimate at N = 2^16, log2(QP) = 1546: 148.8 bits
        assert!((security_bits(16, 1546.0) - 148.8).abs() < 4.0);
        assert_eq!(security_bits(40, 100.0), 0.0);
    }
}
