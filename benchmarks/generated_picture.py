"""Draws the README's pictures of generated faces from the weights that ship: some minutes on one core each.

    python -m benchmarks.generated_picture                   # notebooks/figures/generated.png, drawn faces
    python -m benchmarks.generated_picture --data FOLDER     # notebooks/figures/generated_celeba.png, CelebA

In each column one label is switched. Of drawn faces: three test faces, moved by a flow between the embeddings of the
training faces (lib/flow.py, which is fitted here). Of CelebA nobody's face is shown: five persons of the flow's
invention, moved by it twice as far as it says. Below, three lists of labels of whose face only Φ decides.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from lib import attributes, augmentation, config, data, flow, plots, pretrained, stages

FIGURES = Path(__file__).parent.parent / "notebooks" / "figures"
SHOWN = ("Eyeglasses", "Smiling", "Wearing_Hat", "Blond_Hair", "Male", "Bangs", "Mustache", "Wearing_Lipstick")
EDITED, INVENTED, IMAGINED = 3, 5, 3  # persons
CALM = 0.7  # of the noise from which persons are invented: rather usual than strange
BOLD = 2.0  # of the step that moves them: at 1 a change is faint
SEED = 6  # of that noise; of eight tried the one whose persons look best


def switched(people, names):
    """Each row of `people`, bool (n, A), as it is and with each of the attributes `SHOWN` switched: (n * 9, A)."""
    columns = [attributes.index(names, name) for name in SHOWN]
    a = np.repeat(people, 1 + len(columns), axis=0)
    for i, column in enumerate(columns, start=1):
        a[i :: 1 + len(columns), column] ^= True
    return a


def edited(field, z, a, a1, step=1.0):
    """Embeddings z (n, Z) of persons with labels `a` moved by the flow, `step` times as far as it says, to `a1`, which
    has as many rows for each person as for every other: (len(a1), Z)."""
    times = len(a1) // len(a)
    z = z.repeat_interleave(times, 0)
    return z + step * (flow.edit(field, z, np.repeat(a, times, axis=0), a1) - z)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="a folder of CelebA's faces; default: the drawn ones")
    run = config.start(data=parser.parse_args(arguments).data, show=False)
    drawn = run.source == "toy"
    name, people_shown, step, what = pretrained.SHOWN, EDITED, 1.0, "a drawn person,\nand edited"
    if not drawn:
        name, people_shown, step, what = "celeba64", INVENTED, BOLD, "nobody,\nand edited"
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
    shown = people.take(slice(0, people_shown))
    if drawn:
        z = stages.embed(encoder, torch.from_numpy(np.array(shown.images)))
    else:  # no photograph, nor one that is edited
        z = flow.sample(field, shown.attributes, torch.Generator().manual_seed(SEED), CALM)
    with torch.inference_mode():
        above = data.to_uint8(decoder(edited(field, z, shown.attributes, edits, step))).numpy()
    below = augmentation.generate(ready.mapping.model, decoder, alone)
    titles = ["as labelled", *(plots.readable(name) + "\nswitched" for name in SHOWN)]
    rows = [what] * people_shown + ["Φ, from labels\nalone"] * IMAGINED
    figure = plots.faces(np.concatenate([above, below]), columns=1 + len(SHOWN), titles=titles, row_labels=rows)
    figure.savefig(FIGURES / ("generated.png" if drawn else "generated_celeba.png"), dpi=110)


if __name__ == "__main__":
    main()
