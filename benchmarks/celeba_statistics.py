"""Counts CelebA's attribute table. Writes data/celeba_statistics.csv.

    python -m benchmarks.celeba_statistics FOLDER

FOLDER holds list_attr_celeba.txt and list_eval_partition.txt as CelebA's authors ship them; no image is looked at.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from lib import checkpoints, tables
from lib.attributes import SPLITS, STATISTICS, cooccurrence


def statistics_table(a, names, split):
    """Counts and co-occurrence per split: one row per split and attribute, a column per attribute.

    `split` is an array of "train", "val", "test", shape (N,). Column `faces` is the size of the split.
    """
    parts = []
    for name in SPLITS:
        part = np.asarray(a)[np.asarray(split) == name]
        table = pd.DataFrame(cooccurrence(part), columns=list(names))
        table.insert(0, "split", name)
        table.insert(1, "faces", len(part))
        table.insert(2, "attribute", list(names))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    images, values, names = tables.celeba_attributes(folder / "list_attr_celeba.txt")
    split = tables.celeba_split(folder / "list_eval_partition.txt", images)
    with checkpoints.atomic(STATISTICS) as path:
        statistics_table(values, names, split).to_csv(path, index=False)


if __name__ == "__main__":
    main()
