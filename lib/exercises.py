"""The exercises of each notebook, read from `notebooks/exercises/NN_name.md`, and the cells that are made from them.

Such a file holds, once, all that belongs to an exercise but its check (`lib.checks`):

    # Exercises of notebook 2
    ## Goals                       a list; each goal starts with its verb in bold
    ## Exercise 1: name            the name of its check
    *2 points; goals: judge*       points, and the verbs of the goals that it meets
                                   then what is asked, and the cell: a stub, and a call `check.name(...)`
    ### Solution                   why, and code that takes the stub's place
    ### Equivalent                 the same, written differently
    ### Wrong: part of the hint    a plausible wrong answer; at least three
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell

FOLDER = Path(__file__).parent.parent / "notebooks" / "exercises"
HEADING = "exercises"  # id of the cell after which they stand in their notebook
GOALS = "goals"  # id of the cell of goals


@dataclass(frozen=True)
class Exercise:
    """One exercise; code is text without the marks around it."""

    number: int
    name: str  # of its check
    points: int
    goals: tuple[str, ...]  # verbs
    text: str
    cell: str  # stub and check, as the learner sees them
    explanation: str
    solution: str
    equivalent: str
    wrong: tuple[tuple[str, str], ...]  # (part of the hint, code)

    @property
    def answers(self):
        """The names of what the check is given."""
        calls = [node for node in ast.walk(ast.parse(self.cell)) if isinstance(node, ast.Call)]
        (call,) = [call for call in calls if ast.unparse(call.func) == f"check.{self.name}"]
        return [ast.unparse(argument) for argument in call.args]

    @property
    def stub(self):
        """The statement of the cell that the learner replaces: it binds what the check is given."""
        parts = ast.parse(self.cell).body
        return next(part for part in parts if _bound(part) & set(self.answers))

    def filled(self, answer):
        """The cell with `answer` in place of the stub."""
        lines = self.cell.splitlines()
        return "\n".join([*lines[: self.stub.lineno - 1], answer, *lines[self.stub.end_lineno :]])


@dataclass(frozen=True)
class Sheet:
    """The exercises of one notebook and the goals that they meet."""

    notebook: str  # its name without .ipynb
    goals: dict[str, str]  # verb -> what follows it
    exercises: tuple[Exercise, ...]

    @property
    def checks(self):
        """The module of `lib.checks`."""
        return self.notebook.partition("_")[2]


def sheets():
    """All sheets, in the order of the notebooks."""
    return [read(path) for path in sorted(FOLDER.glob("[0-9][0-9]_*.md"))]


def read(path):
    """The Sheet in a file. Raises ValueError, naming file and exercise, where a part is missing."""
    _, *parts = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if not parts:
        raise ValueError(f"{path}: `## Goals` is missing")
    goals, *exercises = parts
    verbs = dict(re.findall(r"^- \*\*(\w+)\*\* (.+)$", goals, re.MULTILINE))
    sheet = Sheet(path.stem, verbs, tuple(_exercise(text, path) for text in exercises))
    if [exercise.number for exercise in sheet.exercises] != list(range(1, len(sheet.exercises) + 1)):
        raise ValueError(f"{path}: exercises are numbered 1, 2, 3 ...")
    return sheet


def _exercise(text, path):
    task, *parts = re.split(r"^### ", text, flags=re.MULTILINE)
    head = re.match(r"Exercise (\d+): (\w+)\n+\*(\d+) points?; goals: ([\w, ]+)\*\n", task)
    if not head:
        start = task.splitlines()[0]
        raise ValueError(
            f"{path}: `## {start}` should read `## Exercise 1: name`, then `*2 points; goals: verb, verb*`"
        )
    number, name, points, goals = head.groups()
    titles = [part.splitlines()[0] for part in parts]
    if twice := {title for title in titles if titles.count(title) > 1}:
        raise ValueError(f"{path}: exercise {number} has two parts `### {min(twice)}`; quote another part of the hint")
    parts = {title: part.partition("\n")[2] for title, part in zip(titles, parts, strict=True)}
    wrong = {title.removeprefix("Wrong: "): part for title, part in parts.items() if title.startswith("Wrong: ")}
    if len(wrong) < 3 or not {"Solution", "Equivalent"} <= set(parts):
        raise ValueError(f"{path}: exercise {number} needs Solution, Equivalent and at least three `### Wrong: hint`")

    def code(title, text):
        block = re.search(r"^```python\n(.*?)\n```", text, re.DOTALL | re.MULTILINE)
        if not block:
            raise ValueError(f"{path}: exercise {number} has no ```python below {title!r}")
        return block[1]

    return Exercise(
        int(number), name, int(points), tuple(goals.split(", ")), _prose(task[head.end() :]), code(name, task),
        _prose(parts["Solution"]), *(code(title, parts[title]) for title in ("Solution", "Equivalent")),
        tuple((hint, code(hint, part)) for hint, part in wrong.items()),
    )  # fmt: skip


def _prose(text):
    return text.partition("```python")[0].strip()


def _bound(statement):
    """Names that a top-level statement binds by assignment or def."""
    if isinstance(statement, ast.FunctionDef):
        return {statement.name}
    return {target.id for target in getattr(statement, "targets", []) if isinstance(target, ast.Name)}


# --- Cells of the notebook -------------------------------------------------------------------------------------------


def goals_cell(sheet):
    """What the learner can do afterwards, each goal with the exercises that meet it."""
    lines = []
    for verb, rest in sheet.goals.items():
        by = [str(exercise.number) for exercise in sheet.exercises if verb in exercise.goals]
        lines.append(f"- **{verb}** {rest} *(exercise {', '.join(by)})*")
    return new_markdown_cell("**Afterwards you can**\n\n" + "\n".join(lines), id=GOALS)


def exercise_cells(sheet, solved=False):
    """The cells below the heading: the checks' import, then text and code of each exercise.

    `solved` fills in the solutions and adds, below each, why, and the mistakes that the check knows.
    """
    cells = [new_code_cell(f"from lib.checks import {sheet.checks} as check", id="exercise-checks")]
    for exercise in sheet.exercises:
        name, points = f"exercise-{exercise.number}", f"{exercise.points} point" + "s" * (exercise.points > 1)
        cells.append(new_markdown_cell(f"**{exercise.number}.** {exercise.text} *({points})*", id=f"{name}-text"))
        cells.append(new_code_cell(exercise.filled(exercise.solution) if solved else exercise.cell, id=name))
        if solved:
            mistakes = "\n".join(f"- {hint}" for hint, _ in exercise.wrong)
            text = f"**Why.** {exercise.explanation}\n\n**Hints for wrong answers**\n\n{mistakes}"
            cells.append(new_markdown_cell(text, id=f"{name}-solution"))
    return cells


def put_into(notebook, sheet, solved=False):
    """Replace goals and exercises in a notebook, in place; cells that stay the same keep their outputs.

    Raises ValueError if it has no cell with the id `exercises`, or none with the id `goals`.
    """
    old = {(cell.id, cell.source): cell for cell in notebook.cells}
    ids = [cell.id for cell in notebook.cells]
    if HEADING not in ids or GOALS not in ids:
        raise ValueError(f"{sheet.notebook}.ipynb needs cells with the ids `{GOALS}` and `{HEADING}`")
    kept = [cell for cell in notebook.cells if not cell.id.startswith("exercise-")]
    ids = [cell.id for cell in kept]
    kept[ids.index(GOALS)] = goals_cell(sheet)
    place = ids.index(HEADING) + 1
    kept[place:place] = exercise_cells(sheet, solved)
    notebook.cells = [old.get((cell.id, cell.source), cell) for cell in kept]
    return notebook
