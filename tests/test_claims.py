"""Verdicts follow from intervals alone, and the ledger makes do with whatever results there are."""

import pandas as pd
import pytest

from lib import config
from lib.study import claims, evidence
from lib.study.arms import ARMS
from lib.study.evidence import Measured


def measured(low, high):
    return Measured((low + high) / 2, low, high, "")


@pytest.mark.parametrize(
    "printed, low, high, verdict",
    [
        (10, 8, 12, "holds"),
        (10, 12, 14, "holds"),  # more than printed
        (10, 1, 9, "holds weaker"),
        (10, -1, 9, "does not hold"),  # nobody can tell it from zero, and it is less than printed
        (10, -1, 12, "undecided"),
        (10, -3, -1, "does not hold"),
        (-10, -12, -8, "holds"),
        (-10, -9, -1, "holds weaker"),
        (-10, -9, 1, "does not hold"),
        (-10, -12, 1, "undecided"),
        (-10, 8, 12, "does not hold"),
    ],
)
def test_a_gain_needs_its_direction_and_its_size(printed, low, high, verdict):
    assert claims.as_gain(printed, measured(low, high)) == verdict


@pytest.mark.parametrize(
    "low, high, verdict", [(-2, -1, "holds"), (-1, 1, "undecided"), (-1, 0, "undecided"), (0.1, 1, "does not hold")]
)
def test_no_gain_needs_a_certain_answer(low, high, verdict):
    assert claims.as_no_gain(0.0, measured(low, high)) == verdict


@pytest.mark.parametrize(
    "printed, low, high, verdict",
    [
        (80.9, 75, 85, "holds"),
        (80.9, 80.86, 80.86, "holds"),
        (80.9, 80.8, 80.8, "does not hold"),
        (2.0, 1.5, 1.5, "does not hold"),
        (71_000, 71_499, 71_499, "holds"),  # "71k"
        (71_000, 71_501, 71_501, "does not hold"),
        (19_962, 19_962, 19_962, "holds"),
        (19_962, 19_961, 19_961, "does not hold"),
    ],
)
def test_a_value_may_be_off_by_its_rounding(printed, low, high, verdict):
    assert claims.as_value(printed, measured(low, high)) == verdict


@pytest.mark.parametrize(
    "low, high, verdict", [(2, 2, "holds"), (1, 2, "undecided"), (1, 1.5, "does not hold"), (3, 3, "does not hold")]
)
def test_a_choice_holds_if_all_seeds_make_it(low, high, verdict):
    assert claims.as_choice(2.0, measured(low, high)) == verdict


@pytest.mark.parametrize(
    "low, high, verdict",
    [
        (51, 60, "holds"),
        (50, 60, "undecided"),
        (40, 50, "undecided"),
        (40, 49, "does not hold"),
        (50, 50, "does not hold"),
    ],
)
def test_most_is_more_than_half(low, high, verdict):
    assert claims.more_than(50, measured(low, high)) == verdict


def differences(*rows, data="toy", n_train=100, attributes=40):
    table = pd.DataFrame(rows, columns=["arm", "over", "difference", "low", "high"])
    return table.assign(
        metric="accuracy", mean=0.8, data=data, profile="laptop", n_train=n_train, attributes=attributes,
        protocol="same steps", seeds=3, commit="abc",
    )  # fmt: skip


def row(ledger, claim):
    return ledger.set_index("claim").loc[claim]


GAIN = "gain of balancing, points"


def test_without_results_nothing_is_measured_and_nothing_fails():
    ledger = claims.ledger({})
    assert tuple(ledger.columns) == claims.COLUMNS
    assert len(ledger) >= 20
    assert set(ledger["verdict"].str.partition(":")[0]) == {"not measured yet", "cannot be tested here"}
    assert ledger[["ours", "low", "high", "recipe"]].isna().all(axis=None)
    assert {"Fig. 1", "Fig. 9", "Fig. 10", "Table 1", "Table 2", "Table 3", "Table 4"} <= set(ledger["section"])


def test_a_measured_gain_gets_value_verdict_and_recipe():
    results = {"recognition_differences": differences(("balancing", "none", 0.02, 0.01, 0.03))}
    ours = row(claims.ledger(results), GAIN)
    assert ours[["ours", "low", "high"]].tolist() == pytest.approx([2, 1, 3])
    assert ours["verdict"] == "holds weaker"
    assert ours["recipe"] == "data toy, profile laptop, n_train 100, seeds 3, commit abc"
    assert row(claims.ledger(results), "balancing over doubling, points")["verdict"] == "not measured yet"


def test_real_faces_speak_before_drawn_ones_and_many_before_few():
    better, worse = ("balancing", "none", 0.2, 0.1, 0.3), ("balancing", "none", -0.2, -0.3, -0.1)
    tables = [
        differences(worse, data="faces", n_train=50),
        differences(better, data="faces", n_train=100),
        differences(worse, data="faces", n_train=100, attributes=13),
        differences(worse, data="toy", n_train=1000),
    ]
    assert row(claims.ledger({"recognition_differences": pd.concat(tables, ignore_index=True)}), GAIN)["ours"] == 20


def test_accuracies_on_drawn_faces_are_not_compared_with_printed_ones():
    bound, claim = ("accuracy without augmentation, % (a smaller scale than the paper's can only be worse)",
                    "accuracy with dynamic balancing, double, %")  # fmt: skip
    untestable = "cannot be tested here"
    for data, profile, verdicts in (
        ("toy", "paper", (untestable, untestable)), ("celeba", "laptop", ("does not hold", untestable)),
        ("celeba", "paper", ("does not hold", "holds")),
    ):  # fmt: skip
        table = differences(("none", "-", 0.91, 0.90, 0.92), ("balancing", "-", 0.91, 0.90, 0.92), data=data)
        ledger = claims.ledger({"recognition_differences": table.assign(mean=0.91, profile=profile)})
        for name, verdict in zip((bound, claim), verdicts, strict=True):
            assert row(ledger, name)["verdict"].startswith(verdict)


def test_the_other_protocol_has_a_verdict_of_its_own():
    steps = differences(("balancing", "none", 0.02, 0.01, 0.03))
    epochs = differences(("balancing", "none", 0.2, 0.1, 0.3)).assign(protocol="same epochs")
    for table, verdicts in (
        (steps, ["holds weaker", ""]),
        (pd.concat([steps, epochs], ignore_index=True), ["holds weaker", "holds"]),
    ):
        ours = row(claims.ledger({"recognition_differences": table}), GAIN)
        assert ours[["verdict", "same_epochs"]].tolist() == verdicts and ours["ours"] == pytest.approx(2)


def test_shares_of_attributes_leave_doubt_on_both_sides():
    table = pd.DataFrame({"low": [0.1, -0.1, -0.1, -0.3], "high": [0.2, 0.2, 0.1, -0.1],
                          "difference": [0.15, 0.05, -0.01, -0.2]}).assign(
        arm="balancing", over="none", data="toy", profile="ci", n_train=1, attributes=4, protocol="same steps",
    )  # fmt: skip
    ours = evidence.share_improved("balancing")({"recognition_per_attribute": table})
    assert (ours.value, ours.low, ours.high) == (50, 25, 75)
    wider = table.assign(low_all=table["low"] - 0.2, high_all=table["high"] + 0.2)
    both = pd.concat([wider, wider.assign(low_all=None, high_all=None, n_train=0)], ignore_index=True)
    ours = evidence.share_improved("balancing")({"recognition_per_attribute": both})
    assert (ours.value, ours.low, ours.high) == (50, 0, 100)


def test_the_size_is_the_one_that_validation_chooses():
    arms = {"none": (100, 0.9, 0.8), "balancing 1.5x": (150, 0.95, 0.9), "balancing": (200, 0.94, 0.8),
            "balancing 3x": (300, 0.9, 0.95)}  # fmt: skip
    table = pd.DataFrame(arms, index=["n_images", "accuracy_val", "accuracy"]).T.rename_axis("arm").reset_index()
    table = table.assign(data="toy", profile="ci", n_train=100, attributes=40, protocol="same steps", seed=0)
    other = table.assign(seed=1, accuracy_val=[0.9, 0.91, 0.93, 0.9])
    both = {"recognition": pd.concat([table, other], ignore_index=True)}
    ours = evidence.chosen_size(both)
    assert (ours.value, ours.low, ours.high) == (2.0, 1.5, 2.0)
    on_test = evidence.best_size_on_test(both)
    assert (on_test.value, on_test.low, on_test.high) == (1.0, 1.0, 1.5)
    larger = table[:2].assign(n_train=1000)  # of which two sizes alone were tried: nothing can be chosen there
    assert evidence.chosen_size({"recognition": pd.concat([both["recognition"], larger], ignore_index=True)}) == ours
    with pytest.raises(evidence.Missing):
        evidence.chosen_size({"recognition": table[:2]})


def test_no_number_without_an_interval_becomes_a_verdict():
    with pytest.raises(ValueError, match="no interval around 1"):
        Measured(1, float("nan"), 2, "")


def test_every_claim_asks_for_arms_that_exist():
    """A misspelt arm would stay "not measured yet" for ever."""
    asked = {cell for claim in claims.CLAIMS for cell in closure(claim.measure)}
    assert {"balancing", "none", "flip 4x", "balancing, 3 rounds"} <= asked
    assert asked - {"-"} <= set(ARMS)


def closure(measure):
    """The values of `arm` and `over` that a measure was made with."""
    cells = dict(zip(measure.__code__.co_freevars, measure.__closure__ or (), strict=True))
    return [cells[name].cell_contents for name in ("arm", "over") if name in cells]


def test_published_tables_come_back_and_the_newer_row_counts(tmp_path):
    old = {
        "recognition_differences": differences(("balancing", "none", -0.2, -0.3, -0.1), ("doubling", "none", 0, 0, 0))
    }
    claims.publish(old, tmp_path / "data")
    (tmp_path / "run").mkdir()
    differences(("balancing", "none", 0.2, 0.1, 0.3)).to_csv(
        tmp_path / "run" / "recognition_differences.csv", index=False
    )
    results = evidence.read_results(tmp_path / "run", tmp_path / "data")
    assert len(results["recognition_differences"]) == 2
    ledger = claims.publish(results, tmp_path / "data")
    assert row(ledger, GAIN)["verdict"] == "holds"
    stored = pd.read_csv(tmp_path / "data" / "claims.csv")
    assert tuple(stored.columns) == claims.COLUMNS
    assert stored["verdict"].tolist() == ledger["verdict"].tolist()


def test_rows_of_two_generators_do_not_mix_the_study_of_more_arms_counts_then_the_newer(tmp_path):
    older = differences(("balancing", "none", -0.2, -0.3, -0.1)).assign(study="old")
    larger = differences(("none", "none", 0, 0, 0), ("balancing", "none", 0.3, 0.2, 0.4))
    larger = larger.assign(study="large", protocol="same epochs")
    few = differences(("balancing", "none", 0.9, 0.8, 1.0)).assign(study="few", protocol="same epochs")
    elsewhere = differences(("balancing", "none", 0.1, 0, 0.2), data="faces64").assign(study="other")
    newer = differences(("balancing", "none", 0.2, 0.1, 0.3)).assign(study="01234567")
    for name, tables in (("run", [newer, few]), ("published", [older, elsewhere, larger])):
        (tmp_path / name).mkdir()
        pd.concat(tables).to_csv(tmp_path / name / "recognition_differences.csv", index=False)
    table = evidence.read_results(tmp_path / "run", tmp_path / "published")["recognition_differences"]
    assert set(zip(table["data"], table["arm"], table["study"], strict=True)) == {
        ("toy", "balancing", "01234567"), ("faces64", "balancing", "other"),
        ("toy", "none", "large"), ("toy", "balancing", "large"),
    }  # fmt: skip


def test_runs_on_other_attributes_are_not_published(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(config, "ROOT", tmp_path)
    results = tmp_path / "runs" / "mine" / "laptop" / "results"
    results.mkdir(parents=True)
    differences(("balancing", "none", 0.2, 0.1, 0.3), data="mine").to_csv(
        results / "recognition_differences.csv", index=False
    )
    claims.main()
    assert "nothing to publish" in capsys.readouterr().out and not (tmp_path / "data").exists()
    label = pd.DataFrame({"fact": ["triples"], "value": [9880.0], "data": "toy", "profile": "laptop", "n_train": 9})
    label.to_csv(results / "labels.csv", index=False)
    tiny = tmp_path / "runs" / "mine" / "ci" / "results"
    tiny.mkdir(parents=True)
    label.assign(profile="ci").to_csv(tiny / "labels.csv", index=False)
    claims.main()
    assert (tmp_path / "data" / "results" / "claims.csv").exists()
    assert set(pd.read_csv(tmp_path / "data" / "results" / "labels.csv")["profile"]) == {"laptop"}


def test_of_single_attributes_only_what_is_read_is_published(tmp_path):
    rows = [("balancing", "none"), ("balancing", "doubling"), ("flip 2x", "none"), ("flip 2x", "doubling")]
    table = pd.DataFrame(rows, columns=["arm", "over"]).assign(
        attribute="Hat", difference=0.1, low=0.0, high=0.2, data="toy", profile="laptop", n_train=1, attributes=40,
        protocol="same steps", seeds=3, commit="abc",
    )  # fmt: skip
    claims.publish({"recognition_per_attribute": table}, tmp_path)
    stored = pd.read_csv(tmp_path / "recognition_per_attribute.csv")
    assert list(zip(stored["arm"], stored["over"], strict=True)) == rows[:3]


def test_a_quotient_of_rounded_counts_is_no_rounded_quotient():
    verdict = claims.as_quotient((71_000, 1_000), (2_000, 1_000))  # 70.5 / 2.5 to 71.5 / 1.5
    for ours, said in ((28.1, "does not hold"), (28.3, "holds"), (47.6, "holds"), (47.7, "does not hold")):
        assert verdict(35, measured(ours, ours)) == said


def test_a_change_of_counts_is_judged_as_a_gain():
    by_claim = {claim.claim: claim for claim in claims.CLAIMS}
    claim = by_claim["change of the smallest count by balancing instead of doubling"]
    assert [claim.verdict(claim.printed, measured(v, v)) for v in (70_000, 1_000, -5)] == [
        "holds", "holds weaker", "does not hold"
    ]  # fmt: skip
