"""The compared systems at their own game: hair colours, gender and age. Writes data/results/own_game.csv.

    python -m benchmarks.own_game toy --profile laptop
    python -m benchmarks.own_game FOLDER --profile reference --systems StarGAN
    python -m benchmarks.own_game toy --profile laptop --picture      # notebooks/figures/own_game.png

A system that fails with forty labels proves little about its kind unless it succeeds with the five of StarGAN's paper.
Each test face gets each of the three hair colours, the other gender, and the other age, as StarGAN's authors ask for
them; the oracle (lib/oracle.py), which no generator has met, says what it sees. Rows of the same data, profile and
system are replaced.
"""

import argparse
from dataclasses import replace

import numpy as np

from benchmarks import results
from lib import attributes, checkpoints, config, data, metrics, oracle, training
from lib.baselines import systems
from lib.study import recogniser

PICTURE = config.ROOT / "notebooks" / "figures" / "own_game.png"
HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair")
NAMES = (*HAIR, "Male", "Young")
SHOWN = 3  # persons in the picture
#: How long each system trains, and what is not as in its other trainings: profile -> system -> changes of its config.
LONG = {
    "ci": dict.fromkeys(("StarGAN", "AttGAN", "RelGAN"), {"epochs": 1}),
    "laptop": {
        "StarGAN": {"epochs": 12, "filters": 16, "critic_filters": 16},
        "AttGAN": {"epochs": 16, "weight_reconstruction": 10.0},
        "RelGAN": {"epochs": 10, "filters": 16, "critic_filters": 16},
    },
    "reference": {"StarGAN": {"epochs": 30}, "AttGAN": {"epochs": 40}, "RelGAN": {"epochs": 4}},
}


def with_names(faces, names=NAMES):
    """`faces` (FaceData) with the labels of these attributes alone."""
    columns = [attributes.index(faces.names, name) for name in names]
    return replace(
        faces, attributes=faces.attributes[:, columns], names=tuple(names), key=config.digest(faces.key, list(names))
    )


def wishes(a):
    """For labels `a`, bool (n, 5) in the order of `NAMES`: those with another value of each, (5, n, 5). A hair colour
    is switched on, and the two others off; gender and age are turned round."""
    wished = np.repeat(np.array(a, dtype=bool)[None], len(NAMES), axis=0)
    for i, name in enumerate(NAMES):
        if name in HAIR:
            wished[i][:, : len(HAIR)] = False
            wished[i][:, i] = True
        else:
            wished[i][:, i] ^= True
    return wished


def obeyed(says, b):
    """How faces carry the labels `b` (n, 5), when a judge says of them `says`, logits (n, 5). `majority_accuracy` is
    that of the constant answer that fits `b` best; in `comparison.Frame.obedience` it is the training faces' majority.
    """
    report = metrics.report(b, says)
    return {
        "accuracy": report["accuracy"], "balanced_accuracy": report["balanced_accuracy"],
        "majority_accuracy": np.maximum(b.mean(axis=0), 1 - b.mean(axis=0)).mean(),
    }  # fmt: skip


def changed(says, a, b):
    """Share of those labels, of persons labelled `a`, that `b` wants changed and that a judge sees as wanted."""
    return ((says > 0) == b)[a != b].mean()


def measure(run, names):
    """Trains the systems `names`, as far as they are not, and keeps a row for each, beside one for the faces alone.

    Raises ValueError for faces that lack one of the five attributes."""
    faces = data.load(run)
    trained_judge = oracle.oracle(run, faces)
    columns = [attributes.index(faces.names, name) for name in NAMES]

    def judge(images):
        return recogniser.predict(trained_judge.model, images)[:, columns]

    five = with_names(faces)
    test = five.part("test")
    before, wished = judge(test.images), wishes(test.attributes)
    device = training.new_accelerator().device
    recipe = run.recipe(n_train=len(five.part("train")), n_test=len(test), judge=trained_judge.folder.name)
    results.keep("own_game", run, {"system": "real faces, own labels"} | obeyed(before, test.attributes) | recipe)
    a, b = np.tile(test.attributes, (len(NAMES), 1)), np.concatenate(wished)
    for name in names:
        changes = LONG[run.profile.name][name]
        trained = systems.SYSTEMS[name].obtain(run, five, **changes)
        generate = systems.generator(name, run, five, **changes)
        made = np.stack([systems.make(generate, b, test.images, test.attributes, device) for b in wished])
        says = judge(made.reshape(-1, *test.images.shape[1:]))
        row = {"system": name} | obeyed(says, b) | {"changed": changed(says, a, b)}
        row["changed_before"] = changed(np.tile(before, (len(NAMES), 1)), a, b)
        row["pixel_change"] = np.abs(made.astype(np.int16) - test.images).mean() / 255
        log = checkpoints.describe(trained.folder)["recipe"]
        row |= {"steps": log["steps"], "batch": trained.config.batch_size, "seconds": log["seconds"]}
        results.keep("own_game", run, row | recipe | {"stage": trained.folder.name})
        with checkpoints.atomic(trained.folder / "shown.npz") as path, open(path, "wb") as file:
            np.savez(file, faces=np.stack([test.images, *made])[:, :SHOWN])


def picture(run, names):
    """The first test faces as they are and with each wish granted, a row for each person and system; trained before."""
    from lib import plots  # its matplotlib may be absent where systems are only trained

    five = with_names(data.load(run))
    rows, labels = [], []
    for name in names:
        folder = systems.SYSTEMS[name].obtain(run, five, **LONG[run.profile.name][name]).folder
        shown = checkpoints.load_arrays(folder / "shown.npz")["faces"]
        rows += [shown[:, person] for person in range(shown.shape[1])]
        labels += [name] * shown.shape[1]
    titles = ["the face", *map(plots.readable, HAIR), "other gender", "other age"]
    return plots.faces(np.concatenate(rows), columns=1 + len(NAMES), titles=titles, row_labels=labels)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", help="toy, or a folder of faces")
    parser.add_argument("--profile")
    parser.add_argument("--systems", nargs="+", choices=LONG["ci"], default=list(LONG["ci"]))
    parser.add_argument("--picture", action="store_true", help="of what was trained; drawn faces alone are shown")
    options = parser.parse_args(arguments)
    run = config.start(options.profile, options.source)
    if run.profile.name not in LONG:
        parser.error(f"profile {run.profile.name} has no recipe for this; choose one of: {', '.join(LONG)}")
    if options.picture and run.source != "toy":
        parser.error("--picture shows the faces themselves, which photographs may not be: drawn faces alone")
    measure(run, options.systems)
    if options.picture:
        picture(run, options.systems).savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
