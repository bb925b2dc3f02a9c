"""Tables that several benchmarks write: rows take the place of their own, and of no other."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from benchmarks import results
from lib import config

KEYS = ["data", "profile", "system", "seed"]


@pytest.fixture
def table():
    rows = [("toy", "laptop", "ours", 0, 1.0), ("toy", "laptop", "ours", 1, 2.0), ("faces", "laptop", "ours", 0, 3.0)]
    return pd.DataFrame(rows, columns=[*KEYS, "value"])


def test_rows_take_the_place_of_their_own(table, tmp_path):
    path = tmp_path / "table.csv"
    results.merge(path, table, KEYS)
    results.merge(path, table.iloc[:1].assign(value=9.0), KEYS)
    assert pd.read_csv(path)["value"].tolist() == [2.0, 3.0, 9.0]


def test_with_a_judge_rows_of_another_one_go(table, tmp_path):
    path = tmp_path / "table.csv"
    results.merge(path, table.assign(judge=["new", "old", "new"]), KEYS)
    results.merge(path, table.iloc[:1].assign(value=9.0, judge="new"), KEYS, "new")
    assert pd.read_csv(path)["value"].tolist() == [3.0, 9.0]


def test_what_a_table_holds(table, tmp_path):
    path = tmp_path / "table.csv"
    assert not results.holds(path, system="ours")
    results.merge(path, table, KEYS)
    assert results.holds(path, data="toy", seed=1) and not results.holds(path, data="faces", seed=1)


def test_no_row_is_lost_where_many_write_at_once(table, tmp_path):
    path = tmp_path / "table.csv"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: results.merge(path, table.iloc[:1].assign(seed=seed), KEYS), range(40)))
    assert sorted(pd.read_csv(path)["seed"]) == list(range(40))


def test_what_profile_ci_makes_is_not_published(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    run = config.Run(config.PROFILES["ci"], "toy", 0, tmp_path / "run")
    assert results.path_of(run, "one") == tmp_path / "run" / "results" / "one.csv"
    run = dataclasses.replace(run, profile=config.PROFILES["laptop"])
    assert results.path_of(run, "one") == tmp_path / "published" / "one.csv"
