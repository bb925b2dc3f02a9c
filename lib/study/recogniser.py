"""One recogniser: its network, its training for a fixed number of steps, and its answers."""

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import update_bn
from tqdm.auto import tqdm

from lib import data, models, training
from lib.study import imbalance


def attgan_classifier(size, attributes):
    """The recogniser of Table 3, as STGAN's authors published it for AttGAN's 13 attributes: x -> logits (B, A).

    Five times two 3x3 convolutions with batch norm and a pooling, 16 to 256 filters; then 512 features.
    """
    layers, width = [], 3
    for filters in (16, 32, 64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(width, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
            width = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(models.flat_features(size, 16), 512), nn.ReLU(), nn.Linear(512, attributes)
    )


def train(model, images, a, settings, steps, seed, loss=imbalance.cross_entropy, change=None):
    """Train `model` for exactly `steps` steps on images uint8 (n, 3, S, S) and labels bool (n, A), both arrays.

    Batches and their order depend on `seed` and n alone. `settings` is a RecognitionConfig: with `falling` the learning
    rate follows half a cosine down to nothing. `change` is made to every batch, see lib/study/batches.py; what it draws
    depends on `seed`. Returns the model.
    """
    accelerator = training.new_accelerator()
    model = models.placed(model, accelerator.device).train()
    images = torch.from_numpy(np.array(images)).to(accelerator.device)
    labels = torch.from_numpy(np.array(a)).to(accelerator.device)
    prevalence = torch.from_numpy(imbalance.prevalence(a)).to(accelerator.device)
    optimizer = training.adam([model], settings.learning_rate)
    schedule = CosineAnnealingLR(optimizer, steps) if settings.falling else None
    rows = training.batches(accelerator, len(images), settings.batch_size, 0, steps, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for step, batch in enumerate(tqdm(rows, total=steps, desc="recogniser", unit="step", leave=False, delay=1)):
            x, b = data.to_float(images[batch]), labels[batch].float()
            if change is not None:
                x, b = change(x, b, batch, step / steps)
            with accelerator.autocast():
                value = loss(model(x), b, prevalence)
            training.descend(accelerator, value, optimizer)
            if schedule is not None:
                schedule.step()
    return model.eval()


def normalised_by(model, images, batch_size=500):
    """`model` with the statistics of its batch norms taken anew from uint8 images (n, 3, S, S).

    Of real and generated faces in one batch they are the mean, which fits neither; test faces are real.
    """
    device = next(model.parameters()).device
    parts = torch.from_numpy(np.array(images)).split(batch_size)
    update_bn((data.to_float(part.to(device)) for part in parts), model)
    return model.eval()


@torch.inference_mode()
def predict(model, images, batch_size=500):
    """Logits of uint8 images (n, 3, S, S), float32 (n, A)."""
    device = next(model.parameters()).device
    starts = range(0, len(images), batch_size)
    batches = (torch.from_numpy(np.array(images[start : start + batch_size])).to(device) for start in starts)
    return torch.cat([model(data.to_float(batch)).float().cpu() for batch in batches]).numpy()
