//! Aligned rows of words, recycled.
//!
//! At n = 2^16 a fresh ciphertext of 25 limbs costs more in page faults than an addition costs in
//! arithmetic, so rows are kept and handed out again. Large ones are advised to use huge pages; middling ones, the
//! twiddle tables above all, are cut from slabs of them: a stream over 4 KiB pages misses the address cache at every
//! page and stops the hardware's prefetching there. A large request takes the smallest idle buffer of up to twice its
//! length: polynomials of all levels share what the deepest of them needs.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Alignment of every buffer: one cache line, one 512-bit vector.
const ALIGN: usize = 64;
/// Buffers of at least this many bytes are aligned to, and advised for, huge pages.
const HUGE: usize = 2 << 20;

/// A set of recycled buffers; clones share it. Thread-safe.
#[derive(Clone, Default)]
pub struct Pool {
    shelves: Arc<Shelves>,
}

/// Buffers of at least this many bytes, and less than [`HUGE`], are cut from slabs.
const MIDDLING: usize = 64 << 10;
/// Most bytes of a slab.
const SLAB: usize = 16 << 20;

/// Free allocations by length in words (none is empty), and the slab that is being cut.
#[derive(Default)]
struct Shelves {
    free: Mutex<BTreeMap<usize, Vec<Block>>>,
    slab: Mutex<Option<(Arc<Allocation>, usize)>>,
}

/// One aligned allocation, all of it initialised; freed when dropped.
struct Allocation {
    data: NonNull<u64>,
    len: usize,
}

/// Words of an allocation that belong to nobody else.
struct Block {
    data: NonNull<u64>,
    len: usize,
    /// What the words lie in; none for no words.
    _home: Option<Arc<Allocation>>,
}

/// 64-byte aligned words from a [`Pool`], which they return to on drop.
pub struct Buf {
    block: Block,
    /// Words of the block that are this buffer's.
    len: usize,
    shelves: Arc<Shelves>,
    wipe: bool,
}

impl Pool {
    /// A pool with nothing in it.
    pub fn new() -> Pool {
        Pool::default()
    }

    /// `len` words, all zero.
    pub fn zeroed(&self, len: usize) -> Buf {
        let (mut buf, fresh) = self.take(len);
        if !fresh {
            buf.fill(0);
        }
        buf
    }

    /// `len` words of unspecified content, for a caller that overwrites all of them.
    pub fn unfilled(&self, len: usize) -> Buf {
        self.take(len).0
    }

    /// A copy of `words`.
    pub fn copied(&self, words: &[u64]) -> Buf {
        let mut buf = self.unfilled(words.len());
        buf.copy_from_slice(words);
        buf
    }

    /// `len` zero words for secrets: overwritten with zeros before they return to the pool.
    pub fn secret(&self, len: usize) -> Buf {
        let mut buf = self.zeroed(len);
        buf.wipe = true;
        buf
    }

    /// Bytes held ready for reuse.
    pub fn idle_bytes(&self) -> usize {
        let free = self.shelves.lock();
        free.iter()
            .map(|(len, blocks)| len * blocks.len() * size_of::<u64>())
            .sum()
    }

    /// Gives everything held ready for reuse back to the system.
    pub fn trim(&self) {
        let released = std::mem::take(&mut *self.shelves.lock());
        drop(released);
        // Memory goes back with the last block of a slab.
        drop(self.shelves.slab().take());
    }

    /// A buffer, and whether it is fresh from the system (and so zero).
    fn take(&self, len: usize) -> (Buf, bool) {
        let reused = self.shelves.reuse(len);
        let fresh = reused.is_none();
        let buf = Buf {
            block: reused.unwrap_or_else(|| self.shelves.cut(len)),
            len,
            shelves: Arc::clone(&self.shelves),
            wipe: false,
        };
        (buf, fresh)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("idle_bytes", &self.idle_bytes())
            .finish()
    }
}

impl Shelves {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<Block>>> {
        // A panic elsewhere cannot leave the map half changed.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The smallest idle block of `len` words or, for large ones, up to twice as many.
    fn reuse(&self, len: usize) -> Option<Block> {
        let longest = if len * size_of::<u64>() < HUGE {
            len
        } else {
            2 * len
        };
        let mut free = self.lock();
        let (&found, blocks) = free.range_mut(len..=longest).next()?;
        let block = blocks.pop();
        if blocks.is_empty() {
            free.remove(&found);
        }
        block
    }
}

impl Shelves {
    fn slab(&self) -> MutexGuard<'_, Option<(Arc<Allocation>, usize)>> {
        // A panic elsewhere cannot leave the slab half cut.
        self.slab.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of zeros that was never handed out.
    fn cut(&self, len: usize) -> Block {
        let bytes = len * size_of::<u64>();
        if len == 0 || !(MIDDLING..HUGE).contains(&bytes) {
            return Block::whole(Allocation::zeroed(len));
        }
        let words = bytes.next_multiple_of(ALIGN) / size_of::<u64>();
        let mut slab = self.slab();
        let (home, start) = match slab.take() {
            Some((home, used)) if used + words <= home.len => (home, used),
            full => {
                // Every slab is twice as long as the one before.
                let len = full.map_or(HUGE / size_of::<u64>(), |(home, _)| 2 * home.len);
                let len = len.min(SLAB / size_of::<u64>());
                (Arc::new(Allocation::zeroed(len)), 0)
            }
        };
        *slab = Some((Arc::clone(&home), start + words));
        // SAFETY: start + words is within the allocation, and this range is handed out once.
        let data = unsafe { home.data.add(start) };
        Block {
            data,
            len,
            _home: Some(home),
        }
    }
}

impl Block {
    fn whole(allocation: Allocation) -> Block {
        Block {
            data: allocation.data,
            len: allocation.len,
            _home: Some(Arc::new(allocation)),
        }
    }

    fn empty() -> Block {
        Block {
            data: NonNull::dangling(),
            len: 0,
            _home: None,
        }
    }
}

impl Allocation {
    fn layout(len: usize) -> Layout {
        let bytes = len * size_of::<u64>();
        let align = if bytes >= HUGE { HUGE } else { ALIGN };
        Layout::from_size_align(bytes, align).unwrap_or_else(|_| {
            panic!("a buffer of {len} words exceeds the address space");
        })
    }

    fn zeroed(len: usize) -> Allocation {
        let layout = Allocation::layout(len);
        if len == 0 {
            return Allocation {
                data: NonNull::dangling(),
                len,
            };
        }
        // SAFETY: the layout has a non-zero size.
        let data = unsafe { alloc(layout) };
        let Some(data) = NonNull::new(data.cast::<u64>()) else {
            handle_alloc_error(layout);
        };
        #[cfg(target_os = "linux")]
        if layout.size() >= HUGE {
            // SAFETY: the range is this allocation's own; MADV_HUGEPAGE changes no content, and a
            // refusal (kernel without huge pages) is harmless.
            unsafe {
                libc::madvise(data.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE);
            }
        }
        // Zeroing comes after the advice, so that the first touch already gets huge pages.
        // SAFETY: the allocation holds `len` words.
        unsafe { data.as_ptr().write_bytes(0, len) }
        Allocation { data, len }
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: `data` came from `alloc` with this very layout and is freed once.
            unsafe { dealloc(self.data.as_ptr().cast(), Allocation::layout(self.len)) }
        }
    }
}

// SAFETY: a block owns its words exclusively, as a `Box<[u64]>` does.
unsafe impl Send for Block {}
// SAFETY: shared references to a block only read.
unsafe impl Sync for Block {}
// SAFETY: an allocation gives no access to its words; blocks do, each to words of its own.
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

impl Deref for Buf {
    type Target = [u64];

    #[inline]
    fn deref(&self) -> &[u64] {
        // SAFETY: `data` points to `len` or more initialised words owned by this buffer (dangling for len 0).
        unsafe { std::slice::from_raw_parts(self.block.data.as_ptr(), self.len) }
    }
}

impl DerefMut for Buf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u64] {
        // SAFETY: as in `deref`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.block.data.as_ptr(), self.len) }
    }
}

impl Clone for Buf {
    fn clone(&self) -> Buf {
        let pool = Pool {
            shelves: Arc::clone(&self.shelves),
        };
        let mut copy = pool.copied(self);
        copy.wipe = self.wipe;
        copy
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        if self.wipe {
            for word in self.iter_mut() {
                // SAFETY: `word` is a valid exclusive reference; the volatile write is not removed.
                unsafe { std::ptr::write_volatile(word, 0) }
            }
        }
        let block = std::mem::replace(&mut self.block, Block::empty());
        if block.len > 0 {
            let mut free = self.shelves.lock();
            free.entry(block.len).or_default().push(block);
        }
    }
}

impl std::fmt::Debug for Buf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buf").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_reused() {
        let pool = Pool::new();
        for len in [0, 1, 7, 1 << 12, 1 << 18] {
            let mut a = pool.zeroed(len);
            assert_eq!(a.as_ptr() as usize % if len == 0 { 8 } else { ALIGN }, 0);
            assert!(a.iter().all(|w| *w == 0));
            a.fill(7);
            let place = a.as_ptr();
            drop(a);
            let b = pool.unfilled(len);
            assert_eq!(b.as_ptr(), place);
            drop(b);
            assert!(pool.zeroed(len).iter().all(|w| *w == 0));
        }
        assert_eq!(pool.idle_bytes(), 8 * (1 + 7 + (1 << 12) + (1 << 18)));
        pool.trim();
        assert_eq!(pool.idle_bytes(), 0);
    }

    #[test]
    fn large_buffers_serve_shorter_requests() {
        let pool = Pool::new();
        let words = HUGE / size_of::<u64>();
        let long = pool.copied(&vec![5; 3 * words]);
        let place = long.as_ptr();
        drop(long);
        // Half as long or more, and large: the same memory, cleared where zeros are asked.
        for len in [3 * words, 2 * words + 1, 3 * words / 2] {
            let buf = pool.zeroed(len);
            assert_eq!((buf.as_ptr(), buf.len()), (place, len));
            assert!(buf.iter().all(|w| *w == 0));
        }
        assert_eq!(pool.idle_bytes(), 3 * HUGE);
        assert_ne!(pool.unfilled(3 * words / 2 - 1).as_ptr(), place);
        // The smallest that fits; short ones only by their length.
        drop((pool.unfilled(4 * words), pool.unfilled(1000)));
        assert_eq!(pool.unfilled(2 * words).as_ptr(), place);
        assert_eq!(pool.unfilled(999).len(), 999);
    }

    #[test]
    fn secrets_are_wiped_before_reuse_and_clones_stay_secret() {
        let pool = Pool::new();
        let mut secret = pool.secret(100);
        secret.fill(0xdead);
        let copy = secret.clone();
        assert_eq!(&copy[..], &secret[..]);
        drop((secret, copy));
        let (a, b) = (pool.unfilled(100), pool.unfilled(100));
        assert!(a.iter().chain(b.iter()).all(|w| *w == 0));
        assert_eq!(format!("{a:?}"), "Buf { len: 100 }");
    }

    #[test]
    fn buffers_outlive_their_pool_and_cross_threads() {
        let buf = Pool::new().copied(&[1, 2, 3]);
        let sum: u64 = std::thread::spawn(move || buf.iter().sum())
            .join()
            .expect("thread");
        assert_eq!(sum, 6);
    }
}
