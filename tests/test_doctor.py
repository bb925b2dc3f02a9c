"""The doctor names each thing amiss with its fix, and goes on when everything is broken."""

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from PIL import Image

from lib import doctor

CHECKS = ["python", "install", "packages", "torch", "device", "disk", "runs", "data", "inception", "kernel"]


@pytest.fixture
def examine(capsys, monkeypatch, tmp_path):
    """Examines; returns the exit code and the lines of each check."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))

    def examine(installed=True):
        code = doctor.examine(installed)
        sections = capsys.readouterr().out.replace("\n          ", "\t").splitlines()
        return code, {
            line.split()[1]: line for line in sections if line and line.split()[0] in ("ok", "note", "PROBLEM")
        }

    return examine


def test_all_is_well(examine):
    code, lines = examine()
    assert list(lines) == CHECKS
    assert code == 0, lines
    assert lines["inception"].startswith("note")


def test_every_check_is_made_where_no_package_is_installed():
    code = f"import sys; sys.path.append({str(doctor.ROOT)!r}); from lib import doctor; sys.exit(doctor.examine(False))"
    process = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True)
    assert process.returncode == 1, process.stderr
    missing = ["install", "packages", "torch", "device", "runs", "data", "inception", "kernel"]
    assert re.findall(r"^PROBLEM +(\w+)", process.stdout, re.MULTILINE) == missing
    assert "No module named 'torch'" in process.stdout and "-m pip install" in process.stdout


def test_missing_package_is_named(examine, monkeypatch):
    version = doctor.metadata.version

    def without_nbval(name):
        if name == "nbval":
            raise doctor.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor.metadata, "version", without_nbval)
    code, lines = examine()
    assert code == 1 and "nbval is missing" in lines["packages"] and "pip install" in lines["packages"]


def test_a_package_of_another_version_is_named(examine, monkeypatch):
    version = doctor.metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "1.13.1" if name == "torch" else version(name))
    code, lines = examine()
    assert code == 1 and "torch is 1.13.1, not >=" in lines["packages"] and "pip install" in lines["packages"]


def test_torchvision_of_another_build(examine, monkeypatch, tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    code, lines = examine()
    assert code == 1 and "nms does not exist" in lines["torch"] and "one index" in lines["torch"]


def test_driver_without_a_matching_torch_is_only_a_note(examine, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    code, lines = examine()
    assert code == 0 and lines["device"].startswith("note") and "update the driver" in lines["device"]


@pytest.mark.parametrize("installed, enough", [(True, True), (False, False)])
def test_disk_must_hold_what_is_not_yet_installed(examine, monkeypatch, installed, enough):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=5e9))
    _, lines = examine(installed)
    assert lines["disk"].startswith("ok") == enough
    assert "5" in lines["disk"]


def test_results_folder_that_cannot_be_written(examine, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "file"))
    code, lines = examine()
    assert code == 1 and "cannot write" in lines["runs"] and "COURSE_RUNS" in lines["runs"]


def test_a_profile_that_does_not_exist_is_no_matter_of_packages(examine, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "lapptop")
    code, lines = examine()
    for check in ("runs", "data"):
        assert code == 1 and "'lapptop'" in lines[check] and "COURSE_PROFILE" in lines[check]
        assert "pip install" not in lines[check]


def test_data_folder_is_looked_into(examine, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    code, lines = examine()
    assert code == 1 and str(tmp_path) in lines["data"] and "data/README.md" in lines["data"]

    (tmp_path / "one.png").touch()
    (tmp_path / "labels.csv").write_text("image,Smiling\none.png,1\n")
    assert "1 of 1" in examine()[1]["data"]


def test_a_picture_of_your_own_that_cannot_be_opened_is_named(examine, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    splits = ["train"] * 256 + ["val"] * 64 + ["test"] * 64
    for i in range(len(splits)):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{i}.png")
    rows = [f"{i}.png,{split},{i % 2},{i % 3 % 2}" for i, split in enumerate(splits)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,split,Hat,Beard", *rows]))
    assert "PROBLEM" not in examine()[1]["data"]
    (tmp_path / "5.png").write_bytes(b"no picture")
    code, lines = examine()
    assert code == 1 and "5.png" in lines["data"] and "cannot be used" in lines["data"]


def test_wrong_inception_weights(examine, tmp_path):
    path = tmp_path / "empty" / "hub" / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    code, lines = examine()
    assert code == 1 and str(path) in lines["inception"] and "delete" in lines["inception"]


def test_kernel_of_another_environment(examine, monkeypatch):
    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda *_: SimpleNamespace(argv=["/elsewhere/python"]))
    code, lines = examine()
    assert code == 1 and "/elsewhere/python" in lines["kernel"] and "ipykernel install" in lines["kernel"]


def test_a_foreign_kernel_is_told_with_what_mends_it(examine, monkeypatch, tmp_path):
    spec = tmp_path / "share" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["/gone/python"], "display_name": "Another"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    code, lines = examine()
    assert code == 0 and lines["kernel"].startswith("note") and f"remove {spec}" in lines["kernel"]


@pytest.mark.parametrize("foreign", ["lib/__init__.py", "lib/other.py"])
def test_another_package_lib_is_named(examine, monkeypatch, tmp_path, foreign):
    (tmp_path / foreign).parent.mkdir()
    (tmp_path / foreign).touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(doctor.ROOT), str(tmp_path)]))  # as course.py settles it
    code, lines = examine()
    assert code == 0 and lines["install"].startswith("note")
    assert str(tmp_path / "lib") in lines["install"] and "unset PYTHONPATH" in lines["install"]


def test_a_data_folder_that_bites_is_no_matter_of_the_installation(examine, monkeypatch, tmp_path):
    (tmp_path / "labels.csv").write_text("image,Smiling\none.png,1\n")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    code, lines = examine()
    assert code == 1 and "names 1 images" in lines["data"] and "pip" not in lines["data"]


def test_too_few_faces_are_a_problem_of_the_data(examine, monkeypatch, tmp_path):
    (tmp_path / "one.png").touch()
    (tmp_path / "labels.csv").write_text("image,Smiling,Hat\none.png,1,0\n")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    code, lines = examine()
    assert code == 1 and "1 of 1 listed faces" in lines["data"] and "at least 256 train" in lines["data"]
