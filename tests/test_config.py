"""Profiles, and who decides: the environment, then the arguments, then the defaults."""

import dataclasses

import pytest

from lib import config


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("COURSE_PROFILE", "COURSE_DATA", "COURSE_RUNS"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_arguments_environment(monkeypatch, tmp_path, capsys):
    run = config.start()
    assert (run.profile.name, run.source, run.folder) == ("laptop", "toy", config.ROOT / "runs" / "toy" / "laptop")
    run = config.start("ci", data=tmp_path / "faces")
    assert (run.profile.name, run.source, run.data_name) == ("ci", str(tmp_path / "faces"), "faces")
    monkeypatch.setenv("COURSE_PROFILE", "paper")
    monkeypatch.setenv("COURSE_DATA", "toy")
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    run = config.start("ci", data="elsewhere")
    assert (run.profile.name, run.source, run.folder) == ("paper", "toy", tmp_path / "toy" / "paper")
    assert "profile  paper: all training faces of 64x64 pixels" in capsys.readouterr().out


def test_unknown_profile_lists_the_known_ones(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "huge")
    with pytest.raises(ValueError, match="'huge'; choose one of: ci, laptop, reference, paper"):
        config.start()


def test_paper_profile_has_the_papers_numbers():
    paper = config.PROFILES["paper"]
    assert paper.data == config.DataConfig(size=64, train=None, val=None, test=None)
    assert (paper.autoencoder.filters, paper.autoencoder.embedding, paper.autoencoder.gamma) == (64, 64, 0.5)
    assert (paper.classifier.epochs, paper.classifier.learning_rate, paper.classifier.filters) == (10, 1e-4, 64)
    assert (paper.mapping.epochs, paper.mapping.learning_rate, paper.mapping.filters) == (8, 1e-4, 64)


@pytest.mark.parametrize("profile", config.PROFILES.values(), ids=config.PROFILES)
def test_every_stage_of_a_profile_works_on_the_same_faces(profile):
    sizes = {profile.data.size, profile.autoencoder.size, profile.classifier.size, profile.mapping.size}
    assert len(sizes) == 1
    assert profile.autoencoder.embedding == profile.mapping.embedding


def test_digest_depends_on_every_field_and_on_nothing_else():
    one = config.MappingConfig(attributes=("a", "b"))
    assert config.digest(one, ["key"]) == config.digest(dataclasses.replace(one), ["key"])
    for field in dataclasses.fields(one):
        changed = dataclasses.replace(one, **{field.name: "other"})
        assert config.digest(changed, ["key"]) != config.digest(one, ["key"]), field.name
    assert config.digest(one, ["other"]) != config.digest(one, ["key"])


def test_recipe_carries_what_was_run():
    recipe = config.start("ci", show=False).recipe(n_train=3)
    assert list(recipe) == ["data", "profile", "seed", "device", "commit", "n_train"]
    assert (recipe["data"], recipe["profile"], recipe["n_train"]) == ("toy", "ci", 3)


def test_commit_outside_a_checkout_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert config.commit() == "unknown"


def test_the_guide_sees_generated_faces_through_the_noise_it_has_learned_with():
    for profile in config.PROFILES.values():
        assert profile.mapping.noise == profile.classifier.noise
