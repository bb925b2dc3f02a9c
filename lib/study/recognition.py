"""Does it help? The recognition study of Sec. V-D: arms x seeds, the same number of steps for each, with intervals.

    study = recognition.Study(run, faces)          # arms of lib/study/arms.py, seeds of the profile
    study.table()                                  # trains what is missing; a row per arm and seed
    study.intervals(), study.per_attribute()

As a script it runs every arm, then the protocols of Tables 3 and 2 (same epochs). Started twice, it shares the work:

    python -m lib.study.recognition --profile laptop --data toy
    python -m lib.study.recognition --profile reference --data FOLDER --peak --arms none balancing

With `--peak` validation faces choose the number of steps first, by `none`; see `peaked`.
"""

import argparse
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from filelock import FileLock

from lib import attributes, checkpoints, config, data, metrics
from lib.study import arms as arms_
from lib.study import evidence
from lib.study.networks import Networks

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "average_precision", "worst_recall")
YARDSTICK = "more real faces"
SHARE = "share of the yardstick's gain"  # the name of this number in column `metric`


class Study(Networks):
    """The tables of such networks: metrics, differences with their intervals, attribute by attribute."""

    tables = "recognition"  # how the names of its result tables begin
    with_interval = ("accuracy", "balanced_accuracy", "accuracy_tuned", "balanced_accuracy_tuned")  # metrics
    #: Arms: what others gain over, and the one that shows what there is to gain.
    reference, yardstick = "none", YARDSTICK

    @property
    def lasting(self):
        """How long arms train, column `protocol` of the tables."""
        return "same epochs" if self.same_epochs else "same steps"

    @property
    def references(self):
        """Names of its arms that others are compared with."""
        return [name for name in ("none", *arms_.REFERENCES) if name in self.arms]

    def labelled(self, table, **recipe):
        """`table` with the columns by which studies in one file are told apart, and with `recipe`."""
        columns = {
            "data": self.run.data_name, "profile": self.run.profile.name, "n_train": len(self.context.train),
            "attributes": len(self.targets), "protocol": self.lasting,
            "study": self.digest,
        }  # fmt: skip
        columns |= {f"{of}_network": table[of].map(self.network_digests) for of in ("arm", "over") if of in table}
        return table.assign(**columns, **recipe)

    def table(self):
        """One row per arm and seed: the metrics, the same with tuned thresholds (`_tuned`), the accuracies on the
        validation faces (`_val`), and the recipe. Also merged into `results/<tables>.csv`."""
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
        """What each test face contributes to a metric of `with_interval`, float (seeds, T)."""
        metric, tuned = metric.removesuffix("_tuned"), metric.endswith("_tuned")
        scores = self.tuned_scores if tuned else self.scores
        return np.stack([metrics.per_image(self.a_test, scores(arm, seed))[metric] for seed in self.seeds])

    def intervals(self, over="none", arms=None):
        """A row per arm and metric: the mean over seeds, its difference to arm `over`, and the 95 % interval
        [`low`, `high`] of this difference, paired over test faces and seeds (`metrics.bootstrap_interval`).

        With `over=None` the interval is that of the mean itself, and column `over` is "-". Also merged into
        `results/<tables>_differences.csv`. `arms` are the names of those wanted, default all.
        """
        self.train()
        names, tables = list(arms or self.arms), []
        for metric in self.with_interval:
            values = np.stack([self.contributions(name, metric) for name in names], axis=-1)
            difference = values - (0 if over is None else self.contributions(over, metric)[..., None])
            low, high = metrics.bootstrap_interval(difference, np.random.default_rng(0))
            columns = {
                "arm": names, "group": [self.arms[name].group for name in names], "metric": metric,
                "over": over or "-", "mean": values.mean(axis=(0, 1)),
                "difference": difference.mean(axis=(0, 1)), "low": low, "high": high,
            }  # fmt: skip
            tables.append(pd.DataFrame(columns))
        table = self.labelled(pd.concat(tables, ignore_index=True), seeds=len(self.seeds), commit=config.commit())
        return self._keep(table, f"{self.tables}_differences.csv", ["arm", "metric", "over"])

    def shares(self, metric="balanced_accuracy_tuned"):
        """How much of the yardstick's gain in a metric of `with_interval` each arm reaches: a row per arm with `mean`,
        `low`, `high`.

        1 is as good as the yardstick, below 0 is worse than the reference. NaN where it is not certain that the
        yardstick gains at all. Also merged into `results/<tables>_differences.csv`. Raises KeyError without a
        yardstick.
        """
        self.train()
        none = self.contributions(self.reference, metric)
        gained = {name: self.contributions(name, metric) - none for name in self.arms}
        rows = []
        for name in sorted(gained.keys() - {self.reference, self.yardstick}):
            both = np.stack([gained[name], gained[self.yardstick]], axis=-1)
            ours, real = metrics.bootstrap_means(both, np.random.default_rng(0)).T
            share = [np.nan] * 3
            if np.quantile(real, 0.025) > 0:
                share = [gained[name].mean() / gained[self.yardstick].mean(), *np.quantile(ours / real, [0.025, 0.975])]
            rows.append([name, self.arms[name].group, SHARE, metric, *share])
        table = pd.DataFrame(rows, columns=["arm", "group", "metric", "over", "mean", "low", "high"])
        table = self.labelled(table, seeds=len(self.seeds), commit=config.commit())
        return self._keep(table, f"{self.tables}_differences.csv", ["arm", "metric", "over"])

    def per_attribute(self, over="none"):
        """Fig. 9, a row per arm and attribute: means over seeds of accuracy, recall, specificity, balanced_accuracy and
        average_precision, and `difference`, `low`, `high` of the accuracy to arm `over`, as in `intervals`; `low_all`
        and `high_all` are those of intervals that hold for all attributes at once.

        Also merged into `results/<tables>_per_attribute.csv`.
        """
        self.train()

        def correct(name):
            return np.stack([(self.scores(name, seed) > 0) == self.a_test for seed in self.seeds]).astype(float)

        reference, tables = correct(over), []
        columns = ["accuracy", "recall", "specificity", "balanced_accuracy", "average_precision"]
        for name in self.arms:
            difference = correct(name) - reference
            mean = difference.mean(axis=(0, 1))
            drawn = metrics.bootstrap_means(difference, np.random.default_rng(0), 1000)
            low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
            low_all, high_all = metrics.intervals_together(mean, drawn)
            of_seeds = [metrics.per_attribute(self.a_test, self.scores(name, seed)) for seed in self.seeds]
            table = pd.DataFrame({"arm": name, "attribute": self.targets, "prevalence": of_seeds[0]["prevalence"]})
            table[columns] = np.mean([one[columns] for one in of_seeds], axis=0)
            bounds = {"low": low, "high": high, "low_all": low_all, "high_all": high_all}
            tables.append(table.assign(over=over, difference=mean, **bounds))
        table = self.labelled(pd.concat(tables), seeds=len(self.seeds), commit=config.commit())
        return self._keep(table, f"{self.tables}_per_attribute.csv", ["arm", "attribute", "over"])

    def _keep(self, table, name, keys):
        """Merge `table` into a CSV file of the run; rows of this study made with other settings go. Returns `table`."""
        if table.empty:  # as of two arms that need each other
            return table
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


def peaked(run, faces):
    """`run` with that number of steps, of its `tried` ones, after which `none` from the first seed knows the validation
    faces best, by balanced accuracy at the best thresholds."""
    settings = run.profile.recognition

    def quality(one):
        study = Study(one, faces, ("none",), settings.seeds[:1])
        a, val = study.val.attributes, study.scores("none", settings.seeds[0], "val")
        return metrics.report(a, val, metrics.best_thresholds(a, val))["balanced_accuracy"]

    tried = [replace(settings, steps=steps) for steps in settings.tried]
    return max((replace(run, profile=replace(run.profile, recognition=one)) for one in tried), key=quality)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lib.study.recognition", description="Run the recognition study.")
    parser.add_argument("--profile")
    parser.add_argument("--data")
    parser.add_argument(
        "--arms", nargs="+", metavar="ARM", choices=arms_.ARMS, help=f"of: {', '.join(arms_.ARMS)}; default: all"
    )
    parser.add_argument("--peak", action="store_true", help="as many steps as validation faces find best for `none`")
    options = parser.parse_args()
    course = config.start(options.profile, options.data)
    people = data.load(course)
    if options.peak:
        course = peaked(course, people)
        print(f"steps    {course.profile.recognition.steps:,}")
    evidence.save_label_facts(course, people)
    chosen = dict.fromkeys(("none", *(options.arms or ())))
    for study in [Study(course, people, chosen)] if options.arms else full(course, people):
        study.table()
        for over in (None, *study.references):
            study.intervals(over)
        for over in [name for name in ("none", arms_.NO_PERCEPTUAL) if name in study.arms]:
            study.per_attribute(over)
        print(study.intervals().query("metric == 'balanced_accuracy_tuned'").to_string(index=False))
