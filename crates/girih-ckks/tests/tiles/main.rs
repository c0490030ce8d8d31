//! Tile tensors on ciphertexts: random sequences of operations, matrix products and complex packing decrypt to what plain
//! arrays give, and slots hold what shapes promise. Parameters are small and insecure.
#![allow(clippy::unwrap_used)]

mod complex;
mod products;
mod sequences;

use girih_ckks::{
    Ciphertext, Constant, Decryptor, Encoder, Evaluator, KeyGenerator, Params, ParamsSpec,
    SecretKey, Security, SymmetricEncryptor,
};
use girih_he::{Auto, KeyManifest, Op, Program, Recorder, Rotation};
use girih_tiles::pack::{ComplexSlot, check_complex_integrity};
use girih_tiles::{Error, Part, SlotContent, TileShape, TileTensor};
use ndarray::ArrayD;
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Slots at N = 2^10. INSECURE.
const SLOTS: usize = 1 << 9;

/// Levels of the chain, 40 bits each.
const DEPTH: u8 = 6;

/// Largest error of a slot: the noise of rescalings and key switches at scale 2^40, of sums of up to 2^9 slots that are
/// multiplied by up to 2^5.
const TOLERANCE: f64 = 1e-5;

type Eval = Auto<Evaluator>;

/// A computation on tile tensors, for any evaluator.
trait Work {
    fn run<E: girih_he::Evaluator>(
        &self,
        eval: &E,
        inputs: &[TileTensor<E>],
    ) -> Result<TileTensor<E>, Error>;
}

struct Encrypted {
    eval: Eval,
    params: Params,
    secret: SecretKey,
}

impl Encrypted {
    /// Keys for a computation, whose rotations are seen by recording it.
    fn for_work(work: &impl Work, shapes: &[TileShape]) -> Result<Self, Error> {
        let recorder = Recorder::new("work", SLOTS);
        let input = |(i, s): (usize, &TileShape)| {
            let tiles = (0..s.tiles()).map(|k| recorder.input(&format!("x{i}/{k}")));
            TileTensor::try_new(&recorder, s.clone(), tiles.collect::<Result<_, _>>()?)
        };
        let inputs = shapes.iter().enumerate().map(input);
        let inputs = inputs.collect::<Result<Vec<_>, Error>>()?;
        work.run(&recorder, &inputs)?;
        Ok(Self::with_rotations(rotations(&recorder.finish().0)))
    }

    fn with_rotations(rotations: impl IntoIterator<Item = Rotation>) -> Self {
        let spec = ParamsSpec::for_depth_at(10, DEPTH, 40, 52, Security::Insecure).unwrap();
        let params = Params::try_new(spec).unwrap();
        let mut rng = ChaCha20Rng::from_seed([17; 32]);
        let generator = KeyGenerator::new(&params);
        let secret = generator.secret_key(&mut rng);
        let top = params.top();
        let moving = rotations.into_iter().map(|r| r.normalized(SLOTS));
        let manifest = KeyManifest {
            relinearization: Some(top),
            rotations: moving.filter(|r| r.0 != 0).map(|r| (r, top)).collect(),
            conjugation: Some(top),
        };
        let keys = generator.evaluation_keys(&secret, &manifest, &mut rng);
        Encrypted {
            eval: Auto::new(Evaluator::new(keys.unwrap())),
            params,
            secret,
        }
    }

    fn encrypt(&self, slots: &[ComplexSlot]) -> Ciphertext {
        let top = self.params.top();
        let values: Vec<Complex64> = slots
            .iter()
            .map(|&[re, im]| Complex64::new(re, im))
            .collect();
        let plaintext = Encoder::new(&self.params)
            .encode_complex(&values, top, self.params.chain().scale(top))
            .unwrap();
        SymmetricEncryptor::new(&self.secret)
            .encrypt(&plaintext, &mut ChaCha20Rng::from_seed([19; 32]))
            .unwrap()
    }

    /// An encrypted tensor with `garbage` wherever the shape is unknown.
    fn tensor(&self, values: &ArrayD<f64>, shape: &TileShape, garbage: f64) -> TileTensor<Eval> {
        let mut tiles = girih_tiles::pack::pack_complex(&values.view(), shape).unwrap();
        for (tile, slots) in tiles.iter_mut().enumerate() {
            for (i, part) in [Part::Real, Part::Imaginary].into_iter().enumerate() {
                let contents = shape.part_contents(tile, part).unwrap();
                for (slot, content) in slots.iter_mut().zip(contents) {
                    if content == SlotContent::Unknown {
                        slot[i] = garbage;
                    }
                }
            }
        }
        let tiles = tiles.iter().map(|t| self.encrypt(t)).collect();
        TileTensor::try_new(&self.eval, shape.clone(), tiles).unwrap()
    }

    /// The decrypted array, after a check of every slot, imaginary parts included.
    fn open(&self, x: &TileTensor<Eval>) -> Result<ArrayD<f64>, Error> {
        let slots = |c: &Ciphertext| {
            let plaintext = Decryptor::new(&self.secret).decrypt(c).unwrap();
            let values = Encoder::new(&self.params).decode_complex(&plaintext);
            values
                .iter()
                .map(|z| [z.re, z.im])
                .collect::<Vec<ComplexSlot>>()
        };
        let tiles: Vec<_> = x.tiles().iter().map(slots).collect();
        check_complex_integrity(&tiles, x.shape(), TOLERANCE)?;
        x.unpack_complex_with(|c| Ok(slots(c)))
    }

    /// Complex constants.
    fn encode(&self) -> impl Fn(&str, &[ComplexSlot]) -> Result<Constant, Error> + '_ {
        |name, slots| {
            let values: Vec<Complex64> = slots
                .iter()
                .map(|&[re, im]| Complex64::new(re, im))
                .collect();
            Ok(self.eval.inner().constant_complex(name, &values)?)
        }
    }
}

fn rotations(program: &Program) -> Vec<Rotation> {
    let of = |op: &Op| match op {
        Op::Rotate(_, by) => vec![*by],
        Op::SumRotatedProducts(giants) => {
            let babies = giants.iter().flat_map(|g| g.terms.iter().map(|t| t.1));
            babies.chain(giants.iter().map(|g| g.by)).collect()
        }
        _ => vec![],
    };
    program.insts.iter().flat_map(|i| of(&i.op)).collect()
}

fn shape(text: &str) -> TileShape {
    text.parse().unwrap()
}

/// Different values between -1 and 1.
fn values(shape: &TileShape, salt: f64) -> ArrayD<f64> {
    let sizes = shape.original_sizes().unwrap();
    let n: usize = sizes.iter().product();
    let values = (0..n).map(|i| (i as f64 * 0.37 + salt).sin());
    ArrayD::from_shape_vec(sizes, values.collect()).unwrap()
}

fn assert_close(a: &ArrayD<f64>, b: &ArrayD<f64>, what: &str) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    let error = (a - b).iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(error < TOLERANCE, "{what}: error {error}");
}
