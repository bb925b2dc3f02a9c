"""The loss mixer: differences seed by seed, a word only where the interval is clear of 0, and nothing unmeasured."""

import re

import numpy as np
import pandas as pd
import pytest

from lib import config
from lib.players import losses


def ablation(**changes):
    """A table of three seeds; without a loss, whichever, measures change by what `changes` gives for each seed."""
    rows = []
    for seed in range(3):
        for variant in (losses.FULL, *(f"no {loss.name}" for loss in losses.LOSSES)):
            row = {"variant": variant, "seed": seed, "profile": "laptop", "mapping_steps": 1000}
            for measure in losses.MEASURES:
                off = 0 if variant == losses.FULL else changes.get(measure, [0, 0, 0])[seed]
                row[measure] = 1 + 10 * seed + off  # seeds differ more than variants do
            rows.append(row)
    return pd.DataFrame(rows)


def test_effects_are_differences_seed_by_seed():
    table = ablation(balanced_accuracy=[-0.1, -0.2, -0.3], l1=[0.1, -0.1, 0.3], detail=[2, 2.1, 1.9])
    effect = losses.effect(table, losses.LOSSES[0])
    row = effect.loc["balanced_accuracy"]
    assert (row.full, row.without, row.difference) == pytest.approx((11, 10.8, -0.2))
    reach = 4.302653 * 0.1 / np.sqrt(3)  # Student's t with two degrees of freedom
    assert (row.low, row.high) == pytest.approx((-0.2 - reach, -0.2 + reach))
    assert effect["verdict"].to_dict() == {
        "balanced_accuracy": "not certain", "l1": "not certain", "embedding_error": "not certain",
        "frechet_classifier": "not certain", "detail": "more",
    }  # fmt: skip


@pytest.mark.parametrize("sign, words", [(1, ("better", "worse", "more")), (-1, ("worse", "better", "less"))])
def test_verdicts_know_which_way_is_better(sign, words):
    change = sign * np.array([1, 1.01, 0.99])
    effect = losses.effect(ablation(balanced_accuracy=change, l1=change, detail=change), losses.LOSSES[4])
    assert tuple(effect.loc[["balanced_accuracy", "l1", "detail"], "verdict"]) == words


def test_a_seed_that_lacks_a_variant_is_left_out_and_a_missing_variant_is_named():
    table = ablation(l1=[1, 1.1, 5])
    lost = (table["variant"] == "no perceptual loss") & (table["seed"] == 2)
    assert losses.effect(table[~lost], losses.LOSSES[4]).loc["l1", "difference"] == pytest.approx(1.05)
    with pytest.raises(KeyError, match="no perceptual loss"):
        losses.effect(table[table["variant"] != "no perceptual loss"], losses.LOSSES[4])


def test_bars_of_a_measure_have_one_scale():
    page = losses.effect_html(ablation(l1=[1, 1.1, 0.9]), losses.LOSSES[0])
    left, width = map(float, re.findall(r"left:([\d.]+)%;width:([\d.]+)%", page)[1])
    assert left > 50 and left + width == pytest.approx(100, abs=0.2)
    page = losses.effect_html(ablation(l1=[-1, -1.1, -0.9]), losses.LOSSES[0])  # a loss is as wide as a gain
    left, width = map(float, re.findall(r"left:([\d.]+)%;width:([\d.]+)%", page)[1])
    assert left == pytest.approx(0, abs=0.2) and width < 50


def test_the_widget_shows_what_is_switched_off():
    table = pd.read_csv(config.ROOT / "data" / "results" / "ablation.csv")
    mixer = losses.LossMixer(table)
    assert "verdict" not in mixer.shown.value
    for loss in losses.LOSSES:  # all of them were measured
        mixer.off.value = loss
        effect = losses.effect(table, loss)
        assert f"Without the {loss.name}" in mixer.shown.value
        assert re.findall(r"<td>(better|worse|more|less|not certain)</td>", mixer.shown.value) == list(
            effect["verdict"]
        )


def test_the_page_holds_a_table_for_each_choice():
    page = losses.page(ablation())
    assert page.count('type="radio"') == page.count('class="effect"') == len(losses.LOSSES) + 1
    assert page.count("checked") == 1 and losses.MEASURED in page
