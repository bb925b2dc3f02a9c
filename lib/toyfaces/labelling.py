"""Labels of the drawn faces: a model of CelebA's 40 attributes, fitted to nothing but published counts.

A chain of logistic regressions draws one attribute after another, each given all earlier ones [1]. Its coefficients
solve the moment equations: every frequency and every pair of attributes as frequent as in CelebA's train split.

[1] Schaefer and Chopin, "Sequential Monte Carlo on large binary sampling spaces", 2013, Sec. 5.
"""

from functools import cache

import numpy as np
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits

from lib.attributes import CELEBA, celeba_statistics, index

FIT_ROWS = 60_000  # rows on which the moment equations are solved
TOLERANCE = 5e-5  # of a frequency
NEVER = 0.02  # a pair seen less often than this share of chance counts as a slip of an annotator: it is never drawn


def uniform(seed, index, streams, purpose=0):
    """Random numbers in [0, 1) that depend on nothing but (seed, index, stream, purpose): (n, streams) float64.

    A counter-based generator, splitmix64 (Steele et al., 2014): any row can be drawn alone and in any order.
    """
    key = np.array([(int(seed) << 8) + purpose], dtype=np.uint64)
    rows = _mix(np.asarray(index).astype(np.uint64) + _mix(key))
    return (_mix(rows[:, None] + np.arange(1, streams + 1, dtype=np.uint64) * _GOLDEN) >> _ELEVEN) * 2.0**-53


_GOLDEN, _ELEVEN = np.uint64(0x9E3779B97F4A7C15), np.uint64(11)


def _mix(x):
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def labels(n, seed=0, start=0, *, balanced=False, imbalance=1.0, confound=None):
    """Attribute table of `n` drawn faces, (n, 40) bool in the order of attributes.CELEBA.

    Row i depends on (seed, start + i) and the options, never on `n`.
    balanced    every attribute is a fair coin of its own: the test set that CelebA cannot give.
    imbalance   length of the tail: 1 is CelebA's; at 2 a frequency of 5 % falls to 0.5 % (0.5 * (2 * frequency)**2).
    confound    two names, such as ("Eyeglasses", "Male"): the first takes the value of the second.
    Raises ValueError for an unknown name, or an imbalance below 1.
    """
    u = uniform(seed, np.arange(start, start + n), len(CELEBA), purpose=1)
    if balanced:
        a = u < 0.5
    else:
        order, weights = _chain(float(imbalance))
        a = _sample(u, order, weights)
    if confound is not None:
        first, second = (index(CELEBA, name) for name in confound)
        a[:, first] = a[:, second]
    return a


def with_noise(a, rate, seed=0, start=0):
    """A copy of the labels `a` in which each one is flipped with probability `rate`, as by a tired annotator."""
    return a ^ (uniform(seed, np.arange(start, start + len(a)), a.shape[1], purpose=2) < rate)


def _targets(imbalance):
    """Frequencies (40,) and pair frequencies (40, 40); a longer tail keeps the odds ratio of every pair."""
    if imbalance < 1:
        raise ValueError(f"imbalance is {imbalance}; expected 1 (CelebA's tail) or more")
    faces, co = celeba_statistics()
    pair = co / faces
    p = np.diag(pair).copy()
    pair[pair < NEVER * np.outer(p, p)] = 0
    if imbalance == 1:
        return p, pair
    rare = 0.5 * (2 * np.minimum(p, 1 - p)) ** imbalance
    q = np.where(p < 0.5, rare, 1 - rare)
    odds = pair * (1 - p[:, None] - p + pair) / np.maximum((p[:, None] - pair) * (p - pair), 1e-9)
    # Plackett's quadratic: the one cell `x` of a two-by-two table with margins q that has these odds
    b = 1 + (q[:, None] + q) * (odds - 1)
    root = np.sqrt(np.maximum(b * b - 4 * odds * (odds - 1) * np.outer(q, q), 0))
    x = np.where(np.abs(odds - 1) < 1e-6, np.outer(q, q), (b - root) / (2 * np.where(odds == 1, 1, odds - 1)))
    np.fill_diagonal(x, q)
    return q, x


@cache
@threadpool_limits.wrap(limits=1)  # many small products: more threads would only wait for each other
def _chain(imbalance):
    """Order of the attributes, and a row of weights for each one: intercept, then all earlier attributes."""
    p, pair = _targets(imbalance)
    order = np.argsort(-np.abs(np.corrcoef(pair)).sum(0), kind="stable")  # the most entangled first
    u = uniform(0, np.arange(FIT_ROWS), len(p), purpose=3)
    drawn = np.ones((FIT_ROWS, 1))
    weights = []
    for i, column in enumerate(order):
        target = np.append(p[column], pair[column, order[:i]])
        never = np.flatnonzero(target == 0)
        w = _solve(drawn, target, never)
        weights.append(w)
        drawn = np.column_stack([drawn, u[:, column] < expit(drawn @ w)])
    return order, weights


def _solve(x, target, never, steps=25, ridge=1e-5):
    """Weights w with mean(sigmoid(x w) x) = target, by Newton's method; columns in `never` exclude the attribute."""
    allowed = ~x[:, never].any(1)
    free = np.setdiff1d(np.arange(x.shape[1]), never)
    inner, target = x[allowed][:, free], target[free]
    w = np.zeros(len(free))
    w[0] = logit(min(target[0] * len(x) / len(inner), 0.99))
    for _ in range(steps):
        share = expit(inner @ w)
        gap = target - inner.T @ share / len(x) - ridge * w
        if np.abs(gap).max() < TOLERANCE:
            break
        slope = (inner * (share * (1 - share))[:, None]).T @ inner / len(x) + ridge * np.eye(len(w))
        step = np.linalg.solve(slope, gap)
        w += step * min(1, 2 / np.abs(step).max())  # a long step overshoots where the sigmoid is flat
    full = np.full(x.shape[1], -40.0)
    full[free] = w
    return full.round(6)  # the same labels on every machine


def _sample(u, order, weights):
    drawn = np.ones((len(u), 1 + len(order)))
    for i, (column, w) in enumerate(zip(order, weights, strict=True)):
        drawn[:, i + 1] = u[:, column] < expit(drawn[:, : i + 1] @ w)
    a = np.empty(u.shape, dtype=bool)
    a[:, order] = drawn[:, 1:]
    return a
