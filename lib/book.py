"""The book, `python3 course.py book`: what its pages have beyond the notebooks and Markdown files they are made of.

Sphinx reads each file where it stands. `connect` lets it see the file with links to the notebooks and equations that
the text names, and with each exercise's solution folded below it.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

import nbformat
import pandas as pd
from docutils import nodes
from nbformat.v4 import new_markdown_cell
from sphinx.cmd.build import main as sphinx
from sphinx.util.docutils import SphinxDirective

from lib import config, data, exercises, predictions, toyfaces
from lib.attributes import CELEBA
from lib.players import balancing, losses
from lib.reference import PRINTED

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
EXPLORER = ROOT / "build" / "explorer"

#: Code, formulas, images and links, HTML, headings: no place for a link of ours.
NO_PROSE = re.compile(
    r"(^```.*?^```|`[^`\n]*`|\$\$.*?\$\$|\$[^$]*\$|!?\[[^\]]*\]\([^)]*\)|<[^>]*>|^#.*?$)", re.S | re.M
)
LINK_TO_FILE = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:\s]+)\)")
LIST_OF_NUMBERS = r"(\d{1,2}(?:(?:, | and | to |–)\d{1,2})*)\b(?!\.\d)"
NAMED_NOTEBOOK = re.compile(rf"\b([Nn]otebooks?) {LIST_OF_NUMBERS}")
NAMED_EQUATION = re.compile(rf"\b(Eq\.|Equations?) {LIST_OF_NUMBERS}")
DISPLAYED = re.compile(r"^\$\$.*?\$\$", re.S | re.M)


def connect(app):
    """Hook this module into a Sphinx application; called by book/conf.py."""
    homes = equations()
    if (EXPLORER / "index.html").exists():
        app.tags.add("explorer")

    def read(app, page, content):
        content[0] = woven(content[0], Path(app.env.doc2path(page)), homes)

    def finish(app, error):
        if error is None and app.tags.has("explorer"):
            shutil.copytree(EXPLORER, app.outdir / "explorer", dirs_exist_ok=True)

    app.add_directive("balancing-player", BalancingPlayer)
    app.add_directive("loss-mixer", LossMixer)
    app.connect("source-read", read)
    app.connect("build-finished", finish)


class Html(SphinxDirective):
    """A directive without content that stands for what its method `html` returns."""

    def run(self):
        return [nodes.raw("", self.html(), format="html")]


class BalancingPlayer(Html):
    def html(self):
        n = config.PROFILES["laptop"].data.train
        return balancing.page(toyfaces.labels(n, start=data.TOY_STARTS["train"]), CELEBA)


class LossMixer(Html):
    def html(self):
        return losses.page(pd.read_csv(ROOT / "data" / "results" / "ablation.csv"))


def equations():
    """Which notebook displays which of the paper's numbered equations first, {number: path}."""
    homes = {}
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"), reverse=True):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                homes |= dict.fromkeys(numbers_displayed(cell.source), path)
    return homes


def numbers_displayed(text):
    """Numbers that stand beside displayed formulas, `$$... \\quad (10)$$`."""
    return [int(number) for formula in DISPLAYED.findall(text) for number in PRINTED.findall(formula)]


def woven(text, path, homes):
    """The source of the page at `path` as Sphinx is to see it. `homes` is what `equations` returns."""
    if path.suffix != ".ipynb":
        return linked(text, path, homes)
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_targets(linked(cell.source, path, homes), path, homes)
    source = path.parent / "exercises" / f"{path.stem}.md"
    if source.exists():
        fold_in(notebook, exercises.read(source))
    fold_answers(notebook)
    if code := [cell for cell in notebook.cells if cell.cell_type == "code"]:
        code[0].metadata["tags"] = ["hide-input"]  # imports
    return nbformat.writes(notebook)


def linked(text, path, homes):
    """`text` of the page at `path`: notebooks and equations that its prose names are links; links to folders, which no
    site can show, are plain text."""

    def without_folders(match):
        return match[1] if (path.parent / match[2]).is_dir() else match[0]

    def to_notebooks(match):
        return each_number(match, lambda number: notebook_address(number, path))

    def to_equations(match):
        return each_number(match, lambda number: f"#equation-{number}" if number in homes else None)

    parts = NO_PROSE.split(LINK_TO_FILE.sub(without_folders, text))
    for i in range(0, len(parts), 2):  # the others are no prose
        parts[i] = NAMED_EQUATION.sub(to_equations, NAMED_NOTEBOOK.sub(to_notebooks, parts[i]))
    return "".join(parts)


def each_number(match, address):
    """A word and its numbers, "Equations 3, 5 and 6", with a link for each number that has an `address`."""
    word, numbers = match.groups()
    if numbers.isdecimal():  # one alone: the word belongs to the link
        return f"[{match[0]}]({target})" if (target := address(int(numbers))) else match[0]
    link = re.sub(r"\d+", lambda n: f"[{n[0]}]({target})" if (target := address(int(n[0]))) else n[0], numbers)
    return f"{word} {link}"


def notebook_address(number, path):
    """Address of a notebook as seen from the page at `path`; None for that page itself and if there is none."""
    found = next(NOTEBOOKS.glob(f"{number:02d}_*.ipynb"), path)
    return None if found == path else os.path.relpath(found, path.parent).replace(os.sep, "/")


def with_targets(text, path, homes):
    """`text` with a target `equation-N` before each displayed formula whose numbers have their home at `path`."""

    def target(match):
        numbers = [number for number in numbers_displayed(match[0]) if homes[number] == path]
        return "".join(f"(equation-{number})=\n" for number in numbers) + match[0]

    return DISPLAYED.sub(target, text)


def fold_in(notebook, sheet):
    """Put the solution of each exercise of a Sheet below its cell, folded."""
    for exercise in sheet.exercises:
        solution = f"{exercise.explanation}\n\n```python\n{exercise.solution}\n```"
        folded = f"::::{{admonition}} Solution {exercise.number}\n:collapsible: closed\n\n{solution}\n::::"
        place = [cell.id for cell in notebook.cells].index(f"exercise-{exercise.number}") + 1
        notebook.cells.insert(place, new_markdown_cell(folded))


def fold_answers(notebook):
    """Fold what answers a prediction, its cells' outputs and the explanation; a reader, who cannot write a guess, sees
    the question alone. Cells are `predict-1`, ..., `predict-1-guess`, ..., `predict-1-answer`, `predict-1-why`."""
    folding = False
    for cell in notebook.cells:
        if re.fullmatch(r"predict-\d-guess", cell.id):
            folding = True
            cell.metadata["tags"] = ["remove-cell"]
        elif re.fullmatch(r"predict-\d-why", cell.id):
            folding = False
            cell.source = f"::::{{admonition}} Why\n:collapsible: closed\n\n{cell.source}\n::::"
        elif folding and cell.cell_type == "code":
            cell.metadata["tags"] = ["hide-output"]
            for output in cell.outputs:
                if "text" in output:
                    output["text"] = output["text"].replace(predictions.NONE_MADE, "")


def build(folder=ROOT / "build" / "book"):
    """Make the book in `folder`, whose former content goes. Returns Sphinx's exit code: 0 without a single warning."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as doctrees:
        options = ["--fail-on-warning", "--keep-going", "--quiet", "--conf-dir", str(ROOT / "book"), "-d", doctrees]
        code = sphinx([*options, str(ROOT), str(folder)])
    if code == 0:
        print(f'The book is in {folder}. To read it: python3 -m http.server -d "{folder}", then http://localhost:8000')
    return code
