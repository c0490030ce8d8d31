//! Bootstrapping at small, insecure degrees: the values come back, with levels.
#![allow(clippy::unwrap_used)]

use girih_bootstrap::{
    BootstrapKeys, BootstrapPlan, BootstrapSpec, Bootstrapper, Error, Giants, Order, Refinement,
};
use girih_ckks::{
    Ciphertext, Decryptor, Encoder, KeyGenerator, Params, SecretKey, SymmetricEncryptor,
};
use girih_he::{Evaluator as _, KeyManifest, Level, Leveled, SlotValues};
use girih_polyfit::trigonometric::{ModularMethod, ModularReduction};
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[path = "common/small.rs"]
mod small;
use small::LOG_N;

/// Insecure: for tests only. Levels from the bottom: the application's, three to slots, the reduction, three to coefficients.
fn params(application: usize, reduction: usize) -> Params {
    let mut scale_bits = vec![40u8; application + 1];
    scale_bits.extend([46, 52, 57]);
    scale_bits.extend(vec![57; reduction + 3]);
    let base = application as u8;
    let top = base + 3 + reduction as u8;
    let linear = [
        (base + 1, 39),
        (base + 2, 37),
        (base + 3, 35),
        (top + 1, 46),
        (top + 2, 47),
        (top + 3, 49),
    ];
    small::params(scale_bits, linear)
}

fn spec(slots: usize, arcsine: usize) -> BootstrapSpec {
    let method = ModularMethod {
        degree: 30,
        doublings: 3,
        arcsine,
    };
    let reduction = ModularReduction::new(15, 1.1 / 256.0, method).unwrap();
    small::spec(slots, reduction, Giants::Apart)
}

struct World {
    params: Params,
    secret: SecretKey,
    bootstrapper: Bootstrapper,
    rng: ChaCha20Rng,
}

impl World {
    fn new(params: Params, spec: BootstrapSpec) -> World {
        let plan = BootstrapPlan::try_new(&params, spec).unwrap();
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let secret = KeyGenerator::new(&params).secret_key(&mut rng);
        let keys = BootstrapKeys::generate(&plan, &KeyManifest::default(), &secret, &mut rng);
        World {
            bootstrapper: Bootstrapper::try_new(plan, keys.unwrap()).unwrap(),
            params,
            secret,
            rng,
        }
    }

    fn encrypt(&mut self, values: &[Complex64], level: Level) -> Ciphertext {
        let scale = self.params.chain().scale(level);
        let plaintext = Encoder::new(&self.params).encode_complex(values, level, scale);
        let encryptor = SymmetricEncryptor::new(&self.secret);
        encryptor
            .encrypt(&plaintext.unwrap(), &mut self.rng)
            .unwrap()
    }

    fn decrypt(&self, a: &Ciphertext) -> Vec<Complex64> {
        let plaintext = Decryptor::new(&self.secret).decrypt(a).unwrap();
        Encoder::new(&self.params).decode_complex(&plaintext)
    }

    /// Bits of the mean and of the worst slot, for values of the given slots that repeat.
    fn bits(&mut self, values: &[Complex64]) -> (f64, f64) {
        let plan = self.bootstrapper.plan();
        let (input, output) = (plan.input_level(), plan.output_level());
        let all: Vec<Complex64> = values
            .iter()
            .copied()
            .cycle()
            .take(self.params.slots())
            .collect();
        let a = self.encrypt(&all, input);
        let b = self.bootstrapper.bootstrap(&a).unwrap();
        assert_eq!(b.level(), output);
        let got = self.decrypt(&b);
        let errors: Vec<f64> = got.iter().zip(&all).map(|(g, v)| (g - v).norm()).collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let worst = errors.into_iter().fold(0.0, f64::max);
        (-mean.log2(), -worst.log2())
    }
}

fn scattered(slots: usize) -> Vec<Complex64> {
    (0..slots)
        .map(|i| Complex64::new(((i * i) as f64 * 0.37).sin(), (i as f64 * 1.7).cos()))
        .collect()
}

#[test]
fn values_come_back_with_levels_whatever_the_slots() {
    let slots = 1 << (LOG_N - 1);
    for n in [slots, slots / 2, slots / 8, 4, 2, 1] {
        let mut world = World::new(params(2, 8), spec(n, 1));
        assert_eq!(world.bootstrapper.plan().output_level(), Level(2));
        let (mean, worst) = world.bits(&scattered(n));
        println!("{n} slots: {mean:.1} {worst:.1}");
        // The sine's error is that of the coefficients, which are larger where there are fewer of them.
        let wanted = if n >= slots / 8 { 19.0 } else { 13.0 };
        assert!(mean > wanted && worst > wanted - 3.0, "{n}: {mean} {worst}");
    }
}

#[test]
fn giant_steps_by_one_key_lose_no_bits() {
    let slots = 1 << (LOG_N - 1);
    let horner = |babies| BootstrapSpec {
        giants: Giants::Horner,
        babies,
        ..spec(slots, 1)
    };
    let apart = World::new(params(2, 8), spec(slots, 1));
    for babies in [2, 4] {
        let mut world = World::new(params(2, 8), horner(babies));
        let keys = |world: &World| world.bootstrapper.plan().manifest().rotations.len();
        assert!(keys(&world) < keys(&apart), "fewer keys");
        let (mean, worst) = world.bits(&scattered(slots));
        println!("{babies} baby steps: {mean:.1} {worst:.1}");
        assert!(mean > 19.0 && worst > 16.0, "{mean} {worst}");
    }
}

#[test]
fn constants_and_single_values_keep_the_error_of_the_sine() {
    let slots = 1 << (LOG_N - 1);
    let mut world = World::new(params(2, 8), spec(slots, 1));
    let one = vec![Complex64::ONE; slots];
    let alternating: Vec<Complex64> = (0..slots)
        .map(|i| Complex64::from(f64::from(1 - 2 * (i as i32 % 2))))
        .collect();
    let mut single = vec![Complex64::ZERO; slots];
    single[17] = Complex64::I;
    for values in [one, alternating, single] {
        let (mean, worst) = world.bits(&values);
        println!("{mean:.1} {worst:.1}");
        assert!(mean > 13.2 && worst > 13.2, "{mean} {worst}");
    }
}

#[test]
fn values_in_the_coefficients_while_raised() {
    let slots = 1 << (LOG_N - 1);
    for (values, n) in [
        (SlotValues::Complex, slots),
        (SlotValues::Real, slots),
        (SlotValues::Real, 16),
    ] {
        let spec = BootstrapSpec {
            order: Order::SlotsFirst,
            values,
            ..spec(n, 3)
        };
        // Three levels for the transform to slots belong to the input; the arcsine takes two more.
        let mut world = World::new(params(2, 10), spec);
        let mut slots = scattered(n);
        if values == SlotValues::Real {
            slots.iter_mut().for_each(|v| v.im = 0.0);
        }
        let (mean, worst) = world.bits(&slots);
        println!("{values:?} {n}: {mean:.1} {worst:.1}");
        assert!(mean > 25.0 && worst > 23.5, "{mean} {worst}");
    }
}

#[test]
fn a_refined_constant_is_as_good_as_the_scale_allows() {
    let slots = 1 << (LOG_N - 1);
    let refined = BootstrapSpec {
        refinement: Some(Refinement { bits: 10 }),
        ..spec(slots, 1)
    };
    let mut world = World::new(params(3, 8), refined);
    let (mean, worst) = world.bits(&vec![Complex64::ONE; slots]);
    println!("{mean:.1} {worst:.1}");
    assert!(mean > 28.0 && worst > 25.0, "{mean} {worst}");
}

#[test]
fn bad_specifications_and_inputs_are_refused() {
    let params = params(2, 8);
    let refused = |spec| BootstrapPlan::try_new(&params, spec).unwrap_err();
    for slots in [0, 3, 1 << LOG_N] {
        let error = refused(BootstrapSpec {
            slots,
            ..spec(8, 1)
        });
        assert!(matches!(error, Error::Slots { .. }), "{error}");
    }
    let error = refused(BootstrapSpec {
        weight: 0,
        ..spec(8, 1)
    });
    assert!(matches!(error, Error::Weight { .. }), "{error}");
    let error = refused(BootstrapSpec {
        to_slots: 9,
        ..spec(8, 1)
    });
    assert!(matches!(error, Error::TooFewLevels { .. }), "{error}");
    let mut world = World::new(
        params.clone(),
        BootstrapSpec {
            order: Order::SlotsFirst,
            ..spec(1 << (LOG_N - 1), 1)
        },
    );
    let a = world.encrypt(&scattered(4), Level(2));
    let before = world.decrypt(&a);
    assert!(
        world.bootstrapper.bootstrap(&a).is_err(),
        "level 2, and the transform takes three"
    );
    let product = world.encrypt(&scattered(4), Level(5));
    let product = world
        .bootstrapper
        .evaluator()
        .mul_scalar(&product, 0.5)
        .unwrap();
    assert!(world.bootstrapper.evaluator().is_product(&product));
    assert!(world.bootstrapper.bootstrap(&product).is_err());
    assert_eq!(world.decrypt(&a), before, "inputs are never modified");
}
