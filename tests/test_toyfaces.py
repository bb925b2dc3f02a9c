"""The drawn faces: the same picture however it is asked for, and every label visible at its own place."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lib import toyfaces
from lib.attributes import CELEBA, index
from lib.toyfaces import canvas, drawing, portrait

ROOT = Path(__file__).parent.parent
SIZE = 48
PEOPLE = 16

#: Where a label may change the picture, in half picture sides: |x| from, to, and y from, to (down). None: anywhere.
REGIONS = {
    "5_o_Clock_Shadow": (0.0, 0.65, 0.1, 0.75),
    "Arched_Eyebrows": (0.0, 0.55, -0.5, 0.05),
    "Attractive": (0.5, 1.0, -1.0, -0.3),
    "Bags_Under_Eyes": (0.0, 0.55, -0.15, 0.3),
    "Bald": (0.0, 0.85, -0.9, 0.15),
    "Bangs": (0.0, 0.5, -0.7, -0.1),
    "Big_Lips": (0.0, 0.4, 0.1, 0.7),
    "Big_Nose": (0.0, 0.35, -0.25, 0.4),
    "Black_Hair": (0.0, 0.95, -0.9, 1.0),
    "Blond_Hair": (0.0, 0.95, -0.9, 1.0),
    "Blurry": None,
    "Brown_Hair": (0.0, 0.95, -0.9, 1.0),
    "Bushy_Eyebrows": (0.0, 0.55, -0.5, 0.05),
    "Chubby": (0.0, 0.8, -0.4, 0.85),
    "Double_Chin": (0.0, 0.55, 0.2, 0.95),
    "Eyeglasses": (0.0, 0.65, -0.35, 0.35),
    "Goatee": (0.0, 0.3, 0.3, 0.75),
    "Gray_Hair": (0.0, 0.95, -0.9, 1.0),
    "Heavy_Makeup": (0.0, 0.6, -0.4, 0.15),
    "High_Cheekbones": (0.15, 0.6, -0.1, 0.4),
    "Male": (0.0, 1.0, -0.4, 1.0),
    "Mouth_Slightly_Open": (0.0, 0.35, 0.15, 0.65),
    "Mustache": (0.0, 0.35, 0.05, 0.5),
    "Narrow_Eyes": (0.0, 0.5, -0.3, 0.2),
    "No_Beard": (0.0, 0.75, 0.0, 0.85),
    "Oval_Face": (0.0, 0.75, -0.85, 0.9),
    "Pale_Skin": (0.0, 0.7, -0.85, 1.0),
    "Pointy_Nose": (0.0, 0.3, -0.25, 0.4),
    "Receding_Hairline": (0.1, 0.75, -0.9, 0.15),
    "Rosy_Cheeks": (0.0, 0.5, -0.05, 0.45),
    "Sideburns": (0.2, 0.6, -0.45, 0.3),
    "Smiling": (0.0, 0.45, 0.1, 0.65),
    "Straight_Hair": (0.05, 0.9, -0.9, 0.15),
    "Wavy_Hair": (0.1, 1.0, -0.3, 1.0),
    "Wearing_Earrings": (0.3, 0.75, 0.0, 0.45),
    "Wearing_Hat": (0.0, 0.95, -1.0, -0.35),
    "Wearing_Lipstick": (0.0, 0.4, 0.15, 0.6),
    "Wearing_Necklace": (0.0, 0.45, 0.5, 1.0),
    "Wearing_Necktie": (0.0, 0.55, 0.5, 1.0),
    "Young": (0.0, 0.4, -0.65, 0.45),
}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def people(n=PEOPLE, **options):
    return toyfaces.labels(n, seed=3, **options), np.arange(n)


def test_a_face_does_not_depend_on_its_batch(monkeypatch):
    a, person = people(balanced=True)
    together = toyfaces.render(a, person, size=SIZE)
    order = np.random.default_rng(0).permutation(len(a))
    assert torch.equal(toyfaces.render(a[order], person[order], size=SIZE), together[order])
    assert torch.equal(toyfaces.render(a[7:8], person[7:8], size=SIZE)[0], together[7])
    monkeypatch.setattr(drawing, "PIXELS_AT_ONCE", 5 * SIZE**2)
    assert torch.equal(toyfaces.render(a, person, size=SIZE), together)


def test_windows_hold_every_pose(monkeypatch):
    a, person = people(balanced=True)
    drawn = toyfaces.render(a, person, size=SIZE)
    monkeypatch.setattr(portrait, "REACH", 2.0)
    assert torch.equal(toyfaces.render(a, person, size=SIZE), drawn)


@pytest.mark.parametrize("name", CELEBA)
def test_each_label_shows_at_its_place_next_to_any_others(name):
    a, person = people(balanced=True)
    a[:, index(CELEBA, "Blurry")] = False  # spreads every change
    off, on = a.copy(), a.copy()
    off[:, index(CELEBA, name)], on[:, index(CELEBA, name)] = False, True
    before, after = (toyfaces.render(labels, person, size=SIZE).int() for labels in (off, on))
    change = (after - before).abs().amax(1)
    assert ((change > 24).sum((1, 2)) >= 3).float().mean() >= 0.9, "some people do not show it"
    if REGIONS[name] is not None:
        left, right, top, bottom = REGIONS[name]
        axis = (torch.arange(SIZE) + 0.5) * (2 / SIZE) - 1
        x, y = axis.abs()[None, :], axis[:, None]
        assert change[:, ~((x >= left) & (x <= right) & (y >= top) & (y <= bottom))].max() <= 2


#: What a label adds to a face is darker than what it covers, whoever it is; or lighter.
DARKER = (
    "5_o_Clock_Shadow", "Bags_Under_Eyes", "Black_Hair", "Bushy_Eyebrows", "Eyeglasses", "Goatee", "Mustache",
    "Sideburns", "Wearing_Hat",
)  # fmt: skip
LIGHTER = ("Attractive", "Gray_Hair", "No_Beard", "Pale_Skin", "Young")


@pytest.mark.parametrize("name", DARKER + LIGHTER)
def test_a_label_shows_what_it_says_and_not_its_opposite(name):
    a, person = people(balanced=True)
    off, on = a.copy(), a.copy()
    off[:, index(CELEBA, name)], on[:, index(CELEBA, name)] = False, True
    before, after = (toyfaces.render(labels, person, size=SIZE).float().mean((1, 2, 3)) for labels in (off, on))
    assert ((after > before) == (name in LIGHTER)).all()


def somebody(*names):
    """Portraits of `PEOPLE` people with these labels alone, before anything is drawn."""
    a = np.zeros((PEOPLE, len(CELEBA)), dtype=bool)
    a[:, [index(CELEBA, name) for name in names]] = True
    return portrait.Portrait(a, np.arange(PEOPLE), 3, SIZE, "cpu")


def test_a_pose_moves_and_turns_a_face_without_bending_it():
    faces = somebody()
    right = torch.stack([faces.u.diff(dim=2)[:, 0, 0], faces.v.diff(dim=2)[:, 0, 0]])  # one pixel on
    down = torch.stack([faces.u.diff(dim=1)[:, 0, 0], faces.v.diff(dim=1)[:, 0, 0]])
    torch.testing.assert_close(right.norm(dim=0), down.norm(dim=0))
    torch.testing.assert_close(right.norm(dim=0), faces.pixel.flatten())
    torch.testing.assert_close((right * down).sum(0), torch.zeros(PEOPLE), atol=1e-6, rtol=0)
    assert faces.pixel.unique().numel() == PEOPLE and (right[1] > 0).any() and (right[1] < 0).any()


def test_a_palette_is_walked_from_its_first_colour_to_its_last():
    faces, palette = somebody(), ((0.0, 0.2, 0.9), (1.0, 0.2, 0.5), (0.0, 0.4, 0.1))
    faces.trait["skin"] = torch.tensor([0.0, 0.25, 0.5, 1.0])[:, None, None]
    walked = [palette[0], (0.5, 0.2, 0.7), palette[1], palette[2]]
    torch.testing.assert_close(faces.pick(palette, "skin")[:, :, 0, 0], torch.tensor(walked))


def test_hair_has_its_named_colour_wherever_it_is_not_dyed():
    def differ(people):  # whether the bands of hair of a person differ
        return (people.bands - people.bands[:, :1]).abs().amax((1, 2)) > 1e-6

    brown = somebody("Brown_Hair")
    dyed = brown.trait["dyed"].flatten() < portrait.DYED
    assert dyed.any() and not dyed.all() and torch.equal(differ(brown), dyed)
    unnamed = somebody()
    assert not differ(unnamed).any()
    light = 1 + 0.06 * unnamed.spread("hair_light")[:, 0]
    expected = unnamed.pick(portrait.OTHER_HAIR, "other_hair")[:, :, 0, 0] * light
    torch.testing.assert_close(unnamed.bands[:, 0], expected)


def test_another_index_is_another_person():
    a = np.repeat(toyfaces.labels(1, seed=2), 12, axis=0)
    images = toyfaces.render(a, np.arange(12), size=32).float()
    difference = (images[:, None] - images[None]).abs().mean((2, 3, 4))
    assert difference[~torch.eye(12, dtype=bool)].min() > 4
    assert not torch.equal(toyfaces.render(a, np.arange(12), seed=1, size=32).float(), images)


@pytest.mark.parametrize("balanced", [False, True])
def test_sizes_show_the_same_face(balanced):
    a, person = people(balanced=balanced)
    small = toyfaces.render(a, person, size=64).float()
    large = torch.nn.functional.avg_pool2d(toyfaces.render(a, person, size=128).float(), 2)
    assert (small - large).abs().mean() < 2.5


def test_faces_are_drawn_from_their_labels():
    images, a = toyfaces.faces(6, seed=5, start=10, size=32)
    assert images.dtype == np.uint8 and images.shape == (6, 3, 32, 32) and a.dtype == bool
    assert (a == toyfaces.labels(6, seed=5, start=10)).all()
    later, _ = toyfaces.faces(3, seed=5, start=12, size=32)
    assert (later == images[2:5]).all()


def test_label_noise_leaves_the_picture_alone():
    images, a = toyfaces.faces(20, seed=5, size=16)
    same, noisy = toyfaces.faces(20, seed=5, size=16, label_noise=0.2)
    assert (same == images).all()
    assert 0.1 < (noisy ^ a).mean() < 0.3


def test_pairs_differ_in_one_attribute():
    pairs = toyfaces.on_off_pairs(index=2, size=32)
    assert pairs.shape == (len(CELEBA), 2, 3, 32, 32)
    assert (pairs[:, 0] != pairs[:, 1]).any((1, 2, 3)).all()


def test_shapes_are_signed_distances():
    u, v = torch.meshgrid(torch.linspace(-1, 1, 20), torch.linspace(-1, 1, 20), indexing="ij")  # not the very centre
    r = torch.hypot(u, v)
    torch.testing.assert_close(canvas.disc(u, v, 0.5), r - 0.5)
    torch.testing.assert_close(canvas.ellipse(u, v, 0.5, 0.5), r - 0.5, atol=1e-3, rtol=0)
    torch.testing.assert_close(canvas.segment(u, v, 0.0, 0.0, 1e-4, 0.0), r, atol=1e-3, rtol=0)
    beside, beyond = torch.tensor([0.5]), torch.tensor([2.0])
    assert canvas.segment(beside, beside, 0.0, 0.0, 1.0, 0.0).item() == pytest.approx(0.5)
    assert canvas.segment(beyond, 0 * beyond, 0.0, 0.0, 1.0, 0.0).item() == pytest.approx(1.0)
    assert canvas.box(beyond, 0 * beyond, 1.0, 0.5).item() == pytest.approx(1.0)
    assert canvas.box(0 * beyond, 0 * beyond, 1.0, 0.5).item() == pytest.approx(-0.5)
    corner = canvas.box(torch.tensor([1.3]), torch.tensor([0.9]), 1.0, 0.5)
    assert corner.item() == pytest.approx(0.5)  # 0.3 and 0.4 beyond it


def test_a_line_covers_its_width_and_fades_below_a_pixel():
    window = canvas.Window(torch.zeros(1, 3, 1, 5), *torch.zeros(2, 1, 1, 5), torch.full((1, 1, 1), 0.1))
    across = torch.tensor([[[-0.4, -0.1, 0.0, 0.1, 0.4]]])
    assert window.line(across, 0.2).flatten().tolist() == pytest.approx([0, 1, 1, 1, 0])
    assert window.line(across, 0.02)[0, 0, 2].item() == pytest.approx(0.4)  # a line of 0.04 in a pixel of 0.1


def test_no_faces_is_no_error():
    assert toyfaces.render(np.zeros((0, 40), dtype=bool), np.zeros(0, dtype=int), size=16).shape == (0, 3, 16, 16)


@pytest.mark.parametrize(("shape", "size", "message"), [((2, 13), 64, r"\(2, 13\)"), ((2, 40), 8, "size is 8")])
def test_what_cannot_be_drawn_is_refused(shape, size, message):
    with pytest.raises(ValueError, match=message):
        toyfaces.render(np.zeros(shape, dtype=bool), np.arange(2), size=size)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_devices_agree():
    a, person = people(balanced=True)
    difference = toyfaces.render(a, person, device="cuda").cpu().int() - toyfaces.render(a, person).int()
    assert difference.abs().float().mean() < 0.05


def test_the_data_card_shows_what_was_measured():
    """Mean and worst attribute of every training in data/results/toyfaces.csv, as typed in data/README.md."""
    card = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    measured = pd.read_csv(ROOT / "data" / "results" / "toyfaces.csv").groupby(["training", "n_train"], sort=False)
    for (training, n), table in measured:
        cells = [f"{n:,} {training.replace('long tail', 'long-tailed')}"]
        for column in ("balanced_accuracy", "balanced_accuracy_long_tail"):
            worst = table.loc[table[column].idxmin()]
            name = worst["attribute"].replace("_", " ")
            cells.append(f"{table[column].mean():.3f}; {worst[column]:.3f} {name}")
        assert f"| {' | '.join(cells)} |" in card


def test_labels_can_be_seen_and_rare_ones_suffer_from_few_faces():
    """What the drawn faces promise: learnable (0.95 mean, 0.80 worst), with something to gain for the rare labels."""
    table = pd.read_csv(ROOT / "data" / "results" / "toyfaces.csv")
    seen = table.query("training == 'balanced'")["balanced_accuracy"]
    assert seen.mean() >= 0.95 and seen.min() >= 0.80
    rare = table[np.minimum(table["celeba"], 1 - table["celeba"]) < 0.08]
    many, few = (rare.query("training == 'long tail' and n_train == @n") for n in (20_000, 2_000))
    assert many["balanced_accuracy"].mean() - few["balanced_accuracy"].mean() > 0.05
