"""What each arm trains on. The generator is a stand-in wherever its quality does not matter."""

import dataclasses
import gc
import json
import weakref

import numpy as np
import pandas as pd
import pytest
import torch
from small import noise_faces, small_profile

from lib import config, data
from lib.augmentation import generate
from lib.baselines import attgan, systems
from lib.study import arms, batches, imbalance, training_sets
from lib.study import context as context_module
from lib.study.arms import ARMS
from lib.study.context import Codec, Context
from lib.study.recognition import Study
from lib.study.training_sets import Unavailable

NAMES = ("Smiling", "Male", "Young", "Bald", "Bangs")


@pytest.fixture
def run(tmp_path):
    profile = small_profile(
        data=config.DataConfig(size=32, train=40, val=8, test=8),
        recognition=config.RecognitionConfig(filters=2, steps=1, batch_size=8, seeds=(0,)),
    )
    return config.Run(profile, "toy", 0, tmp_path / "toy" / "ci")


@pytest.fixture
def faces():
    return noise_faces(40, 8, 8, NAMES, (0.5, 0.4, 0.6, 0.1, 0.3))


class Imagined(Context):
    """z, Φ and Decoder one can see through: a face's first pixels are its embedding."""

    z = property(lambda self: torch.arange(40.0)[:, None].expand(-1, 5) / 10)

    def imagine(self, a, rows, **generator):
        return self.decode(self.phi(a))

    def decode(self, z):
        images = np.zeros((len(z), 3, 32, 32), dtype=np.uint8)
        images[:, 0, 0, :5] = (10 * z).round().numpy()
        return images

    def phi(self, a):
        return 5 * torch.as_tensor(a).float()


def built(name, context, seed=0):
    arm = ARMS[name]
    return arm.build(context, np.random.default_rng(seed), **arm.options)


@pytest.fixture
def context(run, faces):
    return Imagined(run, faces)


REAL_PLUS = {
    "flip 2x": 80, "crop 4x": 160, "doubling": 80, "doubling 1.5x": 60, "doubling 3x": 120, "balancing": 80,
    "balancing 1.5x": 60, "balancing 3x": 120, "reconstructions": 80, "editing": 80, "residual": 80,
    "residual, linear": 80,
}  # fmt: skip


@pytest.mark.parametrize("name, size", REAL_PLUS.items())
def test_arms_add_to_the_real_faces_as_many_as_they_say(name, size, context, faces):
    images, a = built(name, context)
    assert images.shape == (size, 3, 32, 32) and images.dtype == np.uint8
    assert a.shape == (size, 5) and a.dtype == bool
    assert np.array_equal(images[:40], faces.images[:40]) and np.array_equal(a[:40], faces.attributes[:40])


def test_every_arm_trains_and_answers_on_drawn_faces(run):
    study = Study(run, data.load(run), ARMS)
    table = study.table().set_index("arm")
    assert list(table.index) == list(ARMS)
    for name, arm in ARMS.items():
        no_more = arm.build in (training_sets.original, training_sets.resampled, training_sets.generated_only)
        assert table.loc[name, "n_images"] == (40 if no_more else 40 * arm.options.get("times", 2)), name
        assert table.loc[name, "accuracy"] == pytest.approx(((study.scores(name, 0) > 0) == study.a_test).mean()), name


def test_doubling_flips_one_label_of_each_face(context, faces):
    images, a = built("doubling", context)
    pairs = (a[40:, None] != faces.attributes[None, :40]).sum(axis=2)
    assert (pairs.min(axis=1) <= 1).all()
    assert np.array_equal(images[40:, 0, 0, :5], 50 * a[40:])  # each face is made from its own labels


def test_edited_faces_carry_observed_labels_and_keep_what_phi_does_not_know(context, faces):
    observed = {tuple(row) for row in faces.attributes[:40]}
    for name in ("editing", "residual"):
        images, a = built(name, context)
        assert {tuple(row) for row in a[40:]} <= observed
        rest = images[40:, 0, 0, :5].astype(int) - 50 * a[40:]  # 10 (z - Φ(a)) of one training face, modulo 256
        sources = (np.arange(40)[:, None] - 50 * faces.attributes[:40]) % 256
        assert all((row % 256 == sources).all(axis=1).any() for row in rest)
        assert not np.array_equal(a[40:], faces.attributes[:40])


def test_no_label_goes_along_with_what_the_linear_map_leaves_over(context, faces):
    a = faces.attributes[:40]
    rest = context.z - context.linear(a)
    assert torch.allclose(torch.from_numpy(a - a.mean(axis=0)).float().T @ rest, torch.zeros(a.shape[1], 5), atol=1e-4)
    assert rest.std() > 0.1
    images, new = built("residual, linear", context)
    borrowed = images[40:, 0, 0, :5].astype(int) - 50 * new[40:]
    possible = (10 * rest.numpy()).round().astype(int) % 256
    assert all(np.abs((row % 256 - possible + 128) % 256 - 128).max(axis=1).min() <= 1 for row in borrowed)


def test_observed_labels_are_drawn_whole_faces_for_them(context, faces):
    images, a = training_sets.observed(context, np.random.default_rng(0))
    assert {tuple(row) for row in a[40:]} <= {tuple(row) for row in faces.attributes[:40]}
    assert np.array_equal(images[40:, 0, 0, :5], 50 * a[40:]) and len(images) == 80


def test_a_difference_is_added_to_the_photograph_and_its_blur_is_not(context, faces, monkeypatch):
    """Where the first pixels are the square of the embedding, and all others a blur that belongs to no photograph."""

    def decode(z):
        x = torch.full((len(z), 3, 32, 32), 0.3)
        x[:, 0, 0, :5] = (z / 10) ** 2
        return x

    monkeypatch.setattr(context, "codec", lambda: Codec(None, decode))
    monkeypatch.setattr(training_sets, "draw_rows", lambda *_: np.arange(40))
    images, a = training_sets.difference(context, np.random.default_rng(0))
    assert (a[40:] != faces.attributes[:40]).any(1).all()
    z = context.z.numpy()
    moved = z + 5.0 * a[40:] - 5.0 * faces.attributes[:40]
    expected = faces.images[:40, 0, 0, :5] + 127.5 * ((moved / 10) ** 2 - (z / 10) ** 2)
    assert np.abs(images[40:, 0, 0, :5] - expected.clip(0, 255)).max() <= 0.51
    assert np.array_equal(images[40:, :, 1:], faces.images[:40, :, 1:])


def test_what_is_switched_off_leaves_an_arm_as_it_was():
    change = arms.Change(batches.smoothed, {"amount": 0.1}, name="smoothing")
    off, on = (dataclasses.replace(change, options=change.options | {"on": on}) for on in (False, True))
    plain, mirrored = arms.Arm("a", "mine"), arms.Change(batches.flipped)
    with_off = dataclasses.replace(plain, changes=(off, mirrored))
    assert with_off.training == dataclasses.replace(plain, changes=(mirrored,)).training
    assert dataclasses.replace(plain, changes=(off,)).training == plain.training
    assert dataclasses.replace(plain, changes=(off,)).starting(None, None, None) is None
    assert dataclasses.replace(plain, changes=(on,)).training == dataclasses.replace(plain, changes=(change,)).training
    generating = arms.Change(batches.edited, {"on": False})
    assert not dataclasses.replace(plain, changes=(generating,)).generates


def test_a_loss_may_be_chosen_as_an_option_is():
    arm = arms.Arm("a", "mine", losses=(imbalance.cross_entropy, imbalance.focal))
    assert arm.open_options() == [("arm", "loss", arm.losses)]
    other = arm.with_option("arm", "loss", imbalance.focal)
    assert other.loss is imbalance.focal and other.training != arm.training
    assert other.options_of("arm") == {"loss": imbalance.focal}


def test_editing_changes_fewer_labels_than_a_borrowed_residual(context, faces, monkeypatch):
    rows = np.arange(40)
    monkeypatch.setattr(training_sets, "draw_rows", lambda *_: rows)
    changed = {name: (built(name, context)[1][40:] != faces.attributes[:40]).sum(1) for name in ("editing", "residual")}
    assert changed["editing"].min() >= 1
    assert changed["editing"].mean() < changed["residual"].mean()


@pytest.mark.parametrize("name", ["resampling", "editing", "residual", "residual, linear"])
def test_labels_are_drawn_by_how_rare_their_rarest_value_is(name, context, faces, monkeypatch):
    monkeypatch.setattr(training_sets, "CANDIDATES", 1)  # `editing` then takes what it draws
    a = faces.attributes[:40]
    rarest = np.where(a, a.mean(axis=0), 1 - a.mean(axis=0)).min(axis=1)
    expected = (a / rarest[:, None]).sum(axis=0) / (1 / rarest).sum()
    drawn = np.concatenate([built(name, context, seed)[1][-40:] for seed in range(60)])
    assert drawn.mean(axis=0) == pytest.approx(expected, abs=0.04)  # four standard errors of 2,400 draws
    assert expected[3] > a[:, 3].mean() + 0.1  # each as often would be another thing


def test_the_yardstick_draws_faces_of_nobody_in_the_training_set(run):
    few = data.load(run)
    context = Context(run, few)
    images, a = built("more real faces", context)
    assert images.shape == (80, 3, 32, 32) and a.shape == (80, 40)
    known = {image.tobytes() for image in few.images}
    assert not known & {image.tobytes() for image in images[40:]}


def test_the_yardstick_says_when_no_face_is_held_back(run, faces, monkeypatch):
    monkeypatch.setattr(data, "read", lambda *_: faces)
    real = dataclasses.replace(run, source="/faces")
    with pytest.raises(Unavailable, match="only 0 of 40"):
        built("more real faces", Context(real, faces))


def test_later_rounds_are_guided_by_another_classifier(run, faces):
    context = Context(run, faces)
    first, second = context.mapping(), context.mapping(rounds=2)
    assert first.config == second.config and first.folder != second.folder
    assert len(list(run.folder.glob("classifier-*"))) == 2
    assert context.mapping(rounds=2) is second
    assert any(not torch.equal(p, q) for p, q in zip(first.model.parameters(), second.model.parameters(), strict=True))


def test_only_the_arm_that_says_so_has_a_generator_that_saw_validation_faces(run, faces, monkeypatch):
    seen = []
    monkeypatch.setattr(
        context_module, "generate", lambda phi, decoder, a, device: np.zeros((len(a), 3, 32, 32), np.uint8)
    )
    monkeypatch.setattr(Context, "autoencoder", property(lambda self: type("A", (), {"decoder": None})))
    monkeypatch.setattr(Context, "mapping", lambda self: seen.append(len(self.train)) or type("T", (), {"model": None}))
    context = Context(run, faces)
    for name in ("balancing", "balancing, LEAKS validation"):
        images, a = built(name, context)
        assert len(images) == 80 and np.array_equal(images[:40], faces.images[:40])
    assert seen == [40, 48]


def test_another_generator_is_trained_whole_from_its_seed(run, faces):
    context = Context(run, faces)
    own, _ = built("balancing", context)
    for name, seed in arms.OTHER_GENERATORS.items():
        images, a = built(f"balancing, {name} generator", context)
        guides = context.retrained(seed)
        assert {guides.trained_autoencoder.config.seed, guides.mapping().config.seed} == {seed}
        expected = generate(guides.mapping().model, guides.autoencoder.decoder, a[40:])
        assert np.array_equal(images[40:], expected) and not np.array_equal(images[40:], own[40:])
        assert np.array_equal(images[:40], faces.images[:40])
    seeds = [json.loads(path.read_text())["config"]["seed"] for path in run.folder.glob("classifier-*/config.json")]
    assert sorted(seeds) == [run.seed, *sorted(arms.OTHER_GENERATORS.values())]


def test_decisions_shift_logits(faces):
    logits = np.zeros((2, 2))
    answers = type("A", (), {"prevalence": np.array([0.2, 0.5]), "thresholds": np.array([1.0, -1.0])})
    assert (arms.majority(logits, answers)[:, 0] < 0).all()
    assert np.allclose(arms.adjusted(logits, answers), [[np.log(4), 0]])
    assert np.allclose(arms.tuned(logits, answers), [[-1, 1]])


def test_a_compared_editor_starts_from_the_face_whose_labels_it_changes(run, faces, monkeypatch):
    def editor(b, x, source):
        assert torch.equal(source.bool(), torch.from_numpy(faces.attributes[rows_of(x)]))
        seen.extend(rows_of(x))
        return x

    def rows_of(x):
        return [known[image.tobytes()] for image in data.to_uint8(x).numpy()]

    seen, known = [], {image.tobytes(): i for i, image in enumerate(faces.images)}
    monkeypatch.setattr(systems, "generator", lambda name, *_: {"StarGAN": editor}[name])
    context = Context(run, faces)
    for strategy, most in (("doubling", 1), ("balancing", 2)):  # at k = 1 balancing sets one label and clears one
        seen.clear()
        images, a = built(f"StarGAN, {strategy}", context)
        assert np.array_equal(images[40:], faces.images[seen]) and sorted(seen) == list(range(40))
        assert (a[40:] != faces.attributes[seen]).sum(axis=1).max() <= most


def test_options_of_a_generator_do_not_get_lost(run, faces, monkeypatch):
    monkeypatch.setattr(systems, "generator", lambda name, run, faces: (name, run.seed, len(faces.part("train"))))
    monkeypatch.setattr(systems, "make", lambda generate, *_, **__: generate)
    imagine, a = Context(run, faces).imagine, faces.attributes[:2]
    assert imagine(a, [0, 1], system="StarGAN") == ("StarGAN", 0, 40)
    assert imagine(a, [0, 1], system="StarGAN", seed=3) == ("StarGAN", 3, 40)
    assert imagine(a, [0, 1], system="StarGAN", leak=True, seed=3) == ("StarGAN", 3, 48)


def test_what_a_context_has_made_ends_with_it(run, faces):
    context = Context(run, faces)
    assert context.codec("components") is context.codec("components")
    gone = weakref.ref(context)
    del context
    gc.collect()
    assert gone() is None


def test_another_config_of_a_compared_system_is_another_training(monkeypatch):
    arm = ARMS["AttGAN, balancing"]
    before, ours = str(arm.training), str(ARMS["balancing"].training)
    monkeypatch.setitem(attgan.PROFILES, "laptop", attgan.AttGANConfig(filters=7))
    assert str(arm.training) != before and str(ARMS["balancing"].training) == ours
    assert arm.generates and config.digest(arm.training)


def test_a_function_of_your_own_is_another_one_when_its_code_changes(tmp_path):
    """As in a notebook, where the same name stands for what it says now."""

    def arm(body, **names):
        path = tmp_path / f"{len(body)}.py"  # source that can be looked up, as a cell's can
        path.write_text(f"def mine(context, rng):\n    return {body}\n")
        exec(compile(path.read_text(), str(path), "exec"), names)
        return arms.Arm("mine", "own", names["mine"])

    first, again, other = arm("1"), arm("1"), arm("22")
    assert first.training == again.training != other.training
    half, unused, whole = arm("SHARE", SHARE=0.5), arm("SHARE", SHARE=0.5, OTHER=1), arm("SHARE", SHARE=1.0)
    assert half.training == unused.training != whole.training

    def keep(share):
        return arms.Arm("mine", "own", lambda context, rng: context.train.take(slice(int(share * 40))))

    assert keep(0.5).training == keep(0.5).training != keep(1.0).training
    assert len(ARMS["balancing"].training) == 3  # functions of the course go by their names alone


def test_names_are_keys_and_trainings_are_told_apart():
    assert all(name == arm.name for name, arm in ARMS.items())
    by_training = [str(arm.training) for arm in ARMS.values() if arm.decide is arms.at_zero]
    assert len(set(by_training)) == len(by_training)
    assert ARMS["none"].training == ARMS["majority"].training == ARMS["tuned thresholds"].training
    assert imbalance.focal.__name__ in ARMS["focal loss"].training


def test_size_is_chosen_by_validation_accuracy():
    rows = [("none", 0.7, 0.9), ("balancing 1.5x", 0.8, 0.1), ("balancing", 0.8, 0.9), ("flip 2x", 0.9, 0.9)]
    table = pd.DataFrame(rows, columns=["arm", "accuracy_val", "accuracy"])
    assert arms.best_size(table) == "balancing 1.5x"
