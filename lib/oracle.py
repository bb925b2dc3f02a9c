"""The oracle: an attribute classifier that judges generated faces and that no generator has ever met.

It learns from plentiful faces outside every split of a run, sharp and smooth ones, with another network and another
recipe than the classifier that guides Φ, so that Φ cannot have learned to please it.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torchvision.transforms import v2

from lib import config, data, stages, toyfaces, training

SEED = 1  # of the oracle and of the faces drawn for it; every run draws its own faces from seed 0
PLENTY, MOST = 4, 100_000  # faces drawn for it: four times the training faces, at most so many
OTHER = 1_000  # what the seed of a judge that is the run's own classifier is more than the run's: no generator's
BALANCED = 1_000_000  # number of the first person among those whose attributes are independent
SMOOTHEST = 1 / 24  # standard deviation of the blur that half of its faces get, at most, as a share of their width


class Oracle(nn.Module):
    """x -> logits (B, A): four 3x3 convolutions of stride 2 with batch norm, then a linear layer."""

    def __init__(self, size, filters, attributes):
        super().__init__()
        layers = []
        for width_in, width_out in pairwise((3, filters, 2 * filters, 4 * filters, 4 * filters)):
            layers += [nn.Conv2d(width_in, width_out, 3, 2, 1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()]
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2))
        self.head = nn.Linear(4 * filters * (size // 16) ** 2, attributes)

    def forward(self, x):
        return self.head(self.features(x))


stages.MODELS["oracle"] = (config.ClassifierConfig, lambda c: Oracle(c.size, c.filters, len(c.attributes)))


def oracle(run, faces):
    """The oracle of a run as a Trained stage, `.model`: float faces (B, 3, S, S) -> logits (B, A).

    Give it all `faces` of the run, not a part. Drawn faces: it learns from fresh ones (`drawn`), and one oracle serves
    every seed. A folder: from the training faces that the profile holds back; where these are fewer than those the run
    trains on it says so, and is the run's own classifier of another seed.
    """
    train, drawing = faces.part("train"), run.source == "toy"
    if drawing:
        n = min(PLENTY * len(train), MOST)
        inputs = [n, SMOOTHEST, [path.read_text(encoding="utf-8") for path in data.DRAWING]]
    else:
        pool = data.read(run.source, faces.size, run.folder.parent / "cache").part("train")
        pool = pool.take(~np.isin(pool.files, faces.files))
        inputs = [SMOOTHEST, pool.key]
        if len(pool) < len(train):
            print(
                f"oracle   profile {run.profile.name} holds back {len(pool):,} training faces, fewer than the "
                f"{len(train):,} it trains on: a classifier of another seed, trained on these, is the judge"
            )
            return stages.classifier(run, faces, seed=run.seed + OTHER)
    settings = config.ClassifierConfig(
        size=faces.size, attributes=faces.names, filters=32, epochs=6, batch_size=100, learning_rate=5e-3, seed=SEED
    )

    def begin(accelerator):
        images, a = drawn(n, faces.size) if drawing else (pool.images, pool.attributes)
        images, a = (torch.from_numpy(np.array(part)).to(accelerator.device) for part in (images, a))
        torch.manual_seed(SEED)
        for batch in images[::2].split(50):  # views: these faces themselves become smooth
            batch.copy_(smooth(batch))
        model = Oracle(faces.size, settings.filters, len(faces.names)).to(accelerator.device)
        optimizer = training.adam([model], settings.learning_rate)
        steps = training.steps_of(settings, len(images))
        schedule = OneCycleLR(optimizer, settings.learning_rate, steps, cycle_momentum=False)
        state = training.TrainingState(nn.ModuleDict({"model": model}), {"model": optimizer}, {"model": schedule})

        def loop():
            torch.manual_seed(state.step)  # of the dropout, step by step: a resumed oracle is the straight one
            for record in training.train_classifier(accelerator, state, images, a, settings):
                schedule.step()
                yield record
                torch.manual_seed(state.step)

        return state, len(images), loop

    return stages.obtain(run, "oracle", settings, inputs, begin)


def smooth(images):
    """Faces (n, 3, S, S) blurred alike, by a random amount. Generated faces are smooth; a judge that has met none such
    would deny them attributes that anybody sees."""
    size = images.shape[-1]
    return v2.GaussianBlur(size // 8 * 2 + 1, sigma=(0.1, SMOOTHEST * size))(images)


def drawn(n, size):
    """`n` drawn faces of nobody in any run: images uint8 (n, 3, size, size), labels bool (n, 40).

    Half of them have CelebA's long tail, half independent attributes: so each one is read at its own place in the
    picture rather than from the company it keeps.
    """
    long_tailed = toyfaces.faces(n // 2, SEED, size=size)
    balanced = toyfaces.faces(n - n // 2, SEED, BALANCED, size, balanced=True)
    return tuple(map(np.concatenate, zip(long_tailed, balanced, strict=True)))
