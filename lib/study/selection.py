"""Studies that draw their training faces anew for each seed, and leave to the validation faces what an arm leaves open:
for every arm alike, and test faces have no say."""

from dataclasses import replace
from functools import cache

import numpy as np
from filelock import Timeout

from lib.study import recognition, sweep
from lib.study.context import Context
from lib.study.training_sets import Unavailable

MOST_STEPS = 8  # times the largest number of a profile


class ChosenStudy(recognition.Study):
    """A Study of `n` training faces of `everybody`, drawn anew for each seed, of which every arm is chosen first: its
    number of steps, then its options, one after the other.

    Each candidate is trained once, from the seed `chooser`. Where the largest number of steps is the best, twice as
    many are tried, and again, up to `MOST_STEPS` times as many: the more faces, the later a recogniser peaks.

    everybody   FaceData; its training faces are drawn from, and the autoencoder learns from all of them
    tried       numbers of steps; default those of the profile
    drawing     what else decides which faces are drawn, for the digest; other arguments are those of a Study

    Subclasses say by `rows` which faces are drawn and by `quality` which candidate is better.
    """

    lasting = "chosen steps"  # column `protocol` of the tables

    def __init__(self, run, everybody, n, arms, seeds, tried=None, drawing=(), **options):
        settings = replace(run.profile.recognition, falling=True, tried=tried or run.profile.recognition.tried)
        part = sweep.sized(run, n, len(everybody.part("train")))
        self.run = replace(part, profile=replace(part.profile, recognition=settings))
        self.everybody, self.n = everybody, n
        self.chooser, self.chosen = settings.seeds[0], {}
        self.context_of = cache(self.context_of)
        context = self.context_of(self.chooser)
        seeds = settings.seeds[: sweep.SEEDS] if seeds is None else seeds
        super().__init__(self.run, context.faces, arms, seeds, context=context, **options)
        self.protocol[0] = [everybody.key, n, *drawing, "drawn anew"]

    def rows(self, a, seed):
        """Which training faces of everybody, of labels (N, A), are those of a seed: sorted, int (n,)."""
        raise NotImplementedError

    def quality(self, val):
        """How good the answers to the validation faces are, logits (V, A) -> a number, the higher the better."""
        raise NotImplementedError

    def drawn(self, seed):
        """The faces of a seed: training faces of its own, and all for validation and test."""
        everybody = self.everybody
        train, rest = np.flatnonzero(everybody.split == "train"), np.flatnonzero(everybody.split != "train")
        rows = train[self.rows(everybody.attributes[train], seed)]
        return everybody.take(np.concatenate([rows, rest]))

    def context_of(self, seed):
        return Context(self.run, self.drawn(seed), self.everybody)

    def labelled(self, table, **recipe):
        return super().labelled(table.assign(chosen=table["arm"].map(self.choice)), **recipe)

    @property
    def network_digests(self):
        """`network_digest` of its own arms by name; some of the paper's protocol are called the same."""
        return {name: self.network_digest(arm) for name, arm in self.arms.items()}

    def choose(self, arm, wait=True):
        """`arm` at its best on the validation faces: the number of steps first, then each of its options, which until
        then has the first of its values."""
        open_options = arm.open_options()
        for where, option, values in open_options:
            arm = arm.with_option(where, option, values[0])
        largest = max(self.settings.tried)
        arm = self._best([replace(arm, steps=steps) for steps in self.settings.tried], wait)
        while arm.steps == largest < MOST_STEPS * max(self.settings.tried):
            largest *= 2
            arm = self._best([arm, replace(arm, steps=largest)], wait)
        for where, option, values in open_options:
            arm = self._best([arm.with_option(where, option, value) for value in values], wait)
        return arm

    def _best(self, candidates, wait):
        return max(candidates, key=lambda arm: self.quality(self.answers(arm, self.chooser, wait).val))

    def train(self):
        """Choose every arm, then train what is missing. What other processes are training meanwhile comes last."""
        if self.trained:  # else an arm that was left out by `super().train()` would come back
            return
        todo = list(self.arms)
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

    def choice(self, name):
        """What validation chose for the arm of this name, in words."""
        arm, words = self.chosen[name], []
        for where, option, _ in arm.open_options():
            options = arm.options_of(where)
            if option == "on":
                words.append(f"{'with' if options['on'] else 'no'} {arm.changes[where].name}")
            elif options.get("on", True):
                value = options[option]
                value = round(value, 2) if isinstance(value, float) else getattr(value, "__name__", value)
                words.append(f"{option} {value}")
        return ", ".join([f"{arm.steps} steps", *words])
