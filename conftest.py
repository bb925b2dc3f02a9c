"""Lets `pytest --nbval-lax notebooks/` run at profile `ci`, in a fresh folder, with one error per failing notebook."""

import os
import shutil
import tempfile

import pytest


def pytest_configure(config):
    """Set the environment once, before xdist's workers and the notebooks' kernels inherit it."""
    if hasattr(config, "workerinput"):
        return
    os.environ.setdefault("COURSE_PROFILE", "ci")
    os.environ["COURSE_RUNS"] = runs = tempfile.mkdtemp(prefix="course-runs-")
    config.add_cleanup(lambda: shutil.rmtree(runs, ignore_errors=True))
    workers = getattr(config.option, "numprocesses", None)
    if workers:  # more threads than cores make each of them several times slower
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))


# Cells of a notebook build on each other: after one has failed, the rest would only repeat its error.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and item.path.suffix == ".ipynb":
        item.parent.failed_cell = getattr(item.parent, "failed_cell", item.name)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    failed_cell = getattr(item.parent, "failed_cell", None)
    if failed_cell:
        pytest.skip(f"{failed_cell} of this notebook failed")
