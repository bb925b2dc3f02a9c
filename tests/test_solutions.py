"""The solutions solve: put into their notebook, run at profile ci, every exercise answers "right"."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
SOLUTIONS = sorted(ROOT.glob("notebooks/solutions/*.md"))
STUB = re.compile(r"^(\w+ = None\b.*|def my_\w+.*|def (?:at_most|turn_two)\b.*)\n?((?:    .*\n?)*)", re.MULTILINE)


def solved(path):
    """The notebook of the solutions at `path` with every stub replaced, and the indices of its exercise cells."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{path.stem}.ipynb", as_version=4)
    solutions = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    start = next(i for i, cell in enumerate(notebook.cells) if re.search(r"^## \d+\. Exercises", cell.source, re.M))
    cells = [i for i, cell in enumerate(notebook.cells) if i > start and cell.cell_type == "code"]
    for i, solution in zip(cells, solutions, strict=True):
        notebook.cells[i].source, replaced = STUB.subn(lambda _, s=solution: s, notebook.cells[i].source, count=1)
        assert replaced, f"{path.stem}: no stub in the cell of this solution:\n{solution}"
    return notebook, cells


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_every_exercise_answers_right(path):
    notebook, cells = solved(path)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": ROOT / "notebooks"}}).execute()
    for i in cells:
        said = "".join(output.text for output in notebook.cells[i].outputs if output.output_type == "stream")
        assert re.search(r"^right", said, re.MULTILINE), said


def test_every_notebook_with_exercises_has_solutions():
    with_exercises = [path.stem for path in sorted(ROOT.glob("notebooks/*.ipynb")) if "Exercises" in path.read_text()]
    assert with_exercises == [path.stem for path in SOLUTIONS]
