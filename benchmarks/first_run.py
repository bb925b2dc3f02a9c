"""Writes data/results/first_run.md: what finished runs measured; every number is read or computed here.

    python benchmarks/first_run.py toy /path/to/faces64 /path/to/celeba

Each argument is a source of faces whose course was run before (COURSE_RUNS says where); its stages are loaded, not
trained anew, and its test faces are looked at once more. No face is stored.
"""

import argparse
import contextlib
import io

import numpy as np
import pandas as pd
import torch

from lib import augmentation, checkpoints, config, data, metrics, stages

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "balanced_accuracy_tuned": "balanced accuracy, tuned thresholds",
}
HEAD = """# The first passage through the course

Profile `laptop`, made by `benchmarks/first_run.py` from finished runs of `course.py run`. Images are in [-1, 1]; an
accuracy is a percentage. *Judge*: a classifier of another seed than the one that guided Φ, trained on real faces alone.
Seconds are those of the training alone, on CPU cores that other work used too: upper bounds.
"""


def logits(model, images):
    """Answers to uint8 images (N, 3, S, S), (N, A) array."""
    with torch.inference_mode():
        return torch.cat([model(data.to_float(batch)) for batch in torch.tensor(images).split(500)]).numpy()


def percent(share):
    return f"{100 * share:.1f}"


def table(rows, head):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def report(source):
    """The section of one data set as Markdown."""
    with contextlib.redirect_stdout(io.StringIO()):
        run = config.start("laptop", source)
        faces = data.load(run)
    test = faces.part("test")
    trained = {
        "autoencoder": stages.autoencoder(run, faces),
        "classifier": stages.classifier(run, faces),
        "mapping": stages.mapping(run, faces),
        "judge": stages.classifier(run, faces, seed=run.seed + 1),
    }
    model = {name: stage.model for name, stage in trained.items()}
    x = data.to_float(test.images)
    with torch.inference_mode():
        l1 = np.mean([(model["autoencoder"](b) - b).abs().mean().item() for b in x.split(500)])
    mean_face = data.to_float(faces.part("train").images).mean(dim=0)
    generated = augmentation.generate(model["mapping"], model["autoencoder"].decoder, test.attributes)
    majority = metrics.majority(faces.part("train").attributes, test.attributes)
    judged = {
        "majority answer": majority,
        "judge on real test faces": metrics.report(test.attributes, logits(model["judge"], test.images)),
        "judge on faces generated from the test labels": metrics.report(
            test.attributes, logits(model["judge"], generated)
        ),
    }
    recipes = {name: checkpoints.describe(stage.folder)["recipe"] for name, stage in trained.items()}
    arms = pd.read_csv(run.folder / "results" / "recognition_differences.csv")
    arms = arms[(arms["over"] == "none") & (arms["protocol"] == "same steps")]
    recognition = []
    for arm in arms["arm"].unique():
        cells = []
        for metric in METRICS:
            row = arms[(arms["arm"] == arm) & (arms["metric"] == metric)].iloc[0]
            low, high = 100 * row["low"], 100 * row["high"]
            interval = "" if arm == "none" else f" ({100 * row['difference']:+.1f}; {low:+.1f} to {high:+.1f})"
            cells.append(percent(row["mean"]) + interval)
        recognition.append([arm, *cells])
    counts = f"{len(faces.part('train')):,} training, {len(faces.part('val')):,} validation, {len(test):,} test faces"
    first = arms.iloc[0]
    return f"""
## {run.data_name}: {counts}, {faces.size}x{faces.size} pixels, {len(faces.names)} attributes

{
        table(
            [[n, r["steps"], r["seconds"], r["seed"], r["commit"]] for n, r in recipes.items()],
            ["stage", "steps", "seconds", "seed of the run", "commit"],
        )
    }

Reconstruction L1 on the test faces: {l1:.4f} (always the mean training face: {(x - mean_face).abs().mean():.4f}).

{
        table(
            [[n, percent(r["accuracy"]), percent(r["balanced_accuracy"])] for n, r in judged.items()],
            ["who answers, on the requested or true labels", "accuracy", "balanced accuracy"],
        )
    }

Recognition, {first["seeds"]} seeds, same number of steps in every arm; in brackets the difference to `none` with its
95 % interval over test faces and seeds (commit {first["commit"]}):

{table(recognition, ["arm", *METRICS.values()])}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="+")
    text = HEAD + "".join(report(source) for source in parser.parse_args().sources)
    (config.ROOT / "data" / "results" / "first_run.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
