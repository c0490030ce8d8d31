//! The limb loop, and a loop over independent polynomials: the only place of the arithmetic crates
//! where threads are used.
//!
//! Rows are independent, each is computed by the same code on one thread, so results do not depend
//! on the number of threads. Callers choose the threads with `rayon::ThreadPool::install`.

/// How much one word of a row costs; decides from which size threads pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A few operations per word (sums, products).
    Light,
    /// Tens of operations per word (transforms, base conversions).
    Heavy,
}

impl Work {
    /// Words from which a loop is split. Handing a row to another thread costs 5-10 us; a light
    /// word costs about 0.3 ns, a heavy one about 2 ns, and a loop should run well over 50 us.
    const fn threshold(self) -> usize {
        match self {
            Work::Light => 1 << 18,
            Work::Heavy => 1 << 15,
        }
    }

    fn pays(self, words: usize, rows: usize) -> bool {
        rows > 1 && words >= self.threshold() && threads() > 1
    }
}

/// Threads of the current pool.
#[cfg(feature = "parallel")]
#[must_use]
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Threads of the current pool.
#[cfg(not(feature = "parallel"))]
#[must_use]
pub fn threads() -> usize {
    1
}

/// `f(i, row_i)` for every row of `n` words.
///
/// # Panics
/// If `rows` is not made of whole rows.
pub fn for_each_limb<F>(rows: &mut [u64], n: usize, work: Work, f: F)
where
    F: Fn(usize, &mut [u64]) + Sync + Send,
{
    assert_eq!(rows.len() % n, 0, "a polynomial is made of whole rows");
    let count = rows.len() / n;
    if work.pays(rows.len(), count) {
        #[cfg(feature = "parallel")]
        {
            use rayon::prelude::*;
            rows.par_chunks_exact_mut(n)
                .enumerate()
                .for_each(|(i, row)| f(i, row));
            return;
        }
    }
    rows.chunks_exact_mut(n)
        .enumerate()
        .for_each(|(i, row)| f(i, row));
}

/// `f(i, a_i, b_i)` for every pair of rows of `n` words.
///
/// # Panics
/// If `a` and `b` differ in length or are not made of whole rows.
pub fn for_each_limb_pair<F>(a: &mut [u64], b: &mut [u64], n: usize, work: Work, f: F)
where
    F: Fn(usize, &mut [u64], &mut [u64]) + Sync + Send,
{
    assert_eq!(
        a.len(),
        b.len(),
        "row pairs come from polynomials of one shape"
    );
    assert_eq!(a.len() % n, 0, "a polynomial is made of whole rows");
    let count = a.len() / n;
    if work.pays(a.len(), count) {
        #[cfg(feature = "parallel")]
        {
            use rayon::prelude::*;
            a.par_chunks_exact_mut(n)
                .zip(b.par_chunks_exact_mut(n))
                .enumerate()
                .for_each(|(i, (x, y))| f(i, x, y));
            return;
        }
    }
    a.chunks_exact_mut(n)
        .zip(b.chunks_exact_mut(n))
        .enumerate()
        .for_each(|(i, (x, y))| f(i, x, y));
}

/// `f(item)` for independent items that take a row loop or more each, in order.
pub fn map<T: Send, U: Send>(items: Vec<T>, f: impl Fn(T) -> U + Sync + Send) -> Vec<U> {
    #[cfg(feature = "parallel")]
    if items.len() > 1 && threads() > 1 {
        use rayon::prelude::*;
        return items.into_par_iter().map(f).collect();
    }
    items.into_iter().map(f).collect()
}

/// Most rows of one tile: a base conversion that writes several rows at once reads its sources once.
pub const TILE: usize = 8;

/// Rows of a tile: at most `most`, in as few tiles as that takes that every thread gets the same number of.
pub(crate) fn tile_rows(rows: usize, most: usize) -> usize {
    let tiles = rows.div_ceil(most).next_multiple_of(threads());
    rows.div_ceil(tiles.max(1)).max(1)
}

/// `f(first, tile)` for consecutive groups of up to [`TILE`] rows of `n` words, `first` being the index
/// of the group's first row. Heavy work is assumed. `f` must treat the rows of a tile independently.
///
/// # Panics
/// If `rows` is not made of whole rows.
pub fn for_each_tile<F>(rows: &mut [u64], n: usize, f: F)
where
    F: Fn(usize, &mut [u64]) + Sync + Send,
{
    assert_eq!(rows.len() % n, 0, "a polynomial is made of whole rows");
    let count = rows.len() / n;
    let tile = tile_rows(count, TILE);
    if Work::Heavy.pays(rows.len(), count) {
        #[cfg(feature = "parallel")]
        {
            use rayon::prelude::*;
            rows.par_chunks_mut(tile * n)
                .enumerate()
                .for_each(|(i, rows)| f(i * tile, rows));
            return;
        }
    }
    rows.chunks_mut(tile * n)
        .enumerate()
        .for_each(|(i, rows)| f(i * tile, rows));
}

/// `f(first, a_tile, b_tile)` for groups of up to `most` rows of two polynomials of one shape; see
/// [`for_each_tile`].
///
/// # Panics
/// If `a` and `b` differ in length or are not made of whole rows, or `most` is 0.
pub fn for_each_tile_pair<F>(a: &mut [u64], b: &mut [u64], n: usize, most: usize, f: F)
where
    F: Fn(usize, &mut [u64], &mut [u64]) + Sync + Send,
{
    assert_eq!(
        a.len(),
        b.len(),
        "row pairs come from polynomials of one shape"
    );
    assert_eq!(a.len() % n, 0, "a polynomial is made of whole rows");
    let count = a.len() / n;
    let tile = tile_rows(count, most);
    if Work::Heavy.pays(a.len(), count) {
        #[cfg(feature = "parallel")]
        {
            use rayon::prelude::*;
            a.par_chunks_mut(tile * n)
                .zip(b.par_chunks_mut(tile * n))
                .enumerate()
                .for_each(|(i, (x, y))| f(i * tile, x, y));
            return;
        }
    }
    a.chunks_mut(tile * n)
        .zip(b.chunks_mut(tile * n))
        .enumerate()
        .for_each(|(i, (x, y))| f(i * tile, x, y));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_order() {
        let squares = map((0..1000u64).collect(), |x| x * x);
        assert!(
            squares
                .iter()
                .enumerate()
                .all(|(i, &x)| x == (i * i) as u64)
        );
        assert!(map(Vec::<u64>::new(), |x| x).is_empty());
    }

    #[test]
    fn every_row_is_visited_once_with_its_index() {
        for (rows, n) in [(1, 8), (5, 8), (9, 1 << 15)] {
            let mut a = vec![0u64; rows * n];
            let mut b = vec![0u64; rows * n];
            for_each_limb(&mut a, n, Work::Heavy, |i, row| {
                row.iter_mut().for_each(|x| *x += 1 + i as u64);
            });
            for_each_limb_pair(&mut a, &mut b, n, Work::Light, |i, x, y| {
                y.iter_mut()
                    .zip(x)
                    .for_each(|(y, x)| *y += *x * 10 + i as u64);
            });
            for_each_tile(&mut a, n, |first, tile| {
                for (i, row) in tile.chunks_exact_mut(n).enumerate() {
                    row.iter_mut().for_each(|x| *x += 100 * (first + i) as u64);
                }
            });
            for_each_tile_pair(&mut a, &mut b, n, 3, |first, x, y| {
                for (i, row) in x.chunks_exact_mut(n).enumerate() {
                    row.iter_mut().for_each(|x| *x -= 100 * (first + i) as u64);
                }
                assert_eq!(x.len(), y.len());
            });
            for i in 0..rows {
                assert!(a[i * n..(i + 1) * n].iter().all(|&x| x == 1 + i as u64));
                assert!(
                    b[i * n..(i + 1) * n]
                        .iter()
                        .all(|&x| x == 10 * (1 + i as u64) + i as u64)
                );
            }
        }
    }
}
