"""Table 1 and its cost: one command measures every generator, and is taken up where it stopped."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import results, table1
from lib import config, data, stages
from lib.attributes import CELEBA
from lib.baselines import attgan, dcgan, icgan, relgan, stargan
from lib.study import comparison

TINY = {
    dcgan: {"filters": 2, "decoder_filters": 2, "embedding": 4},
    icgan: {"filters": 2, "encoder_filters": 2, "features": 4, "noise": 4},
    stargan: {"filters": 2, "blocks": 1, "critic_filters": 2, "n_critic": 2},
    attgan: {"filters": 2, "critic_filters": 2, "features": 4, "n_critic": 2},
    relgan: {"filters": 2, "blocks": 1, "critic_filters": 2},
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    small = config.PROFILES["ci"]
    changes = {
        "data": config.DataConfig(size=32, train=160, val=8, test=32),
        "autoencoder": dataclasses.replace(small.autoencoder, filters=2, critic_filters=2, embedding=8, batch_size=80),
        "classifier": dataclasses.replace(small.classifier, filters=2, batch_size=80),
        "mapping": dataclasses.replace(small.mapping, filters=2, embedding=8),
    }
    for module, sizes in TINY.items():
        for name, batch in (("ci", 16), ("paper", 4)):
            settings = dataclasses.replace(module.PROFILES[name], **sizes, batch_size=batch)
            monkeypatch.setitem(module.PROFILES, name, settings)
    paper = dataclasses.replace(small, data=config.DataConfig(size=64))
    monkeypatch.setitem(config.PROFILES, "paper", paper)
    return config.Run(dataclasses.replace(small, **changes), "toy", 0, tmp_path / "toy" / "ci")


def test_every_generator_is_measured_watched_and_priced(run, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    monkeypatch.setattr(table1, "OBEYS", (0.01, 1.01))
    monkeypatch.setattr(table1, "REPETITIONS", 2)
    faces = data.load(run)
    table1.table1(run, faces, 3)
    table = pd.read_csv(run.folder / "results" / "table1.csv").set_index("system")
    references = list(comparison.references(run, faces))
    assert list(table.index) == references + list(comparison.GENERATORS)
    assert (table.loc[references, "seed"] == 0).all() and (table.loc[list(comparison.GENERATORS), "seed"] == 3).all()
    assert table.loc[list(comparison.GENERATORS), "watched"].all()
    assert table.loc["StarGAN", ["images_until_0.01", "images_trained"]].tolist() == [160, 160]
    assert table["images_until_1.01"].isna().all()
    assert table.loc["training mean face", "distinct"] == 1 and table.loc["real faces", "frechet_classifier"] > 0
    assert {"commit", "judge", "extractor", "n_real", "n_generated", "majority_accuracy"} <= set(table)

    table1.cost_table(run, faces)
    cost = pd.read_csv(run.folder / "results" / "cost.csv").set_index("system")
    phases = ["IcGAN, conditional GAN", "IcGAN, encoders"]
    alone = [name for name in table1.SYSTEMS if name != "IcGAN"]
    assert list(cost.index) == [*table1.OURS, alone[0], *phases, *alone[1:], "IcGAN", "ours, all stages"]
    ours, stages_of_ours = cost.loc["ours, all stages"], cost.loc[list(table1.OURS)]
    assert ours["seconds"] == pytest.approx(stages_of_ours["seconds"].sum(), rel=1e-3)
    assert ours["seconds_until_0.01"] == pytest.approx(stages_of_ours["seconds_until_0.01"].sum(), rel=1e-3)
    assert cost["seconds_until_1.01"].notna().sum() == 2  # our first stages, which have to be there at any rate
    star, images = cost.loc["StarGAN"], 16 * (162_770 // 16)  # an epoch of CelebA: here "paper" is a small profile, too
    assert star["published_tflop"] == pytest.approx(star["published_gflop_per_image"] * images / 1e3, rel=1e-3)
    whole = cost.loc["IcGAN"]
    assert whole["seconds"] == pytest.approx(cost.loc[phases, "seconds"].sum(), rel=1e-3)
    assert whole["weights"] == table1.cost.parameters(icgan.icgan(run, faces, seed=3).model) + cost_of_discriminator()
    assert cost.loc[phases, "images_trained"].tolist() == [160, 160]  # an epoch each
    assert not results.PUBLISHED.exists()  # numbers of profile ci mean nothing


def cost_of_discriminator():
    settings = dataclasses.replace(icgan.PROFILES["ci"], size=32, attributes=tuple(map(str, range(40))))
    return table1.cost.parameters(icgan.new_discriminator(settings))


def test_references_alone_obey_nobody(run):
    results.keep("table1", run, {"system": "real faces"} | run.recipe())
    assert table1.until_obeying(run) == {}


def test_seconds_until_take_each_stage_at_its_price():
    stages_of_it = [{"images_trained": 10, "seconds": 20.0}, {"images_trained": 5, "seconds": 50.0}]
    assert [table1.seconds_until(images, stages_of_it) for images in (4, 10, 12)] == [8, 20, 40]
    assert np.isnan(table1.seconds_until(np.nan, stages_of_it))


def test_reference_trains_every_system_with_as_many_operations_as_ours():
    profile = config.PROFILES["reference"]
    setting = profile, CELEBA, profile.data.train
    ours = table1.operations(*setting, comparison.OURS)
    for system in table1.SYSTEMS:
        assert table1.operations(*setting, system) == pytest.approx(ours, rel=0.04), system


def test_a_system_alone_is_measured_without_references(run, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    table1.table1(run, data.load(run), 0, ["IcGAN"])
    assert pd.read_csv(run.folder / "results" / "table1.csv")["system"].tolist() == ["IcGAN"]


@pytest.mark.parametrize("system", ["IcGAN", "StarGAN"])
def test_equal_compute_takes_as_many_operations_as_all_our_stages(run, tmp_path, monkeypatch, system):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    faces = data.load(run)
    n = len(faces.part("train"))
    table1.table1(run, faces, 0, [system], equal=True)
    (row,) = pd.read_csv(run.folder / "results" / "table1.csv").to_dict("records")
    ours = table1.operations(run.profile, faces.names, n, comparison.OURS)
    its = table1.operations(run.profile, faces.names, n, system)
    settings = table1.SYSTEMS[system].module.PROFILES["ci"]
    steps = round(round(settings.epochs * ours / its, 1) * (n // settings.batch_size))
    assert row["system"] == f"{system}, equal compute" and row["images_trained"] == steps * settings.batch_size
    assert row["tflop"] == pytest.approx(ours, rel=0.05)


def test_compared_systems_may_learn_from_other_batches(run, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    faces = data.load(run)
    for batch_size in (None, 8):
        table1.table1(run, faces, 0, ["StarGAN"], equal=True, batch_size=batch_size)
    usual, other = pd.read_csv(run.folder / "results" / "table1.csv").to_dict("records")
    assert other["system"] == "StarGAN, equal compute, batches of 8" and other["tflop"] == usual["tflop"]
    assert other["images_trained"] == pytest.approx(usual["images_trained"], abs=8)
    trained = json.loads((run.folder / other["stage"] / "config.json").read_text())
    assert trained["config"]["batch_size"] == 8 and trained["recipe"]["steps"] * 8 == other["images_trained"]


def test_the_picture_shows_every_system_at_equal_compute(run):
    faces = data.load(run)
    axes = table1.picture(run, faces, 0).axes[0]
    texts = {" ".join(text.get_text().split()) for text in axes.texts}  # long ones stand in two lines
    assert {"the face", "Blond Hair", "ours", "ours, editing", *table1.SYSTEMS} <= texts
    assert len(axes.images) == 7 * 2 * 6  # rows, persons, the face and five flips
    shown = [image.get_array() for image in axes.images]
    assert np.array_equal(shown[0], faces.part("test").images[0].transpose(1, 2, 0))
    settings = run.profile, faces.names, len(faces.part("train"))
    longer = table1.equal_compute(*settings, "AttGAN")
    generate = table1.comparison.GENERATORS["AttGAN"](run, faces, seed=0, **longer)
    person = faces.part("test").take(slice(0, 1))
    b = table1.common.flipped(person.attributes, faces.names, "Eyeglasses")
    made = table1.make(generate, b, person.images, person.attributes)
    assert np.array_equal(shown[5 * 12 + 1], made[0].transpose(1, 2, 0))  # of the sixth row the second face


def test_faces_are_made_where_the_labels_are(run):
    """On a GPU too: torch's device "meta" stands for one, as it is none that networks are loaded to."""
    faces = data.load(run)
    x, b = torch.zeros(2, 3, 32, 32, device="meta"), torch.zeros(2, 40, device="meta")
    generators = {name: obtain(run, faces) for name, obtain in comparison.GENERATORS.items()}
    for name, (generate, _) in comparison.references(run, faces).items():
        generators[name] = generate
    for name, generate in generators.items():
        made = generate(b, x, b)
        assert (made.device.type, made.shape) == ("meta", x.shape), name


def test_looking_does_not_disturb_a_training(run, monkeypatch):
    faces = data.load(run)
    judge = stages.classifier(run, faces)
    frame = comparison.Frame(faces, judge)
    plain = attgan.attgan(run, faces)
    other = dataclasses.replace(run, folder=run.folder.parent / "watched")
    with table1.watched(other, faces, frame, "AttGAN"):
        watched = attgan.attgan(other, faces)
    assert "obedience" in watched.log and "obedience" not in plain.log
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(tensor, watched.model.state_dict()[name]), name


def test_a_row_is_published_but_not_of_profile_ci(run, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    row = {"data": "toy", "profile": "laptop", "seed": 0, "system": "StarGAN", "accuracy": 0.9}
    for profile, published in (("ci", False), ("laptop", True)):
        named = dataclasses.replace(run, profile=dataclasses.replace(run.profile, name=profile))
        results.keep("table1", named, row)
        assert results.PUBLISHED.exists() == published
    results.keep("table1", named, row | {"accuracy": 0.8})
    assert pd.read_csv(results.PUBLISHED / "table1.csv")["accuracy"].tolist() == [0.8]
