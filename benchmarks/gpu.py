"""Minutes on a borrowed GPU: lanes side by side, in each the steps in the order of what they are worth.

    python -m benchmarks.gpu --data FOLDER --out OUT --minutes 9

One small network leaves a large GPU waiting for its host; several at once do not. May be cut off at any time: every
step is a command of the course, which takes up what is finished, and twice a minute tables and weights are packed into
OUT/results.tar.gz. Unpacked over a checkout, that is what there is to publish. FOLDER holds real faces of CelebA at
64x64 pixels. It needs torch, torchvision, accelerate, safetensors, scikit-learn, pandas, filelock and tqdm, and no
installation: it is started in the checkout. `--profile ci` rehearses it on a CPU. Where NVIDIA's driver has its
multi-process service, start that first (`nvidia-cuda-mps-control -d`): kernels of several lanes then run at once.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from benchmarks import own_game
from lib import checkpoints, config
from lib.baselines import systems
from lib.study import comparison

PUBLISHED = "data/results", "data/pretrained"
PACKED = "results/*.csv", "logs/*.log"  # of the runs
PACK_EVERY = 30  # seconds
FREE = ("none", "flip 2x", "more real faces")  # arms that need no generator
OURS = ("doubling", "balancing")
WITHOUT = ("none", *(f"{arm}, no perceptual loss" for arm in OURS))
CI = ("--profile", "ci")


@dataclass(frozen=True)
class Step:
    """A command after `python`; {data} stands for the folder of faces. At profile `ci` in a rehearsal."""

    name: str
    command: tuple[str, ...]
    rehearsal: tuple[str, ...]


def recognition(name, *arms):
    """A step: the reference run of some arms."""
    command = ("-m", "lib.study.recognition", "--data", "{data}", "--peak", "--profile")
    return Step(name, (*command, "reference", "--arms", *arms), (*command, "ci", "--arms", *arms[:2]))


def at_its_own_game(system):
    """A compared system at its own game, on real faces."""
    command = ("-m", "benchmarks.own_game", "{data}", "--systems", system)
    return Step(system, (*command, "--profile", "reference"), (*command, *CI))


def table1(name, *systems):
    """Some generators of Table 1 on real faces, all trained with as many operations as ours."""
    command = ("-m", "benchmarks.table1", "--data", "{data}", "--seeds", "0", "--systems", *systems, "--profile")
    return Step(f"table 1, {name}", (*command, "reference"), (*command, "ci"))


REFERENCE = recognition("reference run", *FREE, *OURS, *WITHOUT[1:])
#: What goes on at once; within a lane one step follows the other.
LANES = {
    "celeba64": [
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
    ],
    "reference": [
        Step(
            "reference stages",
            ("-m", "lib.stages", "--profile", "reference", "--data", "{data}"),
            ("-m", "lib.stages", *CI, "--data", "{data}"),
        ),
        REFERENCE,
    ],
    "reference, first help": [recognition("real faces", *FREE), REFERENCE],
    "reference, second help": [
        recognition("real faces", *FREE),
        recognition("without perceptual loss", *WITHOUT),
        REFERENCE,
    ],
    "ours": [
        table1("ours", comparison.OURS, comparison.EDITING, comparison.NO_PERCEPTUAL),
        Step(
            "reference obeys",
            ("-m", "benchmarks.obedience", "{data}", "--profile", "reference"),
            ("-m", "benchmarks.obedience", "{data}", *CI),
        ),
    ],
    **{f"table 1, {system}": [table1(system, system)] for system in systems.SYSTEMS},
    **{system: [at_its_own_game(system)] for system in own_game.LONG["reference"]},
}
#: The lane that is timed: to be asked for by itself, on a machine that does nothing else.
TIMED = "cost"
LANES[TIMED] = [
    Step(
        "cost",
        ("-m", "benchmarks.table1", "--profile", "reference", "--data", "{data}", "--seeds"),
        ("-m", "benchmarks.table1", *CI, "--data", "{data}", "--seeds"),
    )
]


def pack(out, runs):
    """Tables and weights of the checkout, tables and logs of the runs, as OUT/results.tar.gz, wholly or not at all."""
    published = [path for name in PUBLISHED for path in (config.ROOT / name).rglob("*")]
    left = [path for pattern in PACKED for path in runs.rglob(pattern)]
    with checkpoints.atomic(out / "results.tar.gz") as target, tarfile.open(target, "w:gz") as archive:
        for root, prefix, files in ((config.ROOT, "", published), (runs, "runs", left)):
            for path in sorted(files):
                # Lanes write meanwhile, under a hidden name until a file is whole.
                if path.is_file() and not path.name.startswith("."):
                    archive.add(path, Path(prefix, path.relative_to(root)))


def carry_out(command, until, log):
    """Run a command to its end, or until `until` (time.monotonic); what it says goes to `log`. Returns whether it
    succeeded."""
    with open(log, "a", encoding="utf-8") as said:
        process = subprocess.Popen([sys.executable, *command], cwd=config.ROOT, stdout=said, stderr=subprocess.STDOUT)
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
    return process.returncode == 0


def follow(lane, log, until, data, rehearsal):
    """The steps of a lane, one after the other. Returns how many did not end well."""
    failed = 0
    for step in LANES[lane]:
        started = time.monotonic()
        if started >= until:
            print(f"left out   {lane}: {step.name}; the time is up, the same command goes on", flush=True)
            failed += 1
            continue
        command = step.rehearsal if rehearsal else step.command
        good = carry_out([word.format(data=data) for word in command], until, log)
        failed += not good
        seconds = time.monotonic() - started
        end = "finished" if good else "stopped "
        print(f"{end}   {lane}: {step.name}, {seconds:.0f} s{'' if good else f', see {log}'}", flush=True)
    return failed


def main(arguments=None):
    """Carry out the lanes; the exit code is the number of steps that did not end well."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of real faces, 64x64 pixels")
    parser.add_argument("--out", type=Path, required=True, help="folder that the results are packed into")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--profile", choices=["ci"], help="a rehearsal, on a CPU")
    parser.add_argument("--lanes", nargs="+", metavar="LANE", help=f"default: all but {TIMED}, which is timed")
    options = parser.parse_args(arguments)
    options.lanes = options.lanes or [lane for lane in LANES if lane != TIMED]
    if unknown := set(options.lanes) - set(LANES):
        parser.error(f"no lane is called {min(unknown)!r}; choose from: {', '.join(LANES)}")
    runs = Path(os.environ.setdefault("COURSE_RUNS", str(config.ROOT / "runs")))
    logs = runs / "logs"
    for folder in (options.out, logs):
        folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * options.minutes
    with ThreadPoolExecutor(len(options.lanes)) as pool:
        lanes = [
            pool.submit(follow, lane, logs / f"{lane}.log", until, options.data, options.profile)
            for lane in options.lanes
        ]
        while wait(lanes, PACK_EVERY).not_done:
            pack(options.out, runs)
    pack(options.out, runs)
    return sum(lane.result() for lane in lanes)


if __name__ == "__main__":
    sys.exit(main())
