"""Checks of notebook 10."""

import numpy as np

from lib.checks import compare, exercise


@exercise
def group_numbers(rng, my_groups):
    """The group of each face, 2 x target + companion, from two bool arrays (n,)."""
    draws = [(rng.random(30) < 0.4, rng.random(30) < 0.6) for _ in range(3)]
    compare(
        my_groups,
        draws,
        right=lambda target, companion: 2 * target + companion,
        mistakes={
            "target and companion have changed places": lambda target, companion: target + 2 * companion.astype(int),
            "two groups got the same number: one of the two counts twice": lambda t, c: t.astype(int) + c,
            "faces with both are a group of their own": lambda target, companion: 2 * target + (companion & ~target),
        },
        otherwise="group 2 has the target alone, group 1 the companion alone",
    )


@exercise
def worst_group(rng, my_worst):
    """The smallest accuracy of the groups 0 to 3, from which faces were right (n,) and their groups (n,)."""
    draws = [
        (rng.random(200) < rng.uniform(0.3, 0.9), rng.choice(4, size=200, p=[0.5, 0.1, 0.1, 0.3])) for _ in range(3)
    ]
    of = lambda right, groups: np.array([right[groups == group].mean() for group in range(4)])  # noqa: E731
    compare(
        my_worst,
        draws,
        right=lambda right, groups: of(right, groups).min(),
        mistakes={
            "this is the mean of the groups; the worst one was asked for": lambda r, g: of(r, g).mean(),
            "this is the mean over faces: large groups hide the small ones": lambda r, g: r.mean(),
            "this is the best group": lambda r, g: of(r, g).max(),
            "the smallest group need not be the worst": lambda r, g: of(r, g)[np.bincount(g, minlength=4).argmin()],
        },
        otherwise="the accuracy of each group, then the smallest",
    )


@exercise
def weights(rng, my_weights):
    """The weight of a face of each group, (4,), so that all groups weigh the same and the mean weight of the faces is
    1; from how many faces each has (4,)."""
    draws = [(rng.integers(5, 1000, size=4),) for _ in range(3)]
    compare(
        my_weights,
        draws,
        right=lambda counts: counts.sum() / (4 * counts),
        mistakes={
            "all groups weigh the same, but the mean weight of the faces is not 1": lambda counts: 1 / counts,
            "rare groups should weigh more, not less": lambda counts: 4 * counts / counts.sum(),
            "the groups then weigh 4 times too much: there are four of them": lambda counts: counts.sum() / counts,
        },
        otherwise="a group's weight times its number of faces should be the same for all, a quarter of all faces",
    )
