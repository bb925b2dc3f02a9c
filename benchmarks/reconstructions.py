"""What does the bottleneck forget? Writes data/results/bottleneck.csv and notebooks/figures/bottleneck.png.

    python -m benchmarks.reconstructions --seeds 0 1 2

Autoencoders of drawn faces that differ in one thing each, trained as long as the profile's; the last one, which stands
on principal components, half as long. The oracle (lib/oracle.py) reads the labels of test faces from their
reconstructions: what it cannot read there no Φ can make this Decoder paint. One row for all attributes, and one for
each. May be stopped and started again: rows of a finished variant stand until it is measured with other settings.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from benchmarks import results
from benchmarks.obedience import answers
from lib import config, data, losses, oracle, stages
from lib.study import recogniser

PICTURE = config.ROOT / "notebooks" / "figures" / "bottleneck.png"
LONG = 16  # epochs, twice those of profile laptop
SHOWN = 8  # faces in a row of the picture

PAPER = {"embedding": 64, "weight_feature": 0.0}
VARIANTS = {  # changes of the profile's AutoencoderConfig
    "Z = 64, as in the paper": PAPER,
    "Z = 128": PAPER | {"embedding": 128},
    "Z = 256": PAPER | {"embedding": 256},
    "Z = 64, twice the filters": PAPER | {"filters": 32},
    "Z = 64, twice the steps": PAPER | {"epochs": LONG},
    "Z = 64, L2 instead of L1": PAPER | {"squared": True},
    "Z = 64, classifier's features": PAPER | {"weight_feature": 1.0},
    "Z = 256, classifier's features": PAPER | {"embedding": 256, "weight_feature": 1.0},
    "Z = 256, features and components": {"components": True, "epochs": LONG / 4, "halvings": 4},
}


@torch.inference_mode()
def rebuilt(autoencoder, images):
    """uint8 images after Encoder and Decoder, array (n, 3, S, S)."""
    x = torch.from_numpy(np.array(images))
    return torch.cat([data.to_uint8(autoencoder(data.to_float(batch))) for batch in x.split(256)]).numpy()


def measure(run, faces, variants, seeds):
    """The table, seed by seed; rows of a variant trained with other settings, or judged by another oracle, go."""
    judge, test = oracle.oracle(run, faces), faces.part("test")
    path = results.path_of(run, "bottleneck")
    for seed, name in tqdm([(seed, name) for seed in seeds for name in variants], desc="bottleneck", unit="variant"):
        trained = stages.autoencoder(replace(run, seed=seed), faces, **variants[name])
        if results.holds(path, stage=trained.folder.name, judge=judge.folder.name):
            continue
        images = rebuilt(trained.model, test.images)
        table = answers(test, recogniser.predict(judge.model, images))
        table.loc[0, "l1"] = losses.image_reconstruction(data.to_float(test.images), data.to_float(images)).item()
        recipe = run.recipe(
            seed=seed, n_train=len(faces.part("train")), n_test=len(test), steps=int(trained.log["step"].iloc[-1]),
            stage=trained.folder.name, judge=judge.folder.name,
        )  # fmt: skip
        results.merge(path, table.assign(variant=name, **recipe), ["variant", "seed"], judge.folder.name)
    return pd.read_csv(path)


def picture(run, faces, variants, seed):
    """Test faces above their reconstructions by every variant."""
    from lib import plots  # here, as a bare machine with a GPU makes the table without matplotlib

    test = faces.part("test").take(slice(0, SHOWN))
    models = [stages.autoencoder(replace(run, seed=seed), faces, **changes).model for changes in variants.values()]
    rows = [test.images, *(rebuilt(model, test.images) for model in models)]
    return plots.faces(np.concatenate(rows), columns=SHOWN, row_labels=["drawn face", *variants])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--variants", nargs="+", metavar="VARIANT", default=list(VARIANTS), choices=VARIANTS)
    options = parser.parse_args(arguments)
    run = config.start(options.profile, "toy")
    if run.source != "toy":  # the environment decides
        parser.error("its picture shows the faces themselves, which photographs may not be: unset COURSE_DATA")
    faces = data.load(run)
    variants = {name: VARIANTS[name] for name in options.variants}
    rows = measure(run, faces, variants, options.seeds).query("attribute == 'all'")
    print(rows.groupby("variant", sort=False)[["accuracy", "balanced_accuracy", "l1"]].mean())
    picture(run, faces, variants, options.seeds[0]).savefig(PICTURE, dpi=80)


if __name__ == "__main__":
    main()
