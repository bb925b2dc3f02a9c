"""Checkpoints are written whole or not at all, and say plainly what is wrong with them."""

import errno
import json

import pytest
import torch
from torch import nn

from lib import checkpoints
from lib.checkpoints import CheckpointError


def test_round_trip(tmp_path):
    module, other = nn.Linear(2, 3), nn.Linear(2, 3)
    checkpoints.save(tmp_path / "stage", module, {"config": {"width": 3}})
    assert checkpoints.describe(tmp_path / "stage") == {"config": {"width": 3}}
    checkpoints.load_weights(tmp_path / "stage", other)
    assert torch.equal(module.weight, other.weight) and torch.equal(module.bias, other.bias)
    assert sorted(p.name for p in (tmp_path / "stage").iterdir()) == ["config.json", "model.safetensors"]


def test_weights_in_half_precision_load_into_the_precision_of_the_module(tmp_path):
    module = nn.Linear(2, 3)
    checkpoints.save(tmp_path, nn.Linear(2, 3).half(), {})
    assert checkpoints.load_weights(tmp_path, module).weight.dtype == torch.float32


def test_nothing_finished_is_none(tmp_path):
    assert checkpoints.describe(tmp_path / "nowhere") is None
    assert checkpoints.load_state(tmp_path / "state.pt", "cpu") is None


def test_another_architecture_is_refused_by_name(tmp_path):
    checkpoints.save(tmp_path, nn.Linear(2, 3), {})
    with pytest.raises(CheckpointError, match="model.safetensors holds another architecture than Sequential"):
        checkpoints.load_weights(tmp_path, nn.Sequential(nn.Linear(2, 3)))


@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>"])
def test_damaged_weights_are_named(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="model.safetensors is damaged"):
        checkpoints.load_weights(tmp_path, nn.Linear(2, 3))


def test_truncated_weights_are_named(tmp_path):
    checkpoints.save(tmp_path, nn.Linear(64, 64), {})
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="model.safetensors is damaged"):
        checkpoints.load_weights(tmp_path, nn.Linear(64, 64))


def test_missing_weights_and_damaged_description(tmp_path):
    with pytest.raises(CheckpointError, match="model.safetensors is missing"):
        checkpoints.load_weights(tmp_path, nn.Linear(2, 3))
    (tmp_path / "config.json").write_text('{"stage": ')
    with pytest.raises(CheckpointError, match="config.json is damaged"):
        checkpoints.describe(tmp_path)


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"old": True}))
    with pytest.raises(CheckpointError, match="could not write .*config.json.*Free some disk space"):
        with checkpoints.atomic(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert json.loads(path.read_text()) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def little_room():
    """No file grows beyond 100 kB: torch and safetensors meet the limit as they meet a full disk, when they write."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_room_for_a_state_or_weights_the_old_ones_stay(tmp_path, little_room):
    checkpoints.save_state(tmp_path / "state.pt", {"step": 1})
    checkpoints.save(tmp_path, nn.Linear(2, 3), {"step": 1})
    with pytest.raises(CheckpointError, match="could not write .*state.pt.*Free some disk space"):
        checkpoints.save_state(tmp_path / "state.pt", {"step": 2, "tensor": torch.ones(100_000)})
    with pytest.raises(CheckpointError, match="could not write .*model.safetensors.*Free some disk space"):
        checkpoints.save(tmp_path, nn.Linear(300, 300), {"step": 2})
    assert checkpoints.load_state(tmp_path / "state.pt", "cpu") == {"step": 1}
    assert checkpoints.describe(tmp_path) == {"step": 1}
    checkpoints.load_weights(tmp_path, nn.Linear(2, 3))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_description_that_cannot_be_written_leaves_the_old_weights_beside_theirs(tmp_path):
    checkpoints.save(tmp_path, nn.Linear(2, 3), {"step": 1})
    with pytest.raises(TypeError):
        checkpoints.save(tmp_path, nn.Linear(4, 4), {"step": object()})
    assert checkpoints.describe(tmp_path) == {"step": 1}
    checkpoints.load_weights(tmp_path, nn.Linear(2, 3))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(CheckpointError, match="cannot write into .*runs.stage"):
        checkpoints.save(tmp_path / "runs" / "stage", nn.Linear(1, 1), {})


def test_state_round_trip_and_damage(tmp_path):
    path = tmp_path / "state.pt"
    checkpoints.save_state(path, {"step": 3, "rows": [{"loss": 0.5}], "tensor": torch.ones(2)})
    state = checkpoints.load_state(path, "cpu")
    assert state["step"] == 3 and state["rows"] == [{"loss": 0.5}] and state["tensor"].tolist() == [1, 1]
    for nonsense in (b"nonsense", b"end", bytes(range(256))):  # which torch refuses in different ways
        path.write_bytes(nonsense)
        with pytest.raises(CheckpointError, match="state.pt is damaged"):
            checkpoints.load_state(path, "cpu")


def test_states_that_would_run_code_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("code ran",))

    torch.save(Evil(), tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints.load_state(tmp_path / "state.pt", "cpu")
