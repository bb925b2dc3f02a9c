"""A real JupyterLab, started as `course.py lab` starts it, beside a user's configuration that wants everything else."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from jupyterlab_server.config import get_page_config
from playwright.sync_api import expect

import course
from lib import config, lab

FIRST = course.NOTEBOOKS / "00_start.ipynb"
CONFIGURATION = """
import os
elsewhere = os.environ["ELSEWHERE"]
c.ServerApp.root_dir = c.ServerApp.preferred_dir = elsewhere
c.FileContentsManager.root_dir = c.MappingKernelManager.root_dir = elsewhere
c.FileContentsManager.preferred_dir = "inner"
c.ServerApp.contents_manager_class = "jupyter_server.services.contents.filemanager.FileContentsManager"
c.LabApp.default_url = "/tree"
c.LabApp.app_settings_dir = c.LabApp.workspaces_dir = elsewhere
"""


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """The environment of a user with other wishes, settled by course.py. Returns the folder that they are about."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "inner").mkdir(parents=True)
    (elsewhere / "config").mkdir()
    (elsewhere / "config" / "jupyter_server_config.py").write_text(CONFIGURATION)
    foreign = elsewhere / "share" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text(json.dumps({"argv": ["/gone/python"], "display_name": "Another"}))
    for name, value in {
        "ELSEWHERE": elsewhere,
        "JUPYTER_CONFIG_DIR": elsewhere / "config",
        "JUPYTER_PATH": elsewhere / "share",
        "JUPYTER_RUNTIME_DIR": elsewhere / "runtime",
        "COURSE_RUNS": tmp_path / "runs",
        "PYTHONPATH": "",
        "PYTHONIOENCODING": "",
    }.items():
        monkeypatch.setenv(name, str(value))
    course.settle()
    return elsewhere


@contextlib.contextmanager
def running(output):
    """JupyterLab as `course.py lab` starts it, with the token "secret"; gives its address once it answers.

    output   file that gets what the server says
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    port = f"--ServerApp.port={address.rpartition(':')[2]}"
    commands = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course.subprocess, "call", lambda command, cwd: commands.append(command) or 0)
        course.lab(None, ["--no-browser", "--allow-root", port, "--IdentityProvider.token=secret"])
    with output.open("wb") as file:
        server = subprocess.Popen(commands[0], cwd=course.ROOT, stdout=file, stderr=subprocess.STDOUT)
    try:
        while not answers(address):
            assert server.poll() is None, output.read_text()
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()  # it ends its kernels first
        server.wait()


def answers(address):
    try:
        urllib.request.urlopen(f"{address}/api").close()
    except urllib.error.URLError:  # it does not listen yet
        return False
    return True


def test_the_course_opens_with_its_folder_kernel_and_table_of_contents(environment, tmp_path):
    with running(tmp_path / "output.txt") as address:

        def get(path):
            request = urllib.request.Request(f"{address}/{path}", headers={"Authorization": "token secret"})
            with urllib.request.urlopen(request) as answer:
                return answer.read().decode()

        names = {entry["name"] for entry in json.loads(get("api/contents"))["content"]}
        assert {"course.py", "README.md", "notebooks"} <= names
        assert json.loads(get("api/contents/notebooks/00_start.ipynb?content=0"))["type"] == "notebook"
        kernels = json.loads(get("api/kernelspecs"))["kernelspecs"]
        assert kernels["python3"]["spec"]["argv"][0] in ("python", sys.executable)
        settings = json.loads(get("lab/api/settings/@jupyterlab/apputils-extension:notification"))
        assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"  # "none" asks
        layout = json.loads(get("lab/api/workspaces/default"))["data"]["layout-restorer:data"]
        assert layout["left"]["current"] == "@jupyterlab/toc:plugin"
        page = get("")  # what a browser is sent on to from the address that the server prints
        assert '"treePath": "notebooks/00_start.ipynb"' in page or "lab/tree/notebooks/00_start.ipynb" in page


def test_a_layout_that_the_user_has_changed_is_kept(environment, tmp_path):
    lab.options(FIRST)
    path = tmp_path / "runs" / "jupyterlab" / lab.WORKSPACE
    path.write_text("changed")
    lab.options(FIRST)
    assert path.read_text() == "changed"


def test_a_folder_that_cannot_be_written_is_named(environment, monkeypatch, tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(SystemExit, match="runs/jupyterlab cannot be written: .*COURSE_RUNS"):
        lab.options(FIRST)


def test_a_teachers_tool_adds_no_menu():
    page = get_page_config([], app_settings_dir=str(lab.SHIPPED))
    assert "@jupyter/nbgrader" in page["disabledExtensions"]


# --- In a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(environment, monkeypatch, tmp_path):
    """Lets the server show a copy of notebook 04 instead of the repository, whose notebooks JupyterLab would save."""
    root = tmp_path / "course"
    (root / "notebooks").mkdir(parents=True)
    shutil.copy(course.NOTEBOOKS / "04_mapping.ipynb", root / "notebooks")
    monkeypatch.setattr(lab, "ROOT", root)
    monkeypatch.setattr(course, "NOTEBOOKS", root / "notebooks")
    monkeypatch.setenv("COURSE_PROFILE", "ci")
    monkeypatch.delenv("COURSE_DATA", raising=False)


def test_the_face_explorer_changes_the_face_in_a_notebook(copied, page, tmp_path):
    page.set_default_timeout(120_000)
    with running(tmp_path / "output.txt") as address:
        page.goto(f"{address}/lab/tree/notebooks/04_mapping.ipynb?token=secret")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # before that, nothing would be run
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator('[data-command="runmenu:run-all"]').click()
        face = page.get_by_role("img", name="synthetic face with").first
        face.wait_for(state="attached", timeout=600_000)  # trained first; out of sight
        first, words = face.get_attribute("src"), face.get_attribute("alt")

        box = page.get_by_role("checkbox", name="Wearing Hat")
        box.check()
        expect(face).to_have_attribute("alt", re.compile("Wearing Hat"), timeout=60_000)
        assert face.get_attribute("src") != first  # the bytes of the PNG file
        assert face.evaluate("image => image.naturalWidth") == config.PROFILES["ci"].data.size
        assert face.bounding_box()["width"] == 288
        box.uncheck()
        expect(face).to_have_attribute("alt", words, timeout=60_000)
        assert face.get_attribute("src") == first
