"""Stages are trained once, found again by their config, and taken up where a stopped run left them."""

import dataclasses
import json
import zipfile

import pytest
import torch
from small import noise_faces, small_profile

from lib import checkpoints, config, models, stages, training
from lib.checkpoints import CheckpointError

NAMES = ("Smiling", "Male", "Young")
STAGES = ("autoencoder", "classifier", "mapping")


@pytest.fixture
def run(tmp_path):
    return config.Run(small_profile(), "toy", 0, tmp_path / "toy" / "ci")


@pytest.fixture(scope="module")
def faces():
    return noise_faces(32, 4, 4, NAMES)


@pytest.fixture
def training_forbidden(monkeypatch):
    def refuse(*_):
        raise AssertionError("trained again")

    return lambda: [monkeypatch.setattr(training, f"train_{name}", refuse) for name in STAGES]


def test_mapping_trains_what_it_needs_once(run, faces, training_forbidden):
    first = stages.mapping(run, faces)
    assert sorted(folder.name.split("-")[0] for folder in run.folder.iterdir()) == sorted(STAGES)
    training_forbidden()
    again = stages.mapping(run, faces)
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])
    assert again.config.attributes == NAMES
    assert again.folder == first.folder and again.log["step"].iloc[-1] == 2  # 32 faces in batches of 16, one epoch


def test_stages_that_were_zipped_are_found_on_another_machine(run, faces, training_forbidden, tmp_path, monkeypatch):
    """By the two commands that notebooks/teaching/README.md has for a class."""
    first = stages.mapping(run, faces)
    (there := tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    zipfile.main(["-c", "runs.zip", "toy/"])
    monkeypatch.chdir(there)
    zipfile.main(["-e", "../runs.zip", "."])
    training_forbidden()
    again = stages.mapping(dataclasses.replace(run, folder=there / "toy" / "ci"), faces)
    assert again.folder.is_relative_to(there)
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])


def test_a_changed_config_gets_a_folder_of_its_own(run, faces):
    first = stages.autoencoder(run, faces)
    other = stages.autoencoder(run, faces, gamma=0.7)
    assert other.config.gamma == 0.7 and first.folder != other.folder
    elsewhere = stages.autoencoder(run, dataclasses.replace(faces, key="ffffffff"))
    assert elsewhere.folder not in (first.folder, other.folder)


def test_another_guide_gives_another_mapping(run, faces):
    autoencoder = stages.autoencoder(run, faces)
    guides = stages.classifier(run, faces), stages.classifier(run, faces, seed=1)
    one, other = (stages.mapping(run, faces, (autoencoder, guide)) for guide in guides)
    assert one.folder == stages.mapping(run, faces).folder != other.folder
    assert [checkpoints.describe(guide.folder)["recipe"]["seed"] for guide in guides] == [0, 1]


def test_models_come_back_frozen_and_describe_themselves(run, faces):
    trained = stages.classifier(run, faces)
    loaded = stages.load(trained.folder)
    assert loaded.config == trained.config
    assert not loaded.model.training and not any(p.requires_grad for p in loaded.model.parameters())


def test_a_stopped_training_is_taken_up_and_ends_bit_identical(run, faces, monkeypatch, tmp_path):
    monkeypatch.setattr(stages, "LOG_EVERY", 1)
    monkeypatch.setattr(stages, "SAVE_EVERY", 0)
    straight = stages.autoencoder(dataclasses.replace(run, folder=tmp_path / "straight"), faces, epochs=2)

    original = training.train_autoencoder

    def stopped(*arguments):
        for i, record in enumerate(original(*arguments)):
            if i == 3:
                raise KeyboardInterrupt
            yield record

    monkeypatch.setattr(training, "train_autoencoder", stopped)
    with pytest.raises(KeyboardInterrupt):
        stages.autoencoder(run, faces, epochs=2)
    monkeypatch.setattr(training, "train_autoencoder", original)
    resumed = stages.autoencoder(run, faces, epochs=2)
    assert resumed.log.equals(straight.log)
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name])
    assert not (resumed.folder / "state.pt").exists()


def test_a_loss_that_is_not_finite_stops_with_the_last_good_state_kept(run, faces, monkeypatch):
    monkeypatch.setattr(stages, "LOG_EVERY", 1)
    monkeypatch.setattr(stages, "SAVE_EVERY", 0)
    original = training.train_classifier

    def diverging(*arguments):
        for i, record in enumerate(original(*arguments)):
            yield record if i < 2 else {"cross_entropy": torch.tensor(float("nan"))}

    monkeypatch.setattr(training, "train_classifier", diverging)
    with pytest.raises(stages.TrainingError, match="classifier: a loss or a weight is no longer finite at step 3"):
        stages.classifier(run, faces)
    (folder,) = run.folder.iterdir()
    assert torch.load(folder / "state.pt", weights_only=True)["training"]["step"] == 2


def test_a_first_loss_that_is_not_finite_claims_no_kept_state(run, faces, monkeypatch):
    monkeypatch.setattr(stages, "LOG_EVERY", 1)
    nan = {"cross_entropy": torch.tensor(float("nan"))}
    monkeypatch.setattr(training, "train_classifier", lambda *_: iter([nan]))
    with pytest.raises(stages.TrainingError, match=r"\. Lower learning_rate in lib/config.py"):
        stages.classifier(run, faces)


@pytest.mark.parametrize("foreign", [{"step": 1}, torch.ones(2), {"training": {"modules": {}}, "rows": []}])
def test_the_state_of_another_training_is_named(run, faces, foreign):
    folder = stages.classifier(run, faces).folder
    (folder / "config.json").unlink()
    checkpoints.save_state(folder / "state.pt", foreign)
    with pytest.raises(CheckpointError, match="(?s)state.pt is the state of another training .*delete it"):
        stages.classifier(run, faces)


def test_a_stage_of_no_steps_can_be_loaded(run, faces):
    assert len(stages.classifier(run, faces, epochs=0).log) == 0


def test_no_state_is_saved_whose_weights_are_not_finite(run, faces, monkeypatch):
    monkeypatch.setattr(stages, "LOG_EVERY", 1)
    monkeypatch.setattr(stages, "SAVE_EVERY", 0)
    original = training.train_classifier

    def blown_up(accelerator, state, *arguments):
        for i, record in enumerate(original(accelerator, state, *arguments)):
            if i == 2:  # by this step; the loss it reports was finite
                next(state.modules.parameters()).data.fill_(torch.inf)
            yield record

    monkeypatch.setattr(training, "train_classifier", blown_up)
    with pytest.raises(stages.TrainingError, match="a weight is no longer finite at step 3"):
        stages.classifier(run, faces)
    monkeypatch.setattr(training, "train_classifier", original)
    assert stages.classifier(run, faces).log["step"].iloc[-1] == 4  # from the good state on


def test_a_training_is_watched_row_by_row_and_a_loaded_stage_is_not(run, faces, monkeypatch):
    monkeypatch.setattr(stages, "LOG_EVERY", 1)
    seen = []
    trained = stages.autoencoder(run, faces, watch=lambda rows: seen.append(len(rows)), learning_rate=1e-3)
    assert seen == [1, 2] and (trained.log["learning_rate"] == 1e-3).all()
    stages.autoencoder(run, faces, watch=lambda rows: seen.append("again"), learning_rate=1e-3)
    assert seen == [1, 2]


def test_what_a_killed_process_was_writing_is_cleared_away(run, faces):
    folder = stages.classifier(run, faces).folder
    (folder / "config.json").unlink()
    (folder / ".state.pt.4711").write_bytes(b"half")
    stages.classifier(run, faces)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "config.json", "log.csv", "model.safetensors"]


def test_an_unfinished_or_foreign_folder_is_refused(run, faces, tmp_path):
    with pytest.raises(CheckpointError, match="no finished stage"):
        stages.load(tmp_path)
    trained = stages.classifier(run, faces)
    path = trained.folder / "config.json"
    path.write_text(path.read_text().replace('"filters": 2', '"filters": 4'))
    with pytest.raises(CheckpointError, match="another architecture"):
        stages.load(trained.folder)
    path.write_text(path.read_text().replace('"stage": "classifier"', '"stage": "diffusion"'))
    with pytest.raises(CheckpointError, match="does not describe a stage"):
        stages.load(trained.folder)


@pytest.mark.parametrize("wrong", [{"size": 48}, {"size": "64"}, {"filters": None}, {"attributes": 5}])
def test_a_description_of_no_network_is_refused(run, faces, wrong):
    trained = stages.classifier(run, faces)
    description = checkpoints.describe(trained.folder)
    (trained.folder / "config.json").write_text(json.dumps(description | {"config": description["config"] | wrong}))
    with pytest.raises(CheckpointError, match="does not describe a stage"):
        stages.load(trained.folder)


def test_a_folder_that_cannot_be_written_is_said_before_training(run, faces, training_forbidden):
    training_forbidden()
    run.folder.parent.mkdir(parents=True)
    run.folder.write_text("a file in the way")
    with pytest.raises(CheckpointError, match="cannot write into"):
        stages.autoencoder(run, faces)


def test_embeddings_do_not_depend_on_the_batch_size(faces):
    encoder = models.frozen(models.Encoder(32, 2, 8))
    images = torch.from_numpy(faces.images)
    torch.testing.assert_close(stages.embed(encoder, images, 7), stages.embed(encoder, images, 40))


@pytest.mark.parametrize("spoilt", ["parameters", "buffers"])
def test_weights_that_are_not_finite_after_the_last_step_are_not_finished(run, faces, monkeypatch, spoilt):
    original = training.train_classifier

    def blown_up(accelerator, state, *arguments):
        state.modules["model"].register_buffer("mean", torch.zeros(1))
        for record in original(accelerator, state, *arguments):
            if state.step == 4:  # the last; the loss it reports was finite
                next(getattr(state.modules, spoilt)()).data.fill_(torch.nan)
            yield record

    monkeypatch.setattr(training, "train_classifier", blown_up)
    with pytest.raises(stages.TrainingError, match="a weight is no longer finite at step 4"):
        stages.classifier(run, faces)
    (folder,) = run.folder.iterdir()
    assert not (folder / "config.json").exists()


def test_a_damaged_log_is_named(run, faces):
    folder = stages.classifier(run, faces).folder
    (folder / "log.csv").write_bytes(b"")
    with pytest.raises(CheckpointError, match="log.csv is damaged"):
        stages.classifier(run, faces)
