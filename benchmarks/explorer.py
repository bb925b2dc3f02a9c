"""How long a reader of the face explorer waits, and what it looks like: the page in Chromium, the widget in its kernel.

    python3 course.py explorer
    python -m benchmarks.explorer

Writes data/results/explorer.csv, a row for each wait, and notebooks/figures/explorer.webp, the README's picture. The
page measures itself: from the event of the click (or the start of the page's load) until the face is on its canvas. A
first picture is that of a fresh browser, which has neither the page nor its compiled networks. In the kernel a wait
lasts from a checkbox that is set until the picture is handed to the notebook; the browser shows it later. Leave the
machine alone meanwhile.
"""

import argparse
import io
import time

import numpy as np
import pandas as pd
import torch
from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.bench import machine_name
from lib import config, data, pretrained, toyfaces, widgets
from lib.explorer import export
from lib.explorer.description import people
from tests import browser

RESULTS = config.ROOT / "data" / "results" / "explorer.csv"
PICTURE = config.ROOT / "notebooks" / "figures" / "explorer.webp"
STARTS, CHOICES = 5, 100


def page_waits(chromium, address):
    """Milliseconds until the first picture, of `STARTS` fresh browsers; and until the next, of `CHOICES` clicks."""
    first, next_ones = [], []
    for _ in range(STARTS):
        context = chromium.new_context(viewport=browser.DESKTOP)
        page = opened(context, address)
        first += measured(page)
        if len(first) == STARTS:
            boxes = page.get_by_role("checkbox").all()
            for i in range(CHOICES):
                boxes[i % len(boxes)].click()
                drawn(page)  # a click in between would be compared with a page that is still at work
            next_ones = measured(page)[1:]
        context.close()
    return first, next_ones


def opened(context, address):
    page = context.new_page()
    page.goto(address)
    drawn(page)
    return page


def drawn(page):
    """Wait until the page has nothing left to draw."""
    page.wait_for_selector('#strip[aria-busy="false"]', state="attached")


def measured(page):
    """What the page has measured so far, in milliseconds."""
    return page.evaluate("performance.getEntriesByName('choice to picture').map(entry => entry.duration)")


def kernel_waits(ready):
    """Milliseconds until the picture is handed to the notebook, of `CHOICES` checkboxes."""
    images, a = toyfaces.faces(100, start=data.TOY_STARTS["test"], size=ready.size)
    decoder, encoder = ready.autoencoder.model.decoder, ready.autoencoder.model.encoder
    explorer = widgets.FaceExplorer(
        ready.mapping.model, decoder, ready.names, a, people(encoder, images, a, ready.names), export.judge(ready).model
    )
    waits, begun = [], 0.0
    explorer.face.observe(lambda _: waits.append(1000 * (time.perf_counter() - begun)), "value")
    for i in range(CHOICES):
        box = list(explorer.boxes.values())[i % len(explorer.boxes)]
        begun = time.perf_counter()
        box.value = not box.value
    return waits


def photograph(chromium, address):
    """The page as a reader sees it first, a person who has been changed."""
    page = opened(chromium.new_context(viewport={"width": 1280, "height": 880}), address)
    page.wait_for_timeout(1000)  # the portraits, too
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(PICTURE, quality=80, method=6)


def main():
    if not (export.FOLDER / "index.html").exists():
        raise SystemExit("there is no page to measure: start `python3 course.py explorer` first")
    with browser.served(export.FOLDER) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.executable(), args=browser.OPTIONS)
        first, next_ones = page_waits(chromium, address)
        photograph(chromium, address)
        version = chromium.version
    ready = pretrained.load(pretrained.SHOWN)
    waits = {
        ("page", "start to first picture"): first,
        ("page", "choice to picture"): next_ones,
        ("kernel", "choice to picture"): kernel_waits(ready),
    }
    rows = [
        (where, wait, len(times), np.median(times), np.percentile(times, 95)) for (where, wait), times in waits.items()
    ]
    folder = sum(path.stat().st_size for path in export.FOLDER.rglob("*")) / 1e6
    table = pd.DataFrame(rows, columns=["where", "wait", "n", "median_ms", "p95_ms"]).assign(
        folder_mb=folder, weights=ready.folder.name, size=ready.size, chromium=version,
        machine=machine_name(torch.device("cpu")), commit=config.commit(),
    )  # fmt: skip
    table.round(1).to_csv(RESULTS, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
