"""Student's, teacher's and graded notebooks: who sees what, and what a submission is worth."""

import os
import re

import nbformat
import pytest

from lib import assignments, exercises

SHEETS = exercises.sheets()
GRADED = SHEETS[0]  # the quickest notebook; all exercises of the others are answered in test_exercises.py


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All three folders, made in a fresh place."""
    environment = dict(os.environ)
    folder = tmp_path_factory.mktemp("build")
    assignments.build(folder)
    yield folder
    os.environ.clear()
    os.environ.update(environment)


def sources(path):
    return "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def test_every_notebook_is_there_for_students_and_teachers(folder):
    names = [f"{sheet.notebook}.ipynb" for sheet in SHEETS]
    for who in ("student", "teacher"):
        assert sorted(path.name for path in (folder / who).glob("*.ipynb")) == names
        assert (folder / who / "figures" / "wall.png").exists()


def test_no_student_file_holds_a_solution_a_hint_or_a_hidden_test(folder):
    texts = [sources(path) for path in (folder / "student").glob("*.ipynb")]
    kinds = {path.suffix for path in (folder / "student").rglob("*") if path.is_file()}
    assert kinds <= {".ipynb", ".png", ".svg", ".webp"}
    for sheet in SHEETS:
        for exercise in sheet.exercises:
            kept = [exercise.solution, exercise.equivalent, exercise.explanation, *(code for _, code in exercise.wrong)]
            assert [code for code in kept for text in texts if code in text] == []
    assert not any("HIDDEN" in text or "grading" in text for text in texts)


def test_student_notebooks_are_those_of_the_course_and_a_line_that_names_the_points(folder):
    for sheet in SHEETS:
        course = nbformat.read(exercises.FOLDER.parent / f"{sheet.notebook}.ipynb", as_version=4)
        student = nbformat.read(folder / "student" / f"{sheet.notebook}.ipynb", as_version=4)
        assert not any(cell.get("outputs") for cell in student.cells)
        mine = [cell.source for cell in student.cells if not cell.id.endswith("-points")]
        assert mine == [cell.source for cell in assignments.deeper(course).cells]
        assert len(student.cells) == len(course.cells) + len(sheet.exercises)


@pytest.mark.parametrize("who", ["student", "teacher"])
def test_links_lead_from_build_to_what_is_there(folder, who):
    links = [
        link
        for path in (folder / who).glob("*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
        for link in re.findall(r"\]\((\.\./[^)#]+)", cell.source)
    ]
    assert len(links) >= 5
    assert [link for link in links if not (assignments.ROOT / "build" / who / link).resolve().exists()] == []


def test_the_teacher_has_every_solution_and_why(folder):
    for sheet in SHEETS:
        text = sources(folder / "teacher" / f"{sheet.notebook}.ipynb")
        for exercise in sheet.exercises:
            assert exercise.solution in text and exercise.explanation in text
            assert all(hint in text for hint, _ in exercise.wrong)


def submit(folder, student, answers):
    """Hand in the student's notebook of `GRADED`, exercises filled in by number -> code."""
    name = f"{GRADED.notebook}.ipynb"
    notebook = nbformat.read(folder / "student" / name, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    for exercise in GRADED.exercises:
        if exercise.number in answers:
            cells[f"exercise-{exercise.number}"].source = answers[exercise.number](exercise)
    path = folder / "autograder" / "submitted" / student / GRADED.notebook / name
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def solution(exercise):
    return exercise.filled(exercise.solution)


def wrong(exercise):
    return exercise.filled(exercise.wrong[0][1])


def cheat(exercise):
    """A wrong answer beside a check of one's own that likes it."""
    name = f"check.{exercise.name}"
    return f"{wrong(exercise)}\n{name} = lambda answer: True\nassert {name}({exercise.answers[0]})"


def breaks(exercise):
    return "this is no Python"


ALL = sum(exercise.points for exercise in GRADED.exercises)
LAST = GRADED.exercises[-1].points
SUBMISSIONS = {
    "solved": ({1: solution, 2: solution, 3: solution}, ALL),
    "half": ({1: wrong, 3: solution}, LAST),
    "failing": ({1: wrong, 2: breaks, 3: cheat}, 0),
}


@pytest.fixture(scope="module")
def course(folder):
    """The grader's folder after grading all submissions and writing feedback."""
    grader = assignments.nbgrader(folder / "autograder")
    for student, (answers, _) in SUBMISSIONS.items():
        submit(folder, student, answers)
        outcome = grader.autograde(GRADED.notebook, student)
        assert outcome["success"], outcome
        outcome = grader.generate_feedback(GRADED.notebook, student)
        assert outcome["success"], outcome
    return folder / "autograder"


@pytest.mark.parametrize("student", SUBMISSIONS)
def test_a_submission_gets_the_points_of_its_right_answers(course, student):
    graded = assignments.nbgrader(course).get_submission(GRADED.notebook, student)
    assert (graded["score"], graded["max_score"]) == (SUBMISSIONS[student][1], ALL)


@pytest.mark.parametrize("student", SUBMISSIONS)
def test_feedback_shows_the_hint_and_no_hidden_test(course, student):
    page = (course / "feedback" / student / GRADED.notebook / f"{GRADED.notebook}.html").read_text(encoding="utf-8")
    assert "Score:" in page and ("the order of the three does not matter" in page) == (student != "solved")
    for hidden in ("HIDDEN TESTS", "lib.checks.grading", f"{GRADED.checks}.{GRADED.exercises[0].name}"):
        assert hidden not in page
