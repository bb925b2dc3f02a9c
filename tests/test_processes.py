"""Real processes: two of them train what one does, and a killed one loses nothing."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from lib import stages

SMALL = """
import dataclasses, os, signal
import torch
from lib import config, data, stages, training

def replace(source, target, saves=[], replace=os.replace):
    saves += [target] * (target.name == "state.pt" and target.parent.name.startswith(os.environ.get("KILLED_IN", "-")))
    if len(saves) == 2:  # a worse moment cannot be found: the new state is written, the old one still in its place
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = replace
torch.set_num_threads(1)
assert training.new_accelerator().num_processes == int(os.environ.get("WORLD_SIZE", 1))
stages.LOG_EVERY, stages.SAVE_EVERY = 1, 0
run = config.start("ci", show=False)
faces = data.load(run).take(slice(0, 128))
stages.mapping(run, dataclasses.replace(faces, key="same"))
"""


def environment(runs):
    return os.environ | {"COURSE_RUNS": str(runs), "COURSE_PROFILE": "ci", "COURSE_DATA": "toy", "OMP_NUM_THREADS": "1"}


def weights(runs):
    return {path.parent.name: load_file(path) for path in sorted(runs.glob("toy/ci/*/model.safetensors"))}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "train.py"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def straight(script, tmp_path_factory):
    """Folder of a run that was never stopped."""
    runs = tmp_path_factory.mktemp("straight")
    subprocess.run([sys.executable, script], env=environment(runs), check=True)
    return runs


def test_killed_within_a_save_of_every_stage_the_result_is_bit_identical(script, straight, tmp_path):
    for stage in ("classifier", "autoencoder", "mapping"):  # in the order in which they rest on each other
        killed = subprocess.run([sys.executable, script], env=environment(tmp_path) | {"KILLED_IN": stage})
        assert killed.returncode == -signal.SIGKILL
    subprocess.run([sys.executable, script], env=environment(tmp_path), check=True)
    expected, got = weights(straight), weights(tmp_path)
    assert set(expected) == set(got) and len(got) == 3
    for name in expected:
        assert all(torch.equal(tensor, got[name][key]) for key, tensor in expected[name].items()), name


def test_two_processes_train_what_one_does(script, straight, tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launcher, script], env=environment(tmp_path), check=True)
    for folder in straight.glob("toy/ci/*-*"):
        one, two = (stages.load(runs / "toy" / "ci" / folder.name).log for runs in (straight, tmp_path))
        assert (one["step"] == two["step"]).all()
        assert (one - two).abs().max(axis=None) < 1e-4  # sums in another order, nothing else
