"""Facts about labels, and result tables found on disk."""

import dataclasses
import itertools

import face_folders
import numpy as np
import pandas as pd
import pytest

from lib import attributes, augmentation, config, toyfaces
from lib.data import FaceData
from lib.study import claims, evidence


@pytest.fixture(scope="module")
def faces():
    a = toyfaces.labels(400)
    return FaceData(
        np.zeros((400, 3, 32, 32), np.uint8), a, attributes.CELEBA, np.repeat(["train", "test"], 200),
        np.arange(400).astype(str), "toy", "key",
    )  # fmt: skip


def test_a_staircase_stands_in_order_with_each_steps_own_gain():
    rows = [("c", "a", 0.04, 0.01, 0.07), ("b", "a", 0.01, -0.01, 0.03), ("c", "b", 0.03, 0.02, 0.04),
            ("b", "-", 0.8, 0.7, 0.9), ("a", "a", 0.0, 0.0, 0.0)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["arm", "over", "difference", "low", "high"]).assign(
        metric="balanced_accuracy_tuned", group="staircase", n_train=8, attributes=40, protocol="chosen steps", mean=0.8
    )
    steps = evidence.staircase(table, ("a", "b", "c"))
    assert list(steps["arm"]) == ["b", "c"]
    assert steps[["value", "low", "high"]].to_numpy() == pytest.approx(np.array([[1, -1, 3], [4, 1, 7]]))
    assert steps[["step", "step_low", "step_high"]].to_numpy() == pytest.approx(np.array([[1, -1, 3], [3, 2, 4]]))
    with pytest.raises(evidence.Missing):
        evidence.staircase(table, ("a", "c", "b"))


def test_label_facts_are_counts_of_the_augmented_set(faces):
    a = faces.attributes
    facts = evidence.label_facts(a, faces.names)
    i, j, k = (attributes.index(faces.names, name) for name in ("Attractive", "No_Beard", "Young"))
    assert facts["triple 1"] == (a[:, i] & a[:, j] & a[:, k]).sum()
    together = [a[:, list(three)].all(axis=1).any() for three in itertools.combinations(range(40), 3)]
    assert facts["triples"] == sum(together) < 9880
    doubled = np.vstack([a, augmentation.random_doubling(a, np.random.default_rng(0))]).sum(axis=0)
    assert facts["doubled"] == 100 * np.mean(np.abs(doubled / a.sum(axis=0).clip(1) - 2) <= 0.2)
    assert facts["std change"] == facts["std, balancing"] - facts["std, doubling"] < 0
    assert facts["minimum, balancing"] > facts["minimum, doubling"]
    assert facts["maximum, doubling"] > a.sum(axis=0).max()
    assert facts["std, every face twice"] == pytest.approx(2 * a.sum(axis=0).std(ddof=1)) == 2 * facts["std, none"]
    assert facts["std, balancing"] < facts["std, balancing, ranks fixed"]
    assert facts["impossible rows, balancing"] > facts["impossible rows, every face twice"]
    assert facts["impossible rows, balancing, no conflicts"] == 0


def test_label_facts_are_saved_with_their_recipe_and_found_again(faces, tmp_path):
    run = config.Run(config.PROFILES["ci"], "toy", 0, tmp_path / "toy" / "ci")
    evidence.save_label_facts(run, faces)
    results = evidence.read_results(run.folder / "results", tmp_path / "nowhere")
    assert set(results) == {"labels"}
    assert (results["labels"]["n_train"] == 200).all() and (results["labels"]["data"] == "toy").all()
    with pytest.raises(evidence.Untestable, match="drawn faces"):
        evidence.label("triple 1")(results)
    real = {"labels": results["labels"].assign(data="celeba")}
    assert evidence.label("triples")(real).value < 9880


def test_every_claim_about_labels_asks_for_a_fact_that_is_measured(faces, tmp_path):
    """A misspelt fact would stay "not measured yet" for ever. CelebA's own list adds the sizes of its splits."""
    face_folders.celeba(tmp_path / "celeba", n=20)
    run = config.Run(config.PROFILES["ci"], str(tmp_path / "celeba"), 0, tmp_path / "runs")
    facts = evidence.save_label_facts(run, faces).set_index("fact")["value"]
    assert facts["faces for validation"] == facts["faces for test"] == 2
    measures = [claim.measure for claim in claims.CLAIMS if claim.measure.__code__.co_freevars == ("fact",)]
    asked = {measure.__closure__[0].cell_contents for measure in measures}
    assert len(asked) > 10 and asked <= set(facts.index)


def test_other_attributes_have_no_such_facts(faces, tmp_path):
    other = dataclasses.replace(faces, attributes=faces.attributes[:, :2], names=("Happy", "Hat"))
    run = config.Run(config.PROFILES["ci"], "toy", 0, tmp_path)
    assert evidence.save_label_facts(run, other) is None and not any(tmp_path.iterdir())


def test_tables_of_several_folders_are_joined(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pd.DataFrame({"data": [name]}).to_csv(tmp_path / name / "recognition.csv", index=False)
    joined = evidence.read_results(tmp_path / "a", tmp_path / "b")
    assert joined["recognition"]["data"].tolist() == ["a", "b"]


def test_readings_stand_beside_each_other(faces):
    table = evidence.readings(evidence.label_facts(faces.attributes, faces.names))
    expected = table.loc["balancing", "maximum"] - table.loc["doubling", "maximum"]
    assert table.loc["balancing", "maximum, change"] == expected < 0
    assert np.isnan(table.loc["every face twice", "maximum, change"])


def test_of_each_data_set_the_largest_run_is_shown_real_faces_first():
    rows = [("toy", "ci", 10, "none"), ("toy", "laptop", 80, "none"), ("toy", "laptop", 80, "flip 2x"),
            ("toy", "laptop", 90, "none"), ("zoo", "laptop", 80, "none")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["data", "profile", "n_train", "arm"])
    runs = evidence.largest_runs(table)
    assert list(runs) == ["zoo", "toy"]
    assert runs["toy"]["n_train"].tolist() == [80, 80]


def test_points_are_percent_of_one_protocol_without_the_arm_compared_with():
    rows = [("none", "none", 0.0, "same steps", 40), ("flip 2x", "none", 0.02, "same steps", 40),
            ("flip 2x", "none", 0.05, "same epochs", 40), ("flip 2x", "none", 0.07, "same steps", 13),
            ("none", "-", 0.8, "same steps", 40), ("flip 2x", "-", 0.82, "same steps", 40)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["arm", "over", "difference", "protocol", "attributes"])
    table = table.assign(mean=table["difference"], low=table["difference"] - 0.01, high=table["difference"] + 0.01,
                         metric="accuracy", group="g", n_train=9)  # fmt: skip
    gains = evidence.points(table, "accuracy")
    assert gains[["arm", "value", "low", "high"]].values.tolist() == [["flip 2x", 2.0, 1.0, 3.0]]
    assert evidence.points(table, "accuracy", None)["value"].tolist() == [80.0, 82.0]
    assert evidence.points(table, "accuracy", protocol="same epochs")["value"].tolist() == [5.0]
    assert evidence.points(table, "accuracy", attributes=13)["value"].round(6).tolist() == [7.0]
    assert evidence.in_words(gains) == "1 of 1 surely better, 0 surely worse; best: flip 2x, +2.0 [+1.0, +3.0]"
    assert evidence.in_words(gains[:0]) == "not run"


def test_ours_stands_beside_the_printed():
    rows = [(arm, over, metric, 0.01 * (arm == "flip 2x") + 0.5 * (over == "-"))
            for arm in ("none", "flip 2x") for over in ("-", "none")
            for metric in ("accuracy", "balanced_accuracy", "balanced_accuracy_tuned")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["arm", "over", "metric", "difference"])
    table = table.assign(mean=table["difference"], low=table["difference"], high=table["difference"], group="g",
                         n_train=9, protocol="same steps", attributes=40)  # fmt: skip
    beside = evidence.beside(table, {"flip 2x": 83.9, "balancing": 91.1})
    assert list(beside.index) == ["none", "flip 2x"]
    assert beside.loc["flip 2x", ["printed, %", "accuracy, %"]].tolist() == [83.9, 51.0]
    assert beside.loc["flip 2x", "accuracy: points over none"] == "+1.0 [+1.0, +1.0]"
    assert np.isnan(beside.loc["none", "printed, %"])


def of_systems(**columns):
    table = pd.DataFrame(columns).assign(data="toy", profile="laptop", n_train=100, attributes=40, commit="abc")
    return pd.concat([table, table.assign(n_train=10, system="other")], ignore_index=True)  # and a smaller run


def test_distances_and_operations_are_told_in_times():
    table = of_systems(
        system=["ours", "ours", "StarGAN", "StarGAN"],
        seed=[0, 1, 0, 1],
        frechet_classifier=[1.0, 3.0, 2.0, 24.0],
    )
    times = evidence.times_as_far("StarGAN", "ours")({"table1": table})
    assert times.value == pytest.approx(4) and "n_train 100" in times.recipe
    assert times.recipe.endswith("seeds 2")
    reach = 12.706 * np.log(2)  # Student's t with one degree of freedom, times half the distance of two logarithms
    assert (times.low, times.high) == pytest.approx((4 * np.exp(-reach), 4 * np.exp(reach)), rel=1e-3)
    inverse = evidence.times_as_far("ours", "StarGAN")({"table1": table})
    assert inverse.value == pytest.approx(1 / 4)
    alone = evidence.times_as_far("StarGAN", "ours")({"table1": table[table["seed"] == 0]})
    assert (alone.value, alone.low, alone.high) == (pytest.approx(2), 0, np.inf)
    with pytest.raises(evidence.Missing):
        evidence.times_as_far("DCGAN", "ours")({"table1": table})
    strangers = table[(table["seed"] == 0) == (table["system"] == "StarGAN")]
    with pytest.raises(evidence.Missing):  # each has a seed of its own
        evidence.times_as_far("StarGAN", "ours")({"table1": strangers})
    cost = of_systems(system=["ours, classifier", "ours, Φ", "StarGAN"], published_tflop=[1.0, 1.0, 5.0])
    assert evidence.training_times("StarGAN", "ours, classifier", "ours, Φ")({"cost": cost}).value == 2.5
    with pytest.raises(evidence.Missing):
        evidence.training_times("StarGAN", "ours, all stages")({"cost": cost})


def test_a_larger_run_without_the_system_does_not_hide_the_one_that_has_it():
    table = of_systems(system=["ours", "StarGAN"], seed=[0, 0], frechet_classifier=[1.0, 2.0])
    larger = table[table["system"] == "ours"].assign(n_train=1_000)
    cost = of_systems(system=["ours, Φ", "StarGAN"], published_tflop=[1.0, 5.0])
    dearer = cost[cost["system"] == "StarGAN"].assign(n_train=1_000)
    results = {"table1": pd.concat([table, larger]), "cost": pd.concat([cost, dearer])}
    assert evidence.times_as_far("StarGAN", "ours")(results).value == pytest.approx(2)
    assert evidence.training_times("StarGAN", "ours, Φ")(results).value == 5


def test_generators_are_one_more_uncertainty_beside_faces_and_seeds():
    """Half widths by hand: Student's of -2.9, -2.8, -2.7 is 4.303 * 0.1 / sqrt(3), that of faces and seeds 0.4."""
    rows = [(-2.9, -3.3, -2.5), (-2.8, -3.2, -2.4), (-2.7, -3.1, -2.3)]
    value, low, high = evidence.over_generators(pd.DataFrame(rows, columns=["value", "low", "high"]))
    reach = np.hypot(4.30265 * 0.1 / np.sqrt(3), 0.4)
    assert (value, low, high) == pytest.approx((-2.8, -2.8 - reach, -2.8 + reach), abs=1e-4)
