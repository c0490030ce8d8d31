//! Packs, multiplies, sums, rearranges, and prints the shapes on the way with what each step costs.
//!
//! `cargo run -p girih-tiles --example products`

use girih_he::{Auto, ClearEvaluator, Level};
use girih_tiles::{Error, PlainTileTensor, TileShape, TileTensor};
use ndarray::{Array2, ArrayD, Axis};

type Eval = Auto<ClearEvaluator>;

fn pack(eval: &Eval, values: &ArrayD<f64>, shape: &TileShape) -> Result<TileTensor<Eval>, Error> {
    TileTensor::pack_with(eval, &values.view(), shape, |v| {
        Ok(eval.inner().vector(v)?)
    })
}

fn show(eval: &Eval, what: &str, x: &TileTensor<Eval>) {
    let (tiles, left) = (x.tiles().len(), eval.remaining(&x.tiles()[0]));
    let shape = x.shape().to_string();
    println!("{what:<34} {shape:<24} {tiles:>2} tiles, {left} levels left");
}

fn main() -> Result<(), Error> {
    let eval = Auto::new(ClearEvaluator::leveled(128, Level(3)));
    let w = Array2::from_shape_fn((30, 20), |(i, j)| ((i * 20 + j) as f64 * 0.1).sin());
    let x = Array2::from_shape_fn((1, 20), |(_, j)| (j as f64 * 0.3).cos());

    // A tile layout, completed by the sizes of a tensor.
    let layout: TileShape = "[-/16, -/8]".parse()?;
    let matrix = layout.complete(&[30, 20])?;
    let weights = PlainTileTensor::try_new("w", &w.clone().into_dyn().view(), &matrix)?;
    let vector = pack(&eval, &x.clone().into_dyn(), &"[*/16, 20/8]".parse()?)?;
    show(&eval, "x, copied for every row", &vector);

    // Matrix times vector: multiply, then sum dimension 1, over its tiles and inside them.
    println!(
        "W x costs {:?}",
        vector.shape().contraction_cost(&matrix, &[1])?
    );
    let y = vector.contract_plain(&eval, &weights, &[1])?;
    show(&eval, "W x: one value a row, the rest ?", &y);
    let expected = w.dot(&x.t()).into_dyn();
    let open = y.unpack_with(|t| Ok::<_, Error>(t.values().to_vec()))?;
    let error = (&open - &expected)
        .iter()
        .fold(0.0f64, |m, v| m.max(v.abs()));
    println!("largest error {error:.1e}");

    // Cleaned and copied, it is the input of the next layer, transposed.
    println!("copying costs {:?}", y.shape().replication_cost(1)?);
    let y = y.replicate_over_dim(&eval, 1)?;
    show(&eval, "copied along the columns", &y);
    let z = y.contract_plain(&eval, &weights, &[0])?;
    show(&eval, "Wᵀ W x: replicated for nothing", &z);

    // Slots that lie right are moved for nothing, others by rotations and masks.
    show(&eval, "its elements 8 to 15", &z.slice(&eval, 1, 8..16)?);
    let two: Vec<&TileTensor<Eval>> = vec![&y, &y];
    match TileTensor::concat(&two, 0) {
        Ok(_) => println!("30 elements fill whole tiles of 16?"),
        Err(e) => println!("refused: {e}"),
    }
    let wide: TileShape = "[*/4, 20~/32]".parse()?;
    println!(
        "re-tiling {} to {wide} costs {:?}",
        z.shape(),
        z.shape().retile_cost(&wide)?
    );

    // The same product by diagonals: the vector is not copied and lies in one tile.
    let by_rows = pack(
        &eval,
        &x.index_axis(Axis(0), 0).to_owned().into_dyn(),
        &"[20/128]".parse()?,
    )?;
    let padded = by_rows.resize(0, 128)?;
    show(&eval, "x, filled up with zeros", &padded);
    let mut wt = Array2::zeros((128, 30));
    wt.slice_mut(ndarray::s![..20, ..]).assign(&w.t());
    let diagonal: TileShape = "[(d)128/32, 30/4]".parse()?;
    let weights = PlainTileTensor::try_new("wt", &wt.into_dyn().view(), &diagonal)?;
    println!(
        "by diagonals it costs {:?}",
        padded.shape().diagonal_product_cost(&diagonal)?
    );
    let y = padded.diagonal_product_plain(&eval, &weights)?;
    show(&eval, "W x by diagonals", &y);
    let open = y.unpack_with(|t| Ok::<_, Error>(t.values().to_vec()))?;
    let error = (&open - &expected.t())
        .iter()
        .fold(0.0f64, |m, v| m.max(v.abs()));
    println!("largest error {error:.1e}");
    Ok(())
}
