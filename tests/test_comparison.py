"""The frame that all generators are measured in: what is asked for, what is compared, who judges."""

import types

import numpy as np
import pytest
import torch

from lib import models, stages
from lib.data import FaceData
from lib.study import comparison

NAMES = ("Smiling", "Male", "Young")


def painted(a):
    """Faces one can read: the brightness of a channel is its label."""
    return np.where(np.asarray(a)[:, :, None, None], 200, 50).astype(np.uint8) * np.ones((1, 1, 32, 32), np.uint8)


class Reader(torch.nn.Module):
    """A judge that reads painted faces."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def features(self, x):
        return x.mean(dim=(2, 3))

    def forward(self, x):
        return self.features(x)


@pytest.fixture
def frame(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))  # no Inception
    rng = np.random.default_rng(0)
    a = rng.random((80, 3)) < (0.5, 0.3, 0.7)
    images = painted(a) + rng.integers(0, 3, (80, 3, 32, 32), dtype=np.uint8)
    split = np.repeat(["train", "test"], [39, 41])
    faces = FaceData(images, a, NAMES, split, np.arange(80).astype(str), "noise", "noise")
    return comparison.Frame(faces, types.SimpleNamespace(model=Reader()))


def obedient(b, x, source):
    return (b[:, :, None, None] - 0.5).expand_as(x)


def test_sources_and_real_faces_are_halves_of_the_test_faces(frame):
    assert (len(frame.real), len(frame.sources)) == (21, 20)
    assert not set(frame.real.files) & set(frame.sources.files)
    assert np.array_equal(frame.wished[1:], frame.own[:-1])
    assert ((frame.flipped != frame.own).sum(axis=1) == 1).all()


def test_who_obeys_agrees_with_every_wish_and_who_does_nothing_keeps_everything(frame):
    row = frame.row(obedient)
    assert row["accuracy"] == row["balanced_accuracy"] == row["flipped"] == row["kept"] == 1
    assert row["majority_accuracy"] < 1 and row["pixel_change"] > 0.05
    idle = frame.row(lambda b, x, source: x)
    assert (idle["flipped"], idle["kept"], idle["pixel_change"]) == (0, 1, 0)
    assert idle["flipped_before"] == 0 and idle["accuracy"] < 1
    assert frame.row(lambda b, x, source: x, own=True)["accuracy"] == 1


def test_quality_names_its_features_and_counts_different_faces(frame):
    real = frame.quality(frame.sources.images)
    grey = frame.quality(np.full_like(frame.sources.images, 128))
    assert real["extractor"] == "classifier" and "fid" not in real
    assert real["frechet_classifier"] < grey["frechet_classifier"]
    assert (grey["distinct"], grey["recall"]) == (1, 0) and real["distinct"] == 20
    assert real["nearest"] < grey["nearest"]
    assert frame.quality(frame.train.images[:20])["nearest"] == pytest.approx(0, abs=1e-6)


def test_features_are_taken_where_faces_are_made(frame, monkeypatch):
    asked = []
    monkeypatch.setattr(comparison.distances, "classifier_features", lambda judge, images, device: asked.append(device))
    frame.device = torch.device("meta")  # stands for a GPU
    frame.extractors["classifier"](frame.real.images)
    assert asked == [frame.device]


def test_fid_is_there_when_the_weights_are(frame):
    frame.extractors["inception"] = lambda images: images.reshape(len(images), -1)[:, ::99].astype(float)
    row = frame.quality(frame.sources.images)
    assert {"fid", "kid", "frechet_classifier", "kernel_classifier"} <= set(row)
    assert (row["extractor"], row["dims"]) == ("classifier", 3)


def test_ours_looks_at_the_labels_alone_and_editing_adds_their_difference(monkeypatch):
    torch.manual_seed(0)
    autoencoder, phi = models.frozen(models.Autoencoder(32, 2, 4)), models.frozen(models.MappingFunction(3, 4))
    monkeypatch.setattr(stages, "autoencoder", lambda run, faces: types.SimpleNamespace(model=autoencoder))
    monkeypatch.setattr(stages, "mapping", lambda run, faces: types.SimpleNamespace(model=phi))
    x, b, source = torch.rand(2, 3, 32, 32), torch.tensor([[1.0, 0, 0], [0, 1, 1]]), torch.tensor([[0.0, 1, 0]] * 2)
    assert torch.equal(comparison.ours(None, None)(b, x, source), autoencoder.decoder(phi(b)))
    editing = comparison.ours_editing(None, None)
    torch.testing.assert_close(
        editing(b, x, source), autoencoder.decoder(autoencoder.encoder(x) + (phi(b) - phi(source)))
    )
    torch.testing.assert_close(editing(b, x, b), autoencoder(x))  # nothing is asked for, nothing changes


def test_an_editor_is_given_the_face_and_its_own_labels(frame):
    seen = []

    def editor(b, x, source):
        seen.append(source)
        assert torch.equal((x.mean(dim=(2, 3)) > 0).float(), source)
        return x

    frame.make(editor, frame.wished)
    assert np.array_equal(torch.cat(seen).bool().numpy(), frame.own)
    assert len(frame.make(lambda b, x, source: x + b.mean(dim=1).view(-1, 1, 1, 1), frame.wished[:7])) == 7
