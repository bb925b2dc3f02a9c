"""The list of wrong lines fits the code as it stands, and what runs them tells red from green."""

import ast

import pandas as pd
import pytest

from benchmarks import mutants
from lib import config

LISTED = mutants.listed()


def test_every_fragment_stands_once_and_what_replaces_it_is_other_code():
    assert len(LISTED) >= 80 and len({(m.file, m.name) for m in LISTED}) == len(LISTED)
    for mutant in LISTED:
        text = (config.ROOT / "lib" / mutant.file).read_text(encoding="utf-8")
        assert text.count(mutant.original) == 1, f"{mutant.file}: {mutant.original}"
        wrong = text.replace(mutant.original, mutant.wrong)
        assert ast.dump(ast.parse(wrong)) != ast.dump(ast.parse(text)), f"{mutant.file}: {mutant.name}"


def test_wrong_lines_are_in_every_room_that_computes_and_every_test_named_exists():
    rooms = {mutant.file.rpartition("/")[0] for mutant in LISTED}
    assert rooms >= {"", "baselines", "study", "toyfaces", "explorer", "players"}
    for name in {test for mutant in LISTED for test in mutant.tests}:
        file, _, test = name.partition("::")
        assert f"def {test.partition('[')[0]}" in (config.ROOT / "tests" / file).read_text(encoding="utf-8"), name


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small repository in place of ours: one file, one test, two wrong lines of which one is harmless."""
    for name, text in {
        "lib/__init__.py": "",
        "lib/half.py": "def half(x):\n    y = x / 2\n    return y\n",
        "tests/test_half.py": "from lib.half import half\n\n\ndef test_half():\n    assert half(4) == 2\n",
        "list.toml": '[[room]]\nfile = "half.py"\ntests = ["test_half.py"]\n'
        'mutants = [["x / 2", "x * 2"], ["return y", "return +y", "the same number"]]\n',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(config, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "LIST", tmp_path / "list.toml")
    monkeypatch.setattr(mutants, "RESULTS", tmp_path / "mutants.csv")
    monkeypatch.setattr(mutants, "TREE", ("lib", "tests"))
    monkeypatch.setattr(mutants, "PRELOADED", ("pytest",))
    return tmp_path


def test_a_wrong_line_turns_its_test_red_and_a_harmless_one_is_a_survivor_with_its_reason(tree, capsys, monkeypatch):
    mutants.main([])
    table = pd.read_csv(mutants.RESULTS, keep_default_na=False)
    assert table["mutant"].tolist() == ["x / 2 -> x * 2", "return y -> return +y"]
    assert table["noticed"].tolist() == ["yes", "no"]
    assert table["test"].tolist() == ["test_half.py::test_half", ""]
    assert "1 of 2 noticed\nsurvived  half.py: return y -> return +y  (the same number)" in capsys.readouterr().out

    monkeypatch.setattr(mutants, "failing", lambda root, tests: pytest.fail("run again"))
    mutants.main([])  # everything is known
    (tree / "tests" / "test_half.py").write_text("def test_half():\n    assert True\n")
    with pytest.raises(pytest.fail.Exception, match="run again"):
        mutants.main([])  # by other tests
    monkeypatch.setattr(mutants, "failing", lambda root, tests: "")
    mutants.main(["x / 2"])
    table = pd.read_csv(mutants.RESULTS, keep_default_na=False)
    assert table["noticed"].tolist() == ["no", "no"] and table["digest"].nunique() == 2  # the other row is kept


def test_what_is_red_anyway_has_noticed_nothing(tree, monkeypatch):
    monkeypatch.setattr(mutants, "failing", lambda root, tests: "test_half.py::test_half")
    with pytest.raises(SystemExit, match="test_half.py::test_half fails without any change"):
        mutants.main([])


def test_tests_whose_process_is_killed_have_noticed_nothing(tree):
    (tree / "tests" / "test_half.py").write_text("import os\n\nos._exit(3)\n")
    with pytest.raises(RuntimeError, match="test_half.py ended with 3 before an answer"):
        mutants.failing(tree, ("test_half.py",))


def test_a_fragment_that_is_gone_is_told(tree):
    (tree / "lib" / "half.py").write_text("def half(x):\n    return 0.5 * x\n")
    with pytest.raises(ValueError, match="'x / 2' stands there 0 times, not once"):
        mutants.main([])


def test_the_published_run_covers_the_list_and_nearly_every_line_was_noticed():
    table = pd.read_csv(mutants.RESULTS, keep_default_na=False)
    assert set(zip(table["file"], table["mutant"], strict=True)) == {(mutant.file, mutant.name) for mutant in LISTED}
    assert (table["noticed"] == "yes").mean() >= 0.95
    assert (table.loc[table["noticed"] == "no", "reason"] != "").all()
