"""Where a number of ours stands: from the result tables to a measured value with its interval and recipe.

`gain`, `accuracy`, `label` and the others each return a function of the result tables (a dict of DataFrames, see
`read_results`). Of several runs in the tables the one that speaks loudest is taken: real faces before drawn ones, then
the one with the most training faces.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from lib import attributes, augmentation, checkpoints, folders, metrics, tables
from lib.study import arms

TABLES = (
    "recognition", "recognition_differences", "recognition_per_attribute", "sweep", "sweep_differences", "labels",
    "groups", "groups_differences", "table1", "cost",
)  # fmt: skip
#: What tells studies apart, and then the rows of a table.
SETTING = ("data", "profile", "n_train", "attributes", "protocol", "setting", "pair", "share")
KEYS = (*SETTING, "arm", "seed", "metric", "over", "attribute", "fact", "system")


@dataclass(frozen=True)
class Measured:
    """Our number, its 95 % interval (low = high = value where nothing is left to chance), and how it came about."""

    value: float
    low: float
    high: float
    recipe: str

    def __post_init__(self):
        if not self.low <= self.value <= self.high:
            raise ValueError(f"no interval around {self.value}: [{self.low}, {self.high}] ({self.recipe})")


class Untestable(Exception):
    """Nothing that can be measured here speaks to the claim; the message says why."""


class Missing(Exception):
    """The result tables do not hold what the claim needs."""


def read_table(path):
    """A result table. Digests stay text, those too that look like a number. Raises CheckpointError if it is damaged."""
    return checkpoints.load_table(path, dtype=dict.fromkeys(("study", "arm_network", "over_network"), str))


def read_results(*folders):
    """The result tables in several folders, a dict of DataFrames; those that are not there are left out.

    Of one setting only rows of one study count, as those of another generator must not mix with them: of the study with
    the most arms, for of few nothing can be said in general; where that leaves two, of the one that comes first. Where
    two folders hold the same row, the first one's counts.
    """
    results = {}
    for name in TABLES:
        paths = [Path(folder) / f"{name}.csv" for folder in folders]
        found = [read_table(path) for path in paths if path.exists()]
        if found:
            table = pd.concat(found, ignore_index=True)
            if "study" in table:
                setting = [column for column in SETTING if column in table]
                arms_of = table.groupby([*setting, "study"], dropna=False)["arm"].transform("nunique")
                ordered = table.assign(arms=arms_of).sort_values("arms", ascending=False, kind="stable")
                chosen = ordered.groupby(setting, dropna=False)["study"].transform("first").sort_index()
                table = table[table["study"] == chosen]
            keys = [column for column in KEYS if column in table]
            results[name] = table.drop_duplicates(keys, ignore_index=True)
    return results


def largest_runs(table):
    """The rows of each data set's largest run: a dict, data -> DataFrame, real faces before drawn ones.

    The largest has the most arms, then the most training faces. Of results on few arms nothing can be said in general.
    """
    runs = {}
    for _, rows in table.groupby(["profile", "n_train"]):
        for data, own in rows.groupby("data"):
            size = own["arm"].nunique(), own["n_train"].iloc[0]
            if data not in runs or size > runs[data][0]:
                runs[data] = size, own
    return {data: runs[data][1] for data in sorted(runs, key=lambda data: (data == "toy", data))}


def points(rows, metric="balanced_accuracy_tuned", over="none", **where):
    """Rows of a table of differences in percentage points: DataFrame arm, group, n_train, value, low, high.

    Arms stand in the order of `arms.TABLE`. `over` is the one that they are compared with, itself left out; None: the
    values themselves. Unless `where` says otherwise, those of the protocol "same steps" on the most attributes.
    """
    where = {"protocol": "same steps", "attributes": rows["attributes"].max()} | where
    for column, value in (where | {"metric": metric, "over": over or "-"}).items():
        rows = rows[rows[column] == value]
    numbers = rows[["mean" if over is None else "difference", "low", "high"]].set_axis(["value", "low", "high"], axis=1)
    table = pd.concat([rows[["arm", "group", "n_train"]], 100 * numbers], axis=1)
    place = {name: i for i, name in enumerate(arms.ARMS)}
    table = table.sort_values("arm", key=lambda names: names.map(place).fillna(len(place)), kind="stable")
    return table[table["arm"] != over]


def staircase(rows, steps, metric="balanced_accuracy_tuned", **where):
    """What each of the arms `steps` gains over the first of them, in points, and over the one before it.

    `rows` are of a table of differences; returns a DataFrame in the order of `steps` without the first: arm, value,
    low, high; step, step_low, step_high. Raises Missing where an arm was not compared with the one before it.
    """
    where = {"protocol": "chosen steps"} | where
    table = points(rows, metric, steps[0], **where).set_index("arm")[["value", "low", "high"]]
    for before, step in pairwise(steps):
        own = points(rows, metric, before, **where).set_index("arm")
        if step not in own.index or step not in table.index:
            raise Missing
        table.loc[step, ["step", "step_low", "step_high"]] = own.loc[step, ["value", "low", "high"]].to_numpy(float)
    return table.reindex(steps[1:]).rename_axis("arm").reset_index()


def beside(rows, printed, over="none", **where):
    """Arms as index: printed accuracy, ours, and what ours gains `over` an arm in three metrics, with intervals."""
    table = points(rows, "accuracy", None, **where).set_index("arm")[["value"]].set_axis(["accuracy, %"], axis=1)
    table.insert(0, "printed, %", pd.Series(printed))
    for metric in ("accuracy", "balanced_accuracy", "balanced_accuracy_tuned"):
        gains = points(rows, metric, over, **where).set_index("arm")
        text = pd.Series({arm: with_interval(row) for arm, row in gains.iterrows()}, dtype=object)
        table[f"{metric}: points over {over}"] = text.reindex(table.index, fill_value="")
    return table


def with_interval(row):
    """A row with value, low, high as text."""
    return f"{row['value']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"


def share_with_interval(row):
    """A row with mean, low, high, which are shares of 1, as text."""
    return f"{row['mean']:.0%} [{row['low']:.0%}, {row['high']:.0%}]"


def over_generators(gains):
    """One gain for several trainings of the generator that share test faces and seeds: (value, low, high).

    `gains` has a row with value, low, high for each. Two things are uncertain: which generator it is, Student's
    interval over the values, and faces and seeds, the rows' own intervals, which no further generator makes shorter.
    They are independent, so the squares of their half widths add up.
    """
    value, low, high = metrics.over_seeds(gains["value"])
    below, above = (gains["value"] - gains["low"]).mean(), (gains["high"] - gains["value"]).mean()
    return value, value - np.hypot(value - low, below), value + np.hypot(high - value, above)


def in_words(gains):
    """How many of these arms gain for certain and how many lose, and which is best; `gains` is of `points`."""
    if gains.empty:
        return "not run"
    better, worse = (gains["low"] > 0).sum(), (gains["high"] < 0).sum()
    best = gains.loc[gains["value"].idxmax()]
    return f"{better} of {len(gains)} surely better, {worse} surely worse; best: {best['arm']}, {with_interval(best)}"


# --- Where our number stands: each returns a `measure` ----------------------------------------------------------------


def gain(arm, over="none", **setting):
    """Points of accuracy that `arm` gains over another arm, from recognition_differences.csv."""

    def measure(results):
        return _row(results, "recognition_differences", 100.0, arm=arm, over=over, metric="accuracy", **setting)

    return measure


def accuracy(arm, at_scale=True, **setting):
    """Accuracy of `arm` in percent. A printed accuracy can be compared on CelebA only, and unless it is a bound
    (`at_scale=False`) at profile `paper` only."""

    def measure(results):
        where = {"arm": arm, "over": "-", "metric": "accuracy"} | setting
        table = _table(results, "recognition_differences", celeba=True, **where)
        if at_scale and not (table["profile"] == "paper").any():
            raise Untestable("an accuracy at the paper's scale can only be compared at profile paper")
        return _row(results, "recognition_differences", 100.0, celeba=True, **where)

    return measure


def attribute_gain(attribute, arm, over):
    """Points of accuracy on one attribute that `arm` gains over another, from recognition_per_attribute.csv."""

    def measure(results):
        return _row(results, "recognition_per_attribute", 100.0, arm=arm, over=over, attribute=attribute)

    return measure


def share_improved(arm, over="none"):
    """Percent of the attributes whose accuracy `arm` improves, and its 95 % interval: from those that improve for
    certain, by intervals that hold for all attributes at once, to those of which it is not certain that they do not."""

    def measure(results):
        table = _of_one_run(_table(results, "recognition_per_attribute", arm=arm, over=over))
        # Rows of older runs have each attribute's own interval alone.
        low, high = (table.get(f"{bound}_all", table[bound]).fillna(table[bound]) for bound in ("low", "high"))
        better, worse = 100 * (low > 0).mean(), 100 * (high < 0).mean()
        return Measured(100 * (table["difference"] > 0).mean(), better, 100 - worse, _recipe(table.iloc[0]))

    return measure


def chosen_size(results):
    """How many times as large the training set is that validation accuracy chooses; low and high: seed by seed."""
    return _size(results, lambda rows: _times(rows, "accuracy_val"))


def best_size_on_test(results):
    """How much larger, in times the training faces, the size is that is best on the test faces."""
    return _size(results, lambda rows: _times(rows, "accuracy") - _times(rows, "accuracy_val"))


def _size(results, measure):
    rows = _of_complete_run(_table(results, "recognition"), arms.SIZES, "arm")
    of_seeds = [measure(rows[rows["seed"] == seed]) for seed in rows["seed"].unique()]
    value = measure(rows)
    return Measured(value, min(value, *of_seeds), max(value, *of_seeds), _recipe(rows.iloc[0]))


def _times(rows, by):
    best = rows[rows["arm"] == arms.best_size(rows, by)].iloc[0]
    return best["n_images"] / best["n_train"]


def label(fact):
    """A fact about labels, from labels.csv; only CelebA's whole table can be compared with a printed one."""

    def measure(results):
        return _row(results, "labels", 1.0, celeba=True, fact=fact)

    return measure


def times_as_far(system, than):
    """How many times as large as that of `than` the Fréchet distance of a system is (in a classifier's features, so
    that the order of printed FIDs can be judged, not their size), from table1.csv: the geometric mean over seeds and
    Student's interval. One seed leaves everything open."""

    def measure(results):
        table = _of_complete_run(_table(results, "table1"), {system, than})
        distance = table.pivot(index="seed", columns="system", values="frechet_classifier")
        logs = np.log(distance[system] / distance[than]).dropna()
        if logs.empty:  # no seed has both
            raise Missing
        value, low, high = np.exp(metrics.over_seeds(logs))
        if len(logs) == 1:
            low, high = 0.0, np.inf
        return Measured(value, low, high, f"{_recipe(table.iloc[-1])}, seeds {len(logs)}")

    return measure


def training_times(system, *stages):
    """How many times the operations of these stages of ours a system's training as published takes, from cost.csv."""

    def measure(results):
        table = _of_complete_run(_table(results, "cost"), {system, *stages})
        operations = table.set_index("system")["published_tflop"]
        times = operations[system] / operations[list(stages)].sum()
        return Measured(times, times, times, _recipe(table.iloc[0]))

    return measure


def unavailable(reason):
    """Nothing here can measure it."""

    def measure(results):
        raise Untestable(reason)

    return measure


def _table(results, name, celeba=False, **where):
    table = results.get(name)
    if table is None:
        raise Missing
    for column, value in where.items():
        if value is not None:
            table = table[table[column] == value]
    if not len(table):
        raise Missing
    if celeba and not (table["data"] != "toy").any():
        raise Untestable("drawn faces: a printed value of CelebA can only be compared on CelebA")
    return table[table["data"] != "toy"] if celeba else table


def _of_one_run(table):
    """Rows of one run: real faces before drawn ones, then the most training faces, then the most attributes."""
    order = pd.DataFrame({"real": table["data"] != "toy", "n": table["n_train"], "a": table.get("attributes", 0)})
    best = order.sort_values(["real", "n", "a"], kind="stable").index[-1]
    columns = _run_columns(table)
    return table[(table[columns] == table.loc[best, columns]).all(axis=1)]


def _of_complete_run(table, names, column="system"):
    """Of the rows with these `names` in a column those of one run, as `_of_one_run` chooses it among the runs that have
    all of them."""
    table = table[table[column].isin(names)]
    table = table[table.groupby(_run_columns(table))[column].transform("nunique") == len(names)]
    if not len(table):
        raise Missing
    return _of_one_run(table)


def _run_columns(table):
    return ["data", "profile", "n_train", *(["attributes"] if "attributes" in table else [])]


def _row(results, name, scale, celeba=False, **where):
    row = _of_one_run(_table(results, name, celeba, **where)).iloc[-1]
    value = "mean" if where.get("over") == "-" else "difference" if name.startswith("recognition") else "value"
    low, high = (row["low"], row["high"]) if "low" in row else (row[value], row[value])
    return Measured(scale * row[value], scale * low, scale * high, _recipe(row))


def _recipe(row):
    return ", ".join(f"{name} {row[name]}" for name in ("data", "profile", "n_train", "seeds", "commit") if name in row)


# --- Labels -----------------------------------------------------------------------------------------------------------


#: Sec. IV-B as printed, and two readings.
BALANCINGS = ("balancing", "balancing, ranks fixed", "balancing, no conflicts")


def label_facts(a, names, seed=0):
    """What the paper says about labels, measured on a table (N, A) with CelebA's names: a Series, fact -> number.

    Strategies draw from `seed`. Standard deviations are those of a sample (ddof = 1) over the attributes. Shares of
    impossible rows are those among the added label vectors.
    """
    rng = np.random.default_rng(seed)
    column = {name: i for i, name in enumerate(names)}

    def count(*wanted):
        return int(np.logical_and.reduce([a[:, column[name]] for name in wanted]).sum())

    first = count("Attractive", "No_Beard", "Young")
    second = count("Mouth_Slightly_Open", "Oval_Face", "Receding_Hairline")
    facts = {"triple 1": first, "triple 2": second, "ratio of triples": first / max(second, 1)}
    n = len(a)
    together = [np.triu(attributes.cooccurrence(a[a[:, k], :k]), 1) > 0 for k in range(len(names))]  # (i, j), i < j < k
    facts["triples"] = sum(pairs.sum() for pairs in together)
    sets = {
        "doubling": augmentation.random_doubling(a, rng),
        "balancing": augmentation.dynamic_balancing(a, n, rng)[0],
        "balancing, ranks fixed": augmentation.dynamic_balancing(a, n, rng, rerank=False)[0],
        "balancing, no conflicts": augmentation.dynamic_balancing(a, n, rng, conflicts="avoid", names=names)[0],
        "every face twice": a,
        "none": a[:0],
    }
    pairs = np.triu_indices(len(names), k=1)
    real = attributes.cooccurrence(a)
    rarest = np.argsort(real[pairs], kind="stable")[:40]
    rare, every = {}, {}
    for strategy, new in sets.items():
        both = real + attributes.cooccurrence(new)
        counts = np.diag(both)
        facts |= {f"minimum, {strategy}": counts.min(), f"maximum, {strategy}": counts.max()}
        facts[f"std, {strategy}"] = counts.std(ddof=1)
        if len(new):
            facts[f"impossible rows, {strategy}"] = attributes.impossible(new, names).mean()
        rare[strategy], every[strategy] = both[pairs][rarest].std(ddof=1), both[pairs].std(ddof=1)
    for what in ("std", "minimum", "maximum"):
        facts[f"{what} change"] = facts[f"{what}, balancing"] - facts[f"{what}, doubling"]
    facts["std of the 40 rarest pairs, doubling / balancing"] = rare["doubling"] / rare["balancing"]
    facts["std of all pairs, doubling / balancing"] = every["doubling"] / every["balancing"]
    growth = (real + attributes.cooccurrence(sets["doubling"])).diagonal() / real.diagonal().clip(1)
    facts["doubled"] = 100 * (abs(growth - 2) <= 0.2).mean()
    return pd.Series(facts, dtype=float)


def readings(facts):
    """Fig. 4 in numbers: what `label_facts` found for each strategy, a row each, with the changes from doubling."""
    rows = {}
    for strategy in ("none", "every face twice", "doubling", *BALANCINGS):
        rows[strategy] = {what: facts[f"{what}, {strategy}"] for what in ("std", "minimum", "maximum")}
        rows[strategy]["impossible rows"] = facts.get(f"impossible rows, {strategy}")
    table = pd.DataFrame(rows).T
    for what in ("minimum", "maximum"):
        change = table[what] - table.loc["doubling", what]
        table[f"{what}, change"] = change[list(BALANCINGS)]
    return table


def save_label_facts(run, faces):
    """`label_facts` of the training labels, of CelebA's whole table where the run has it, in `results/labels.csv`.

    Returns the table, or None for faces whose attributes are not CelebA's: the paper says nothing about them.
    """
    if set(faces.names) != set(attributes.CELEBA):
        return None
    a, names = faces.part("train").attributes, faces.names
    layout, sizes = None if run.source == "toy" else folders.find(run.source), {}
    if isinstance(layout, folders.CelebA):  # its labels are all there, even where images are missing
        images, values, names = tables.celeba_attributes(layout.tables[0])
        split = tables.celeba_split(layout.tables[1], images)
        a = values[split == "train"]
        sizes = {"faces for validation": (split == "val").sum(), "faces for test": (split == "test").sum()}
    facts = pd.concat([label_facts(a, names, run.seed), pd.Series(sizes, dtype=float)])
    table = facts.rename_axis("fact").reset_index(name="value").assign(**run.recipe(n_train=len(a)))
    with checkpoints.atomic(run.folder / "results" / "labels.csv") as path:
        table.to_csv(path, index=False)
    return table
