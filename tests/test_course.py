"""The entrance: set-up that recovers, options that reach the kernels, and one truth about dependencies."""

import ast
import io
import itertools
import os
import re
import runpy
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

import course
from lib import checkpoints

PROJECT = tomllib.loads((course.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"].values()
REQUIREMENTS = [Requirement(line) for line in itertools.chain(PROJECT["dependencies"], *EXTRAS)]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty checkout, seen from an interpreter without the course."""
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("first")
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(course, "VENV_PYTHON", tmp_path / ".venv" / "python")
    monkeypatch.setattr(course, "STAMP", tmp_path / ".venv" / "stamp")

    def make_venv():
        course.VENV.mkdir(exist_ok=True)
        course.VENV_PYTHON.touch()

    monkeypatch.setattr(course, "make_venv", make_venv)
    return tmp_path


@pytest.fixture
def installs(checkout, monkeypatch):
    """Grows by one with each installation that pip is asked for."""
    installs = []
    monkeypatch.setattr(course, "install", lambda: installs.append("pip") or 0)
    return installs


def test_second_start_installs_nothing(installs):
    assert course.set_up() == course.set_up() == str(course.VENV_PYTHON)
    assert len(installs) == 1


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_dependencies_are_installed(checkout, installs, name):
    course.set_up()
    (checkout / name).write_text("second")
    course.set_up()
    assert len(installs) == 2


def test_moved_checkout_is_installed_again(checkout, installs, monkeypatch):
    course.set_up()
    assert course.is_set_up()
    monkeypatch.setattr(course, "ROOT", checkout / ".." / checkout.name)  # the same files under another path
    assert not course.is_set_up()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_interrupted_update_is_taken_up_again(checkout, installs, monkeypatch, interruption):
    course.set_up()
    (checkout / "pyproject.toml").write_text("second")

    def interrupted():
        raise interruption

    with monkeypatch.context() as patch, pytest.raises(interruption):
        patch.setattr(course, "install", interrupted)
        course.set_up()
    (checkout / "pyproject.toml").write_text("first")  # even back at the old state, half an update is not trusted
    course.set_up()
    assert len(installs) == 2


def test_failed_installation_says_what_to_do(checkout, monkeypatch):
    monkeypatch.setattr(course, "install", lambda: 1)
    with pytest.raises(SystemExit, match="Start the same command again"):
        course.set_up()
    assert not course.is_set_up()


def test_missing_venv_module_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(course.subprocess, "call", lambda command: 1)
    monkeypatch.setattr(course, "VENV", tmp_path)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        course.make_venv()


def test_venv_of_a_removed_python_is_made_anew(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(course.subprocess, "call", lambda command: commands.append(command) or 0)
    monkeypatch.setattr(course, "VENV", tmp_path)
    monkeypatch.setattr(course, "VENV_PYTHON", tmp_path / "python")
    course.make_venv()
    (tmp_path / "python").touch()
    course.make_venv()
    assert ["--clear" in command for command in commands] == [True, False]


def test_own_environment_is_used_as_it_is(installs, monkeypatch):
    monkeypatch.setattr(course, "installed_here", lambda: True)
    assert course.set_up() == sys.executable
    assert not installs and not course.VENV.exists()


def test_installed_here_knows_this_checkout_from_another(tmp_path, monkeypatch):
    assert course.installed_here()
    monkeypatch.setattr(course, "ROOT", tmp_path)
    assert not course.installed_here()


def test_older_python_is_told_so(monkeypatch):
    source = (course.ROOT / "course.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))  # it must get as far as the message
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(SystemExit, match="needs Python 3.11"):
        runpy.run_path(str(course.ROOT / "course.py"))


@pytest.fixture
def faces(tmp_path):
    """A folder that looks like one of faces."""
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "faces.csv").write_text("image,Smiling,Male\na.png,1,0\n")
    return folder


@pytest.fixture
def calls(monkeypatch):
    """Runs commands in this interpreter; records the processes they would start."""
    calls = []
    monkeypatch.setattr(course, "set_up", lambda: sys.executable)
    monkeypatch.setattr(course.subprocess, "call", lambda command, **_: calls.append(command) or 0)
    for name in ("PYTHONPATH", "JUPYTER_PATH", "HOME", "PYTHONIOENCODING"):  # which `settle` may change
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setenv("COURSE_PROFILE", "ci")
    monkeypatch.setenv("COURSE_DATA", "toy")
    return calls


def test_options_reach_the_kernels(calls, faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    course.main(["lab", "--profile", "paper", "--data", "faces"])
    assert os.environ["COURSE_PROFILE"] == "paper"
    assert os.environ["COURSE_DATA"] == str(faces.resolve())


def test_folders_from_the_environment_are_made_absolute(calls, faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_DATA", "faces")
    monkeypatch.setenv("COURSE_RUNS", "results")
    course.main(["lab"])
    assert os.environ["COURSE_DATA"] == str(faces.resolve())
    assert os.environ["COURSE_RUNS"] == str((tmp_path / "results").resolve())


def test_jupyterlab_gets_further_arguments(calls):
    course.main(["lab", "--no-browser"])
    assert calls[0][-1] == "--no-browser"


def test_pytest_gets_further_arguments(calls):
    course.main(["test", "-k", "losses"])
    course.main(["test", "tests/test_losses.py"])
    course.main(["test", "./tests/test_losses.py::test_by_hand"])
    course.main(["test", "-k", "tests or notebooks"])
    everything, one_file, one_test, words = calls
    assert everything[-4:] == ["tests", "notebooks", "-k", "losses"]
    assert one_file[-1] == "tests/test_losses.py" and "notebooks" not in one_file
    assert one_test[-2:] == ["loadfile", "./tests/test_losses.py::test_by_hand"]
    assert words[-4:] == ["tests", "notebooks", "-k", "tests or notebooks"]


def test_weights_that_no_page_can_be_made_of_are_told(calls, monkeypatch):
    from lib.explorer import export

    def damaged():
        raise checkpoints.CheckpointError("the weights 'toy64' are damaged")

    monkeypatch.setattr(export, "build", damaged)
    with pytest.raises(SystemExit, match="'toy64' are damaged"):
        course.main(["explorer"])


def test_a_study_of_chosen_arms_leaves_the_others_out(calls):
    course.main(["study"])
    course.main(["study", "--arms", "none"])
    modules = [call[2:] for call in calls]
    assert modules[:6] == [
        ["lib.study.recognition"],
        ["lib.study.tuned"],
        ["lib.study.groups"],
        ["lib.study.sweep"],
        ["lib.study.sweep", "--few-labels"],
        ["lib.study.claims"],
    ]
    assert modules[6:] == [["lib.study.recognition", "--arms", "none"], ["lib.study.claims"]]


def test_bench_gets_the_stages_to_measure(calls):
    course.main(["bench", "mapping", "--repetitions", "3"])
    assert calls[0][1:] == ["-m", "benchmarks.bench", "mapping", "--repetitions", "3"]


@pytest.mark.parametrize("arguments", [["run", "--sav"], ["frobnicate"], []])
def test_what_is_not_understood_stops(calls, arguments):
    with pytest.raises(SystemExit) as stop:
        course.main(arguments)
    assert stop.value.code == 2 and not calls


@pytest.mark.parametrize("command", ["run", "lab", "study", "bench"])
def test_unknown_profiles_and_folders_without_faces_are_told_before_anything_starts(calls, tmp_path, command):
    with pytest.raises(SystemExit, match="'huge'.*ci, laptop, reference, paper"):
        course.main([command, "--profile", "huge"])
    os.environ["COURSE_PROFILE"] = "ci"
    with pytest.raises(SystemExit, match="nowhere is not a folder"):
        course.main([command, "--data", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="neither list_attr_celeba.txt"):
        course.main([command, "--data", str(tmp_path)])
    assert not calls


def test_outputs_on_photographs_are_never_saved(calls, faces):
    with pytest.raises(SystemExit, match="only drawn faces"):
        course.main(["run", "--data", str(faces), "--save"])


def test_environment_yml_leaves_dependencies_to_pyproject():
    environment = yaml.safe_load((course.ROOT / "environment.yml").read_text(encoding="utf-8"))
    *conda, pip = environment["dependencies"]
    assert [re.match(r"[\w-]+", name).group() for name in conda] == ["python", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[book,test]"]}
    python = conda[0].partition("=")[2]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)


def test_constraints_are_versions_within_the_ranges_and_nothing_else():
    text = (course.ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    pins = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    assert all([clause.operator for clause in pin.specifier] == ["=="] for pin in pins)
    for requirement in REQUIREMENTS:
        versions = [next(iter(pin.specifier)).version for pin in pins if pin.name == requirement.name]
        assert versions and all(requirement.specifier.contains(version) for version in versions), requirement


def test_check_of_a_change_is_the_test_command_in_a_fresh_environment():
    script = course.ROOT / ".ci" / "run"
    commands = [line for line in script.read_text().splitlines() if not line.startswith("#")]
    assert commands[-2:] == ["rm -rf .venv", "exec python3 course.py test"]
    if os.name != "nt":
        assert os.access(script, os.X_OK)


def test_entrance_starts_without_any_package():
    imports = subprocess.run(
        [sys.executable, "-S", "-I", str(course.ROOT / "course.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    commands = "run test lab study bench explorer book assignments teaching doctor".split()
    assert all(command in imports.stdout for command in commands)


@pytest.fixture
def settled(monkeypatch):
    """Sets variables of the environment, lets course.py settle them, and returns it."""

    def settled(**variables):
        for name in ("PYTHONPATH", "JUPYTER_PATH", "HOME", "PYTHONIOENCODING"):
            monkeypatch.setenv(name, str(variables.get(name, os.environ.get(name, ""))))
        course.settle()
        return os.environ

    monkeypatch.setattr(sys, "path", list(sys.path))
    return settled


@pytest.mark.parametrize("foreign", ["lib/__init__.py", "lib/other.py", "lib.py"])
def test_kernels_find_the_lib_of_this_checkout_before_any_other(settled, tmp_path, foreign):
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).touch()
    environment = settled(PYTHONPATH=tmp_path)
    code = "import lib, sys; print(lib.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=course.NOTEBOOKS, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(course.ROOT / "lib" / "__init__.py")
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(course.ROOT), str(tmp_path)]
    assert settled(PYTHONPATH=environment["PYTHONPATH"])["PYTHONPATH"].count(str(course.ROOT)) == 1


def test_this_environments_kernel_comes_before_any_other(settled, tmp_path):
    places = settled(JUPYTER_PATH=tmp_path)["JUPYTER_PATH"].split(os.pathsep)
    assert places == [os.path.join(sys.prefix, "share", "jupyter"), str(tmp_path)]


@pytest.mark.parametrize("home", ["/nowhere", "~"])  # the second is what is left where nothing tells the home
def test_without_a_home_there_is_one(settled, home):
    environment = settled(HOME=home)
    assert os.access(environment["HOME"], os.W_OK) and os.path.isdir(environment["HOME"])
    kept = environment["HOME"]
    assert settled(HOME=kept)["HOME"] == kept
    os.rmdir(kept)


def test_output_that_knows_no_accents_shows_question_marks():
    code = "import runpy, sys; sys.argv = ['course.py', '--help']\ntry:\n"
    code += (
        f"    runpy.run_path({str(course.ROOT / 'course.py')!r}, run_name='__main__')\nfinally:\n    print('Fréchet')"
    )
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert process.stdout.endswith("Fr?chet\n")


def test_what_is_started_may_print_accents_where_nothing_can_show_them(settled, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    environment = settled()
    command = [sys.executable, "-c", "print('Fréchet')"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert process.stdout == "Fr?chet\n"


@pytest.mark.parametrize("command", ["run", "lab", "test"])
def test_a_checkout_that_cannot_be_written_is_named(checkout, monkeypatch, command):
    monkeypatch.setattr(course.os, "access", lambda path, mode: False)
    monkeypatch.setattr(course, "installed_here", lambda: False)
    with pytest.raises(SystemExit, match=f"cannot write in {checkout}: copy the course"):
        course.main([command])


def test_results_that_cannot_be_written_are_named(calls, tmp_path, monkeypatch):
    (tmp_path / "runs").write_text("a file in the way")
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    with pytest.raises(SystemExit, match="cannot write into .*runs.*COURSE_RUNS"):
        course.main(["run"])


def test_a_data_folder_that_is_a_link_to_itself_is_told_like_any_other(calls, tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SystemExit, match="loop is not a folder"):
        course.main(["lab", "--data", str(tmp_path / "loop")])
    assert os.environ["COURSE_DATA"] == str(tmp_path / "loop")
