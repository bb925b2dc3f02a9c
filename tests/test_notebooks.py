"""What every notebook of the course keeps to, checked without running it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|Users|root|work|tmp|opt)/\w|\b[A-Z]:\\+Users")
PACKAGE_HOST = re.compile(r"\b(py[p]i|python[h]osted|anaconda|npm[j]s)\.(org|com)")  # not matched by this line itself


def without_code(markdown):
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", markdown, flags=re.DOTALL | re.MULTILINE)


def dead_links(prose, folder):
    """Files that Markdown in `folder` links to and that are not there."""
    targets = [unquote(target.partition("#")[0]) for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", prose)]
    return [name for name in targets if name and not re.match(r"[a-z]+:", name) and not (folder / name).exists()]


def faults(path):
    """Yield what is wrong with the notebook at `path`, one sentence each."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    outputs = [output for cell in code for output in cell.outputs]
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")

    if not re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name):
        yield "its name is not NN_name.ipynb"
    if path.stat().st_size > 2_000_000:
        yield "it is larger than 2 MB"
    yield from faults_of_text(text, path.parent)
    yield from faults_of_code(code)
    yield from faults_of_outputs(outputs)
    if "widgets" in notebook.metadata:
        yield "it holds the state of widgets"
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)) and (any(counts) or outputs):
        yield f"its outputs are not those of one run from top to bottom: {counts}"


def faults_of_text(text, folder):
    prose = without_code(text)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield "it does not have one title, at its start"
    if any(deeper - level > 1 for level, deeper in zip(levels, levels[1:], strict=False)):
        yield "a level of headings is skipped"
    for image in re.findall(r"!\[\]\(([^)]+)\)", prose):
        yield f"the image {image} has no alternative text"
    for target in dead_links(prose, folder):
        yield f"the link to {target} leads nowhere"
    yield from faults_of_html(prose)
    yield from faults_of_words(text)


def faults_of_code(cells):
    if not cells or "config.start(" not in cells[0].source:
        yield "its first code cell does not call config.start()"
    for cell in cells:
        if len(cell.source.splitlines()) > 40:
            yield f"a cell is longer than 40 lines: {cell.source.splitlines()[0]}"
        yield from faults_of_words(cell.source)


def faults_of_outputs(outputs):
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    if outputs and "data: toy" not in printed:
        yield "its outputs were not made from the drawn faces"
    for output in outputs:
        data = output.get("data", {})
        if output.output_type == "error" or output.get("name") == "stderr":
            yield f"an output is an error or a warning: {output.get('evalue', output.get('text'))}"
        if WIDGET in data:
            yield "an output is a widget, which shows nothing without a kernel"
        if any(kind.startswith("image/") for kind in data):
            yield "an image stands alone: show it by an HTML <img> with alternative text"
        yield from faults_of_html(data.get("text/html", ""))
        yield from faults_of_words(output.get("text", "") + data.get("text/plain", "") + data.get("text/html", ""))


def faults_of_html(html):
    class Images(HTMLParser):
        without_text = 0

        def handle_starttag(self, tag, attributes):
            self.without_text += tag == "img" and not (dict(attributes).get("alt") or "").strip()

    images = Images()
    images.feed(html)
    if images.without_text:
        yield "an <img> has no alternative text"


def faults_of_words(text):
    text = re.sub(r"data:image/[\w+]+;base64,[\w+/=\s]+", "", text)
    for pattern in (MACHINE_PATH, PACKAGE_HOST):
        if match := pattern.search(text):
            yield f"it names {match.group()}, which is of one machine only"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook(path):
    assert list(faults(path)) == []


PIXEL = "data:image/png;base64,iVBORw0KGgo/tmp/AAAA"


def store(path, text="# One", start="config.start()", data="toy", source="1", count=2, output=None, **metadata):
    """A notebook of one text and two code cells at `path`; without a fault unless an argument brings one in."""
    printed = new_output("stream", text=f"data: {data}; seed 0")
    cells = [
        new_markdown_cell(text),
        new_code_cell(start, execution_count=1, outputs=[printed]),
        new_code_cell(source, execution_count=count, outputs=[output] if output else []),
    ]
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def shown(kind, content):
    return new_output("display_data", data={kind: content})


@pytest.mark.parametrize(
    "fault, notebook",
    [
        ("one title", {"text": "no heading"}),
        ("one title", {"text": "# One\n\n# Two"}),
        ("headings is skipped", {"text": "# One\n\n### Three"}),
        ("gone.md leads nowhere", {"text": "# One\n[there](gone.md#part)"}),
        ("no alternative text", {"text": "# One\n![](https://example.org/x.png)"}),
        ("no alternative text", {"output": shown("text/html", "<img src='x'>")}),
        ("stands alone", {"output": shown("image/png", "iVBORw0KGgo=")}),
        ("config.start()", {"start": "1"}),
        ("longer than 40", {"source": "1\n" * 41}),
        ("drawn faces", {"data": "celeba"}),
        ("error or a warning", {"output": new_output("error", ename="E", evalue="bad")}),
        ("error or a warning", {"output": new_output("stream", name="stderr", text="careful")}),
        ("a widget", {"output": shown(WIDGET, {"model_id": "1"})}),
        ("state of widgets", {"widgets": {}}),
        ("top to bottom: [1, 3]", {"count": 3}),
        ("top to bottom: [1, None]", {"count": None}),
        ("one machine only", {"output": shown("text/plain", str(Path.home() / "x"))}),
        ("larger than 2 MB", {"text": "# One\n" + "x" * 2_000_000}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_is_found(tmp_path, fault, notebook):
    found = list(faults(store(tmp_path / "00_name.ipynb", **notebook)))
    assert len(found) == 1 and fault in found[0], found


def test_name_is_checked(tmp_path):
    assert list(faults(store(tmp_path / "Name.ipynb"))) == ["its name is not NN_name.ipynb"]


def test_a_notebook_in_order_has_no_fault(tmp_path):
    text = f"# One\n\n## Two\n\n```\n# comment\n```\n[here](00_name.ipynb) `x[0](1)` ![face]({PIXEL})"
    figure = shown("text/html", f"<figure><img alt='a face' src='{PIXEL}'></figure>")
    assert list(faults(store(tmp_path / "00_name.ipynb", text=text, output=figure))) == []
