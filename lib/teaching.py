"""What a teacher takes into class, `python3 course.py teaching`: slides and the quiz, in build/teaching.

A lesson's slides are one Markdown file, notebooks/teaching/slides/NN.md, with pictures that the notebooks store:

    ```{stored-figure} 04_mapping 6bf55c4c
    ```
"""

import html
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.parsers.rst import Directive

from lib import quiz

ROOT = Path(__file__).parent.parent
SLIDES = ROOT / "notebooks" / "teaching" / "slides"


class StoredFigure(Directive):
    """The pictures that a cell has left, with their alternative texts. Arguments: a notebook's name, a cell's id."""

    required_arguments = 2

    def run(self):
        notebook, cell = self.arguments
        try:
            pictures = [nodes.image(uri=uri, alt=alt) for uri, alt in figures(notebook, cell)]
        except LookupError as error:
            raise self.error(str(error)) from error
        later = f"This picture comes once {notebook}.ipynb has been executed: python3 course.py run --save"
        return pictures or [nodes.paragraph("", later)]


@cache
def read(notebook):
    """The notebook of that name, without .ipynb."""
    return nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4)


def figures(notebook, cell):
    """The pictures in the output of a cell, [(data URI, alternative text), ...]; none if its outputs were cleared.

    Raises LookupError if there is no such cell, or if it shows something else.
    """
    found = next((one for one in read(notebook).cells if one["id"] == cell), None)
    if found is None:
        raise LookupError(f"{notebook}.ipynb has no cell {cell}")
    if not found.get("outputs"):
        return []
    shown = "".join("".join(output.get("data", {}).get("text/html", "")) for output in found["outputs"])
    pictures = []
    for tag in re.findall(r"<img\b[^>]*>", shown):
        uri, alt = (re.search(rf"""\b{name}=(["'])(.*?)\1""", tag, re.S) for name in ("src", "alt"))
        pictures.append((uri[2], html.unescape(alt[2])))
    if not pictures:
        raise LookupError(f"cell {cell} of {notebook}.ipynb shows no picture")
    return pictures


def connect(app):
    """Called by the slides' conf.py: hook the directive into a Sphinx application."""
    app.add_directive("stored-figure", StoredFigure)


def build(folder=ROOT / "build" / "teaching"):
    """Make slides and quiz in `folder`, whose former content goes. Returns Sphinx's exit code: 0 without a warning."""
    from sphinx.cmd.build import main

    shutil.rmtree(folder, ignore_errors=True)
    quiz.write(folder / "quiz")
    with tempfile.TemporaryDirectory() as doctrees:
        options = ["-b", "revealjs", "--fail-on-warning", "--keep-going", "--quiet", "-d", doctrees]
        code = main([*options, str(SLIDES), str(folder / "slides")])
    if code == 0:
        print(f"Slides: open {folder / 'slides' / 'index.html'} in a browser. Quiz: see {folder / 'quiz'}")
    return code
