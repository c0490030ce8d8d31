//! Every method of convolution under real keys, at a small insecure degree.

use girih_ckks::{
    Ciphertext, Decryptor, Encoder, Evaluator, KeyGenerator, Params, ParamsSpec, SecretKey,
    Security, SymmetricEncryptor,
};
use girih_he::{Auto, Recorder, verify};
use girih_nn::Window;
use girih_nn::conv::{Ciphertexts, Conv2d, Conv2dConfig, ConvDirection, Method, StepPrices};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// INSECURE: N = 2^11.
const LOG_N: u8 = 11;
const SLOTS: usize = 1 << (LOG_N - 1);

/// A rotation is worth forty products.
const PRICES: StepPrices = StepPrices {
    decompose: 0.6,
    baby: 0.4,
    giant: 1.0,
    product: 0.025,
    lazy: None,
    key: 0.0,
};

fn wave(n: usize, seed: usize) -> Vec<f64> {
    (0..n)
        .map(|i| ((i * 37 + seed * 11) as f64).sin())
        .collect()
}

struct Keys {
    params: Params,
    secret: SecretKey,
    rng: ChaCha20Rng,
}

impl Keys {
    fn encrypt(&mut self, values: &[f64]) -> Ciphertext {
        let top = self.params.top();
        let scale = self.params.chain().scale(top);
        let plaintext = Encoder::new(&self.params).encode(values, top, scale);
        SymmetricEncryptor::new(&self.secret)
            .encrypt(&plaintext.expect("encodes"), &mut self.rng)
            .expect("encrypts")
    }

    fn decrypt(&self, y: &Ciphertext) -> Vec<f64> {
        let plaintext = Decryptor::new(&self.secret).decrypt(y).expect("decrypts");
        Encoder::new(&self.params).decode(&plaintext)
    }
}

/// Runs a layer with plain and with encrypted weights; the largest differences to the values of `want`.
fn errors(conv: &Conv2d, x: &[f64], want: &[f64]) -> [f64; 2] {
    // The rotations that the layer asks for.
    let recorder = Recorder::new("conv", SLOTS);
    let inputs: Vec<_> = (0..conv.input().tiles())
        .map(|t| recorder.input(&format!("x{t}")).expect("new name"))
        .collect();
    conv.forward(&recorder, &inputs).expect("records");
    let spec = ParamsSpec::for_depth_at(LOG_N, 1, 45, 56, Security::Insecure).expect("a chain");
    let params = Params::try_new(spec).expect("parameters");
    let top = params.top();
    let mut manifest = verify(&recorder.finish().0, top).expect("a program of one level");
    manifest.relinearization = Some(top);

    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let generator = KeyGenerator::new(&params);
    let secret = generator.secret_key(&mut rng);
    let keys = generator
        .evaluation_keys(&secret, &manifest, &mut rng)
        .expect("keys");
    let mut own = Keys {
        params,
        secret,
        rng,
    };
    let eval = Auto::new(Evaluator::new(keys));
    let tiles = conv.pack(&[x]).expect("packs");
    let tiles: Vec<_> = tiles.iter().map(|t| own.encrypt(t)).collect();
    let weights = conv
        .encrypt_weights(&eval, |w| Ok(own.encrypt(w)))
        .expect("encrypts");
    let runs = [
        conv.forward(&eval, &tiles).expect("runs"),
        conv.forward_encrypted(&eval, &tiles, &weights)
            .expect("runs"),
    ];
    runs.map(|ys| {
        let open: Vec<Vec<f64>> = ys.iter().map(|y| own.decrypt(y)).collect();
        let got = conv.unpack(&open, 1).expect("unpacks");
        let pairs = got[0].iter().zip(want);
        pairs.fold(0.0, |m: f64, (g, w)| m.max((g - w).abs()))
    })
}

#[test]
fn every_method_gives_the_same_numbers_under_encryption() {
    let strided = Window {
        kernel: [3, 3],
        stride: [2, 2],
        pad: [1; 4],
        dilation: [1, 2],
    };
    for direction in [
        ConvDirection::Forward,
        ConvDirection::Transposed { extra: [1, 0] },
    ] {
        let config = Conv2dConfig {
            image: [4, 8, 7],
            filters: 6,
            groups: 2,
            weight: wave(6 * 2 * 9, 1).into(),
            bias: Some(wave(6, 2)),
            window: strided,
            direction,
        };
        let x = wave(4 * 8 * 7, 3);
        // In clear, by patches: the product that the definition reads off.
        let taps = 2 * 9;
        let patches = config.patches(&x);
        let [filters, height, width] = config.output().expect("fits");
        let pixels = height * width;
        let bias = config.bias.clone().unwrap_or_default();
        let want: Vec<f64> = (0..filters * pixels)
            .map(|i| {
                let (f, p) = (i / pixels, i % pixels);
                let terms = (0..taps)
                    .map(|k| config.weight[f * taps + k] * patches[(k * 2 + f / 3) * pixels + p]);
                terms.sum::<f64>() + bias[f]
            })
            .collect();
        for method in Method::ALL {
            let on = Ciphertexts {
                slots: SLOTS,
                batch: 1,
                prices: &PRICES,
            };
            let conv = Conv2d::try_new("c", config.clone(), method, on).expect("a layer");
            let [plain, encrypted] = errors(&conv, &x, &want);
            eprintln!("{method} {direction:?}: errors {plain:.2e} and {encrypted:.2e}");
            assert!(plain < 1e-6 && encrypted < 1e-6, "{method}");
        }
    }
}
