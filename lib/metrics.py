"""How well attributes are recognised: accuracy, what accuracy hides, and intervals.

`a` are the true labels, bool (N, A); `logits` a model's answers, float (N, A): above `threshold` (a number, or one per
attribute) an attribute counts as recognised. Every value is a fraction between 0 and 1.
"""

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, roc_curve


def accuracy(a, a_hat):
    """Acc of Sec. V-D: the share of correctly recognised attributes, averaged over the faces."""
    return float((np.asarray(a, dtype=bool) == np.asarray(a_hat, dtype=bool)).mean())


def per_attribute(a, logits, threshold=0.0, names=None):
    """One row per attribute: prevalence, accuracy, recall (TPR), specificity (TNR), balanced_accuracy, f1,
    average_precision.

    balanced_accuracy = (TPR + TNR) / 2. An attribute that all faces carry, or none, has no recall of both classes: its
    last five columns are NaN.
    """
    a, a_hat = np.asarray(a, dtype=bool), np.asarray(logits) > threshold
    true_positives, true_negatives = (a & a_hat).sum(axis=0), (~a & ~a_hat).sum(axis=0)
    positives, negatives = a.sum(axis=0), (~a).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall, specificity = true_positives / positives, true_negatives / negatives
        f1 = 2 * true_positives / (positives + a_hat.sum(axis=0))
    scored = (positives > 0) & (negatives > 0)
    precision = [
        average_precision_score(a[:, j], np.asarray(logits)[:, j]) if scored[j] else np.nan for j in range(a.shape[1])
    ]
    scores = {
        "recall": recall,
        "specificity": specificity,
        "balanced_accuracy": (recall + specificity) / 2,
        "f1": f1,
        "average_precision": precision,
    }
    table = pd.DataFrame({"prevalence": a.mean(axis=0), "accuracy": (a == a_hat).mean(axis=0)}, index=names)
    return table.assign(**{column: np.where(scored, values, np.nan) for column, values in scores.items()})


def report(a, logits, threshold=0.0):
    """All metrics of a result row.

    accuracy            Acc of Sec. V-D
    balanced_accuracy   mean over the attributes of (TPR + TNR) / 2; a constant answer has 0.5
    macro_f1            mean over the attributes of F1
    average_precision   mean over the attributes; no threshold moves it
    worst_recall        the smallest TPR or TNR of all: how the worst class of the worst attribute fares
    attributes_scored   on how many attributes the last four rest: those with both classes among the faces
    """
    table = per_attribute(a, logits, threshold)
    return {
        "accuracy": float(table["accuracy"].mean()),
        "balanced_accuracy": float(table["balanced_accuracy"].mean()),
        "macro_f1": float(table["f1"].mean()),
        "average_precision": float(table["average_precision"].mean()),
        "worst_recall": float(table[["recall", "specificity"]].min(axis=None)),
        "attributes_scored": int(table["recall"].count()),
    }


def majority(a_train, a_test):
    """`report` of the constant answer, each attribute's majority among the training faces: what a model must beat."""
    prevalence = np.asarray(a_train, dtype=bool).mean(axis=0)
    return report(a_test, np.broadcast_to(prevalence - 0.5, np.shape(a_test)))


def best_thresholds(a, logits):
    """The threshold of each attribute that gives the highest balanced accuracy on these faces, float64 (A,).

    It lies midway between two logits. Where no threshold beats a constant answer, as where only one class occurs, it
    stays 0. Choose thresholds on validation faces.
    """
    a, logits = np.asarray(a, dtype=bool), np.asarray(logits, dtype=np.float64)
    thresholds = np.zeros(a.shape[1])
    for j in np.flatnonzero(a.any(axis=0) & ~a.all(axis=0)):
        false_positives, true_positives, values = roc_curve(a[:, j], logits[:, j], drop_intermediate=False)
        best = (true_positives - false_positives).argmax()
        if true_positives[best] > false_positives[best]:
            thresholds[j] = values[best : best + 2].mean()
    return thresholds


def per_image(a, logits):
    """What each face contributes: a dict of two (N,) arrays, `accuracy` and `balanced_accuracy`.

    Their means are the two metrics, and their spread over the faces is that of the metrics (for the balanced accuracy,
    a sum of ratios, to first order), so `bootstrap_interval` applies to either.
    """
    a = np.asarray(a, dtype=bool)
    correct = a == (np.asarray(logits) > 0)
    scored = a.any(axis=0) & ~a.all(axis=0)
    balanced = np.zeros(len(a))
    for of_class in (a[:, scored], ~a[:, scored]):
        size = of_class.sum(axis=0)
        recall = (correct[:, scored] & of_class).sum(axis=0) / size
        deviation = of_class * (correct[:, scored] - recall) * (len(a) / size)
        balanced += (recall + deviation).mean(axis=1) / 2
    return {"accuracy": correct.mean(axis=1), "balanced_accuracy": balanced}


def bootstrap_means(values, rng, n=2000):
    """Means over images and seeds as they might have come out: a bootstrap over the images, Student's t over the seeds.

    `values` is (images,) or (seeds, images): what each image contributes under each seed. For the difference of two
    models give the difference of their contributions, seed by seed: then both meet the same images in each resample.
    Each of the `n` draws resamples the images and adds t(S - 1) standard errors between the S seeds. Resampling three
    or five seeds too would be a narrower interval than they can vouch for; one seed alone says nothing of seeds.
    Returns (n,), or (n, K) for K numbers at once, (seeds, images, K): they vary together as they do over the seeds.
    """
    values = np.atleast_2d(values)
    seeds, images = values.shape[:2]
    contribution = values.mean(axis=0)
    means = np.array([contribution[rng.integers(images, size=images)].mean(axis=0) for _ in range(n)])
    if seeds > 1:
        deviation = values.mean(axis=1) - values.mean(axis=(0, 1))
        length = np.sqrt(seeds * rng.chisquare(seeds - 1, size=(n, 1)))  # one for all numbers: a multivariate t
        means += rng.standard_normal((n, seeds)) / length @ deviation
    return means


def bootstrap_interval(values, rng, n=2000, level=0.95):
    """Interval `(low, high)` of a mean over images and seeds: quantiles of `bootstrap_means`, whose arguments it takes.

    For K numbers at once `low` and `high` are arrays (K,).
    """
    low, high = np.quantile(bootstrap_means(values, rng, n), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def intervals_together(centre, drawn):
    """95 % intervals `(low, high)` of K numbers that hold for all of them at once, each (K,): their own, all wider by
    one factor (max-t, Westfall and Young, 1993). Of intervals that hold each by itself about one in twenty does not.

    centre   (K,), the numbers
    drawn    (n, K), how they might have come out, as `bootstrap_means` gives it
    """
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    reach = (high - low) / 2
    deviation = np.divide(abs(drawn - centre), reach, out=np.zeros_like(drawn), where=reach > 0)
    factor = np.quantile(deviation.max(axis=1), 0.95)
    return centre - factor * reach, centre + factor * reach


def over_seeds(values):
    """`(mean, low, high)` of a number measured once per seed, (S,): its mean and Student's 95 % t interval.

    One seed has no interval: low and high are NaN. For two models give their differences, seed by seed.
    """
    values = np.asarray(values, dtype=float)
    if len(values) == 1:
        return values[0], np.nan, np.nan
    reach = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean(), values.mean() - reach, values.mean() + reach
