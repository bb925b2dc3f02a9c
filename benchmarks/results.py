"""Tables in data/results/, into which several processes may put their rows at once."""

import pandas as pd
from filelock import FileLock

from lib import checkpoints, config

PUBLISHED = config.ROOT / "data" / "results"


def path_of(run, name):
    """The CSV file of a table: in data/results/, or of profile ci, whose numbers mean nothing, in the run's folder."""
    folder = run.folder / "results" if run.profile.name == "ci" else PUBLISHED
    checkpoints.writable(folder)
    return folder / f"{name}.csv"


def holds(path, **values):
    """Whether the table at `path` has a row with these values."""
    return path.exists() and bool((pd.read_csv(path)[list(values)] == pd.Series(values)).all(axis=1).any())


def merge(path, new, keys, judge=None):
    """Put the rows of `new` into the table at `path`, in place of those with the same `keys`; with `judge`, of all by
    another one, too."""
    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            old = pd.read_csv(path)
            gone = pd.MultiIndex.from_frame(old[keys]).isin(pd.MultiIndex.from_frame(new[keys]))
            if judge is not None:
                gone |= old["judge"] != judge
            new = pd.concat([old[~gone], new], ignore_index=True)
        with checkpoints.atomic(path) as temporary:
            new.to_csv(temporary, index=False, float_format="%.5g")


def keep(table, run, row):
    """Put a row into a table of the run's results and, but for what profile ci makes, of data/results/, in place of the
    one of the same data, profile, system and seed."""
    own = run.folder / "results" / f"{table}.csv"
    checkpoints.writable(own.parent)
    for path in {own, path_of(run, table)}:
        merge(path, pd.DataFrame([row]), ["data", "profile", "system", "seed"])
    shown = {key: row[key] for key in ("balanced_accuracy", "kept", "images_per_second") if key in row}
    print(table, row["system"], f"seed {row['seed']}", *(f"{key} {value:.3f}" for key, value in shown.items()))
