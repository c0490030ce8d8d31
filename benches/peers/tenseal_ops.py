"""Operations of SEAL's CKKS through TenSEAL's `sealapi`: one parameter set, JSON lines on standard output.

SEAL runs one operation on one thread, has one digit for every prime and one special prime, and no hoisting.
TenSEAL's own vectors copy their operands, so SEAL itself is what is measured.
"""

import argparse

import tenseal.sealapi as seal

from timing import Suite, check, values

# Galois element of the rotation by one slot: keys are made by element, rotations named by steps.
ONE_STEP = 3



def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log-n", type=int, required=True)
    parser.add_argument("--depth", type=int, required=True, help="rescalings")
    parser.add_argument("--bits", type=int, required=True, help="bits of a scale")
    parser.add_argument("--first", type=int, default=60, help="bits of the first and the special prime")
    parser.add_argument("--budget-ms", type=int, default=600, help="for each operation")
    parser.add_argument("--min-reps", type=int, default=3)
    args = parser.parse_args()

    n = 1 << args.log_n
    bits = [args.first] + [args.bits] * args.depth
    params = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
    params.set_poly_modulus_degree(n)
    params.set_coeff_modulus(seal.CoeffModulus.Create(n, bits + [args.first]))
    context = seal.SEALContext(params, True, seal.SEC_LEVEL_TYPE.TC128)
    if not context.parameters_set():
        raise SystemExit("SEAL refuses the parameters")
    suite = Suite(
        "tenseal", args.log_n, sum(bits), sum(bits) + args.first,
        len(bits), len(bits), 1, args.budget_ms, args.min_reps,
    )  # fmt: skip

    generator = seal.KeyGenerator(context)
    secret = generator.secret_key()
    public, relin, galois = seal.PublicKey(), seal.RelinKeys(), seal.GaloisKeys()
    generator.create_public_key(public)
    generator.create_relin_keys(relin)
    generator.create_galois_keys([ONE_STEP], galois)
    encoder = seal.CKKSEncoder(context)
    encryptor = seal.Encryptor(context, public)
    decryptor = seal.Decryptor(context, secret)
    evaluator = seal.Evaluator(context)
    vector = values(args.log_n)
    scale = 2.0**args.bits

    def encode():
        plain = seal.Plaintext()
        encoder.encode(vector, scale, plain)
        return plain

    plain = encode()

    def encrypt():
        ciphertext = seal.Ciphertext()
        encryptor.encrypt(plain, ciphertext)
        return ciphertext

    def opened(ciphertext):
        result = seal.Plaintext()
        decryptor.decrypt(ciphertext, result)
        return encoder.decode_double(result)

    a, b = encrypt(), encrypt()

    def multiply():
        out = seal.Ciphertext()
        evaluator.multiply(a, b, out)
        evaluator.relinearize_inplace(out, relin)
        evaluator.rescale_to_next_inplace(out)
        return out

    def rotate():
        out = seal.Ciphertext()
        evaluator.rotate_vector(a, 1, galois, out)
        return out

    def multiply_plain():
        out = seal.Ciphertext()
        evaluator.multiply_plain(a, plain, out)
        return out

    product = multiply_plain()

    def rescale():
        out = seal.Ciphertext()
        evaluator.rescale_to_next(product, out)
        return out

    check("product", opened(multiply()), [v * v for v in vector])
    check("rotation", opened(rotate()), vector[1:] + vector[:1])

    for op, body in [
        ("mul_relin_rescale", multiply),
        ("rotate", rotate),
        ("rescale", rescale),
        ("mul_plain", multiply_plain),
        ("encode", encode),
        ("encrypt", encrypt),
        ("decrypt", lambda: opened(a)),
        ("rotation_keygen", lambda: generator.create_galois_keys([ONE_STEP], seal.GaloisKeys())),
    ]:
        suite.measure(op, body)


if __name__ == "__main__":
    main()
