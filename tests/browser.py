"""A real browser for tests: pages come from a server on this machine, and nothing else can be reached.

The fixtures `chromium` and `page` stand in conftest.py; what they are made of, and what tests ask of a page, is here.
"""

import contextlib
import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from lib.explorer import npm

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = [  # as root in a container, and without the browser's own calls home
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


def executable():
    """Path of Chromium; skips where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no browser: install Chromium (Debian and Ubuntu: sudo apt install chromium)")
    return found


@contextlib.contextmanager
def served(folder):
    """Serve the files of `folder` to this machine alone; gives the address, http://127.0.0.1:<port>."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def keep_off_the_network(context):
    """Cut the browser context off everything but this machine. Returns the list of addresses it asked for in vain."""
    refused = []

    def decide(route):
        address = urlsplit(route.request.url)
        if address.scheme in ("data", "blob") or address.hostname == "127.0.0.1":
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    context.route("**/*", decide)
    return refused


def violations(page):
    """What axe-core finds wrong with the page, serious and critical: a list of "rule: element". Skips without npm."""
    try:
        (axe,) = npm.read("axe-core", "axe.min.js")
    except npm.NpmError as error:
        pytest.skip(str(error))
    page.evaluate(axe.decode())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{rule['id']}: {node['html']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def overflow(page):
    """How many pixels the page is wider than its window: 0 where nobody has to scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
