"""Table 1 in our frame: quality, obedience and cost of every generator. Writes data/results/table1.csv and cost.csv.

    python -m benchmarks.table1 --profile laptop --data toy --seeds 0 1 2
    python -m benchmarks.table1 --profile laptop --data toy --systems IcGAN     # a row more, and no cost
    python -m benchmarks.table1 --profile laptop --data toy --seeds 0 --equal-compute --picture

Trains what is missing into the run's folder, seed by seed, and may be stopped and started again at any time. The seed
is that of the compared systems and of our Φ; encoder, decoder and classifier are those of seed 0 for all of ours. While
a system trains, the judge looks at it now and then without disturbing it: so we know after how many images it obeyed.

A profile trains every system for some minutes. With --equal-compute the compared ones train as long as our three stages
take together, counted in operations; their rows are named "StarGAN, equal compute". --picture shows what they paint:
notebooks/figures/equal_compute.png. --batch-size gives the compared systems other batches than the profile's, since
ours were chosen among several; such rows end in "batches of 4".
"""

import argparse
import dataclasses
import time
from unittest import mock

import numpy as np
import pandas as pd
import torch

from benchmarks import results
from lib import checkpoints, config, data, models, oracle, stages, training
from lib.attributes import CELEBA, celeba_statistics
from lib.baselines import common, cost, icgan
from lib.baselines.systems import SYSTEMS, make
from lib.study import comparison

LOOKS, LOOKED_AT = 20, 250  # how often the judge looks at a system in training, and at how many faces
OBEYS = (0.60, 0.70)  # balanced accuracies of the judge's answers against the labels asked for; a constant one's is 0.5
REPETITIONS = 15  # of a timed turn
OURS = {"ours, autoencoder": "autoencoder", "ours, classifier": "classifier", "ours, Φ": "mapping"}
EQUAL = ", equal compute"  # what follows the name of a system that trained with as many operations as all of ours
PICTURE = config.ROOT / "notebooks" / "figures" / "equal_compute.png"
PERSONS, SHOWN = 2, ("Eyeglasses", "Smiling", "Blond_Hair", "Male", "Young")  # in it


# --- Quality and obedience --------------------------------------------------------------------------------------------


def table1(run, faces, seed, systems=None, equal=False, batch_size=None):
    """A row per reference and per generator, or for the generators `systems` alone, each in table1.csv as soon as it is
    there. References come with ours. With `equal` the compared systems train with as many operations as ours; with
    `batch_size` all `systems` learn from batches of that size."""
    judge = oracle.oracle(run, faces)
    frame = comparison.Frame(faces, judge)
    recipe = run.recipe(n_train=len(frame.train), size=faces.size, attributes=len(faces.names), judge=judge.folder.name)
    references = comparison.references(run, faces) if comparison.OURS in (systems or comparison.GENERATORS) else {}
    for name, (generate, own) in references.items():
        results.keep("table1", run, {"system": name} | frame.row(generate, own) | recipe)
    setting = run.profile, faces.names, len(frame.train)
    for name in systems or comparison.GENERATORS:
        obtain, changes = comparison.GENERATORS[name], {"seed": seed} | (equal_compute(*setting, name) if equal else {})
        changes |= {"batch_size": batch_size} if batch_size else {}
        with watched(run, faces, frame, name):
            trained = last_stage(run, faces, name, **changes)
        if "obedience" not in trained.log:
            print(f"{name}: trained before and unwatched, so nobody knows how soon it obeyed; delete {trained.folder} "
                  "to have it trained again")  # fmt: skip
        made = checkpoints.describe(trained.folder)["recipe"]
        called = name + equal * EQUAL + (f", batches of {batch_size}" if batch_size else "")
        row = {"system": called} | frame.row(obtain(run, faces, **changes)) | {
            "images_trained": made["steps"] * trained.config.batch_size, "stage": trained.folder.name,
            "watched": "obedience" in trained.log, "tflop": operations(*setting, name, changes.get("epochs")),
        }  # fmt: skip
        row |= {f"images_until_{level:.2f}": images_until(trained, level) for level in OBEYS}
        results.keep("table1", run, row | recipe | {"seed": seed})


def last_stage(run, faces, name, **changes):
    """The last stage of a generator, trained if need be; `changes` replace fields of its config."""
    if name in SYSTEMS:
        return SYSTEMS[name].obtain(run, faces, **changes)
    changes |= {"weight_perceptual": 0.0} if name == comparison.NO_PERCEPTUAL else {}
    return stages.mapping(run, faces, **changes)


def operations(profile, attributes, n, name, epochs=None):
    """Of the whole training of a generator on `n` faces, all its stages together, in TFLOP; a compared system may take
    more `epochs` than the profile's."""
    trainings = phases(name, profile) if name in SYSTEMS else OURS
    loops = [Endless(training, profile, attributes, most=4) for training in trainings]
    tflop = sum(loop.gflop() * loop.trained_images(n) for loop in loops) / 1e3
    return tflop * epochs / SYSTEMS[name].module.PROFILES[profile.name].epochs if epochs else tflop


def equal_compute(profile, attributes, n, system):
    """Change of a system's config: the epochs, to a tenth, that take as many operations as all our stages."""
    setting = profile, attributes, n
    share = operations(*setting, comparison.OURS) / operations(*setting, system)
    return {"epochs": round(SYSTEMS[system].module.PROFILES[profile.name].epochs * share, 1)}


def watched(run, faces, frame, name):
    """A context in which training the last stage of a generator logs a column `obedience`: the judge's balanced
    accuracy on `LOOKED_AT` faces, `LOOKS` times."""
    if name in SYSTEMS:
        module, function = SYSTEMS[name].module, "train"
        generate = module.generate
    else:
        module, function = training, "train_mapping"
        decoder = stages.autoencoder(run, faces).model.decoder

        def generate(phi, b, x, source):
            return decoder.to(b.device)(phi(b))

    train, wished = getattr(module, function), frame.wished[:LOOKED_AT]

    def loop(accelerator, state, images, *rest):
        model, steps = state.modules["model"], training.steps_of(rest[-1], len(images))
        every = max(steps // LOOKS // stages.LOG_EVERY, 1) * stages.LOG_EVERY
        for record in train(accelerator, state, images, *rest):
            if state.step % every == 0:
                model.eval()
                made = frame.make(lambda b, x, source: generate(model, b, x, source), wished)
                model.train()
                record["obedience"] = torch.tensor(frame.obedience(made, wished)["balanced_accuracy"])
            yield record

    return mock.patch.object(module, function, loop)


def images_until(trained, level):
    """After how many training images a look found the last stage at this obedience or above; NaN if none did."""
    log = trained.log
    reached = log[log["obedience"] >= level] if "obedience" in log else log[:0]
    return float(reached["step"].iloc[0] * trained.config.batch_size) if len(reached) else np.nan


# --- Cost -------------------------------------------------------------------------------------------------------------


def phases(system, profile):
    """The trainings that a system's consists of, name -> config: one, but for IcGAN, whose encoders come after."""
    settings = SYSTEMS[system].module.PROFILES[profile.name]
    if SYSTEMS[system].module is icgan:
        return {f"{system}, {name}": phase for name, phase in icgan.phases(settings).items()}
    return {system: settings}


class Endless:
    """The training of a system, or of a stage of ours, at a profile's size: untrained networks, noise for faces, and a
    loop without end. One `turn` is a step of the player that moves least often, with the others' steps before it."""

    def __init__(self, name, profile, attributes, most=None):
        """`most` is the largest batch to take: the operations of an image hardly depend on it."""
        system = name.split(", ")[0]
        if system in SYSTEMS:
            module, settings = SYSTEMS[system].module, phases(system, profile)[name]
            new_state, train = module.new_state, module.train
        else:
            stage = OURS[name]
            settings, new_state = getattr(profile, stage), getattr(training, f"{stage}_state")
            train = getattr(training, f"train_{stage}")
        labels = {} if name == "ours, autoencoder" else {"attributes": attributes}
        self.config = dataclasses.replace(settings, size=profile.data.size, **labels)
        batch = min(self.config.batch_size, most or self.config.batch_size)
        endless = dataclasses.replace(self.config, batch_size=batch, epochs=10**9)
        self.steps = getattr(settings, "n_critic", 1)
        self.images = self.steps * batch

        accelerator = training.new_accelerator()
        self.state = new_state(endless, accelerator.device)
        x = torch.randint(256, (self.images, 3, endless.size, endless.size), dtype=torch.uint8).to(accelerator.device)
        known = [x, torch.rand(self.images, len(attributes), device=x.device) < 0.5][: 1 + bool(labels)]
        if name == "ours, Φ":
            settings = profile.autoencoder, profile.classifier
            guide = models.Autoencoder(endless.size, settings[0].filters, endless.embedding).to(x.device)
            judge = models.AttributeClassifier(endless.size, settings[1].filters, len(attributes)).to(x.device)
            known += [stages.embed(guide.encoder, x), models.frozen(guide.decoder), models.frozen(judge)]
        features = []
        if name == "ours, autoencoder" and settings.weight_feature:
            judge = models.AttributeClassifier(endless.size, profile.classifier.filters, len(attributes)).to(x.device)
            features = [models.first_features(models.frozen(judge))]
        self.loop = train(accelerator, self.state, *known, endless, *features)

    def turn(self):
        """One turn; waits for the device."""
        for _ in range(self.steps):
            next(iter(next(self.loop).values())).item()

    def gflop(self):
        """Of one training image, in GFLOP."""
        with cost.FlopCounter() as counter:
            self.turn()
        return counter.flops / self.images / 1e9

    def weights(self):
        """Number of weights that learn in a turn; known after one."""
        return sum(p.numel() for p in self.state.modules.parameters() if p.grad is not None)

    def trained_images(self, faces):
        """How many images the whole training takes on so many faces."""
        return training.steps_of(self.config, faces) * self.config.batch_size


def cost_table(run, faces):
    """A row per system, and per stage if it has several, in cost.csv: the price of training, and of obedience."""
    of_systems = {system: list(phases(system, run.profile)) for system in SYSTEMS}
    loops = {name: Endless(name, run.profile, faces.names) for name in (*OURS, *sum(of_systems.values(), []))}
    gflop = {name: loop.gflop() for name, loop in loops.items()}  # and warms up
    seconds = {name: [] for name in loops}
    for _ in range(REPETITIONS):  # turn by turn, so that all share the machine's good and bad moments
        for name, loop in loops.items():
            started = time.perf_counter()
            loop.turn()
            seconds[name].append((time.perf_counter() - started) / loop.images)
    until, n_train = until_obeying(run), len(faces.part("train"))
    rows = {}
    for name, loop in loops.items():
        low, middle, high = np.quantile(seconds[name], (0.25, 0.5, 0.75))
        trained = loop.trained_images(n_train)
        first_stage = name in OURS and name != "ours, Φ"  # which obeys nobody, and has to be trained to its end
        paper = Endless(name, config.PROFILES["paper"], CELEBA, most=4)
        published, images = paper.gflop(), paper.trained_images(celeba_statistics("train")[0])
        rows[name] = {
            "weights": loop.weights(), "gflop_per_image": gflop[name],
            "images_per_second": 1 / middle, "images_per_second_low": 1 / high, "images_per_second_high": 1 / low,
            "gflop_per_second": gflop[name] / middle, "images_trained": trained, "seconds": trained * middle,
            "published_gflop_per_image": published, "published_tflop": published * images / 1e3,
        }  # fmt: skip
        for level in OBEYS:
            obeyed = trained if first_stage else until.get(f"{level:.2f}", {}).get(name, np.nan)
            rows[name][f"seconds_until_{level:.2f}"] = obeyed * middle
    staged = {system: names for system, names in of_systems.items() if len(names) > 1}
    for whole, names in (staged | {"ours, all stages": list(OURS)}).items():
        stages_of_it = pd.DataFrame([rows[name] for name in names])
        sums = stages_of_it.filter(regex="^(weights|images_trained|seconds.*|published_tflop)$").sum(skipna=False)
        rows[whole] = sums.to_dict()
    for system, names in staged.items():
        for level, obeyed in until.items():
            rows[system][f"seconds_until_{level}"] = seconds_until(obeyed.get(system, np.nan), [rows[n] for n in names])
    recipe = run.recipe(
        n_train=n_train, size=faces.size, attributes=len(faces.names), repetitions=REPETITIONS,
        threads=torch.get_num_threads(), torch=torch.__version__,
    )  # fmt: skip
    for name, row in rows.items():
        results.keep("cost", run, {"system": name} | row | recipe)


def seconds_until(images, stages_of_it):
    """Seconds that the first `images` of a training in stages take, each at the price of its stage; NaN for NaN."""
    seconds, left = 0.0, images
    for stage in stages_of_it:
        seconds += np.minimum(left, stage["images_trained"]) * stage["seconds"] / stage["images_trained"]
        left = np.maximum(left - stage["images_trained"], 0)
    return seconds


def until_obeying(run):
    """Images until the judge was obeyed: level -> system -> mean over the seeds, NaN if one of them did not obey."""
    path = run.folder / "results" / "table1.csv"
    if not path.exists() or "watched" not in (table := pd.read_csv(path)):  # references alone
        return {}
    table = table.query("watched == True").replace({comparison.OURS: "ours, Φ"}).groupby("system")
    means = {f"{level:.2f}": table[f"images_until_{level:.2f}"] for level in OBEYS}
    return {level: images.agg(lambda seeds: seeds.mean(skipna=False)).to_dict() for level, images in means.items()}


# --- Picture ----------------------------------------------------------------------------------------------------------


def picture(run, faces, seed):
    """Test faces, and what every generator paints when one label of `SHOWN` is flipped; systems of equal compute."""
    from lib import plots  # its matplotlib may be absent where systems are only trained

    test, names = faces.part("test").take(slice(0, PERSONS)), [name for name in SHOWN if name in faces.names]
    a = np.repeat(test.attributes, 1 + len(names), axis=0)
    b, x = a.copy(), np.repeat(test.images, 1 + len(names), axis=0)
    for i, name in enumerate(names, start=1):
        b[i :: 1 + len(names)] = common.flipped(test.attributes, faces.names, name)
    rows, setting = {}, (run.profile, faces.names, len(faces.part("train")))
    for system in (comparison.OURS, comparison.EDITING, *SYSTEMS):
        changes = equal_compute(*setting, system) if system in SYSTEMS else {}
        made = make(comparison.GENERATORS[system](run, faces, seed=seed, **changes), b, x, a)
        made[:: 1 + len(names)] = test.images
        rows[system] = made
    titles = PERSONS * ["the face", *map(plots.readable, names)]
    title = "One label flipped; every system after as many operations"
    return plots.faces(np.concatenate(list(rows.values())), len(titles), rows, titles, title)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table1", description="Measure Table 1 and its cost.")
    parser.add_argument("--profile")
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="none: the cost alone")
    parser.add_argument("--systems", nargs="+", choices=list(comparison.GENERATORS), help="these alone, without cost")
    parser.add_argument("--equal-compute", action="store_true", help="compared systems, for as many operations as ours")
    parser.add_argument("--batch-size", type=int, help="of compared systems; default the profile's")
    parser.add_argument("--picture", action="store_true", help="of the first seed; drawn faces alone may be shown")
    options = parser.parse_args()
    if options.equal_compute or options.batch_size:
        options.systems = options.systems or list(SYSTEMS)
        if ours := set(options.systems) - set(SYSTEMS):
            parser.error(f"neither --equal-compute nor --batch-size is for {', '.join(sorted(ours))}")
    course = config.start(options.profile, options.data)
    if options.picture and course.source != "toy":
        parser.error("--picture shows the faces themselves, which photographs may not be: drawn faces alone")
    people = data.load(course)
    for one in options.seeds:
        table1(course, people, one, options.systems, options.equal_compute, options.batch_size)
    if options.picture:
        picture(course, people, [*options.seeds, course.seed][0]).savefig(PICTURE, dpi=110)
    if not options.systems:
        cost_table(course, people)
