"""Checks of notebook 3."""

import numpy as np
import torch
from torch.nn.functional import softplus

from lib import config, metrics
from lib.checks import call, compare, exercise, nothing_else, numbers, of_kind, wrong_if
from lib.checks.statistics import NEIGHBOURS_OF_BALANCED_ACCURACY, labels_and_answers


def _for_each(measure):
    """`measure` of one attribute, (N,), for every column of tables (N, A)."""
    return lambda a, a_hat: np.array([measure(a[:, j], a_hat[:, j]) for j in range(a.shape[1])])


@exercise
def balanced_accuracies(rng, my_balanced_accuracies):
    """The balanced accuracy of each attribute (A,), of labels and answers, both bool (N, A)."""
    columns = [labels_and_answers(rng, A) for A in (3, 4, 5)]
    draws = [tuple(np.stack([pair[i][:80] for pair in pairs], axis=1) for i in (0, 1)) for pairs in columns]
    right = _for_each(lambda has, yes: (yes[has].mean() + (~yes[~has]).mean()) / 2)
    compare(
        my_balanced_accuracies,
        draws,
        right,
        mistakes={
            "the mean of all attributes: each one was asked for": lambda a, a_hat: right(a, a_hat).mean(),
            "all attributes in one heap: take the shares column by column": lambda a, a_hat: np.full(
                a.shape[1], (a_hat[a].mean() + (~a_hat[~a]).mean()) / 2
            ),
            "one number for each face: the shares go over the faces (axis 0)": lambda a, a_hat: right(a.T, a_hat.T),
        }
        | {hint: _for_each(neighbour) for hint, neighbour in NEIGHBOURS_OF_BALANCED_ACCURACY.items()},
        otherwise="for each column two shares, each of its own class, then the mean of the two",
    )


@exercise
def thresholds(rng, my_thresholds):
    """A threshold for each attribute (A,), of validation labels and logits (N, A), that serves other faces, too."""
    centre, scale = rng.permutation([-8.0, -5.0, -3.0, -1.0]), rng.permutation([0.5, 0.7, 1.0, 1.4])
    draws = [(_logits(rng, centre, scale), _logits(rng, centre, scale)) for _ in range(10)]  # of one, chance decides
    answers = [numbers(call(my_thresholds, *own)) for own, _ in draws]
    (a, logits), chosen = draws[0][0], answers[0]
    A = a.shape[1]
    wrong_if(chosen.size == 1, "one threshold for all; each attribute needs its own")
    wrong_if(chosen.shape == (len(a),), "one threshold for each face; take the mean over the faces (axis 0)")
    wrong_if(chosen.shape != (A,), f"the shape is {chosen.shape} and should be {(A,)}")
    wrong_if(np.allclose(chosen, 0), "zero is where they are already")
    wrong_if(np.ptp(chosen) == 0, "one threshold for all; each attribute needs its own")
    wrong_if(
        np.all((chosen >= 0) & (chosen <= 1)), "a logit is no probability: these attributes need negative thresholds"
    )
    before, after, best = np.mean([
        [metrics.report(*others, t)["balanced_accuracy"] for t in (0, answer, metrics.best_thresholds(*own))]
        for (own, others), answer in zip(draws, answers, strict=True)
    ], axis=0)  # fmt: skip
    yes, carriers = (logits > chosen).mean(axis=0), a.mean(axis=0)
    wrong_if(
        np.abs(yes - (1 - carriers)).max() < 0.02,
        "as many yes as there are faces WITHOUT the attribute: the quantile is counted from below",
    )
    wrong_if(np.abs(yes - 0.5).max() < 0.02, "half of all faces get a yes, however rare the attribute is")
    wrong_if(after < before, f"balanced accuracy falls from {before:.2f} to {after:.2f} on other faces of this kind")
    wrong_if(
        after < before + (best - before) * 4 / 5,
        f"balanced accuracy rises from {before:.2f} to {after:.2f} only; the best thresholds reach {best:.2f}",
    )


def _logits(rng, centre, scale, N=1500):
    """Labels and logits (N, 4) of a classifier that knows rare attributes by logits that mostly stay below zero, each
    around a `centre` (4,) of its own."""
    a = rng.random((N, 4)) < np.array([0.04, 0.08, 0.12, 0.2])
    return a, centre + scale * rng.normal(np.where(a, 1.5, -1.5))


@exercise
def weighted_cross_entropy(rng, my_loss):
    """Equation 8 in which a missed carrier counts `weight` times: logits (B, A), labels (B, A), weight -> scalar."""
    torch.manual_seed(int(rng.integers(2**31)))
    draws = [(torch.randn(B, 3), (torch.rand(B, 3) < 0.4).float(), float(rng.uniform(2, 5))) for B in (4, 6, 9)]

    def terms(logits, a):
        """-log s where the label is 1, -log(1 - s) where it is 0."""
        return a * softplus(-logits), (1 - a) * softplus(logits)

    def loss(of_carriers, of_others, reduce=torch.mean):
        def weighted(logits, a, weight):
            carriers, others = terms(logits, a)
            return reduce(of_carriers(weight) * carriers + of_others(weight) * others)

        return weighted

    def one(weight):
        return 1

    def itself(weight):
        return weight

    compare(
        my_loss,
        draws,
        right=loss(itself, one),
        mistakes={
            "the weight does nothing": loss(one, one),
            "the weight is on false alarms; it belongs to missed carriers": loss(one, itself),
            "both terms are weighted: that only makes the loss larger": loss(itself, itself),
            "a sum; take the mean over all answers": loss(itself, one, torch.sum),
            "one number for each face; take the mean over all answers": loss(itself, one, lambda x: x.mean(dim=1)),
            "the terms of those without the attribute are missing": loss(itself, lambda weight: 0),
        },
        otherwise="only -log s, the term of the carriers, is weighted",
    )


@exercise
def undisturbed(rng, plain):
    """A trained classifier stage that has met neither noise nor nudges."""
    of_kind(plain, config.ClassifierConfig, "stages.classifier(...)")
    wrong_if(plain.config.noise and plain.config.nudge, "this one has learned from disturbed faces: noise and nudges")
    wrong_if(plain.config.noise, "this one still learns from noisy faces")
    wrong_if(plain.config.nudge, "this one still learns from nudged faces")
    nothing_else(plain.config, ("noise", "nudge"), [profile.classifier for profile in config.PROFILES.values()])
