//! The local extrema of an error function.

/// Steps of the search within a bracket, at most: golden section alone narrows it to `10⁻¹²`.
const STEPS: usize = 60;
/// A bracket of this share of its first length holds a smooth maximum to double precision.
const TOLERANCE: f64 = 1e-10;

/// Where an error is largest, and its value with sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extremum {
    pub(super) x: f64,
    pub(super) value: f64,
}

/// One extremum for each run of equal sign of `error`, from left to right: between all neighbours among the ends of
/// the pieces and the `knots`, `per_gap` points are tried, and around the largest of each run a search refines.
pub(super) fn alternating_extrema(
    error: &impl Fn(f64) -> f64,
    pieces: &[(f64, f64)],
    knots: &[f64],
    per_gap: usize,
) -> Vec<Extremum> {
    let mut found: Vec<(Extremum, (f64, f64))> = Vec::new();
    for &piece in pieces {
        let xs = subdivision(piece, knots, per_gap);
        for (i, &x) in xs.iter().enumerate() {
            let value = error(x);
            if value == 0.0 || value.is_nan() {
                continue;
            }
            let bracket = (xs[i.saturating_sub(1)], xs[(i + 1).min(xs.len() - 1)]);
            let entry = (Extremum { x, value }, bracket);
            match found.last_mut() {
                Some(last) if last.0.value.signum() == value.signum() => {
                    if value.abs() > last.0.value.abs() {
                        *last = entry;
                    }
                }
                _ => found.push(entry),
            }
        }
    }
    found
        .into_iter()
        .map(|(start, bracket)| refine(error, start, bracket))
        .collect()
}

/// All local maxima of `|error|` on the same points, refined: not only one for each sign.
pub(super) fn local_extrema(
    error: &impl Fn(f64) -> f64,
    pieces: &[(f64, f64)],
    knots: &[f64],
    per_gap: usize,
) -> Vec<Extremum> {
    let mut out = Vec::new();
    for &piece in pieces {
        let xs = subdivision(piece, knots, per_gap);
        let values: Vec<f64> = xs.iter().map(|&x| error(x)).collect();
        for i in 0..xs.len() {
            let (before, after) = (i.saturating_sub(1), (i + 1).min(xs.len() - 1));
            let size = values[i].abs();
            if size >= values[before].abs() && size >= values[after].abs() && size > 0.0 {
                let start = Extremum {
                    x: xs[i],
                    value: values[i],
                };
                out.push(refine(error, start, (xs[before], xs[after])));
            }
        }
    }
    out
}

fn subdivision((lo, hi): (f64, f64), knots: &[f64], per_gap: usize) -> Vec<f64> {
    let mut ends = vec![lo];
    ends.extend(knots.iter().copied().filter(|&x| lo < x && x < hi));
    ends.push(hi);
    let mut xs = Vec::with_capacity((ends.len() - 1) * per_gap + 1);
    for w in ends.windows(2) {
        for k in 0..per_gap {
            let x = w[0] + (w[1] - w[0]) * k as f64 / per_gap as f64;
            if xs.last().is_none_or(|&last| x > last) {
                xs.push(x);
            }
        }
    }
    xs.push(hi);
    xs
}

/// Brent's search (Algorithms for Minimization without Derivatives, 1973, chapter 5) for the largest
/// `error · sign` in the bracket, from its best point.
fn refine(error: &impl Fn(f64) -> f64, start: Extremum, (mut a, mut b): (f64, f64)) -> Extremum {
    let sign = start.value.signum();
    let f = |x: f64| -error(x) * sign;
    let golden = (3.0 - 5f64.sqrt()) / 2.0;
    let tolerance = TOLERANCE * (b - a);
    if tolerance <= 0.0 {
        return start;
    }
    let (mut x, mut fx) = (start.x, -start.value * sign);
    let (mut w, mut v, mut fw, mut fv) = (x, x, fx, fx);
    let (mut step, mut before) = (0.0f64, 0.0f64);
    for _ in 0..STEPS {
        let middle = (a + b) / 2.0;
        if (x - middle).abs() <= 2.0 * tolerance - (b - a) / 2.0 {
            break;
        }
        let mut parabola = None;
        if before.abs() > tolerance {
            let r = (x - w) * (fx - fv);
            let q = (x - v) * (fx - fw);
            let p = (x - v) * q - (x - w) * r;
            let q2 = 2.0 * (q - r);
            let (p, q) = if q2 > 0.0 { (-p, q2) } else { (p, -q2) };
            if p.abs() < (0.5 * q * before).abs() && p > q * (a - x) && p < q * (b - x) {
                parabola = Some(p / q);
            }
        }
        (before, step) = match parabola {
            Some(p) => (step, p),
            None => {
                let side = if x < middle { b - x } else { a - x };
                (side, golden * side)
            }
        };
        let to = if step.abs() >= tolerance {
            x + step
        } else {
            x + tolerance.copysign(step)
        };
        let to = to.clamp(a, b);
        let ft = f(to);
        if ft <= fx {
            *(if to >= x { &mut a } else { &mut b }) = x;
            (v, fv, w, fw, x, fx) = (w, fw, x, fx, to, ft);
        } else {
            *(if to < x { &mut a } else { &mut b }) = to;
            if ft <= fw || w == x {
                (v, fv, w, fw) = (w, fw, to, ft);
            } else if ft <= fv || v == x || v == w {
                (v, fv) = (to, ft);
            }
        }
    }
    Extremum {
        x,
        value: -fx * sign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooth_extrema_and_cusps() {
        let found = alternating_extrema(&f64::sin, &[(0.1, 10.0)], &[3.0, 6.0], 6);
        let expected = [0.5, 1.5, 2.5].map(|k| k * std::f64::consts::PI);
        // The last run, beyond 3π, is largest at the end.
        assert_eq!(found.len(), 4);
        for (f, x) in found.iter().zip(expected) {
            assert!(
                (f.x - x).abs() < 1e-6 && (f.value.abs() - 1.0).abs() < 1e-12,
                "{f:?}"
            );
        }
        assert_eq!(found[3].x, 10.0);
        let cusp = |x: f64| 1.0 - (x - 0.3).abs();
        let found = local_extrema(&cusp, &[(-1.0, 1.0)], &[], 7);
        assert!(
            found.iter().any(|e| (e.value - 1.0).abs() < 1e-9),
            "{found:?}"
        );
    }
}
