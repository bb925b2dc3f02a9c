"""Would the tests notice a wrong line? `python -m benchmarks.mutants [PATTERN ...]` puts many, one at a time.

Each line of `mutants.toml` is a fragment that stands once in a file of lib/, what replaces it, and which tests
should turn red. They run in a copy of the tree that holds this one change; the first failing test is written down in
data/results/mutants.csv. What is there already and was found with the same code and the same tests is not run again,
so a stopped run goes on. PATTERNs choose by file, fragment or replacement. At the end all failing tests must pass
without any change: a test that is always red notices nothing.
"""

import argparse
import contextlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from tqdm.auto import tqdm

from lib import checkpoints, config

LIST = config.ROOT / "benchmarks" / "mutants.toml"
RESULTS = config.ROOT / "data" / "results" / "mutants.csv"
TREE = ("lib", "tests", "benchmarks", "notebooks", "data", "conftest.py", "course.py", "pyproject.toml", "README.md")
LONGEST = 900  # seconds; a change that keeps the tests from ending is noticed, too
NO_END = "no end"
#: Imported once, with all that they import in turn: it takes longer than most tests.
PRELOADED = ("pytest", "lib.pretrained", "lib.study.claims", "lib.widgets", "lib.plots", "torch._dynamo")


@dataclass(frozen=True)
class Mutant:
    """One wrong line: `original` in `file` (below lib/) becomes `wrong`; `tests` (below tests/) should notice.

    `reason` says why none does, where that is known.
    """

    file: str
    original: str
    wrong: str
    tests: tuple[str, ...]
    reason: str = ""

    @property
    def name(self):
        """The change in one line, as it stands in the table."""
        return " ".join(f"{self.original} -> {self.wrong}".split())

    def digest(self, root):
        """Eight digits for the code and the tests that decide whether it is noticed."""
        paths = [root / "lib" / self.file, *(root / "tests" / test.partition("::")[0] for test in self.tests)]
        return config.digest([path.read_text(encoding="utf-8") for path in paths], self.name)

    def apply(self, root):
        """Write the wrong line into the tree `root`. Raises ValueError unless the original stands there once."""
        path = root / "lib" / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.original) != 1:
            raise ValueError(f"{path}: {self.original!r} stands there {text.count(self.original)} times, not once")
        path.write_text(text.replace(self.original, self.wrong), encoding="utf-8")


def listed():
    """All mutants of the list."""
    rooms = tomllib.loads(LIST.read_text(encoding="utf-8"))["room"]
    return [
        Mutant(room["file"], original, wrong, tuple(room["tests"]), *reason)
        for room in rooms
        for original, wrong, *reason in room["mutants"]
    ]


def copy_tree(root):
    """Copy what tests need into the empty folder `root`."""
    for name in TREE:
        source = config.ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
        else:
            shutil.copy(source, root / name)


class Watcher:
    """A pytest plugin that remembers the first test, or file, that failed."""

    failed = ""

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed = self.failed or report.nodeid

    pytest_collectreport = pytest_runtest_logreport


def run_tests(root, tests, answer):
    """Run `tests` in the tree `root` and send what failed first through the pipe `answer`. In a process of its own."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lib", "benchmarks")]:
        del sys.modules[name]  # those of this tree, which came with this module
    os.chdir(root)
    sys.path.insert(0, str(root))
    os.environ |= {"PYTHONPATH": str(root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    sys.dont_write_bytecode = True  # a changed file of the same size and second would pass for the one before it
    watcher = Watcher()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        code = pytest.main(
            ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-o", "addopts=", *tests], plugins=[watcher]
        )
    answer.send((int(code), watcher.failed))


def failing(root, tests):
    """The first of the `tests` that fails in the tree `root`; "" if all pass, `NO_END` if they do not come to one."""
    server = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if server else "spawn")
    if server:
        context.set_forkserver_preload(list(PRELOADED))
    answer, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run_tests, args=(root, [f"tests/{test}" for test in tests], theirs))
    process.start()
    theirs.close()
    if not answer.poll(LONGEST):
        process.kill()
        process.join()
        return NO_END
    try:
        code, failed = answer.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"the process of {', '.join(tests)} ended with {process.exitcode} before an answer, as when somebody or a "
            "full memory kills it; run again, what was found is kept"
        ) from None
    process.join()
    if code and not failed:
        raise RuntimeError(f"pytest ended with {code} and names no test of {', '.join(tests)}")
    return failed.removeprefix("tests/")


def known(mutants):
    """Rows of the table for `mutants` by file and name, in their order, those of earlier code and tests, too."""
    if not RESULTS.exists():
        return {}
    rows = pd.read_csv(RESULTS, dtype=str, keep_default_na=False).to_dict("records")
    rows = {(row["file"], row["mutant"]): row for row in rows}
    return {key: rows[key] for m in mutants if (key := (m.file, m.name)) in rows}


def keep(rows):
    """Write the table."""
    with checkpoints.atomic(RESULTS) as path:
        pd.DataFrame(rows).to_csv(path, index=False)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="only mutants that contain one of these")
    patterns = parser.parse_args(arguments).patterns
    mutants, commit = listed(), config.commit()
    rows, red = known(mutants), set()
    todo = [m for m in mutants if rows.get((m.file, m.name), {}).get("digest") != m.digest(config.ROOT)]
    todo = [m for m in todo if not patterns or any(pattern in f"{m.file}: {m.name}" for pattern in patterns)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder)
        copy_tree(root)
        for mutant in tqdm(todo, desc="mutants", unit="mutant"):
            whole = (root / "lib" / mutant.file).read_bytes()
            mutant.apply(root)
            test = failing(root, mutant.tests)
            (root / "lib" / mutant.file).write_bytes(whole)
            noticed = "no" if test == "" else "yes"
            rows[mutant.file, mutant.name] = {
                "file": mutant.file, "mutant": mutant.name, "noticed": noticed, "test": test,
                "reason": mutant.reason, "commit": commit, "digest": mutant.digest(root),
            }  # fmt: skip
            keep(rows.values())
            red |= {test} - {"", NO_END}
            if noticed == "no":
                tqdm.write(f"survived  {mutant.file}: {mutant.name}")
        always = failing(root, sorted(red)) if red else ""  # pytest takes no test for all tests
    if always:
        raise SystemExit(f"{always} fails without any change; what it noticed is worth nothing")
    table = pd.DataFrame(rows.values())
    survivors = table[table["noticed"] == "no"]
    print(f"{len(table) - len(survivors)} of {len(table)} noticed")
    for row in survivors.itertuples():
        print(f"survived  {row.file}: {row.mutant}  ({row.reason or 'no reason known'})")


if __name__ == "__main__":
    main()
