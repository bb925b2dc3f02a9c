"""The balancing player: its moments are those of the strategies, and what is drawn is what was counted."""

import json
import re

import numpy as np
import pytest

from lib import augmentation, data, toyfaces
from lib.attributes import CELEBA, impossible
from lib.players import balancing


@pytest.fixture(scope="module")
def a():
    """Labels of 300 drawn training faces."""
    return toyfaces.labels(300, start=data.TOY_STARTS["train"])


def widths(page):
    return [float(width) for width in re.findall(r'<span style="width:([\d.]+)%">', page)]


def test_moments_count_old_and_new_label_vectors(a):
    played = balancing.moments(a, CELEBA, "dynamic balancing", seed=3, n=12)
    a1, _ = augmentation.dynamic_balancing(a, len(a), np.random.default_rng(3))
    new = [moment.new for moment in played]
    assert (new[0], new[-1]) == (0, 300) and new == sorted(set(new))
    for moment in played:
        np.testing.assert_array_equal(moment.counts, a.sum(axis=0) + a1[: moment.new].sum(axis=0))
        assert moment.impossible == impossible(a1[: moment.new], CELEBA).sum()


def test_balancing_flattens_the_tail_and_makes_impossible_people(a):
    end = {strategy: balancing.moments(a, CELEBA, strategy)[-1] for strategy in balancing.STRATEGIES}
    spread = {strategy: moment.counts.std() for strategy, moment in end.items()}
    assert min(spread, key=spread.get) == "dynamic balancing" and max(spread, key=spread.get) == "random doubling"
    assert impossible(a, CELEBA).sum() < 10
    assert end["dynamic balancing"].impossible > 100 and end["dynamic balancing, no contradictions"].impossible == 0


def test_a_moment_in_words():
    moment = balancing.Moment(4, np.array([1, 3, 2000]), 1)
    counts = "4 new label vectors. Counts from 1 to 2,000, standard deviation 1,154."
    assert str(moment) == f"{counts} Impossible people among the new: 1 (25 %)."
    assert str(balancing.Moment(0, np.array([1, 3]), 0)).endswith("among the new: 0.")


def test_bars_stand_in_the_order_of_the_training_set_and_are_as_long_as_the_counts():
    start, end = balancing.Moment(0, np.array([1, 4]), 0), balancing.Moment(4, np.array([5, 4]), 0)
    page = balancing.tail_html(end, start, ["Rare", "Big_Nose"])
    assert re.findall(r'scope="row">([^<]*)<', page) == ["Big Nose", "Rare"]
    assert widths(page) == [50, 62.5]
    assert re.findall(r'<i style="left:([\d.]+)%">', page) == ["50.00", "12.50"]


def test_the_widget_shows_the_moment_that_is_chosen(a):
    player = balancing.BalancingPlayer(a, CELEBA)
    first = player.tail.value
    player.step.value = player.step.max
    assert player.moment.new == len(a) and player.tail.value != first
    assert str(player.moment) in player.words.value
    counts = np.sort(player.moment.counts)
    player.strategy.value = "random doubling"
    assert not np.array_equal(np.sort(player.moment.counts), counts) and str(player.moment) in player.words.value


def test_the_page_holds_every_moment_of_every_strategy(a):
    page = balancing.page(a, CELEBA)
    held = json.loads(re.search(r'<script type="application/json">(.*)</script>', page)[1])
    assert list(held) == list(balancing.STRATEGIES)
    for strategy, moments in held.items():
        played = balancing.moments(a, CELEBA, strategy)
        assert [moment["words"] for moment in moments] == list(map(str, played))
        assert moments[-1]["counts"] == played[-1].counts[balancing.tail_order(played[0])].tolist()
    assert f'max="{len(moments) - 1}"' in page
    assert f"Of the 300 label vectors of the training set {impossible(a, CELEBA).sum()} hold labels" in page
    assert widths(page)[0] == 50  # the most frequent one, before anything is added
