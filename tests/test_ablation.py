"""The variants of the ablation are what their names say, and its table can be taken up where it stopped."""

import dataclasses
import types

import numpy as np
import pandas as pd
import pytest
import torch
from small import small_profile

from benchmarks import ablation
from lib import checkpoints, config, data, losses, stages
from lib.data import FaceData

FULL = config.MappingConfig()


@pytest.fixture
def run(tmp_path):
    profile = small_profile(data=config.DataConfig(size=32, train=48, val=16, test=16))
    return config.Run(profile, "toy", 0, tmp_path / "toy" / "ci")


WITHOUT = {
    "no adversarial loss of embeddings": "adversarial_feature",
    "no adversarial loss of images": "adversarial_image",
    "no reconstruction of images": "reconstruction_image",
    "no reconstruction of embeddings": "reconstruction_embedding",
    "no perceptual loss": "perceptual",
}


@pytest.mark.parametrize("name, part", WITHOUT.items())
def test_each_loss_in_turn_has_no_part_in_the_total(name, part):
    changed = dataclasses.replace(FULL, **ablation.VARIANTS[name].changes)
    torch.manual_seed(0)
    given = [torch.randn(4, 8), torch.randn(4, 8), torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)]
    given += [torch.ones(4, 5), torch.randn(4, 5), torch.randn(4), torch.randn(4)]
    full, parts = losses.mapping(*given, FULL)
    total, _ = losses.mapping(*given, changed)
    assert torch.isclose(total, full - getattr(FULL, f"weight_{part}") * parts[part])
    assert getattr(FULL, f"weight_{part}") > 0


def test_every_loss_of_eq_17_has_its_variant():
    assert {f"weight_{part}" for part in WITHOUT.values()} == {
        field.name for field in dataclasses.fields(FULL) if field.name.startswith("weight_")
    }


def test_others_change_what_their_names_say():
    changes = {name: variant.changes for name, variant in ablation.VARIANTS.items() if name not in WITHOUT}
    assert changes == {
        "full objective": {},
        "non-saturating": {"saturating": not FULL.saturating},
        "constant rate": {"halvings": 0},
        "the paper's guide": {"noise": 0.0},
        "short autoencoder": {},
        "log loss instead of BEGAN's": {"adversarial": "log"},
        "no adversary": {"weight_adversarial": 0.0},
        "vanishing residuals": {"carry_steps": ablation.CARRY},
        "decoder with skips": {"skips": True},
        "train and val": {},
    }
    assert [name for name, variant in ablation.VARIANTS.items() if variant.validation] == ["train and val"]
    paper = config.PROFILES["paper"].classifier
    guides = {name: variant.guide for name, variant in ablation.VARIANTS.items() if variant.guide}
    assert guides == {"the paper's guide": {"noise": paper.noise, "nudge": paper.nudge}}
    groups = {variant.group: variant for variant in reversed(ablation.VARIANTS.values())}
    assert [(group, first.changes) for group, first in groups.items()] == [("autoencoder", {}), ("mapping", {})]


def test_variants_share_what_they_may_share(run):
    faces = data.load(run)
    chosen = [ablation.VARIANTS[name] for name in ("full objective", "no perceptual loss", "short autoencoder")]
    folders = [[stage.folder for stage in ablation.trained(run, faces, variant, 1)] for variant in chosen]
    assert folders[0][0] == folders[1][0] == stages.autoencoder(run, faces).folder != folders[2][0]
    assert len({mapping for _, mapping in folders}) == 3
    assert len(list(run.folder.glob("classifier-*"))) == 2  # seed 0 for the first two, seed 1 for a chain of its own
    guides = {folder.name: stages.load(folder).config for folder in run.folder.glob("classifier-*")}
    same, _ = ablation.trained(run, faces, ablation.VARIANTS["the paper's guide"], 0)
    assert run.profile.autoencoder.weight_feature and same.folder == folders[0][0]  # that learns from the usual guide
    (its,) = {folder.name for folder in run.folder.glob("classifier-*")} - set(guides)
    assert stages.load(run.folder / its).config.nudge == 0 < min(config.nudge for config in guides.values())
    for stage in ablation.trained(run, faces, ablation.VARIANTS["train and val"], 0):
        recipe = checkpoints.describe(stage.folder)["recipe"]
        steps = 2 * (48 // stage.config.batch_size)
        assert recipe["n_train"] == 48 + 16 and recipe["steps"] == steps


def test_detail_is_what_smoothing_takes_away():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    assert ablation.detail(np.full_like(images, 9)) == 0
    assert ablation.detail(images // 2) == pytest.approx(ablation.detail(images) / 2, rel=0.02)


class Halves:
    """Networks of faces with a left and a right half, and who judges them: z is what the left half shows.

    Φ(a) = 0.4 a₁ + 0.8 a₂ - 0.6; the decoder's right half is always -0.2, the byte 102.
    """

    class Encoder(torch.nn.Module):
        def forward(self, x):
            return x[:, 0, 0, :1]

    class Decoder(torch.nn.Module):
        def forward(self, z):
            halves = torch.cat([z, torch.full_like(z, -0.2)], dim=1)
            return halves[:, None, None].expand(-1, 3, 2, -1)

    class Phi(torch.nn.Module):
        def forward(self, a):
            return a @ torch.tensor([[0.4], [0.8]]) - 0.6

    def says(self, images):
        left = images[:, 0, 0, 0].astype(float)
        return np.stack([left - 150, left - 100], axis=1)

    def quality(self, images):
        return {"lefts": images[:, 0, 0, 0].tolist()}


def test_a_row_by_hand():
    halves = np.array([[255, 255], [255, 0], [0, 0], [0, 255]], dtype=np.uint8)  # z = 1, 1, -1, -1: variance 4/3
    images = np.broadcast_to(halves[:, None, None], (4, 3, 2, 2))
    a = np.array([[1, 0], [1, 1], [0, 1], [0, 1]], dtype=bool)  # Φ(a) = -0.2, 0.6, 0.2, 0.2: bytes 102, 204, 153, 153
    test = FaceData(images, a, ("Hat", "Happy"), np.repeat("test", 4), np.arange(4).astype(str), "halves", "halves")
    autoencoder = types.SimpleNamespace(encoder=Halves.Encoder(), decoder=Halves.Decoder())
    assert ablation.measure(Halves(), test, autoencoder, Halves.Phi()) == {
        "accuracy": 4 / 8,  # judged as 01, 11, 11, 11
        "balanced_accuracy": pytest.approx((0.5 + 0 + 1 + 0) / 4),
        "l1": pytest.approx((1.2 + 1.2 + 0.4 + 0.8 + 1.2 + 0.8 + 1.2 + 1.2) / 8, rel=1e-5),
        "l1_rebuilt": pytest.approx((0 + 1.2 + 0 + 0.8 + 0 + 0.8 + 0 + 1.2) / 8, rel=1e-5),
        "embedding_error": pytest.approx((1.44 + 0.16 + 1.44 + 1.44) / 4 / (4 / 3), rel=1e-5),
        "detail": pytest.approx((0 + 102 + 51 + 51) / (0 + 255 + 0 + 255)),
        "lefts": [204, 153],  # every other face, as many as there are real ones to compare them with
    }


def test_a_table_is_taken_up_and_drawn(run, monkeypatch):
    faces = data.load(run)
    names = ("full objective", "non-saturating", "decoder with skips")
    variants = {name: ablation.VARIANTS[name] for name in names}
    ablation.table(run, faces, dict.fromkeys(names[:1], variants[names[0]]), [0])
    measure, measured = ablation.measure, []
    monkeypatch.setattr(ablation, "measure", lambda *given: measured.append(given) or measure(*given))
    ablation.table(run, faces, variants, [0, 1])
    assert len(measured) == 5
    table = pd.read_csv(run.folder / "results" / "ablation.csv")
    assert table.groupby("variant")["seed"].apply(list).to_dict() == dict.fromkeys(names, [0, 1])
    assert table.groupby("variant")["group"].first().tolist() == ["autoencoder", "mapping", "mapping"]
    for row in table.itertuples():  # each row is that of its own networks
        (_, mapping) = ablation.trained(run, faces, variants[row.variant], row.seed)
        assert row.stage == mapping.folder.name
    assert table["stage"].is_unique
    recipe = {"data", "profile", "device", "commit", "autoencoder_seed", "autoencoder_steps", "mapping_steps", "n_test"}
    measures = {"balanced_accuracy", "l1", "l1_rebuilt", "embedding_error", "detail", "frechet_classifier", "distinct"}
    assert recipe | measures <= set(table.columns)
    longer = dataclasses.replace(variants["full objective"], changes={"epochs": 3})
    assert len(ablation.table(run, faces, {"full objective": longer}, [0])) == len(table)  # in place of the shorter one
    assert len(ablation.picture(run, faces, variants).axes[0].images) == 4 * ablation.SHOWN
