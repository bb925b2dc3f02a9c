"""Trained weights that ship with the course, in `data/pretrained/<name>/`, by name:

    ready = pretrained.load("toy64")
    ready.autoencoder.model, ready.classifier.model, ready.mapping.model    # frozen, on the CPU
    ready.oracle.model                                                      # a judge whom no generator has met
    print(ready.card)

They lie there in half precision, each stage in a folder that `stages.load` can read, beside a card that says how they
were made, how good they are and what may be done with them. One command makes them, from training to card:

    python -m lib.pretrained toy64
    python -m lib.pretrained celeba64 --data FOLDER       # CelebA; one GPU
"""

import argparse
import copy
import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib import checkpoints, config, data, distances, losses, metrics, oracle, stages
from lib.baselines import cost
from lib.tables import some

FOLDER = config.ROOT / "data" / "pretrained"
STAGES = ("autoencoder", "classifier", "mapping")
SHOWN = "toy64"  # the weights that pictures and pages show, where nothing is trained
TESTED = 2000  # faces that the numbers on a card rest on, at most

LAPTOP, PAPER = config.PROFILES["laptop"], config.PROFILES["paper"]

#: What is trained for each name.
RECIPES = {
    "toy": LAPTOP,  # for those who will not wait for their own
    "toy64": dataclasses.replace(  # for faces of twice the width; the autoencoder stands on principal components
        LAPTOP,
        name="toy64",
        data=dataclasses.replace(LAPTOP.data, size=64, train=10_000),
        autoencoder=dataclasses.replace(LAPTOP.autoencoder, size=64, components=True, epochs=6, halvings=4),
        classifier=dataclasses.replace(LAPTOP.classifier, size=64, epochs=9),
        mapping=dataclasses.replace(LAPTOP.mapping, size=64, batch_size=16),
    ),
    "celeba64": dataclasses.replace(  # the paper's Φ and discriminators; half of 26,000 faces are left for the oracle
        PAPER,
        name="celeba64",
        data=dataclasses.replace(PAPER.data, train=13_000),
        autoencoder=dataclasses.replace(
            PAPER.autoencoder,
            filters=32,
            embedding=192,
            weight_feature=1.0,
            components=True,
            batch_size=64,
            learning_rate=7e-4,
            halvings=4,
        ),
        classifier=dataclasses.replace(LAPTOP.classifier, size=64),
        mapping=dataclasses.replace(
            PAPER.mapping, embedding=192, noise=0.3, epochs=16, batch_size=64, learning_rate=1e-3, halvings=4
        ),
    ),
}


DRAWN = "Trained on drawn faces alone; under the licence of the code, MIT."
CELEBA = "Trained on CelebA: for non-commercial research only. The licence of the code does not change that."
OTHERS = "Those of the faces they were trained on."

JUDGES = {  # by the stage that it is, see oracle.oracle
    "oracle": "the oracle of [lib/oracle.py](../../../lib/oracle.py), which learned from faces that nobody else saw",
    "classifier": "a classifier of another seed that had no part in training Φ, trained on the same faces",
}

CARD = """# Weights `{name}`

Encoder and Decoder, attribute classifier and mapping function Φ of *Generating Face Images with Attributes for Free*
(Liu et al., TNNLS 32(6), 2021), for faces of {size}x{size} pixels with {attributes} attributes, in half precision.

    from lib import pretrained
    ready = pretrained.load("{name}")

## How they were made

`{command}`, on {data}: the training split alone, seed {seed}.
All settings lie beside the weights, in `config.json`.

| stage | weights | steps | faces | minutes | device | commit |
| --- | --- | --- | --- | --- | --- | --- |
{made}

## What they can do

Measured with the weights as they ship, on {n:,} faces of the test split and with their labels. The independent
judge is {judge}.

| | accuracy | balanced accuracy |
| --- | --- | --- |
{scores}

- Attributes that generated faces obey worst (balanced accuracy): {worst}.
- A test face and its reconstruction differ by {l1:.3f} (L1, pixels in [-1, 1]); a test face and the mean face by
  {l1_mean_face:.3f}.
- Fréchet distance in the features of the independent judge, {half:,} generated against {half:,} real faces:
  {frechet_judge:.2f}; two sets of real faces of that number: {frechet_judge_floor:.2f}. This is not FID.
- {distinct_labels:,} different label vectors gave {distinct_faces:,} different faces.

## Limits

Φ takes no noise: a label vector has one face, whoever carries it, and no person in it. Labels that nobody carries
together are answered, too, and mean nothing. Attributes are labels that were given to pictures, not truths about
people; generated faces show nobody. Do not use these weights to judge anybody.

## Terms

{terms}
"""


@dataclass(frozen=True)
class Pretrained:
    """The stages that ship together, each a `stages.Trained`; `oracle` is None where none could be trained."""

    folder: Path
    autoencoder: stages.Trained
    classifier: stages.Trained
    mapping: stages.Trained
    oracle: stages.Trained | None

    @property
    def names(self):
        """The A attributes, in the order of the labels."""
        return self.mapping.config.attributes

    @property
    def size(self):
        """Height and width of the faces in pixels."""
        return self.autoencoder.config.size

    @property
    def card(self):
        """The model card, Markdown."""
        return (self.folder / "README.md").read_text(encoding="utf-8")


def load(name, faces=None):
    """The weights that ship as `name`; with `faces` (FaceData) only if they fit these.

    Raises ValueError for a name that is not there and for faces of another size or with other attributes, and
    CheckpointError for files that are missing or damaged.
    """
    folder = FOLDER / name
    if not folder.is_dir():
        there = ", ".join(sorted(path.parent.name for path in FOLDER.glob("*/README.md"))) or "none"
        made = f"; `python -m lib.pretrained {name}` makes them" if name in RECIPES else ""
        raise ValueError(f"no weights are called {name!r}; there are: {there}{made}")
    try:
        judge = stages.load(folder / "oracle") if (folder / "oracle").is_dir() else None
        ready = Pretrained(folder, *(stages.load(folder / stage) for stage in STAGES), judge)
    except checkpoints.CheckpointError as error:
        raise checkpoints.CheckpointError(
            f"the weights {name!r} are damaged or not all there: get the folder {folder} again"
        ) from error
    if faces is not None and faces.size != ready.size:
        raise ValueError(
            f"the weights {name!r} are for faces of {ready.size}x{ready.size} pixels, these have "
            f"{faces.size}x{faces.size}: take a profile of that size, or train on these faces"
        )
    if faces is not None and faces.names != ready.names:
        raise ValueError(
            f"the weights {name!r} know the attributes {some(ready.names)}, these faces have {some(faces.names)}: "
            "train on these faces"
        )
    return ready


def export(name, trained):
    """Write the stages `trained` (stage -> Trained) as the weights `name`, in half precision."""
    if "oracle" not in trained:
        shutil.rmtree(FOLDER / name / "oracle", ignore_errors=True)  # that of other faces
    for stage, one in trained.items():
        folder = FOLDER / name / stage
        checkpoints.save(folder, copy.deepcopy(one.model).half(), checkpoints.describe(one.folder))
        with checkpoints.atomic(folder / "log.csv") as path:  # thinned: enough for curves
            one.log.iloc[::10].to_csv(path, index=False, float_format="%.4g")


@torch.inference_mode()
def measure(ready, judge, train, test):
    """The numbers on the card: (table of accuracies, dict of the others), measured on the faces `test`.

    `judge` is a classifier that had no part in training Φ. The Fréchet distance is between features that it sees, of
    generated faces and of half of the test faces; its floor is that between the two halves.
    """
    autoencoder, classifier, phi = (getattr(ready, stage).model for stage in STAGES)

    def through(network, values):
        return torch.cat([network(batch) for batch in values.split(256)])

    a, x = torch.from_numpy(test.attributes).float(), data.to_float(test.images)
    rebuilt = through(autoencoder, x)
    generated = data.to_uint8(through(lambda batch: autoencoder.decoder(phi(batch)), a))
    seen = through(judge, data.to_float(generated)).numpy()
    table = {
        "majority answer": metrics.majority(train.attributes, test.attributes),
        "the classifier that ships, on test faces": metrics.report(test.attributes, through(classifier, x).numpy()),
        "independent judge, on test faces": metrics.report(test.attributes, through(judge, x).numpy()),
        "independent judge, on faces generated from the same labels": metrics.report(test.attributes, seen),
    }
    worst = metrics.per_attribute(test.attributes, seen, names=test.names).balanced_accuracy.nsmallest(3)
    mean_face = np.mean(train.images[:: max(1, len(train) // TESTED)], axis=0) / 127.5 - 1
    half = len(test) // 2
    real, other = (distances.classifier_features(judge, part) for part in (test.images[:half], test.images[half:]))
    made = distances.classifier_features(judge, generated[half:])
    rng = np.random.default_rng(0)
    numbers = {
        "l1": losses.image_reconstruction(x, rebuilt).item(),
        "l1_mean_face": losses.image_reconstruction(x, torch.tensor(mean_face, dtype=x.dtype).expand_as(x)).item(),
        "frechet_judge": distances.compare(real, made, "judge", rng)["frechet_judge"],
        "frechet_judge_floor": distances.compare(real, other, "judge", rng)["frechet_judge"],
        "distinct_labels": len(np.unique(test.attributes, axis=0)),
        "distinct_faces": distances.distinct(generated.numpy()),
        "worst": ", ".join(f"{name} {value:.2f}" for name, value in worst.items()),
    }
    return pd.DataFrame(table).T, numbers


def terms(name, source):
    """What may be done with the weights `name` that have learnt from `source`, "toy" or the name of a folder."""
    if source == "toy":
        return DRAWN
    return CELEBA if name == "celeba64" else OTHERS


def write_card(ready, command, judge, table, numbers, test):
    """Write the model card into the folder of the weights; `judge` says in words who judged."""
    recipes = {stage: checkpoints.describe(ready.folder / stage)["recipe"] for stage in STAGES}
    made = [
        f"| {stage} | {cost.parameters(getattr(ready, stage).model):,} | {recipe['steps']:,} "
        f"| {recipe['n_train']:,} | {recipe['seconds'] / 60:.1f} | {recipe['device']} | {recipe['commit']} |"
        for stage, recipe in recipes.items()
    ]
    scores = [f"| {row} | {r.accuracy:.3f} | {r.balanced_accuracy:.3f} |" for row, r in table.iterrows()]
    source, seed = (recipes["mapping"][key] for key in ("data", "seed"))
    text = CARD.format(
        name=ready.folder.name, size=ready.size, attributes=len(ready.names), command=command, judge=judge, seed=seed,
        data="the drawn faces of `lib/toyfaces`" if source == "toy" else f"the faces of the folder `{source}`",
        made="\n".join(made), scores="\n".join(scores), n=len(test), half=len(test) // 2,
        terms=terms(ready.folder.name, source), **numbers,
    )  # fmt: skip
    with checkpoints.atomic(ready.folder / "README.md") as path:
        path.write_text(text, encoding="utf-8")


def recipe_run(name, run):
    """`run` at the recipe of the weights `name`, in a folder of that recipe; as it is where there is none."""
    profile = RECIPES.get(name, run.profile)
    return dataclasses.replace(run, profile=profile, folder=run.folder.parent / profile.name)


def main(arguments=None):
    """Train what is missing, export it, measure what was exported, write the card."""
    parser = argparse.ArgumentParser(prog="python -m lib.pretrained", description="Make weights that ship.")
    parser.add_argument("name", help=f"{', '.join(RECIPES)}, which have their recipes; or a name of your own")
    parser.add_argument("--data", help="toy (default), or a folder of faces")
    parser.add_argument("--profile", help="take this profile instead of the recipe")
    options = parser.parse_args(arguments)
    run = config.start(options.profile, options.data, show=False)
    if options.data and (os.environ.get("COURSE_DATA") or options.data) != options.data:
        parser.error("COURSE_DATA in the environment names other faces than --data: unset it")
    if options.profile is None:
        run = recipe_run(options.name, run)
    command = f"python -m lib.pretrained {options.name}" + " --data FOLDER" * (run.source != "toy")
    if run.profile != RECIPES.get(options.name):
        command += f" --profile {run.profile.name}"
    faces = data.load(run)
    judge = oracle.oracle(run, faces)
    trained = {stage: getattr(stages, stage)(run, faces) for stage in STAGES}
    export(options.name, trained | ({"oracle": judge} if isinstance(judge.model, oracle.Oracle) else {}))
    ready, test = load(options.name), faces.part("test").take(slice(0, TESTED))
    table, numbers = measure(ready, judge.model, faces.part("train"), test)
    write_card(ready, command, JUDGES[judge.folder.name.partition("-")[0]], table, numbers, test)
    print(f"{ready.card}\nwritten  {ready.folder}")


if __name__ == "__main__":
    main()
