"""Checks of notebook 0."""

import math

import numpy as np

from lib.attributes import CELEBA
from lib.checks import call, compare, exercise, wrong_if


@exercise
def compositions_of_three(rng, my_compositions):
    """The number of sets of three out of A attributes, of an int A."""
    compare(
        my_compositions,
        draws=[(int(A),) for A in rng.choice(np.arange(6, 60), size=4, replace=False)],
        right=lambda A: math.comb(A, 3),
        mistakes={
            "the order of the three does not matter; here each set of three is counted six times": (
                lambda A: A * (A - 1) * (A - 2)
            ),
            "an attribute can be taken only once, and the order does not matter": lambda A: A**3,
            "these are sets of two attributes": lambda A: math.comb(A, 2),
            "an attribute can be taken only once": lambda A: math.comb(A + 2, 3),
            "these are all lists of labels, not the sets of three": lambda A: 2**A,
        },
        otherwise="choose three of A; their order does not matter",
    )


@exercise
def rarest(rng, my_rarest):
    """The name of the rarest attribute, of bool labels (N, A) and the names of their columns."""
    tables = [_table(rng, names) for names in rng.permutation(CELEBA).reshape(5, 8).tolist()]
    answers = [call(my_rarest, labels, names) for labels, names in tables]
    for answer, (_, names) in zip(answers, tables, strict=True):
        wrong_if(
            not isinstance(answer, str),
            f"a name was asked for, this is a {type(answer).__name__}: look up in `names` what the column is called",
        )
        wrong_if(answer not in names, f"{answer} is none of the names: the tables change, so compute it from `labels`")
    for answer, (labels, names) in zip(answers, tables, strict=True):
        count = labels.sum(axis=0)
        wrong_if(answer == names[count.argmax()], "this is the most frequent one")
        wrong_if(
            answer == names[labels.sum(axis=1).argmin()],
            "this counts the labels of each face (axis 1); count the faces of each attribute (axis 0)",
        )
        wrong_if(answer != names[count.argmin()], "a mean over the faces, then the smallest")


def _table(rng, names):
    """Labels of as many faces as attributes: every column has another sum, and no two mistakes the same answer."""
    n = len(names)
    while True:
        labels = rng.permuted(np.tri(n, dtype=bool), axis=0)[:, rng.permutation(n)]
        fewest = labels.sum(axis=1)
        columns = {0, labels.sum(axis=0).argmin(), labels.sum(axis=0).argmax(), fewest.argmin()}
        if len(columns) == 4 and (fewest == fewest.min()).sum() == 1:
            return labels, names


@exercise
def share_seen(rng, my_share):
    """The share of all lists of labels that occurs among bool labels (N, A)."""
    compare(
        my_share,
        draws=[(rng.random((40, int(A))) < 0.4,) for A in rng.choice(np.arange(4, 10), size=4, replace=False)],
        right=lambda labels: len(np.unique(labels, axis=0)) / 2 ** labels.shape[1],
        mistakes={
            "some faces share a list of labels: count each list once": lambda labels: (
                len(labels) / 2 ** labels.shape[1]
            ),
            "with A labels there are 2 to the power of A lists": lambda labels: (
                len(np.unique(labels, axis=0)) / (2 * labels.shape[1])
            ),
            "with A labels, each 0 or 1, there are 2 to the power of A lists, not A squared": lambda labels: (
                len(np.unique(labels, axis=0)) / labels.shape[1] ** 2
            ),
            "this is the share of faces with a list of their own; divide by the number of all lists": lambda labels: (
                len(np.unique(labels, axis=0)) / len(labels)
            ),
            "a share was asked for: divide by the number of all lists": lambda labels: len(np.unique(labels, axis=0)),
        },
        otherwise="how many different rows there are, divided by how many there could be",
    )
