"""The course's reference pages: where each equation is taught, coded and tested; the paper's symbols; a glossary.

    python -m lib.reference          # writes notebooks/reference/*.md anew

What a page says about the course is found in it, by markers that stand there anyway: "Eq. 6", "Equations 9–17",
"Section IV-A" in notebooks and docstrings. What has to be written by a person stands in the YAML file beside the page.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks" / "reference"
CODE = ("lib/*.py", "lib/study/*.py")  # the compared systems in lib/baselines follow equations of their own papers
TALK = {Path(__file__), Path(__file__).with_name("book.py")}  # they speak of equations and code none

LIST = r"{0}(?:(?:,? and |, | to |[-–]){0})*"  # "4", "4 and 10", "3, 5 and 6", "1-6"
EQUATIONS = re.compile(r"(?:Eq\.|Equations?)\s(" + LIST.format(r"\d+") + ")")
SECTIONS = re.compile(r"(?:Sec\.|Sections?)\s(" + LIST.format(r"[IV]+(?:-[A-D])?") + ")")
PRINTED = re.compile(r"\\(?:quad|;)\s*\((\d+)\)")  # the number of a displayed equation
GENERATED = "<!-- Made by `python -m lib.reference`; change its source, not this page. -->\n"


def mentions(text):
    """Equations ("6") and sections ("IV-A") of the paper that `text` names, as a set of strings."""
    found = set(PRINTED.findall(text))
    for numbers in EQUATIONS.findall(text):
        for first, last in re.findall(r"(\d+)(?:[-–](\d+))?", numbers):
            found |= {str(number) for number in range(int(first), int(last or first) + 1)}
    for sections in SECTIONS.findall(text):
        found |= set(re.findall(r"[IV]+(?:-[A-D])?", sections))
    return found


def named(place, among):
    """Whether one of the mentions `among` is `place` or a section that contains it: "IV" contains "IV-A"."""
    return place in among or place.partition("-")[0] in among


# --- Notebooks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """A part of a notebook that starts with a heading of level two; its number is None for headings without one."""

    notebook: str  # file name without .ipynb
    number: int | None
    title: str
    text: str  # sources of its Markdown and code cells


@cache
def notebooks():
    """{name: [Section, ...]} of all notebooks in order; the first Section is what stands above the first heading."""
    return {path.stem: sections(path) for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


def sections(path):
    """The Sections of the notebook at `path`, in order."""
    cells = nbformat.read(path, as_version=4).cells
    parts = [["", ""]]  # [heading, text]
    for cell in cells:
        pieces = re.split(r"^## (.*)$", cell.source, flags=re.M) if cell.cell_type == "markdown" else [cell.source]
        parts[-1][1] += pieces[0] + "\n"
        parts += [[heading, text + "\n"] for heading, text in zip(pieces[1::2], pieces[2::2], strict=True)]
    found = []
    for heading, text in parts:
        number, title = re.fullmatch(r"(?:(\d+)\. )?(.*)", heading).groups()
        found.append(Section(path.stem, number and int(number), title, f"{heading}\n{text}"))
    return found


def taught(place):
    """Sections that teach an equation or section of the paper.

    A notebook teaches what the line "Paper: ..." of its first cell announces, in the first section that names it.
    """
    found = []
    for first, *others in notebooks().values():
        announced = re.search(r"^(?:>\s*)?Paper: .*$", first.text, re.M)
        if announced and named(place, mentions(announced.group())):
            naming = [section for section in others if place in mentions(section.text)]
            found += naming[:1]
    return found


# --- Code and tests --------------------------------------------------------------------------------------------------


def documented(patterns):
    """Yield (path, name, node, docstring) of every module, class and function with a docstring, but those of `TALK`.

    `patterns` are relative to ROOT; `name` is dotted within its file and empty for the module itself.
    """
    for path in sorted({path for pattern in patterns for path in ROOT.glob(pattern)} - TALK):
        module = ast.parse(path.read_text(encoding="utf-8"))
        pending = [("", module)]
        while pending:
            name, node = pending.pop(0)
            if docstring := ast.get_docstring(node):
                yield path, name, node, docstring
            inner = (ast.FunctionDef, ast.ClassDef)
            pending += [(f"{name}.{child.name}".strip("."), child) for child in node.body if isinstance(child, inner)]


@cache
def coded():
    """{equation or section: ["losses.mapping", ...]}: what in lib names it in its docstring."""
    found = {}
    for path, name, _, docstring in documented(CODE):
        module = ".".join(path.relative_to(ROOT / "lib").with_suffix("").parts)
        for place in mentions(docstring):
            found.setdefault(place, []).append(f"{module}.{name}".strip("."))
    return found


@cache
def tested():
    """{equation or section: [(path, test function, names that it uses)]}: tests that name it in their docstring."""
    found = {}
    for path, name, node, docstring in documented(["tests/test_*.py"]):
        if name.startswith("test_"):
            used = {getattr(part, "id", None) or getattr(part, "attr", None) for part in ast.walk(node)}
            for place in mentions(docstring):
                found.setdefault(place, []).append((path, name, used - {None}))
    return found


# --- Pages -----------------------------------------------------------------------------------------------------------


def source(name):
    """What notebooks/reference/<name>.yaml holds."""
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def notebook_named(number):
    """Name of the notebook that starts with the two digits `number`. Raises LookupError if there is none."""
    for name in notebooks():
        if name.startswith(f"{number}_"):
            return name
    raise LookupError(f"no notebook starts with {number}_")


def link_to_notebook(name, section=None):
    place = name[:2] if section is None else f"{name[:2]}, {section.number}. {section.title}".replace("|", r"\|")
    return f"[{place}](../{name}.ipynb)"


def link_to_code(name):
    dotted, _, _ = name.partition("(")
    parts = dotted.split(".")
    path = f"lib/study/{parts[1]}.py" if parts[0] == "study" else f"lib/{parts[0]}.py"
    return f"[`{name}`](../../{path})"


def table(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def equations_page():
    """Equations and sections of the paper: where they are taught, coded and tested."""
    rows = []
    for place, what in source("equations").items():
        tests = [f"[`{path.stem}::{name}`](../../tests/{path.name})" for path, name, _ in tested().get(place, [])]
        rows.append([
            f"Eq. {place}" if place.isdigit() else f"Sec. {place}",
            what,
            "<br>".join(link_to_notebook(section.notebook, section) for section in taught(place)),
            "<br>".join(link_to_code(name) for name in coded().get(place, [])),
            "<br>".join(tests),
        ])  # fmt: skip
    text = "Each row: what the paper prints, the section of a notebook that teaches it, what codes it, and its tests.\n"
    return f"# Equations\n\n{text}\n{table(['paper', 'what it says', 'taught in', 'coded in', 'tested in'], rows)}"


def symbols_page():
    """The paper's symbols."""
    rows = [
        [f"${symbol['symbol']}$", symbol["name"], f"`{symbol['shape']}`", link_to_code(symbol["code"]),
         ", ".join(map(str, symbol["equations"])), link_to_notebook(notebook_named(symbol["notebook"]))]
        for symbol in source("symbols")
    ]  # fmt: skip
    text = (
        "B faces in a batch, A attributes (40 for CelebA), Z numbers in an embedding, S pixels along a side. "
        "A scalar is a single number. `f(x)` is the argument x of the function f.\n"
    )
    head = ["symbol", "name", "shape", "in the code", "equation", "notebook"]
    return f"# Symbols\n\n{text}\n{table(head, rows)}"


def glossary_page():
    """The course's terms, in alphabetical order."""
    rows = [
        [f"**{entry['term']}**", entry["meaning"].strip(), link_to_notebook(notebook_named(entry["notebook"]))]
        for entry in sorted(source("glossary"), key=lambda entry: entry["term"].lower())
    ]
    text = "What the course's terms mean, and the notebook that explains each of them.\n"
    return f"# Glossary\n\n{text}\n{table(['term', 'meaning', 'notebook'], rows)}"


PAGES = {"equations": equations_page, "symbols": symbols_page, "glossary": glossary_page}


def write():
    """Write all pages into notebooks/reference/."""
    for name, page in PAGES.items():
        (FOLDER / f"{name}.md").write_text(GENERATED + page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
