//! The diagonals that a convolution or a dense matrix occupies, without its entries.
//!
//! On tile tensors the place of a pixel is a sum: `place(c, y, x) = A(c) + B(y) + C(x)` in tiles and in units. So is the
//! difference between the places of a pixel and of the pixel under a tap, and the set of all differences is the sum of three
//! small sets: over pairs of filter and channel, over taps and rows, over taps and columns.

use std::collections::HashSet;

use crate::{Placement, WindowMatrix};

/// Where an entry lies: tile of the result, tile of the source, unit of the source less unit of the result.
pub(super) type Class = (usize, usize, isize);

/// The summands of the places of `[channels, height, width]`, as `(tile, unit)`.
struct Summands([Vec<(usize, usize)>; 3]);

impl Summands {
    /// `None` if the places are no such sums.
    fn of(placement: &Placement, [channels, height, width]: [usize; 3]) -> Option<Summands> {
        let at = |c: usize, y: usize, x: usize| {
            let place = placement.place((c * height + y) * width + x);
            (place.tile as usize, place.unit as usize)
        };
        let origin = at(0, 0, 0);
        let less =
            |p: (usize, usize)| Some((p.0.checked_sub(origin.0)?, p.1.checked_sub(origin.1)?));
        let summands = [
            (0..channels)
                .map(|c| Some(at(c, 0, 0)))
                .collect::<Option<Vec<_>>>()?,
            (0..height)
                .map(|y| less(at(0, y, 0)))
                .collect::<Option<Vec<_>>>()?,
            (0..width)
                .map(|x| less(at(0, 0, x)))
                .collect::<Option<Vec<_>>>()?,
        ];
        let [cs, ys, xs] = &summands;
        let whole = (0..channels).all(|c| {
            (0..height).all(|y| {
                (0..width).all(|x| {
                    let sum = (cs[c].0 + ys[y].0 + xs[x].0, cs[c].1 + ys[y].1 + xs[x].1);
                    at(c, y, x) == sum
                })
            })
        });
        whole.then_some(Summands(summands))
    }
}

/// The places of all pairs of features, differences modulo the period of the source.
pub(super) fn all_pairs(source: &Placement, result: &Placement) -> Vec<Class> {
    let own = source.period();
    let mut units = vec![vec![false; own]; source.tiles()];
    for place in source.places() {
        units[place.tile as usize][place.unit as usize] = true;
    }
    let mut found = vec![vec![false; own]; result.tiles() * source.tiles()];
    let mut known: HashSet<(u32, usize)> = HashSet::new();
    for place in result.places() {
        let turn = place.unit as usize % own;
        if !known.insert((place.tile, turn)) {
            continue;
        }
        // The differences of one row are the units of the source, turned.
        for (from, units) in units.iter().enumerate() {
            let seen = &mut found[place.tile as usize * source.tiles() + from];
            let (head, tail) = units.split_at(turn);
            let (start, end) = seen.split_at_mut(own - turn);
            start.iter_mut().zip(tail).for_each(|(s, u)| *s |= u);
            end.iter_mut().zip(head).for_each(|(s, u)| *s |= u);
        }
    }
    let pairs = found.iter().enumerate().flat_map(|(at, seen)| {
        let differences = seen.iter().enumerate().filter(|(_, s)| **s);
        let (to, from) = (at / source.tiles(), at % source.tiles());
        differences.map(move |(d, _)| (to, from, d as isize))
    });
    pairs.collect()
}

/// Two sets of classes whose sums are the places of all entries of a convolution: of pairs of filter and channel, of taps and
/// pixels. `None` if a placement is not a sum.
pub(super) fn classes(
    matrix: &WindowMatrix,
    source: &Placement,
    result: &Placement,
) -> Option<[Vec<Class>; 2]> {
    let Summands(from) = Summands::of(source, matrix.input())?;
    let Summands(to) = Summands::of(result, matrix.output())?;
    let class = |axis: usize, to_at: usize, from_at: usize| -> Class {
        let (t, f) = (to[axis][to_at], from[axis][from_at]);
        (t.0, f.0, f.1 as isize - t.1 as isize)
    };
    let channels: HashSet<Class> = (0..matrix.output()[0])
        .flat_map(|filter| matrix.channels_of(filter).map(move |c| (filter, c)))
        .map(|(filter, channel)| class(0, filter, channel))
        .collect();
    let taps = |axis: usize| -> HashSet<Class> {
        let window = matrix.window();
        (0..matrix.output()[axis])
            .flat_map(|at| {
                let taps = window.taps(axis - 1, at, matrix.input()[axis]);
                taps.map(move |(_, position)| (at, position))
            })
            .map(|(at, position)| class(axis, at, position))
            .collect()
    };
    let (rows, cols) = (taps(1), taps(2));
    let mut pixels: HashSet<Class> = HashSet::new();
    for a in &rows {
        pixels.extend(cols.iter().map(|b| (a.0 + b.0, a.1 + b.1, a.2 + b.2)));
    }
    Some([channels, pixels].map(|set| set.into_iter().collect()))
}
