"""Minimax errors on unions of intervals, which Sollya's remez does not know, for the test `sollya`.

    python3 unions.py > unions.txt        needs mpmath; some minutes

A plain exchange with 60 digits on a fixed grid of Chebyshev points, its extrema polished by golden section. A line is: name, function, degree,
lower bound (levelled error of the last reference), upper bound (largest error found), then the ends of the intervals.
"""

from mpmath import mp, mpf, matrix, lu_solve, cos, pi, exp, tanh, erf, sqrt, log, sign

mp.dps = 60
POINTS = 240  # grid points per interval

CASES = [
    ("sign15", "sign", 15, [(-3, -1), (0.5, 2)]),
    ("sign31", "sign", 31, [(-3, -1), (0.5, 2)]),
    ("sign8", "sign", 8, [(-1, -0.25), (0.0625, 1)]),
    ("reciprocal15", "reciprocal", 15, [(-3, -1), (0.5, 2), (2.5, 2.75)]),
    ("reciprocal40", "reciprocal", 40, [(-3, -1), (0.5, 2), (2.5, 2.75)]),
    ("exp11", "exp", 11, [(-6, -2), (1, 3)]),
    ("tanh21", "tanh", 21, [(-4, -1), (0.5, 6)]),
    ("gelu17", "gelu", 17, [(-6, -2), (1, 3), (4, 5)]),
    ("log24", "log", 24, [(0.0625, 0.125), (0.5, 1), (3, 4)]),
    ("sigmoid63", "sigmoid", 63, [(-30, -3), (2, 24)]),
]
FUNCTIONS = {
    "sign": sign,
    "reciprocal": lambda x: 1 / x,
    "exp": exp,
    "tanh": tanh,
    "gelu": lambda x: x / 2 * (1 + erf(x / sqrt(2))),
    "log": log,
    "sigmoid": lambda x: 1 / (1 + exp(-x)),
}


def basis(u, n):
    t = [mpf(1), u]
    while len(t) <= n:
        t.append(2 * u * t[-1] - t[-2])
    return t[: n + 1]


def clenshaw(c, u):
    b1 = b2 = mpf(0)
    for a in reversed(c[1:]):
        b1, b2 = 2 * u * b1 - b2 + a, b1
    return u * b1 - b2 + c[0]


def golden(f, a, b):
    ratio = (sqrt(mpf(5)) - 1) / 2
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    fc, fd = f(c), f(d)
    for _ in range(60):
        if fc > fd:
            b, d, fd = d, c, fc
            c = b - ratio * (b - a)
            fc = f(c)
        else:
            a, c, fc = c, d, fd
            d = a + ratio * (b - a)
            fd = f(d)
    return c if fc > fd else d


def solve(f, degree, pieces):
    pieces = [(mpf(a), mpf(b)) for a, b in pieces]
    center, radius = (pieces[0][0] + pieces[-1][1]) / 2, (pieces[-1][1] - pieces[0][0]) / 2
    unit = lambda x: (x - center) / radius
    grid = []
    for k, (a, b) in enumerate(pieces):
        for j in range(POINTS + 1):
            grid.append((k, (a + b) / 2 - (b - a) / 2 * cos(pi * j / POINTS)))
    values = [f(x) for _, x in grid]
    n = degree + 2
    # First reference: by length.
    total = sum(b - a for a, b in pieces)
    reference, placed, passed = [], 0, mpf(0)
    for k, (a, b) in enumerate(pieces):
        passed += b - a
        upto = n if k + 1 == len(pieces) else int(round(n * passed / total))
        count, placed = upto - placed, upto
        for j in range(1, count + 1):
            reference.append((a + b) / 2 - (b - a) / 2 * cos(pi * j / (count + 1)))
    for _ in range(60):
        rows = matrix(n, n)
        right = matrix(n, 1)
        for i, x in enumerate(reference):
            for j, t in enumerate(basis(unit(x), degree)):
                rows[i, j] = t
            rows[i, n - 1] = (-1) ** i
            right[i] = f(x)
        solution = list(lu_solve(rows, right))
        c, level = solution[:-1], abs(solution[-1])
        error = lambda x: f(x) - clenshaw(c, unit(x))
        errors = [v - clenshaw(c, unit(x)) for (_, x), v in zip(grid, values)]
        # The largest point of every run of equal sign, polished.
        runs = []
        for i, e in enumerate(errors):
            if runs and (errors[runs[-1]] > 0) == (e > 0):
                if abs(e) > abs(errors[runs[-1]]):
                    runs[-1] = i
            else:
                runs.append(i)
        extrema = []
        for i in runs:
            near = [grid[j][1] for j in (i - 1, i, i + 1) if 0 <= j < len(grid) and grid[j][0] == grid[i][0]]
            s = 1 if errors[i] > 0 else -1
            x = golden(lambda x: s * error(x), near[0], near[-1])
            extrema.append(max([x] + near, key=lambda x: s * error(x)))
        while len(extrema) > n:
            size = [abs(error(x)) for x in extrema]
            if len(extrema) == n + 1:
                extrema.pop(0 if size[0] < size[-1] else -1)
                continue
            i = size.index(min(size))
            if 0 < i < len(extrema) - 1:
                j = i - 1 if size[i - 1] < size[i + 1] else i + 1
                extrema = [x for k, x in enumerate(extrema) if k not in (i, j)]
            else:
                extrema.pop(i)
        assert len(extrema) == n, "too few extrema"
        largest = max(abs(error(x)) for x in extrema)
        reference = extrema
        if largest - level < mpf(10) ** -16 * largest:
            return level, largest
    raise SystemExit("no convergence")


for name, function, degree, pieces in CASES:
    low, high = solve(FUNCTIONS[function], degree, pieces)
    ends = " ".join(repr(float(e)) for piece in pieces for e in piece)
    print(name, function, degree, mp.nstr(low, 25), mp.nstr(high, 25), ends, flush=True)
