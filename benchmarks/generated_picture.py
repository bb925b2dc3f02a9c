"""Draws notebooks/figures/generated.png, the README's picture, from the weights of a finished run.

    python benchmarks/generated_picture.py            (profile and data by COURSE_PROFILE, COURSE_DATA)

Four label vectors of the test split; in each column one label is switched. No real face takes part.
"""

from pathlib import Path

import numpy as np

from lib import attributes, augmentation, config, data, plots, stages

SHOWN = ("Eyeglasses", "Smiling", "Wearing_Hat", "Blond_Hair", "Male", "Bangs", "Mustache", "Wearing_Lipstick")


def main():
    run = config.start()
    if run.source != "toy":
        raise SystemExit("the README shows faces from drawn ones only; unset COURSE_DATA")
    faces = data.load(run)
    test = faces.part("test").attributes
    people = test[~attributes.impossible(test, faces.names)][:4]
    columns = [None, *(attributes.index(faces.names, name) for name in SHOWN)]
    a = np.repeat(people, len(columns), axis=0)
    for row in range(len(people)):
        for i, column in enumerate(columns[1:], start=1):
            a[row * len(columns) + i, column] ^= True
    decoder = stages.autoencoder(run, faces).model.decoder
    images = augmentation.generate(stages.mapping(run, faces).model, decoder, a)
    titles = ["as labelled", *(name.replace("_", " ") + "\nswitched" for name in SHOWN)]
    figure = plots.faces(images, columns=len(columns), titles=titles)
    figure.savefig(Path(__file__).parent.parent / "notebooks" / "figures" / "generated.png", dpi=110)


if __name__ == "__main__":
    main()
