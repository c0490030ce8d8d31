"""What both peers share: repetitions, and one JSON object per measurement on standard output."""

import json
import statistics
import time


class Suite:
    """The measurements of one parameter set in one process."""

    def __init__(self, implementation, log_n, log_q, log_qp, limbs, dnum, threads, budget_ms, min_reps):
        self.fields = {
            "impl": implementation,
            "n": 1 << log_n,
            "log_q": float(log_q),
            "log_qp": float(log_qp),
            "limbs": limbs,
            "dnum": dnum,
            "slots": 1 << (log_n - 1),
            "threads": threads,
        }
        self.budget = budget_ms / 1e3
        self.min_reps = min_reps

    def measure(self, op, body):
        """Runs `body` once to warm up, then until the budget is spent, `min_reps` times at least."""
        body()
        samples = []
        start = time.perf_counter()
        while len(samples) < self.min_reps or time.perf_counter() - start < self.budget:
            begin = time.perf_counter_ns()
            body()
            samples.append(time.perf_counter_ns() - begin)
        record = dict(self.fields, op=op)
        record["median_ns"] = int(statistics.median(samples))
        record["min_ns"] = min(samples)
        record["reps"] = len(samples)
        print(json.dumps(record), flush=True)


def values(log_n):
    """A full vector of slots in [0, 1)."""
    return [(i % 97) / 97 for i in range(1 << (log_n - 1))]


def check(what, found, expected, tolerance=1e-4):
    """A peer that computes something else is not a peer."""
    worst = max(abs(f - e) for f, e in zip(found, expected))
    if not worst < tolerance:
        raise SystemExit(f"{what}: off by {worst:.3g}")
