"""The book: made without a network and without a warning; what it links to is there; what it adds to its sources."""

import re
import socket
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from lib import book, exercises

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
EQUATIONS = book.equations()
START = ROOT / "notebooks" / "00_start.ipynb"

pytestmark = pytest.mark.filterwarnings(
    "ignore::PendingDeprecationWarning", "ignore::DeprecationWarning"
)  # Sphinx's own


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the whole book, made while no other machine could be reached."""

    def refuse(*_):
        raise OSError("the book asked for the network")

    folder = tmp_path_factory.mktemp("book") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        assert book.build(folder) == 0
    return folder


class Page(HTMLParser):
    """What a page refers to (attribute, address), its ids, and its images without an alternative text."""

    def __init__(self, path):
        super().__init__()
        self.references, self.ids, self.silent = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        self.references += [(tag, attributes[name]) for name in ("href", "src", "poster", "data") if name in attributes]
        if tag == "img" and not (attributes.get("alt") or "").strip():
            self.silent.append(self.get_starttag_text())


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_notebook_and_page_is_in_it(pages, site):
    sources = [ROOT / "README.md", *NOTEBOOKS, *ROOT.glob("notebooks/reference/*.md")]
    expected = {site / path.relative_to(ROOT).with_suffix(".html") for path in sources}
    assert len(expected) > 10 and expected <= set(pages)


def test_every_link_leads_to_a_file_and_to_an_anchor_in_it(pages):
    lost = []
    for path, page in pages.items():
        for _, address in page.references:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchors = pages[target].ids if target in pages and parts.fragment else {parts.fragment}
            if not target.exists() or unquote(parts.fragment) not in anchors | {""}:
                lost.append(f"{path.name}: {address}")
    assert lost == []


def test_nothing_is_loaded_from_another_host(pages, site):
    addresses = [(tag, address) for page in pages.values() for tag, address in page.references if tag != "a"]
    assert [address for _, address in addresses if urlsplit(address).scheme not in ("", "data")] == []
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not any(re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style) for style in styles)


def test_every_image_has_an_alternative_text(pages):
    assert sum(tag == "img" for page in pages.values() for tag, _ in page.references) > 50
    assert {path.name: page.silent for path, page in pages.items() if page.silent} == {}


def test_every_equation_has_an_anchor_and_is_linked_from_other_notebooks(pages, site):
    assert set(EQUATIONS) >= {*range(1, 9), *range(10, 15), 17}
    for number, home in EQUATIONS.items():
        assert f"equation-{number}" in pages[site / "notebooks" / f"{home.stem}.html"].ids
    mapping = pages[site / "notebooks" / "04_mapping.html"]
    assert ("a", "03_classifier.html#equation-8") in mapping.references


@pytest.mark.parametrize("sheet", exercises.sheets(), ids=lambda sheet: sheet.notebook)
def test_solutions_are_folded(site, sheet):
    html = (site / "notebooks" / f"{sheet.notebook}.html").read_text(encoding="utf-8")
    folded = re.findall(r"<details class=\"[^\"]*admonition\">\s*<summary[^>]*>Solution (\d+)</summary>", html)
    assert [int(number) for number in folded] == [exercise.number for exercise in sheet.exercises]


# --- What is added to the sources -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        ("as notebook 4 says", "as [notebook 4](04_mapping.ipynb) says"),
        ("Notebooks 2 to 4 train", "Notebooks [2](02_autoencoder.ipynb) to [4](04_mapping.ipynb) train"),
        ("this is notebook 0", "this is notebook 0"),  # the page itself
        ("notebook 77", "notebook 77"),
        ("by Eq. 10,", "by [Eq. 10](#equation-10),"),
        ("Equations 3, 5 and 99", "Equations [3](#equation-3), [5](#equation-5) and 99"),
        ("`notebook 4` $Eq. 3$ [notebook 4](x.md)", "`notebook 4` $Eq. 3$ [notebook 4](x.md)"),
        ("# The notebook 4\n\n```\nEq. 3\n```", "# The notebook 4\n\n```\nEq. 3\n```"),
        ("see [them](exercises), [this](figures/wall.png)", "see them, [this](figures/wall.png)"),
    ],
)
def test_what_the_prose_names_is_linked(text, expected):
    assert book.linked(text, START, EQUATIONS) == expected


def test_targets_stand_before_the_formulas_of_their_home_only(tmp_path):
    text = "So\n\n$$a \\quad (10) \\qquad b \\;(11)$$\n\nand $c$ (12)."
    here, there = tmp_path / "04.ipynb", tmp_path / "05.ipynb"
    assert book.numbers_displayed(text) == [10, 11]
    woven = book.with_targets(text, here, {10: here, 11: there})
    assert woven == text.replace("$$a", "(equation-10)=\n$$a")


def test_a_solution_goes_below_the_cell_of_its_exercise():
    sheet = exercises.sheets()[0]
    notebook = new_notebook(cells=[*exercises.exercise_cells(sheet), new_markdown_cell("## Summary")])
    book.fold_in(notebook, sheet)
    below = {cell.id: after.source for cell, after in zip(notebook.cells, notebook.cells[1:], strict=False)}
    for exercise in sheet.exercises:
        folded = below[f"exercise-{exercise.number}"]
        assert f"Solution {exercise.number}\n" in folded and exercise.solution in folded
    assert nbformat.validate(notebook) is None
