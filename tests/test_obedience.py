"""What the table of obedience says about faces that obey, that do not, and that are the real ones."""

import numpy as np
import pandas as pd
import pytest
from small import small_profile

from benchmarks import obedience
from lib import augmentation, config
from lib.attributes import CELEBA
from lib.data import FaceData


@pytest.fixture
def part():
    a = np.random.default_rng(0).random((200, 3)) < (0.5, 0.2, 0.8)
    names, split = ("Smiling", "Bald", "Young"), np.repeat("test", 200)
    return FaceData(np.zeros((200, 3, 32, 32), np.uint8), a, names, split, np.arange(200).astype(str), "noise", "noise")


def test_answers_for_all_attributes_and_for_each(part):
    logits = np.where(part.attributes, 1.0, -1.0)
    logits[:, 1] = -1  # never sees a bald one
    table = obedience.answers(part, logits).set_index("attribute")
    assert list(table.index) == ["all", *part.names]
    assert table.loc["Bald", "balanced_accuracy"] == 0.5 and table.loc["Smiling", "balanced_accuracy"] == 1
    assert table.loc["all", "balanced_accuracy"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert table["positives_seen"].tolist() == pytest.approx([2 / 3, 1, 0, 1])
    low, value, high = table.loc["all", ["accuracy_low", "accuracy", "accuracy_high"]]
    assert low < value < high


def test_balanced_labels_are_those_of_the_study(part):
    asked, n = obedience.balanced(part, 50), len(part)
    a, rows = augmentation.dynamic_balancing(part.attributes, n, np.random.default_rng(0))
    assert np.array_equal(asked.attributes, a[::4]) and np.array_equal(asked.files, part.files[rows[::4]])
    assert asked.attributes[:, 1].mean() > part.attributes[:, 1].mean()  # the rarest one


def test_one_command_measures_and_keeps_other_data(tmp_path, monkeypatch):
    data = config.DataConfig(size=32, train=48, val=16, test=16)
    monkeypatch.setitem(config.PROFILES, "ci", small_profile(data=data))
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    path = tmp_path / "toy" / "ci" / "results" / "obedience.csv"
    path.parent.mkdir(parents=True)
    faces = ["kept", "kept, too", "replaced"]
    old = {"data": ["faces", "toy", "toy"], "profile": ["ci", "toy64", "ci"], "faces": faces}
    pd.DataFrame(old).to_csv(path, index=False)
    obedience.main(["toy", "--profile", "ci", "--seeds", "0", "1"])
    table = pd.read_csv(path)
    assert {"kept", "kept, too"} < set(table["faces"]) and "replaced" not in set(table["faces"])
    whole = table[(table["attribute"] == "all") & (table["data"] == "toy")].set_index(["faces", "seed"])
    kinds = ["majority answer", "real faces", "reconstructions", "training mean face"]
    of_each = (obedience.GENERATED, obedience.LEARNT, obedience.BALANCED)
    generated = [(kind, seed) for seed in (0, 1) for kind in of_each]
    assert list(whole.index) == [(kind, 0) for kind in kinds] + generated
    assert (table["attribute"].value_counts().loc[list(CELEBA)] == len(whole)).all()
    assert whole.loc["real faces", "l1"].item() == 0 < whole.loc["reconstructions", "l1"].item()
    assert whole.loc["majority answer", "balanced_accuracy"].item() == 0.5
    assert whole.loc["training mean face", "distinct"].item() == 1
    assert whole["l1"].isna()[obedience.BALANCED].all() and whole["positives_seen"].between(0, 1).all()
    assert {"commit", "n_train", "n_test", "judge", "extractor", "n_real"} <= set(table.columns)
    assert len(list(tmp_path.glob("toy/ci/autoencoder-*"))) == 2  # a seed trains the whole generator
