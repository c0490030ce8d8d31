//! The table of a machine: what its primitives were measured to take, as a file that people can read.

use std::path::Path;

use girih_ckks::cost::{Machine, Measurement};
use girih_he::Primitive;
use serde::{Deserialize, Serialize};

use crate::{FormatError, Result, files};

/// What `cargo xtask calibrate` measures on a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineTable {
    threads: usize,
    measurements: Vec<Measurement>,
}

/// Name in errors.
const WHAT: &str = "machine table";

#[derive(Serialize, Deserialize)]
struct Table {
    threads: usize,
    measurements: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    primitive: String,
    log_n: u8,
    limbs: usize,
    special: usize,
    digits: usize,
    drop: usize,
    microseconds: f64,
    together_microseconds: f64,
}

impl MachineTable {
    /// A table of what was measured, with so many threads for `together`.
    #[must_use]
    pub fn new(threads: usize, measurements: Vec<Measurement>) -> Self {
        MachineTable {
            threads,
            measurements,
        }
    }

    /// The table that plans are made with unless another is given, so that a model compiles to the same program on every machine: no
    /// measurement, the formulas alone, which were fitted to an AMD Zen 5 virtual machine with AVX-512-IFMA.
    #[must_use]
    pub fn shipped() -> Self {
        MachineTable::new(1, Vec::new())
    }

    /// The threads of [`Measurement::together`].
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The measurements.
    #[must_use]
    pub fn measurements(&self) -> &[Measurement] {
        &self.measurements
    }

    /// The machine, for evaluation on so many threads.
    #[must_use]
    pub fn machine(&self, threads: usize) -> Machine {
        Machine::new(self.measurements.iter().copied(), self.threads, threads)
    }

    /// One measurement a line.
    ///
    /// # Errors
    /// None for finite numbers.
    pub fn to_json(&self) -> Result<String> {
        let failed = |e: serde_json::Error| FormatError::field("table", e.to_string()).of(WHAT);
        // Four digits: more than a measurement has.
        let micro = |seconds: f64| {
            let digits = 3 - (seconds * 1e6).abs().max(1e-3).log10().floor() as i32;
            let unit = 10f64.powi(digits);
            (seconds * 1e6 * unit).round() / unit
        };
        let rows = self.measurements.iter().map(|m| {
            let row = Row {
                primitive: m.primitive.name().to_owned(),
                log_n: m.log_n,
                limbs: m.limbs,
                special: m.special,
                digits: m.digits,
                drop: m.drop,
                microseconds: micro(m.seconds),
                together_microseconds: micro(m.together),
            };
            serde_json::to_string(&row)
        });
        let rows = rows
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(failed)?;
        Ok(format!(
            "{{\n\"threads\": {},\n\"measurements\": [\n{}\n]\n}}\n",
            self.threads,
            rows.join(",\n")
        ))
    }

    /// Reads a table.
    ///
    /// # Errors
    /// No table, a primitive that does not exist, times that are not positive, shapes beyond what the scheme has.
    pub fn from_json(text: &str) -> Result<Self> {
        let wrong = |why: String| FormatError::field("table", why).of(WHAT);
        let table: Table = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
        let measurement = |row: Row| {
            let primitive = Primitive::ALL
                .into_iter()
                .find(|p| p.name() == row.primitive);
            let primitive = primitive
                .ok_or_else(|| wrong(format!("there is no primitive {:?}", row.primitive)))?;
            let times = [row.microseconds, row.together_microseconds];
            if !times.iter().all(|t| t.is_finite() && *t > 0.0) {
                let why = format!("{} takes {times:?} us; times are positive", row.primitive);
                return Err(wrong(why));
            }
            let most = [row.limbs, row.special, row.digits, row.drop]
                .into_iter()
                .max();
            if row.log_n > 17 || most > Some(255) || row.limbs == 0 || row.digits == 0 {
                let why = format!(
                    "{} at N = 2^{} with {} limbs in {} digits",
                    row.primitive, row.log_n, row.limbs, row.digits
                );
                return Err(wrong(why));
            }
            Ok(Measurement {
                primitive,
                log_n: row.log_n,
                limbs: row.limbs,
                special: row.special,
                digits: row.digits,
                drop: row.drop,
                seconds: times[0] * 1e-6,
                together: times[1] * 1e-6,
            })
        };
        let measurements = table.measurements.into_iter().map(measurement);
        Ok(MachineTable {
            threads: table.threads.max(1),
            measurements: measurements.collect::<Result<_>>()?,
        })
    }

    /// Reads the file of a table.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json), and the system's.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_json(&String::from_utf8_lossy(&files::read(path)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_read_back() {
        let measured = |(k, primitive)| Measurement {
            primitive,
            log_n: 12 + k as u8 % 5,
            limbs: 3 + k,
            special: 1,
            digits: 3,
            drop: 1,
            seconds: 1.234_567e-6 * 10f64.powi(k as i32 % 7),
            together: 1e-6,
        };
        let all = Primitive::ALL.into_iter().enumerate().map(measured);
        let table = MachineTable::new(2, all.collect());
        let json = table.to_json().expect("writes");
        let again = MachineTable::from_json(&json).expect("reads");
        assert_eq!(again.to_json().expect("writes"), json);
        assert_eq!(again.threads(), 2);
        for (a, b) in table.measurements().iter().zip(again.measurements()) {
            assert!((a.seconds / b.seconds - 1.0).abs() < 1e-3, "four digits");
            assert_eq!(
                (a.primitive, a.log_n, a.limbs),
                (b.primitive, b.log_n, b.limbs)
            );
        }
        assert!(MachineTable::shipped().measurements().is_empty());
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let row = |fields: &str| {
            format!(
                "{{\"threads\": 2, \"measurements\": [{{\"special\": 1, \"drop\": 1, {fields}, \"together_microseconds\": 1.0}}]}}"
            )
        };
        let good = "\"primitive\": \"add\", \"log_n\": 13, \"limbs\": 2, \"digits\": 1, \"microseconds\": 2.5";
        assert!(MachineTable::from_json(&row(good)).is_ok());
        for (from, to, why) in [
            ("\"add\"", "\"subtract\"", "subtract"),
            ("2.5", "-2.5", "positive"),
            ("\"limbs\": 2", "\"limbs\": 0", "0 limbs"),
            ("\"log_n\": 13", "\"log_n\": 60", "2^60"),
            ("\"log_n\": 13", "\"log_n\": 1300", "u8"),
        ] {
            let error = MachineTable::from_json(&row(&good.replace(from, to))).expect_err(why);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(MachineTable::from_json("{}").is_err());
    }
}
