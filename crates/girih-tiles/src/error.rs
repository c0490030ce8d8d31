//! What can go wrong, with the shapes and the remedy.

use crate::Part;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of shapes, packing and tile-tensor operations.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Text that is not a tile shape.
    #[error("tile shape {text:?}, column {column}: {why}")]
    Notation {
        /// The whole text.
        text: String,
        /// Column of the offending character, from 1.
        column: usize,
        /// What was expected.
        why: String,
    },
    /// A dimension that cannot exist.
    #[error("tile dimension {dim}: {why}")]
    Dim {
        /// The dimension as written.
        dim: String,
        /// What is wrong with it.
        why: String,
    },
    /// A shape that cannot exist.
    #[error("tile shape: {why}")]
    Shape {
        /// What is wrong with it.
        why: String,
    },
    /// The product of the tile sizes is not the number of slots of a ciphertext.
    #[error(
        "shape {shape} has tiles of {product} slots, the ciphertexts have {slots}; the tile sizes must multiply to the slot count"
    )]
    SlotCount {
        /// The shape.
        shape: String,
        /// Product of its tile sizes.
        product: usize,
        /// Slots of a ciphertext.
        slots: usize,
    },
    /// An operation on a shape whose original sizes are not all known.
    #[error("shape {shape}: dimension {dim} is incomplete; set its original size first")]
    Incomplete {
        /// The shape.
        shape: String,
        /// The first incomplete dimension, from 0.
        dim: usize,
    },
    /// A dimension number beyond the rank.
    #[error("{op}: dimension {dim} of {shape}, which has {rank}")]
    NoSuchDim {
        /// The operation.
        op: &'static str,
        /// The dimension asked for, from 0.
        dim: usize,
        /// The shape.
        shape: String,
        /// Its rank.
        rank: usize,
    },
    /// A logical index outside the original sizes.
    #[error("index {index:?} is outside shape {shape}")]
    IndexOutside {
        /// The index.
        index: Vec<usize>,
        /// The shape.
        shape: String,
    },
    /// A tile number beyond the number of tiles.
    #[error("tile {tile} of shape {shape}, which has {tiles}")]
    NoSuchTile {
        /// The tile asked for.
        tile: usize,
        /// The shape.
        shape: String,
        /// Number of its tiles.
        tiles: usize,
    },
    /// Values whose sizes are not the original sizes of the shape.
    #[error("an array of sizes {sizes:?} does not pack as {shape}, which holds sizes {expected:?}")]
    ArraySizes {
        /// Sizes of the array.
        sizes: Vec<usize>,
        /// The shape.
        shape: String,
        /// Original sizes of the shape.
        expected: Vec<usize>,
    },
    /// Tiles whose number or length is not that of the shape.
    #[error("shape {shape} wants {tiles} tiles of {slots} slots; {got} of the tiles given fit")]
    TileCount {
        /// The shape.
        shape: String,
        /// Tiles wanted.
        tiles: usize,
        /// Slots wanted in each.
        slots: usize,
        /// Tiles given that have this length.
        got: usize,
    },
    /// A slot that does not hold what its shape promises.
    #[error(
        "shape {shape}, tile {tile}, slot {slot}, {}: holds {value}, expected {expected}",
        match part { Part::Real => "real part", Part::Imaginary => "imaginary part" }
    )]
    Integrity {
        /// The shape.
        shape: String,
        /// The tile.
        tile: usize,
        /// The slot.
        slot: usize,
        /// Which of the two reals of the slot.
        part: Part,
        /// The value found.
        value: f64,
        /// The value promised (that of the first duplicate, or zero).
        expected: f64,
    },
    /// Two shapes that one operation cannot take together.
    #[error("{op}: shapes {lhs} and {rhs} do not fit in dimension {dim}: {why}")]
    Mismatch {
        /// The operation.
        op: &'static str,
        /// Shape of the left operand.
        lhs: String,
        /// Shape of the right operand.
        rhs: String,
        /// The first dimension that does not fit, from 0 (the smaller rank where ranks differ).
        dim: usize,
        /// Why it does not.
        why: String,
    },
    /// An operation that would mix garbage of unused slots into values.
    #[error(
        "{op}: dimension {dim} of {shape} has unknown values in its unused slots; clear_unknowns first (one level)"
    )]
    Unknowns {
        /// The operation.
        op: &'static str,
        /// The shape.
        shape: String,
        /// The dimension, from 0.
        dim: usize,
    },
    /// An operation this shape does not allow.
    #[error("{op} of shape {shape}: {why}")]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// The shape.
        shape: String,
        /// The reason and the remedy.
        why: String,
    },
    /// A rearrangement for which elements would have to change their slots.
    #[error(
        "{op}: {from} does not lie like {to}: slot {slot} of tile {tile} {why}; retile or shift_along_dim moves elements (rotations and one level)"
    )]
    Layout {
        /// The operation.
        op: &'static str,
        /// The shape of the operand, or of all of them.
        from: String,
        /// The shape asked for.
        to: String,
        /// A tile of the shape asked for.
        tile: usize,
        /// The first slot of it that does not fit.
        slot: usize,
        /// What is the matter with it.
        why: String,
    },
    /// The evaluator refused.
    #[error(transparent)]
    Evaluator(#[from] girih_he::Error),
}
