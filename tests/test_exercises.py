"""Exercises refuse wrong answers with a hint, accept their solution, and stand in the notebook as in their source."""

import ast
import copy
import dataclasses
import importlib
import os
import re
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from lib import checks, config, exercises
from lib.baselines import relgan, stargan
from lib.checks import Wrong, compare, compared_systems, exercise, mapping, numbers, statistics
from lib.checks.grading import points

SHEETS = exercises.sheets()
NOTEBOOKS = exercises.FOLDER.parent
ALL = [(sheet, exercise) for sheet in SHEETS for exercise in sheet.exercises]


def by_name(value):
    return getattr(value, "notebook", getattr(value, "name", None))


def notebook_of(sheet):
    return nbformat.read(NOTEBOOKS / f"{sheet.notebook}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def states():
    """What a notebook's first code cell leaves, its imports, `run` and `faces`; made once, when asked for."""
    environment, made = dict(os.environ), {}

    def state(sheet):
        if sheet.notebook not in made:
            first = next(cell.source for cell in notebook_of(sheet).cells if cell.cell_type == "code")
            made[sheet.notebook] = {"__name__": "__main__"}
            exec(first, made[sheet.notebook])
        return made[sheet.notebook]

    yield state
    os.environ.clear()
    os.environ.update(environment)


def verdict(sheet, exercise, code, state):
    """What the check says to the answer that `code` defines."""
    names = dict(state)
    exec(code, names)
    check = getattr(importlib.import_module(f"lib.checks.{sheet.checks}"), exercise.name)
    return str(check(*(names[name] for name in exercise.answers)))


@pytest.mark.parametrize("sheet, exercise", ALL, ids=by_name)
def test_an_untouched_stub_is_not_yet_an_answer(sheet, exercise, states):
    assert verdict(sheet, exercise, ast.unparse(exercise.stub), states(sheet)) == "not yet"


@pytest.mark.parametrize("sheet, exercise", ALL, ids=by_name)
def test_the_solution_is_right_however_it_is_written(sheet, exercise, states):
    for code in (exercise.solution, exercise.equivalent):
        for _ in range(3):  # inputs are drawn anew
            assert verdict(sheet, exercise, code, states(sheet)) == "right"


@pytest.mark.parametrize("sheet, exercise", ALL, ids=by_name)
def test_wrong_answers_are_refused_with_a_hint_about_the_mistake(sheet, exercise, states):
    for hint, code in exercise.wrong:
        for _ in range(3):
            said = verdict(sheet, exercise, code, states(sheet))
            assert said.startswith("wrong: ") and hint in said, code


def test_there_are_enough_wrong_answers(capsys):
    count = sum(len(exercise.wrong) for _, exercise in ALL)
    with capsys.disabled():
        print(f"\n{len(ALL)} exercises refuse {count} wrong answers")
    assert len(ALL) >= 29 and count >= 100


# --- One source ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sheet", SHEETS, ids=by_name)
def test_a_notebook_holds_the_goals_and_exercises_of_its_source(sheet):
    notebook = notebook_of(sheet)
    derived = exercises.put_into(copy.deepcopy(notebook), sheet)
    assert [(cell.id, cell.source) for cell in notebook.cells] == [(cell.id, cell.source) for cell in derived.cells], (
        "python3 course.py assignments --write puts them in"
    )


def test_every_notebook_has_exercises():
    assert [sheet.notebook for sheet in SHEETS] == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("sheet", SHEETS, ids=by_name)
def test_every_goal_is_met_by_an_exercise_and_every_exercise_meets_one(sheet):
    assert 3 <= len(sheet.goals) <= 4
    assert {verb for exercise in sheet.exercises for verb in exercise.goals} == set(sheet.goals)


@pytest.mark.parametrize("sheet", SHEETS, ids=by_name)
def test_a_solved_notebook_runs_and_every_check_says_right(sheet):
    notebook = exercises.put_into(notebook_of(sheet), sheet, solved=True)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": NOTEBOOKS}}).execute()
    cells = [cell for cell in notebook.cells if re.fullmatch(r"exercise-\d+", cell.id)]
    assert len(cells) == len(sheet.exercises)
    for cell in cells:
        said = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        assert re.search(r"^right$", said, re.MULTILINE), said


def test_unchanged_cells_keep_their_outputs(tmp_path):
    sheet = SHEETS[0]
    notebook = notebook_of(sheet)
    first, second = (cell for cell in notebook.cells if cell.id in ("exercise-1", "exercise-2"))
    first.outputs, second.outputs = ["kept"], ["lost"]
    second.source += "\n# changed"
    cells = {cell.id: cell for cell in exercises.put_into(notebook, sheet).cells}
    assert cells["exercise-1"].outputs == ["kept"] and cells["exercise-2"].outputs == []


GOOD = (exercises.FOLDER / "00_start.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("## Exercise 2: rarest", "## Exercise 3: rarest", "numbered 1, 2, 3"),
        ("*1 point; goals: count*", "*one point*", "should read"),
        ("### Equivalent", "### Another", "needs Solution, Equivalent"),
        ("### Equivalent", "### Solution", "two parts `### Solution`"),
        ("### Wrong: ", "### ", "at least three"),
        ("```python", "```", "exercise 1 has no ```python"),
        ("## ", "**", "`## Goals` is missing"),
    ],
)
def test_a_source_that_lacks_something_is_named(tmp_path, old, new, complaint):
    path = tmp_path / "00_start.md"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=complaint) as error:
        exercises.read(path)
    assert str(path) in str(error.value)


def test_a_notebook_without_places_for_them_is_named():
    with pytest.raises(ValueError, match="00_start.ipynb needs cells with the ids"):
        exercises.put_into(nbformat.v4.new_notebook(), SHEETS[0])


# --- What checks have in common --------------------------------------------------------------------------------------


def hint(answer, right=np.mean, draws=(((1.0, 3.0),), ((2.0, 6.0),)), **mistakes):
    """What `compare` says of a function that should be `right`, or "right"."""
    try:
        compare(answer, list(draws), right, {name: mistake for name, mistake in mistakes.items()}, "something else")
    except Wrong as wrong:
        return str(wrong)
    return "right"


def test_the_hint_of_a_mistake_comes_before_those_that_fit_any_exercise():
    assert hint(np.mean) == "right"
    assert hint(np.max, largest=np.max) == "largest"
    assert hint(lambda pair: -np.mean(pair), negative=lambda pair: -np.mean(pair)) == "negative"
    assert hint(lambda pair: -np.mean(pair)) == "the sign is the other way round"
    assert hint(np.min) == "something else"


@pytest.mark.parametrize(
    "answer, said",
    [
        (lambda pair: 2.0, "the same answer to different inputs"),
        (lambda pair: float("nan"), "not a number"),
        (lambda pair: pair, "the shape is (2,) and should be ()"),
        (lambda pair: "two", "numbers were asked for, this is a str"),
        (lambda pair: pair.sum(), "your function stopped with AttributeError"),
        (2.0, "write a function"),
    ],
)
def test_general_hints(answer, said):
    assert said in hint(answer)


def test_shapes_are_told():
    draws = [(np.arange(6.0).reshape(2, 3),), (np.ones((2, 3)),)]
    assert "axes are swapped" in hint(np.transpose, right=lambda x: x, draws=draws)
    assert "too many axes" in hint(np.mean, right=lambda x: x, draws=draws)


def test_a_function_cannot_change_the_inputs_that_it_is_measured_by():
    def changes(values):
        values[:] = 0
        return 0.0

    draws = [(np.array([1.0, 3.0]),), (np.array([2.0, 6.0]),)]
    assert hint(changes, draws=draws) == "the same answer to different inputs: compute it from them"


def test_a_check_prints_what_it_says_and_is_true_only_if_right(capsys):
    @exercise
    def is_two(rng, answer):
        if answer != 2:
            raise Wrong("count again")

    assert is_two(2) and not is_two(3) and not is_two(None)
    assert capsys.readouterr().out.split("\n") == ["right", "wrong: count again", "not yet", ""]


def test_tensors_with_gradients_are_numbers():
    assert numbers(torch.ones(2, requires_grad=True)).tolist() == [1, 1]


# --- Points ----------------------------------------------------------------------------------------------------------


def test_points_are_for_right_answers_by_a_check_that_nobody_has_replaced(monkeypatch, capsys):
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "right", lambda C: C[0, 0] - C[0, 1], raising=False)
    monkeypatch.setattr(main, "wrong", lambda C: C[0, 1], raising=False)
    monkeypatch.setattr(statistics, "first_without_second", lambda answer: True)
    given = [points(3, "statistics.first_without_second", name) for name in ("right", "wrong", "nowhere")]
    assert given == [3, 0, 0]
    monkeypatch.setattr(checks, "compare", lambda *arguments, **options: None)
    assert [points(3, "statistics.first_without_second", name) for name in ("right", "wrong")] == [3, 0]
    assert sys.modules["lib.checks"] is checks
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("check", "kind", "weight"), [
    (mapping.without_perceptual, config.MappingConfig, "weight_perceptual"),
    (compared_systems.without_cycle, stargan.StarGANConfig, "weight_reconstruction"),
])  # fmt: skip
def test_a_stage_of_another_kind_is_told_and_one_without_the_loss_is_right(check, kind, weight):
    others = relgan.RelGANConfig, config.ClassifierConfig, config.AutoencoderConfig
    assert all("another stage" in str(check(SimpleNamespace(config=other()))) for other in others)
    profiles = {config.MappingConfig: [profile.mapping for profile in config.PROFILES.values()]}
    one = profiles.get(kind, [*stargan.PROFILES.values()])[0]
    assert "still has a weight" in str(check(SimpleNamespace(config=one)))
    without = dataclasses.replace(one, **{weight: 0.0})
    assert bool(check(SimpleNamespace(config=without)))
    other = next(name for name in vars(one) if name.startswith("weight_") and name != weight)
    two = dataclasses.replace(without, **{other: 0.0})
    assert "two things at once" in str(check(SimpleNamespace(config=two)))
