"""Draws notebooks/figures/generated.png, the README's picture, from the weights that ship.

    python benchmarks/generated_picture.py

Four label vectors of drawn test faces; in each column one label is switched. No real face takes part.
"""

from pathlib import Path

import numpy as np

from lib import attributes, augmentation, data, plots, pretrained, toyfaces

SHOWN = ("Eyeglasses", "Smiling", "Wearing_Hat", "Blond_Hair", "Male", "Bangs", "Mustache", "Wearing_Lipstick")


def main():
    ready = pretrained.load(pretrained.SHOWN)
    test = toyfaces.labels(100, start=data.TOY_STARTS["test"])
    people = test[~attributes.impossible(test, ready.names)][:4]
    columns = [None, *(attributes.index(ready.names, name) for name in SHOWN)]
    a = np.repeat(people, len(columns), axis=0)
    for row in range(len(people)):
        for i, column in enumerate(columns[1:], start=1):
            a[row * len(columns) + i, column] ^= True
    images = augmentation.generate(ready.mapping.model, ready.autoencoder.model.decoder, a)
    titles = ["as labelled", *(name.replace("_", " ") + "\nswitched" for name in SHOWN)]
    figure = plots.faces(images, columns=len(columns), titles=titles)
    figure.savefig(Path(__file__).parent.parent / "notebooks" / "figures" / "generated.png", dpi=110)


if __name__ == "__main__":
    main()
