"""Profiles, and who decides: the environment, then the arguments, then the defaults."""

import dataclasses
import re
import subprocess

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
    assert "note" not in capsys.readouterr().out
    monkeypatch.setenv("COURSE_PROFILE", "paper")
    monkeypatch.setenv("COURSE_DATA", "toy")
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    run = config.start("ci", data="elsewhere")
    assert (run.profile.name, run.source, run.folder) == ("paper", "toy", tmp_path / "toy" / "paper")
    told = capsys.readouterr().out
    assert "profile  paper: all training faces of 64x64 pixels" in told
    assert "COURSE_PROFILE in the environment goes before 'ci'" in told
    assert "COURSE_DATA in the environment goes before 'elsewhere'" in told
    config.start("paper", data="toy")
    assert "note" not in capsys.readouterr().out


def test_unknown_profile_lists_the_known_ones(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "huge")
    with pytest.raises(ValueError, match="'huge'.*choose one of: ci, laptop, reference, paper"):
        config.start()


def test_paper_profile_has_the_papers_numbers():
    paper = config.PROFILES["paper"]
    assert (paper.data.size, paper.data.train, paper.data.val, paper.data.test) == (64, None, None, None)
    assert (paper.autoencoder.filters, paper.autoencoder.embedding, paper.autoencoder.gamma) == (64, 64, 0.5)
    assert (paper.classifier.epochs, paper.classifier.learning_rate, paper.classifier.filters) == (10, 1e-4, 64)
    assert (paper.mapping.epochs, paper.mapping.learning_rate, paper.mapping.filters) == (8, 1e-4, 64)
    lambdas = ("adversarial_image", "reconstruction_image", "reconstruction_embedding", "perceptual")  # of Eq. 17
    assert [getattr(paper.mapping, f"weight_{part}") for part in lambdas] == [1, 10, 1, 10]


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


def test_two_folders_of_one_name_do_not_meet(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    for place in ("one", "two"):
        (tmp_path / place / "faces").mkdir(parents=True)
    one, two = (config.start("ci", data=tmp_path / place / "faces") for place in ("one", "two"))
    assert one.data_name == "faces" and one.folder == tmp_path / "runs" / "faces" / "ci"
    assert re.fullmatch("faces-[0-9a-f]{8}", two.data_name) and two.folder == tmp_path / "runs" / two.data_name / "ci"
    assert two.recipe()["data"] == two.data_name
    assert "another folder of faces is called 'faces', too" in capsys.readouterr().out
    again = [config.start("ci", data=tmp_path / place / "faces").data_name for place in ("two", "one")]
    assert again == [two.data_name, "faces"]


def test_a_folder_called_toy_is_not_the_drawn_faces(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    (tmp_path / "toy").mkdir()
    run = config.start("ci", data=tmp_path / "toy")
    assert re.fullmatch("toy-[0-9a-f]{8}", run.data_name) and run.source == str(tmp_path / "toy")
    assert config.start("ci").folder == tmp_path / "runs" / "toy" / "ci"


def test_runs_of_before_keep_their_name(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    (tmp_path / "runs" / "faces" / "ci").mkdir(parents=True)
    (tmp_path / "faces").mkdir()
    assert config.start("ci", data=tmp_path / "faces").data_name == "faces"


def test_a_folder_that_is_not_there_leaves_no_trace(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    (tmp_path / "loop").symlink_to("loop")
    assert config.start("ci", data=tmp_path / "typo").data_name == "typo"
    assert config.start("ci", data=tmp_path / "loop").source == str(tmp_path / "loop")
    assert not (tmp_path / "runs").exists()


def test_names_are_given_where_nothing_can_be_written(monkeypatch, tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    assert config.start("ci", data=tmp_path).data_name == tmp_path.name


def test_commit_is_that_of_this_checkout_alone(monkeypatch, tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "--message", "somebody else's")
    ours = config.commit()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert config.commit() == ours
    monkeypatch.delenv("GIT_DIR")
    (tmp_path / "course").mkdir()
    monkeypatch.setattr(config, "ROOT", tmp_path / "course")  # unpacked from a zip within another repository
    assert config.commit() == "unknown"
    monkeypatch.setattr(config, "ROOT", tmp_path)
    assert re.fullmatch("[0-9a-f]{7,}", config.commit())
