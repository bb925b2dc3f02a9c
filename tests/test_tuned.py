"""Every arm at its best: chosen on validation faces, never on test faces, and drawn anew for each seed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from small import noise_faces, small_profile

from lib import config, data, metrics
from lib.study import batches, networks, recogniser, selection, tuned
from lib.study.arms import Arm
from lib.study.training_sets import Unavailable
from lib.study.tuned import TunedStudy

NAMES = ("Smiling", "Male", "Young", "Bald", "Bangs")
EDITING = dataclasses.replace(
    tuned.ARMS["difference editing, components"], name="edit", changes=(tuned.editing(through="components"),)
)


def noise(seed=0):
    return noise_faces(64, 12, 12, NAMES, prevalence=(0.5, 0.4, 0.6, 0.2, 0.3), seed=seed)


@pytest.fixture
def run(tmp_path):
    settings = config.RecognitionConfig(filters=2, steps=3, batch_size=8, seeds=(0, 1), tried=(1, 2))
    return config.Run(small_profile(recognition=settings), "toy", 0, tmp_path / "toy" / "ci")


@pytest.fixture
def trainings(monkeypatch):
    """The training faces of each training, in order."""
    done, train = [], recogniser.train

    def spy(model, images, a, settings, steps, *rest):
        assert settings.falling
        done.append((steps, images))
        return train(model, images, a, settings, steps, *rest)

    monkeypatch.setattr(recogniser, "train", spy)
    return done


def test_an_arm_is_chosen_one_thing_after_the_other_by_validation_faces(run, monkeypatch):
    """Whatever the test faces say: of answers that are right on validation faces by a rule, the best is found."""
    everybody, asked = noise(), []
    val, test = (everybody.part(part).attributes for part in ("val", "test"))

    def answers(self, arm, seed, wait=True):
        options = arm.changes[0].options
        asked.append((arm.steps, options.get("share"), options.get("until")))
        wrong = 6 - 2 * (arm.steps == 2) - 2 * (options.get("share") == 0.25) - (options.get("until") == 1.0)
        logits = np.where(val, 1.0, -1.0)
        logits[:wrong] *= -1
        opposite = np.where(test, 1.0, -1.0)
        opposite[wrong:] *= -1
        return networks.Answers(logits, opposite, val, val.mean(0), {"steps": arm.steps})

    monkeypatch.setattr(TunedStudy, "answers", answers)
    study = TunedStudy(run, everybody, 16, [EDITING])
    best = study.choose(EDITING)
    assert (best.steps, best.changes[0].options) == (
        2, {"through": "components", "share": 0.25, "until": 1.0},
    )  # fmt: skip
    assert set(asked) == {*((steps, 0.5, 1.0) for steps in (1, 2, 4)), (2, 0.25, 1.0), (2, 0.25, 0.75)}


@pytest.mark.parametrize(("peak", "tried"), [(1, [1, 2]), (2, [1, 2, 4]), (4, [1, 2, 4, 8]), (99, [1, 2, 4, 8, 16])])
def test_more_steps_are_tried_as_long_as_they_are_better(run, monkeypatch, peak, tried):
    """Twice as many where the most are the best, up to eight times those of the profile; the quality is as told."""
    everybody, asked = noise(), []
    val = everybody.part("val").attributes

    def answers(self, arm, seed, wait=True):
        asked.append(arm.steps)
        return networks.Answers(np.full(val.shape, -abs(arm.steps - peak)), val, val, val.mean(0), {})

    monkeypatch.setattr(TunedStudy, "answers", answers)
    monkeypatch.setattr(TunedStudy, "quality", lambda self, val: val.mean())
    best = TunedStudy(run, everybody, 16, [tuned.FLIP]).choose(tuned.ARMS[tuned.FLIP])
    assert best.steps == min(peak, 16)
    assert sorted(set(asked)) == tried


def test_a_stack_takes_what_helps_on_validation_faces(run, monkeypatch):
    everybody = noise()
    val = everybody.part("val").attributes
    good = {"mixup": 2, "focal": 3, "erasing": -1}

    def answers(self, arm, seed, wait=True):
        found = {change.name for change in arm.changes if change.options.get("on")} | {arm.loss.__name__}
        logits = np.where(val, 1.0, -1.0)
        logits[: 8 - sum(good.get(name, 0) for name in found)] *= -1
        return networks.Answers(logits, logits, val, val.mean(0), {})

    monkeypatch.setattr(TunedStudy, "answers", answers)
    study = TunedStudy(run, everybody, 16, ["cheap stack"])
    study.chosen["cheap stack"] = study.choose(study.arms["cheap stack"])
    words = "1 steps, no erasing, no TrivialAugment, with mixup, alpha 0.2, no CutMix, no label smoothing, loss focal"
    assert study.choice("cheap stack") == words


def test_a_stack_begins_as_mirrored_faces_alone(run):
    stack = tuned.ARMS["cheap stack"]
    for where, option, values in stack.open_options():
        stack = stack.with_option(where, option, values[0])
    assert stack.training == tuned.ARMS[tuned.FLIP].training
    both = tuned.ARMS["difference editing, cheap stack"]
    for where, option, values in both.open_options():
        both = both.with_option(where, option, values[0])
    assert both.training == tuned.ARMS["W in place of Φ"].training


def test_answers_of_other_teachers_are_not_taken_for_these(run):
    longer = dataclasses.replace(run.profile.recognition, tried=(1, 4))
    longer = dataclasses.replace(run, profile=dataclasses.replace(run.profile, recognition=longer))
    studies = [TunedStudy(of, noise(), 32, ["mixup", "distillation"], [0]) for of in (run, longer)]
    digests = [[study.network_digest(study.arms[name]) for name in ("mixup", "distillation")] for study in studies]
    assert digests[0][0] == digests[1][0] and digests[0][1] != digests[1][1]


def test_test_faces_choose_nothing(run):
    everybody = noise()
    rows = everybody.split == "test"
    images, a = everybody.images.copy(), everybody.attributes.copy()
    images[rows], a[rows] = 255 - images[rows], ~a[rows]
    other = dataclasses.replace(everybody, images=images, attributes=a, key="other")
    arms = [tuned.FLIP, "mixup", EDITING]
    one, two = (TunedStudy(run, faces, 16, arms) for faces in (everybody, other))
    one.train(), two.train()
    assert one.chosen == two.chosen
    for arm in one.arms:
        assert np.array_equal(one.scores(arm, 1, "val"), two.scores(arm, 1, "val"))
        shift = [study.scores(arm, 1) - study.tuned_scores(arm, 1) for study in (one, two)]
        expected = metrics.best_thresholds(everybody.part("val").attributes, one.scores(arm, 1, "val"))
        assert all(np.allclose(thresholds, expected, atol=1e-5) for thresholds in shift)


def test_each_seed_draws_faces_of_its_own_and_all_arms_of_it_the_same(run, trainings):
    everybody = noise()
    study = TunedStudy(run, everybody, 16, [tuned.FLIP, "label smoothing"])
    table = study.table()
    kinds = {images.tobytes() for _, images in trainings}
    assert len(kinds) == 2 and all(len(images) == 16 for _, images in trainings)
    assert {steps for steps, _ in trainings} <= {1, 2, 4, 8, 16}
    known = {image.tobytes() for image in everybody.part("train").images}
    assert all(image.tobytes() in known for _, images in trainings for image in images)
    assert set(table["n_train"]) == {16} and set(table["protocol"]) == {"chosen steps"}
    assert table["chosen"].str.match(r"\d steps").all()


def test_a_study_goes_on_where_it_was_and_keeps_the_rows_of_other_arms(run, trainings, monkeypatch):
    monkeypatch.setattr(selection, "MOST_STEPS", 1)
    TunedStudy(run, noise(), 16, [tuned.FLIP, "focal loss"]).table()
    before = len(trainings)
    study = TunedStudy(run, noise(), 16, [tuned.FLIP, "mixup"], seeds=[1])
    study.table()
    assert len(trainings) == before + 2 + 1 + 1  # two numbers of steps, another alpha, one more seed; flip is finished
    stored = pd.read_csv(run.folder / "results" / "sweep.csv")
    assert set(stored["arm"]) == {tuned.FLIP, "focal loss", "mixup"}
    assert set(stored["setting"]) == {tuned.SETTING}


def test_what_another_process_is_choosing_comes_last(run, trainings, monkeypatch):
    monkeypatch.setattr(selection, "MOST_STEPS", 1)
    study = TunedStudy(run, noise(), 16, [tuned.FLIP, "label smoothing"], seeds=[0])
    first = dataclasses.replace(study.arms[tuned.FLIP], steps=1)
    folder = study.folder / "recognition"
    folder.mkdir(parents=True)
    other = FileLock(folder / f"original-{study.network_digest(first)}-0.lock")
    other.acquire()
    train, order = recogniser.train, []

    def spy(model, images, a, settings, steps, seed, loss, change):
        other.release()
        order.append(change)
        return train(model, images, a, settings, steps, seed, loss, change)

    monkeypatch.setattr(recogniser, "train", spy)
    study.train()
    assert set(study.chosen) == {tuned.FLIP, "label smoothing"}
    assert list(study.chosen) == ["label smoothing", tuned.FLIP] and len(order) == 5


def test_an_arm_that_was_left_out_does_not_come_back(run, monkeypatch):
    monkeypatch.setattr(selection, "MOST_STEPS", 1)
    study, answers = TunedStudy(run, noise(), 16, [tuned.FLIP, "mixup"]), TunedStudy.answers

    def without_mixup_for_the_second_seed(self, name, seed, wait=True):
        if seed == 1 and getattr(name, "name", name) == "mixup":
            raise Unavailable("no more of it")
        return answers(self, name, seed, wait)

    monkeypatch.setattr(TunedStudy, "answers", without_mixup_for_the_second_seed)
    for _ in range(2):
        study.train()
        assert list(study.arms) == [tuned.FLIP]


def test_gains_are_over_mirrored_faces(run, monkeypatch):
    monkeypatch.setattr(data, "read", lambda *_: noise())  # from which the yardstick takes other faces
    study = TunedStudy(dataclasses.replace(run, source="/faces"), noise(), 16, [tuned.FLIP, "mixup", tuned.YARDSTICK])
    differences = study.intervals(tuned.FLIP)
    assert (differences.query("arm == 'flip'")["difference"] == 0).all()
    assert list(study.shares()["arm"]) == ["mixup"]


def test_sizes_beyond_the_faces_are_left_out(run, capsys):
    few = dataclasses.replace(run, profile=dataclasses.replace(run.profile, data=config.DataConfig(32, 40, 8, 8)))
    found = [(study.n, list(study.arms)) for study in tuned.studies(few, sizes=(16, 32), arms=["mixup"])]
    assert found == [(n, [tuned.FLIP, "mixup"]) for n in (16, 32)]  # what others are compared with is always there
    with pytest.raises(ValueError, match="unknown arm 'flips'"):
        TunedStudy(run, noise(), 16, ["flips"])


def test_the_staircase_compares_each_step_with_the_one_before(run):
    arms = [tuned.FLIP, *tuned.STAIRCASE, *(arm.name for arm in tuned.CONTROLS)]
    study = TunedStudy(run, noise(), 16, arms)
    steps = study.staircase()
    assert tuple(steps["arm"]) == tuned.STAIRCASE[1:]
    stored = pd.read_csv(run.folder / "results" / "sweep_differences.csv").query("metric == 'balanced_accuracy_tuned'")
    assert set(stored.query("over == 'none'")["arm"]) == set(arms)
    values = 100 * study.table().groupby("arm")["balanced_accuracy_tuned"].mean()
    for before, (_, step) in zip(tuned.STAIRCASE, steps.iterrows(), strict=False):
        assert step["value"] == pytest.approx(values[step["arm"]] - values["none"], abs=1e-6)
        assert step["step"] == pytest.approx(values[step["arm"]] - values[before], abs=1e-6)


def test_every_arm_mirrors_and_names_are_keys():
    assert all(any(c.make is batches.flipped for c in arm.changes) for arm in tuned.TABLE)
    assert all(name == arm.name for name, arm in tuned.ARMS.items())
    every = [*tuned.TABLE, *tuned.STEPS, *tuned.CONTROLS]
    kinds = {str([arm.training, arm.open_options()]) for arm in every}
    assert len(kinds) == len(every) == len(tuned.ARMS)
    assert isinstance(tuned.ARMS[tuned.FLIP], Arm)
