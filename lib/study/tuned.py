"""A protocol with room to gain: what generated faces are worth beside what everybody does, every arm at its best.

The paper's protocol decides against any new face before it is made: recognisers train without mirrored faces, and so
long that even other real faces add little. Here every arm mirrors faces at random, the learning rate falls to nothing,
and validation faces choose for every arm alike the number of steps and what else it leaves open (`Change.tried`): one
thing after the other, the steps first, with the first seed. Decisions are made at thresholds from the validation faces.

N faces have labels; the autoencoder learns from the others too. Each seed draws N faces of its own and learns all that
needs labels from them, so that the intervals over seeds count these draws. Tables go to `results/sweep.csv` and
`results/sweep_differences.csv`, column `setting`. As a script:

    python -m lib.study.tuned --profile laptop --data FOLDER --sizes 1000 --arms flip "difference editing"
    python -m lib.study.tuned --profile laptop --data FOLDER --sizes 1000 --staircase

The staircase leads from the paper's way to difference editing, one remedy at a time (`STAIRCASE`).
"""

import argparse
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from lib import config, data, metrics
from lib.study import batches, evidence, imbalance, sweep, training_sets
from lib.study.arms import Arm, Change
from lib.study.selection import ChosenStudy

SETTING = "tuned on validation"  # column `setting` of its tables
FLIP, YARDSTICK = "flip", sweep.YARDSTICK  # the arm that others are compared with, and the one that shows what is there
STACKED = "cheap stack"  # every cheap remedy that validation keeps
DISTILLATION, REMEDIED = "distillation", "distillation, remedies"  # what faces without labels give without edits
SIZES = (500, 1_000, 2_000, 8_000, 16_000)

FLIPPED = Change(batches.flipped)
MIXUP = Change(batches.mixed, {"how": "mixup"}, {"alpha": (0.2, 1.0)}, "mixup")
CUTMIX = Change(batches.mixed, {"how": "cutmix"}, {"alpha": (0.2, 1.0)}, "CutMix")
#: Edited faces let a teacher learn for long; one of the labelled faces alone may do better by stopping earlier.
TAUGHT_BY_EDITS = Change(batches.distilled, {"edits": True}, {"share": (0.75, 0.5)})
TAUGHT_BY_FACES = Change(batches.distilled, {"edits": False}, {"taught": (2 / 3, 1.0), "share": (0.75, 0.5)})
#: The teachers' batches with the remedies that validation keeps with 500 labels, mixing weak.
TAUGHT_BY_ALL, TAUGHT_BY_REMEDIES = (
    replace(change, options=change.options | {"remedies": True}) for change in (TAUGHT_BY_EDITS, TAUGHT_BY_FACES)
)
SMOOTHED = Change(batches.smoothed, {}, {"amount": (0.1, 0.05)}, "label smoothing")
TRIVIAL, RANDOM, ERASED = (
    Change(batches.transformed, {"name": short}, name=name)
    for short, name in (("trivial", "TrivialAugment"), ("rand", "RandAugment"), ("erase", "erasing"))
)


def editing(**options):
    """Difference editing as a Change; `options` of `batches.edited`."""
    return Change(batches.edited, options, {"share": (0.5, 0.25), "until": (1.0, 0.75)})


#: Cheap remedies upon one another, each where validation is better with it than without; then the loss.
STACK = tuple(
    replace(change, tried={"on": (False, True)} | change.tried) for change in (ERASED, TRIVIAL, MIXUP, CUTMIX, SMOOTHED)
)
LOSSES = (imbalance.cross_entropy, imbalance.focal, imbalance.asymmetric, imbalance.weighted_cross_entropy)
#: Fixed, that one remedy at a time makes the difference; half of a doubled training set is new as well.
HALF = {"share": 0.5, "until": 1.0}
TABLE = [
    Arm(FLIP, "reference", changes=(FLIPPED,)),
    Arm("difference editing", "past the paper", changes=(editing(), FLIPPED)),
    Arm("difference editing, Φ", "past the paper", changes=(editing(by="phi"), FLIPPED)),
    Arm("difference editing, flow", "past the paper", changes=(editing(by="flow"), FLIPPED)),
    Arm("difference editing, components", "past the paper", changes=(editing(through="components"), FLIPPED)),
    Arm("difference editing, mixup", "past the paper", changes=(editing(), FLIPPED, MIXUP)),
    Arm("mixup", "cheap remedies", changes=(FLIPPED, MIXUP)),
    Arm("CutMix", "cheap remedies", changes=(FLIPPED, CUTMIX)),
    *(Arm(change.name, "cheap remedies", changes=(FLIPPED, change)) for change in (TRIVIAL, RANDOM, ERASED, SMOOTHED)),
    *(
        Arm(name, "cheap remedies", loss=loss, changes=(FLIPPED,))
        for name, loss in (
            ("focal loss", imbalance.focal),
            ("asymmetric loss", imbalance.asymmetric),
            ("re-weighting", imbalance.weighted_cross_entropy),
            ("MOON", imbalance.moon),
            ("positive sharing", imbalance.positive_sharing),
        )
    ),
    Arm("resampling", "cheap remedies", training_sets.resampled, changes=(FLIPPED,)),
    Arm(STACKED, "stacks", changes=(FLIPPED, *STACK), losses=LOSSES),
    Arm("difference editing, cheap stack", "stacks", changes=(editing(), FLIPPED, *STACK), losses=LOSSES),
    Arm("pseudo-labels", "rivals", sweep.pseudo_labels, changes=(FLIPPED,), tried={"times": (2, 5)}),
    Arm(
        "difference editing, pseudo-labels",
        "past the paper",
        sweep.pseudo_labels,
        changes=(editing(), FLIPPED),
        tried={"times": (2, 5)},
    ),  # fmt: skip
    Arm(DISTILLATION, "rivals", changes=(TAUGHT_BY_FACES, FLIPPED)),
    Arm(REMEDIED, "rivals", changes=(TAUGHT_BY_REMEDIES, FLIPPED)),
    Arm("difference editing, distilled", "past the paper", changes=(TAUGHT_BY_EDITS, FLIPPED)),
    Arm("difference editing, distilled, remedies", "past the paper", changes=(TAUGHT_BY_ALL, FLIPPED)),
    Arm("difference editing, distilled, mixup", "past the paper", changes=(TAUGHT_BY_EDITS, FLIPPED, MIXUP)),
    Arm("pretrained Encoder", "rivals", start=sweep.pretrained_encoder, changes=(FLIPPED,)),
    Arm("fresh Encoder", "rivals", start=sweep.fresh_encoder, changes=(FLIPPED,)),
    Arm(
        "From Fake to Real",
        "rivals",
        changes=(Change(batches.edited, {"share": 1.0}, {"until": (0.5, 0.25)}), FLIPPED),
    ),  # fmt: skip
    Arm(
        "difference editing, filtered",
        "rivals",
        changes=(replace(editing(), tried={"agreement": (0.5, 0.75)} | editing().tried), FLIPPED),
    ),  # fmt: skip
    Arm(YARDSTICK, "yardstick", training_sets.more_real, changes=(FLIPPED,)),
]
#: From the paper's way to difference editing, each step one remedy upon those before it; the last two mirror faces.
STEPS = [
    Arm("none", "staircase"),
    Arm("balancing", "staircase", training_sets.balancing),
    Arm("observed labels", "staircase", training_sets.observed),
    Arm("a person kept", "staircase", training_sets.residual),
    Arm("nearest labels", "staircase", training_sets.editing),
    Arm("blur taken out", "staircase", training_sets.difference),
    Arm("fresh at each step", "staircase", changes=(Change(batches.edited, {"by": "phi"} | HALF),)),
    Arm("mirrored", "staircase", changes=(Change(batches.edited, {"by": "phi"} | HALF), FLIPPED)),
    Arm("W in place of Φ", "staircase", changes=(Change(batches.edited, HALF), FLIPPED)),
]
#: Beside it: the paper's other strategy, what blur alone does, and fresh faces that are decoded whole.
CONTROLS = [
    Arm("doubling", "staircase, controls", training_sets.doubling),
    Arm("reconstructions", "staircase, controls", training_sets.reconstructions),
    Arm(
        "fresh, decoded",
        "staircase, controls",
        changes=(Change(batches.edited, {"by": "phi", "decoded": True} | HALF),),
    ),  # fmt: skip
]
ARMS = {arm.name: arm for arm in (*TABLE, *STEPS, *CONTROLS)}
STAIRCASE = tuple(arm.name for arm in STEPS)
#: What a notebook runs itself.
SHORT = (FLIP, "difference editing", "mixup", YARDSTICK)


class TunedStudy(ChosenStudy):
    """A ChosenStudy of `n` labelled faces of `everybody`; rows go to the tables of the sweep."""

    tables, known, reference = "sweep", ARMS, FLIP

    def __init__(self, run, everybody, n, arms=SHORT, seeds=None):
        super().__init__(run, everybody, n, arms, seeds)

    def rows(self, a, seed):
        return np.sort(np.random.default_rng([seed, self.n]).choice(len(a), size=self.n, replace=False))

    def quality(self, val):
        """Balanced accuracy of the validation faces at the best thresholds."""
        a = self.val.attributes[:, self.columns]
        return metrics.report(a, val, metrics.best_thresholds(a, val))["balanced_accuracy"]

    def staircase(self):
        """What each step of `STAIRCASE` gains over the first one, and over the one before it: rows of
        `results/sweep_differences.csv`, for `evidence.staircase`. Returns the latter's table."""
        controls = [arm.name for arm in CONTROLS if arm.name in self.arms]
        tables = [self.intervals(STAIRCASE[0], [*STAIRCASE, *controls, FLIP])]
        tables += [self.intervals(before, [step]) for before, step in pairwise(STAIRCASE[1:])]
        return evidence.staircase(pd.concat(tables), STAIRCASE)

    def labelled(self, table, **recipe):
        return super().labelled(table, setting=SETTING, **recipe)


def studies(run, sizes=None, arms=None, seeds=None):
    """Yields a TunedStudy for each number of labelled faces; one for which there are too few is left out with a line.

    sizes   default `SIZES`, at profile ci the profile's
    arms    names in `ARMS`, or Arm objects, default all; `FLIP`, with which they are compared, is always among them
    """
    arms = dict.fromkeys((FLIP, *(arms or ARMS)))
    sizes = sizes or (run.profile.recognition.sizes if run.profile.name == "ci" else SIZES)
    most = None if run.source != "toy" else max(run.profile.data.train or 0, *sizes)
    everybody = data.load(replace(run, profile=sweep.with_train(run.profile, most)))
    for n in sizes:
        if n > len(everybody.part("train")):
            print(f"left out  {n:,} training faces: {run.data_name} has no more than {len(everybody.part('train')):,}")
            continue
        yield TunedStudy(run, everybody, n, arms, seeds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lib.study.tuned", description="Every arm at its best.")
    parser.add_argument("--profile")
    parser.add_argument("--data")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="numbers of labelled faces")
    parser.add_argument("--arms", nargs="+", metavar="ARM", choices=ARMS, help=f"of: {', '.join(ARMS)}; default: all")
    parser.add_argument("--staircase", action="store_true", help="of the arms those of the staircase, and its controls")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED")
    options = parser.parse_args()
    if options.staircase:
        options.arms = [arm.name for arm in (*STEPS, *CONTROLS)]
    course = config.start(options.profile, options.data)
    evidence.save_label_facts(course, data.load(course))
    for study in studies(course, options.sizes, options.arms, options.seeds):
        study.table()
        study.intervals(over=None)
        for rival in (STACKED, DISTILLATION, REMEDIED):
            if rival in study.arms:
                study.intervals(rival)
        print(study.intervals(FLIP).query("metric == 'balanced_accuracy_tuned'").to_string(index=False))
        if YARDSTICK in study.arms and study.shares()["mean"].isna().all():
            print(f"no verdict: with {study.n:,} labelled faces it is not certain that as many real ones again gain")
        if set(STAIRCASE) <= set(study.arms):
            print(study.staircase().to_string(index=False))
