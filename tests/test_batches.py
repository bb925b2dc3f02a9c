"""What happens to a batch while a recogniser trains."""

import dataclasses

import numpy as np
import pytest
import torch
from small import small_profile

from lib import config, data
from lib.data import FaceData
from lib.study import batches, imbalance, recogniser, training_sets
from lib.study.arms import Arm, Change
from lib.study.context import Codec, Context

NAMES = ("Smiling", "Male", "Young", "Bald", "Bangs")


def noise(n_train=32):
    rng = np.random.default_rng(0)
    n = n_train + 16
    return FaceData(
        images=rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8),
        attributes=rng.random((n, 5)) < (0.5, 0.4, 0.6, 0.2, 0.3),
        names=NAMES,
        split=np.repeat(["train", "val", "test"], [n_train, 8, 8]),
        files=np.arange(n).astype(str),
        source="noise",
        key="noise",
    )


@pytest.fixture
def context(tmp_path):
    settings = config.RecognitionConfig(filters=2, steps=3, batch_size=8, seeds=(0, 1), tried=(1, 2))
    run = config.Run(small_profile(recognition=settings), "toy", 0, tmp_path / "toy" / "ci")
    return Context(run, noise())


def batch_of(context, n=8):
    rows = torch.arange(n)
    x = data.to_float(context.train.images[:n])
    return x, torch.from_numpy(context.train.attributes[:n]).float(), rows


def made(make, context, **options):
    return make(context, context.train.images, context.train.attributes, **options)


def test_an_edit_of_nothing_gives_back_the_photograph(context, monkeypatch):
    monkeypatch.setattr(Context, "shift", lambda self, by, codec: lambda z, a, new: torch.zeros_like(z))
    for through in ("autoencoder", "components"):
        x, b, rows = batch_of(context)
        new, labels = made(batches.edited, context, through=through, share=1)(x, b, rows, 0)
        assert np.array_equal(data.to_uint8(new).numpy(), context.train.images[:8])
        assert not torch.equal(labels, b)


def test_an_edit_adds_the_decoded_difference_and_nothing_else(context, monkeypatch):
    """With an embedding and a decoder that one can see through: z is the row's number, decoded everywhere."""
    codec = Codec(
        lambda images: torch.arange(len(images)).float()[:, None] / 100,
        lambda z: (z**2)[:, :, None, None].expand(-1, 3, 32, 32),
    )
    monkeypatch.setattr(context, "codec", lambda through: codec)
    monkeypatch.setattr(
        Context, "shift", lambda self, by, codec: lambda z, a, new: 0.1 * (new.float() - a.float()).sum(1, keepdim=True)
    )
    x, b, rows = torch.zeros(8, 3, 32, 32), batch_of(context)[1], torch.arange(8) + 5
    b = torch.from_numpy(context.train.attributes[5:13]).float()
    new, labels = made(batches.edited, context, share=0.5)(x, b, rows, 0)
    z = rows / 100
    moved = z + 0.1 * (labels - b).sum(1)
    expected = (moved**2 - z**2).clamp(-1, 1)
    assert torch.allclose(new[:4, 0, 0, 0], expected[:4], atol=1e-6) and expected[:4].abs().max() > 0.01
    assert torch.equal(new[4:], x[4:]) and torch.equal(labels[4:], b[4:])  # the other half stays real
    assert torch.equal(x, torch.zeros_like(x))  # nor is the batch itself overwritten


def test_real_faces_come_last(context):
    x, b, rows = batch_of(context)
    change = made(batches.edited, context, through="components", share=1, until=0.75)
    assert not torch.equal(change(x, b, rows, 0.74)[0], x)
    assert torch.equal(change(x, b, rows, 0.75)[0], x) and torch.equal(change(x, b, rows, 0.75)[1], b)


def test_decoded_whole_an_edit_loses_the_photograph(context):
    x, b, rows = batch_of(context)
    codec = context.codec("components")
    shift = context.shift("linear", codec)
    torch.manual_seed(0)
    new, labels = made(batches.edited, context, through="components", share=0.5, decoded=True)(x, b, rows, 0)
    z = codec.encode(context.train.images[:4])
    expected = codec.decode(z + shift(z, b[:4].bool(), labels[:4].bool())).clamp(-1, 1)
    assert torch.allclose(new[:4], expected, atol=1e-5) and torch.equal(new[4:], x[4:])


def test_edits_in_which_too_few_new_labels_are_seen_are_left_out(context, monkeypatch):
    """A teacher that always sees the first attribute and no other, and edits that change two."""
    sees = torch.tensor([True, False, False, False, False])
    monkeypatch.setattr(batches, "seen_by", lambda *_: lambda faces: sees.expand(len(faces), -1))
    monkeypatch.setattr(Context, "teacher", None)
    a = torch.from_numpy(context.train.attributes)
    x, b, rows = batch_of(context, 32)

    def wished(rows):
        new = a[rows].clone()
        new[:, :2] ^= True
        return new

    seen = (wished(rows)[:, :2] == sees[:2]).sum(1)  # 0, 1 or 2 of the two labels that were changed
    assert set(seen.tolist()) == {0, 1, 2}
    for agreement, fewest in ((0.0, 0), (0.5, 1), (0.75, 2)):
        change = made(batches.difference, context, wished=wished, through="components", share=1, agreement=agreement)
        new, labels = change(x, b, rows, 0)
        takes_part = seen >= fewest
        assert torch.equal((new != x).flatten(1).any(1), takes_part)
        assert torch.equal(labels.bool(), torch.where(takes_part[:, None], wished(rows), a[rows]))


def test_a_teacher_finds_each_attribute_as_often_as_it_is_labelled(context):
    images, a = context.train.images, torch.from_numpy(context.train.attributes)
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 5))
    seen = batches.seen_by(teacher, images, a)(data.to_float(images))
    assert (seen.sum(0) - a.sum(0)).abs().max() <= 1


def test_the_nearest_of_the_drawn_rows_is_taken_and_never_the_same_labels():
    torch.manual_seed(0)
    a = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]]).bool()
    weights = torch.tensor([0.4, 0.2, 0.4, 0.0])
    chosen = batches.nearest(a, torch.zeros(500, dtype=torch.int64), weights)
    assert (chosen == 1).float().mean() > 0.9 and set(chosen.tolist()) == {1, 2}  # 2 only where 1 was not drawn


def test_rare_rows_are_aimed_at(context, monkeypatch):
    a = context.train.attributes
    monkeypatch.setattr(imbalance, "rarity", lambda a: (np.arange(len(a)) == 3) + 0.0)
    x, b, rows = batch_of(context, 32)
    labels = made(batches.edited, context, through="components", share=1)(x, b, rows, 0)[1]
    assert (labels.bool().numpy() == a[3]).all()


def test_ridge_solves_its_normal_equations(context):
    """W = argmin |z - W a|² + λ |W|², both centred; λ one of those that are tried."""
    from lib.study import context as module

    codec = context.codec("components")
    z = codec.encode(context.train.images).double().numpy()
    a = context.train.attributes.astype(float)
    a, z = a - a.mean(0), z - z.mean(0)
    solutions = [np.linalg.solve(a.T @ a + penalty * np.eye(5), a.T @ z).T for penalty in module.RIDGES]
    ours = context.ridge(codec).numpy()
    assert min(abs(ours - solution).max() for solution in solutions) < 1e-3 * abs(ours).max()


def test_shifts_are_differences_of_labels(context):
    codec = context.codec("components")
    a = torch.from_numpy(context.train.attributes)
    z = codec.encode(context.train.images[:4])
    linear = context.shift("linear", codec)
    assert torch.allclose(linear(z, a[:4], a[4:8]), -linear(z, a[4:8], a[:4]))
    assert torch.allclose(linear(z, a[:1], a[1:2])[0], context.ridge(codec) @ (a[1].float() - a[0].float()), atol=1e-5)
    own = context.codec("autoencoder")
    phi = context.shift("phi", own)(own.encode(context.train.images[:4]), a[:4], a[4:8])
    assert torch.allclose(phi, context.phi(a[4:8]) - context.phi(a[:4]))
    moved = context.shift("flow", own)(own.encode(context.train.images[:4]), a[:4], a[:4])
    assert moved.abs().max() < 0.05 * own.encode(context.train.images[:4]).abs().max()  # the same labels: no way to go
    with pytest.raises(ValueError, match='"linear", "phi" or "flow"'):
        context.shift("magic", codec)


def test_components_give_back_what_they_span(context):
    codec = context.codec("components")
    images = context.train.images
    x = data.to_float(images)
    rest = (codec.decode(codec.encode(images)) - x).abs().mean()
    assert rest < 1e-3  # 31 directions hold 32 faces


def test_half_of_the_faces_are_mirrored(context):
    torch.manual_seed(0)
    x = data.to_float(np.resize(context.train.images, (400, 3, 32, 32)))
    new, b = made(batches.flipped, context)(x, torch.zeros(400, 5), None, 0)
    mirrored = (new == x.flip(-1)).flatten(1).all(1)
    assert ((new == x).flatten(1).all(1) ^ mirrored).all()
    assert 0.4 < mirrored.float().mean() < 0.6


@pytest.mark.parametrize("how", ["mixup", "cutmix"])
def test_labels_are_mixed_as_faces_are(context, how):
    torch.manual_seed(0)
    x = torch.arange(8).float()[:, None, None, None].expand(-1, 3, 32, 32).clone()
    b = torch.nn.functional.one_hot(torch.arange(8)).float()
    new, labels = made(batches.mixed, context, how=how, alpha=1.0)(x, b, None, 0)
    assert torch.allclose(new[:, 0].mean((1, 2)), (labels * torch.arange(8)).sum(1), atol=1e-4)
    assert ((labels > 0).sum(1) == 2).all() and torch.allclose(labels.sum(1), torch.ones(8))


@pytest.mark.parametrize("name", ["trivial", "rand", "erase", "crop"])
def test_each_face_is_transformed_by_itself(context, name):
    torch.manual_seed(0)
    x = data.to_float(np.repeat(context.train.images[:1], 40, axis=0))
    new, b = made(batches.transformed, context, name=name)(x, torch.ones(40, 5), None, 0)
    assert len({face.numpy().tobytes() for face in new}) > 5
    assert new.shape == x.shape and new.abs().max() <= 1 and torch.equal(b, torch.ones(40, 5))


def test_smoothed_labels():
    change = batches.smoothed(None, None, None, amount=0.2)
    assert torch.allclose(change(None, torch.tensor([[0.0, 1.0]]), None, 0)[1], torch.tensor([[0.1, 0.9]]))


@pytest.fixture
def others(context):
    """The context beside 24 faces whose labels are not to be used; 32 more are the labelled ones."""
    more = noise(56)
    strange = np.flatnonzero(more.split == "train")[32:]
    more.images[strange] = 255 - more.images[strange]
    return Context(context.run, context.faces, more)


def test_the_last_faces_of_a_batch_are_strangers_labelled_by_teachers(others, monkeypatch):
    faces, p = others.strangers, np.linspace(0, 1, 24 * 5, dtype=np.float32).reshape(24, 5)
    assert len(faces) == 24
    asked = []
    monkeypatch.setattr(batches, "soft_labels", lambda *options: asked.append(options) or (faces, p))
    x, b, rows = batch_of(others)
    torch.manual_seed(0)
    changed, labels = made(batches.distilled, others, edits=True, share=0.75, taught=0.5)(x, b, rows, 0.5)
    assert asked == [(others, True, False, 0.5)]
    assert torch.equal(changed[:2], x[:2]) and torch.equal(labels[:2], b[:2])
    assert torch.equal(x, batch_of(others)[0])  # nothing is overwritten
    found = [int((data.to_float(faces) == face).flatten(1).all(1).nonzero()) for face in changed[2:]]
    assert torch.equal(labels[2:], torch.from_numpy(p[found])) and len(set(found)) > 1


@pytest.mark.parametrize("edits", [False, True])
@pytest.mark.parametrize("remedies", [False, True])
def test_teachers_learn_from_labelled_faces_alone_and_their_probabilities_are_averaged(
    others, monkeypatch, edits, remedies
):
    taught, asked, happened, train = [], [], [], recogniser.train

    def spy(model, images, a, settings, steps, seed, change):
        assert np.array_equal(images, others.train.images) and np.array_equal(a, others.train.attributes)
        assert settings.falling and steps == 1
        taught.append((seed, change))
        return train(model, images, a, settings, steps, seed, change=change)

    def unchanged(name):
        def make(context, images, a, *values, **options):
            asked.append((name, *values, options))
            return lambda x, b, rows, progress: happened.append(name) or (x, b)

        return make

    logits = np.random.default_rng(0).normal(size=(batches.TEACHERS, 24, 5)).astype(np.float32)
    given = iter(logits)
    monkeypatch.setattr(batches.recogniser, "train", spy)
    monkeypatch.setattr(batches.recogniser, "predict", lambda model, images: next(given))
    for name in ("edited", "flipped", "transformed", "mixed"):
        monkeypatch.setattr(batches, name, unchanged(name))
    before = torch.random.get_rng_state()
    faces, p = batches.soft_labels(others, edits, remedies, 0.5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(faces, others.strangers)
    np.testing.assert_allclose(p, (1 / (1 + np.exp(-logits))).mean(0), rtol=1e-5)
    assert [seed for seed, _ in taught] == [0, 1, 2]
    expected = [("flipped", {})]
    if edits:
        expected.append(("edited", {"through": "components", "until": 0.75}))
    if remedies:
        expected += [
            ("transformed", "erase", {}),
            ("mixed", "mixup", {"alpha": 0.2}),
            ("mixed", "cutmix", {"alpha": 0.2}),
        ]
    assert asked == expected
    order = ["edited"] * edits + ["flipped"] + ["transformed", "mixed", "mixed"] * remedies  # faces are mixed last
    assert happened == order * batches.TEACHERS
    batches.soft_labels(others, edits, remedies, 0.5)
    assert len(taught) == batches.TEACHERS  # once is enough


def test_neither_labels_of_strangers_nor_chance_change_what_teachers_say(others):
    pool = others.unlabelled
    blind = Context(others.run, others.faces, dataclasses.replace(pool, attributes=~pool.attributes))
    first = batches.soft_labels(others, False)[1]
    torch.manual_seed(99)
    second = batches.soft_labels(blind, False)[1]
    assert np.array_equal(first, second) and first.std() > 0


def test_without_strangers_nothing_is_distilled(context):
    with pytest.raises(training_sets.Unavailable, match="every face has labels"):
        made(batches.distilled, Context(context.run, context.faces, context.faces))


def test_what_is_drawn_at_each_step_depends_on_the_seed_alone(context):
    settings = dataclasses.replace(context.run.profile.recognition, falling=True)
    arm = Arm("mine", "mine", changes=(Change(batches.edited, {"through": "components"}), Change(batches.flipped)))

    def weights(seed):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 5))
        images, a = context.train.images, context.train.attributes
        torch.rand(int(seed * 3))  # what was drawn before has no say
        recogniser.train(model, images, a, settings, 3, seed, change=arm.starting(context, images, a))
        return model[1].weight

    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = weights(1)
    assert torch.equal(one, weights(1)) and not torch.equal(one, weights(2))
    torch.set_rng_state(state)


def test_a_falling_rate_ends_at_nothing(context, monkeypatch):
    rates = []
    descend = recogniser.training.descend
    monkeypatch.setattr(
        recogniser.training,
        "descend",
        lambda accelerator, loss, optimizer: (
            rates.append(optimizer.param_groups[0]["lr"]) or descend(accelerator, loss, optimizer)
        ),
    )
    for falling in (False, True):
        settings = config.RecognitionConfig(batch_size=8, learning_rate=1.0, falling=falling)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 5))
        recogniser.train(model, context.train.images, context.train.attributes, settings, 4, 0)
    assert rates[:4] == [1.0] * 4
    assert rates[4:] == pytest.approx([1, (1 + np.cos(np.pi / 4)) / 2, 0.5, (1 - np.cos(np.pi / 4)) / 2])
