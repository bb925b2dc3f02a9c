"""How fast each stage is, beside what the machine can do and beside a textbook step: `python3 course.py bench`.

Prints a table and writes `results/bench.csv` into the run's folder, a row for each stage and number of threads:

batch, gflop_per_image                images in a batch (generation: in a call), and floating-point operations per
                                      image, counted as they run
images_per_second, ..._low, ..._high  median over the repetitions, and its quartiles
gflop_per_second                      at the median
of_matmul, of_convolution             share of the rate of a large matrix product, and of a 3x3 convolution of 64
                                      filters on 32x32 maps, channels last, with its backward pass
of_own_operations                     share of the rate of the stage's own convolutions and products run on their own:
                                      1 would be a step in which nothing else takes time
peak_memory_mb                        GPU: the most that tensors took; CPU: growth of the process (not on Windows)
cost_2x, cost_4x                      seconds for two and four times the images, set-up included, in seconds for once
reference_images_per_second, reference_gflop_per_image
                                      the textbook step of `benchmarks/reference.py`
speedup, ..._low, ..._high            reference seconds over ours: median over the repetitions, and quartiles

A repetition runs ours, the reference and the three rates one after the other, so that what disturbs the machine
disturbs all alike; with one thread on a CPU the clock is the process's own and other programs' time does not count.
Pixels and labels are noise: speed does not depend on them.
"""

import argparse
import multiprocessing
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import flop_registry
from tqdm.auto import tqdm

from benchmarks import reference
from lib import augmentation, checkpoints, config, models, stages, training
from lib.attributes import CELEBA
from lib.baselines.cost import FlopCounter
from lib.study import recogniser

REPETITIONS = 15
TURNS = 4  # taken for "once the images"
PUBLISHED = config.ROOT / "data" / "results" / "bench.csv"
STEPS = 4  # of the recogniser in one turn: one call, which sets up before its first step
LABELS = 256  # for which faces are generated in one call
BATCH = 16  # of the textbook's generation, as in training
KEY = ["machine", "profile", "threads", "stage"]  # one row each is published
SHOWN = [
    "stage", "threads", "images_per_second", "gflop_per_image", "gflop_per_second", "of_matmul", "of_convolution",
    "of_own_operations", "peak_memory_mb", "cost_2x", "cost_4x", "speedup", "speedup_low", "speedup_high",
]  # fmt: skip

# --- The stages: (images in a batch, images in a turn, ours, theirs). Ours and theirs are generators over images and
# labels that take a turn at every `next`; ours ends with the images, theirs never.


def autoencoder(profile, accelerator):
    settings = replace(profile.autoencoder, epochs=1)
    _, guide = guides(profile, accelerator.device)

    def ours(images, a):
        state = training.autoencoder_state(settings, accelerator.device)
        return training.train_autoencoder(accelerator, state, images, settings, models.first_features(guide))

    def theirs(images, a):
        modules = reference.plain(training.autoencoder_state(settings, accelerator.device).modules)
        features = models.first_features(reference.plain(guide))
        optimizers = reference.optimizers(modules, settings.learning_rate)
        k = torch.zeros((), device=accelerator.device)
        for x, _ in reference.batches(images, a, settings.batch_size, accelerator.device):
            k = reference.autoencoder_step(modules, optimizers, k, x, settings, features)
            yield

    return settings.batch_size, settings.batch_size, ours, theirs


def classifier(profile, accelerator):
    settings = replace(profile.classifier, attributes=CELEBA, epochs=1)

    def ours(images, a):
        state = training.classifier_state(settings, accelerator.device)
        return training.train_classifier(accelerator, state, images, a, settings)

    def theirs(images, a):
        modules = reference.plain(training.classifier_state(settings, accelerator.device).modules)
        optimizers = reference.optimizers(modules, settings.learning_rate)
        for x, labels in reference.batches(images, a, settings.batch_size, accelerator.device):
            reference.classifier_step(modules, optimizers, x, labels, settings.noise, settings.nudge)
            yield

    return settings.batch_size, settings.batch_size, ours, theirs


def guides(profile, device):
    """Untrained autoencoder and classifier, frozen."""
    size = profile.data.size
    autoencoder = models.Autoencoder(size, profile.autoencoder.filters, profile.autoencoder.embedding)
    judge = models.AttributeClassifier(size, profile.classifier.filters, len(CELEBA))
    return [models.placed(models.frozen(module), device) for module in (autoencoder, judge)]


def mapping(profile, accelerator):
    settings = replace(profile.mapping, attributes=CELEBA, epochs=1)

    def ours(images, a):
        autoencoder, judge = guides(profile, accelerator.device)
        z = stages.embed(autoencoder.encoder, images)
        state = training.mapping_state(settings, accelerator.device)
        return training.train_mapping(accelerator, state, images, a, z, autoencoder.decoder, judge, settings)

    def theirs(images, a):
        autoencoder, judge = map(reference.plain, guides(profile, accelerator.device))
        modules = reference.plain(training.mapping_state(settings, accelerator.device).modules)
        optimizers = reference.optimizers(modules, settings.learning_rate)
        for x, labels in reference.batches(images, a, settings.batch_size, accelerator.device):
            reference.mapping_step(
                modules, optimizers, x, labels, autoencoder.encoder, autoencoder.decoder, judge, settings
            )
            yield

    return settings.batch_size, settings.batch_size, ours, theirs


def recognition(profile, accelerator):
    settings = profile.recognition

    def network():
        return models.AttributeClassifier(profile.data.size, settings.filters, len(CELEBA))

    def ours(images, a):
        model, images, a = network(), images.cpu().numpy(), a.cpu().numpy()
        for _ in range(len(images) // (STEPS * settings.batch_size)):
            yield recogniser.train(model, images, a, settings, STEPS, seed=0)

    def theirs(images, a):
        modules = {"model": network().to(accelerator.device)}
        modules["model"] = reference.plain(modules["model"])
        optimizers = reference.optimizers(modules, settings.learning_rate)
        pictures = reference.batches(images, a, settings.batch_size, accelerator.device)
        while True:
            for _ in range(STEPS):
                reference.classifier_step(modules, optimizers, *next(pictures))
            yield

    return settings.batch_size, STEPS * settings.batch_size, ours, theirs


def generation(profile, accelerator):
    def new_networks():
        autoencoder, _ = guides(profile, accelerator.device)
        phi = models.MappingFunction(len(CELEBA), profile.autoencoder.embedding).to(accelerator.device)
        return models.frozen(phi), autoencoder.decoder

    def ours(_, a):
        networks = new_networks()
        for labels in a.split(LABELS):
            yield augmentation.generate(*networks, labels.cpu(), device=accelerator.device)

    def theirs(_, a):
        networks = list(map(reference.plain, new_networks()))
        while True:
            for labels in a.split(LABELS):
                yield reference.generate(*networks, labels.float().cpu(), BATCH)

    return LABELS, LABELS, ours, theirs


STAGES = {stage.__name__: stage for stage in (autoencoder, classifier, mapping, recognition, generation)}

# --- Measuring -------------------------------------------------------------------------------------------------------


def noise(n, size, device):
    """Images uint8 (n, 3, S, S) and labels bool (n, 40) on the device."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=generator)
    return images.to(device), (torch.rand(n, len(CELEBA), generator=generator) < 0.5).to(device)


def seconds(call):
    """How long `call()` takes: time of the process with one thread on a CPU, else of the clock on the wall."""
    if torch.accelerator.is_available():
        clock, wait = time.perf_counter, torch.accelerator.synchronize
    else:
        clock, wait = time.process_time if torch.get_num_threads() == 1 else time.perf_counter, lambda: None
    wait()
    started = clock()
    call()
    wait()
    return clock() - started


class Recorder(FlopCounter):
    """Counts the operations of convolutions and matrix products in its block, and can `replay` them alone."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in flop_registry:
            self.calls.append((func, args, kwargs or {}))
        return super().__torch_dispatch__(func, types, args, kwargs)

    @torch.no_grad()
    def replay(self):
        for func, args, kwargs in self.calls:
            func(*args, **kwargs)


def machine(accelerator):
    """Two large and regular pieces of work, in the precision of training: {name: (operations, call)}."""
    device = accelerator.device
    n, maps = (1024, 16) if device.type == "cpu" else (8192, 256)
    matrix = torch.randn(n, n, device=device)
    convolution = models.placed(torch.nn.Conv2d(64, 64, 3, padding=1), device)
    h = torch.randn(maps, 64, 32, 32, device=device).contiguous(memory_format=torch.channels_last).requires_grad_()

    def matmul():
        with accelerator.autocast():
            matrix @ matrix

    def convolve():
        with accelerator.autocast():
            y = convolution(h)
        torch.autograd.grad(y, [h, *convolution.parameters()], torch.ones_like(y))

    pieces = {}
    for name, call in {"matmul": matmul, "convolution": convolve}.items():
        with FlopCounter() as counter:
            call()
        pieces[name] = counter.flops, call
    return pieces


def memory(device):
    """Most memory taken so far in MB: by tensors on a GPU, by the process on a CPU; NaN where nobody says."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return np.nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def measure(name, profile, threads, repetitions):
    """The row of a stage, a dict; to be called in a fresh process, where memory is to be measured."""
    torch.set_num_threads(threads)
    accelerator = training.new_accelerator()
    device = accelerator.device
    batch, turn, make_ours, make_theirs = STAGES[name](profile, accelerator)
    before = memory(device)

    def through(n):
        for _ in make_ours(*noise(n * TURNS * turn, profile.data.size, device)):
            pass

    through(1)
    peak = memory(device) - before if device.type == "cpu" else memory(device)

    ours = make_ours(*noise((repetitions + 2) * turn, profile.data.size, device))
    theirs = make_theirs(*noise(TURNS * turn, profile.data.size, device))
    with Recorder() as own:
        next(ours)
    with FlopCounter() as reference_counter:
        next(theirs)
    work = machine(accelerator) | {
        "own_operations": (own.flops, own.replay),
        "ours": (own.flops, lambda: next(ours)),
        "theirs": (reference_counter.flops, lambda: next(theirs)),
    }
    for _, call in work.values():
        call()  # warm
    times = pd.DataFrame([{key: seconds(call) for key, (_, call) in work.items()} for _ in range(repetitions)])
    times = times[list(work)]
    low, median, high = (turn / times["ours"].quantile(q) for q in (0.75, 0.5, 0.25))
    rates = pd.Series({key: flops for key, (flops, _) in work.items()}) / times / 1e9
    shares = {f"of_{key}": (rates["ours"] / rates[key]).median() for key in ("matmul", "convolution", "own_operations")}
    lengths = pd.DataFrame(
        [{n: seconds(lambda n=n: through(n)) for n in (1, 2, 4)} for _ in range(-(-repetitions // 5))]
    ).median()
    speedup = times["theirs"] / times["ours"]
    return {
        "stage": name, "batch": batch, "threads": threads, "repetitions": repetitions,
        "gflop_per_image": own.flops / turn / 1e9,
        "images_per_second": median, "images_per_second_low": low, "images_per_second_high": high,
        "gflop_per_second": own.flops / turn / 1e9 * median,
        **shares,
        "peak_memory_mb": peak,
        "cost_2x": lengths[2] / lengths[1], "cost_4x": lengths[4] / lengths[1],
        "reference_images_per_second": turn / times["theirs"].median(),
        "reference_gflop_per_image": reference_counter.flops / turn / 1e9,
        "speedup": speedup.median(), "speedup_low": speedup.quantile(0.25), "speedup_high": speedup.quantile(0.75),
    }  # fmt: skip


def machine_name(device):
    """The GPU, or the model of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def main():
    parser = argparse.ArgumentParser(prog="course.py bench", description=__doc__.partition("\n")[0])
    parser.add_argument("stages", nargs="*", help=f"default all: {', '.join(STAGES)}")
    cores = sorted({1, os.cpu_count()})
    parser.add_argument("--threads", type=int, nargs="+", default=cores, help="numbers of CPU threads; default 1, all")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument(
        "--publish", action="store_true", help=f"also put the rows into {PUBLISHED.name} in the repository"
    )
    options = parser.parse_args()
    unknown = set(options.stages) - set(STAGES)
    if unknown:
        parser.error(f"unknown stage {', '.join(unknown)}; choose from: {', '.join(STAGES)}")
    run = config.start()
    recipe = run.recipe(machine=machine_name(training.new_accelerator().device), torch=torch.__version__)
    path = run.folder / "results" / "bench.csv"
    checkpoints.writable(path.parent)
    table = pd.DataFrame()
    todo = [(name, threads) for name in options.stages or STAGES for threads in options.threads]
    # A process for every row: what one stage leaves in memory is not the next one's, and threads are set only once.
    new_process = multiprocessing.get_context("spawn")
    os.environ["TQDM_DISABLE"] = "1"  # in those processes, which read it when they begin
    with ProcessPoolExecutor(1, mp_context=new_process, max_tasks_per_child=1) as pool:
        for name, threads in tqdm(todo, desc="bench", unit="row"):
            row = pool.submit(measure, name, run.profile, threads, options.repetitions).result()
            table = pd.concat([table, pd.DataFrame([row | recipe | {"data": "noise"}])])
            table.to_csv(path, index=False, float_format="%.4g")
    print(table[SHOWN].to_string(index=False, float_format="{:,.3g}".format))
    print(f"written  {path}")
    if options.publish:
        table = pd.concat([pd.read_csv(PUBLISHED), table]) if PUBLISHED.exists() else table
        table = table.drop_duplicates(KEY, keep="last").sort_values(
            KEY, key=lambda column: column.map(list(STAGES).index) if column.name == "stage" else column
        )
        table.to_csv(PUBLISHED, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
