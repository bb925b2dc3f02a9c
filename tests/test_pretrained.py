"""Weights that ship: whole, small, honest about themselves, and refused where they do not fit."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lib import checkpoints, config, data, oracle, pretrained, stages, toyfaces
from lib.data import FaceData

SHIPPED = sorted(path.parent.name for path in pretrained.FOLDER.glob("*/README.md"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the weights "mine", made by the command at profile ci, and its run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "FOLDER", tmp_path_factory.mktemp("pretrained"))
        patch.setenv("COURSE_RUNS", str(tmp_path_factory.mktemp("runs")))
        pretrained.main(["mine", "--profile", "ci", "--data", "toy"])
        return pretrained.FOLDER, config.start("ci", show=False)


@pytest.fixture
def mine(made, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", made[0])
    return pretrained.load("mine")


def test_half_precision_lies_on_the_disk_and_the_networks_are_those_of_the_run(mine, made):
    run = made[1]
    faces = data.load(run)
    x = data.to_float(faces.images[:4])
    for stage in pretrained.STAGES:
        tensors = load_file(mine.folder / stage / "model.safetensors").values()
        assert {tensor.dtype for tensor in tensors} == {torch.float16}
        shipped, trained = getattr(mine, stage), getattr(stages, stage)(run, faces)
        assert shipped.config == trained.config and len(shipped.log)
        assert all(p.dtype == torch.float32 and not p.requires_grad for p in shipped.model.parameters())
        given = torch.from_numpy(faces.attributes[:4]).float() if stage == "mapping" else x
        torch.testing.assert_close(shipped.model(given), trained.model(given), rtol=0, atol=0.01)
    assert (mine.size, mine.names) == (32, faces.names)
    judge = oracle.oracle(run, faces).model
    torch.testing.assert_close(mine.oracle.model(x), judge(x), rtol=0, atol=0.01)


def test_the_card_is_filled_in(mine):
    assert not re.search(r"[{}]|\bnan\b", mine.card)
    assert "python -m lib.pretrained mine --profile ci" in mine.card
    assert "oracle" in mine.card and "majority answer" in mine.card
    recipe = checkpoints.describe(mine.folder / "mapping")["recipe"]
    assert f"| mapping | {sum(p.numel() for p in mine.mapping.model.parameters()):,} | {recipe['steps']} |" in mine.card


def test_the_terms_are_those_of_the_faces_not_of_the_name(mine):
    assert pretrained.terms("mine", "toy") == pretrained.terms("celeba64", "toy") == pretrained.DRAWN
    assert pretrained.terms("celeba64", "faces64") == pretrained.CELEBA
    assert pretrained.terms("toy", "faces64") == pretrained.OTHERS
    assert pretrained.DRAWN in mine.card


def test_the_numbers_on_a_card_by_hand():
    """With the weights of drawn faces, whose faces differ by their labels, and their own classifier as the judge."""
    ready = pretrained.load("toy")
    parts = [toyfaces.faces(64, start=data.TOY_STARTS[split], size=ready.size) for split in ("train", "test")]
    train, test = (
        FaceData(images, a, ready.names, np.repeat(split, 64), np.arange(64).astype(str), "toy", split)
        for split, (images, a) in zip(("train", "test"), parts, strict=True)
    )
    judge = ready.classifier.model
    train = dataclasses.replace(train, attributes=~train.attributes)  # another majority than that of the test faces
    table, numbers = pretrained.measure(ready, judge, train, test)

    x, labels = torch.from_numpy(test.images) / 127.5 - 1, torch.from_numpy(test.attributes)
    with torch.inference_mode():
        rebuilt = ready.autoencoder.model(x)
        painted = ready.autoencoder.model.decoder(ready.mapping.model(labels.float()))
        painted = ((painted + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
        features = {name: judge.features(faces).double().numpy() for name, faces in (("x", x), ("painted", painted))}
        answers = {faces: judge(of) > 0 for faces, of in (("test faces", x), ("generated", painted))}

    def frechet(one, other):
        means, covariances = [f.mean(axis=0) for f in (one, other)], [np.cov(f.T) for f in (one, other)]
        root = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).astype(complex)).real.sum()
        return ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1]) - 2 * root

    expected = {
        "l1": (x - rebuilt).abs().mean().item(),
        "l1_mean_face": np.abs(x.numpy() - (train.images / 127.5 - 1).mean(axis=0)).mean(),
        "frechet_judge": frechet(features["x"][:32], features["painted"][32:]),  # faces of other labels
        "frechet_judge_floor": frechet(features["x"][:32], features["x"][32:]),
        "distinct_labels": len({tuple(row) for row in test.attributes}),
        "distinct_faces": len({face.numpy().tobytes() for face in painted}),
    }
    assert {name: numbers[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert expected["frechet_judge"] != pytest.approx(frechet(features["x"][:32], features["painted"][:32]), rel=0.01)
    for row, faces in ((1, "test faces"), (2, "test faces"), (3, "generated")):
        assert table["accuracy"].iloc[row] == pytest.approx((answers[faces] == labels).float().mean().item())
    often = train.attributes.mean(axis=0) > 0.5
    assert table["accuracy"].iloc[0] == pytest.approx((often == test.attributes).mean())


def test_faces_that_do_not_fit_are_refused(mine, made):
    faces = data.load(made[1])
    assert pretrained.load("mine", faces).size == faces.size
    few = dataclasses.replace(faces, names=faces.names[:2], attributes=faces.attributes[:, :2])
    told = "know the attributes 5_o_Clock_Shadow, .* and 35 more, these faces have 5_o_Clock_Shadow, Arched_Eyebrows:"
    with pytest.raises(ValueError, match=told):
        pretrained.load("mine", few)
    small = dataclasses.replace(faces, images=np.zeros((len(faces), 3, 16, 16), np.uint8))
    with pytest.raises(ValueError, match="of 32x32 pixels, these have 16x16:"):
        pretrained.load("mine", small)


def test_unknown_names_and_damaged_files_are_told(mine):
    with pytest.raises(ValueError, match="'yours'; there are: mine$"):
        pretrained.load("yours")
    with pytest.raises(ValueError, match="there are: mine; `python -m lib.pretrained celeba64` makes them"):
        pretrained.load("celeba64")
    weights = mine.folder / "mapping" / "model.safetensors"
    whole = weights.read_bytes()
    for damage in (lambda: weights.write_bytes(whole[:1000]), weights.unlink):
        damage()
        with pytest.raises(checkpoints.CheckpointError, match="'mine' are damaged or not all there"):
            pretrained.load("mine")
    weights.write_bytes(whole)


def test_weights_made_without_an_oracle_have_none_of_earlier_faces(mine, monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    trained = {stage: getattr(mine, stage) for stage in pretrained.STAGES}
    pretrained.export("yours", trained | {"oracle": mine.oracle})
    assert pretrained.load("yours").oracle is not None
    pretrained.export("yours", trained)
    assert pretrained.load("yours").oracle is None


def test_other_faces_in_the_environment_are_not_taken_without_a_word(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", "toy")
    with pytest.raises(SystemExit):
        pretrained.main(["mine", "--profile", "ci", "--data", "elsewhere"])
    assert "COURSE_DATA in the environment names other faces than --data" in capsys.readouterr().err


def test_recipes_train_networks_that_fit_together():
    for recipe in pretrained.RECIPES.values():
        assert {recipe.data.size} == {getattr(recipe, stage).size for stage in pretrained.STAGES}
        assert recipe.autoencoder.embedding == recipe.mapping.embedding


# --- What really ships ------------------------------------------------------------------------------------------------


def test_what_ships_is_small():
    files = [path for path in pretrained.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 30_000_000


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_can_be_loaded_and_says_what_may_be_done_with_it(name):
    ready = pretrained.load(name)
    assert (pretrained.CELEBA if name == "celeba64" else pretrained.DRAWN) in ready.card
    assert "+" not in checkpoints.describe(ready.folder / "mapping")["recipe"]["commit"]


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_was_made_by_its_recipe(name):
    for stage in pretrained.STAGES:
        expected, shipped = getattr(pretrained.RECIPES[name], stage), getattr(pretrained.load(name), stage).config
        known = {"attributes": shipped.attributes} if stage != "autoencoder" else {}
        assert shipped == dataclasses.replace(expected, **known)


def test_the_weights_of_drawn_faces_read_faces_and_paint_what_they_are_asked_for():
    ready = pretrained.load("toy")
    images, a = toyfaces.faces(64, start=data.TOY_STARTS["test"], size=ready.size)
    labels = torch.from_numpy(a)
    with torch.inference_mode():
        painted = ready.autoencoder.model.decoder(ready.mapping.model(labels.float()))
        for x, share in ((data.to_float(images), 0.95), (painted, 0.9)):
            assert ((ready.classifier.model(x) > 0) == labels).float().mean() > share
