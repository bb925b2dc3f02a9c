"""Where does generated data help, where does it hurt? The recognition study over the number of training faces.

    fewer faces   everything is learned from N faces, the generator too
    few labels    N faces have labels; the autoencoder, which needs none, learns from many. Rivals that use the same
                  unlabelled faces stand beside it

Validation and test faces are the same for every N, and so is the number of steps of every recogniser. Tables go to
`results/sweep.csv` and `results/sweep_differences.csv`, which have a column `setting`. As a script:

    python -m lib.study.sweep --profile laptop --data toy
    python -m lib.study.sweep --profile laptop --data FOLDER --few-labels --sizes 500 2000
"""

import argparse
import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from torch import nn

from lib import attributes, config, data, models
from lib.study import evidence, imbalance, recogniser, recognition, training_sets
from lib.study.arms import Arm
from lib.study.context import Context
from lib.study.recognition import YARDSTICK

SEEDS = 3  # of the profile's
MOST_EPOCHS = 4  # times the profile's: what a stage may take to make up for few faces

#: What a pilot found before this code, to be confirmed or refuted.
PILOT = config.ROOT / "data" / "results" / "pilot.csv"


def beside_pilot(table):
    """Gains over `none` in the pilot and in ours, a row for each of the pilot's; `direction` compares them.

    `table` holds rows of sweep_differences.csv of one data set. Values are points of balanced accuracy with tuned
    thresholds.
    """
    ours = table.query("setting == 'few labels' and metric == 'balanced_accuracy_tuned' and over == 'none'")
    ours = ours.set_index(["n_train", "arm"])[["difference", "low", "high"]] * 100
    pilot = pd.read_csv(PILOT).pivot(index="labelled", columns="arm", values="balanced_accuracy_tuned") * 100
    gains = pilot.drop(columns="none").sub(pilot["none"], axis=0).stack().dropna()
    rows = []
    for (n, arm), printed in gains[gains.index.isin(ours.index)].items():
        gain, low, high = ours.loc[(n, arm)]
        direction = "not certain" if low <= 0 <= high else "confirmed" if gain * printed > 0 else "refuted"
        rows.append([n, arm, printed, gain, low, high, direction])
    return pd.DataFrame(rows, columns=["labelled faces", "arm", "pilot", "ours", "low", "high", "direction"])


# --- Rivals that use unlabelled faces ---------------------------------------------------------------------------------


def pseudo_labels(context, rng, times=None):
    """The labelled faces, and unlabelled ones with what the classifier of the labelled ones says (Lee, 2013): so many
    that the set is `times` as large, None: all there are.

    Each attribute gets as many positives, the surest ones, as it has among the labelled faces: cut at one half, rare
    attributes would hardly occur. Raises Unavailable when every face has labels.
    """
    images = context.strangers
    if len(images) == 0:
        raise training_sets.Unavailable("every face has labels")
    if times is not None:
        wanted = min(training_sets.extra(context, times), len(images))
        images = images[np.sort(rng.choice(len(images), size=wanted, replace=False))]
    logits = recogniser.predict(context.teacher, images)
    prevalence = imbalance.prevalence(context.train.attributes)
    thresholds = [np.quantile(column, 1 - share) for column, share in zip(logits.T, prevalence, strict=True)]
    return context.with_train(images, logits > thresholds)


def linear_probe(context, images, a, strength=0.1):
    """A network x -> logits: the frozen Encoder, then logistic regression on its standardised embedding z.

    `strength` is scikit-learn's C: of 0.003, 0.01, 0.03, 0.1 and 1 the best on the validation faces of faces64 at
    profile laptop, with 500 as with 2,000 labels. An attribute of one class only gets its prior log-odds.
    """
    encoder = context.autoencoder.encoder
    z = context.codec().encode(images).cpu().double().numpy()
    mean, std = z.mean(axis=0), z.std(axis=0)
    weight, bias = np.zeros((a.shape[1], z.shape[1])), logit(imbalance.prevalence(a)).astype(float)
    for j in np.flatnonzero(a.any(axis=0) & ~a.all(axis=0)):
        fitted = LogisticRegression(C=strength, max_iter=1000).fit((z - mean) / std, a[:, j])
        weight[j] = fitted.coef_[0] / std
        bias[j] = fitted.intercept_[0] - weight[j] @ mean
    last = nn.Linear(z.shape[1], a.shape[1])
    last.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return nn.Sequential(encoder, last.to(context.device)).eval()


def pretrained_encoder(context, attributes):
    """The Encoder and a linear layer on its embedding, to be trained further: Encoder as initialisation."""
    with torch.random.fork_rng():  # whether the Encoder is found or has to be trained has no say in the layer
        encoder = copy.deepcopy(context.autoencoder.encoder)
    for name, p in encoder.named_parameters():
        p.requires_grad_(not name.startswith("linear."))  # principal components stay
    return nn.Sequential(encoder, nn.Linear(context.trained_autoencoder.config.embedding, attributes))


def fresh_encoder(context, attributes):
    """The same network with fresh weights: what its build alone is worth."""
    settings = context.run.profile.autoencoder
    encoder = models.Encoder(settings.size, settings.filters, settings.embedding)
    return nn.Sequential(encoder, nn.Linear(settings.embedding, attributes))


BOTH = ("none", "tuned thresholds", "balancing", "editing", "residual")
ARMS = {
    "fewer faces": (*BOTH, "reconstructions", YARDSTICK),
    "few labels": (
        *BOTH,
        Arm("linear probe", "rivals", fit=linear_probe),
        Arm("pseudo-labels", "rivals", pseudo_labels),
        YARDSTICK,
    ),
}


# --- Studies of every size --------------------------------------------------------------------------------------------


class SizedStudy(recognition.Study):
    """A Study whose rows go to the tables of the sweep."""

    tables = "sweep"

    def __init__(self, setting, *arguments, **options):
        super().__init__(*arguments, **options)
        self.setting = setting

    def labelled(self, table, **recipe):
        return super().labelled(table, setting=self.setting, **recipe)


def sized(run, n, unlabelled):
    """`run` with `n` training faces, its stages trained for about as many steps as with the profile's number.

    A stage makes at most `MOST_EPOCHS` times the profile's passes, so that with very few faces it stops earlier.
    `unlabelled` is how many faces the autoencoder learns from.
    """
    profile = with_train(run.profile, n)
    usual = run.profile.data.train or attributes.celeba_statistics("train")[0]
    for stage, faces in (("autoencoder", unlabelled), ("classifier", n), ("mapping", n)):
        settings = getattr(profile, stage)
        if faces != usual:  # else the stage is the profile's own, to the last digit of its digest
            epochs = settings.epochs * min(MOST_EPOCHS, usual / faces)
            profile = replace(profile, **{stage: replace(settings, epochs=epochs)})
    if unlabelled != n:  # what learns from faces without labels cannot look through a classifier of these faces
        profile = replace(profile, autoencoder=replace(profile.autoencoder, weight_feature=0.0))
    return replace(run, profile=profile)


def with_train(profile, n):
    """`profile` with `n` training faces; None: all there are."""
    return replace(profile, data=replace(profile.data, train=n))


def studies(run, setting="fewer faces", sizes=None, arms=None, seeds=None):
    """Yields a SizedStudy for each number of training faces; with "few labels", of labelled ones.

    sizes   default those of the profile. One that the source has not enough faces for is left out with a line
    arms    default `ARMS[setting]`
    seeds   default the first `SEEDS` of the profile

    In the setting "few labels" the autoencoder learns from all training faces of a folder, and of drawn faces from as
    many as the profile takes.
    """
    few, everybody = setting == "few labels", None
    if few:
        every = run if run.source == "toy" else replace(run, profile=with_train(run.profile, None))
        everybody = data.load(every)
    for n in sizes or (run.profile.recognition.few_labels if few else run.profile.recognition.sizes):
        part = sized(run, n, len(everybody.part("train")) if few else n)
        faces = data.load(part)
        if len(faces.part("train")) < n:
            print(f"left out  {n:,} training faces: {run.data_name} has no more than these")
            continue
        context = Context(part, faces, everybody)
        seeds = seeds or run.profile.recognition.seeds[:SEEDS]
        yield SizedStudy(setting, part, faces, arms or ARMS[setting], seeds, context=context)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m lib.study.sweep", description="Sweep the number of training faces."
    )
    parser.add_argument("--profile")
    parser.add_argument("--data")
    parser.add_argument("--few-labels", action="store_true", help="few of many faces have labels")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="numbers of training faces")
    options = parser.parse_args()
    course = config.start(options.profile, options.data)
    evidence.save_label_facts(course, data.load(course))
    for study in studies(course, "few labels" if options.few_labels else "fewer faces", options.sizes):
        study.table()
        study.intervals(over=None)
        if YARDSTICK in study.arms:
            study.shares()
        print(study.intervals().query("metric == 'balanced_accuracy_tuned'").to_string(index=False))
