"""Names and arithmetic of attribute tables.

An attribute table is a bool array of shape (N, A): N faces, A attributes, in the order of `names`.
The number of attributes A belongs to the data at hand; only the constants below speak of CelebA's 40.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

#: CelebA's 40 attributes in the order of the official table, with the abbreviations of Sec. V-A.
ABBREVIATIONS = {
    "5_o_Clock_Shadow": "5CS", "Arched_Eyebrows": "AE", "Attractive": "A", "Bags_Under_Eyes": "BUE",
    "Bald": "Bal", "Bangs": "Ban", "Big_Lips": "BL", "Big_Nose": "BN", "Black_Hair": "BlaH",
    "Blond_Hair": "BloH", "Blurry": "Blu", "Brown_Hair": "BroH", "Bushy_Eyebrows": "BE", "Chubby": "C",
    "Double_Chin": "DC", "Eyeglasses": "E", "Goatee": "G", "Gray_Hair": "GH", "Heavy_Makeup": "HM",
    "High_Cheekbones": "HC", "Male": "Ma", "Mouth_Slightly_Open": "MSO", "Mustache": "Mu",
    "Narrow_Eyes": "NE", "No_Beard": "NB", "Oval_Face": "OF", "Pale_Skin": "PS", "Pointy_Nose": "PN",
    "Receding_Hairline": "RH", "Rosy_Cheeks": "RC", "Sideburns": "Si", "Smiling": "Sm",
    "Straight_Hair": "SH", "Wavy_Hair": "WHa", "Wearing_Earrings": "WE", "Wearing_Hat": "WH",
    "Wearing_Lipstick": "WL", "Wearing_Necklace": "WNl", "Wearing_Necktie": "WNt", "Young": "Y",
}  # fmt: skip
CELEBA = tuple(ABBREVIATIONS)

#: The 13 attributes of Table 3, after AttGAN (He et al., 2019).
ATTGAN = (
    "Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Bushy_Eyebrows", "Eyeglasses", "Male",
    "Mouth_Slightly_Open", "Mustache", "No_Beard", "Pale_Skin", "Young",
)  # fmt: skip

#: Pairs of labels that contradict each other (after AttGAN's rules). CelebA itself breaks one in 2 % of its rows.
CONFLICTS = (
    *combinations(("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"), 2),
    *(("Bald", other) for other in ("Black_Hair", "Blond_Hair", "Brown_Hair", "Bangs", "Straight_Hair", "Wavy_Hair")),
    ("Straight_Hair", "Wavy_Hair"),
    ("Bangs", "Receding_Hairline"),
    *(("No_Beard", other) for other in ("Goatee", "Mustache", "Sideburns")),
)

SPLITS = ("train", "val", "test")
STATISTICS = Path(__file__).parent.parent / "data" / "celeba_statistics.csv"


def index(names, attribute):
    """Column of `attribute` in `names`. Raises ValueError that lists the names when it is not there."""
    try:
        return list(names).index(attribute)
    except ValueError:
        raise ValueError(f"unknown attribute {attribute!r}; this data set has: {', '.join(names)}") from None


def cooccurrence(a):
    """Number of faces that carry both attributes, (A, A) int64; the diagonal holds the counts of each one."""
    a = np.asarray(a, dtype=np.float64)  # exact below 2**53, and a BLAS product
    return (a.T @ a).astype(np.int64)


def compositions(a, names, k):
    """Number of faces for every combination of `k` attributes (Fig. 1: k=3, Fig. 5: k=2).

    Returns a DataFrame with columns `attributes` (tuple of k names) and `count`, largest count first; empty where there
    are fewer than `k` attributes.
    """
    a = np.asarray(a, dtype=bool)
    packed = np.packbits(a, axis=0)  # (N/8, A): a face costs a bit, so CelebA's 9,880 triples take seconds
    rows = []
    for columns in combinations(range(a.shape[1]), k):
        both = np.bitwise_and.reduce(packed[:, columns], axis=1)
        rows.append((tuple(names[i] for i in columns), int(np.bitwise_count(both).sum())))
    table = pd.DataFrame(rows, columns=["attributes", "count"]).astype({"count": np.int64})  # of an empty one, too
    return table.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def contradictions(names):
    """Pairs (i, j) of columns whose labels contradict each other (`CONFLICTS`), a list. Unknown names are skipped."""
    column = {name: i for i, name in enumerate(names)}
    return [(column[one], column[other]) for one, other in CONFLICTS if one in column and other in column]


def impossible(a, names):
    """Which rows hold a pair of labels that contradict each other, (N,) bool."""
    a = np.asarray(a, dtype=bool)
    bad = np.zeros(len(a), dtype=bool)
    for i, j in contradictions(names):
        bad |= a[:, i] & a[:, j]
    return bad


def celeba_statistics(split="train"):
    """CelebA's co-occurrence counts, shipped with the course: `(faces, co)`, an int and an int64 (40, 40) array."""
    table = pd.read_csv(STATISTICS)
    table = table[table["split"] == split]
    return int(table["faces"].iloc[0]), table[list(CELEBA)].to_numpy()
