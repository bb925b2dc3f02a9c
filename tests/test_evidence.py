"""Facts about labels, and result tables found on disk."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from lib import attributes, config, evidence, toylabels
from lib.data import FaceData


@pytest.fixture(scope="module")
def faces():
    a = toylabels.labels(400)
    return FaceData(
        np.zeros((400, 3, 32, 32), np.uint8), a, attributes.CELEBA, np.repeat(["train", "test"], 200),
        np.arange(400).astype(str), "toy", "key",
    )  # fmt: skip


def test_label_facts_are_counts_of_the_augmented_set(faces):
    a = faces.attributes
    facts = evidence.label_facts(a, faces.names)
    i, j, k = (attributes.index(faces.names, name) for name in ("Attractive", "No_Beard", "Young"))
    assert facts["triple 1"] == (a[:, i] & a[:, j] & a[:, k]).sum()
    assert facts["triples"] == 9880
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
    assert evidence.label("triples")(real).value == 9880


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
            ("toy", "laptop", 90, "none"), ("faces", "laptop", 80, "none")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["data", "profile", "n_train", "arm"])
    runs = evidence.largest_runs(table)
    assert list(runs) == ["faces", "toy"]
    assert runs["toy"]["n_train"].tolist() == [80, 80]
