"""The oracle learns from plenty, and from nobody that a generator of the run may have met."""

import dataclasses

import numpy as np
import pytest
import torch

from lib import config, data, metrics, oracle, stages
from lib.data import FaceData
from lib.study import recogniser


@pytest.fixture
def run(tmp_path):
    return config.Run(config.PROFILES["ci"], "toy", 0, tmp_path / "toy" / "ci")


def test_it_learns_and_is_one_for_all_seeds(run):
    faces = data.load(run)
    test = faces.part("test")
    trained = oracle.oracle(run, faces)
    report = metrics.report(test.attributes, recogniser.predict(trained.model, test.images))
    majority = metrics.majority(faces.part("train").attributes, test.attributes)
    assert report["accuracy"] > majority["accuracy"] + 0.05
    assert report["balanced_accuracy"] > 0.7
    assert oracle.oracle(dataclasses.replace(run, seed=5), faces).folder == trained.folder


def test_a_resumed_oracle_is_the_straight_one(run, tmp_path, monkeypatch):
    faces = data.load(run)
    straight = oracle.oracle(run, faces).model.state_dict()
    again = dataclasses.replace(run, folder=tmp_path / "again" / "ci")
    train = oracle.training.train_classifier

    def interrupted(*arguments):
        for step, record in enumerate(train(*arguments), start=1):
            yield record
            if step == 3 * stages.LOG_EVERY // 2:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "SAVE_EVERY", -1)
        patch.setattr(oracle.training, "train_classifier", interrupted)
        with pytest.raises(KeyboardInterrupt):
            oracle.oracle(again, faces)
    assert list(again.folder.glob("oracle-*/state.pt"))
    resumed = oracle.oracle(again, faces).model.state_dict()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in straight.items())


def test_its_drawn_faces_are_nobody_of_the_run(run):
    known = {image.tobytes() for image in data.load(run).images}
    images, a = oracle.drawn(300, 32)
    assert len({image.tobytes() for image in images}) == 300
    assert not known & {image.tobytes() for image in images}
    assert abs(a[150:].mean() - 0.5) < 0.03 and a[:150].mean() < 0.35  # fair coins, CelebA's tail


@pytest.fixture
def pool():
    rng = np.random.default_rng(0)
    return FaceData(
        images=rng.integers(0, 256, (400, 3, 32, 32), dtype=np.uint8),
        attributes=rng.random((400, 3)) < 0.5,
        names=("Smiling", "Male", "Young"),
        split=np.repeat(["train", "val", "test"], [300, 50, 50]),
        files=np.arange(400).astype(str),
        source="noise",
        key="noise",
    )


def test_smooth_faces_have_less_contrast_and_the_same_light():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8))
    smooth = oracle.smooth(images)
    assert smooth.shape == images.shape and smooth.dtype == torch.uint8
    assert smooth.float().std() < images.float().std()
    torch.testing.assert_close(smooth.float().mean(), images.float().mean(), atol=1.0, rtol=0)


def seen(monkeypatch):
    """The images that the next training of the oracle is handed."""
    handed = []
    train = oracle.training.train_classifier

    def spy(accelerator, state, images, *rest):
        handed.extend(image.numpy().tobytes() for image in images)
        return train(accelerator, state, images, *rest)

    monkeypatch.setattr(oracle.training, "train_classifier", spy)
    return handed


def test_of_a_folder_it_takes_the_training_faces_held_back(run, pool, monkeypatch):
    handed = seen(monkeypatch)
    monkeypatch.setattr(data, "read", lambda *_: pool)
    faces = pool.take(np.flatnonzero((np.arange(400) % 3 == 0) | (pool.split != "train")))
    oracle.oracle(dataclasses.replace(run, source="/faces"), faces)
    held_back = {image.tobytes() for image in pool.images} - {image.tobytes() for image in faces.images}
    assert len(handed) == 200 and set(handed[1::2]) < held_back
    assert not set(handed[::2]) & held_back  # they have been smoothed
    assert not set(handed) & {image.tobytes() for image in faces.images}


def test_without_faces_held_back_another_seed_judges_and_it_is_said(run, pool, monkeypatch, capsys):
    monkeypatch.setattr(data, "read", lambda *_: pool)
    folder = dataclasses.replace(run, source="/faces")
    judge = oracle.oracle(folder, pool)
    assert "holds back 0 training faces" in capsys.readouterr().out
    assert judge.config.seed == 1_000 and judge.folder != stages.classifier(folder, pool).folder
