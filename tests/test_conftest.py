"""How pytest runs the notebooks: profile, folder of results, threads, and one error per failing notebook."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parent.parent
ENVIRONMENT = """
import os, pathlib, lib
runs = pathlib.Path(os.environ["COURSE_RUNS"])
assert os.environ["COURSE_PROFILE"] == "ci" and runs.name.startswith("course-runs-")
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Result of pytest on two notebooks in a folder with this repository's settings: one passes, one fails."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    notebooks = {
        "00_well.ipynb": [ENVIRONMENT, "(runs / 'seen').touch()", "assert 'COURSE_DATA' not in os.environ"],
        "01_broken.ipynb": [ENVIRONMENT, "x = 1 / 0", "x", "x + 1"],
    }
    for name, sources in notebooks.items():
        kernel = {"kernelspec": {"name": "gone", "display_name": "gone"}}
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources], metadata=kernel)
        nbformat.write(notebook, folder / name)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("COURSE_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--color=no", "-rs"]
    return subprocess.run(command, cwd=folder, env=inherited, capture_output=True, text=True)


def test_cells_after_a_failing_one_are_skipped(outcome):
    assert "1 failed, 4 passed, 2 skipped" in outcome.stdout, outcome.stdout
    assert "division by zero" in outcome.stdout and "NameError" not in outcome.stdout
    assert "Cell 1 of this notebook failed" in outcome.stdout
    assert outcome.returncode == 1


@pytest.fixture
def configure(monkeypatch, request):
    """Calls the hook in an empty environment; returns what it put there."""
    # By its path: the tests' own conftest.py has the same name.
    conftest = request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py"))

    def configure(**config):
        with monkeypatch.context() as patch:
            patch.setattr(os, "environ", {"COURSE_RUNS": "inherited"})
            conftest.pytest_configure(SimpleNamespace(rootpath=ROOT, add_cleanup=cleanups.append, **config))
            for cleanup in cleanups:
                cleanup()
            return os.environ

    cleanups = []
    return configure


def test_workers_keep_the_folder_they_inherit(configure):
    assert configure(workerinput={}) == {"COURSE_RUNS": "inherited"}


def test_kernels_take_one_thread_and_this_checkouts_lib(configure):
    environment = configure()
    assert environment["OMP_NUM_THREADS"] == "1" and environment["PYTHONPATH"] == str(ROOT)


def test_folder_of_results_is_fresh_and_does_not_stay(configure):
    runs = Path(configure(option=SimpleNamespace())["COURSE_RUNS"])
    assert runs.name.startswith("course-runs-") and not runs.exists()
