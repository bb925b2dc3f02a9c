"""What test files share: a real browser (see browser.py)."""

import browser
import pytest
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="module")  # not longer: Playwright's event loop would be in the way of notebooks' kernels
def chromium():
    """A running browser without a window. Skips where none is installed."""
    path = browser.executable()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=browser.OPTIONS)
        yield running
        running.close()


@pytest.fixture
def page(chromium):
    """An empty tab, cut off from the network. What was thrown in it, or asked of another host, fails the test."""
    context = chromium.new_context(viewport=browser.DESKTOP)
    refused, thrown = browser.keep_off_the_network(context), []
    tab = context.new_page()
    tab.on("pageerror", lambda error: thrown.append(str(error)))
    yield tab
    context.close()
    assert (refused, thrown) == ([], [])
