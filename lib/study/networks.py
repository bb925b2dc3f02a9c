"""The networks of a study: trained once, blind to the test faces until then, and found again by what decided them.

Every trained network leaves its answers, not its weights, in one file under `results/recognition/`; the file's name
holds a digest of all that decided them, so a stopped study goes on where it was and a changed one starts anew. A
network meets the test faces once, after its last step; thresholds and sizes are chosen on the validation faces.
"""

import json
import time
from dataclasses import asdict, dataclass
from functools import cache, cached_property

import numpy as np
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from lib import attributes, checkpoints, config, metrics, models, stages
from lib.study import arms as arms_
from lib.study import batches, imbalance, recogniser
from lib.study.context import Context
from lib.study.training_sets import Unavailable

AMOUNTS = ("seeds", "sizes", "few_labels", "tried")  # how many networks there are: this leaves each of them as it is


@dataclass(frozen=True)
class Answers:
    """What a trained network says, and what a decision may be based on."""

    val: np.ndarray  # logits of the validation faces, float32 (V, A)
    test: np.ndarray  # logits of the test faces, float32 (T, A)
    a_val: np.ndarray  # labels of the validation faces, bool (V, A)
    prevalence: np.ndarray  # of the training faces, float32 (A,)
    recipe: dict  # how it was trained

    @cached_property
    def thresholds(self):
        """Per attribute, chosen on the validation faces; (A,)."""
        return metrics.best_thresholds(self.a_val, self.val)


class Networks:
    """The recognisers of arms x seeds on one set of faces, and what they say.

    arms         names in `arms.ARMS`, or Arm objects; default `arms.SHORT`
    seeds        of initial weights, batches and drawn labels; default those of the profile. The generator is one and
                 the same for all seeds: the intervals do not tell how another training of it would have come out; the
                 arms of `arms.OTHER_GENERATORS` do
    same_epochs  False: every arm takes the profile's number of steps. True: as many passes over its own training set
                 as `none` takes over the real faces, so larger sets get more steps (probably the paper's protocol: it
                 does not say)
    targets      names of the attributes to recognise; default all. Generators still know all of them
    attgan       True: recognise with `attgan_classifier` instead of the paper's Classifier
    context      what the arms are made of; default a Context of this run and these faces

    Raises ValueError for an arm or attribute that does not exist.
    """

    known = arms_.ARMS  # by name

    def __init__(
        self, run, faces, arms=arms_.SHORT, seeds=None, same_epochs=False, targets=None, attgan=False, context=None
    ):
        self.run, self.faces, self.settings = run, faces, run.profile.recognition
        self.arms = {arm.name: arm for arm in self.named(arms)}
        self.seeds = self.settings.seeds if seeds is None else tuple(seeds)
        self.same_epochs, self.attgan = same_epochs, attgan
        self.targets = tuple(targets or faces.names)
        self.columns = [attributes.index(faces.names, name) for name in self.targets]
        self.context = context or Context(run, faces)
        self.val = faces.part("val")
        self.folder = run.folder / "results"
        self.memory, self.trained = {}, False
        settings = {name: value for name, value in asdict(self.settings).items() if name not in AMOUNTS}
        self.protocol = [faces.key, settings, same_epochs, self.targets, attgan and "normalised by real faces"]
        self.guides = [run.profile.autoencoder, run.profile.classifier, run.profile.mapping, run.seed]
        if self.context.unlabelled is not None:
            self.guides.append(self.context.unlabelled.key)

    @classmethod
    def named(cls, arms):
        """Arm objects for names and Arm objects. Raises ValueError for an unknown name."""
        unknown = [arm for arm in arms if isinstance(arm, str) and arm not in cls.known]
        if unknown:
            raise ValueError(f"unknown arm {unknown[0]!r}; choose from: {', '.join(cls.known)}")
        return [cls.known[arm] if isinstance(arm, str) else arm for arm in arms]

    @cached_property
    def digest(self):
        """Eight digits for all that decides the study, but arms and seeds."""
        return config.digest(*self.protocol, *self.guides)

    def network(self):
        """A fresh recogniser."""
        if self.attgan:
            return recogniser.attgan_classifier(self.faces.size, len(self.targets))
        return models.AttributeClassifier(self.faces.size, self.settings.filters, len(self.targets))

    def network_digest(self, arm):
        """Eight digits for all that decides the networks of an Arm, but the seed."""
        guides = self.guides if arm.generates else []  # another generator leaves the other arms' networks as they are
        if any(change.make is batches.distilled for change in arm.acting):  # how long the teachers learn, and of whom
            guides = [*guides, max(self.settings.tried), self.context.unlabelled and self.context.unlabelled.key]
        return config.digest(*self.protocol, *guides, arm.training)

    @cached_property
    def network_digests(self):
        """`network_digest` of every arm by name."""
        return {name: self.network_digest(arm) for name, arm in (arms_.ARMS | self.arms).items()}

    def context_of(self, seed):
        """The Context of the networks of a seed: here one and the same for all."""
        return self.context

    def answers(self, arm, seed, wait=True):
        """Answers of the network of `arm` (an Arm, or its name) from `seed`: read from its file, or trained now.

        While another process trains it, this one waits, or raises filelock.Timeout with `wait=False`.
        """
        arm = self.arms[arm] if isinstance(arm, str) else arm
        name = f"{arm.build.__name__}-{self.network_digest(arm)}-{seed}"
        if name not in self.memory:
            path = self.folder / "recognition" / f"{name}.npz"
            checkpoints.writable(path.parent)
            with FileLock(path.with_suffix(".lock"), timeout=-1 if wait else 0):
                if not path.exists():
                    self._train(arm, seed, path)
            stored = checkpoints.load_arrays(path)
            self.memory[name] = Answers(
                stored["val"].astype(np.float32),
                stored["test"].astype(np.float32),
                self.val.attributes[:, self.columns],
                imbalance.prevalence(self.context_of(seed).train.attributes[:, self.columns]),
                json.loads(str(stored["recipe"])),
            )
        return self.memory[name]

    def _train(self, arm, seed, path):
        start = time.monotonic()
        context = self.context_of(seed)
        images, a = arm.build(context, np.random.default_rng(seed), **arm.options)
        steps, n_train = arm.steps or self.settings.steps, len(context.train)
        if self.same_epochs:
            steps = round(steps * len(images) / n_train)
        if arm.fit is None:
            change = arm.starting(context, images, a)  # of whole rows, of which the loss sees the targets
            torch.manual_seed(seed)
            model = self.network() if arm.start is None else arm.start(context, len(self.targets))
            model = recogniser.train(model, images, a, self.settings, steps, seed, self._loss(arm, a), change)
            if self.attgan:
                model = recogniser.normalised_by(model, context.train.images)
            if arm.finish is not None:
                model = arm.finish(context, model, images, a)
        else:
            steps, model = 0, arm.fit(context, images, a[:, self.columns])
        val = recogniser.predict(model, self.val.images)
        # The only place where test faces are looked at:
        test = recogniser.predict(model, self.faces.part("test").images)
        if not (np.isfinite(val).all() and np.isfinite(test).all()):
            raise stages.TrainingError(
                f"{arm.name}, seed {seed}: an answer of its network is not finite after {steps} steps. "
                "Nothing was saved; lower learning_rate of RecognitionConfig in lib/config.py"
            )
        recipe = self.run.recipe(
            seed=seed, n_train=n_train, n_images=len(images), n_test=len(test), steps=steps,
            extractor="attgan" if self.attgan else f"classifier-{self.settings.filters}",
            seconds=round(time.monotonic() - start, 1),
        )  # fmt: skip
        with checkpoints.atomic(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, val=val.astype(np.float16), test=test.astype(np.float16), recipe=json.dumps(recipe))

    def _loss(self, arm, a):
        """The loss of an Arm on those columns of the labels that are to be recognised; `a` are those of its faces."""
        columns = self.columns
        return lambda logits, a, prevalence: arm.loss(logits, a[:, columns], prevalence[columns])

    def train(self):
        """Train what is missing, seed by seed, so that every arm has its first seed early; what other processes are
        training meanwhile comes last, so that several share the work. Arms that cannot be made from this data are
        dropped with a line that says why."""
        if self.trained:
            return
        todo = [(name, seed) for seed in self.seeds for name in self.arms]
        with tqdm(total=len(todo), desc="study", unit="network") as bar:
            for wait in (False, True):
                busy = []
                for name, seed in todo:
                    bar.set_postfix_str(f"{name}, seed {seed}")
                    try:
                        if name in self.arms:
                            self.answers(name, seed, wait)
                    except Unavailable as reason:
                        print(f"left out  {name}: {reason}")
                        del self.arms[name]
                    except Timeout:
                        busy.append((name, seed))
                        continue
                    bar.update()
                todo = busy
        self.trained = True

    @property
    def a_test(self):
        """Labels of the test faces, bool (T, number of targets)."""
        return self.faces.part("test").attributes[:, self.columns]

    def scores(self, arm, seed, part="test"):
        """Scores of an arm for the "test" or "val" faces: above 0 the attribute counts as recognised. float (n, A)."""
        answers = self.answers(arm, seed)
        return self.arms[arm].decide(getattr(answers, part), answers)

    @cache  # noqa: B019
    def tuned_scores(self, arm, seed):
        """Scores of the test faces after subtracting the thresholds that are best on the validation faces."""
        return self.scores(arm, seed) - metrics.best_thresholds(self.val.attributes[:, self.columns],
                                                                self.scores(arm, seed, "val"))  # fmt: skip
