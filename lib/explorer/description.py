"""What the face explorer offers, on the page and in the notebook alike: regions, presets, warnings, addresses."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from lib import stages
from lib.attributes import CONFLICTS, cooccurrence, impossible
from lib.plots import readable
from lib.toyfaces.labelling import NEVER

#: Where on the picture an attribute is seen. What no region names stands under "other", so any data set will do.
REGIONS = {
    "hair": (
        "Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Receding_Hairline", "Sideburns",
        "Straight_Hair", "Wavy_Hair",
    ),
    "eyes": ("Arched_Eyebrows", "Bags_Under_Eyes", "Bushy_Eyebrows", "Narrow_Eyes"),
    "mouth": ("5_o_Clock_Shadow", "Big_Lips", "Goatee", "Mouth_Slightly_Open", "Mustache", "No_Beard", "Smiling"),
    "face": (
        "Attractive", "Big_Nose", "Chubby", "Double_Chin", "High_Cheekbones", "Male", "Oval_Face", "Pale_Skin",
        "Pointy_Nose", "Rosy_Cheeks", "Young",
    ),
    "wear": (
        "Eyeglasses", "Heavy_Makeup", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace",
        "Wearing_Necktie",
    ),
}  # fmt: skip

PEOPLE = 8  # to choose from
#: How far a person is moved, in steps of Φ(a') - Φ(a). With one step the independent judge sees 73 % of popular changes
#: (glasses, hat, ... of 60 drawn persons; toy64), with one and a half 86 %, and of all labels 97 and 96 % as asked.
STEP = 1.5
#: What the page opens with: a person, counted from 1, an attribute of theirs that is switched, and that of the strip.
OPENING = (7, "Wearing_Hat", "Eyeglasses")

#: Sets of labels to start from, beside the majority of each; one that names an attribute the data lack is left out.
PRESETS = {
    "broad smile": (
        "Attractive", "Brown_Hair", "High_Cheekbones", "Mouth_Slightly_Open", "No_Beard", "Oval_Face", "Smiling",
        "Wavy_Hair", "Young",
    ),
    "grey hair, glasses": (
        "Bags_Under_Eyes", "Big_Nose", "Eyeglasses", "Goatee", "Gray_Hair", "Male", "Receding_Hairline",
    ),
    "dressed up": (
        "Arched_Eyebrows", "Attractive", "Black_Hair", "Heavy_Makeup", "No_Beard", "Wavy_Hair", "Wearing_Earrings",
        "Wearing_Lipstick", "Wearing_Necklace", "Young",
    ),
    "hat and beard": (
        "5_o_Clock_Shadow", "Black_Hair", "Bushy_Eyebrows", "Goatee", "Male", "Mustache", "Wearing_Hat", "Young",
    ),
    "bald, with a necktie": (
        "Bags_Under_Eyes", "Bald", "Big_Nose", "Chubby", "Double_Chin", "Male", "No_Beard", "Smiling",
        "Wearing_Necktie",
    ),
    "a contradiction": ("Bald", "Bangs", "Blond_Hair", "Gray_Hair", "No_Beard", "Young"),
}  # fmt: skip
MAJORITY = "majority of each"

CONTRADICTION, UNSEEN = "These contradict each other", "Φ never met these together"
EXPECTED = 20  # a pair that chance would give fewer faces than this may be missing by chance, too


@dataclass(frozen=True)
class Description:
    """The choices for faces with the attributes `names`; pairs and sets hold names."""

    names: tuple[str, ...]
    regions: dict[str, tuple[str, ...]]  # every name stands in one
    presets: dict[str, tuple[str, ...]]
    pairs: dict[str, tuple[tuple[str, str], ...]]  # what is wrong with two attributes together -> all such pairs

    def warnings(self, present):
        """What is wrong with a face that carries the names `present`: a list of sentences."""
        found = {
            said: [f"{readable(one)} and {readable(other)}" for one, other in pairs if {one, other} <= set(present)]
            for said, pairs in self.pairs.items()
        }
        return [f"{said}: {', '.join(both)}." for said, both in found.items() if both]


def describe(names, a):
    """The Description for attributes `names`, of which `a` (N, A) bool are the labels that Φ has learned from."""
    a, names = np.asarray(a, dtype=bool), tuple(names)
    there = set(names)
    majority = tuple(name for name, share in zip(names, a.mean(axis=0), strict=True) if share > 0.5)
    presets = {title: present for title, present in PRESETS.items() if there.issuperset(present)}
    contradictions = tuple(pair for pair in CONFLICTS if there.issuperset(pair))
    known, counts = {frozenset(pair) for pair in contradictions}, cooccurrence(a)
    unseen = tuple(
        (names[i], names[j])
        for i, j in combinations(range(len(names)), 2)
        if (chance := counts[i, i] * counts[j, j] / len(a)) > EXPECTED
        and counts[i, j] < NEVER * chance
        and frozenset((names[i], names[j])) not in known
    )
    return Description(
        names,
        dict(grouped(names)),
        presets | {MAJORITY: majority},
        {CONTRADICTION: contradictions, UNSEEN: unseen},
    )


def grouped(names):
    """Yield (region, its attributes among `names`) for each region that has any, each attribute in one of them."""
    for region, members in REGIONS.items():
        if here := tuple(name for name in names if name in members):
            yield region, here
    known = {name for members in REGIONS.values() for name in members}
    if other := tuple(name for name in names if name not in known):
        yield "other", other


def people(encoder, images, a, names):
    """The first `PEOPLE` people without contradicting labels, of images (N, 3, S, S) uint8 and labels `a` (N, A) bool.

    Returns their labels (P, A) bool and their embeddings z (P, Z), which is all that it takes to change them.
    """
    possible = np.flatnonzero(~impossible(a, names))[:PEOPLE]
    return a[possible], stages.embed(encoder, torch.from_numpy(np.array(images[possible]))).numpy()
