"""What holds for all files of the repository: nothing of one machine, nothing of real people, nothing lost to git."""

import re
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_notebooks import MACHINE_PATH, PACKAGE_HOST, dead_links, without_code

from lib import config

ROOT = Path(__file__).parent.parent


def git(*arguments):
    """Output lines of a git command, with its exit code unlooked at; skips outside a checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture(scope="module")
def files():
    """All files that are, or would be, in the repository."""
    return [
        ROOT / name for name in git("ls-files", "--cached", "--others", "--exclude-standard") if (ROOT / name).is_file()
    ]


def text(path):
    """Its text, or nothing if it is binary."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_git_ignores_no_code_of_ours():
    sources = [
        str(path.relative_to(ROOT))
        for room in ("lib", "tests", "notebooks", "data")
        for path in ROOT.glob(f"{room}/**/*.py")
    ]
    assert sources and git("check-ignore", *sources) == []


def test_git_ignores_what_runs_and_installations_leave():
    left = [".venv/x", "runs/toy/ci/results/x.csv", "data/cache/x", "lib/__pycache__/x.pyc", "data/celeba/x.jpg"]
    assert git("check-ignore", *left) == left


def test_no_file_names_a_machine_or_a_package_host(files):
    named = [f"{path.relative_to(ROOT)}: {match.group()}" for path in files if path.suffix != ".ipynb"
             for match in (MACHINE_PATH.search(text(path)), PACKAGE_HOST.search(text(path))) if match]  # fmt: skip
    assert named == []


def test_no_image_of_celeba(files):
    assert [path for path in files if re.fullmatch(r"\d{6}\.(jpg|png)", path.name)] == []


def test_links_between_files_lead_somewhere(files):
    pages = [path for path in files if path.suffix == ".md"]
    lost = {path.name: dead_links(without_code(text(path)), path.parent) for path in pages}
    assert not any(lost.values()), lost


def test_benchmarks_are_started_as_modules(files):
    """By their path they would not find each other, as the installation has `lib` alone."""
    told = [str(path.relative_to(ROOT)) for path in files if re.search(r"python3? benchmarks/", text(path))]
    assert told == []


def test_every_package_is_installed():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = sorted(path.parent.relative_to(ROOT) for path in ROOT.glob("lib/**/__init__.py"))
    assert sorted(packages) == [".".join(folder.parts) for folder in folders]


def test_readme_lists_every_notebook_with_its_minutes():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[\d\d .*\]\(notebooks/(\w+)\.ipynb\) \|.*\| ([\d.]+) \|$", text, re.M)
    minutes = config.PROFILES["laptop"].minutes
    assert dict(listed) == {name: f"{value:g}" for name, value in minutes.items()}
    assert set(minutes) == {path.stem for path in ROOT.glob("notebooks/*.ipynb")}


def test_map_of_the_course_names_its_notebooks_and_the_equations_of_the_mapping_function():
    root = ElementTree.parse(ROOT / "notebooks" / "figures" / "course_map.svg").getroot()
    title, description = ("".join(root.find(f"{{*}}{tag}").itertext()) for tag in ("title", "desc"))
    assert root.get("aria-labelledby").split() and title.strip() and len(description) > 300
    words = [" ".join("".join(text.itertext()).split()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    listed = {match[1]: match[2] for word in words if (match := re.match(r"(\d\d) (\w+)", word))}
    first_words = {path.stem[:2]: path.read_text(encoding="utf-8") for path in ROOT.glob("notebooks/*.ipynb")}
    assert len(listed) >= 9
    assert all(re.search(rf'"# {int(n)} · .*{word}', first_words[n], re.I) for n, word in listed.items()), listed
    numbers = {int(n) for word in words for numbers in re.findall(r"\(([\d, ]+)\)", word) for n in numbers.split(",")}
    assert numbers == {3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 17}
