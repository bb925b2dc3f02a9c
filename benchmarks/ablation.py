"""What each part of the objective is good for. Writes data/results/ablation.csv and notebooks/figures/ablation.png.

    python -m benchmarks.ablation --seeds 0 1 2

Drawn faces only, as the picture shows faces. To afford three seeds every Φ is trained for fewer steps than the
profile's (columns `..._steps`). Variants of the mapping function share encoder, decoder and classifier of seed 0; their
seeds are Φ's. Variants of the autoencoder, or of the faces it learns from, have a seed for the whole chain and a short
training of the autoencoder, too: they are compared among themselves. May be stopped and started again: stages are kept
in the run's folder, and rows of the table that belong to one of them stand.
"""

import argparse
import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from benchmarks import results
from lib import checkpoints, config, data, losses, metrics, oracle, plots, stages
from lib.augmentation import generate
from lib.study import comparison

PICTURE = config.ROOT / "notebooks" / "figures" / "ablation.png"
SHORT = {"epochs": 2, "batch_size": 16}  # of Φ; of the autoencoder where it varies
CARRY = 500  # steps, half of a short training of the autoencoder at profile laptop
SHOWN = 8  # faces in a row of the picture


@dataclass(frozen=True)
class Variant:
    """`changes` of the config of the stage that is its `group`, "mapping" or "autoencoder"; those of `guide` are of the
    classifier that guides Φ. The first one of a group is the reference of the others. `validation`: everything learns
    from train and val, for about as many steps as from train."""

    group: str
    changes: dict = field(default_factory=dict)
    guide: dict = field(default_factory=dict)
    validation: bool = False


VARIANTS = {
    "full objective": Variant("mapping"),
    "no adversarial loss of embeddings": Variant("mapping", {"weight_adversarial_feature": 0.0}),
    "no adversarial loss of images": Variant("mapping", {"weight_adversarial_image": 0.0}),
    "no reconstruction of images": Variant("mapping", {"weight_reconstruction_image": 0.0}),
    "no reconstruction of embeddings": Variant("mapping", {"weight_reconstruction_embedding": 0.0}),
    "no perceptual loss": Variant("mapping", {"weight_perceptual": 0.0}),
    "non-saturating": Variant("mapping", {"saturating": False}),
    "constant rate": Variant("mapping", {"halvings": 0}),
    "the paper's guide": Variant("mapping", {"noise": 0.0}, {"noise": 0.0, "nudge": 0.0}),
    "short autoencoder": Variant("autoencoder"),
    "log loss instead of BEGAN's": Variant("autoencoder", {"adversarial": "log"}),
    "no adversary": Variant("autoencoder", {"weight_adversarial": 0.0}),
    "vanishing residuals": Variant("autoencoder", {"carry_steps": CARRY}),
    "decoder with skips": Variant("autoencoder", {"skips": True}),
    "train and val": Variant("autoencoder", validation=True),
}


def trained(run, faces, variant, seed):
    """(Autoencoder, Φ) of a variant as Trained stages."""
    short, usual = {"mapping"}, len(faces.part("train"))
    seed_below = run.seed
    if variant.group == "autoencoder":
        short, seed_below = {"autoencoder", "mapping"}, seed
    faces = data.with_validation(faces) if variant.validation else faces
    configs = {}
    for stage in ("autoencoder", "classifier", "mapping"):
        configs[stage] = dataclasses.replace(getattr(run.profile, stage), **SHORT if stage in short else {})
        if variant.validation:
            epochs = configs[stage].epochs * usual / len(faces.part("train"))
            configs[stage] = dataclasses.replace(configs[stage], epochs=epochs)
    configs[variant.group] = dataclasses.replace(configs[variant.group], **variant.changes)
    run = dataclasses.replace(run, profile=dataclasses.replace(run.profile, **configs), seed=seed_below)
    below = stages.autoencoder(run, faces), stages.classifier(run, faces, **variant.guide)  # Φ's guide, not its own
    return below[0], stages.mapping(run, faces, below, seed=seed)


def detail(images):
    """Mean difference of neighbouring pixels."""
    x = images.astype(float)
    return np.abs(np.diff(x, axis=2)).mean() + np.abs(np.diff(x, axis=3)).mean()


def measure(frame, test, autoencoder, phi):
    """A result row: faces generated from the labels of the test faces, beside these faces.

    l1, l1_rebuilt     to the test face that carries the labels, of the generated face and of its reconstruction
    embedding_error    mean squared distance of Φ(a) and z, as a share of z's variance: 1 for the mean embedding
    detail             as a share of what the test faces have
    """
    images = generate(phi, autoencoder.decoder, test.attributes)
    x = data.to_float(test.images)
    with torch.inference_mode():
        z = stages.embed(autoencoder.encoder, torch.from_numpy(np.array(test.images)))
        rebuilt = torch.cat([autoencoder.decoder(batch) for batch in z.split(256)])
        z_hat = phi(torch.from_numpy(test.attributes).float())
    report = metrics.report(test.attributes, frame.says(images))
    row = {
        "accuracy": report["accuracy"],
        "balanced_accuracy": report["balanced_accuracy"],
        "l1": losses.image_reconstruction(x, data.to_float(images)).item(),
        "l1_rebuilt": losses.image_reconstruction(x, rebuilt).item(),
        "embedding_error": (losses.embedding_reconstruction(z, z_hat) / z.var(dim=0).mean()).item(),
        "detail": detail(images) / detail(test.images),
    }
    return row | frame.quality(images[1::2])


def table(run, faces, variants, seeds):
    """Rows of `variants` (name -> Variant), seed by seed within a group. Those of the same judge in the table stand
    until their variant and seed are measured with other settings."""
    judge, test = oracle.oracle(run, faces), faces.part("test")
    frame = comparison.Frame(faces, judge)
    path = results.path_of(run, "ablation")
    groups = dict.fromkeys(variant.group for variant in variants.values())
    todo = [(name, seed) for group in groups for seed in seeds for name in variants if variants[name].group == group]
    with tqdm(todo, desc="ablation", unit="variant") as bar:
        for name, seed in bar:
            bar.set_postfix_str(f"{name}, seed {seed}")
            variant = variants[name]
            autoencoder, mapping = trained(run, faces, variant, seed)
            if results.holds(path, stage=mapping.folder.name, judge=judge.folder.name):
                continue
            row = {"variant": name, "group": variant.group} | measure(frame, test, autoencoder.model, mapping.model)
            steps = [checkpoints.describe(stage.folder)["recipe"]["steps"] for stage in (autoencoder, mapping)]
            row |= run.recipe(
                seed=seed,
                autoencoder_seed=autoencoder.config.seed,
                n_test=len(test),
                autoencoder_steps=steps[0],
                mapping_steps=steps[1],
                stage=mapping.folder.name,
                judge=judge.folder.name,
            )
            results.merge(path, pd.DataFrame([row]), ["variant", "seed"], judge.folder.name)
    return pd.read_csv(path)


def picture(run, faces, variants, seed=0):
    """Faces for the same labels by every variant, below the drawn faces that carry them."""
    test = faces.part("test").take(slice(0, SHOWN))
    rows = [test.images]
    for variant in variants.values():
        autoencoder, mapping = trained(run, faces, variant, seed)
        rows.append(generate(mapping.model, autoencoder.model.decoder, test.attributes))
    return plots.faces(np.concatenate(rows), columns=SHOWN, row_labels=["drawn face", *variants])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", metavar="VARIANT", default=list(VARIANTS), choices=VARIANTS)
    options = parser.parse_args(arguments)
    run = config.start(options.profile, "toy")
    if run.source != "toy":  # the environment decides
        parser.error("its picture shows the faces themselves, which photographs may not be: unset COURSE_DATA")
    faces = data.load(run)
    variants = {name: VARIANTS[name] for name in options.variants}
    rows = table(run, faces, variants, options.seeds)
    print(rows.groupby("variant", sort=False)[["accuracy", "balanced_accuracy", "l1", "frechet_classifier"]].mean())
    picture(run, faces, variants, options.seeds[0]).savefig(PICTURE, dpi=80)


if __name__ == "__main__":
    main()
