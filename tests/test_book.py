"""The book: made without a network and without a warning; what it links to is there; what it adds to its sources."""

import contextlib
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import apart
import browser
import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from PIL import Image
from test_explorer import pixels, settled

from lib import book, exercises
from lib.explorer import export, npm

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
EQUATIONS = book.equations()
START = ROOT / "notebooks" / "00_start.ipynb"

#: What Sphinx and its extensions say of each other's future is no matter of the book.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the whole book; without the face explorer where npm cannot fetch what it runs on."""
    explorer, folder = tmp_path_factory.mktemp("explorer"), tmp_path_factory.mktemp("book") / "site"
    with contextlib.suppress(npm.NpmError):
        export.build(explorer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "EXPLORER", explorer)
        assert apart.exit_code(book.build, folder) == 0
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
    sources = [
        ROOT / "README.md",
        ROOT / "data" / "results" / "README.md",
        *NOTEBOOKS,
        *ROOT.glob("notebooks/reference/*.md"),
        *ROOT.glob("notebooks/teaching/*.md"),
    ]
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_answers_to_predictions_are_folded_and_nobody_is_told_to_write_one(path):
    before = nbformat.read(path, as_version=4).cells
    after = nbformat.reads(book.woven(path.read_text(encoding="utf-8"), path, EQUATIONS), as_version=4).cells
    cells = {cell.id: cell for cell in after}
    places = [cell.id for cell in before]
    for which in (1, 2):
        guess, why = (places.index(f"predict-{which}-{part}") for part in ("guess", "why"))
        assert cells[before[guess].id].metadata["tags"] == ["remove-cell"]
        between = [cells[cell.id] for cell in before[guess + 1 : why] if cell.cell_type == "code"]
        assert between and all(cell.metadata["tags"] == ["hide-output"] for cell in between)
        assert any("Measured: " in output.get("text", "") for output in between[-1].outputs)
        assert ":collapsible: closed" in cells[before[why].id].source
    assert "No prediction made" not in book.woven(path.read_text(encoding="utf-8"), path, EQUATIONS)
    last = next(cell for cell in reversed(after) if cell.cell_type == "code" and cell.outputs)
    assert "hide-output" not in last.metadata.get("tags", [])


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


# --- In a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(site):
    with browser.served(site) as address:
        yield address


@pytest.fixture
def opened(page, address):
    """Opens a page of the book, formulas included, and returns the tab."""

    def open_page(name):
        page.goto(f"{address}/{name}")
        page.evaluate("window.MathJax?.startup?.promise")
        return page

    return open_page


def dark_pixels(tab, selector):
    """How many pixels of the first visible match are dark, on a light page."""
    picture = Image.open(io.BytesIO(tab.locator(selector).first.screenshot())).convert("L")
    return int((np.asarray(picture) < 128).sum())


def test_search_finds_a_term_and_leads_to_it(page, address):
    tab = page
    tab.goto(address)  # which leads on to the first page
    tab.wait_for_url("**/book/index.html")
    tab.get_by_role("textbox", name="Search").fill("saturates")
    tab.keyboard.press("Enter")
    found = tab.locator("#search-results li a")
    found.first.wait_for()
    assert any("The mapping function" in title for title in found.all_text_contents())
    found.filter(has_text="The mapping function").first.click()
    tab.wait_for_url("**/04_mapping.html*")
    assert tab.get_by_role("heading", level=1).inner_text().startswith("4 · The mapping function")


def test_formulas_are_rendered(opened):
    tab = opened("notebooks/04_mapping.html")
    inline, displayed = tab.locator("mjx-container:not([display])"), tab.locator('mjx-container[display="true"]')
    assert inline.count() > 20 and displayed.count() >= 5
    assert tab.locator("mjx-merror").count() == 0
    assert "$" not in tab.locator("#section-1, section section p").first.inner_text()
    assert dark_pixels(tab, 'mjx-container[display="true"]') > 300  # its letters
    tab.locator("a[href='#equation-17']").first.click()
    assert tab.locator("#equation-17 + .math, .math#equation-17, #equation-17 .math").first.is_visible()


def test_a_solution_is_folded_and_opens(opened):
    tab = opened("notebooks/02_autoencoder.html")
    solution = tab.locator("details.admonition").first
    code = solution.locator("pre").first
    assert not code.is_visible()
    solution.locator("summary").press("Enter")
    assert code.is_visible() and code.inner_text().strip()


@pytest.fixture(scope="module")
def names(pages, site):
    """Addresses of all pages of the book."""
    elsewhere = {site / "index.html", *(site / "explorer").rglob("*.html")}  # leads on; has tests of its own
    names = [path.relative_to(site).as_posix() for path in pages.keys() - elsewhere]
    assert len(names) > 10
    return names


def test_no_page_scrolls_sideways_on_a_phone(opened, names, page):
    page.set_viewport_size(browser.PHONE)
    wide = {name: browser.overflow(opened(name)) for name in names}
    assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}


#: Leaves one word of code of each kind: thousands alike would take most of the time.
FEWER_WORDS = """() => {
    const seen = new Set();
    for (const word of document.querySelectorAll("pre span[class]")) {
        const kind = `${word.className} in ${word.closest("pre").parentElement.className}`;
        if (seen.has(kind)) word.replaceWith(word.textContent);
        seen.add(kind);
    }
}"""


def shut_out(tab):
    """What shuts out a reader of the page."""
    tab.evaluate(FEWER_WORDS)
    return browser.violations(tab)


def test_no_page_shuts_out_a_reader(opened, names):
    assert {name: found for name in names if (found := shut_out(opened(name)))} == {}


@pytest.mark.parametrize(
    "name", ["book/index", "notebooks/05_augmentation", "notebooks/reference/equations", "book/losses"]
)
def test_nor_does_it_in_the_dark(opened, page, name):
    page.emulate_media(color_scheme="dark")
    assert shut_out(opened(f"{name}.html")) == []


def test_the_face_explorer_changes_the_face(opened, site):
    if not (site / "explorer").exists():
        pytest.skip("the book was made without the explorer")
    frame = opened("book/explorer.html").locator("iframe.explorer").element_handle().content_frame()
    settled(frame)
    first = pixels(frame)
    assert first.std() > 10  # a face, no empty canvas
    frame.get_by_role("checkbox", name="Bangs").check()
    settled(frame)
    assert np.abs(pixels(frame).astype(int) - first).max() > 20
    frame.get_by_role("checkbox", name="Bangs").uncheck()
    settled(frame)
    assert (pixels(frame) == first).all()


def test_the_balancing_player_plays(opened):
    tab = opened("book/balancing.html")
    said = tab.locator("#balancing [role=status]")
    rarest = tab.locator("#balancing .bar span").last

    def length():
        tab.wait_for_timeout(300)  # the bar takes 150 ms to its new length
        return rarest.bounding_box()["width"]

    start = length()
    tab.locator("#balancing input").press("End")  # by keyboard
    assert said.inner_text().startswith("8,000 new label vectors") and length() > 5 * start
    tab.get_by_label("Strategy").select_option("random doubling")
    assert length() < tab.locator("#balancing .bar span").first.bounding_box()["width"] / 5
    tab.get_by_role("button", name="back").click()
    assert not said.inner_text().startswith("8,000")

    tab.get_by_role("button", name="play").click()
    tab.wait_for_function(
        "document.querySelector('#balancing input').value === document.querySelector('#balancing input').max"
    )
    assert said.inner_text().startswith("8,000") and tab.get_by_role("button", name="play").is_visible()


def test_the_loss_mixer_shows_one_choice(opened):
    tab = opened("book/losses.html")
    shown = tab.locator("#losses table:visible")
    assert shown.count() == 1 and "All five losses" in shown.inner_text()
    tab.get_by_label("nothing").press("ArrowUp")  # round to the last one
    assert shown.count() == 1 and "Without the perceptual loss" in shown.inner_text() and "worse" in shown.inner_text()
    assert shown.locator(".track i").first.bounding_box()["width"] >= 3
