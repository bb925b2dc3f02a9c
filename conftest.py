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
    # Kernels start in notebooks/: let them find this `lib` before one that PYTHONPATH may hold.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(config.rootpath), os.environ.get("PYTHONPATH")]))
    os.environ["COURSE_RUNS"] = runs = tempfile.mkdtemp(prefix="course-runs-")
    config.add_cleanup(lambda: shutil.rmtree(runs, ignore_errors=True))
    # At profile ci one thread is as fast as several, and threads beyond the free cores make all of them far slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


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
