"""The script for a borrowed GPU: in time, in lanes, with results packed as it goes, on a bare machine."""

import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from benchmarks import gpu

ROOT = Path(__file__).parent.parent


@pytest.fixture
def lanes(monkeypatch, tmp_path):
    """Two lanes: in one a step fails before one writes a file, in the other a step waits for that file."""
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    table = tmp_path / "runs" / "toy" / "results" / "new.csv"
    place = f"import pathlib, time; p = pathlib.Path({str(table)!r}); "
    commands = {
        "fail": "raise SystemExit(3)",
        "write": place + "p.parent.mkdir(parents=True); p.write_text('a\\n1\\n'); print('written')",
        "wait": place + "exec('while not p.exists(): time.sleep(0.1)')",
    }
    fail, write, wait = (gpu.Step(name, ("-c", "raise SystemExit(9)"), ("-c", code)) for name, code in commands.items())
    monkeypatch.setattr(gpu, "LANES", {"waiting": [wait], "first": [fail, write]})
    monkeypatch.setattr(gpu, "PACK_EVERY", 0.2)
    return tmp_path


def test_lanes_run_at_once_a_failure_stops_nothing_and_results_are_packed(lanes, capsys):
    arguments = ["--data", "faces", "--out", str(lanes / "out"), "--profile", "ci", "--minutes"]
    assert gpu.main([*arguments, "1"]) == 1
    said = capsys.readouterr().out.splitlines()
    log = lanes / "runs" / "logs" / "first.log"
    assert said[0].startswith("stopped    first: fail, ") and said[0].endswith(f", see {log}")
    assert {line.split(",")[0] for line in said[1:]} == {"finished   first: write", "finished   waiting: wait"}
    with tarfile.open(lanes / "out" / "results.tar.gz") as archive:
        names = archive.getnames()
        assert archive.extractfile("runs/logs/first.log").read() == b"written\n"
    assert "runs/toy/results/new.csv" in names
    assert "data/results/obedience.csv" in names and "data/pretrained/toy/mapping/model.safetensors" in names
    assert gpu.main([*arguments, "0", "--lanes", "waiting"]) == 1
    assert "left out   waiting: wait" in capsys.readouterr().out


def test_what_is_half_written_is_not_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu.config, "ROOT", tmp_path)
    for name in ("results/whole.csv", "results/.half.csv.77"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text("a\n1\n")
    gpu.pack(tmp_path, tmp_path / "runs")
    with tarfile.open(tmp_path / "results.tar.gz") as archive:
        assert archive.getnames() == ["data/results/whole.csv"]


def test_a_step_ends_with_the_time(tmp_path):
    started = time.monotonic()
    assert not gpu.carry_out(["-c", "import time; time.sleep(600)"], started + 1, tmp_path / "log")
    assert time.monotonic() < started + 60


def test_an_unknown_lane_is_named(lanes, capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--data", "faces", "--out", str(lanes), "--lanes", "third"])
    assert "no lane is called 'third'; choose from: waiting, first" in capsys.readouterr().err


def test_nothing_is_imported_that_a_bare_machine_lacks():
    """Every module that a step starts can be imported beside torch and what the script names."""
    modules = {step.command[1] for steps in gpu.LANES.values() for step in steps} | {"benchmarks.gpu"}
    absent = ["matplotlib", "ipywidgets", "IPython", "nbformat", "nbclient", "pytorch_fid", "jupyterlab", "onnx"]
    code = f"import sys; sys.modules |= dict.fromkeys({absent}); import {', '.join(sorted(modules))}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
