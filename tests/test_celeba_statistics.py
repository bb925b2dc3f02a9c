"""CelebA's counts, from small tables of its form."""

import numpy as np
import pandas as pd

from benchmarks import celeba_statistics
from lib.attributes import CELEBA

NAMES = ("Hat", "Tie", "Bald")
TABLE = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=bool)


def test_statistics_table():
    split = np.array(["train", "val", "train", "train"])
    table = celeba_statistics.statistics_table(TABLE, NAMES, split)
    assert table.columns.tolist() == ["split", "faces", "attribute", *NAMES]
    assert table["split"].tolist() == ["train"] * 3 + ["val"] * 3 + ["test"] * 3
    assert table["faces"].tolist() == [3] * 3 + [1] * 3 + [0] * 3
    assert table[list(NAMES)].to_numpy()[:3].tolist() == [[2, 2, 1], [2, 2, 1], [1, 1, 1]]
    assert not table[table["split"] == "test"][list(NAMES)].to_numpy().any()


def test_the_command_counts_what_lies_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(celeba_statistics, "STATISTICS", tmp_path / "counts.csv")
    rows = ["3", " ".join(CELEBA)]
    rows += [f"{i:06d}.jpg " + " ".join("1" if i in (1, column) else "-1" for column in range(40)) for i in (1, 2, 3)]
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join(rows))
    (tmp_path / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    celeba_statistics.main([str(tmp_path)])
    table = pd.read_csv(tmp_path / "counts.csv")
    counts = table[list(CELEBA)].to_numpy().reshape(3, 40, 40)
    assert counts[0].all() and counts[1].sum() == counts[1, 2, 2] == 1 and counts[2].sum() == counts[2, 3, 3] == 1
