"""Predictions: what the learner is told, and that every notebook asks for some before it shows the answer."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from lib.predictions import take_up

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    "guess, measured, said",
    [
        (None, "B", "Measured: B. (No prediction made"),
        ("B", "B", "You said B, and so it is."),
        (" b", "B", "and so it is."),
        ("A", "B", "You said A; measured: B."),
        (None, 80.44, "Measured: 80.4 %. (No prediction made"),
        (50, 80.44, "You said 50; measured: 80.4 %. That is 30.4 too low."),
        (90.0, 80.44, "9.56 too high."),
        (80.4, 80.44, "That is right on it."),
    ],
)
def test_a_prediction_is_put_beside_what_was_measured(capsys, guess, measured, said):
    take_up(guess, measured, "%")
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("guess, measured", [("A", 3.0), (3, "A"), (["A"], "A")])
def test_a_letter_where_a_number_was_asked_for_is_named(guess, measured):
    with pytest.raises(ValueError, match=re.escape(f"the prediction is {guess!r}; expected is a ")):
        take_up(guess, measured)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_asks_twice_before_it_shows_and_takes_up_each_answer(path):
    cells = nbformat.read(path, as_version=4).cells
    place = {cell.id: i for i, cell in enumerate(cells)}
    numbers = [cell.id[len("predict-") :] for cell in cells if re.fullmatch(r"predict-\d+", cell.id)]
    assert len(numbers) >= 2
    for number in numbers:
        question, guess, answer, why = (place[f"predict-{number}{part}"] for part in ("", "-guess", "-answer", "-why"))
        assert question + 1 == guess < answer == why - 1
        assert cells[question].source.startswith("**Predict.**") and cells[why].cell_type == "markdown"
        assert f"guess_{number} = None  # " in cells[guess].source  # no answer, so nothing is in the way of a run
        between = [cell for cell in cells[guess + 1 : answer] if cell.cell_type == "code"]
        assert between, f"prediction {number} is taken up without anything measured"
        call = ast.parse(cells[answer].source).body[-1].value
        assert ast.unparse(call.func) == "predictions.take_up" and ast.unparse(call.args[0]) == f"guess_{number}"
        assert not isinstance(call.args[1], ast.Constant), "the answer has to be computed"
