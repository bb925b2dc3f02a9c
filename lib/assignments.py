"""Notebooks for a class, all from one source: the student's, the teacher's with solutions, and what grades them.

`build` leaves three folders: `student/`, notebooks to hand out; `teacher/`, the same solved and explained;
`autograder/`, a course of nbgrader, in which each notebook is an assignment of its own name. Points come from hidden
tests, which neither the student's notebook nor the feedback shows.
"""

import copy
import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from lib import execution, exercises

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"

SETTINGS = '''"""Settings of nbgrader for this course, read by every `nbgrader` command that is started in this folder.

Put what comes in into submitted/STUDENT/01_statistics/01_statistics.ipynb, then

    python -m nbgrader autograde 01_statistics          # runs it at profile ci and counts its points
    python -m nbgrader generate_feedback 01_statistics  # feedback/STUDENT/01_statistics/01_statistics.html
    python -m nbgrader export                           # grades.csv

A submission is a program: run it where it can do no harm.
"""

import os
import sysconfig

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader import preprocessors

os.environ.setdefault("COURSE_PROFILE", "ci")
os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])  # it starts alembic by name

c = get_config()
c.CourseDirectory.course_id = "faces-for-free"
c.GenerateAssignment.preprocessors = [  # without those that make a stub of a solution: the stub is there
    preprocessors.LockCells,
    preprocessors.ClearOutput,
    preprocessors.CheckCellMetadata,
    preprocessors.ComputeChecksums,
    preprocessors.SaveCells,
    preprocessors.ClearHiddenTests,
    preprocessors.ComputeChecksums,
    preprocessors.CheckCellMetadata,
]
c.GenerateFeedback.preprocessors = [  # the default leaves hidden tests in
    preprocessors.GetGrades,
    preprocessors.ClearHiddenTests,
    CSSHTMLHeaderPreprocessor,
]
c.Execute.timeout = 1800  # seconds a cell
'''


def write():
    """Put goals and exercises from their source into the notebooks."""
    for sheet in exercises.sheets():
        path = NOTEBOOKS / f"{sheet.notebook}.ipynb"
        before = nbformat.read(path, as_version=4)
        after = exercises.put_into(copy.deepcopy(before), sheet)
        if after != before:
            execution.write(after, path)
            print(f"{path.relative_to(ROOT)} now holds the exercises of its source")


def build(folder=ROOT / "build", sheets=None):
    """Make `student/`, `teacher/` and `autograder/` in `folder`; submissions and grades that are there already stay.

    Raises RuntimeError with nbgrader's own words if it refuses an assignment.
    """
    course = folder / "autograder"
    for made in (folder / "student", folder / "teacher", course / "source", course / "release"):
        shutil.rmtree(made, ignore_errors=True)
    for made in (folder / "student", folder / "teacher"):
        shutil.copytree(NOTEBOOKS / "figures", made / "figures")
    course.mkdir(parents=True, exist_ok=True)
    (course / "nbgrader_config.py").write_text(SETTINGS, encoding="utf-8")

    sheets = exercises.sheets() if sheets is None else sheets
    for sheet in sheets:
        name = f"{sheet.notebook}.ipynb"
        solved = exercises.put_into(nbformat.read(NOTEBOOKS / name, as_version=4), sheet, solved=True)
        execution.write(without_outputs(deeper(solved)), folder / "teacher" / name)
        source = course / "source" / sheet.notebook / name
        source.parent.mkdir(parents=True)
        execution.write(deeper(graded(nbformat.read(NOTEBOOKS / name, as_version=4), sheet)), source)

    grader = nbgrader(course)
    for sheet in sheets:
        outcome = grader.generate_assignment(sheet.notebook)
        if not outcome["success"]:
            raise RuntimeError(f"nbgrader made no assignment of {sheet.notebook}: {outcome['error'] or outcome['log']}")
        name = f"{sheet.notebook}.ipynb"
        shutil.copy(course / "release" / sheet.notebook / name, folder / "student" / name)
    points = sum(exercise.points for sheet in sheets for exercise in sheet.exercises)
    print(f"{len(sheets)} notebooks, {points} points: {folder / 'student'} to hand out, {folder / 'teacher'} solved;")
    print(f"{course / 'nbgrader_config.py'} says how to grade.")


def nbgrader(course):
    """The NbGraderAPI of a folder with an `nbgrader_config.py`."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    settings = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    settings.CourseDirectory.root = str(course)
    return NbGraderAPI(config=settings)


def graded(notebook, sheet):
    """The notebook as nbgrader's source, in place: below each exercise a locked cell whose hidden test gives points."""
    exercises.put_into(notebook, sheet)
    for exercise in sheet.exercises:
        i = [cell.id for cell in notebook.cells].index(f"exercise-{exercise.number}")
        names = ", ".join(f'"{name}"' for name in exercise.answers)
        test = (
            f"# {exercise.points} of the points: hidden tests give them, on inputs of their own\n"
            "### BEGIN HIDDEN TESTS\n"
            "from lib.checks.grading import points\n\n"
            f'points({exercise.points}, "{sheet.checks}.{exercise.name}", {names})\n'
            "### END HIDDEN TESTS"
        )
        cell = new_code_cell(test, id=f"exercise-{exercise.number}-points")
        cell.metadata["nbgrader"] = _role(f"{exercise.name}-points", grade=True, points=exercise.points)
        notebook.cells[i].metadata["nbgrader"] = _role(exercise.name, solution=True)
        notebook.cells.insert(i + 1, cell)
    return notebook


def _role(name, solution=False, grade=False, **points):
    return {"grade_id": name, "solution": solution, "grade": grade, "locked": grade, "task": False,
            "schema_version": 3, **points}  # fmt: skip


def deeper(notebook):
    """The notebook with its links as they lead from a folder of `build`, one deeper than `notebooks`, in place."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../", "](../../")
    return notebook


def without_outputs(notebook):
    """The notebook with no outputs and no counts, in place."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook
