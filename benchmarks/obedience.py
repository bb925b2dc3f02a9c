"""Does a generated face carry the labels it was asked for? Writes data/results/obedience.csv.

    python -m benchmarks.obedience toy FOLDER --seeds 0 1 2
    python -m benchmarks.obedience toy --weights toy64

The oracle (lib/oracle.py), which no generator has met, looks at the faces that Φ generates for the labels of the test
faces, at these faces themselves, at what else could be mistaken for success, and at faces for the labels that dynamic
balancing asks for, many of which nobody carries. One row for all attributes, which also says how the faces differ from
real ones, and one for each attribute; `positives_seen` is the share of the faces that should carry it in which it is
seen. A seed is that of a whole generator: autoencoder, guide and Φ. Stages that are missing are trained. `--weights`
measures at the recipe of weights that ship, whose name then stands as the profile. Rows of the same data and profile
are replaced, others stay.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks import results
from lib import augmentation, config, data, losses, metrics, oracle, pretrained
from lib.baselines import systems
from lib.study import comparison

GENERATED = "generated"
BALANCED = "generated for balanced labels"
LEARNT = "generated for training faces"  # much nearer to their own faces than `generated` ones: learnt by heart


def answers(part, logits):
    """A row for all attributes, with 95 % intervals over the faces, and a row for each: agreement with the labels."""
    table = metrics.per_attribute(part.attributes, logits, names=part.names)
    table = table.rename(columns={"recall": "positives_seen"})  # `recall` is one of the distances
    rng = np.random.default_rng(0)
    whole = {"attribute": "all"} | table[["prevalence", "positives_seen"]].mean().to_dict()
    for metric, values in metrics.per_image(part.attributes, logits).items():
        low, high = metrics.bootstrap_interval(values, rng)
        whole |= {metric: table[metric].mean(), f"{metric}_low": low, f"{metric}_high": high}
    each = table[["prevalence", "positives_seen", "accuracy", "balanced_accuracy"]]
    each = each.rename_axis("attribute").reset_index()
    return pd.concat([pd.DataFrame([whole]), each], ignore_index=True)


def look(frame, generate, part):
    """What the frame's judge says about faces generated for those of `part` (FaceData), and how they differ from them.

    l1 is Eq. 10's, to the very faces whose labels were asked for. One half of the generated faces is compared with the
    other half of the test faces, as the test faces themselves are: their row is the floor of every distance.
    """
    images = systems.make(generate, part.attributes, part.images, part.attributes, frame.device)
    table = answers(part, frame.says(images))
    row = frame.quality(images[1::2]) | {"distinct_labels": len(np.unique(part.attributes[1::2], axis=0))}
    row["l1"] = losses.image_reconstruction(data.to_float(part.images), data.to_float(images)).item()
    return table.join(pd.DataFrame([row]))


def balanced(train, n):
    """`n` training faces, evenly taken, with the labels that dynamic balancing makes of theirs (Sec. IV-B)."""
    a, rows = augmentation.dynamic_balancing(train.attributes, len(train), np.random.default_rng(0), names=train.names)
    chosen = np.arange(n) * len(train) // n
    return replace(train.take(rows[chosen]), attributes=a[chosen])


def measure(run, seeds):
    """The rows of one data set."""
    faces = data.load(run)
    train, test = faces.part("train"), faces.part("test")
    judge = oracle.oracle(run, faces)
    frame = comparison.Frame(faces, judge)
    references = comparison.references(run, faces)
    constant = np.broadcast_to(train.attributes.mean(axis=0) - 0.5, test.attributes.shape)
    rows = [answers(test, constant).assign(faces="majority answer", seed=run.seed)]
    for name in ("real faces", "reconstructions", "training mean face"):
        rows.append(look(frame, references[name][0], test).assign(faces=name, seed=run.seed))
    for seed in seeds:
        generate = comparison.ours(replace(run, seed=seed), faces)
        for name, part in ((GENERATED, test), (LEARNT, train.take(slice(0, len(test))))):
            rows.append(look(frame, generate, part).assign(faces=name, seed=seed))
        asked = look(frame, generate, balanced(train, min(len(test), len(train)))).drop(columns="l1")  # nobody's labels
        rows.append(asked.assign(faces=BALANCED, seed=seed))
    recipe = run.recipe(n_train=len(train), n_test=len(test), judge=judge.folder.name)
    del recipe["seed"]  # every row has its own
    return pd.concat(rows, ignore_index=True).assign(**recipe)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="+", help="toy, or folders of faces")
    parser.add_argument("--profile")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--weights", choices=pretrained.RECIPES, help="the recipe of weights that ship, as profile")
    options = parser.parse_args(arguments)
    for source in options.sources:
        run = config.start(options.profile, source)
        table = measure(pretrained.recipe_run(options.weights, run) if options.weights else run, options.seeds)
        print(table[table["attribute"] == "all"].set_index(["faces", "seed"])[["accuracy", "balanced_accuracy", "l1"]])
        results.merge(results.path_of(run, "obedience"), table, ["data", "profile"])


if __name__ == "__main__":
    main()
