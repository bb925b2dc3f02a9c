"""The script for a borrowed GPU: in time, in order, with results packed as it goes, on a bare machine."""

import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from benchmarks import gpu

ROOT = Path(__file__).parent.parent


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """Two steps: one writes a file, one fails."""
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    table = tmp_path / "runs" / "toy" / "results" / "new.csv"
    write = f"import pathlib; p = pathlib.Path({str(table)!r}); p.parent.mkdir(parents=True); p.write_text('a\\n1\\n')"
    commands = {"write": write, "fail": "raise SystemExit(3)"}
    steps = [gpu.Step(name, ("-c", "raise SystemExit(9)"), ("-c", code)) for name, code in commands.items()]
    monkeypatch.setattr(gpu, "STEPS", steps)
    monkeypatch.setattr(gpu, "PACK_EVERY", 0.2)
    return tmp_path


def test_results_are_packed_a_failure_stops_nothing_and_time_is_kept(steps, capsys):
    arguments = ["--data", "faces", "--out", str(steps / "out"), "--profile", "ci", "--minutes"]
    assert gpu.main([*arguments, "60", "--steps", "fail", "write"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said] == ["stopped    fail", "finished   write"]
    with tarfile.open(steps / "out" / "results.tar.gz") as archive:
        names = archive.getnames()
    assert "runs/toy/results/new.csv" in names
    assert "data/results/obedience.csv" in names and "data/pretrained/toy/mapping/model.safetensors" in names
    assert gpu.main([*arguments, "0", "--steps", "write"]) == 1
    assert "left out   write" in capsys.readouterr().out
    assert not gpu.carry_out(["-c", "import time; time.sleep(600)"], time.monotonic() + 1, steps / "out", steps)


def test_an_unknown_step_is_named(steps, capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--data", "faces", "--out", str(steps), "--steps", "wrote"])
    assert "no step is called 'wrote'; choose from: write, fail" in capsys.readouterr().err


def test_nothing_is_imported_that_a_bare_machine_lacks():
    """Every module that a step starts can be imported beside torch and what the script names."""
    modules = {step.command[1] for step in gpu.STEPS} | {"benchmarks.gpu"}
    absent = ["matplotlib", "ipywidgets", "IPython", "nbformat", "nbclient", "pytorch_fid", "jupyterlab", "onnx"]
    code = f"import sys; sys.modules |= dict.fromkeys({absent}); import {', '.join(sorted(modules))}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
