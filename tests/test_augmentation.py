import numpy as np
import pytest
import torch
from torch import nn

from lib import attributes, augmentation, models
from lib.augmentation import dynamic_balancing, generate, random_doubling, transformed


def table(n, attributes, seed):
    """Random labels with a long tail."""
    rng = np.random.default_rng(seed)
    return rng.random((n, attributes)) < rng.uniform(0.02, 0.9, attributes)


def slow_balancing(a, index, k, rerank):
    """Sec. IV-B word by word, over lists, recounting everything at every step."""
    rows, new = [list(row) for row in a], []
    for i in index:
        proportion = [sum(row[j] for row in (rows + new if rerank else rows)) for j in range(a.shape[1])]
        rank = sorted(range(a.shape[1]), key=lambda j: (proportion[j], j))
        a1 = list(a[i])
        for j in rank[:k]:
            a1[j] = True
        for j in rank[-k:]:
            a1[j] = False
        new.append(a1)
    return np.array(new)


def test_random_doubling_flips_one_attribute_of_every_face():
    """Sec. IV-A."""
    a = table(500, 12, seed=0)
    before = a.copy()
    flipped = random_doubling(a, np.random.default_rng(0)) != a
    assert (flipped.sum(axis=1) == 1).all()
    assert flipped.any(axis=0).all()  # every attribute gets its turn
    assert (a == before).all()


def test_dynamic_balancing_by_hand():
    """Sec. IV-B, on two faces of four attributes."""
    a = np.array([[1, 1, 0, 0]] * 2, dtype=bool)
    a1, _ = dynamic_balancing(a, 4, np.random.default_rng(0), k=1)
    assert a1.astype(int).tolist() == [
        [1, 0, 1, 0],  # counts 2 2 0 0: of equals the earlier is the rarer, the later the more frequent
        [0, 1, 0, 1],  # counts 3 2 1 0
        [1, 0, 1, 0],  # counts 3 3 1 1
        [0, 1, 0, 1],  # counts 4 3 2 1
    ]


@pytest.mark.parametrize("rerank", [True, False])
@pytest.mark.parametrize("n, attributes, k, size", [(30, 8, 2, 75), (20, 5, 2, 20), (9, 4, 2, 5), (25, 13, 3, 60)])
def test_dynamic_balancing_equals_the_paper_word_by_word(n, attributes, k, size, rerank):
    """Sec. IV-B, steps 1 to 6, against a slow version that follows them literally."""
    a = table(n, attributes, seed=size)
    a1, index = dynamic_balancing(a, size, np.random.default_rng(0), k=k, rerank=rerank)
    assert (a1 == slow_balancing(a, index, k, rerank)).all()


@pytest.mark.parametrize("size", [0, 7, 20, 50])
def test_dynamic_balancing_passes_through_the_training_set(size):
    a = table(20, 10, seed=1)
    a1, index = dynamic_balancing(a, size, np.random.default_rng(0))
    assert a1.shape == (size, 10) and a1.dtype == bool
    taken = np.bincount(index, minlength=20)
    assert taken.sum() == size and taken.max() - taken.min() <= 1


def test_dynamic_balancing_evens_out_and_ranking_once_does_less():
    """Sec. IV-C: balancing lowers the spread of the counts."""
    a = table(2000, 20, seed=2)

    def spread(**options):
        a1, _ = dynamic_balancing(a, len(a), np.random.default_rng(0), **options)
        return (a.sum(axis=0) + a1.sum(axis=0)).std()

    assert spread() < spread(rerank=False) < (2 * a.sum(axis=0)).std()


def test_avoided_conflicts_leave_no_impossible_row():
    names = attributes.CELEBA
    a = table(400, len(names), seed=3)
    literal, _ = dynamic_balancing(a, 400, np.random.default_rng(0))
    assert attributes.impossible(literal, names).mean() > 0.5
    a1, index = dynamic_balancing(a, 400, np.random.default_rng(0), conflicts="avoid", names=names)
    assert not attributes.impossible(a1, names).any()
    assert a1.sum() > 0.5 * literal.sum()


def test_the_rarer_of_two_contradictory_attributes_is_kept():
    names = ("Smiling", "Bald", "Bangs", "Wavy_Hair", "Male")
    a = np.zeros((10, 5), dtype=bool)
    a[:, 0], a[:3, 4], a[:2, 2], a[:1, 3] = True, True, True, True  # rarest first: Bald, Wavy_Hair, Bangs, Male
    a1, _ = dynamic_balancing(a, 1, np.random.default_rng(0), k=2, conflicts="avoid", names=names)
    assert a1[0].tolist() == [False, True, False, False, False]  # Wavy_Hair set too, but it contradicts Bald


def test_attributes_that_do_not_occur_make_no_conflict():
    a = table(30, 4, seed=4)
    options = {"conflicts": "avoid", "names": ("Smiling", "Bald", "Young", "Male")}
    literal, avoided = (dynamic_balancing(a, 30, np.random.default_rng(0), **more)[0] for more in ({}, options))
    assert (literal == avoided).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"k": 4}, "of 7 attributes"),
        ({"k": 0}, "k=0"),
        ({"conflicts": "avoid"}, "names"),
        ({"conflicts": "no"}, "'no'"),
    ],
)
def test_dynamic_balancing_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        dynamic_balancing(table(10, 7, seed=0), 5, np.random.default_rng(0), **options)


def test_same_seed_same_labels():
    a = table(50, 10, seed=5)
    for strategy in (lambda rng: random_doubling(a, rng), lambda rng: dynamic_balancing(a, 80, rng)[0]):
        one, again, other = (strategy(np.random.default_rng(seed)) for seed in (0, 0, 1))
        assert (one == again).all() and (one != other).any()


def test_generated_faces_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    phi, decoder = nn.Linear(6, 4), nn.Sequential(nn.Linear(4, 3 * 8 * 8), nn.Dropout(), nn.Unflatten(1, (3, 8, 8)))
    a = table(70, 6, seed=6)  # more than one batch
    images = generate(phi, decoder, a)
    assert images.shape == (70, 3, 8, 8) and images.dtype == np.uint8
    x = decoder(phi(torch.tensor(a, dtype=torch.float32)))  # dropout off: generate() has called eval()
    expected = ((x.detach().clamp(-1, 1) + 1) * 127.5).numpy()
    assert np.abs(images - expected).max() <= 1
    assert (images[:7] == generate(phi, decoder, a[:7])).all()


def test_what_has_generated_can_still_be_trained_against():
    decoder = models.frozen(models.Decoder(16, 8, 4))
    generate(nn.Linear(6, 4), decoder, table(3, 6, seed=6))
    z = torch.ones(2, 4, requires_grad=True)
    decoder(z).sum().backward()
    assert z.grad.abs().sum() > 0


def noise(n, size=32):
    return np.random.default_rng(0).integers(256, size=(n, 3, size, size), dtype=np.uint8)


@pytest.mark.parametrize("name", augmentation.TRADITIONAL)
def test_every_copy_of_every_image_is_drawn_anew(name):
    images = np.repeat(noise(1), 12, axis=0)
    before = images.copy()
    new = transformed(images, name, copies=2, seed=0)
    assert new.shape == (24, 3, 32, 32) and new.dtype == np.uint8
    assert (images == before).all()
    assert len(np.unique(new[:12], axis=0)) > 1  # within one pass
    assert (new[:12] != new[12:]).any()  # and from pass to pass
    assert (new == transformed(images, name, copies=2, seed=0)).all()
    assert (new != transformed(images, name, copies=2, seed=1)).any()


def test_copies_of_the_whole_set_follow_one_another():
    images = np.broadcast_to(np.arange(5, dtype=np.uint8)[:, None, None, None], (5, 3, 32, 32))  # flat: no flip shows
    assert np.array_equal(transformed(images, "flip", copies=3, seed=0)[:, 0, 0, 0], np.tile(np.arange(5), 3))


def test_transformed_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    transformed(noise(2), "crop", copies=1, seed=7)
    assert (torch.rand(3) == expected).all()


def test_flip_gives_the_image_or_its_mirror():
    images = noise(20)
    new = transformed(images, "flip", copies=1, seed=0)
    mirrored = (new == images[..., ::-1]).all(axis=(1, 2, 3))
    assert mirrored.any() and (new[~mirrored] == images[~mirrored]).all() and not mirrored.all()


def test_crop_shifts_and_repeats_the_border():
    image = np.broadcast_to(np.arange(32, dtype=np.uint8), (1, 3, 32, 32))  # a ramp from left to right
    new = transformed(image, "crop", copies=40, seed=0)
    shift = new[:, 0, 0, 16].astype(int) - 16
    assert set(shift) <= set(range(-4, 5)) and len(set(shift)) > 4
    assert all((face == np.clip(np.arange(32) + s, 0, 31)).all() for face, s in zip(new, shift, strict=True))


def test_erase_fills_one_rectangle_with_bright_and_dark_noise():
    new = transformed(np.full((60, 3, 32, 32), 77, dtype=np.uint8), "erase", copies=1, seed=0)
    changed = (new != 77).any(axis=1)
    area = changed.mean(axis=(1, 2))
    assert 10 < (area == 0).sum() < 50
    assert area.max() <= 0.45
    for face in changed[area > 0]:
        rows, columns = np.flatnonzero(face.any(axis=1)), np.flatnonzero(face.any(axis=0))
        assert face[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.95
    values = new[np.broadcast_to(changed[:, None], new.shape)]
    assert 110 < values.mean() < 145 and values.max() > 250 and values.min() < 5


def test_unknown_augmentation_lists_the_known_ones():
    with pytest.raises(ValueError, match="'blur'.*flip, crop, erase"):
        augmentation.traditional("blur", 32)
