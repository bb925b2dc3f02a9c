"""A real JupyterLab, started as `course.py lab` starts it, beside a user's configuration that wants everything else."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from jupyterlab_server.config import get_page_config

import course
from lib import lab

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


def test_the_course_opens_with_its_folder_kernel_and_table_of_contents(environment, monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(course.subprocess, "call", lambda command, cwd: commands.append(command) or 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    course.lab(None, ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--IdentityProvider.token=secret"])
    server = subprocess.Popen(commands[0], cwd=course.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def get(path):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", headers={"Authorization": "token secret"})
        while True:
            try:
                with urllib.request.urlopen(request) as answer:
                    return answer.read().decode()
            except urllib.error.HTTPError:
                raise
            except urllib.error.URLError:  # it does not listen yet
                assert server.poll() is None, server.stdout.read().decode()
                time.sleep(0.1)

    try:
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
    finally:
        server.terminate()
        server.communicate()


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
