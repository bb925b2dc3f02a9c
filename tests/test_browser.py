"""The fixtures that show pages to a real browser: they see what is there, and let nothing out."""

import browser
import pytest

PAGE = """<!doctype html><html lang="en"><title>t</title><main><h1>Title</h1>
<p id="wide" style="width:{width}px">wide</p>{more}</main></html>"""


@pytest.fixture
def shows(page, tmp_path):
    """Shows a page with a paragraph of some width; returns the tab."""
    with browser.served(tmp_path) as address:

        def show(width=100, more=""):
            (tmp_path / "index.html").write_text(PAGE.format(width=width, more=more))
            page.goto(address)
            return page

        yield show


def test_a_page_that_is_too_wide_is_told(shows):
    assert browser.overflow(shows(100)) == 0
    assert browser.overflow(shows(browser.DESKTOP["width"] + 100)) > 0


def test_what_readers_cannot_use_is_told(shows):
    assert browser.violations(shows()) == []
    (found,) = browser.violations(shows(more='<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'))
    assert found.startswith("image-alt: <img")


def test_other_hosts_are_out_of_reach(chromium):
    context = chromium.new_context()
    refused = browser.keep_off_the_network(context)
    tab = context.new_page()
    tab.set_content('<img src="http://example.org/a.png">')
    tab.wait_for_load_state()
    assert refused == ["http://example.org/a.png"]
    context.close()
