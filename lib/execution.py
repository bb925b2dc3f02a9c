"""Execute notebooks outside a browser, and store them without what only lives in a kernel."""

import asyncio
import contextlib
import re
import signal
import sys
import time

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from tqdm import tqdm
from traitlets import default

from lib import checkpoints

WIDGET = "application/vnd.jupyter.widget-view+json"


class OwnKernel(AsyncKernelManager):
    """Starts the kernel of this environment, even where another program has installed one called "python3"."""

    @default("kernel_spec_manager")
    def _no_installed_ones(self):
        return KernelSpecManager(kernel_dirs=[])


def execute(notebooks, copies, save=False):
    """Execute each of `notebooks` (paths), leave it in the folder `copies`, and replace the original if `save`.

    Prints the minutes each took. Stops at the first failing cell with its error, the copy then reaching up to it.
    Returns the exit code: 0, or 1 after a failure. Raises CheckpointError where a notebook cannot be read or written.
    """
    checkpoints.writable(copies)
    begin = time.monotonic()
    for path in notebooks:
        start = time.monotonic()
        notebook, failure = execute_one(path)
        write(notebook, copies / path.name)
        minutes = (time.monotonic() - start) / 60
        if failure:
            print(f"{path.name} stopped after {minutes:.1f} min.\n\n{failure}\n", file=sys.stderr)
            print(f"The notebook up to that cell: {copies / path.name}", file=sys.stderr)
            return 1
        if save:
            write(notebook, path)
        print(f"{path.stem:<40} {minutes:5.1f} min", flush=True)
    print(f"{'all notebooks':<40} {(time.monotonic() - begin) / 60:5.1f} min; executed copies in {copies}")
    return 0


def execute_one(path):
    """The executed and cleaned notebook at `path`, and the text of the error that stopped it, or None."""
    try:
        notebook, failure = nbformat.read(path, as_version=4), None
    except Exception as error:  # of nbformat, many kinds
        raise checkpoints.CheckpointError(f"{path} is damaged ({error}); get it again") from error
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=cells, desc=path.stem, unit="cell", leave=False, disable=None) as progress:
        client = NotebookClient(
            notebook,
            kernel_manager_class=OwnKernel,
            kernel_name="python3",  # whatever kernel the notebook was last opened with
            extra_arguments=["--IPKernelApp.log_level=40"],  # errors only, not that it talks by TCP
            timeout=None,
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
            store_widget_state=False,
            on_notebook_start=_interruptible,
            on_cell_executed=lambda **_: progress.update(),
        )
        try:
            client.execute()
        except (CellExecutionError, DeadKernelError) as error:
            failure = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()  # without a terminal's colours
        except KeyboardInterrupt:
            client.shutdown_kernel = "immediate"  # else the kernel tells what it was busy with
            raise
    return clean(notebook), failure


def _interruptible(**_):
    """Ctrl+C stops the run by Python's KeyboardInterrupt: nbclient's own answer to it cleans up twice, and fails."""
    with contextlib.suppress(NotImplementedError):  # Windows has no handlers to remove
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


def clean(notebook):
    """Take out what tells a reader nothing: widget state, widgets without a picture, progress bars, timing."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _fleeting(output)]
    return notebook


def _fleeting(output):
    if output.output_type == "stream":
        return output.name == "stderr" and re.search(r"\r|\d+%\|", output.text) is not None
    is_widget = output.get("data", {}).pop(WIDGET, None) is not None
    return is_widget and set(output.data) <= {"text/plain"}


def write(notebook, path):
    """Write a notebook so that `path` never holds half of it. Raises CheckpointError, see `checkpoints.atomic`."""
    with checkpoints.atomic(path) as temporary:
        nbformat.write(notebook, temporary)
