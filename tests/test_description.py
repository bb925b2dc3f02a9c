"""What the face explorer offers: every attribute in one region, sets that fit the data, warnings that are true."""

import numpy as np
import pytest

from lib import toyfaces
from lib.attributes import CELEBA
from lib.explorer.description import CONTRADICTION, MAJORITY, PRESETS, REGIONS, UNSEEN, describe

NAMES = ("Bald", "Smiling", "Bangs", "Round_Ears")


@pytest.fixture(scope="module")
def offered():
    return describe(CELEBA, toyfaces.labels(5000))


@pytest.mark.parametrize("names", [CELEBA, NAMES, ("Round_Ears",)])
def test_every_attribute_stands_in_one_region(names):
    regions = describe(names, np.eye(len(names), dtype=bool)).regions
    assert sorted(name for members in regions.values() for name in members) == sorted(names)
    assert all(regions.values())


def test_regions_and_presets_speak_of_celeba():
    assert {name for members in [*REGIONS.values(), *PRESETS.values()] for name in members} <= set(CELEBA)


def test_presets_that_do_not_fit_are_left_out(offered):
    assert list(offered.presets) == [*PRESETS, MAJORITY]
    few = describe(NAMES, [[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]])
    assert few.presets == {MAJORITY: ("Smiling", "Bangs")}


def test_the_one_preset_that_contradicts_itself_says_so(offered):
    wrong = [title for title, present in offered.presets.items() if offered.warnings(present)]
    assert wrong == ["a contradiction"]


def test_pairs_that_nobody_carries_are_told_from_contradictions(offered):
    (said,) = offered.warnings(["Goatee", "Young", "Wearing_Lipstick"])
    assert said == f"{UNSEEN}: Goatee and Wearing Lipstick."
    assert offered.warnings(["Bald", "Bangs", "Wavy_Hair"]) == [f"{CONTRADICTION}: Bald and Bangs, Bald and Wavy Hair."]
    assert offered.warnings(["Smiling", "Young"]) == []
    assert not set(offered.pairs[CONTRADICTION]) & set(offered.pairs[UNSEEN])


def test_a_pair_that_may_be_missing_by_chance_is_no_warning():
    rare = np.zeros((100, 2), dtype=bool)
    rare[:30, 0] = rare[70:, 1] = True  # chance would give 9 faces both
    assert describe(("Round_Ears", "Freckles"), rare).pairs[UNSEEN] == ()
    assert describe(("Round_Ears", "Freckles"), np.repeat(rare, 3, axis=0)).pairs[UNSEEN] == (
        ("Round_Ears", "Freckles"),
    )
