"""OpenFHE's CKKS bootstrapping: one parameter set, one process, one JSON line on standard output.

The number of threads is OMP_NUM_THREADS, which the caller sets.
"""

import argparse
import json
import math
import os
import random
import resource
import statistics
import time

from openfhe import (
    ADVANCEDSHE,
    FHE,
    FLEXIBLEAUTO,
    HYBRID,
    KEYSWITCH,
    LEVELEDSHE,
    PKE,
    CCParamsCKKSRNS,
    CryptoContext,
    GenCryptoContext,
    SecretKeyDist,
    SecurityLevel,
)


def bits(value):
    """-log2, for people."""
    return -math.log2(value) if value > 0 else math.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log-n", type=int, default=16)
    parser.add_argument("--slots", type=int, default=1 << 15)
    parser.add_argument("--scale", type=int, default=59, help="bits of a scale")
    parser.add_argument("--first", type=int, default=60, help="bits of the first prime")
    parser.add_argument("--levels", type=int, default=4, help="levels left")
    parser.add_argument("--dnum", type=int, default=3, help="digits of the key switching")
    parser.add_argument("--budget", type=int, default=3, help="levels of each transform")
    parser.add_argument("--reps", type=int, default=3)
    args = parser.parse_args()

    distribution = SecretKeyDist.SPARSE_ENCAPSULATED
    budget = [args.budget, args.budget]
    depth = args.levels + CryptoContext.GetBootstrapDepth(budget, distribution)
    params = CCParamsCKKSRNS()
    params.SetSecretKeyDist(distribution)
    params.SetRingDim(1 << args.log_n)
    params.SetMultiplicativeDepth(depth)
    params.SetScalingModSize(args.scale)
    params.SetFirstModSize(args.first)
    params.SetNumLargeDigits(args.dnum)
    params.SetScalingTechnique(FLEXIBLEAUTO)
    params.SetKeySwitchTechnique(HYBRID)
    # Refuses a ring that is too small for the moduli, those of the keys included.
    params.SetSecurityLevel(SecurityLevel.HEStd_128_classic)
    context = GenCryptoContext(params)
    for feature in (PKE, KEYSWITCH, LEVELEDSHE, ADVANCEDSHE, FHE):
        context.Enable(feature)

    begin = time.perf_counter_ns()
    context.EvalBootstrapSetup(budget, [0, 0], args.slots)
    keys = context.KeyGen()
    context.EvalMultKeyGen(keys.secretKey)
    context.EvalBootstrapKeyGen(keys.secretKey, args.slots)
    keygen = time.perf_counter_ns() - begin

    random.seed(7)
    vector = [random.uniform(-1, 1) for _ in range(args.slots)]

    def refreshed(values):
        plain = context.MakeCKKSPackedPlaintext(values, 1, depth - 1, None, args.slots)
        exhausted = context.Encrypt(keys.publicKey, plain)
        start = time.perf_counter_ns()
        result = context.EvalBootstrap(exhausted)
        elapsed = time.perf_counter_ns() - start
        found = context.Decrypt(result, keys.secretKey)
        found.SetLength(args.slots)
        errors = [abs(f - v) for f, v in zip(found.GetRealPackedValue(), values)]
        return elapsed, result, sum(errors) / len(errors), max(errors)

    refreshed(vector)
    runs = [refreshed(vector) for _ in range(args.reps)]
    _, result, mean, worst = runs[-1]
    constant = refreshed([1.0] * args.slots)
    levels = depth - result.GetLevel() - (result.GetNoiseScaleDeg() - 1)
    times = [run[0] for run in runs]
    print(
        json.dumps(
            {
                "suite": "bootstrap",
                "op": "bootstrap",
                "impl": "openfhe",
                "preset": f"sparse encapsulated, levels [{args.budget}, {args.budget}]",
                "n": 1 << args.log_n,
                "slots": args.slots,
                "dnum": args.dnum,
                "threads": int(os.environ.get("OMP_NUM_THREADS", "1")),
                "median_ns": int(statistics.median(times)),
                "min_ns": min(times),
                "reps": len(times),
                "levels_left": levels,
                "modulus_bits_left": float(args.first + args.scale * levels),
                "precision_mean_bits": bits(mean),
                "precision_worst_bits": bits(worst),
                "precision_constant_bits": bits(constant[3]),
                "keygen_ns": keygen,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
