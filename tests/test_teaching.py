"""The teacher's kit: plans add up, what it points to is there, numbers were measured, slides are shown offline."""

import json
import re

import apart
import browser
import face_folders
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from test_notebooks import without_code

import course
from lib import attributes, config, quiz, reference, teaching
from lib.study import claims

KIT = config.ROOT / "notebooks" / "teaching"
PAGES = sorted(KIT.glob("*.md"))
DECKS = sorted(KIT.glob("slides/[0-9]*.md"))
SECTION = re.compile(r"\[(\d\d), (\d+)\. ([^\]]+)\]\(\.\./(\w+)\.ipynb\)")
GAIN = r"([+-]\d+\.\d \([+-]\d+\.\d to [+-]\d+\.\d\))"  # "-2.9 (-3.3 to -2.5)"


pytestmark = pytest.mark.filterwarnings(
    "ignore::PendingDeprecationWarning", "ignore::DeprecationWarning"
)  # Sphinx's own


def read(path):
    return path.read_text(encoding="utf-8")


def notebook(number):
    return reference.notebooks()[reference.notebook_named(number)]


# --- Plans -----------------------------------------------------------------------------------------------------------

PLANS = re.findall(r"^### (.*) \((\d+) minutes\)\n\n((?:\|.*\n)+)", read(KIT / "plans.md"), re.M)


@pytest.mark.parametrize("title, minutes, table", PLANS, ids=[title for title, _, _ in PLANS])
def test_minutes_add_up(title, minutes, table):
    now = 0
    for row in table.splitlines()[2:]:
        hours, past, length = re.match(r"\| (\d+):(\d\d) \| (\d+) \|", row).groups()
        assert 60 * int(hours) + int(past) == now, row
        now += int(length)
    assert now == int(minutes)


def test_there_are_the_four_plans():
    text = read(KIT / "plans.md")
    assert re.findall(r"^## (.*)$", text, re.M) == ["Two hours", "Half a day", "Two days", "Six weeks"]
    lengths = {title: int(minutes) for title, minutes, _ in PLANS}
    assert (lengths.pop("Two hours"), lengths.pop("Half a day")) == (120, 240)
    assert len([title for title in lengths if title.startswith("Two days")]) == 2
    assert [minutes for title, minutes in lengths.items() if title.startswith("Week ")] == [90] * 6


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_sections_that_are_linked_are_there(path):
    for number, section, title, name in SECTION.findall(read(path)):
        assert name.startswith(f"{number}_")
        assert (int(section), title) in [(part.number, part.title) for part in notebook(number)]


def test_every_plan_leads_through_notebooks():
    assert all(len(SECTION.findall(table)) >= 4 for _, _, table in PLANS)


# --- Pages about notebooks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["questions", "stuck"])
def test_every_notebook_has_its_part_and_its_sections_and_exercises_are_there(name):
    parts = re.split(r"^## (\d\d) · .*$", read(KIT / f"{name}.md"), flags=re.M)[1:]
    assert parts[::2] == [notebook[:2] for notebook in reference.notebooks()]
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        assert text.count("\n|") >= 6 or text.count("*Likely:*") >= 3
        for kind, which, other in re.findall(r"([Ss]ection|[Ee]xercise) (\d+)(?: of notebook (\d\d))?", text):
            whole = notebook(other or number)
            exercises = re.findall(r"^\*\*(\d+)\.\*\*", "".join(part.text for part in whole), re.M)
            there = [str(part.number) for part in whole] if kind.lower() == "section" else exercises
            assert which in there, f"notebook {other or number} has no {kind} {which}"


PREDICTED = re.compile(r"^\| (\d\d) \| (.+) \| (.+) \|$", re.M)  # notebook, what its two predictions come to


def test_predictions_come_to_what_the_stored_outputs_say():
    rows = PREDICTED.findall(read(KIT / "questions.md"))
    assert [number for number, *_ in rows] == [name[:2] for name in reference.notebooks()]
    for number, *told in rows:
        stored = json.loads(read(config.ROOT / "notebooks" / f"{reference.notebook_named(number)}.ipynb"))
        printed = ["".join(output.get("text", "")) for cell in stored["cells"] for output in cell.get("outputs", [])]
        assert re.findall(r"^Measured: (.*)\. \(No prediction", "\n".join(printed), re.M) == told


@pytest.mark.parametrize("title, minutes, table", PLANS, ids=[title for title, _, _ in PLANS])
def test_slides_that_a_plan_names_are_there(title, minutes, table):
    for number, named in re.findall(r"slides (\d\d): ([^|<]+)", table):
        slides = re.findall(r"^## (.*)$", read(KIT / "slides" / f"{number}.md"), re.M)
        assert set(re.findall(r"\*(.+?)\*", named)) <= set(slides)


@pytest.mark.parametrize("path", [*PAGES, *DECKS], ids=lambda path: path.stem)
def test_commands_are_there(path):
    commands = {command.__name__ for command in course.COMMANDS}
    assert set(re.findall(r"python3 course\.py (\w+)", read(path))) <= commands


def test_all_pages_are_listed():
    listed = set(re.findall(r"\]\((\w+\.md)\)", read(KIT / "README.md")))
    assert listed == {path.name for path in PAGES} - {"README.md"}


def test_readme_tells_how_long_training_takes():
    minutes = sum(config.PROFILES["laptop"].minutes.values())
    (told,) = re.findall(r"about (\d+) minutes on one CPU core", read(KIT / "README.md"))
    assert abs(int(told) - minutes) < 0.2 * minutes


OWN = read(KIT / "own_pictures.md")


def test_so_many_pictures_are_enough_for_every_notebook_and_for_the_sweep():
    _, every, sweep = map(int, re.findall(r"^\| (\d+) and more \|", OWN, re.M))
    laptop = config.PROFILES["laptop"]
    least = laptop.data.least
    assert every == sum(least.values()) and ", ".join(f"{n} {split}" for split, n in least.items()) in OWN
    assert sweep == min(laptop.recognition.sizes) + least["val"] + least["test"]


def test_thirty_pictures_can_be_looked_at_and_counted(tmp_path, monkeypatch):
    folder = face_folders.own(tmp_path / "class", n=30, header="image,Hat,Beard")
    monkeypatch.setenv("COURSE_DATA", str(folder))
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    (code,) = re.findall(r"```python\n(.*?)```", OWN, re.S)
    *lines, table = code.splitlines()
    names = {}
    exec("\n".join(lines), names)
    assert len(names["faces"]) == 30
    assert eval(table, names).to_dict() == {name: {"Hat": 15, "Beard": 15} for name in ("Hat", "Beard")}


# --- Numbers ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured():
    """What the kit may quote of real faces, as text: gains {arm: "-2.9 (-3.3 to -2.5)"} by the paper's way, and with
    500 labels and every arm at its best; worst groups {arm: "45.8"}; other gains with 500 faces; other numbers."""
    results = config.ROOT / "data" / "results"
    study, sweep, groups = (
        pd.read_csv(results / f"{name}_differences.csv").query("data == 'faces64' and profile == 'laptop'")
        for name in ("recognition", "sweep", "groups")
    )
    study = study.query("protocol == 'same steps' and attributes == 40 and over == 'none'")
    sweep = sweep.query("metric == 'balanced_accuracy_tuned'")
    fewer = sweep.query("setting == 'fewer faces' and over == 'none'")
    groups = groups.query("pair == 'Smiling x Male' and share == 0.99 and metric == 'worst_group' and over == '-'")

    def gains(rows):
        rows = 100 * rows.set_index("arm")[["difference", "low", "high"]].astype(float)
        return {arm: "{:+.1f} ({:+.1f} to {:+.1f})".format(*row) for arm, row in rows.iterrows()}

    some = 100 * fewer.query("n_train == 4000 and arm == 'more real faces'")[["difference", "low", "high"]]
    accuracy = 100 * study.query("metric == 'accuracy'").set_index("arm")["mean"]
    none, majority, balancing = accuracy[["none", "majority", "balancing"]]
    printed = claims.TABLE_2["none"], claims.TABLE_2["balancing"]
    single = [none, majority, balancing, balancing - majority, none - balancing, *printed, *some.abs().iloc[0]]
    return {
        "the paper's way": gains(study.query("metric == 'balanced_accuracy_tuned'")),
        "at its best": gains(sweep.query("setting == 'tuned on validation' and n_train == 500 and over == 'flip'")),
        "worst group": {row.arm: f"{100 * row.mean:.1f}" for row in groups[["arm", "mean"]].itertuples()},
        "with 500": gains(fewer.query("n_train == 500")),
        "alone": {f"{value:.1f}" for value in single},
    }


def test_numbers_in_tables_are_those_that_were_measured(measured):
    full, best = read(KIT / "slides" / "06.md").split("## What does help")
    for text, kind, least in (
        (read(KIT / "project.md"), "the paper's way", 4), (full, "the paper's way", 6), (best, "at its best", 3)
    ):  # fmt: skip
        rows = re.findall(rf"^(?:> )?\| ([\w ]+) \| {GAIN} \|$", text, re.M)
        assert len(rows) >= least and all(measured[kind][arm] == gain for arm, gain in rows)
    rows = re.findall(r"^\| ([\w -]+) \| (\d+\.\d) \|$", read(KIT / "slides" / "10.md"), re.M)
    assert len(rows) >= 5 and all(measured["worst group"][arm] == accuracy for arm, accuracy in rows)


def test_slides_tell_for_how_many_attributes_it_is_enough_never_to_look():
    (n_train, co_train), (n_test, co_test) = (attributes.celeba_statistics(split) for split in ("train", "test"))
    share = np.diag(co_test) / n_test
    right = np.where(np.diag(co_train) / n_train > 0.5, share, 1 - share)
    assert f"For {(right >= 0.9).sum()} of CelebA's {len(right)} attributes" in read(KIT / "slides" / "01.md")


@pytest.mark.parametrize("path", [*PAGES, *DECKS, quiz.SOURCE], ids=lambda path: path.name)
def test_no_decimal_number_is_quoted_that_was_not_measured(path, measured):
    text = PREDICTED.sub("", read(path))  # these are compared with the notebooks
    text = without_code(re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$", "", text, flags=re.S))
    quoted = set(re.findall(GAIN, text))
    assert quoted <= {
        gain for kind in ("the paper's way", "at its best", "with 500") for gain in measured[kind].values()
    }
    single = {*measured["alone"], *measured["worst group"].values()}
    assert set(re.findall(r"\d+\.\d+", re.sub(GAIN, "", text))) <= single


def test_questions_quote_the_counts_of_random_doubling():
    facts = pd.read_csv(config.ROOT / "data" / "results" / "labels.csv").query("data == 'toy' and profile == 'laptop'")
    facts = facts.set_index("fact")["value"]
    least, most = ([facts[f"{of}, {of_whom}"] for of_whom in ("none", "doubling")] for of in ("minimum", "maximum"))
    text = " ".join(read(KIT / "questions.md").split())
    assert "Bald from {:.0f} to {:.0f}, No_Beard from {:,.0f} to {:,.0f}.".format(*least, *most) in text
    ratios = [highest / lowest for lowest, highest in zip(least, most, strict=True)]
    deviations = [facts[f"std, {name}"] for name in ("doubling", "every face twice")]
    assert "The ratio falls from {:.0f} to {:.0f}; the standard deviation, ".format(*ratios) in text
    assert "deviation, {:,.0f}, is nearly that of plain doubling, {:,.0f}.".format(*deviations) in text


# --- Rubric ----------------------------------------------------------------------------------------------------------


def test_graded_samples_follow_the_rubric_and_their_points_add_up():
    rubric, *samples = re.split(r"^## Sample", read(KIT / "project.md"), flags=re.M)
    criteria = re.findall(r"^\| (\w+) \|(?: [^|]+ \|){4}$", rubric.partition("| criterion |")[2], re.M)
    (most,) = re.findall(r"^(\d+) points\.", rubric, re.M)
    assert int(most) == 3 * len(criteria) > 0
    assert len(samples) == 2
    for sample in samples:
        points = re.findall(r"^\| (\w+) \| ([0-3]) \| [^|]+ \|$", sample, re.M)
        assert [criterion for criterion, _ in points] == criteria
        assert f"**{sum(int(one) for _, one in points)} of {most}, " in sample


# --- Slides ----------------------------------------------------------------------------------------------------------


def test_every_notebook_has_its_slides():
    assert [path.stem for path in DECKS] == [name[:2] for name in reference.notebooks()]
    assert re.findall(r"\((\d\d)\.md\)", read(KIT / "slides" / "index.md")) == [path.stem for path in DECKS]


@pytest.mark.parametrize("path", DECKS, ids=lambda path: path.stem)
def test_a_lesson_asks_for_a_guess_shows_pictures_and_ends_with_what_to_take_home(path):
    text = read(path)
    titles = re.findall(r"^## (.*)$", text, re.M)
    assert titles[-1] == "What we take home" and "Predict" in titles and 7 <= len(titles) <= 12
    cells = re.findall(r"^```\{stored-figure\} (\w+) (\w+)$", text, re.M)
    assert len(cells) >= 2
    for name, cell in cells:
        assert name.startswith(path.stem)
        teaching.figures(name, cell)  # raises LookupError if it shows none


def test_a_cell_that_is_not_there_or_shows_nothing_is_named():
    with pytest.raises(LookupError, match="00_start.ipynb has no cell nothing"):
        teaching.figures("00_start", "nothing")
    with pytest.raises(LookupError, match="cell 38d0363d of 00_start.ipynb shows no picture"):
        teaching.figures("00_start", "38d0363d")


def test_a_cell_without_outputs_has_no_picture_yet(monkeypatch):
    cell = new_code_cell("1", id="alone")
    monkeypatch.setattr(teaching, "read", lambda name: new_notebook(cells=[cell]))
    assert teaching.figures("any", "alone") == []


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of slides and quiz, made while no other machine could be reached."""
    folder = tmp_path_factory.mktemp("teaching") / "made"
    assert apart.exit_code(teaching.build, folder) == 0
    return folder


def test_slides_and_quiz_are_made_without_a_network(built):
    assert {path.stem for path in built.glob("slides/*.html")} == {path.stem for path in DECKS} | {"index"}
    assert (built / "quiz" / "moodle.xml").exists()


#: Titles of the slides that are larger than the screen; a slide has a size only while it is shown.
TOO_LARGE = """() => Reveal.getSlides().filter(slide => {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    return slide.scrollHeight > 720 || slide.scrollWidth > 1280;
}).map(slide => slide.querySelector("h1, h2").textContent)"""


def test_slides_fit_the_screen_and_show_their_pictures_and_formulas(built, page):
    page.set_viewport_size({"width": 1280, "height": 720})
    with browser.served(built / "slides") as address:
        for deck in DECKS:
            page.goto(f"{address}/{deck.stem}.html")
            page.wait_for_function("window.Reveal && Reveal.isReady()")
            formulas = len(re.findall(r"\$\$.*?\$\$|\$[^$\n]+\$", read(deck), re.S))
            if formulas:
                page.wait_for_function("window.MathJax?.startup?.promise")
                page.evaluate("MathJax.startup.promise")
            assert page.locator("mjx-container").count() == formulas, deck.name
            slides = page.evaluate("Reveal.getTotalSlides()")
            assert slides == 1 + read(deck).count("\n## ")
            assert page.evaluate(TOO_LARGE) == [], deck.name
            assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0 && image.alt)"), deck.name
