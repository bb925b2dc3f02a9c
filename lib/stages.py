"""Trained stages on demand: load what is finished, take up what was stopped, train what is missing.

    trained = stages.mapping(run, faces)      # asks for autoencoder and classifier itself
    trained.model, trained.log, trained.folder

While a stage trains, `watch` is called with the rows of its log so far, a list of dicts; see `plots.Live`.

A stage lives in `<run.folder>/<stage>-<digest>/`; the digest covers its config, its data and the stages below it, so a
changed config never meets an old checkpoint. A file lock lets several notebooks ask at once.

As a script it trains all three, on as many processes as it is started with:

    python -m lib.stages --profile laptop --data toy
    python -m torch.distributed.run --nproc-per-node 2 -m lib.stages --profile laptop --data toy
"""

import argparse
import dataclasses
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from torch import nn
from tqdm.auto import tqdm

from lib import checkpoints, config, data, models, training
from lib.data import to_float

LOG_EVERY = 10  # steps between rows of log.csv
SAVE_EVERY = 60  # seconds between saved training states


class TrainingError(RuntimeError):
    """Training cannot go on."""


@dataclass(frozen=True)
class Trained:
    """A finished stage: its frozen model, its config, its log (a row per `LOG_EVERY` steps) and its folder."""

    model: nn.Module
    config: object
    log: pd.DataFrame
    folder: Path

    @property
    def digest(self):
        return self.folder.name.rpartition("-")[2]


#: How a stage's model is rebuilt from the config that lies beside its weights.
MODELS = {
    "autoencoder": (
        config.AutoencoderConfig,
        lambda c: models.Autoencoder(c.size, c.filters, c.embedding, c.carry_steps > 0, c.skips, c.components),
    ),
    "classifier": (config.ClassifierConfig, lambda c: models.AttributeClassifier(c.size, c.filters, len(c.attributes))),
    "mapping": (config.MappingConfig, lambda c: models.MappingFunction(len(c.attributes), c.embedding)),
}


def load(folder):
    """The finished stage in `folder`, on the CPU, frozen. Raises CheckpointError when it is not there or damaged."""
    folder = Path(folder)
    description = checkpoints.describe(folder)
    if description is None:
        raise checkpoints.CheckpointError(
            f"{folder} holds no finished stage; expected config.json and model.safetensors"
        )
    try:
        config_class, build = MODELS[description["stage"]]
        settings = config_class(**{k: tuple(v) if isinstance(v, list) else v for k, v in description["config"].items()})
        model = build(settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise checkpoints.CheckpointError(
            f"{folder / 'config.json'} does not describe a stage of this version of the course ({error}); "
            "train it anew, or take the version that wrote it"
        ) from error
    log = checkpoints.load_table(folder / "log.csv", pd.DataFrame())
    return Trained(models.frozen(checkpoints.load_weights(folder, model)), settings, log, folder)


def autoencoder(run, faces, watch=None, **changes):
    """Encoder and Decoder trained on the training faces (Sec. III-A). `changes` replace fields of its config.

    With `weight_feature` it also learns through what the classifier of the same faces sees first.
    """
    settings = dataclasses.replace(run.profile.autoencoder, **{"seed": run.seed} | changes)
    guide = classifier(run, faces) if settings.weight_feature else None

    def begin(accelerator):
        images, _ = tensors(faces.part("train"), accelerator.device)
        state = training.autoencoder_state(settings, accelerator.device)
        features = guide and models.first_features(models.placed(guide.model, accelerator.device))
        return state, len(images), lambda: training.train_autoencoder(accelerator, state, images, settings, features)

    return obtain(run, "autoencoder", settings, [faces.key, *([guide.digest] if guide else [])], begin, watch)


def classifier(run, faces, **changes):
    """Attribute classifier trained on the training faces (Sec. III-A)."""
    settings = dataclasses.replace(run.profile.classifier, **{"attributes": faces.names, "seed": run.seed} | changes)

    def begin(accelerator):
        images, a = tensors(faces.part("train"), accelerator.device)
        state = training.classifier_state(settings, accelerator.device)
        return state, len(images), lambda: training.train_classifier(accelerator, state, images, a, settings)

    return obtain(run, "classifier", settings, [faces.key], begin)


def mapping(run, faces, below=None, watch=None, **changes):
    """Mapping function trained against an autoencoder and a classifier (Sec. III-B, III-C).

    `below` is that pair of Trained stages; default those of the run, trained on the same faces.
    """
    settings = dataclasses.replace(run.profile.mapping, **{"attributes": faces.names, "seed": run.seed} | changes)
    below = below or (autoencoder(run, faces), classifier(run, faces))

    def begin(accelerator):
        images, a = tensors(faces.part("train"), accelerator.device)
        guide, judge = (models.placed(trained.model, accelerator.device) for trained in below)
        z = embed(guide.encoder, images)
        state = training.mapping_state(settings, accelerator.device)
        return (
            state,
            len(images),
            lambda: training.train_mapping(accelerator, state, images, a, z, guide.decoder, judge, settings),
        )

    return obtain(run, "mapping", settings, [faces.key, *(trained.digest for trained in below)], begin, watch)


def tensors(faces, device):
    """Images (uint8) and attributes (bool) of a FaceData as tensors on `device`."""
    return (torch.from_numpy(np.array(part)).to(device) for part in (faces.images, faces.attributes))


@torch.inference_mode()
def embed(encoder, images, batch_size=256):
    """Embeddings z (N, Z) of uint8 images (N, 3, S, S), computed batch by batch where the images are."""
    return torch.cat([encoder(to_float(batch)) for batch in images.split(batch_size)])


def obtain(run, stage, settings, inputs, begin, watch=None):
    """Load the stage if its folder is finished, else train it (from its saved state if there is one) and save it.

    `begin(accelerator)` returns (state, number of training faces, function that gives the loop). Raises TrainingError
    when a loss is no longer finite; the state saved last stays.
    """
    folder = run.folder / f"{stage}-{config.digest(settings, inputs)}"
    checkpoints.writable(folder)  # says now, not after an hour of training, that nothing can be saved
    accelerator = training.new_accelerator()
    first = accelerator.is_main_process  # of several processes one holds the lock and writes
    with FileLock(folder / ".lock") if first else nullcontext():
        accelerator.wait_for_everyone()
        if checkpoints.describe(folder) is None:
            for cut_off in folder.glob(".*.*") if first else ():  # what a killed process was writing
                cut_off.unlink()
            recipe = run.recipe(seed=settings.seed)  # now, as the checkout may have changed when the training ends
            state, faces, loop = begin(accelerator)
            steps = training.steps_of(settings, faces)
            seconds, rows = train(folder, stage, accelerator, state, loop, steps, watch)
            if first:
                with checkpoints.atomic(folder / "log.csv") as path:
                    pd.DataFrame(rows, columns=None if rows else ["step"]).to_csv(path, index=False)
                recipe |= {"n_train": faces, "steps": state.step, "seconds": round(seconds, 1)}
                description = {"stage": stage, "config": dataclasses.asdict(settings), "recipe": recipe}
                checkpoints.save(folder, state.modules["model"], description)
                (folder / "state.pt").unlink(missing_ok=True)
        accelerator.wait_for_everyone()
        return load(folder)


def train(folder, stage, accelerator, state, loop, steps, watch=None):
    """Run a training loop to its end with a progress bar, a log and saved states. Returns (seconds, rows)."""
    path = folder / "state.pt"
    rows, seconds = [], 0.0
    saved = checkpoints.load_state(path, accelerator.device)
    if saved is not None:
        try:
            state.load_state_dict(saved["training"])
            rows, seconds = saved["rows"], saved["seconds"]
        except Exception as error:  # of torch and its optimizers, many kinds
            raise checkpoints.CheckpointError(
                f"{path} is the state of another training ({error}); delete it and run again to train anew"
            ) from error
    started = last_saved = time.monotonic()
    first = accelerator.is_main_process
    with tqdm(total=steps, initial=state.step, desc=stage, unit="step", mininterval=0.5, disable=not first) as bar:
        for record in loop():
            if state.step % LOG_EVERY == 0 or state.step == steps:
                row = {"step": state.step} | {name: value.item() for name, value in record.items()}
                row["learning_rate"] = state.optimizers["model"].param_groups[0]["lr"]
                to_save = first and time.monotonic() - last_saved > SAVE_EVERY
                # A loss tells of the weights before its step; what is saved must be good after it, too.
                to_keep = to_save or state.step == steps
                if not all(map(np.isfinite, row.values())) or (to_keep and not finite(state.modules)):
                    kept = f"The last good state is kept in {folder}; lower" if path.exists() else "Lower"
                    raise TrainingError(
                        f"{stage}: a loss or a weight is no longer finite at step {state.step} ({row}). "
                        f"{kept} learning_rate in lib/config.py"
                    )
                rows.append(row)
                if watch:
                    watch(rows)
                leading = next(iter(record))
                bar.set_postfix({leading: f"{row[leading]:.4f}"}, refresh=False)
                if to_save:
                    so_far = seconds + time.monotonic() - started
                    checkpoints.save_state(path, {"training": state.state_dict(), "rows": rows, "seconds": so_far})
                    last_saved = time.monotonic()
            bar.update()
    return seconds + time.monotonic() - started, rows


def finite(module):
    """Whether all weights and buffers of a module are finite."""
    return all(tensor.isfinite().all() for tensor in module.state_dict().values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lib.stages", description="Train autoencoder, classifier, mapping.")
    parser.add_argument("--profile")
    parser.add_argument("--data")
    parser.add_argument("--seed", type=int, default=0)
    course = config.start(**vars(parser.parse_args()))
    print(f"trained  {mapping(course, data.load(course)).folder}")
