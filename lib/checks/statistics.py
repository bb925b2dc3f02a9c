"""Checks of notebook 1."""

import numpy as np

from lib.attributes import cooccurrence
from lib.checks import compare, exercise


@exercise
def first_without_second(rng, my_count):
    """How many faces carry attribute 0 and not attribute 1, of co-occurrence counts C (A, A)."""
    compare(
        my_count,
        draws=[(cooccurrence(rng.random((200, 5)) < [0.6, 0.4, 0.5, 0.3, 0.2]),) for _ in range(4)],
        right=lambda C: C[0, 0] - C[0, 1],
        mistakes={
            "attribute 1 without attribute 0: it is the other way round": lambda C: C[1, 1] - C[0, 1],
            "these carry both": lambda C: C[0, 1],
            "take away only those who carry both, not all who carry attribute 1": lambda C: C[0, 0] - C[1, 1],
            "these carry attribute 0; some of them carry attribute 1, too": lambda C: C[0, 0],
            "these carry exactly one of the two, whichever it is": lambda C: C[0, 0] + C[1, 1] - 2 * C[0, 1],
        },
        otherwise="all with attribute 0, less those with both",
    )


@exercise
def doubled(rng, my_counts):
    """Expected counts (A,) of the set that random doubling makes, of the counts (A,) among N faces, N and A."""
    draws = []
    for A in rng.choice(np.arange(4, 20), size=3, replace=False).tolist():
        N = int(rng.integers(500, 1000))
        draws.append((rng.integers(1, N, size=A).astype(float), N, A))
    compare(
        my_counts,
        draws,
        right=lambda count, N, A: 2 * count + (N - 2 * count) / A,
        mistakes={
            "almost: of the copies' labels 1 in A is turned over": lambda count, N, A: 2 * count,
            "these are the copies alone; the originals stay in the set": lambda count, N, A: (
                count + (N - 2 * count) / A
            ),
            "a turned label is not only lost: some faces gain the attribute": lambda count, N, A: 2 * count - count / A,
            "a turned label is not only gained: some faces lose the attribute": lambda count, N, A: (
                2 * count + (N - count) / A
            ),
            "of the copies 1 in A has this label turned, not all of them": lambda count, N, A: np.full(A, float(N)),
        },
        otherwise="of the copies' labels, 1 in A turns from 0 to 1 or from 1 to 0",
    )


def recall(has, yes):
    """Of those who have it, the share that is recognised."""
    return yes[has].mean(axis=0)


def specificity(has, yes):
    """Of those who have it not, the share that is not claimed."""
    return (~yes[~has]).mean(axis=0)


# What else is computed from labels `has` and answers `yes`, both bool (N,), where balanced accuracy is asked for.
NEIGHBOURS_OF_BALANCED_ACCURACY = {
    "this is plain accuracy, which the larger class decides; give each class half of the weight": (
        lambda has, yes: (has == yes).mean()
    ),
    "this is recall alone: who has it not counts as much": recall,
    "this is specificity alone: who has it counts as much": specificity,
    "the sum of the two shares; take their mean": lambda has, yes: recall(has, yes) + specificity(has, yes),
    "one of the shares is of the answers (precision), not of those who have it": (
        lambda has, yes: (has[yes].mean() + specificity(has, yes)) / 2
    ),
    "the mean of recall and the share of false alarms; take one minus the latter": (
        lambda has, yes: (recall(has, yes) + yes[~has].mean()) / 2
    ),
}


def labels_and_answers(rng, n):
    """Labels and answers, both bool (N,), of `n` attributes that fewer than half carry and nobody recognises well."""
    pairs = []
    for N in rng.integers(80, 160, size=n):
        has = rng.permutation(N) < 0.3 * N
        pairs.append((has, np.where(has, rng.random(N) < 0.7, rng.random(N) < 0.15)))
    return pairs


@exercise
def balanced_accuracy(rng, my_balanced_accuracy):
    """The mean of recall and specificity, of labels and answers, both bool (N,)."""
    compare(
        my_balanced_accuracy,
        draws=labels_and_answers(rng, 4),
        right=lambda has, yes: (recall(has, yes) + specificity(has, yes)) / 2,
        mistakes=NEIGHBOURS_OF_BALANCED_ACCURACY,
        otherwise="two shares, each of its own class, then the mean of the two",
    )
