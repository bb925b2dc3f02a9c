"""The one entrance to the course: `python3 course.py run`; `python3 course.py --help` names the other commands.

Each command first sees to the set-up: it uses the running interpreter if the course is installed in it (conda, or an
environment of your own), otherwise `.venv` beside this file, made and filled on the first start.
Only the standard library is imported up here: this file has to start where nothing is installed yet.
"""

import argparse
import atexit
import collections
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

if sys.version_info < (3, 11):  # noqa: UP036 (for those who start it with an older one)
    sys.exit(
        f"The course needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).\n"
        "Start it with a newer one, for example: python3.12 course.py run"
    )

ROOT = Path(__file__).resolve().parent
NOTEBOOKS = ROOT / "notebooks"
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "course-set-up"  # digest of what was installed, so that the next start need not ask pip


# --- Set-up ----------------------------------------------------------------------------------------------------------


def in_venv():
    return Path(sys.prefix).resolve() == VENV.resolve()


def installed_here():
    """Whether the running interpreter has exactly this checkout installed, as `pip install -e .` leaves it."""
    from importlib.metadata import distributions

    for distribution in distributions(name="faces-for-free"):
        address = json.loads(distribution.read_text("direct_url.json") or "{}").get("url", "")
        if address.startswith("file:") and Path(url2pathname(urlparse(address).path)).resolve() == ROOT:
            return True
    return False


def recipe():
    """Digest of all that decides what gets installed, and where."""
    parts = [str(ROOT).encode()] + [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_set_up():
    """Whether `.venv` holds what pyproject.toml and constraints.txt ask for today."""
    return VENV_PYTHON.exists() and STAMP.exists() and STAMP.read_text() == recipe()


def set_up():
    """Install the course where that is needed; return the interpreter that has it. Goes on after an interruption."""
    if not in_venv() and installed_here():
        return sys.executable
    if not is_set_up():
        if not os.access(VENV if VENV.exists() else ROOT, os.W_OK):
            sys.exit(f"The set-up cannot write in {ROOT}: copy the course to a folder of your own, and start it there.")
        print("Setting up the course in .venv: about 3 minutes and 6 GB on Linux, less elsewhere.", flush=True)
        if not in_venv():
            make_venv()
        STAMP.unlink(missing_ok=True)
        if install():
            sys.exit(
                "The installation stopped (see above). Start the same command again: it goes on with what is there.\n"
                "If it stops at the same point once more, `python3 course.py doctor` looks for the cause."
            )
        STAMP.write_text(recipe())
    return sys.executable if in_venv() else str(VENV_PYTHON)


def make_venv():
    """Make `.venv`, or complete one left unfinished; start over if the Python it was made with is gone."""
    start_over = ["--clear"] if VENV.exists() and not VENV_PYTHON.exists() else []
    if subprocess.call([sys.executable, "-m", "venv", *start_over, str(VENV)]):
        sys.exit(
            "No virtual environment could be made in .venv (see above).\n"
            "On Debian and Ubuntu: sudo apt install python3-venv, then start again."
        )


def install():
    """Let pip install the course into `.venv`, showing in one line what it is at. Returns pip's exit code."""
    command = [VENV_PYTHON, "-m", "pip", "install", "-c", "constraints.txt", "-e", ".[book,test]"]
    last_lines = collections.deque(maxlen=20)
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        for line in pip.stdout:
            last_lines.append(line)
            if sys.stdout.isatty():
                print("\r" + line.strip()[:78].ljust(78), end="", flush=True)
    if sys.stdout.isatty():
        print("\r" + " " * 78, end="\r")
    if pip.returncode:
        print(*last_lines, sep="")
    return pip.returncode


def settle():
    """Prepare the environment of all that is started from here: this checkout's `lib` before any other, this
    environment's kernel before any other called `python3`, a home that Jupyter can write in, output in any encoding."""
    sys.path.insert(0, str(ROOT))
    for variable, folder in (("PYTHONPATH", ROOT), ("JUPYTER_PATH", Path(sys.prefix, "share", "jupyter"))):
        others = [place for place in os.environ.get(variable, "").split(os.pathsep) if place not in ("", str(folder))]
        os.environ[variable] = os.pathsep.join([str(folder), *others])
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="course-home-")
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)
    os.environ["PYTHONIOENCODING"] = f"{sys.stdout.encoding}:replace"


def begin():
    """The run that the options ask for; ends here where there is no such profile, or no faces in such a folder."""
    from lib import config, folders

    try:
        course = config.start(show=False)
        if course.source != "toy":
            folders.find(course.source)
    except ValueError as error:
        sys.exit(str(error))
    return course


# --- Commands: each gets the options and what argparse did not know, and returns an exit code ------------------------


def run(options, _):
    """execute the notebooks in order; executed copies go to runs/<data>/<profile>/notebooks/"""
    from lib import checkpoints, execution

    course = begin()
    if options.save and course.source != "toy":
        sys.exit("--save puts outputs into notebooks/, and only drawn faces may be shown there: leave out --data.")
    chapters = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    try:
        return execution.execute(chapters, course.folder / "notebooks", save=options.save)
    except checkpoints.CheckpointError as error:  # a notebook that cannot be read or written
        sys.exit(str(error))


def test(_, arguments):
    """run the unit tests, and each notebook at profile ci; further arguments go to pytest"""
    chosen = any((ROOT / word.partition("::")[0]).exists() for word in arguments if not word.startswith("-"))
    where = [] if chosen else ["tests", "notebooks"]
    workers = str(min(2, os.cpu_count() or 1))
    # The cells of a notebook share a kernel: a file stays with one worker.
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-n", workers, "--dist", "loadfile", *where, *arguments]
    return subprocess.call(command, cwd=ROOT)


def lab(_, arguments):
    """open JupyterLab on the first notebook; further arguments go to it (--no-browser, --port ...)"""
    from lib import lab

    begin()
    first = next(NOTEBOOKS.glob("00_*.ipynb"), NOTEBOOKS)
    return subprocess.call([sys.executable, "-m", "jupyterlab", *lab.options(first), *arguments], cwd=ROOT)


def study(_, arguments):
    """run every study of what helps, and the ledger of claims; goes on where it was stopped"""
    begin()
    others = [["tuned"], ["groups"], ["sweep"], ["sweep", "--few-labels"]]
    for module, *rest in [["recognition", *arguments], *([] if arguments else others), ["claims"]]:
        code = subprocess.call([sys.executable, "-m", f"lib.study.{module}", *rest], cwd=ROOT)
        if code:
            return code
    return 0


def bench(_, arguments):
    """measure how fast every stage is, beside the machine's own rate and a textbook step; or only the stages named"""
    begin()
    return subprocess.call([sys.executable, "-m", "benchmarks.bench", *arguments], cwd=ROOT)


def explorer(_, __):
    """make the face explorer as a page for any browser: build/explorer"""
    from lib import checkpoints
    from lib.explorer import export, npm

    try:
        folder = export.build().relative_to(ROOT)
    except (npm.NpmError, checkpoints.CheckpointError, ValueError) as error:  # of npm, or of the weights that ship
        sys.exit(str(error))
    print(f"written  {folder}\nTo see it: python3 -m http.server --directory {folder}, then http://127.0.0.1:8000")


def book(_, __):
    """make a site of the course with its stored outputs, for any browser: build/book"""
    from lib import book

    return book.build()


def assignments(options, _):
    """make notebooks for a class, student's, teacher's and graded ones: build/student, teacher, autograder"""
    from lib import assignments

    if options.write:
        assignments.write()
    assignments.build()
    return 0


def teaching(_, __):
    """make a teacher's slides and the quiz: build/teaching"""
    from lib import teaching

    return teaching.build()


def doctor(_, __):
    """look over machine, installation and data, and say how to mend what is amiss"""
    from lib import doctor

    return doctor.examine(installed=is_set_up() if in_venv() else installed_here())


COMMANDS = [run, test, lab, study, bench, explorer, book, assignments, teaching, doctor]


def main(arguments):
    parser = argparse.ArgumentParser(prog="course.py", description="Generating Face Images with Attributes for Free")
    choices = parser.add_subparsers(metavar="command", required=True)
    for command in COMMANDS:
        choice = choices.add_parser(command.__name__, help=command.__doc__, allow_abbrev=False)
        choice.set_defaults(command=command)
        choice.add_argument("--profile", help="ci, laptop (default), reference or paper")
        choice.add_argument("--data", help="toy (default), or a folder of faces")
        if command is run:
            choice.add_argument("--save", action="store_true", help="also store the outputs in notebooks/")
        if command is assignments:
            choice.add_argument("--write", action="store_true", help="first put the exercises into notebooks/")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in (test, lab, study, bench):
        parser.error(f"unknown: {' '.join(rest)}")

    # The notebooks' kernels start elsewhere: they get the options by the environment, and the folder in full.
    if options.profile:
        os.environ["COURSE_PROFILE"] = options.profile
    data = options.data or os.environ.get("COURSE_DATA")
    if data:
        os.environ["COURSE_DATA"] = data if data == "toy" else os.path.realpath(os.path.expanduser(data))
    runs = os.environ.get("COURSE_RUNS")
    if runs:
        os.environ["COURSE_RUNS"] = os.path.realpath(os.path.expanduser(runs))

    if options.command is doctor:  # it must also start where nothing else does
        python = sys.executable if installed_here() or not VENV_PYTHON.exists() else str(VENV_PYTHON)
    else:
        python = set_up()
    if python == sys.executable or in_venv():
        settle()
        return options.command(options, rest)
    return subprocess.call([python, __file__, *arguments])


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a terminal or file that knows no é shall get a ?
        stream.reconfigure(errors="replace")
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\nStopped. What is finished is kept; the same command goes on from there.")
