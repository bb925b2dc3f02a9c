"""A protocol with room to gain: what generated faces are worth beside what everybody does, every arm at its best.

The paper's protocol decides against any new face before it is made: recognisers train without mirrored faces, and so
long that even other real faces add little. Here every arm mirrors faces at random, the learning rate falls to nothing,
and validation faces choose for every arm alike the number of steps and what else it leaves open (`Change.tried`): one
thing after the other, the steps first, with the first seed. Decisions are made at thresholds from the validation faces.

N faces have labels; the autoencoder learns from the others too. Each seed draws N faces of its own and learns all that
needs labels from them, so that the intervals over seeds count these draws. Tables go to `results/sweep.csv` and
`results/sweep_differences.csv`, column `setting`. As a script:

    python -m lib.study.tuned --profile laptop --data FOLDER --sizes 1000 --arms flip "difference editing"
"""

import argparse
from dataclasses import replace
from functools import cache

import numpy as np
from filelock import Timeout

from lib import config, data, metrics
from lib.study import batches, evidence, imbalance, sweep, training_sets
from lib.study.arms import Arm, Change
from lib.study.context import Context
from lib.study.training_sets import Unavailable

SETTING = "tuned on validation"  # column `setting` of its tables
FLIP, YARDSTICK = "flip", sweep.YARDSTICK  # the arm that others are compared with, and the one that shows what is there
SIZES = (500, 1_000, 2_000, 8_000, 16_000)

FLIPPED = Change(batches.flipped)
MIXUP = Change(batches.mixed, {"how": "mixup"}, {"alpha": (0.2, 1.0)})
CUTMIX = Change(batches.mixed, {"how": "cutmix"}, {"alpha": (0.2, 1.0)})


def editing(**options):
    """Difference editing as a Change; `options` of `batches.edited`."""
    return Change(batches.edited, options, {"share": (0.5, 0.25), "until": (1.0, 0.75)})


TABLE = [
    Arm(FLIP, "reference", changes=(FLIPPED,)),
    Arm("difference editing", "past the paper", changes=(editing(), FLIPPED)),
    Arm("difference editing, Φ", "past the paper", changes=(editing(by="phi"), FLIPPED)),
    Arm("difference editing, components", "past the paper", changes=(editing(through="components"), FLIPPED)),
    Arm("difference editing, mixup", "past the paper", changes=(editing(), FLIPPED, MIXUP)),
    Arm("mixup", "cheap remedies", changes=(FLIPPED, MIXUP)),
    Arm("CutMix", "cheap remedies", changes=(FLIPPED, CUTMIX)),
    *(
        Arm(name, "cheap remedies", changes=(FLIPPED, Change(batches.transformed, {"name": short})))
        for name, short in (("TrivialAugment", "trivial"), ("RandAugment", "rand"), ("erasing", "erase"))
    ),
    Arm("label smoothing", "cheap remedies", changes=(FLIPPED, Change(batches.smoothed, {}, {"amount": (0.1, 0.05)}))),
    *(
        Arm(name, "cheap remedies", loss=loss, changes=(FLIPPED,))
        for name, loss in (
            ("focal loss", imbalance.focal),
            ("asymmetric loss", imbalance.asymmetric),
            ("re-weighting", imbalance.weighted_cross_entropy),
        )
    ),
    Arm("resampling", "cheap remedies", training_sets.resampled, changes=(FLIPPED,)),
    Arm(YARDSTICK, "yardstick", training_sets.more_real, changes=(FLIPPED,)),
]
ARMS = {arm.name: arm for arm in TABLE}
#: What a notebook runs itself.
SHORT = (FLIP, "difference editing", "mixup", YARDSTICK)


class TunedStudy(sweep.SizedStudy):
    """A SizedStudy of `n` labelled faces of `everybody`, drawn anew for each seed; every arm is chosen first.

    `everybody` is a FaceData; of its training faces the autoencoder learns. Arms and seeds as in `networks.Networks`.
    """

    reference = FLIP
    lasting = "chosen steps"

    def __init__(self, run, everybody, n, arms=SHORT, seeds=None):
        unknown = [arm for arm in arms if isinstance(arm, str) and arm not in ARMS]
        if unknown:
            raise ValueError(f"unknown arm {unknown[0]!r}; choose from: {', '.join(ARMS)}")
        recognition = replace(run.profile.recognition, falling=True)
        part = sweep.sized(run, n, len(everybody.part("train")))
        part = replace(part, profile=replace(part.profile, recognition=recognition))
        self.everybody, self.n, self.chooser = everybody, n, recognition.seeds[0]
        seeds = recognition.seeds[: sweep.SEEDS] if seeds is None else tuple(seeds)
        faces = self.drawn(self.chooser)
        chosen = [ARMS[arm] if isinstance(arm, str) else arm for arm in arms]
        super().__init__(SETTING, part, faces, chosen, seeds, context=Context(part, faces, everybody))
        self.protocol[0] = [everybody.key, n, "drawn anew"]
        self.chosen = {}

    def drawn(self, seed):
        """The faces of a seed: `n` training faces of its own, and all for validation and test."""
        train, rest = (np.flatnonzero(of) for of in (self.everybody.split == "train", self.everybody.split != "train"))
        rows = np.random.default_rng([seed, self.n]).choice(train, size=self.n, replace=False)
        return self.everybody.take(np.concatenate([np.sort(rows), rest]))

    @cache  # noqa: B019
    def context_of(self, seed):
        return Context(self.run, self.drawn(seed), self.everybody)

    @property
    def network_digests(self):
        """`network_digest` of its own arms by name; some of the paper's protocol are called the same."""
        return {name: self.network_digest(arm) for name, arm in self.arms.items()}

    def quality(self, arm, wait=True):
        """Balanced accuracy of the validation faces, at the best thresholds, of an Arm trained from the first seed."""
        scores, a = self.answers(arm, self.chooser, wait).val, self.val.attributes[:, self.columns]
        return metrics.report(a, scores, metrics.best_thresholds(a, scores))["balanced_accuracy"]

    def choose(self, arm, wait=True):
        """`arm` at its best on the validation faces: the number of steps first, then each option of its changes, which
        until then has the first of its values."""
        open_options = [(i, *option) for i, change in enumerate(arm.changes) for option in change.tried.items()]
        for i, option, values in open_options:
            arm = with_option(arm, i, option, values[0])
        arm = max((replace(arm, steps=steps) for steps in self.settings.tried), key=lambda a: self.quality(a, wait))
        for i, option, values in open_options:
            candidates = [with_option(arm, i, option, value) for value in values]
            arm = max(candidates, key=lambda a: self.quality(a, wait))
        return arm

    def train(self):
        """Choose every arm, then train what is missing. What other processes are training meanwhile comes last."""
        todo = [] if self.trained else list(self.arms)
        for wait in (False, True):
            busy = []
            for name in todo:
                try:
                    self.chosen[name] = self.choose(self.arms[name], wait)
                except Unavailable as reason:
                    print(f"left out  {name}: {reason}")
                    del self.arms[name]
                except Timeout:
                    busy.append(name)
            todo = busy
        self.arms |= self.chosen
        super().train()

    def labelled(self, table, **recipe):
        chosen = {name: ", ".join(self.choice(arm)) for name, arm in self.chosen.items()}
        return super().labelled(table.assign(chosen=table["arm"].map(chosen)), **recipe)

    def choice(self, arm):
        """What validation chose for an Arm, in words."""
        options = [f"{option} {change.options[option]}" for change in arm.changes for option in change.tried]
        return [f"{arm.steps} steps", *options]


def with_option(arm, i, option, value):
    """`arm` with another value of an option of its change number `i`."""
    changes = list(arm.changes)
    changes[i] = replace(changes[i], options=changes[i].options | {option: value})
    return replace(arm, changes=tuple(changes))


def studies(run, sizes=None, arms=None, seeds=None):
    """Yields a TunedStudy for each number of labelled faces; one for which there are too few is left out with a line.

    sizes   default `SIZES`, at profile ci the profile's
    arms    names in `ARMS`, or Arm objects; default all
    """
    sizes = sizes or (run.profile.recognition.sizes if run.profile.name == "ci" else SIZES)
    most = None if run.source != "toy" else max(run.profile.data.train or 0, *sizes)
    everybody = data.load(replace(run, profile=sweep.with_train(run.profile, most)))
    for n in sizes:
        if n > len(everybody.part("train")):
            print(f"left out  {n:,} training faces: {run.data_name} has no more than {len(everybody.part('train')):,}")
            continue
        yield TunedStudy(run, everybody, n, arms or ARMS, seeds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lib.study.tuned", description="Every arm at its best.")
    parser.add_argument("--profile")
    parser.add_argument("--data")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="numbers of labelled faces")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help=f"of: {', '.join(ARMS)}; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED")
    options = parser.parse_args()
    course = config.start(options.profile, options.data)
    evidence.save_label_facts(course, data.load(course))
    for study in studies(course, options.sizes, options.arms, options.seeds):
        study.table()
        study.intervals(over=None)
        print(study.intervals(FLIP).query("metric == 'balanced_accuracy_tuned'").to_string(index=False))
        if YARDSTICK in study.arms:
            study.shares()
