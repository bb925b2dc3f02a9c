"""The bottleneck's variants change one thing each; its table can be taken up where it stopped."""

import pandas as pd
import pytest
from small import small_profile

from benchmarks import reconstructions
from lib import config, data

PAPER = config.PROFILES["paper"].autoencoder


@pytest.fixture
def run(tmp_path):
    profile = small_profile(data=config.DataConfig(size=32, train=48, val=16, test=16))
    return config.Run(profile, "toy", 0, tmp_path / "toy" / "ci")


def test_twice_the_steps_are_twice_those_of_laptop():
    assert reconstructions.LONG == 2 * config.PROFILES["laptop"].autoencoder.epochs


def test_the_reference_is_the_papers_and_others_change_what_their_names_say():
    reference, *others, components = reconstructions.VARIANTS.values()
    assert components["components"] and components["epochs"] == config.PROFILES["laptop"].autoencoder.epochs / 2
    assert {name: getattr(PAPER, name) for name in ("embedding", "weight_feature")} == {
        "embedding": reference["embedding"], "weight_feature": reference["weight_feature"]
    }  # fmt: skip
    changed = [{name for name, value in other.items() if reference.get(name) != value} for other in others]
    one = ["embedding", "embedding", "filters", "epochs", "squared", "weight_feature"]
    assert changed == [*({name} for name in one), {"embedding", "weight_feature"}]


def test_a_table_is_taken_up_and_drawn(run, monkeypatch):
    faces = data.load(run)
    variants = {name: {"embedding": z, "epochs": 1} for name, z in (("narrow", 4), ("wide", 8))}
    reconstructions.measure(run, faces, {"narrow": variants["narrow"]}, [0])
    answers, measured = reconstructions.answers, []
    monkeypatch.setattr(reconstructions, "answers", lambda *given: measured.append(given) or answers(*given))
    reconstructions.measure(run, faces, variants, [0, 1])
    assert len(measured) == 3
    table = pd.read_csv(run.folder / "results" / "bottleneck.csv")
    whole = table.query("attribute == 'all'")
    assert sorted(zip(whole["variant"], whole["seed"], strict=True)) == [
        (name, seed) for name in ("narrow", "wide") for seed in (0, 1)
    ]
    assert len(table) == 4 * (1 + 40) and whole["stage"].is_unique and whole["l1"].notna().all()
    each = table.query("attribute != 'all'").groupby(["variant", "seed"])["accuracy"].mean().to_numpy()
    assert each == pytest.approx(whole.sort_values(["variant", "seed"])["accuracy"].to_numpy(), abs=1e-4)
    longer = variants | {"wide": variants["wide"] | {"epochs": 2}}
    assert len(reconstructions.measure(run, faces, longer, [0])) == len(table)  # in place of the shorter one
    figure = reconstructions.picture(run, faces, variants, 0)
    assert len(figure.axes[0].images) == 3 * reconstructions.SHOWN


def test_what_is_read_is_the_reconstruction(run):
    faces = data.load(run)
    images = faces.part("test").images
    assert (reconstructions.rebuilt(lambda x: -x, images) == 255 - images).all()
