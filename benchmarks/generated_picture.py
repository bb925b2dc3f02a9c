"""Draws the README's pictures of generated faces from the weights that ship: some minutes on one core each.

    python -m benchmarks.generated_picture                   # notebooks/figures/generated.png, drawn faces
    python -m benchmarks.generated_picture --data FOLDER     # notebooks/figures/generated_celeba.png, CelebA

In each column one label is switched. Of drawn faces: three test faces, moved by a flow between the embeddings of the
training faces (lib/flow.py, which is fitted here). Of CelebA nobody's face is shown: five persons of the flow's
invention, moved by Φ. Below, two lists of labels of whose face only Φ decides.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from lib import attributes, augmentation, config, data, flow, plots, pretrained, stages

FIGURES = Path(__file__).parent.parent / "notebooks" / "figures"
SHOWN = ("Eyeglasses", "Smiling", "Wearing_Hat", "Blond_Hair", "Male", "Bangs", "Mustache", "Wearing_Lipstick")
EDITED, INVENTED, IMAGINED = 3, 5, 2  # persons
CALM = 0.7  # of the noise from which persons are invented: rather usual than strange
SEED = 6  # of that noise; of eight tried the one whose persons look best


def switched(people, names):
    """Each row of `people`, bool (n, A), as it is and with each of the attributes `SHOWN` switched: (n * 9, A)."""
    columns = [attributes.index(names, name) for name in SHOWN]
    a = np.repeat(people, 1 + len(columns), axis=0)
    for i, column in enumerate(columns, start=1):
        a[i :: 1 + len(columns), column] ^= True
    return a


def edited(ready, field, people, a1):
    """Embeddings of the faces `people` (FaceData) as they are and, by the flow, with the labels `a1`: (len(a1), Z)."""
    z = stages.embed(ready.autoencoder.model.encoder, torch.from_numpy(np.array(people.images)))
    times = len(a1) // len(people)
    return flow.edit(field, z.repeat_interleave(times, 0), np.repeat(people.attributes, times, axis=0), a1)


@torch.inference_mode()
def invented(ready, field, people, a1):
    """Embeddings of as many persons who carry the labels of `people` and look like nobody, and the same moved to the
    labels `a1` by Φ: z + Φ(a') - Φ(a). (len(a1), Z)."""
    a, a1 = (torch.from_numpy(labels).float() for labels in (people.attributes, a1))
    z = flow.sample(field, a, torch.Generator().manual_seed(SEED), CALM)
    times, phi = len(a1) // len(people), ready.mapping.model
    return phi(a1) + (z - phi(a)).repeat_interleave(times, 0)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="a folder of CelebA's faces; default: the drawn ones")
    run = config.start(data=parser.parse_args(arguments).data, show=False)
    drawn = run.source == "toy"
    name, people_shown, move, what = pretrained.SHOWN, EDITED, edited, "a drawn person,\nand edited"
    if not drawn:  # no photograph, nor one that is edited
        name, people_shown, move, what = "celeba64", INVENTED, invented, "nobody,\nand edited"
    faces = data.load(pretrained.recipe_run(name, run))
    ready = pretrained.load(name, faces)
    encoder, decoder = ready.autoencoder.model.encoder, ready.autoencoder.model.decoder
    train, test = faces.part("train"), faces.part("test")
    people = test.take(~attributes.impossible(test.attributes, ready.names)).take(slice(0, people_shown + IMAGINED))
    field = flow.fit(
        stages.embed(encoder, torch.from_numpy(np.array(train.images))),
        torch.from_numpy(np.array(train.attributes)),
    )
    a1 = switched(people.attributes, ready.names)
    edits, alone = np.split(a1, [people_shown * (1 + len(SHOWN))])
    with torch.inference_mode():
        above = data.to_uint8(decoder(move(ready, field, people.take(slice(0, people_shown)), edits))).numpy()
    below = augmentation.generate(ready.mapping.model, decoder, alone)
    titles = ["as labelled", *(plots.readable(name) + "\nswitched" for name in SHOWN)]
    rows = [what] * people_shown + ["Φ, from labels\nalone"] * IMAGINED
    figure = plots.faces(np.concatenate([above, below]), columns=1 + len(SHOWN), titles=titles, row_labels=rows)
    figure.savefig(FIGURES / ("generated.png" if drawn else "generated_celeba.png"), dpi=110)


if __name__ == "__main__":
    main()
