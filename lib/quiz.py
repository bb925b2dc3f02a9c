"""The quiz of the teacher's kit, from its one source: for Jupyter (jupyterquiz) and for Moodle.

A question is a dict: `notebook` (two digits), `question`, `right` (an answer) and `wrong` (other answers); an answer
has `answer` and `because`. Text is plain, with code in backquotes.
"""

import html
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SOURCE = Path(__file__).parent.parent / "notebooks" / "teaching" / "quiz.yaml"


def questions():
    """All questions, in the order of the notebooks."""
    return yaml.safe_load(SOURCE.read_text(encoding="utf-8"))


def as_html(text):
    """Plain text with code in backquotes, as HTML."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))


def for_jupyter(some):
    """The list of dicts that jupyterquiz displays."""
    return [
        {
            "question": as_html(one["question"]),
            "type": "multiple_choice",
            "answers": [
                {"answer": as_html(answer["answer"]), "correct": correct, "feedback": as_html(answer["because"])}
                for correct, answers in ((True, [one["right"]]), (False, one["wrong"]))
                for answer in answers
            ],
        }
        for one in some
    ]


def for_moodle(some):
    """A Moodle question bank, an ElementTree: a category for each notebook, one right answer for each question."""
    bank, category = ElementTree.Element("quiz"), None
    for number, one in enumerate(some, start=1):
        if one["notebook"] != category:
            category = one["notebook"]
            _text(
                ElementTree.SubElement(bank, "question", type="category"), "category", f"$course$/Notebook {category}"
            )
        question = ElementTree.SubElement(bank, "question", type="multichoice")
        _text(question, "name", f"{one['notebook']}, question {number}")
        _text(question, "questiontext", as_html(one["question"]), format="html")
        for tag, value in (("defaultgrade", "1"), ("single", "true"), ("shuffleanswers", "true")):
            ElementTree.SubElement(question, tag).text = value
        for fraction, answers in (("100", [one["right"]]), ("0", one["wrong"])):
            for answer in answers:
                choice = _text(question, "answer", as_html(answer["answer"]), fraction=fraction, format="html")
                _text(choice, "feedback", as_html(answer["because"]), format="html")
    return ElementTree.ElementTree(bank)


def _text(parent, tag, value, **attributes):
    """A child of `parent` that holds `value` the way Moodle wants it, in an element of its own."""
    child = ElementTree.SubElement(parent, tag, attributes)
    ElementTree.SubElement(child, "text").text = value
    return child


def write(folder):
    """Write the quiz into `folder`: NN.json and quiz.ipynb, which shows them, for Jupyter; moodle.xml for Moodle."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = questions()
    bank = for_moodle(everything)
    ElementTree.indent(bank)
    bank.write(folder / "moodle.xml", encoding="utf-8", xml_declaration=True)
    cells = [
        new_markdown_cell("# Quiz\n\nRun a cell, then click an answer. Each answer says why it is right or wrong.")
    ]
    for notebook in sorted({one["notebook"] for one in everything}):
        some = for_jupyter([one for one in everything if one["notebook"] == notebook])
        (folder / f"{notebook}.json").write_text(json.dumps(some, ensure_ascii=False, indent=1), encoding="utf-8")
        cells += [
            new_markdown_cell(f"## Notebook {notebook}"),
            new_code_cell(
                f'from jupyterquiz import display_quiz\n\ndisplay_quiz("{notebook}.json", shuffle_answers=True)'
            ),
        ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}  # else Jupyter asks which
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "quiz.ipynb")
