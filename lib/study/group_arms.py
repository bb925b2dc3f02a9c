"""The arms of the study of groups: how a recogniser may be kept from taking the companion for the target.

A *group* is a pair of values: 2 x target + companion, 0 to 3. Arms are made from a `GroupContext`; a loss is made from
the number of training faces of each group. Remedies that know the groups are marked "group labels".
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from lib import distances, models
from lib.study import batches, recogniser
from lib.study.arms import Arm, Change
from lib.study.context import Context
from lib.study.training_sets import Unavailable

PLAIN, YARDSTICK = "plain", "balanced real faces"


def groups_of(a, columns):
    """Groups 0 to 3 of label rows (n, A), array or tensor: 2 x target + companion; `columns` are those two."""
    target, companion = columns
    return 2 * (a[:, target] > 0.5) + 1 * (a[:, companion] > 0.5)


class GroupContext(Context):
    """A Context that knows the pair; its autoencoder and components come from `everybody`, without labels."""

    def __init__(self, run, faces, everybody, columns):
        super().__init__(run, faces, everybody)
        self.columns = columns

    def shift(self, by, codec):
        """As `Context.shift`, and by "other faces": W of as many faces in their natural mixture, of which the companion
        alone is known. Where it always goes with the target, W of the training faces cannot tell the two apart.
        """
        if by != "other faces":
            return super().shift(by, codec)
        pool, companion = self.unlabelled.part("train"), self.columns[1]
        # Of all: what the training faces leave over is mixed the other way round.
        rows = np.random.default_rng(self.run.seed).choice(len(pool), size=len(self.train), replace=False)
        others = pool.take(np.sort(rows))
        weight = self.ridge_of(codec.encode(others.images), others.attributes[:, [companion]])[:, 0]

        def shift(z, a, new):
            changed = new[:, companion].float() - a[:, companion].float()
            return changed.to(weight.device)[:, None] * weight

        return shift


def all_there(counts):
    """The sizes of the groups (4,). Raises Unavailable when one of them is empty."""
    if min(counts) == 0:
        raise Unavailable(f"no face belongs to group {np.argmin(counts)}: there is nothing to weigh or to draw")
    return counts


# --- Losses: how many training faces each group has (4,) -> a function (errors (B,), groups (B,)) -> scalar -----------


def equal(counts):
    """Every face counts the same."""
    return lambda errors, groups: errors.mean()


def group_weighted(counts):
    """Every group counts the same over the training faces."""
    weights = torch.as_tensor(counts.sum() / (4 * all_there(counts)), dtype=torch.float32)
    return lambda errors, groups: (weights.to(errors.device)[groups] * errors).mean()


class GroupDRO:
    """Group DRO (Sagawa et al., 2020, Algorithm 1): the weights q of the groups follow their losses; the worst counts
    most. Meant for batches in which all groups are equally frequent."""

    def __init__(self, counts, rate=0.01):
        self.q, self.rate = torch.full((4,), 0.25), rate

    def __call__(self, errors, groups):
        member = torch.nn.functional.one_hot(groups, 4).to(errors)
        of_groups = (member * errors[:, None]).sum(0) / member.sum(0).clamp(min=1)
        self.q = self.q.to(errors.device) * torch.exp(self.rate * of_groups.detach())
        self.q = self.q / self.q.sum()
        return (self.q * of_groups).sum()


# --- Training sets, batches, and what comes after a training ----------------------------------------------------------


def group_resampled(context, rng):
    """As many training faces, drawn with replacement, each group equally often."""
    groups = groups_of(context.train.attributes, context.columns)
    weight = 1 / all_there(np.bincount(groups, minlength=4))[groups]
    rows = rng.choice(len(groups), size=len(groups), p=weight / weight.sum())
    return context.train.images[rows], context.train.attributes[rows]


def balanced_rows(groups, rng, size=None):
    """Rows of equally many faces of each group: of `size` in all, or as many as the smallest group allows; sorted."""
    members = [np.flatnonzero(groups == group) for group in range(4)]
    fewest = min(all_there([len(rows) for rows in members]))
    each = fewest if size is None else size // 4
    if fewest < each:
        raise Unavailable(f"the smallest group has only {fewest:,} of {each:,} faces")
    return np.sort(np.concatenate([rng.choice(rows, size=each, replace=False) for rows in members]))


def subsampled(context, rng):
    """SUBG (Idrissi et al., 2022): of every group as many training faces as the smallest has; all of them several times
    where they would not fill a batch."""
    rows = balanced_rows(groups_of(context.train.attributes, context.columns), rng)
    rows = np.tile(rows, -(-context.run.profile.recognition.batch_size // len(rows)))
    return context.train.images[rows], context.train.attributes[rows]


def train_twice(context, rng, early=100, weight=10):
    """JTT (Liu et al., 2021): the training faces, those `weight` times that a network trained for `early` steps gets
    wrong. It needs no group labels for training."""
    train, settings, target = context.train, context.run.profile.recognition, context.columns[0]
    seed = int(rng.integers(2**31))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = models.AttributeClassifier(train.size, settings.filters, 1)
    model = recogniser.train(model, train.images, train.attributes[:, [target]], settings, early, seed)
    wrong = (recogniser.predict(model, train.images)[:, 0] > 0) != train.attributes[:, target]
    rows = np.repeat(np.arange(len(train)), np.where(wrong, weight, 1))
    return train.images[rows], train.attributes[rows]


def balanced_real(context, rng):
    """The yardstick: as many real faces, each group equally often."""
    pool = context.unlabelled.part("train")
    rows = balanced_rows(groups_of(pool.attributes, context.columns), rng, len(context.train))
    return pool.images[rows], pool.attributes[rows]


def counterfactual(context, images, a, **options):
    """Difference editing of the companion alone: the target and all other labels stay."""
    a, companion = torch.as_tensor(a), context.columns[1]

    def wished(rows):
        new = a[rows].clone()
        new[:, companion] ^= True
        return new

    return batches.difference(context, images, a, wished, **options)


def towards_rare_groups(context, images, a, **options):
    """Difference editing towards whole rows of the rare groups: the nearest to the face's own labels of a few."""
    a = torch.as_tensor(a)
    groups = groups_of(a, context.columns)
    weights = ((groups == 1) | (groups == 2)).float()
    if weights.sum() == 0:
        raise Unavailable(
            "no training face belongs to a rare group: no row to edit towards; a counterfactual needs none"
        )
    return batches.difference(context, images, a, lambda rows: a[batches.nearest(a, rows, weights)], **options)


def last_layer_retrained(context, network, images, a, draws=10):
    """DFR (Kirichenko et al., 2023) on training faces: the last layer is a logistic regression on equally many faces of
    each group, the mean of `draws` of them."""
    train, target = context.train, context.columns[0]
    groups, rng = groups_of(train.attributes, context.columns), np.random.default_rng(0)
    device = next(network.parameters()).device
    features = distances.classifier_features(network, train.images, device=device)
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    weight, bias = np.zeros(features.shape[1]), 0.0
    for _ in range(draws):
        rows = balanced_rows(groups, rng)
        fitted = LogisticRegression(C=0.01, max_iter=1000).fit(
            (features[rows] - mean) / std, train.attributes[rows, target]
        )
        weight += fitted.coef_[0] / std / draws
        bias += (fitted.intercept_[0] - fitted.coef_[0] @ (mean / std)) / draws
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(weight)[None])
        network.head.bias.fill_(float(bias))
    return network


# --- Arms -------------------------------------------------------------------------------------------------------------

FLIPPED = Change(batches.flipped)
SHARES = {"share": (0.5, 0.75)}  # of a batch that may be edited
RARE = Change(towards_rare_groups, {}, SHARES)
OTHERS = Change(counterfactual, {"by": "other faces"}, SHARES)
COMPONENTS = Change(towards_rare_groups, {"through": "components"}, SHARES)
TABLE = [
    Arm(PLAIN, "reference", loss=equal, changes=(FLIPPED,)),
    Arm("re-weighting", "group labels", loss=group_weighted, changes=(FLIPPED,)),
    Arm("resampling", "group labels", group_resampled, loss=equal, changes=(FLIPPED,)),
    Arm("SUBG", "group labels", subsampled, loss=equal, changes=(FLIPPED,)),
    Arm("Group DRO", "group labels", group_resampled, loss=GroupDRO, changes=(FLIPPED,)),
    Arm("JTT", "no group labels", train_twice, loss=equal, changes=(FLIPPED,), tried={"weight": (10, 30)}),
    Arm("DFR", "group labels", loss=equal, changes=(FLIPPED,), finish=last_layer_retrained),
    Arm("counterfactual", "edited faces", loss=equal, changes=(Change(counterfactual, {}, SHARES), FLIPPED)),
    Arm("counterfactual, other faces", "edited faces", loss=equal, changes=(OTHERS, FLIPPED)),
    Arm("difference editing", "edited faces", loss=equal, changes=(RARE, FLIPPED)),
    Arm("difference editing, components", "edited faces", loss=equal, changes=(COMPONENTS, FLIPPED)),
    Arm("difference editing, resampling", "edited faces", group_resampled, loss=equal, changes=(RARE, FLIPPED)),
    Arm("difference editing, DFR", "edited faces", loss=equal, changes=(RARE, FLIPPED), finish=last_layer_retrained),
    Arm(YARDSTICK, "yardstick", balanced_real, loss=equal, changes=(FLIPPED,)),
]  # fmt: skip
ARMS = {arm.name: arm for arm in TABLE}
#: What a notebook runs itself.
SHORT = (PLAIN, "SUBG", "difference editing", YARDSTICK)
