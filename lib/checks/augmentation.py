"""Checks of notebook 5."""

import numpy as np

from lib.checks import NotYet, Wrong, call, compare, exercise, numbers, wrong_if


@exercise
def at_most(rng, my_most):
    """How many faces carry an attribute that n steps have granted: of its count, k and n."""
    compare(
        my_most,
        draws=[tuple(rng.integers(low, 200, size=3).tolist()) for low in (2, 30, 60, 90)],
        right=lambda start, k, n: start + n,
        mistakes={
            "it starts with some faces already": lambda start, k, n: n,
            "each step grants k attributes, but this one only once": lambda start, k, n: start + k * n,
            "it is granted at every step, not at one in k": lambda start, k, n: start + n / k,
            "each step grants it to one new face; the others are not doubled": lambda start, k, n: 2 * start + n,
            "the new faces are not counted": lambda start, k, n: start,
        },
        otherwise="each step grants it once",
    )


@exercise
def turn_two(rng, my_turn_two):
    """Labels (N, A) with two different ones of each face turned over, drawn from the generator."""
    a = rng.random((6600, 12)) < 0.3
    seed = int(rng.integers(2**31))
    first, again, other = (call(my_turn_two, a, np.random.default_rng(s)) for s in (seed, seed, seed + 1))
    turned = numbers(first)
    wrong_if(turned.shape != a.shape, f"the shape is {turned.shape} and should be {a.shape}")
    changed = turned != a
    each = changed.sum(axis=1)
    if (turned.sum(axis=1) == 2).all():
        raise Wrong("these rows say which labels turn; turn them: a ^ rows")
    if not changed.any():
        raise NotYet
    wrong_if(
        (turned >= a).all() or (turned <= a).all(),
        "labels are set, not turned over: what was 1 has to become 0, and what was 0 has to become 1",
    )
    wrong_if((each == 1).all(), "one label of each face is turned; two were asked for")
    wrong_if(
        (each == 0).all(axis=0) or set(each) == {0, 2},
        "the second turn sometimes undoes the first: draw two different labels",
    )
    wrong_if((each != 2).any(), "two labels of each row must differ, in every row")
    wrong_if((changed == changed[0]).all(), "the same two labels in every row; draw them for each face apart")
    wrong_if(np.array_equal(first, other), "the same labels whatever `rng` is: draw them from it")
    wrong_if(not np.array_equal(first, again), "chance has to come from `rng`, so that a run can be repeated")
    pairs = (changed.T.astype(int) @ changed)[np.triu_indices(12, 1)]  # 100 faces each, but for chance
    wrong_if(
        pairs.min() < 50 or pairs.max() > 150,
        "some pairs are turned more often than others: of all 66 each has to be as likely as any other",
    )
    wrong_if(
        abs(a[changed].mean() - a.mean()) > 0.03,
        "what a label is decides whether it turns: draw which two turn without looking at the labels",
    )
    given = a.copy()
    my_turn_two(given, np.random.default_rng(seed))
    wrong_if((given != a).any(), "the labels that were given are changed; write to a copy of them")


@exercise
def draw_rows(rng, my_rows):
    """N row numbers, drawn with a probability proportional to weight (N,)."""
    N = 4000
    weight = np.sort(np.minimum(rng.pareto(4.0, size=N), 1.5) + 0.05)[rng.permutation(N)]
    seed = int(rng.integers(2**31))
    answer, again, other = (numbers(call(my_rows, weight, np.random.default_rng(s))) for s in (seed, seed, seed + 1))
    wrong_if(answer.shape == (N, N), "one list of N rows was asked for")
    wrong_if(answer.shape != (N,), f"the shape is {answer.shape} and should be {(N,)}: as many draws as there are rows")
    wrong_if((answer % 1 != 0).any(), "numbers of rows were asked for, not weights or probabilities")
    wrong_if(answer.min() < 0 or answer.max() >= N, f"rows are numbered from 0 to {N - 1}")
    rows = answer.astype(int)
    wrong_if(
        len(np.unique(rows)) == N,
        "every row occurs exactly once, so nothing is drawn more often than anything else: rows may repeat",
    )
    # before the means: of a few rows these are anything
    wrong_if(len(np.unique(rows)) < N / 10, "only a few rows are ever drawn; each has its chance, the light ones, too")
    drawn = weight[rows].mean()

    def near(p):
        """Whether the mean weight drawn is what draws with probabilities proportional to `p` give, but for chance."""
        p = p / p.sum()
        mean = (p * weight).sum()
        return abs(drawn - mean) < 5 * np.sqrt((p * (weight - mean) ** 2).sum() / N)

    wrong_if(near(np.ones(N)), "every row is equally likely: the weights do nothing")
    wrong_if(near(1 / weight), "the heavier a row, the rarer it is drawn: it is the other way round")
    wrong_if(near(weight**2), "the weights count twice: take them in proportion, not squared")
    wrong_if(
        not near(weight),
        f"the mean weight drawn is {drawn:.2f}, and should be about {(weight**2).sum() / N / weight.mean():.2f}",
    )
    wrong_if(np.array_equal(answer, other), "the same rows whatever `rng` is: draw them from it")
    wrong_if(not np.array_equal(answer, again), "chance has to come from `rng`, so that a run can be repeated")
