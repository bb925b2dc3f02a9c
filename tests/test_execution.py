"""Notebooks executed without a browser: copies, errors, and what is left out of the stored outputs."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib import execution
from lib.checkpoints import CheckpointError


@pytest.fixture
def write(tmp_path):
    """Writes a notebook with these code cells, last opened with a kernel that is not here; returns its path."""

    def write(name, *sources):
        path = tmp_path / f"{name}.ipynb"
        cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
        nbformat.write(
            new_notebook(cells=cells, metadata={"kernelspec": {"name": "gone", "display_name": "gone"}}), path
        )
        return path

    return write


def test_runs_in_order_in_this_environment_and_stores_on_demand(write, tmp_path, capsys):
    path = write("00_first", "import os, sys; print(os.getcwd()); print(sys.executable)", "6 * 7")
    before, copies = nbformat.read(path, as_version=4), tmp_path / "copies"
    assert execution.execute([path], copies) == 0
    assert nbformat.read(path, as_version=4) == before

    assert execution.execute([path], copies, save=True) == 0
    assert path.read_bytes() == (copies / path.name).read_bytes()
    stored = nbformat.read(path, as_version=4)
    assert [cell.id for cell in stored.cells] == [cell.id for cell in before.cells]
    assert [cell.execution_count for cell in stored.cells[1:]] == [1, 2]
    assert stored.cells[1].outputs[0].text.splitlines() == [str(tmp_path), sys.executable]
    assert capsys.readouterr().out.count("00_first ") == 2
    assert not list(tmp_path.rglob("*.partial"))


def test_failing_cell_stops_with_its_error_and_keeps_what_ran(write, tmp_path, capsys):
    path, after = write("00_first", "print('before')", "1 / 0", "print('after')"), write("01_next", "1")
    before = path.read_bytes()
    assert execution.execute([path, after], tmp_path / "copies", save=True) == 1
    assert path.read_bytes() == before
    assert not (tmp_path / "copies" / after.name).exists()
    cells = nbformat.read(tmp_path / "copies" / path.name, as_version=4).cells
    assert cells[1].outputs[0].text == "before\n" and cells[2].outputs[0].ename == "ZeroDivisionError"
    assert cells[3].execution_count is None
    message = capsys.readouterr().err
    assert all(
        part in message for part in (path.name, "1 / 0", "division by zero", str(tmp_path / "copies" / path.name))
    )
    assert "\x1b" not in message


def test_dead_kernel_is_an_error_like_any_other(write, tmp_path, capsys):
    path = write("00_first", "import os; os._exit(1)")
    assert execution.execute([path], tmp_path / "copies") == 1
    assert "died" in capsys.readouterr().err


def test_clean_leaves_out_what_only_lives_in_a_kernel():
    widget = {execution.WIDGET: {"model_id": "1"}, "text/plain": "HBox()"}
    kept = [
        new_output("stream", name="stdout", text="100%| of it\r\n"),
        new_output("stream", name="stderr", text="a warning\n"),
        new_output("display_data", data={"text/html": "<figure></figure>", "text/plain": "face"}),
    ]
    outputs = [
        *kept,
        new_output("stream", name="stderr", text="\r 50%|#####     | 1/2"),
        new_output("display_data", data=dict(widget)),
        new_output("display_data", data=dict(widget) | {"text/html": "<p>seen</p>"}),
    ]
    cell = new_code_cell("x", execution_count=3, outputs=outputs, metadata={"execution": {}, "tags": ["parameters"]})
    metadata = {"widgets": {}, "language_info": {"name": "python", "version": "3.11.7"}}
    notebook = execution.clean(new_notebook(cells=[new_markdown_cell("# Title"), cell], metadata=metadata))

    assert notebook.metadata == {"language_info": {"name": "python"}}
    assert cell.metadata == {"tags": ["parameters"]} and cell.execution_count == 3
    assert cell.outputs[:3] == kept
    assert [output.data for output in cell.outputs[3:]] == [{"text/html": "<p>seen</p>", "text/plain": "HBox()"}]


def test_a_foreign_kernel_called_python3_is_passed_over(write, tmp_path, monkeypatch):
    spec = tmp_path / "share" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["/gone/python", "-m", "x"], "display_name": "Another"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    notebook, failure = execution.execute_one(write("00_first", "import sys; print(sys.executable)"))
    assert failure is None and notebook.cells[1].outputs[0].text.strip() == sys.executable


def test_a_full_disk_names_the_notebook_and_leaves_nothing(write, tmp_path, monkeypatch):
    path, copies = write("00_first", "1"), tmp_path / "copies"
    write_to = nbformat.write

    def full(notebook, target):
        write_to(notebook, target)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(execution, "execute_one", lambda path: (nbformat.read(path, as_version=4), None))
    monkeypatch.setattr(nbformat, "write", full)
    with pytest.raises(CheckpointError, match=r"could not write .*copies/00_first.ipynb: .*No space left on device"):
        execution.execute([path], copies)
    assert list(copies.iterdir()) == []


def test_a_damaged_notebook_is_named(tmp_path):
    (tmp_path / "00_first.ipynb").write_text('{"cells": [')
    with pytest.raises(CheckpointError, match="00_first.ipynb is damaged"):
        execution.execute([tmp_path / "00_first.ipynb"], tmp_path / "copies")


@pytest.mark.skipif(os.name == "nt", reason="there Ctrl+C is no signal that one process can send to another")
def test_ctrl_c_ends_the_run_and_its_kernel_without_a_traceback(write, tmp_path):
    busy = tmp_path / "busy"
    path = write("00_first", f"import os, pathlib, time; pathlib.Path({str(busy)!r}).write_text(str(os.getpid()))\n" +
                 "while True: time.sleep(0.1)")  # fmt: skip
    code = "import sys; from pathlib import Path; from lib import execution\n"
    code += f"try: execution.execute([Path({str(path)!r})], Path({str(tmp_path / 'copies')!r}))\n"
    code += "except KeyboardInterrupt: sys.exit('Stopped.')"
    run = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not (busy.exists() and busy.read_text()):
        assert run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate()
    assert run.returncode == 1 and told.splitlines()[-1] == "Stopped." and "Traceback" not in told
    with pytest.raises(ProcessLookupError):
        os.kill(int(busy.read_text()), 0)
