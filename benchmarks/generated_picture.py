"""Draws notebooks/figures/generated.png, the README's picture, from the weights that ship: some minutes on one core.

    python benchmarks/generated_picture.py

In each column one label is switched. Three drawn test faces, moved by a flow between the embeddings of the training
faces (lib/flow.py, which is fitted here), and two lists of labels of whose face only Φ decides.
"""

from pathlib import Path

import numpy as np
import torch

from lib import attributes, augmentation, config, data, flow, plots, pretrained, stages

PICTURE = Path(__file__).parent.parent / "notebooks" / "figures" / "generated.png"
SHOWN = ("Eyeglasses", "Smiling", "Wearing_Hat", "Blond_Hair", "Male", "Bangs", "Mustache", "Wearing_Lipstick")
EDITED, IMAGINED = 3, 2  # persons


def switched(people, names):
    """Each row of `people`, bool (n, A), as it is and with each of the attributes `SHOWN` switched: (n * 9, A)."""
    columns = [attributes.index(names, name) for name in SHOWN]
    a = np.repeat(people, 1 + len(columns), axis=0)
    for i, column in enumerate(columns, start=1):
        a[i :: 1 + len(columns), column] ^= True
    return a


def main():
    ready = pretrained.load(pretrained.SHOWN)
    faces = data.load(pretrained.recipe_run(pretrained.SHOWN, config.start(show=False)))
    encoder, decoder = ready.autoencoder.model.encoder, ready.autoencoder.model.decoder
    train, test = faces.part("train"), faces.part("test")
    test = test.take(~attributes.impossible(test.attributes, ready.names)).take(slice(0, EDITED + IMAGINED))
    field = flow.fit(
        stages.embed(encoder, torch.from_numpy(np.array(train.images))),
        torch.from_numpy(np.array(train.attributes)),
    )
    z = stages.embed(encoder, torch.from_numpy(np.array(test.images)))[:EDITED].repeat_interleave(1 + len(SHOWN), 0)
    a, a1 = np.repeat(test.attributes[:EDITED], 1 + len(SHOWN), axis=0), switched(test.attributes, ready.names)
    with torch.inference_mode():
        edited = data.to_uint8(decoder(flow.edit(field, z, a, a1[: len(z)]))).numpy()
    imagined = augmentation.generate(ready.mapping.model, decoder, a1[len(z) :])
    titles = ["as labelled", *(name.replace("_", " ") + "\nswitched" for name in SHOWN)]
    rows = ["a drawn person,\nand edited"] * EDITED + ["Φ, from labels\nalone"] * IMAGINED
    figure = plots.faces(np.concatenate([edited, imagined]), columns=1 + len(SHOWN), titles=titles, row_labels=rows)
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
