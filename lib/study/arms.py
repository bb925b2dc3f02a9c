"""The arms of the recognition study (Sec. V-D) as data: what each trains on, by which loss, and how it decides.

`ARMS` holds every arm by name. An arm of your own, or of another generator, is one more `Arm`: its `build` gets a
`Context` and a numpy Generator and returns (images uint8 (n, 3, S, S), labels bool (n, A)), as those of
lib/study/training_sets.py do. No arm sees a test face.
"""

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from lib import config
from lib.baselines import systems
from lib.study import batches, imbalance, training_sets

LIB = config.ROOT / "lib"

# --- Decisions: (logits of any faces, Answers of this network) -> scores; above 0 the attribute is recognised --------


def at_zero(logits, answers):
    """The usual decision: more likely than not."""
    return logits


def majority(logits, answers):
    """Each attribute's majority among the training faces, whatever the face."""
    return np.broadcast_to(answers.prevalence - 0.5, logits.shape)


def adjusted(logits, answers):
    """Logit adjustment: as if every attribute were carried by half of the faces."""
    return imbalance.adjust_logits(logits, answers.prevalence)


def tuned(logits, answers):
    """A threshold per attribute, the best for balanced accuracy on the validation faces."""
    return logits - answers.thresholds


@dataclass(frozen=True)
class Change:
    """Something that happens to every batch, see lib/study/batches.py."""

    make: Callable
    options: dict = field(default_factory=dict)  # of `make`; one more, "on": False, switches the change off
    tried: dict = field(default_factory=dict)  # option -> values, among which validation chooses (selection.py)
    name: str = ""  # of what may be switched off


def _values(function):
    """Plain values that a function takes from around it, as "name = value", by name."""
    around = inspect.getclosurevars(function)
    values = sorted((around.globals | around.nonlocals).items())
    return [f"{name} = {value!r}" for name, value in values if isinstance(value, (int, float, str, tuple, list, dict))]


@dataclass(frozen=True)
class Arm:
    """One way to make a recogniser. Arms that differ in nothing but `decide` share their trained networks."""

    name: str
    group: str
    build: Callable = training_sets.original
    options: dict = field(default_factory=dict)  # of `build`
    loss: Callable = imbalance.cross_entropy  # (logits, a, prevalence) -> scalar
    decide: Callable = at_zero
    start: Callable | None = None  # (context, number of attributes) -> network to train, instead of a fresh recogniser
    fit: Callable | None = None  # (context, images, a) -> network, instead of the recogniser's training
    finish: Callable | None = None  # (context, network, images, a) -> network, after its training
    changes: tuple[Change, ...] = ()  # of every batch, one after the other
    steps: int | None = None  # of the training; None: those of the profile
    tried: dict = field(default_factory=dict)  # as of a Change, for the options of `build`
    losses: tuple[Callable, ...] = ()  # among which validation chooses, `loss` itself the first of them

    @property
    def training(self):
        """What the trained network depends on, in plain words; with a compared system also that one's configs."""
        parts = [self.build.__name__, self.options, self.loss.__name__]
        if "system" in self.options:
            profiles = systems.SYSTEMS[self.options["system"]].module.PROFILES
            parts.append({name: asdict(settings) for name, settings in profiles.items()})
        parts += [step.__name__ for step in (self.start, self.fit, self.finish) if step is not None]
        if self.acting or self.steps is not None:
            parts += [[[change.make.__name__, change.options] for change in self.acting], self.steps]
        return parts + self._own_code()

    def _own_code(self):
        """The source of what it uses from outside this package, and the numbers and words that this source names but
        does not hold: a function that was changed is another one."""
        used = (self.build, self.loss, self.start, self.fit, self.finish, *(change.make for change in self.acting))
        own = [step for step in used if step is not None and not Path(inspect.getfile(step)).is_relative_to(LIB)]
        return [part for step in own for part in (inspect.getsource(step), *_values(step))]

    @property
    def acting(self):
        """The changes that are not switched off."""
        on = [change for change in self.changes if change.options.get("on", True)]
        return [replace(change, options={k: v for k, v in change.options.items() if k != "on"}) for change in on]

    @property
    def generates(self):
        """Whether it depends on trained stages; True for any `build` of your own, and for any `start` or `fit`."""
        decoded = any(
            change.make not in batches.WITHOUT_STAGES
            and (change.options.get("through") != "components" or change.options.get("agreement"))
            for change in self.acting
        )
        learnt = self.start is not None or self.fit is not None
        return decoded or learnt or self.build not in training_sets.WITHOUT_STAGES

    def starting(self, context, images, a):
        """What happens to every batch of the training set `images`, `a`: one change, or None."""
        if not self.acting:
            return None
        return batches.in_turn([change.make(context, images, a, **change.options) for change in self.acting])

    def open_options(self):
        """What validation may choose: (where, option, values); `where` is the number of a change, None for `build`, or
        "arm" for the loss."""
        of_build = [(None, *item) for item in self.tried.items()]
        of_changes = [(i, *item) for i, change in enumerate(self.changes) for item in change.tried.items()]
        return of_build + of_changes + ([("arm", "loss", self.losses)] if self.losses else [])

    def options_of(self, where):
        """Options of the change number `where`, of `build` for None, or for "arm" its loss."""
        if where == "arm":
            return {"loss": self.loss}
        return self.options if where is None else self.changes[where].options

    def with_option(self, where, option, value):
        """The same arm with another value of an option, see `open_options`."""
        options = self.options_of(where) | {option: value}
        if where == "arm":
            return replace(self, **options)
        if where is None:
            return replace(self, options=options)
        changes = list(self.changes)
        changes[where] = replace(changes[where], options=options)
        return replace(self, changes=tuple(changes))


NO_PERCEPTUAL = "balancing, no perceptual loss"
OTHER_GENERATORS = {"second": 1, "third": 2}  # trainings of the whole generator beside that of the run, and their seeds
TABLE = [
    Arm("none", "reference"),
    Arm("majority", "reference", decide=majority),
    *(
        Arm(f"{name} {times}x", "traditional", training_sets.traditional, {"name": name, "times": times})
        for name in ("flip", "crop", "erase")
        for times in (2, 4)
    ),
    Arm("doubling", "the paper's", training_sets.doubling),
    Arm("balancing", "the paper's", training_sets.balancing),
    Arm("doubling 1.5x", "the paper's", training_sets.doubling, {"times": 1.5}),
    Arm("doubling 3x", "the paper's", training_sets.doubling, {"times": 3}),
    Arm("balancing 1.5x", "the paper's", training_sets.balancing, {"times": 1.5}),
    Arm("balancing 3x", "the paper's", training_sets.balancing, {"times": 3}),
    Arm("doubling, no perceptual loss", "the paper's", training_sets.doubling, {"weight_perceptual": 0.0}),
    Arm(NO_PERCEPTUAL, "the paper's", training_sets.balancing, {"weight_perceptual": 0.0}),
    Arm("balancing, 2 rounds", "the paper's", training_sets.balancing, {"rounds": 2}),
    Arm("balancing, 3 rounds", "the paper's", training_sets.balancing, {"rounds": 3}),
    Arm("balancing, no conflicts", "past the paper", training_sets.balancing, {"conflicts": "avoid"}),
    Arm("editing", "past the paper", training_sets.editing),
    Arm("residual", "past the paper", training_sets.residual),
    Arm("residual, linear", "past the paper", training_sets.residual, {"linear": True}),
    Arm("DCGAN, doubling", "compared", training_sets.doubling, {"system": "DCGAN"}),
    Arm("DCGAN, balancing", "compared", training_sets.balancing, {"system": "DCGAN"}),
    Arm("StarGAN, doubling", "compared", training_sets.doubling, {"system": "StarGAN"}),
    Arm("StarGAN, balancing", "compared", training_sets.balancing, {"system": "StarGAN"}),
    Arm("IcGAN, balancing", "compared", training_sets.balancing, {"system": "IcGAN"}),
    Arm("AttGAN, balancing", "compared", training_sets.balancing, {"system": "AttGAN"}),
    Arm("RelGAN, balancing", "compared", training_sets.balancing, {"system": "RelGAN"}),
    Arm("tuned thresholds", "cheap remedies", decide=tuned),
    Arm("logit adjustment", "cheap remedies", decide=adjusted),
    Arm("re-weighting", "cheap remedies", loss=imbalance.weighted_cross_entropy),  # cost-sensitive, Sec. I [18]
    Arm("resampling", "cheap remedies", training_sets.resampled),  # up-sampling of the minority, Sec. I [15]
    Arm("focal loss", "cheap remedies", loss=imbalance.focal),
    Arm("asymmetric loss", "cheap remedies", loss=imbalance.asymmetric),
    Arm("MOON", "cheap remedies", loss=imbalance.moon),
    Arm("positive sharing", "cheap remedies", loss=imbalance.positive_sharing),
    # Its generator has learnt from the validation faces, as the paper's may have.
    Arm("balancing, LEAKS validation", "controls", training_sets.balancing, {"leak": True}),
    *(
        Arm(f"balancing, {name} generator", "controls", training_sets.balancing, {"seed": seed})
        for name, seed in OTHER_GENERATORS.items()
    ),
    Arm("every face twice", "controls", training_sets.repeated),
    Arm("generated only", "controls", training_sets.generated_only),
    Arm("reconstructions", "controls", training_sets.reconstructions),
    Arm("more real faces", "yardstick", training_sets.more_real),
]
ARMS = {arm.name: arm for arm in TABLE}

#: What notebook 06 runs itself: four trainings per seed.
SHORT = ("none", "majority", "tuned thresholds", "doubling", "balancing", "more real faces")
#: The sizes of Fig. 10, smallest first.
SIZES = ("none", "balancing 1.5x", "balancing", "balancing 3x")
#: Arms that others are compared with, beside "none": the paper's sentences do so, and what blur alone does is told by
#: "reconstructions".
REFERENCES = (
    "doubling", "balancing", NO_PERCEPTUAL, "doubling, no perceptual loss", "balancing 3x", "erase 2x",
    "DCGAN, balancing", "StarGAN, balancing", "every face twice", "reconstructions",
)  # fmt: skip


def best_size(table, by="accuracy_val"):
    """The augmentation size criterion (Sec. V-D, Fig. 10): of the arms `SIZES` the one with the highest mean validation
    accuracy; the smaller set wins a tie. `table` is a Study's. No test face has a say, unless asked `by="accuracy"`."""
    accuracy = table.groupby("arm")[by].mean()
    return accuracy[[size for size in SIZES if size in accuracy]].idxmax()
