"""The study: fair, resumable, blind to the test faces until a network is trained, and honest about its intervals."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from small import noise_faces, small_profile
from torch.nn.functional import binary_cross_entropy

from lib import config, metrics, stages, training
from lib.checkpoints import CheckpointError
from lib.study import arms, evidence, imbalance, networks, recogniser, recognition, training_sets
from lib.study.arms import Arm
from lib.study.recognition import Study
from lib.study.training_sets import Unavailable

NAMES = ("Smiling", "Male", "Young", "Bald", "Bangs")


@pytest.fixture
def run(tmp_path):
    recognition = config.RecognitionConfig(filters=2, steps=3, batch_size=8, learning_rate=0.02, seeds=(0, 1))
    return config.Run(small_profile(recognition=recognition), "toy", 0, tmp_path / "toy" / "ci")


def noise(n_train=32, n_val=12, n_test=12, seed=0):
    return noise_faces(n_train, n_val, n_test, NAMES, (0.5, 0.4, 0.6, 0.2, 0.3), seed)


@pytest.fixture
def faces():
    return noise()


CHEAP = ("none", "majority", "tuned thresholds", "re-weighting", "resampling")


@pytest.fixture
def trainings(monkeypatch):
    """What each network was trained on, and what it `said` of which images, in order. All of it really happens."""
    done, train, predict = [], recogniser.train, recogniser.predict

    def seen_train(model, images, a, settings, steps, seed, loss, change):
        done.append(SimpleNamespace(images=images, a=a, steps=steps, seed=seed, loss=loss, said=[]))
        return train(model, images, a, settings, steps, seed, loss, change)

    def seen_predict(model, images):
        logits = predict(model, images)
        done[-1].said.append((images, logits))
        return logits

    monkeypatch.setattr(recogniser, "train", seen_train)
    monkeypatch.setattr(recogniser, "predict", seen_predict)
    return done


def test_steps_are_those_after_which_validation_faces_are_known_best(run, faces, monkeypatch):
    """Of answers that are right on `quality` of the validation faces after so many steps."""
    val = faces.part("val").attributes
    quality = {1: 7, 2: 9, 3: 8}

    def answers(self, arm, seed, wait=True):
        assert arm == "none" and seed == 0
        logits = np.where(val, 1.0, -1.0)
        logits[quality[self.settings.steps] :] *= -1
        return networks.Answers(logits, -logits, val, val.mean(0), {})

    monkeypatch.setattr(Study, "answers", answers)
    settings = dataclasses.replace(run.profile.recognition, tried=(1, 2, 3))
    run = dataclasses.replace(run, profile=dataclasses.replace(run.profile, recognition=settings))
    chosen = recognition.peaked(run, faces)
    assert chosen.profile.recognition == dataclasses.replace(settings, steps=2)
    assert chosen.folder == run.folder


def test_every_arm_takes_the_same_number_of_steps(run, faces, monkeypatch):
    descents = []
    descend = training.descend
    monkeypatch.setattr(training, "descend", lambda *step: descents.append(1) or descend(*step))
    for name in ("none", "flip 4x", "resampling"):
        descents.clear()
        Study(run, faces, [name], seeds=[0]).train()
        assert len(descents) == 3


def test_same_epochs_give_larger_sets_more_steps(run, faces, trainings):
    Study(run, faces, ["none", "flip 2x", "flip 4x"], seeds=[0], same_epochs=True).train()
    assert [(t.steps, len(t.images)) for t in trainings] == [(3, 32), (6, 64), (12, 128)]


def test_without_another_arm_the_mean_itself_has_the_interval(run, faces):
    study = Study(run, faces, ["none", "resampling"])
    rows, table = study.intervals(over=None), study.table()
    rows = rows[rows["metric"] == "accuracy"].set_index("arm")
    means = table.groupby("arm")["accuracy"].mean()
    assert rows["difference"].to_dict() == pytest.approx(means.to_dict())
    assert (rows["low"] < rows["mean"]).all() and (rows["mean"] < rows["high"]).all() and set(rows["over"]) == {"-"}


def test_attgans_recogniser_takes_its_statistics_from_real_faces(run, faces, monkeypatch):
    """Of a training set in which others stand as well: Table 3's arms mix generated faces into every batch."""
    seen, normalised_by = [], recogniser.normalised_by

    def spy(model, images):
        seen.append(images)
        return normalised_by(model, images)

    monkeypatch.setattr(recogniser, "normalised_by", spy)
    study = Study(run, faces, ["none", "flip 2x"], seeds=[0], targets=NAMES[:2], attgan=True)
    study.train()
    assert len(seen) == 2
    assert all(np.array_equal(images, faces.part("train").images) for images in seen)


def test_what_another_process_is_training_comes_last(run, faces, monkeypatch):
    study = Study(run, faces, ["none", "resampling"], seeds=[0])
    folder = study.folder / "recognition"
    folder.mkdir(parents=True)
    other = FileLock(folder / f"original-{study.network_digest(study.arms['none'])}-0.lock")
    other.acquire()
    train, real = recogniser.train, []

    def spy(model, images, *rest):
        real.append(np.array_equal(images, study.context.train.images))
        other.release()
        return train(model, images, *rest)

    monkeypatch.setattr(recogniser, "train", spy)
    study.train()
    assert real == [False, True]


def test_finished_networks_are_found_again_and_a_stopped_study_goes_on(run, faces, trainings, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(imbalance, "rarity", stop)
        Study(run, faces, CHEAP).train()
    assert len(trainings) == 2  # none and re-weighting of the first seed; majority and thresholds need no training
    table = Study(run, faces, CHEAP).table()
    assert len(trainings) == 6  # three networks, two seeds: nothing twice
    again = Study(run, faces, CHEAP).table()
    assert len(trainings) == 6
    pd.testing.assert_frame_equal(table, again)


def test_a_changed_setting_never_meets_old_answers(run, faces, trainings):
    Study(run, faces, ["none"], seeds=[0]).table()
    longer = dataclasses.replace(run.profile.recognition, steps=4)
    changed = dataclasses.replace(run, profile=dataclasses.replace(run.profile, recognition=longer))
    Study(changed, faces, ["none", "majority"], seeds=[0]).table()
    assert [t.steps for t in trainings] == [3, 4]
    Study(changed, noise(seed=1), ["none"], seeds=[0]).table()
    assert len(trainings) == 3
    stored = pd.read_csv(run.folder / "results" / "recognition.csv")
    assert stored["study"].nunique() == 1  # rows that other settings left are gone


def test_rows_of_a_retuned_arm_go_and_those_of_a_stranger_stay(run, faces, monkeypatch):
    study = Study(run, faces, ["none", "flip 2x", Arm("mine", "mine", training_sets.resampled)], seeds=[0])
    for write in (study.table, study.intervals, lambda: study.intervals(over="flip 2x")):
        write()
    retuned = dataclasses.replace(arms.ARMS["flip 2x"], options={"name": "flip", "times": 4})
    monkeypatch.setitem(arms.ARMS, "flip 2x", retuned)
    study = Study(run, faces, ["none"], seeds=[0])
    study.table()
    study.intervals()
    table, differences = (pd.read_csv(run.folder / "results" / f"recognition{of}.csv") for of in ("", "_differences"))
    assert set(table["arm"]) == set(differences["arm"]) == {"none", "mine"}
    assert set(differences["over"]) == {"none"}


def test_digests_that_look_like_numbers_stay_what_they_are(run, faces, monkeypatch):
    monkeypatch.setattr(Study, "network_digest", lambda self, arm: "01234567")
    study = Study(run, faces, ["none"], seeds=[0])
    study.table()
    Study(run, faces, ["majority"], seeds=[0]).table()
    assert set(evidence.read_table(run.folder / "results" / "recognition.csv")["arm"]) == {"none", "majority"}


def test_studies_that_differ_in_protocol_or_size_share_a_table(run, faces):
    for study in (
        Study(run, faces, ["none"], seeds=[0]),
        Study(run, faces, ["none"], seeds=[1]),
        Study(run, faces, ["none"], seeds=[0], same_epochs=True),
        Study(run, noise(n_train=24), ["none"], seeds=[0]),
        Study(run, faces, ["none"], seeds=[0], targets=NAMES[:2], attgan=True),
    ):
        study.table()
    stored = pd.read_csv(run.folder / "results" / "recognition.csv")
    assert len(stored) == 5
    assert set(stored["attributes"]) == {2, 5} and set(stored["n_train"]) == {24, 32}


class Guarded(np.ndarray):
    """Images of which those of the test faces may not be taken before `opened`."""

    opened = False

    def __getitem__(self, index):
        assert Guarded.opened or (np.arange(len(self))[index] < 44).all(), "a test face was taken"
        return self.view(np.ndarray)[index]


def test_no_test_face_is_taken_before_a_network_is_trained(run, faces, monkeypatch):
    guarded = dataclasses.replace(faces, images=faces.images.view(Guarded))
    with pytest.raises(AssertionError, match="a test face was taken"):
        guarded.part("test")
    train = recogniser.train

    def then_open(*arguments):
        model = train(*arguments)
        monkeypatch.setattr(Guarded, "opened", True)
        return model

    monkeypatch.setattr(recogniser, "train", then_open)
    Study(run, guarded, ["balancing"], seeds=[0]).train()
    assert Guarded.opened


def test_test_labels_and_images_change_nothing_but_the_test_columns(run, faces):
    rows = faces.split == "test"
    images, a = faces.images.copy(), faces.attributes.copy()
    images[rows], a[rows] = 255 - images[rows], ~a[rows]
    other = dataclasses.replace(faces, images=images, attributes=a, key="other")
    one, two = (Study(run, f, ["none", "doubling", "tuned thresholds"], seeds=[0]) for f in (faces, other))
    for arm in one.arms:
        assert np.array_equal(one.scores(arm, 0, "val"), two.scores(arm, 0, "val"))
        assert not np.array_equal(one.scores(arm, 0), two.scores(arm, 0))


def test_a_seed_decides_everything(run, faces, tmp_path):
    elsewhere = dataclasses.replace(run, folder=tmp_path / "elsewhere" / "ci")
    names = ["none", "doubling"]
    tables = [Study(r, faces, names).table().drop(columns=["seconds"]) for r in (run, elsewhere)]
    pd.testing.assert_frame_equal(*tables)
    study = Study(run, faces, names)
    assert not np.array_equal(study.scores("none", 0), study.scores("none", 1))


def test_rows_hold_metrics_and_recipe(run, faces):
    table = Study(run, faces, ("none", "majority")).table()
    assert list(zip(table["arm"], table["seed"], strict=True)) == [
        ("none", 0), ("none", 1), ("majority", 0), ("majority", 1)
    ]  # fmt: skip
    recipe = ["data", "profile", "seed", "n_train", "n_test", "steps", "extractor", "seconds", "device", "commit"]
    values = [*recognition.METRICS, *(f"{metric}_tuned" for metric in recognition.METRICS)]
    assert set(recipe + values) <= set(table)
    expected = metrics.majority(faces.part("train").attributes, faces.part("test").attributes)
    majority = table[table["arm"] == "majority"].iloc[0]
    assert majority["accuracy"] == pytest.approx(expected["accuracy"])
    assert majority["balanced_accuracy_tuned"] == 0.5


@pytest.fixture
def wired(run, trainings):
    """A study of real networks on three attributes out of their order: (study, its table, scores by arm and seed).

    The scores, (val, test), are made from what the networks said, by what each arm promises.
    """
    faces = noise(n_train=40, n_val=60, n_test=80)
    columns = [3, 1, 0]
    study = Study(run, faces, ("none", *ARMS_BY_HAND, "re-weighting"), targets=[NAMES[j] for j in columns])
    table = study.table()
    train, val, test = (faces.part(split) for split in ("train", "val", "test"))
    everybodys = (train.attributes.sum(axis=0) + 0.5) / 41
    p = everybodys[columns]
    scores = {}
    for network in trainings:
        assert np.array_equal(network.images, train.images)
        assert np.array_equal(network.a, train.attributes)
        for (images, _), part in zip(network.said, (val, test), strict=True):
            assert np.array_equal(images, part.images)
        said = [logits.astype(np.float16).astype(np.float64) for _, logits in network.said]
        y, a = torch.linspace(-2, 2, 120).view(40, 3), torch.from_numpy(train.attributes).float()
        target, weight = a[:, columns], 1 + a[:, columns] * torch.from_numpy((1 - p) / p - 1)
        losses = [binary_cross_entropy(y.sigmoid(), target, of).item() for of in (None, weight.float())]
        arm = losses.index(pytest.approx(network.loss(y, a, torch.from_numpy(everybodys).float()).item(), rel=1e-4))
        if arm == 1:
            scores["re-weighting", network.seed] = said
            continue
        cuts = metrics.best_thresholds(val.attributes[:, columns], said[0])
        scores["none", network.seed] = said
        scores["majority", network.seed] = [np.broadcast_to(p - 0.5, logits.shape) for logits in said]
        scores["tuned thresholds", network.seed] = [logits - cuts for logits in said]
        scores["logit adjustment", network.seed] = [logits - np.log(p / (1 - p)) for logits in said]
    return SimpleNamespace(
        study=study,
        table=table,
        scores=scores,
        prevalence=p,
        a_val=val.attributes[:, columns],
        a_test=test.attributes[:, columns],
    )


ARMS_BY_HAND = ("majority", "tuned thresholds", "logit adjustment")


def tuned(wired, arm, seed):
    """Scores of the test faces after the thresholds that are best for those of the validation faces."""
    val, test = wired.scores[arm, seed]
    return test - metrics.best_thresholds(wired.a_val, val)


def test_every_number_of_a_row_comes_from_the_faces_it_should(wired):
    assert len(wired.table) == len(wired.scores) == 10
    assert wired.study.answers("none", 0).prevalence == pytest.approx(wired.prevalence)
    for row in wired.table.to_dict("records"):
        val, test = wired.scores[row["arm"], row["seed"]]
        test_report = metrics.report(wired.a_test, test)
        tuned_report = metrics.report(wired.a_test, tuned(wired, row["arm"], row["seed"]))
        expected = {metric: test_report[metric] for metric in recognition.METRICS}
        expected |= {f"{metric}_tuned": tuned_report[metric] for metric in recognition.METRICS}
        val_report = metrics.report(wired.a_val, val)
        expected |= {f"{metric}_val": val_report[metric] for metric in ("accuracy", "balanced_accuracy")}
        assert {name: row[name] for name in expected} == pytest.approx(expected), (row["arm"], row["seed"])
        assert (row["n_train"], row["n_test"], row["steps"], row["attributes"]) == (40, 80, 3, 3)
    # Nor do they agree by chance: thresholds move something, and so does what the faces are.
    none = wired.table[wired.table["arm"] == "none"]
    assert (none["balanced_accuracy"] != none["balanced_accuracy_tuned"]).all()
    assert (none["accuracy"] != none["accuracy_val"]).all()


def test_intervals_and_attributes_are_those_of_the_rows(wired):
    def contributions(arm, metric):
        of = tuned if metric.endswith("_tuned") else lambda wired, arm, seed: wired.scores[arm, seed][1]
        name = metric.removesuffix("_tuned")
        return np.stack([metrics.per_image(wired.a_test, of(wired, arm, seed))[name] for seed in (0, 1)])

    for row in wired.study.intervals("re-weighting").to_dict("records"):
        values, of_other = (contributions(arm, row["metric"]) for arm in (row["arm"], "re-weighting"))
        low, high = metrics.bootstrap_interval(values - of_other, np.random.default_rng(0))
        expected = {"mean": values.mean(), "difference": (values - of_other).mean(), "low": low, "high": high}
        assert {name: row[name] for name in expected} == pytest.approx(expected), (row["arm"], row["metric"])
    attributes = wired.study.per_attribute().set_index(["arm", "attribute"])
    columns = ["accuracy", "recall", "specificity", "balanced_accuracy", "average_precision"]
    for arm in wired.study.arms:
        of_seeds = [metrics.per_attribute(wired.a_test, wired.scores[arm, seed][1])[columns] for seed in (0, 1)]
        expected = np.mean(of_seeds, axis=0)
        np.testing.assert_allclose(
            attributes.loc[[(arm, name) for name in ("Bald", "Male", "Smiling")], columns], expected
        )


def answering(monkeypatch, faces, rights):
    """Make each arm answer the truth, except for one attribute in a share of the test faces."""
    a = {part: faces.part(part).attributes for part in ("val", "test")}

    def answers(self, arm, seed, wait=True):
        test = np.where(a["test"], 1.0, -1.0)
        test[: rights[arm], 0] *= -1
        return networks.Answers(np.where(a["val"], 1.0, -1.0), test, a["val"], a["val"].mean(0), {"steps": 0})

    monkeypatch.setattr(Study, "answers", answers)


def test_intervals_are_those_of_the_paired_difference(run, monkeypatch):
    faces = noise(n_test=400)
    study = Study(run, faces, ["none", "flip 2x"], seeds=[0, 1, 2])
    answering(monkeypatch, faces, {"none": 100, "flip 2x": 60})
    table = study.intervals()
    row = table[(table["arm"] == "flip 2x") & (table["metric"] == "accuracy")].iloc[0]
    assert row["mean"] == pytest.approx(1 - 60 / 400 / 5)
    assert row["difference"] == pytest.approx(40 / 400 / 5)
    error = np.sqrt(0.1 * 0.9 / 400) / 5  # closed form: one face in ten gains 1/5; the seeds agree
    assert row["low"] == pytest.approx(row["difference"] - 1.96 * error, abs=0.15 * error)
    assert row["high"] == pytest.approx(row["difference"] + 1.96 * error, abs=0.15 * error)
    itself = table[(table["arm"] == "none") & (table["metric"] == "accuracy")].iloc[0]
    assert (itself[["difference", "low", "high"]] == 0).all()


def test_per_attribute_finds_the_attribute_that_differs(run, monkeypatch):
    faces = noise(n_test=400)
    answering(monkeypatch, faces, {"none": 100, "flip 2x": 60})
    table = Study(run, faces, ["none", "flip 2x"], seeds=[0]).per_attribute()
    rows = table[table["arm"] == "flip 2x"].set_index("attribute")
    assert rows.loc["Smiling", "difference"] == pytest.approx(0.1)
    assert rows.loc["Smiling", "low"] > 0.06 and rows.loc["Smiling", "high"] < 0.14
    assert (rows.drop("Smiling")[["difference", "low", "high", "low_all", "high_all"]] == 0).all(axis=None)
    assert rows.loc["Smiling", ["low_all", "high_all"]].tolist() == pytest.approx(
        rows.loc["Smiling", ["low", "high"]].tolist(), abs=0.005
    )  # of one attribute that is not certain by itself


def test_arms_that_cannot_be_made_are_left_out(run, faces, capsys):
    def impossible(context, rng):
        raise Unavailable("no such faces")

    study = Study(run, faces, ["none", Arm("wish", "mine", impossible)], seeds=[0])
    assert set(study.table()["arm"]) == {"none"}
    assert "wish: no such faces" in capsys.readouterr().out


def test_unknown_names_are_refused(run, faces):
    with pytest.raises(ValueError, match="unknown arm 'flips'.*flip 2x"):
        Study(run, faces, ["flips"])
    with pytest.raises(ValueError, match="unknown attribute 'Nose'"):
        Study(run, faces, ["none"], targets=["Nose"])


def test_another_generator_leaves_the_networks_without_it(run, faces, trainings):
    Study(run, faces, ["none", "doubling"], seeds=[0]).train()
    mapping = dataclasses.replace(run.profile.mapping, weight_perceptual=1.0)
    changed = dataclasses.replace(run, profile=dataclasses.replace(run.profile, mapping=mapping))
    Study(changed, faces, ["none", "doubling"], seeds=[0]).train()
    assert [len(t.images) for t in trainings] == [32, 64, 64]


@pytest.mark.parametrize("damage", [lambda b: b[:-30], lambda b: b[:40], lambda b: b""])
def test_damaged_answers_are_named_and_made_anew_once_deleted(run, faces, damage):
    answers = Study(run, faces, ["none"], seeds=[0]).answers("none", 0)
    (path,) = (run.folder / "results" / "recognition").glob("*.npz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=rf"{path.name} is damaged .*delete it and run again"):
        Study(run, faces, ["none"], seeds=[0]).answers("none", 0)
    path.unlink()
    again = Study(run, faces, ["none"], seeds=[0]).answers("none", 0)
    np.testing.assert_array_equal(again.test, answers.test)


def test_a_damaged_table_of_results_is_named(run, faces):
    study = Study(run, faces, ["none"], seeds=[0])
    study.table()
    (run.folder / "results" / "recognition.csv").write_bytes(b"")
    with pytest.raises(CheckpointError, match="recognition.csv is damaged"):
        study.table()


def test_a_network_whose_answers_are_not_finite_is_not_kept(run, faces, monkeypatch):
    def blown_up(model, *_):
        next(model.parameters()).data.fill_(np.nan)
        return model

    monkeypatch.setattr(recogniser, "train", blown_up)
    with pytest.raises(stages.TrainingError, match="none, seed 0: an answer of its network is not finite"):
        Study(run, faces, ["none"], seeds=[0]).answers("none", 0)
    assert not list((run.folder / "results" / "recognition").glob("*.npz"))


def test_balancing_a_single_attribute_is_left_out_and_the_study_goes_on(run, faces, capsys):
    single = dataclasses.replace(faces, attributes=faces.attributes[:, :1], names=faces.names[:1])
    table = Study(run, single, ["none", "balancing"], seeds=[0]).table()
    assert table["arm"].tolist() == ["none"]
    assert "left out  balancing: balancing grants the rarest attribute" in capsys.readouterr().out
