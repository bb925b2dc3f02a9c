"""Verdicts follow from intervals alone, and the ledger makes do with whatever results there are."""

import pandas as pd
import pytest

from lib import claims, config, evidence
from lib.arms import ARMS
from lib.evidence import Measured


def measured(low, high):
    return Measured((low + high) / 2, low, high, "")


@pytest.mark.parametrize(
    "printed, low, high, verdict",
    [
        (10, 8, 12, "holds"),
        (10, 12, 14, "holds"),  # more than printed
        (10, 1, 9, "holds weaker"),
        (10, -1, 12, "does not hold"),  # nobody can tell it from zero
        (10, -3, -1, "does not hold"),
        (-10, -12, -8, "holds"),
        (-10, -9, -1, "holds weaker"),
        (-10, -12, 1, "does not hold"),
        (-10, 8, 12, "does not hold"),
    ],
)
def test_a_gain_needs_its_direction_and_its_size(printed, low, high, verdict):
    assert claims.as_gain(printed, measured(low, high)) == verdict


@pytest.mark.parametrize("low, high, verdict", [(-2, -1, "holds"), (-1, 1, "holds"), (0.1, 1, "does not hold")])
def test_no_gain_is_refuted_by_a_certain_gain_only(low, high, verdict):
    assert claims.as_no_gain(0.0, measured(low, high)) == verdict


@pytest.mark.parametrize(
    "low, high, verdict",
    [(95, 105, "holds"), (99.1, 99.1, "holds"), (98.9, 98.9, "does not hold"), (102, 110, "does not hold")],
)
def test_a_value_may_be_off_by_its_rounding(low, high, verdict):
    assert claims.as_value(100, measured(low, high)) == verdict


@pytest.mark.parametrize("low, high, verdict", [(50, 60, "holds"), (49, 60, "does not hold")])
def test_most_means_the_whole_interval(low, high, verdict):
    assert claims.at_least(50, measured(low, high)) == verdict


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
    claim = "accuracy without augmentation, %"
    for data, verdict in (("toy", "cannot be tested here"), ("celeba", "holds")):
        results = {"recognition_differences": differences(("none", "-", 0.81, 0.80, 0.82), data=data)}
        results["recognition_differences"]["mean"] = 0.81
        assert row(claims.ledger(results), claim)["verdict"].startswith(verdict)


def test_shares_of_attributes_leave_doubt_on_both_sides():
    table = pd.DataFrame({"low": [0.1, -0.1, -0.1, -0.3], "high": [0.2, 0.2, 0.1, -0.1],
                          "difference": [0.15, 0.05, -0.01, -0.2]}).assign(
        arm="balancing", over="none", data="toy", profile="ci", n_train=1, attributes=4, protocol="same steps",
    )  # fmt: skip
    ours = evidence.share_improved("balancing")({"recognition_per_attribute": table})
    assert (ours.value, ours.low, ours.high) == (50, 25, 75)


def test_the_size_is_the_one_that_validation_chooses():
    arms = {"none": (100, 0.9), "balancing 1.5x": (150, 0.95), "balancing": (200, 0.94), "balancing 3x": (300, 0.9)}
    table = pd.DataFrame([(arm, n, val) for arm, (n, val) in arms.items()], columns=["arm", "n_images", "accuracy_val"])
    table = table.assign(data="toy", profile="ci", n_train=100, attributes=40, protocol="same steps")
    assert evidence.chosen_size({"recognition": table}).value == 1.5
    with pytest.raises(evidence.Missing):
        evidence.chosen_size({"recognition": table[:2]})


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


def test_rows_of_another_generator_do_not_mix_with_newer_ones(tmp_path):
    older = differences(("balancing", "none", -0.2, -0.3, -0.1), ("doubling", "none", 0, 0, 0)).assign(study="old")
    elsewhere = differences(("balancing", "none", 0.1, 0, 0.2), data="faces64").assign(study="other")
    newer = differences(("balancing", "none", 0.2, 0.1, 0.3)).assign(study="01234567")
    for name, tables in (("run", [newer]), ("published", [older, elsewhere])):
        (tmp_path / name).mkdir()
        pd.concat(tables).to_csv(tmp_path / name / "recognition_differences.csv", index=False)
    table = evidence.read_results(tmp_path / "run", tmp_path / "published")["recognition_differences"]
    assert set(zip(table["data"], table["arm"], table["study"], strict=True)) == {
        ("toy", "balancing", "01234567"), ("faces64", "balancing", "other"),
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
    claims.main()
    assert (tmp_path / "data" / "results" / "claims.csv").exists()


def test_of_single_attributes_only_what_is_read_is_published(tmp_path):
    rows = [("balancing", "none"), ("balancing", "doubling"), ("flip 2x", "none"), ("flip 2x", "doubling")]
    table = pd.DataFrame(rows, columns=["arm", "over"]).assign(
        attribute="Hat", difference=0.1, low=0.0, high=0.2, data="toy", profile="laptop", n_train=1, attributes=40,
        protocol="same steps", seeds=3, commit="abc",
    )  # fmt: skip
    table = pd.concat([table, table.assign(protocol="same epochs")])
    claims.publish({"recognition_per_attribute": table}, tmp_path)
    stored = pd.read_csv(tmp_path / "recognition_per_attribute.csv")
    assert list(zip(stored["arm"], stored["over"], strict=True)) == rows[:3]
    assert set(stored["protocol"]) == {"same steps"}
