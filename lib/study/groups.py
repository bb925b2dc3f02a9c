"""Groups: an attribute to recognise goes with another one in training, and not in the test (the paper's Sec. I).

Who learns "smiling" from faces of which 95 % of the smiling ones are labelled Male, and as many of the others are not,
learns to see men. A *group* is a pair of values: 2 x target + companion, 0 to 3; groups 0 and 3 are the frequent ones.
What counts is the accuracy of the worst group, each draw's own, beside the mean of the groups', each group weighing the
same: averages that weigh groups as the training faces do hide the fault. With a share of 1 the rare groups are absent:
no weight helps, and the companion has to be learnt from other faces.

    study = groups.GroupStudy(run, everybody, ("Smiling", "Male"), 0.95)
    study.table(), study.intervals()

Tables go to `results/groups.csv` and `results/groups_differences.csv`. As a script:

    python -m lib.study.groups --profile laptop --data FOLDER --pairs "Smiling x Male" --shares 0.95
"""

import argparse
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from torch.nn.functional import binary_cross_entropy_with_logits

from lib import attributes, config, data
from lib.study.group_arms import ARMS, PLAIN, SHORT, YARDSTICK, GroupContext, groups_of
from lib.study.selection import ChosenStudy
from lib.study.training_sets import Unavailable

#: Target and companion. Each group of the whole of `faces64` has at least 100 faces in its test split.
PAIRS = (("Smiling", "Male"), ("Young", "Male"), ("Wavy_Hair", "Male"))
METRICS = ("worst_group", "mean_of_groups")
RIVAL = "SUBG"  # among remedies that make no face the one to beat in the worst group


def confounded(a, columns, share, n, rng):
    """`n` rows of the table `a` (N, A) in which the target goes with its companion: a `share` of them have both or
    neither, half and half; sorted, int64 (n,). Raises Unavailable when a group has too few faces."""
    groups, rare = groups_of(a, columns), round(n * (1 - share) / 2)
    rows = []
    for group, count in enumerate((n // 2 - rare, rare, rare, n // 2 - rare)):
        members = np.flatnonzero(groups == group)
        if len(members) < count:
            raise Unavailable(f"group {group} has only {len(members):,} of {count:,} training faces")
        rows.append(rng.choice(members, size=count, replace=False))
    return np.sort(np.concatenate(rows))


def group_accuracies(right, groups):
    """Accuracy of each group, float (4,); `right` (n,) is which faces were recognised."""
    return np.array([right[groups == group].mean() for group in range(4)])


class GroupStudy(ChosenStudy):
    """A ChosenStudy of training faces in which a target goes with a companion.

    everybody   FaceData; the training faces are drawn from its training split
    pair        names of target and companion
    share       of the training faces that have both or neither
    arms        names in `ARMS`, or Arm objects whose loss is one of lib/study/group_arms.py

    Raises ValueError for an unknown arm or attribute, and where a group has too few test faces to say anything of it.
    """

    tables, known, with_interval = "groups", ARMS, METRICS
    reference, yardstick = PLAIN, YARDSTICK

    def __init__(self, run, everybody, pair, share, arms=SHORT, seeds=None):
        settings = run.profile.groups
        self.pair, self.share = tuple(pair), share
        self.pair_columns = [attributes.index(everybody.names, name) for name in pair]
        for split, fewest in (("test", settings.fewest), ("val", 1)):
            sizes = np.bincount(groups_of(everybody.part(split).attributes, self.pair_columns), minlength=4)
            if sizes.min() < fewest:
                raise ValueError(
                    f"{' x '.join(pair)}: group {sizes.argmin()} has {sizes.min()} {split} faces, and {fewest} are "
                    "the fewest by which a group can be judged; choose another pair, or take more faces"
                )
        drawing = share, self.pair
        super().__init__(run, everybody, settings.faces, arms, seeds, settings.tried, drawing, targets=pair[:1])

    def rows(self, a, seed):
        rng = np.random.default_rng([seed, self.n, round(1000 * self.share)])
        return confounded(a, self.pair_columns, self.share, self.n, rng)

    def context_of(self, seed):
        return GroupContext(self.run, self.drawn(seed), self.everybody, self.pair_columns)

    def _loss(self, arm, a):
        columns = self.pair_columns
        rule = arm.loss(np.bincount(groups_of(a, columns), minlength=4))

        def loss(logits, b, prevalence):
            errors = binary_cross_entropy_with_logits(logits[:, 0].float(), b[:, columns[0]], reduction="none")
            return rule(errors, groups_of(b, columns))

        return loss

    def quality(self, val):
        """The worst group's accuracy on the validation faces."""
        right = (val[:, 0] > 0) == self.val.attributes[:, self.pair_columns[0]]
        return group_accuracies(right, groups_of(self.val.attributes, self.pair_columns)).min()

    @property
    def groups(self):
        """Groups of the test faces, (T,)."""
        return groups_of(self.faces.part("test").attributes, self.pair_columns)

    def right(self, arm, seed):
        """Which test faces an arm recognises, bool (T,)."""
        return ((self.scores(arm, seed) > 0) == self.a_test)[:, 0]

    def labelled(self, table, **recipe):
        return super().labelled(table.assign(pair=" x ".join(self.pair), share=self.share), **recipe)

    def table(self):
        """One row per arm and seed: accuracy of each group (`group_0` to `group_3`), the worst, and their mean. Also
        merged into `results/groups.csv`."""
        self.train()
        rows = []
        for name, arm in self.arms.items():
            for seed in self.seeds:
                accuracies = group_accuracies(self.right(name, seed), self.groups)
                row = {"arm": name, "group": arm.group, "seed": seed}
                row |= {f"group_{group}": accuracy for group, accuracy in enumerate(accuracies)}
                row |= {"worst_group": accuracies.min(), "mean_of_groups": accuracies.mean()}
                rows.append(row | self.answers(name, seed).recipe)
        return self._keep(self.labelled(pd.DataFrame(rows)), f"{self.tables}.csv", ["arm", "seed"])

    @cache  # noqa: B019
    def contributions(self, arm, metric):
        """What each test face contributes to a metric of `METRICS`, float (seeds, T): to the accuracy of the group that
        is the worst one with this arm and seed (which one it is, is taken as known), or to the mean of the groups'."""
        groups, values = self.groups, []
        for seed in self.seeds:
            right = self.right(arm, seed)
            accuracies = group_accuracies(right, groups)
            share = np.full(4, 1 / 4) if metric == "mean_of_groups" else np.eye(4)[accuracies.argmin()]
            weight = share * len(groups) / np.bincount(groups, minlength=4)
            values.append(share @ accuracies + (right - accuracies[groups]) * weight[groups])
        return np.stack(values)

    def intervals(self, over=PLAIN, arms=None):
        """As `recognition.Study.intervals`, of each draw's own worst group and of the mean of the groups."""
        return super().intervals(over, arms)


def load(run):
    """The faces from which groups are drawn: of a folder all training faces, of drawn ones so many that every group
    can be judged."""
    counts = {"train": None} if run.source != "toy" else {"test": run.profile.groups.drawn_test}
    return data.load(replace(run, profile=replace(run.profile, data=replace(run.profile.data, **counts))))


def studies(run, pairs=PAIRS, shares=None, arms=ARMS, seeds=None):
    """Yields a GroupStudy for each pair and share; what cannot be studied here is left out with a line. `PLAIN`, with
    which arms are compared, is always among them. Raises ValueError for an unknown arm."""
    everybody, arms = load(run), GroupStudy.named(dict.fromkeys((PLAIN, *arms)))
    for pair in pairs:
        for share in shares or run.profile.groups.shares:
            try:
                yield GroupStudy(run, everybody, pair, share, arms, seeds)
            except (Unavailable, ValueError) as reason:
                print(f"left out  {' x '.join(pair)}, {share:.0%}: {reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lib.study.groups", description="Groups, the worst and their mean.")
    parser.add_argument("--profile")
    parser.add_argument("--data")
    parser.add_argument("--pairs", nargs="+", metavar="PAIR", help='such as "Smiling x Male"')
    parser.add_argument("--shares", type=float, nargs="+", metavar="SHARE")
    parser.add_argument("--arms", nargs="+", metavar="ARM", choices=ARMS, help=f"of: {', '.join(ARMS)}; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED")
    options = parser.parse_args()
    pairs = [tuple(pair.split(" x ")) for pair in options.pairs] if options.pairs else PAIRS
    if wrong := [" x ".join(pair) for pair in pairs if len(pair) != 2]:
        parser.error(f"{wrong[0]!r} is not a pair, such as 'Smiling x Male'")
    if wrong := [share for share in options.shares or () if not 0.5 <= share <= 1]:
        parser.error(f"share {wrong[0]} is not between 0.5 and 1")
    course = config.start(options.profile, options.data)
    for study in studies(course, pairs, options.shares, options.arms or ARMS, options.seeds):
        study.table()
        study.intervals(over=None)
        if RIVAL in study.arms:
            study.intervals(RIVAL)
        for metric in METRICS if YARDSTICK in study.arms else ():
            study.shares(metric)
        print(study.intervals().to_string(index=False))
