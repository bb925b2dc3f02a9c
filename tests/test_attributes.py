"""Arithmetic of attribute tables, on tables small enough to count by hand and on CelebA's own counts."""

from itertools import combinations

import numpy as np
import pytest

from lib import attributes
from lib.attributes import ATTGAN, CELEBA, CONFLICTS, celeba_statistics

NAMES = ("Hat", "Tie", "Bald")
TABLE = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=bool)


def random_table(n=203, width=6, seed=0):
    """More rows than whole bytes hold, so that padding would show."""
    return np.random.default_rng(seed).random((n, width)) < np.linspace(0.1, 0.9, width)


def test_names_are_celebas():
    assert len(CELEBA) == 40 and list(CELEBA) == sorted(CELEBA)
    assert CELEBA[0] == "5_o_Clock_Shadow" and CELEBA[20] == "Male" and CELEBA[-1] == "Young"
    assert len(set(attributes.ABBREVIATIONS.values())) == 40
    assert len(ATTGAN) == 13 and set(ATTGAN) <= set(CELEBA)
    assert {name for pair in CONFLICTS for name in pair} <= set(CELEBA)
    assert len({frozenset(pair) for pair in CONFLICTS}) == len(CONFLICTS)


def test_index():
    assert attributes.index(NAMES, "Tie") == 1
    with pytest.raises(ValueError, match="'Scarf'.*Hat, Tie, Bald"):
        attributes.index(NAMES, "Scarf")


def test_cooccurrence_by_hand():
    counts = attributes.cooccurrence(TABLE)
    assert counts.tolist() == [[3, 2, 1], [2, 2, 1], [1, 1, 1]]
    assert counts.dtype == np.int64


def test_cooccurrence_of_a_byte_table_does_not_overflow():
    assert attributes.cooccurrence(np.ones((70_000, 2), dtype=np.uint8)).tolist() == [[70_000] * 2] * 2


@pytest.mark.parametrize("k", [1, 2, 3])
def test_compositions_agree_with_counting_one_by_one(k):
    a = random_table()
    names = [f"a{i}" for i in range(a.shape[1])]
    table = attributes.compositions(a, names, k)
    slow = {
        tuple(names[i] for i in columns): sum(all(row[i] for i in columns) for row in a)
        for columns in combinations(range(a.shape[1]), k)
    }
    assert dict(zip(table["attributes"], table["count"], strict=True)) == slow
    assert table["count"].is_monotonic_decreasing and len(table) == len(slow)


def test_compositions_of_two_are_the_cooccurrence():
    a = random_table(seed=1)
    counts = attributes.cooccurrence(a)
    table = attributes.compositions(a, range(a.shape[1]), 2)
    assert all(counts[pair] == count for pair, count in zip(table["attributes"], table["count"], strict=True))


def test_impossible_rows(monkeypatch):
    monkeypatch.setattr(attributes, "CONFLICTS", (("Bald", "Hat"), ("Bald", "Wig")))  # no column Wig: skipped
    assert attributes.impossible(TABLE, NAMES).tolist() == [False, False, True, False]


def test_impossible_by_celebas_conflicts():
    def face(*on):
        return [name in on for name in CELEBA]

    a = [
        face("Black_Hair", "Young"),
        face("Black_Hair", "Blond_Hair"),
        face("Bald"),
        face("Bald", "Bangs"),
        face("No_Beard", "Goatee"),
        face("Goatee", "Mustache"),
        face(),
    ]
    assert attributes.impossible(a, CELEBA).tolist() == [False, True, False, True, True, False, False]


def test_shipped_statistics_are_celebas():
    sizes = {}
    for split in attributes.SPLITS:
        sizes[split], counts = celeba_statistics(split)
        assert counts.shape == (40, 40) and (counts == counts.T).all()
        single = counts.diagonal()
        assert (counts <= np.minimum(single[:, None], single)).all() and single.max() < sizes[split]
        # |A and B| >= |A| + |B| - N
        assert (counts >= single[:, None] + single - sizes[split]).all()
    assert sizes == {"train": 162_770, "val": 19_867, "test": 19_962}


def test_shipped_extremes_of_the_train_split():
    _, counts = celeba_statistics("train")
    single = counts.diagonal()
    assert (CELEBA[single.argmin()], single.min()) == ("Bald", 3713)
    assert (CELEBA[single.argmax()], single.max()) == ("No_Beard", 135_779)
    at = {name: i for i, name in enumerate(CELEBA)}
    # All three of Fig. 1's most frequent combination: 71,255 faces; no pair of them can have fewer.
    trio = ("Attractive", "No_Beard", "Young")
    assert all(counts[at[one], at[other]] >= 71_255 for one, other in combinations(trio, 2))
    # A constant guess of the majority label scores 79.9 % on the test split.
    faces, counts = celeba_statistics("test")
    _, train = celeba_statistics("train")
    share = counts.diagonal() / faces
    majority = np.where(train.diagonal() / 162_770 > 0.5, share, 1 - share)
    assert round(100 * majority.mean(), 1) == 79.9
