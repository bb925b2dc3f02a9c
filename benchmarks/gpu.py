"""Minutes on a borrowed GPU, in the order of what they are worth. One command, which may be cut off at any time:

    python -m benchmarks.gpu --data FOLDER --out OUT --minutes 10

Every step is a command of the course, which takes up what is finished; after each, and twice a minute, tables and
weights are packed into OUT/results.tar.gz. Unpacked over a checkout, that is what there is to publish. FOLDER holds
real faces of CelebA at 64x64 pixels. It needs torch, torchvision, accelerate, safetensors, scikit-learn, pandas,
filelock and tqdm, and no installation: it is started in the checkout. `--profile ci` rehearses it on a CPU.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from lib import checkpoints, config

PUBLISHED = "data/results", "data/pretrained"
PACK_EVERY = 30  # seconds
REFERENCE_ARMS = (
    "none", "flip 2x", "doubling", "balancing", "doubling, no perceptual loss", "balancing, no perceptual loss",
    "more real faces",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A command after `python`; {data} stands for the folder of faces. At profile `ci` in a rehearsal."""

    name: str
    command: tuple[str, ...]
    rehearsal: tuple[str, ...]


CI = ("--profile", "ci")
STEPS = [
    Step("toy64", ("-m", "lib.pretrained", "toy64"), ("-m", "lib.pretrained", "rehearsal", *CI)),
    Step(
        "toy64 obeys",
        ("-m", "benchmarks.obedience", "toy", "--weights", "toy64"),
        ("-m", "benchmarks.obedience", "toy", *CI),
    ),
    Step(
        "celeba64",
        ("-m", "lib.pretrained", "celeba64", "--data", "{data}"),
        ("-m", "lib.pretrained", "rehearsal", *CI, "--data", "{data}"),
    ),
    Step(
        "celeba64 obeys",
        ("-m", "benchmarks.obedience", "{data}", "--weights", "celeba64"),
        ("-m", "benchmarks.obedience", "{data}", *CI),
    ),
    Step(
        "reference run",
        ("-m", "lib.study.recognition", "--profile", "reference", "--data", "{data}", "--arms", *REFERENCE_ARMS),
        ("-m", "lib.study.recognition", *CI, "--data", "{data}", "--arms", *REFERENCE_ARMS[:2]),
    ),
    Step(
        "bottleneck",
        ("-m", "benchmarks.reconstructions", "--seeds", "0", "1", "2"),
        ("-m", "benchmarks.reconstructions", *CI),
    ),
    Step("speed", ("-m", "benchmarks.bench", "--profile", "paper", "--publish"), ("-m", "benchmarks.bench", *CI)),
    Step("Table 1", ("-m", "benchmarks.table1", "--data", "{data}"), ("-m", "benchmarks.table1", *CI)),
]


def pack(out, runs):
    """Tables and weights of the checkout, and tables of the runs, as OUT/results.tar.gz, wholly or not at all."""
    with checkpoints.atomic(out / "results.tar.gz") as path, tarfile.open(path, "w:gz") as archive:
        for name in PUBLISHED:
            archive.add(config.ROOT / name, name)
        for table in sorted(runs.rglob("results/*.csv")):
            archive.add(table, Path("runs", table.relative_to(runs)))


def carry_out(command, until, out, runs):
    """Run a command to its end, or until `until` (time.monotonic), packing meanwhile. Returns whether it succeeded."""
    with subprocess.Popen([sys.executable, *command], cwd=config.ROOT) as process:
        while process.poll() is None:
            try:
                process.wait(min(PACK_EVERY, max(0.1, until - time.monotonic())))
            except subprocess.TimeoutExpired:
                pack(out, runs)
            if time.monotonic() >= until and process.poll() is None:
                process.terminate()
        return process.returncode == 0


def main(arguments=None):
    """Carry out the steps; the exit code is the number of those that did not end well."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of real faces, 64x64 pixels")
    parser.add_argument("--out", type=Path, required=True, help="folder that the results are packed into")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--profile", choices=["ci"], help="a rehearsal, on a CPU")
    parser.add_argument("--steps", nargs="+", metavar="STEP", default=[s.name for s in STEPS], help="default: all")
    options = parser.parse_args(arguments)
    steps = {step.name: step for step in STEPS}
    if unknown := set(options.steps) - set(steps):
        parser.error(f"no step is called {min(unknown)!r}; choose from: {', '.join(steps)}")
    runs = Path(os.environ.setdefault("COURSE_RUNS", str(config.ROOT / "runs")))
    options.out.mkdir(parents=True, exist_ok=True)
    until, failed = time.monotonic() + 60 * options.minutes, 0
    for name in options.steps:
        started = time.monotonic()
        if started >= until:
            print(f"left out   {name}: the time is up; the same command goes on", flush=True)
            failed += 1
            continue
        command = steps[name].rehearsal if options.profile else steps[name].command
        good = carry_out([word.format(data=options.data) for word in command], until, options.out, runs)
        pack(options.out, runs)
        failed += not good
        print(f"{'finished' if good else 'stopped '}   {name}, {time.monotonic() - started:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
