"""Looks over machine, installation and data. Imports the standard library only at the top: the rest may be broken."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOOKED_THROUGH = 5_000  # pictures of your own, at most, that are opened one by one
PYTHON = subprocess.list2cmdline([sys.executable])  # in quotation marks where the path has blanks
INSTALL = f'{PYTHON} -m pip install -c constraints.txt -e ".[book,test]"'


class Finding(Exception):
    """Something amiss, and its fix in one line; `harmless` if the course runs all the same."""

    def __init__(self, text, fix, harmless=False):
        super().__init__(text)
        self.fix, self.harmless = fix, harmless


def examine(installed):
    """Make every check, print one line each, and one more with the fix where something is amiss.

    `installed` tells whether the course is installed for the running interpreter, in its present form.
    Returns the exit code: 1 if something keeps the course from running.
    """
    checks = {
        "python": python,
        "install": lambda: install(installed),
        "packages": packages,
        "torch": torch_build,
        "device": device,
        "disk": lambda: disk(gigabytes=2 if installed else 8),
        "runs": runs,
        "data": faces,
        "inception": inception,
        "kernel": kernel,
    }
    problems = 0
    for name, check in checks.items():
        sign, fix = "ok", None
        try:
            text = check()
        except Finding as finding:
            sign, text, fix = "note" if finding.harmless else "PROBLEM", finding, finding.fix
        except Exception as error:  # whatever else is broken, the remaining checks shall still be made
            sign, text, fix = "PROBLEM", _first_line(error), INSTALL
        problems += sign == "PROBLEM"
        print(f"{sign:<8} {name:<10} {text}")
        if fix:
            print(f"{'':<19} -> {fix}")
    print(f"\n{problems or 'No'} problem{'' if problems == 1 else 's'} found.")
    return int(problems > 0)


def _first_line(error):
    return f"{type(error).__name__}: {error}".splitlines()[0]


# --- The checks: each returns what it found, or raises ----------------------------------------------------------------


def python():
    return f"{sys.version.split()[0]}, {sys.executable}"


def install(installed):
    if not installed:
        raise Finding(
            "not installed here in its present form",
            "python3 course.py lab (every command but this one installs first)",
        )
    places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place not in ("", str(ROOT))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    command = [sys.executable, "-c", "import lib; print(*lib.__path__)"]
    process = subprocess.run(command, cwd=ROOT / "notebooks", env=environment, capture_output=True, text=True)
    found = process.stdout.strip()
    if found and Path(found).resolve() != ROOT / "lib":
        raise Finding(
            f"this checkout; but Python finds another package `lib` first, {found}",
            "course.py passes it by; unset PYTHONPATH before you start Jupyter or a script of the course yourself",
            harmless=True,
        )
    return "this checkout, as pyproject.toml asks for it"


def packages():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanting = []
    for needed in map(Requirement, project["dependencies"] + sum(project["optional-dependencies"].values(), [])):
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            wanting.append(f"{needed.name} is missing")
        else:
            if not needed.specifier.contains(version, prereleases=True):
                wanting.append(f"{needed.name} is {version}, not {needed.specifier}")
    if wanting:
        raise Finding("; ".join(wanting), INSTALL)
    return "all there"


def torch_build():
    import torch

    try:
        import torchvision
    except Exception as error:  # ImportError, OSError or RuntimeError, by platform: they were built for each other
        raise Finding(
            f"torch {torch.__version__} works, but not torchvision ({_first_line(error)})",
            "uninstall both, then install torch and torchvision by one command from one index: their builds must match",
        ) from error
    return f"torch {torch.__version__}, torchvision {torchvision.__version__}"


def device():
    import torch

    threads = f"{torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}, {threads}"
    if torch.backends.mps.is_available():
        return f"Apple GPU (mps), {threads}"
    if shutil.which("nvidia-smi"):
        raise Finding(
            f"CPU, {threads}; an NVIDIA driver is there, but torch {torch.__version__} cannot use it",
            "install the torch build for the CUDA version that nvidia-smi prints, or update the driver",
            harmless=True,
        )
    return f"CPU, {threads}"


def disk(gigabytes):
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < gigabytes:
        raise Finding(f"{free:.1f} GB free, {gigabytes} GB needed", f"make space on the disk that holds {ROOT}")
    return f"{free:.0f} GB free"


def _run():
    """The run that profile and data ask for. Raises Finding where there is no such profile."""
    from lib import config

    try:
        return config.start(show=False)
    except ValueError as error:
        raise Finding(error, "choose one of them by --profile, or unset COURSE_PROFILE") from error


def runs():
    folder = _run().folder
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise Finding(f"cannot write in {existing}: {error.strerror}", "set COURSE_RUNS to another folder") from error
    return f"results go to {folder}"


def faces():
    from lib import data, folders

    run, text = _run(), ""
    if run.source == "toy":
        return "toy faces, drawn by the course (--data FOLDER for CelebA or your own)"
    try:
        layout = folders.find(run.source)
        rows = layout.rows()
        text = f"{type(layout).__name__} with {len(rows.files):,} of {rows.listed:,} listed faces, {run.source}"
        data.check_enough(run, rows)
        if isinstance(layout, folders.OwnFolder) and len(rows.files) <= LOOKED_THROUGH:
            for _ in folders.decode(layout, rows.files.tolist(), 16):
                pass
    except folders.DataError as error:
        text = "; but ".join(filter(None, [text, str(error)]))
        raise Finding(text, "data/README.md shows the folders that the course can read") from error
    return text


def inception():
    from lib import distances

    try:
        distances.inception()
    except FileNotFoundError as error:
        raise Finding("no weights; the Fréchet distance is taken on our classifier", error, harmless=True) from error
    except ValueError as error:
        raise Finding(error, "delete the file; FID proper needs the published one, the course does not") from error
    return "the published weights, for FID proper"


def kernel():
    from jupyter_client.kernelspec import KernelSpecManager

    manager = KernelSpecManager()
    command, folder = manager.get_kernel_spec("python3").argv[0], manager.find_kernel_specs()["python3"]
    if command != "python" and Path(command).resolve() != Path(sys.executable).resolve():
        text = f"Jupyter's kernel python3 starts {command}, not this environment"
        if Path(folder).is_relative_to(sys.prefix):
            raise Finding(text, f"{PYTHON} -m ipykernel install --sys-prefix")
        raise Finding(text, f"course.py passes it by; where you start Jupyter yourself, remove {folder}", harmless=True)
    return "Jupyter's python3 is this environment"
