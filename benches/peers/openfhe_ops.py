"""Operations of OpenFHE's CKKS: one parameter set, one process, JSON lines on standard output.

The number of threads is OMP_NUM_THREADS, which the caller sets.
"""

import argparse
import itertools
import os

from openfhe import (
    ADVANCEDSHE,
    FIXEDMANUAL,
    HYBRID,
    KEYSWITCH,
    LEVELEDSHE,
    PKE,
    CCParamsCKKSRNS,
    GenCryptoContext,
    SecurityLevel,
)

from timing import Suite, check, values

# Bits of a prime of OpenFHE's special modulus.
SPECIAL_BITS = 60


def log_p(bits, dnum):
    """log2 of the special modulus: enough primes to cover the widest digit."""
    per_digit = -(-len(bits) // dnum)
    widest = max(sum(bits[i : i + per_digit]) for i in range(0, len(bits), per_digit))
    return -(-widest // SPECIAL_BITS) * SPECIAL_BITS


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log-n", type=int, required=True)
    parser.add_argument("--depth", type=int, required=True, help="rescalings")
    parser.add_argument("--bits", type=int, required=True, help="bits of a scale")
    parser.add_argument("--first", type=int, default=60, help="bits of the first prime")
    parser.add_argument("--dnum", type=int, default=3, help="digits of the key switching")
    parser.add_argument("--budget-ms", type=int, default=600, help="for each operation")
    parser.add_argument("--min-reps", type=int, default=3)
    args = parser.parse_args()

    params = CCParamsCKKSRNS()
    params.SetRingDim(1 << args.log_n)
    params.SetMultiplicativeDepth(args.depth)
    params.SetScalingModSize(args.bits)
    params.SetFirstModSize(args.first)
    params.SetNumLargeDigits(args.dnum)
    params.SetScalingTechnique(FIXEDMANUAL)
    params.SetKeySwitchTechnique(HYBRID)
    # Refuses a ring that is too small for the moduli, those of the keys included.
    params.SetSecurityLevel(SecurityLevel.HEStd_128_classic)
    context = GenCryptoContext(params)
    for feature in (PKE, KEYSWITCH, LEVELEDSHE, ADVANCEDSHE):
        context.Enable(feature)

    bits = [args.first] + [args.bits] * args.depth
    log_q = sum(bits)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    suite = Suite(
        "openfhe", args.log_n, log_q, log_q + log_p(bits, args.dnum),
        len(bits), args.dnum, threads, args.budget_ms, args.min_reps,
    )  # fmt: skip

    keys = context.KeyGen()
    context.EvalMultKeyGen(keys.secretKey)
    context.EvalRotateKeyGen(keys.secretKey, [1])
    vector = values(args.log_n)
    plain = context.MakeCKKSPackedPlaintext(vector)
    a = context.Encrypt(keys.publicKey, plain)
    b = context.Encrypt(keys.publicKey, plain)
    product = context.EvalMult(a, b)
    digits = context.EvalFastRotationPrecompute(a)
    order = context.GetCyclotomicOrder()
    # A key that exists already would not be made again.
    fresh = itertools.count(2)

    def opened(ciphertext):
        result = context.Decrypt(ciphertext, keys.secretKey)
        result.SetLength(len(vector))
        return result.GetRealPackedValue()

    turned = vector[1:] + vector[:1]
    check("product", opened(context.Rescale(product)), [v * v for v in vector])
    check("rotation", opened(context.EvalRotate(a, 1)), turned)
    check("hoisted rotation", opened(context.EvalFastRotation(a, 1, order, digits)), turned)

    for op, body in [
        ("mul_relin_rescale", lambda: context.Rescale(context.EvalMult(a, b))),
        ("rotate", lambda: context.EvalRotate(a, 1)),
        ("hoist", lambda: context.EvalFastRotationPrecompute(a)),
        ("hoisted_rotate", lambda: context.EvalFastRotation(a, 1, order, digits)),
        ("rescale", lambda: context.Rescale(product)),
        ("mul_plain", lambda: context.EvalMult(a, plain)),
        ("encode", lambda: context.MakeCKKSPackedPlaintext(vector)),
        ("encrypt", lambda: context.Encrypt(keys.publicKey, plain)),
        ("decrypt", lambda: context.Decrypt(a, keys.secretKey)),
        ("rotation_keygen", lambda: context.EvalRotateKeyGen(keys.secretKey, [next(fresh)])),
    ]:
        suite.measure(op, body)


if __name__ == "__main__":
    main()
