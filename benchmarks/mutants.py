"""Would the tests notice a wrong line? `python -m benchmarks.mutants [PATTERN ...]` puts many, one at a time.

Each line of `mutants.toml` is a fragment that stands once in a file of lib/, what replaces it, and which test files
should turn red. They run in a copy of the tree that holds this one change; the first failing test is written down in
data/results/mutants.csv. What is there already and was found with the same code and the same tests is not run again,
so a stopped run goes on. PATTERNs choose by file, fragment or replacement. At the end all failing tests must pass
without any change: a test that is always red notices nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from lib import checkpoints, config

LIST = config.ROOT / "benchmarks" / "mutants.toml"
RESULTS = config.ROOT / "data" / "results" / "mutants.csv"
TREE = ("lib", "tests", "benchmarks", "notebooks", "data", "conftest.py", "course.py", "pyproject.toml", "README.md")
LONGEST = 600  # seconds; a change that keeps the tests from ending is noticed, too


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
        return f"{self.original} -> {self.wrong}"

    def digest(self, root=config.ROOT):
        """Eight digits for the code and the tests that decide whether it is noticed."""
        paths = [root / "lib" / self.file, *(root / "tests" / test for test in self.tests)]
        return config.digest([path.read_text(encoding="utf-8") for path in paths], self.name)

    def apply(self, root):
        """Write the wrong line into the tree `root`. Raises ValueError unless the original stands there once."""
        path = root / "lib" / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.original) != 1:
            raise ValueError(f"{path}: {self.original!r} stands there {text.count(self.original)} times, not once")
        path.write_text(text.replace(self.original, self.wrong), encoding="utf-8")


def listed(path=LIST):
    """All mutants of the list."""
    rooms = tomllib.loads(path.read_text(encoding="utf-8"))["room"]
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


def failing(root, tests):
    """The first of the `tests` that fails in the tree `root`; "" if all pass, "no end" if they do not come to one."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
    # No compiled code: a changed file of the same size and second would pass for the one before it.
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *(f"tests/{test}" for test in tests)],
            cwd=root, env=environment, capture_output=True, text=True, timeout=LONGEST,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "no end"
    if done.returncode == 0:
        return ""
    found = [line.split(" - ")[0].split(maxsplit=1) for line in done.stdout.splitlines()]
    found = [words[1] for words in found if words and words[0] in ("FAILED", "ERROR")]
    if not found:
        raise RuntimeError(f"pytest ended with {done.returncode} and names no test: {done.stdout}{done.stderr}")
    return found[0].removeprefix("tests/")


def known(mutants):
    """Rows of the table that still hold for `mutants`, in their order."""
    if not RESULTS.exists():
        return []
    rows = pd.read_csv(RESULTS, dtype=str, keep_default_na=False).to_dict("records")
    rows = {(row["file"], row["mutant"], row["digest"]): row for row in rows}
    return [rows[key] for m in mutants if (key := (m.file, m.name, m.digest())) in rows]


def keep(rows):
    """Write the table."""
    with checkpoints.atomic(RESULTS) as path:
        pd.DataFrame(rows).to_csv(path, index=False)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="only mutants that contain one of these")
    patterns = parser.parse_args(arguments).patterns
    mutants, commit = listed(), config.commit()
    rows = known(mutants)
    done = {(row["file"], row["mutant"]) for row in rows}
    todo = [m for m in mutants if (m.file, m.name) not in done]
    todo = [m for m in todo if not patterns or any(pattern in f"{m.file}: {m.name}" for pattern in patterns)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder)
        copy_tree(root)
        new = []
        for mutant in tqdm(todo, desc="mutants", unit="mutant"):
            whole = (root / "lib" / mutant.file).read_bytes()
            mutant.apply(root)
            test = failing(root, mutant.tests)
            (root / "lib" / mutant.file).write_bytes(whole)
            noticed = "no" if test == "" else "yes"
            new.append({
                "file": mutant.file, "mutant": mutant.name, "noticed": noticed, "test": test,
                "reason": mutant.reason, "commit": commit, "digest": mutant.digest(),
            })  # fmt: skip
            keep(rows + new)
            if noticed == "no":
                tqdm.write(f"survived  {mutant.file}: {mutant.name}")
        always = failing(root, sorted({row["test"] for row in new} - {"", "no end"})) if new else ""
    if always:
        raise SystemExit(f"{always} fails without any change; what it noticed is worth nothing")
    table = pd.DataFrame(rows + new)
    survivors = table[table["noticed"] == "no"]
    print(f"{len(table) - len(survivors)} of {len(table)} noticed")
    for row in survivors.itertuples():
        print(f"survived  {row.file}: {row.mutant}  ({row.reason or 'no reason known'})")


if __name__ == "__main__":
    main()
