"""The arms of the recognition study (Sec. V-D) as data: what each trains on, by which loss, and how it decides.

`ARMS` holds every arm by name. An arm of your own, or of another generator, is one more `Arm`: its `build` gets a
`Context` and a numpy Generator and returns (images uint8 (n, 3, S, S), labels bool (n, A)). No arm sees a test face.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property

import numpy as np
import torch
from sklearn.linear_model import LinearRegression
from torch import nn

from lib import data, stages, training
from lib.augmentation import dynamic_balancing, generate, random_doubling, transformed
from lib.baselines import systems
from lib.study import imbalance

CANDIDATES = 16  # rare rows among which `editing` looks for the one nearest to a face


class Unavailable(Exception):
    """This arm cannot be made from this data; the message says why."""


class Context:
    """What arms are made of: the training faces, and stages trained on them, each obtained when first asked for.

    With `unlabelled`, a FaceData, the autoencoder learns from its training faces instead; their labels are not used.
    """

    def __init__(self, run, faces, unlabelled=None):
        self.run, self.faces, self.unlabelled = run, faces, unlabelled
        self.device = training.new_accelerator().device

    @cached_property
    def train(self):
        """The training faces as FaceData."""
        return self.faces.part("train")

    @cached_property
    def trained_autoencoder(self):
        """The autoencoder as a Trained stage."""
        return stages.autoencoder(self.run, self.faces if self.unlabelled is None else self.unlabelled)

    @cached_property
    def autoencoder(self):
        """The frozen Autoencoder, on the device."""
        return self.trained_autoencoder.model.to(self.device)

    @cached_property
    def z(self):
        """Embeddings of the training faces, float32 tensor (N, Z) on the device."""
        batches = torch.from_numpy(np.array(self.train.images)).split(256)
        return torch.cat([stages.embed(self.autoencoder.encoder, batch.to(self.device)) for batch in batches])

    @cache  # noqa: B019 (a context lives as long as its study)
    def mapping(self, rounds=1, **changes):
        """Φ as a Trained stage. `rounds` > 1: its guide is a classifier trained on what Φ of the round before adds to
        the training faces by dynamic balancing (Table 4). `changes` replace fields of MappingConfig."""
        faces = self.faces
        if rounds > 1:
            before = self.mapping(rounds - 1, **changes)
            images, a = balancing(self, np.random.default_rng(self.run.seed), rounds=rounds - 1, **changes)
            faces = data.FaceData(
                images, a, faces.names, np.repeat("train", len(a)), np.arange(len(a)).astype(str), faces.source,
                key=f"{faces.key}-{before.digest}",
            )  # fmt: skip
        below = self.trained_autoencoder, stages.classifier(self.run, faces)
        return stages.mapping(self.run, self.faces, below, **changes)

    @cache  # noqa: B019
    def compared(self, system):
        """The generator (b, x, source) -> x̂ of a compared system of `systems.SYSTEMS`."""
        return systems.generator(system, self.run, self.faces)

    @cached_property
    def leaking(self):
        """The same, with stages that have learned from the validation faces too."""
        return Context(self.run, data.with_validation(self.faces), self.unlabelled)

    @cache  # noqa: B019
    def retrained(self, seed):
        """The same, with stages that were trained from `seed`."""
        return Context(replace(self.run, seed=seed), self.faces, self.unlabelled)

    def imagine(self, a, rows, system=None, leak=False, seed=None, **generator):
        """Faces for the labels `a`, (n, A) -> uint8 (n, 3, S, S): by Φ and Decoder, or by a compared `system`.

        Editors start from the training faces `rows`, those that the labels were made from. `leak`: by the stages that
        know the validation faces; `seed`: by those trained from another seed. `generator` goes to `mapping`.
        """
        if leak:
            return self.leaking.imagine(a, rows, **generator)
        if seed is not None:
            return self.retrained(seed).imagine(a, rows, **generator)
        if system is not None:
            source = self.train.images[rows], self.train.attributes[rows]
            return systems.make(self.compared(system), a, *source, device=self.device)
        return generate(self.mapping(**generator).model, self.autoencoder.decoder, a, device=self.device)

    def decode(self, z):
        """Faces for embeddings, (n, Z) -> uint8 (n, 3, S, S)."""
        return generate(nn.Identity(), self.autoencoder.decoder, z.cpu(), device=self.device)

    def phi(self, a):
        """Φ(a): embeddings of labels, (n, A) -> float32 tensor (n, Z) on the device."""
        model = self.mapping().model.to(self.device)  # which may have to be trained first
        with torch.inference_mode():
            return model(torch.as_tensor(a, dtype=torch.float32, device=self.device))

    @cached_property
    def least_squares(self):
        """The linear map from the training faces' labels to their embeddings that fits best."""
        return LinearRegression().fit(self.train.attributes.astype(float), self.z.cpu().numpy())

    def linear(self, a):
        """That map of labels, (n, A) -> float32 tensor (n, Z) on the device."""
        return torch.from_numpy(self.least_squares.predict(a.astype(float)).astype(np.float32)).to(self.device)

    def with_train(self, images, a):
        """The training faces followed by new ones."""
        return np.concatenate([self.train.images, images]), np.concatenate([self.train.attributes, a])


# --- Training sets: (context, rng, **options) -> (images, labels). `times` is the size after augmentation / before ---


def original(context, rng):
    """The training faces."""
    return context.train.images, context.train.attributes


def repeated(context, rng):
    """Every training face twice: more steps by the same number of epochs, and nothing else."""
    return context.with_train(context.train.images, context.train.attributes)


def traditional(context, rng, name, times=2):
    """Training faces and `times` - 1 transformed copies of each: "flip", "crop" or "erase"."""
    images = transformed(context.train.images, name, times - 1, seed=int(rng.integers(2**31)))
    return context.with_train(images, np.tile(context.train.attributes, (times - 1, 1)))


def doubling(context, rng, times=2, **generator):
    """Sec. IV-A: training faces and generated ones, each label vector with one attribute flipped."""
    rows = draw_rows(context, rng, times)
    a = random_doubling(context.train.attributes[rows], rng)
    return context.with_train(context.imagine(a, rows, **generator), a)


def balancing(context, rng, times=2, conflicts="literal", **generator):
    """Sec. IV-B: training faces and generated ones with dynamically balanced labels."""
    n = extra(context, times)
    a, rows = dynamic_balancing(context.train.attributes, n, rng, conflicts=conflicts, names=context.train.names)
    return context.with_train(context.imagine(a, rows, **generator), a)


def generated_only(context, rng):
    """No real face: one generated for the labels of each training face."""
    return context.imagine(context.train.attributes, slice(None)), context.train.attributes


def reconstructions(context, rng):
    """Training faces and the same ones after Encoder and Decoder: what smoothing alone does, without new labels."""
    return context.with_train(context.decode(context.z), context.train.attributes)


def editing(context, rng, times=2):
    """Training faces and edited ones: x' = Decoder(z + Φ(a') - Φ(a)) for a face with labels a.

    a' is an observed label vector with rare values, the one most like `a` among a few, so that each face is changed as
    little as possible and stays recognisably itself.
    """
    a, rows = context.train.attributes, draw_rows(context, rng, times)
    rare = rng.choice(len(a), size=(len(rows), CANDIDATES), p=imbalance.rarity(a))
    distance = np.stack([(a[column] != a[rows]).sum(axis=1) for column in rare.T], axis=1)
    distance[distance == 0] = a.shape[1] + 1  # a face turned into itself is no new one
    a1 = a[rare[np.arange(len(rows)), distance.argmin(axis=1)]]
    return context.with_train(context.decode(context.z[rows] + context.phi(a1) - context.phi(a[rows])), a1)


def residual(context, rng, times=2, linear=False):
    """Training faces and generated ones made individual: x' = Decoder(Φ(a') + r), r = z - Φ(a) of *any* training face.

    The formula of `editing` read the other way round: the labels come first, an observed vector with rare values, and
    the rest (pose, light, person) is borrowed from a face that need not resemble it. With `linear` this rest is what a
    linear map of the labels leaves over: nothing in it goes along with a label, while in Φ's, which makes labels
    stronger than they are, their opposite is left (notebook 8).
    """
    a, rows = context.train.attributes, draw_rows(context, rng, times)
    a1 = a[rng.choice(len(a), size=len(rows), p=imbalance.rarity(a))]
    known = context.linear(a[rows]) if linear else context.phi(a[rows])
    return context.with_train(context.decode(context.phi(a1) + context.z[rows] - known), a1)


def resampled(context, rng):
    """As many training faces, drawn with replacement, those with rare values more often."""
    rows = rng.choice(len(context.train), size=len(context.train), p=imbalance.rarity(context.train.attributes))
    return context.train.images[rows], context.train.attributes[rows]


def more_real(context, rng, times=2):
    """The yardstick: training faces and as many other real ones (drawn faces: fresh ones) as a generator would add."""
    run, train, n = context.run, context.train, extra(context, times)
    cache = run.folder.parent / "cache"
    if run.source == "toy":
        pool = data.draw({"train": int(train.files.astype(int).max()) + 1 + n}, train.size, cache)
    else:
        pool = data.read(run.source, train.size, cache).part("train")
    spare = np.flatnonzero(~np.isin(pool.files, train.files))
    if len(spare) < n:
        raise Unavailable(f"only {len(spare):,} of {n:,} training faces are held back from profile {run.profile.name}")
    more = pool.take(np.sort(rng.choice(spare, size=n, replace=False)))
    return context.with_train(more.images, more.attributes)


def extra(context, times):
    """Number of faces that make the training set `times` as large."""
    return round((times - 1) * len(context.train))


def draw_rows(context, rng, times):
    """Rows of the training faces that new ones start from: random permutations of all, one after the other."""
    n, faces = extra(context, times), len(context.train)
    return np.concatenate([rng.permutation(faces) for _ in range(n // faces + 1)])[:n]


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
class Arm:
    """One way to make a recogniser. Arms that differ in nothing but `decide` share their trained networks."""

    name: str
    group: str
    build: Callable = original
    options: dict = field(default_factory=dict)  # of `build`
    loss: Callable = imbalance.cross_entropy  # (logits, a, prevalence) -> scalar
    decide: Callable = at_zero
    fit: Callable | None = None  # (context, images, a) -> network, instead of the recogniser's training

    @property
    def training(self):
        """What the trained network depends on, in plain words; with a compared system also that one's configs."""
        parts = [self.build.__name__, self.options, self.loss.__name__]
        if "system" in self.options:
            profiles = systems.SYSTEMS[self.options["system"]].module.PROFILES
            parts.append({name: asdict(settings) for name, settings in profiles.items()})
        return parts if self.fit is None else [*parts, self.fit.__name__]

    @property
    def generates(self):
        """Whether it depends on trained stages; True for any `build` that is not of this module, and for any `fit`."""
        return self.build not in (original, repeated, traditional, resampled, more_real) or self.fit is not None


NO_PERCEPTUAL = "balancing, no perceptual loss"
OTHER_GENERATORS = {"second": 1, "third": 2}  # trainings of the whole generator beside that of the run, and their seeds
TABLE = [
    Arm("none", "reference"),
    Arm("majority", "reference", decide=majority),
    *(
        Arm(f"{name} {times}x", "traditional", traditional, {"name": name, "times": times})
        for name in ("flip", "crop", "erase")
        for times in (2, 4)
    ),
    Arm("doubling", "the paper's", doubling),
    Arm("balancing", "the paper's", balancing),
    Arm("doubling 1.5x", "the paper's", doubling, {"times": 1.5}),
    Arm("doubling 3x", "the paper's", doubling, {"times": 3}),
    Arm("balancing 1.5x", "the paper's", balancing, {"times": 1.5}),
    Arm("balancing 3x", "the paper's", balancing, {"times": 3}),
    Arm("doubling, no perceptual loss", "the paper's", doubling, {"weight_perceptual": 0.0}),
    Arm(NO_PERCEPTUAL, "the paper's", balancing, {"weight_perceptual": 0.0}),
    Arm("balancing, 2 rounds", "the paper's", balancing, {"rounds": 2}),
    Arm("balancing, 3 rounds", "the paper's", balancing, {"rounds": 3}),
    Arm("balancing, no conflicts", "past the paper", balancing, {"conflicts": "avoid"}),
    Arm("editing", "past the paper", editing),
    Arm("residual", "past the paper", residual),
    Arm("residual, linear", "past the paper", residual, {"linear": True}),
    Arm("DCGAN, doubling", "compared", doubling, {"system": "DCGAN"}),
    Arm("DCGAN, balancing", "compared", balancing, {"system": "DCGAN"}),
    Arm("StarGAN, doubling", "compared", doubling, {"system": "StarGAN"}),
    Arm("StarGAN, balancing", "compared", balancing, {"system": "StarGAN"}),
    Arm("AttGAN, balancing", "compared", balancing, {"system": "AttGAN"}),
    Arm("RelGAN, balancing", "compared", balancing, {"system": "RelGAN"}),
    Arm("tuned thresholds", "cheap remedies", decide=tuned),
    Arm("logit adjustment", "cheap remedies", decide=adjusted),
    Arm("re-weighting", "cheap remedies", loss=imbalance.weighted_cross_entropy),
    Arm("resampling", "cheap remedies", resampled),
    Arm("focal loss", "cheap remedies", loss=imbalance.focal),
    Arm("asymmetric loss", "cheap remedies", loss=imbalance.asymmetric),
    Arm("balancing, LEAKS validation", "controls", balancing, {"leak": True}),  # its generator, as the paper's
    *(
        Arm(f"balancing, {name} generator", "controls", balancing, {"seed": seed})
        for name, seed in OTHER_GENERATORS.items()
    ),
    Arm("every face twice", "controls", repeated),
    Arm("generated only", "controls", generated_only),
    Arm("reconstructions", "controls", reconstructions),
    Arm("more real faces", "yardstick", more_real),
]
ARMS = {arm.name: arm for arm in TABLE}

#: What notebook 06 runs itself: four trainings per seed.
SHORT = ("none", "majority", "tuned thresholds", "doubling", "balancing", "more real faces")
#: The sizes of Fig. 10, smallest first.
SIZES = ("none", "balancing 1.5x", "balancing", "balancing 3x")
#: Arms that others are compared with, beside "none": the paper's sentences do so.
REFERENCES = (
    "doubling",
    "balancing",
    NO_PERCEPTUAL,
    "doubling, no perceptual loss",
    "balancing 3x",
    "erase 2x",
    "DCGAN, balancing",
    "StarGAN, balancing",
    "every face twice",
)


def best_size(table, by="accuracy_val"):
    """The augmentation size criterion (Sec. V-D, Fig. 10): of the arms `SIZES` the one with the highest mean validation
    accuracy; the smaller set wins a tie. `table` is a Study's. No test face has a say, unless asked `by="accuracy"`."""
    accuracy = table.groupby("arm")[by].mean()
    return accuracy[[size for size in SIZES if size in accuracy]].idxmax()
