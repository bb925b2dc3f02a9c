"""The sweep over training faces: same judge at every size, stages of its own, rivals that use unlabelled faces."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from small import small_profile

from lib import config, data, metrics, stages
from lib.study import imbalance, recogniser, recognition, sweep
from lib.study.context import Context
from lib.study.training_sets import Unavailable


@pytest.fixture
def run(tmp_path):
    profile = small_profile(
        data=config.DataConfig(size=32, train=64, val=16, test=16),
        recognition=config.RecognitionConfig(
            filters=2, steps=2, batch_size=8, seeds=(0, 1), sizes=(16, 32), few_labels=(16,)
        ),
    )
    return config.Run(profile, "toy", 0, tmp_path / "toy" / "ci")


@pytest.fixture
def trainings(monkeypatch):
    """Number of steps of each recogniser's training."""
    done, train = [], recogniser.train

    def spy(model, images, a, settings, steps, *rest):
        done.append(steps)
        return train(model, images, a, settings, steps, *rest)

    monkeypatch.setattr(recogniser, "train", spy)
    return done


def stored(run, name="sweep"):
    return pd.read_csv(run.folder / "results" / f"{name}.csv")


def test_stages_take_the_usual_steps_wherever_few_faces_allow(tmp_path):
    usual = config.Run(config.PROFILES["laptop"], "toy", 0, tmp_path)
    assert sweep.sized(usual, 8000, 8000).profile == usual.profile  # so the sweep shares the study's networks
    epochs = {n: sweep.sized(usual, n, n).profile.mapping.epochs for n in (500, 2000, 4000, 16000)}
    assert epochs == {500: 20, 2000: 20, 4000: 10, 16000: 2.5}
    few = sweep.sized(usual, 500, 16000).profile
    full = usual.profile
    assert few.autoencoder.epochs == full.autoencoder.epochs / 2 and few.classifier.epochs == 4 * full.classifier.epochs


def test_every_arm_of_every_size_meets_the_same_faces_and_takes_the_same_steps(run, trainings):
    for study in sweep.studies(run):
        assert set(study.table()["arm"]) == {getattr(arm, "name", arm) for arm in sweep.ARMS["fewer faces"]}
    table = stored(run)
    assert table.groupby("n_train")["arm"].nunique().to_dict() == {16: 7, 32: 7}
    assert set(table["setting"]) == {"fewer faces"} and set(table["seed"]) == {0, 1}
    assert set(trainings) == {2} and len(trainings) == 2 * 2 * 6  # tuned thresholds need no training
    parts = [study.faces for study in sweep.studies(run)]
    for split in ("val", "test"):
        assert np.array_equal(*(faces.part(split).images for faces in parts))
    assert len(list(run.folder.glob("autoencoder-*"))) == 2  # a generator for each size
    assert not (run.folder / "results" / "recognition.csv").exists()


def test_few_labels_share_one_autoencoder_and_all_arms_answer(run, trainings):
    for sizes in ([16], [16, 32]):  # the second time 16 is found finished
        for study in sweep.studies(run, "few labels", sizes, seeds=[0]):
            study.table()
    assert len(list(run.folder.glob("autoencoder-*"))) == 1
    teachers = [stages.load(folder).config.nudge == 0 for folder in run.folder.glob("classifier-*")]
    assert sorted(teachers) == [
        False,
        False,
        True,
        True,
    ]  # of each size the guide, and the pseudo-labels' teacher
    assert len(trainings) == 2 * 6  # the linear probe fits in its own way
    table = stored(run)
    assert set(table.loc[table["arm"] == "linear probe", "steps"]) == {0}

    context, a_test = study.context, study.faces.part("test").attributes  # of 32 labels
    probe = sweep.linear_probe(context, context.train.images, context.train.attributes)
    val, test = (recogniser.predict(probe, study.faces.part(split).images) for split in ("val", "test"))
    thresholds = metrics.best_thresholds(study.faces.part("val").attributes, val)
    row = table[(table["arm"] == "linear probe") & (table["n_train"] == 32)].iloc[0]
    assert row["balanced_accuracy"] == pytest.approx(metrics.report(a_test, test)["balanced_accuracy"])
    tuned = metrics.report(a_test, test, thresholds)["balanced_accuracy"]
    assert row["balanced_accuracy_tuned"] == pytest.approx(tuned) != row["balanced_accuracy"]


def test_settings_share_tables_and_what_needs_no_generator(run, trainings):
    for setting in sweep.ARMS:
        for study in sweep.studies(run, setting, [16], ["none", "balancing"], [0]):
            study.table()
            study.intervals()
    assert len(trainings) == 3  # one `none`, two generators
    for table in (stored(run), stored(run, "sweep_differences")):
        assert set(table["setting"]) == {"fewer faces", "few labels"}


def test_sizes_that_the_source_cannot_serve_are_left_out(run, monkeypatch, capsys):
    faces = data.load(run)
    monkeypatch.setattr(data, "load", lambda part: faces)
    assert [study.context.train.attributes.shape for study in sweep.studies(run, sizes=[64, 65])] == [(64, 40)]
    assert "left out  65 training faces" in capsys.readouterr().out


@pytest.fixture
def context(run):
    everybody = data.load(run)
    few = everybody.take(np.r_[0:16, 64:96])
    return Context(run, few, everybody)


def test_pseudo_labels_are_as_frequent_as_labels_and_come_from_faces_alone(context):
    images, a = sweep.pseudo_labels(context, np.random.default_rng(0))
    assert len(images) == 64 and np.array_equal(a[:16], context.train.attributes)
    known = {image.tobytes() for image in context.train.images}
    assert not known & {image.tobytes() for image in images[16:]}
    expected = 48 * imbalance.prevalence(context.train.attributes)
    assert np.abs(a[16:].sum(axis=0) - expected).max() <= 1.01

    lies = dataclasses.replace(context.unlabelled, attributes=~context.unlabelled.attributes)
    again = sweep.pseudo_labels(Context(context.run, context.faces, lies), np.random.default_rng(0))
    assert np.array_equal(again[1], a)


def test_pseudo_labels_make_the_set_so_many_times_as_large(context):
    images, a = sweep.pseudo_labels(context, np.random.default_rng(0), times=2.5)
    assert len(images) == len(a) == 40 and len({image.tobytes() for image in images}) == 40
    expected = 24 * imbalance.prevalence(context.train.attributes)
    assert np.abs(a[16:].sum(axis=0) - expected).max() <= 1.01
    assert len(sweep.pseudo_labels(context, np.random.default_rng(0), times=9)[0]) == 64  # there are no more


def test_pseudo_labels_say_when_every_face_has_labels(context):
    with pytest.raises(Unavailable, match="every face has labels"):
        sweep.pseudo_labels(Context(context.run, context.faces, context.faces), np.random.default_rng(0))


def test_a_yardstick_alone_has_no_share_of_its_own(run, monkeypatch):
    monkeypatch.setattr(sweep.SizedStudy, "train", lambda self: None)
    monkeypatch.setattr(sweep.SizedStudy, "contributions", lambda self, arm, metric: np.zeros((2, 5)))
    (study,) = sweep.studies(run, sizes=[16], arms=["none", sweep.YARDSTICK])
    assert study.shares().empty


def test_the_encoder_is_trained_further_from_its_own_weights(context):
    images = torch.from_numpy(np.array(context.train.images))
    network = sweep.pretrained_encoder(context, 5).to(context.device)
    with torch.no_grad():
        assert torch.allclose(stages.embed(network[0], images.to(context.device)), context.z, atol=1e-5)
    settings = dataclasses.replace(context.run.profile.recognition, learning_rate=1e-2)
    a = context.train.attributes[:, :5]
    trained = recogniser.train(network, context.train.images, a, settings, 2, 0)
    with torch.no_grad():
        assert not torch.allclose(stages.embed(trained[0], images.to(context.device)), context.z, atol=1e-3)
    untouched = Context(context.run, context.faces, context.unlabelled).z
    assert torch.equal(untouched, context.z)  # the stage itself stays
    fresh = sweep.fresh_encoder(context, 5)
    shapes = [[weight.shape for weight in one.parameters()] for one in (network, fresh)]
    assert shapes[0] == shapes[1]


def test_the_new_layer_is_the_same_whether_the_encoder_was_found_or_trained(context):
    def layer():
        torch.manual_seed(3)
        return sweep.pretrained_encoder(Context(context.run, context.faces, context.unlabelled), 5)[-1].weight

    assert torch.equal(layer(), layer())


def test_the_linear_probe_is_logistic_regression_on_z(context):
    a = context.train.attributes.copy()
    a[:, 0], a[:8, 1], a[8:, 1] = False, True, False
    logits = recogniser.predict(sweep.linear_probe(context, context.train.images, a), context.train.images)
    z = context.z.double().numpy()
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    expected = LogisticRegression(C=0.1, max_iter=1000).fit(z, a[:, 1]).decision_function(z)
    np.testing.assert_allclose(logits[:, 1], expected, atol=1e-3)
    assert np.ptp(logits[:, 0]) < 1e-6 and logits[0, 0] == pytest.approx(np.log(0.5 / 16.5), rel=1e-3)


def test_the_autoencoder_learns_from_unlabelled_faces(context):
    other = Context(context.run, context.faces)
    assert not torch.equal(context.z, other.z)
    assert context.mapping().folder != other.mapping().folder
    assert stages.autoencoder(context.run, context.unlabelled).folder == context.trained_autoencoder.folder


@pytest.mark.parametrize("real, expected", [(0.2, 0.5), (0.0, None)])
def test_the_share_of_the_yardsticks_gain(run, monkeypatch, real, expected):
    gains = {"none": 0.0, "balancing": 0.1, sweep.YARDSTICK: real}
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 500))
    monkeypatch.setattr(sweep.SizedStudy, "train", lambda self: None)
    monkeypatch.setattr(
        sweep.SizedStudy, "contributions", lambda self, arm, metric: noise * (1 + gains[arm]) + gains[arm]
    )
    (study,) = sweep.studies(run, sizes=[16], arms=list(gains))
    row = study.shares().iloc[0]
    assert row["arm"] == "balancing" and row["metric"] == recognition.SHARE
    if expected is None:
        assert row[["mean", "low", "high"]].isna().all()
    else:
        assert row["low"] < expected < row["high"] and row["mean"] == pytest.approx(expected, abs=0.02)
    assert len(stored(run, "sweep_differences")) == 1


def test_the_pilot_is_confirmed_or_refuted_by_direction():
    rows = [(500, "balancing", -0.02, -0.03, -0.01), (2000, "balancing", 0.02, 0.01, 0.03), (2000, "editing", 0, -1, 1)]
    table = pd.DataFrame(rows, columns=["n_train", "arm", "difference", "low", "high"])
    table = table.assign(setting="few labels", metric="balanced_accuracy_tuned", over="none")
    beside = sweep.beside_pilot(table)
    assert beside["direction"].tolist() == ["confirmed", "refuted", "not certain"]
    assert beside["pilot"].tolist() == pytest.approx([-2.8, -1.2, 1.2]) and beside["ours"].tolist() == [-2, 2, 0]
