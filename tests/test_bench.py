"""The bench: its reference does what our steps do, its operations are those counted by hand, its table is written."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from torch.testing import assert_close

from benchmarks import bench, reference
from lib import config, models, stages, training

SIZE, BATCH, NAMES = 32, 4, ("a", "b", "c")
SMALL = {"size": SIZE, "filters": 2, "batch_size": BATCH, "epochs": 1, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


@pytest.fixture(scope="module")
def faces():
    images, a = bench.noise(BATCH, SIZE, "cpu")
    return images, a[:, : len(NAMES)]


def one_step(loop, accelerator, seed=0):
    """The rows of the only batch, in the order in which the loop's one step took them."""
    next(loop)
    (rows,) = training.batches(accelerator, BATCH, BATCH, 0, 1, seed)
    return rows


def assert_same_step(state, modules):
    """Ours and the reference hold the same gradients (real ones), and the same weights after them."""
    for name, module in modules.items():
        for ours, theirs in zip(state.modules[name].parameters(), module.parameters(), strict=True):
            assert theirs.grad.abs().sum() > 0
            assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)
            assert_close(ours, theirs, rtol=0, atol=1e-4)  # a tenth of a step: Adam makes much of tiny gradients


@pytest.mark.parametrize(("k", "weight_feature"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.7)])
def test_autoencoder_step_is_the_textbooks(accelerator, faces, k, weight_feature):
    images, _ = faces
    settings = config.AutoencoderConfig(**SMALL, embedding=8, critic_filters=2, weight_feature=weight_feature)
    guide = models.frozen(models.AttributeClassifier(settings.size, 2, 3))
    state = training.autoencoder_state(settings, "cpu")
    state.values["k"] = torch.tensor(k)
    modules = reference.plain(state.modules)
    features = models.first_features(guide)
    rows = one_step(training.train_autoencoder(accelerator, state, images, settings, features), accelerator)
    x = torch.stack([reference.Pictures(*faces)[i][0] for i in rows.tolist()])
    optimizers = reference.optimizers(modules, settings.learning_rate)
    features = models.first_features(reference.plain(guide))
    new_k = reference.autoencoder_step(modules, optimizers, torch.tensor(k), x, settings, features)
    assert_close(state.values["k"], new_k)
    assert_same_step(state, modules)


def test_classifier_step_is_the_textbooks(accelerator, faces):
    settings = config.ClassifierConfig(**SMALL, attributes=NAMES, nudge=0.02)
    state = training.classifier_state(settings, "cpu")
    modules = reference.plain(state.modules)
    rows = one_step(training.train_classifier(accelerator, state, *faces, settings), accelerator)
    x, a = next(reference.batches(*(part[rows] for part in faces), BATCH, "cpu"))
    optimizers = reference.optimizers(modules, settings.learning_rate)
    reference.classifier_step(modules, optimizers, x, a, nudge=settings.nudge)
    assert_same_step(state, modules)


@pytest.mark.parametrize("saturating", [True, False])
def test_mapping_step_is_the_textbooks(accelerator, faces, saturating):
    images, a = faces
    settings = config.MappingConfig(**SMALL, attributes=NAMES, embedding=8, saturating=saturating)
    torch.manual_seed(1)
    guide, judge = models.frozen(models.Autoencoder(SIZE, 2, 8)), models.frozen(models.AttributeClassifier(SIZE, 2, 3))
    state = training.mapping_state(settings, "cpu")
    modules = reference.plain(state.modules)
    z = stages.embed(guide.encoder, images)
    loop = training.train_mapping(accelerator, state, images, a, z, guide.decoder, judge, settings)
    rows = one_step(loop, accelerator)
    x, labels = next(reference.batches(*(part[rows] for part in faces), BATCH, "cpu"))
    optimizers = reference.optimizers(modules, settings.learning_rate)
    reference.mapping_step(modules, optimizers, x, labels, guide.encoder, guide.decoder, judge, settings)
    assert_same_step(state, modules)


def test_generation_paints_the_textbooks_faces():
    profile = config.PROFILES["ci"]
    ours, theirs = (make(None, torch.eye(40) > 0) for make in bench.generation(profile, Accelerator(cpu=True))[2:])
    for turns in (ours, theirs):
        assert next(turns).shape == (40, 3, 32, 32)
    torch.manual_seed(0)
    phi, decoder = models.MappingFunction(3, 8), models.Decoder(SIZE, 2, 8)
    faces = reference.generate(phi, decoder, torch.eye(3), batch_size=2)
    mine = bench.augmentation.generate(phi, decoder, np.eye(3))
    assert np.abs(faces.astype(int) - mine).max() <= 1  # rounded from sums in another order


def test_operations_of_a_classifier_step_by_hand(accelerator, faces):
    settings = config.ClassifierConfig(**SMALL, attributes=NAMES)
    state = training.classifier_state(settings, "cpu")
    with bench.Recorder() as recorder:
        next(training.train_classifier(accelerator, state, *faces, settings))
    widths, sides = (3, 2, 4, 8, 16), (16, 8, 4, 2)
    layers = [s * s * w_in * w_out * 16 for s, w_in, w_out in zip(sides, widths, widths[1:], strict=False)]
    layers += [4 * 16 * 32, 32 * len(NAMES)]  # of 4x4 weights only 2x2 meet the last map; the head
    # Forward, gradient of the weights, gradient of the input: of the images nobody needs it.
    assert recorder.flops == 2 * BATCH * (3 * sum(layers) - layers[0])
    with bench.FlopCounter() as again:
        recorder.replay()
    assert again.flops == recorder.flops


def test_bench_writes_its_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROFILE", "ci")
    monkeypatch.setenv("COURSE_DATA", "toy")
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["bench", "classifier", "--threads", "1", "--repetitions", "1"])
    bench.main()
    table = pd.read_csv(tmp_path / "toy" / "ci" / "results" / "bench.csv")
    assert set(bench.SHOWN) | {"machine", "torch", "commit", "profile"} <= set(table)
    row = table.iloc[0]
    assert (row["stage"], row["threads"], row["batch"]) == ("classifier", 1, 64)
    assert row["gflop_per_second"] == pytest.approx(row["images_per_second"] * row["gflop_per_image"], rel=1e-3)
    assert "classifier" in capsys.readouterr().out


@pytest.mark.parametrize("stage", [name for name in bench.STAGES if name != "classifier"])
def test_every_stage_can_be_measured(stage):
    threads = torch.get_num_threads()
    row = bench.measure(stage, config.PROFILES["ci"], threads, repetitions=1)
    assert row["reference_gflop_per_image"] >= row["gflop_per_image"] > 0
    assert all(row[name] > 0 for name in ("images_per_second", "of_own_operations", "of_matmul", "cost_2x", "speedup"))


def test_an_unknown_stage_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "mapings"])
    with pytest.raises(SystemExit):
        bench.main()
    assert "unknown stage mapings; choose from: autoencoder" in capsys.readouterr().err
