//! Two-dimensional convolution by several methods behind one layer.
//!
//! | [`Method`] | image | products | rotations | levels |
//! |---|---|---|---|---|
//! | `InterleavedCxyfb` | `[C/t0, X~/t1, Y~/t2, */t3, B/t4]` | taps × tiles | at the border of tiles, and `log₂ t0` per result | 1 |
//! | `InterleavedFxycb` | `[*/t0, X~/t1, Y~/t2, C/t3, B/t4]` | the same | the same with `t3` | 1, and a mask where the image is not replicated |
//! | `Toeplitz` | a [`Placement`], channels woven into the gaps | generalised diagonals | baby and giant steps | 1 |
//! | `Im2col` | patches, unrolled by the client | taps × tiles | `log₂` of the taps side by side, or none | 1 |
//!
//! A [`Conv2d`] knows its [`Counts`] before it runs. The page `docs/convolution.md` has their formulas, and counts of
//! the layers of known networks.
//!
//! ```
//! use girih_he::ClearEvaluator;
//! use girih_nn::Window;
//! use girih_nn::conv::{Ciphertexts, Conv2d, Conv2dConfig, ConvDirection, Method, StepPrices};
//!
//! let config = Conv2dConfig {
//!     image: [1, 28, 28],
//!     filters: 5,
//!     groups: 1,
//!     weight: vec![0.1; 5 * 25].into(),
//!     bias: None,
//!     window: Window { kernel: [5, 5], stride: [2, 2], pad: [1, 1, 0, 0], ..Window::default() },
//!     direction: ConvDirection::Forward,
//! };
//! let prices = StepPrices { decompose: 40.0, baby: 28.0, giant: 68.0, product: 1.6, lazy: None, key: 0.0 };
//! let on = Ciphertexts { slots: 8192, batch: 1, prices: &prices };
//! let conv = Conv2d::try_new("conv1", config, Method::Im2col, on)?;
//! assert_eq!((conv.counts().products, conv.counts().rotations), (25, 0));
//!
//! let eval = ClearEvaluator::unlimited(8192);
//! let image = vec![0.5; 28 * 28];
//! let tiles = conv.pack(&[&image])?.iter().map(|t| eval.vector(t)).collect::<Result<Vec<_>, _>>()?;
//! let y = conv.forward(&eval, &tiles)?;
//! let y: Vec<Vec<f64>> = y.iter().map(|t| t.values().to_vec()).collect();
//! assert_eq!(conv.unpack(&y, 1)?[0].len(), 5 * 13 * 13);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use girih_he::Evaluator;
use girih_tiles::ops::conv::Convention;

use crate::{Error, Placement, Result};

pub use config::{Conv2dConfig, ConvDirection};
pub use encrypted::EncryptedWeights;
pub use girih_circuits::{LazyPrices, StepPrices};
pub use girih_tiles::ops::conv::Counts;
pub use layout::{ChannelOrder, Layout};

mod config;
mod encrypted;
mod im2col;
mod interleaved;
mod layout;
mod toeplitz;

use im2col::Im2col;
use interleaved::Interleaved;
use toeplitz::{Grid, Toeplitz};

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Interleaved tiles, channels summed over the first dimension: the result is replicated along it.
    InterleavedCxyfb,
    /// Interleaved tiles, channels summed over the last dimension but the batch: the mirror of the other one, whose
    /// results it takes.
    InterleavedFxycb,
    /// One sparse matrix by generalised diagonals; the result lands on a grid whose gaps hold channels (Ebel, Garimella
    /// and Reagen, "Orion", ASPLOS 2025).
    Toeplitz,
    /// A dense product with patches that the client unrolls: for first layers.
    Im2col,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 4] = [
        Method::InterleavedCxyfb,
        Method::InterleavedFxycb,
        Method::Toeplitz,
        Method::Im2col,
    ];

    /// One word for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::InterleavedCxyfb => "cxyfb",
            Method::InterleavedFxycb => "fxycb",
            Method::Toeplitz => "toeplitz",
            Method::Im2col => "im2col",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A convolution with its method and layouts.
#[derive(Clone, Debug)]
pub struct Conv2d {
    config: Conv2dConfig,
    method: Method,
    kernel: Kernel,
    counts: Counts,
    price: f64,
}

#[derive(Clone, Debug)]
enum Kernel {
    Interleaved(Interleaved),
    Toeplitz(Box<Toeplitz>),
    Im2col(Im2col),
}

/// Sizes of ciphertexts, and what operations cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ciphertexts<'a> {
    /// Slots of a ciphertext, a power of two.
    pub slots: usize,
    /// Samples side by side, a power of two.
    pub batch: usize,
    /// Prices by which layouts are compared.
    pub prices: &'a StepPrices,
}

impl Ciphertexts<'_> {
    /// Slots for one sample.
    fn units(&self) -> Result<usize> {
        if !self.slots.is_power_of_two() || !self.batch.is_power_of_two() || self.batch > self.slots
        {
            return Err(shape_error(format!(
                "{} slots and a batch of {}: both are powers of two, the batch the smaller",
                self.slots, self.batch
            )));
        }
        Ok(self.slots / self.batch)
    }

    /// `decompose · key switches + baby · (rotations + results) + product · products`: each result is rescaled, which is
    /// taken for what a rotation adds to its decomposition.
    fn price(&self, counts: &Counts) -> f64 {
        self.prices.decompose * counts.key_switches as f64
            + self.prices.baby * (counts.rotations + counts.ciphertexts_out) as f64
            + self.prices.product * counts.products as f64
    }
}

impl Conv2d {
    /// The convolution in the cheapest layout that its method offers; `name` prefixes the names of its constants.
    ///
    /// # Errors
    /// A configuration whose sizes contradict each other, slots or a batch that are no powers of two, an image that no
    /// layout holds.
    pub fn try_new(
        name: &str,
        config: Conv2dConfig,
        method: Method,
        on: Ciphertexts<'_>,
    ) -> Result<Self> {
        config.check()?;
        on.units()?;
        let kernel = match method {
            Method::InterleavedCxyfb => {
                Kernel::Interleaved(Interleaved::cheapest(name, &config, Convention::Cxyfb, on)?)
            }
            Method::InterleavedFxycb => {
                Kernel::Interleaved(Interleaved::cheapest(name, &config, Convention::Fxycb, on)?)
            }
            Method::Toeplitz => {
                let images = toeplitz::images(config.image, on)?;
                Kernel::Toeplitz(Box::new(Toeplitz::cheapest(
                    name, &config, &images, None, on,
                )?))
            }
            Method::Im2col => Kernel::Im2col(Im2col::cheapest(name, &config, on)?),
        };
        Conv2d::of(config, method, kernel, on)
    }

    /// The convolution of images that lie as given: as the layer before leaves them, say. Patches have the dimensions
    /// `[taps, groups, *, pixels of the result, batch]`.
    ///
    /// # Errors
    /// A configuration whose sizes contradict each other, a layout that is not one of the method or not of this image.
    pub fn for_layout(
        name: &str,
        config: Conv2dConfig,
        method: Method,
        layout: &Layout,
        on: Ciphertexts<'_>,
    ) -> Result<Self> {
        config.check()?;
        on.units()?;
        let kernel = match (method, layout) {
            (Method::InterleavedCxyfb, Layout::Tiles { shape, .. }) => Kernel::Interleaved(
                Interleaved::try_new(name, &config, Convention::Cxyfb, shape.clone())?,
            ),
            (Method::InterleavedFxycb, Layout::Tiles { shape, .. }) => Kernel::Interleaved(
                Interleaved::try_new(name, &config, Convention::Fxycb, shape.clone())?,
            ),
            (Method::Toeplitz, Layout::Placed(image)) => {
                let images = [Grid::unknown(image)];
                Kernel::Toeplitz(Box::new(Toeplitz::cheapest(
                    name, &config, &images, None, on,
                )?))
            }
            (Method::Im2col, Layout::Tiles { shape, .. }) => {
                Kernel::Im2col(Im2col::try_new(name, &config, shape.clone())?)
            }
            (method, layout) => {
                return Err(shape_error(format!(
                    "{method} does not read images that lie as {layout}"
                )));
            }
        };
        Conv2d::of(config, method, kernel, on)
    }

    /// The convolution between two given placements, by [`Method::Toeplitz`].
    ///
    /// # Errors
    /// A configuration whose sizes contradict each other, or placements that do not go together.
    pub fn between(
        name: &str,
        config: Conv2dConfig,
        image: &Placement,
        result: &Placement,
        on: Ciphertexts<'_>,
    ) -> Result<Self> {
        config.check()?;
        on.units()?;
        let images = [Grid::unknown(image)];
        let toeplitz = Toeplitz::cheapest(name, &config, &images, Some(result), on)?;
        Conv2d::of(
            config,
            Method::Toeplitz,
            Kernel::Toeplitz(Box::new(toeplitz)),
            on,
        )
    }

    fn of(
        config: Conv2dConfig,
        method: Method,
        kernel: Kernel,
        on: Ciphertexts<'_>,
    ) -> Result<Self> {
        let counts = match &kernel {
            Kernel::Interleaved(k) => k.counts()?,
            Kernel::Toeplitz(k) => k.counts(),
            Kernel::Im2col(k) => k.counts(),
        };
        let price = match &kernel {
            Kernel::Toeplitz(k) => k.price() + on.prices.baby * counts.ciphertexts_out as f64,
            Kernel::Interleaved(_) | Kernel::Im2col(_) => on.price(&counts),
        };
        Ok(Conv2d {
            config,
            method,
            kernel,
            counts,
            price,
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Conv2dConfig {
        &self.config
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// What [`forward`](Conv2d::forward) costs, worked out from the shapes.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The price of the counts in the unit of the prices given.
    #[must_use]
    pub fn price(&self) -> f64 {
        self.price
    }

    /// Where the image lies, or for [`Method::Im2col`] its patches.
    #[must_use]
    pub fn input(&self) -> &Layout {
        match &self.kernel {
            Kernel::Interleaved(k) => k.input(),
            Kernel::Toeplitz(k) => k.input(),
            Kernel::Im2col(k) => k.input(),
        }
    }

    /// Where the result lies.
    #[must_use]
    pub fn output(&self) -> &Layout {
        match &self.kernel {
            Kernel::Interleaved(k) => k.output(),
            Kernel::Toeplitz(k) => k.output(),
            Kernel::Im2col(k) => k.output(),
        }
    }

    /// The tiles of images `samples[b]`, each `[channels, height, width]` row-major; missing samples are zero.
    ///
    /// # Errors
    /// More samples than the batch, or one of another size.
    pub fn pack(&self, samples: &[&[f64]]) -> Result<Vec<Vec<f64>>> {
        let size: usize = self.config.image.iter().product();
        if let Some(bad) = samples.iter().find(|s| s.len() != size) {
            return Err(shape_error(format!(
                "a sample of {} values, {size} are those of {:?}",
                bad.len(),
                self.config.image
            )));
        }
        if self.method == Method::Im2col {
            let patches: Vec<Vec<f64>> = samples.iter().map(|s| self.config.patches(s)).collect();
            let views: Vec<&[f64]> = patches.iter().map(Vec::as_slice).collect();
            return self.input().pack(&views);
        }
        self.input().pack(samples)
    }

    /// The first `samples` results, each `[filters, height', width']` row-major, from decrypted tiles.
    ///
    /// # Errors
    /// Another number of tiles or slots, more samples than the batch.
    pub fn unpack(&self, tiles: &[Vec<f64>], samples: usize) -> Result<Vec<Vec<f64>>> {
        self.output().unpack(tiles, samples)
    }

    /// The convolution of the tiles of an image, at the product scale.
    ///
    /// # Errors
    /// Another number of tiles, or the evaluator refuses.
    pub fn forward<E: Evaluator>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        self.check_tiles(tiles.len())?;
        match &self.kernel {
            Kernel::Interleaved(k) => k.forward(eval, tiles),
            Kernel::Toeplitz(k) => k.forward(eval, tiles),
            Kernel::Im2col(k) => k.forward(eval, tiles),
        }
    }

    /// Weights and biases as `encrypt` encrypts them.
    ///
    /// # Errors
    /// What `encrypt` fails with, or an evaluator of another slot count.
    pub fn encrypt_weights<E: Evaluator>(
        &self,
        eval: &E,
        encrypt: impl FnMut(&[f64]) -> girih_he::Result<E::Ciphertext>,
    ) -> Result<EncryptedWeights<E>> {
        match &self.kernel {
            Kernel::Interleaved(k) => k.encrypt_weights(eval, encrypt),
            Kernel::Toeplitz(k) => k.encrypt_weights(encrypt),
            Kernel::Im2col(k) => k.encrypt_weights(encrypt),
        }
    }

    /// [`forward`](Conv2d::forward) with encrypted weights; those of this layer are not read, only their sizes. Products
    /// are between ciphertexts and one relinearisation per sum comes to the key switches.
    ///
    /// # Errors
    /// As [`forward`](Conv2d::forward), or weights encrypted for another layer.
    pub fn forward_encrypted<E: Evaluator>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
        weights: &EncryptedWeights<E>,
    ) -> Result<Vec<E::Ciphertext>> {
        self.check_tiles(tiles.len())?;
        match &self.kernel {
            Kernel::Interleaved(k) => k.forward_encrypted(eval, tiles, weights),
            Kernel::Toeplitz(k) => k.forward_encrypted(eval, tiles, weights),
            Kernel::Im2col(k) => k.forward_encrypted(eval, tiles, weights),
        }
    }

    fn check_tiles(&self, given: usize) -> Result<()> {
        let wanted = self.counts.ciphertexts_in;
        if given == wanted {
            return Ok(());
        }
        Err(shape_error(format!(
            "{given} ciphertexts for an image of {wanted} tiles that lies as {}",
            self.input()
        )))
    }
}

fn shape_error(why: String) -> Error {
    Error::Shape { op: "Conv", why }
}
