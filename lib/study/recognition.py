"""Does it help? The recognition study of Sec. V-D: arms x seeds, the same number of steps for each, with intervals.

    study = recognition.Study(run, faces)          # arms of lib/study/arms.py, seeds of the profile
    study.table()                                  # trains what is missing; a row per arm and seed
    study.intervals(), study.per_attribute()

Every trained network leaves its answers, not its weights, in one file under `results/recognition/`; the file's name
holds a digest of all that decided them, so a stopped study goes on where it was and a changed one starts anew. A
network meets the test faces once, after its last step; thresholds and sizes are chosen on the validation faces.

As a script it runs every arm, then the protocols of Tables 3 and 2 (same epochs). Started twice, it shares the work:

    python -m lib.study.recognition --profile laptop --data toy
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from lib import attributes, checkpoints, config, data, metrics, models
from lib.study import arms as arms_
from lib.study import evidence, imbalance, recogniser

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "average_precision", "worst_recall")
AMOUNTS = ("seeds", "sizes", "few_labels")  # how many networks there are: this leaves each of them as it is
WITH_INTERVAL = ("accuracy", "balanced_accuracy", "accuracy_tuned", "balanced_accuracy_tuned")


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


class Study:
    """Arms x seeds on one set of faces.

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

    tables = "recognition"  # how the names of its result tables begin

    def __init__(
        self, run, faces, arms=arms_.SHORT, seeds=None, same_epochs=False, targets=None, attgan=False, context=None
    ):
        unknown = [arm for arm in arms if isinstance(arm, str) and arm not in arms_.ARMS]
        if unknown:
            raise ValueError(f"unknown arm {unknown[0]!r}; choose from: {', '.join(arms_.ARMS)}")
        self.run, self.faces, self.settings = run, faces, run.profile.recognition
        self.arms = {arm.name: arm for arm in (arms_.ARMS[arm] if isinstance(arm, str) else arm for arm in arms)}
        self.seeds = self.settings.seeds if seeds is None else tuple(seeds)
        self.same_epochs, self.attgan = same_epochs, attgan
        self.targets = tuple(targets or faces.names)
        self.columns = [attributes.index(faces.names, name) for name in self.targets]
        self.context = context or arms_.Context(run, faces)
        self.val = faces.part("val")
        self.folder = run.folder / "results"
        self.memory, self.trained = {}, False
        settings = {name: value for name, value in asdict(self.settings).items() if name not in AMOUNTS}
        self.protocol = [faces.key, settings, same_epochs, self.targets, attgan]
        self.guides = [run.profile.autoencoder, run.profile.classifier, run.profile.mapping, run.seed]
        if self.context.unlabelled is not None:
            self.guides.append(self.context.unlabelled.key)
        self.digest = config.digest(*self.protocol, *self.guides)

    def network(self):
        """A fresh recogniser."""
        if self.attgan:
            return recogniser.attgan_classifier(self.faces.size, len(self.targets))
        return models.AttributeClassifier(self.faces.size, self.settings.filters, len(self.targets))

    def network_digest(self, arm):
        """Eight digits for all that decides the networks of an Arm, but the seed."""
        guides = self.guides if arm.generates else []  # another generator leaves the other arms' networks as they are
        return config.digest(*self.protocol, *guides, arm.training)

    @cached_property
    def network_digests(self):
        """`network_digest` of every arm by name."""
        return {name: self.network_digest(arm) for name, arm in (arms_.ARMS | self.arms).items()}

    def answers(self, arm, seed, wait=True):
        """Answers of the network of `arm` (a name) trained from `seed`: read from its file, or trained now.

        While another process trains it, this one waits, or raises filelock.Timeout with `wait=False`.
        """
        arm = self.arms[arm]
        name = f"{arm.build.__name__}-{self.network_digest(arm)}-{seed}"
        if name not in self.memory:
            path = self.folder / "recognition" / f"{name}.npz"
            checkpoints.writable(path.parent)
            with FileLock(path.with_suffix(".lock"), timeout=-1 if wait else 0):
                if not path.exists():
                    self._train(arm, seed, path)
            with np.load(path) as file:
                self.memory[name] = Answers(
                    file["val"].astype(np.float32),
                    file["test"].astype(np.float32),
                    self.val.attributes[:, self.columns],
                    imbalance.prevalence(self.context.train.attributes[:, self.columns]),
                    json.loads(str(file["recipe"])),
                )
        return self.memory[name]

    def _train(self, arm, seed, path):
        start = time.monotonic()
        images, a = arm.build(self.context, np.random.default_rng(seed), **arm.options)
        steps, n_train = self.settings.steps, len(self.context.train)
        if self.same_epochs:
            steps = round(steps * len(images) / n_train)
        a = a[:, self.columns]
        if arm.fit is None:
            torch.manual_seed(seed)
            model = recogniser.train(self.network(), images, a, self.settings, steps, seed, arm.loss)
        else:
            steps, model = 0, arm.fit(self.context, images, a)
        val = recogniser.predict(model, self.val.images)
        test = recogniser.predict(
            model, self.faces.part("test").images
        )  # the only place where test faces are looked at
        recipe = self.run.recipe(
            seed=seed, n_train=n_train, n_images=len(images), n_test=len(test), steps=steps,
            extractor="attgan" if self.attgan else f"classifier-{self.settings.filters}",
            seconds=round(time.monotonic() - start, 1),
        )  # fmt: skip
        with checkpoints.atomic(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, val=val.astype(np.float16), test=test.astype(np.float16), recipe=json.dumps(recipe))

    def train(self):
        """Train what is missing, seed by seed, so that every arm has its first seed early; what other processes are
        training meanwhile comes last, so that several share the work. Arms that cannot be made from this data are
        dropped with a line that says why."""
        todo = [] if self.trained else [(name, seed) for seed in self.seeds for name in self.arms]
        with tqdm(total=len(todo), desc="study", unit="network", disable=not todo) as bar:
            for wait in (False, True):
                busy = []
                for name, seed in todo:
                    bar.set_postfix_str(f"{name}, seed {seed}")
                    try:
                        if name in self.arms:
                            self.answers(name, seed, wait)
                    except arms_.Unavailable as reason:
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

    @property
    def references(self):
        """Names of its arms that others are compared with."""
        return [name for name in ("none", *arms_.REFERENCES) if name in self.arms]

    def labelled(self, table, **recipe):
        """`table` with the columns by which studies in one file are told apart, and with `recipe`."""
        columns = {
            "data": self.run.data_name, "profile": self.run.profile.name, "n_train": len(self.context.train),
            "attributes": len(self.targets), "protocol": "same epochs" if self.same_epochs else "same steps",
            "study": self.digest,
        }  # fmt: skip
        columns |= {f"{of}_network": table[of].map(self.network_digests) for of in ("arm", "over") if of in table}
        return table.assign(**columns, **recipe)

    def table(self):
        """One row per arm and seed: the metrics, the same with tuned thresholds (`_tuned`), the accuracies on the
        validation faces (`_val`), and the recipe. Also merged into `results/recognition.csv`."""
        self.train()
        rows = []
        for name, arm in self.arms.items():
            for seed in self.seeds:
                val = metrics.report(self.val.attributes[:, self.columns], self.scores(name, seed, "val"))
                test = metrics.report(self.a_test, self.scores(name, seed))
                tuned = metrics.report(self.a_test, self.tuned_scores(name, seed))
                row = {"arm": name, "group": arm.group, "seed": seed}
                row |= {metric: test[metric] for metric in METRICS}
                row |= {f"{metric}_tuned": tuned[metric] for metric in METRICS}
                row |= {f"{metric}_val": val[metric] for metric in METRICS[:2]}
                rows.append(row | self.answers(name, seed).recipe)
        return self._keep(self.labelled(pd.DataFrame(rows)), f"{self.tables}.csv", ["arm", "seed"])

    @cache  # noqa: B019
    def contributions(self, arm, metric):
        """What each test face contributes to a metric of `WITH_INTERVAL`, float (seeds, T)."""
        metric, tuned = metric.removesuffix("_tuned"), metric.endswith("_tuned")
        scores = self.tuned_scores if tuned else self.scores
        return np.stack([metrics.per_image(self.a_test, scores(arm, seed))[metric] for seed in self.seeds])

    def intervals(self, over="none"):
        """A row per arm and metric: the mean over seeds, its difference to arm `over`, and the 95 % interval
        [`low`, `high`] of this difference, paired over test faces and seeds (`metrics.bootstrap_interval`).

        With `over=None` the interval is that of the mean itself, and column `over` is "-". Also merged into
        `results/recognition_differences.csv`.
        """
        self.train()
        tables = []
        for metric in WITH_INTERVAL:
            values = np.stack([self.contributions(name, metric) for name in self.arms], axis=-1)
            difference = values - (0 if over is None else self.contributions(over, metric)[..., None])
            low, high = metrics.bootstrap_interval(difference, np.random.default_rng(0))
            columns = {
                "arm": list(self.arms), "group": [arm.group for arm in self.arms.values()], "metric": metric,
                "over": over or "-", "mean": values.mean(axis=(0, 1)),
                "difference": difference.mean(axis=(0, 1)), "low": low, "high": high,
            }  # fmt: skip
            tables.append(pd.DataFrame(columns))
        table = self.labelled(pd.concat(tables, ignore_index=True), seeds=len(self.seeds), commit=config.commit())
        return self._keep(table, f"{self.tables}_differences.csv", ["arm", "metric", "over"])

    def per_attribute(self, over="none"):
        """Fig. 9, a row per arm and attribute: means over seeds of accuracy, recall, specificity, balanced_accuracy and
        average_precision, and `difference`, `low`, `high` of the accuracy to arm `over`, as in `intervals`.

        Also merged into `results/recognition_per_attribute.csv`.
        """
        self.train()

        def correct(name):
            return np.stack([(self.scores(name, seed) > 0) == self.a_test for seed in self.seeds]).astype(float)

        reference, tables = correct(over), []
        columns = ["accuracy", "recall", "specificity", "balanced_accuracy", "average_precision"]
        for name in self.arms:
            difference = correct(name) - reference
            low, high = metrics.bootstrap_interval(difference, np.random.default_rng(0), n=1000)
            of_seeds = [metrics.per_attribute(self.a_test, self.scores(name, seed)) for seed in self.seeds]
            table = pd.DataFrame({"arm": name, "attribute": self.targets, "prevalence": of_seeds[0]["prevalence"]})
            table[columns] = np.mean([one[columns] for one in of_seeds], axis=0)
            tables.append(table.assign(over=over, difference=difference.mean(axis=(0, 1)), low=low, high=high))
        table = self.labelled(pd.concat(tables), seeds=len(self.seeds), commit=config.commit())
        return self._keep(table, f"{self.tables}_per_attribute.csv", ["arm", "attribute", "over"])

    def _keep(self, table, name, keys):
        """Merge `table` into a CSV file of the run; rows of this study made with other settings go. Returns `table`."""
        path = self.folder / name
        with FileLock(path.with_suffix(".lock")):
            if path.exists():
                old = evidence.read_table(path)
                setting = [column for column in evidence.SETTING if column in table]
                same = (old[setting] == table[setting].iloc[0]).all(axis=1)
                again = pd.MultiIndex.from_frame(old[keys]).isin(pd.MultiIndex.from_frame(table[keys]))
                stale = old["study"] != self.digest
                for of in {"arm", "over"} & set(old):
                    today = old[of].map(self.network_digests)
                    stale |= today.notna() & (old.get(f"{of}_network") != today)
                kept = old[~(same & (again | stale))]
                merged = pd.concat([kept, table], ignore_index=True)
            else:
                merged = table
            with checkpoints.atomic(path) as temporary:
                merged.to_csv(temporary, index=False)
        return table.reset_index(drop=True)


def full(run, faces):
    """Yields studies: every arm; Table 3 where the data has the 13 attributes; Table 2's arms by the same epochs, and
    beside them what more steps alone are worth, and more real faces."""
    yield Study(run, faces, arms_.ARMS)
    if set(attributes.ATTGAN) <= set(faces.names):
        table_3 = ("none", "majority", "doubling", "balancing")
        yield Study(run, faces, table_3, targets=attributes.ATTGAN, attgan=True)
    table_2 = [name for name, arm in arms_.ARMS.items() if arm.group in ("reference", "traditional", "the paper's")]
    yield Study(run, faces, [*table_2, "every face twice", "more real faces"], same_epochs=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lib.study.recognition", description="Run the recognition study.")
    parser.add_argument("--profile")
    parser.add_argument("--data")
    parser.add_argument(
        "--arms", nargs="+", metavar="ARM", help=f"of: {', '.join(arms_.ARMS)}; default: the full study"
    )
    options = parser.parse_args()
    course = config.start(options.profile, options.data)
    people = data.load(course)
    evidence.save_label_facts(course, people)
    for study in [Study(course, people, options.arms)] if options.arms else full(course, people):
        study.table()
        for over in (None, *study.references):
            study.intervals(over)
        for over in [name for name in ("none", arms_.NO_PERCEPTUAL) if name in study.arms]:
            study.per_attribute(over)
        print(study.intervals().query("metric == 'balanced_accuracy_tuned'").to_string(index=False))
