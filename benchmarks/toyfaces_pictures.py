"""Draws the README's two pictures of the data set: a contact sheet of all 40 attributes and a wall of faces.

python -m benchmarks.toyfaces_pictures        (writes notebooks/figures/contact_sheet.png and wall.png)
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from lib import toyfaces
from lib.attributes import CELEBA

FIGURES = Path(__file__).parent.parent / "notebooks" / "figures"


def save(figure, name, dpi):
    path = FIGURES / name
    figure.savefig(path, dpi=dpi)
    plt.close(figure)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE)  # a fifth of the size
    small.save(path, optimize=True)
    print(f"{path.relative_to(FIGURES.parent.parent)}: {path.stat().st_size / 1024:.0f} KB")


def contact_sheet(index=8, size=128):
    """Forty pairs of one person, without and with the attribute that stands above them."""
    pairs = toyfaces.on_off_pairs(index, size=size).transpose(0, 1, 3, 4, 2)
    figure, axes = plt.subplots(8, 5, figsize=(10, 9.4), gridspec_kw={"wspace": 0.04, "hspace": 0.22})
    for ax, name, (off, on) in zip(axes.flat, CELEBA, pairs, strict=True):
        ax.imshow(np.concatenate([off, on], axis=1))
        ax.set_title(name.replace("_o_", "_o'").replace("_", " "), fontsize=9, pad=2)
        ax.axis("off")
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.975)
    return figure


def wall(rows=6, columns=14, size=96, seed=1):
    """Faces as they come, with the labels' long tail."""
    images, _ = toyfaces.faces(rows * columns, seed=seed, size=size)
    grid = images.reshape(rows, columns, 3, size, size).transpose(0, 3, 1, 4, 2).reshape(rows * size, columns * size, 3)
    figure = plt.figure(figsize=(columns, rows))
    figure.add_axes([0, 0, 1, 1]).imshow(grid)
    figure.gca().axis("off")
    return figure


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    FIGURES.mkdir(parents=True, exist_ok=True)
    save(contact_sheet(), "contact_sheet.png", dpi=130)
    save(wall(), "wall.png", dpi=90)
