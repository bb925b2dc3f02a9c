"""Flow matching: a generator of embeddings for given labels, p(z | a), in a hundred lines (Lipman et al., 2023).

Φ gives one embedding for each list of labels. A flow gives as many as there is noise: it moves noise ε ~ N(0, 1) along
a field of velocities to an embedding. On the straight way z_t = (1 - t) ε + t z, from ε at t = 0 to z at t = 1, the
velocity is z - ε at every t. Many ways cross at a point; a network that regresses z - ε on (z_t, t, a) learns their
mean, and following that mean leads noise to p(z | a). Nothing is trained against anything: one squared error, no game.

    field = flow.fit(z, a)                        # embeddings (N, Z) of faces with labels (N, A)
    flow.sample(field, a, generator)              # new embeddings for labels
    flow.edit(field, z, a, a1)                    # the same face with other labels: back to its noise, and forth again
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

from lib import training

FREQUENCIES = 8  # of sine and cosine by which the network is told t
STEPS = 16  # of the midpoint rule from t = 0 to 1
LAYERS, BATCH, RATE = 3, 256, 1e-3  # of the network, and of its training


class Field(nn.Module):
    """v(z_t, t, a): the mean velocity at z_t (B, Z), t (B,), a (B, A) -> (B, Z), for embeddings in their own units.

    `mean` and `std` (Z,) are those of the embeddings: within the network they are 0 and 1, as the noise's are.
    """

    def __init__(self, embedding, attributes, width, mean, std):
        super().__init__()
        widths = [embedding + attributes + 2 * FREQUENCIES, *[width] * LAYERS]
        hidden = [step for pair in pairwise(widths) for step in (nn.Linear(*pair), nn.SiLU())]
        self.network = nn.Sequential(*hidden, nn.Linear(width, embedding))
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", std.float())

    def forward(self, z, t, a):
        angle = torch.pi * t[:, None] * 2.0 ** torch.arange(FREQUENCIES, device=z.device)
        return self.network(torch.cat([z, a, angle.sin(), angle.cos()], dim=1))


def loss(field, z, a):
    """Squared error of the velocity at a random time on the way from noise to each z (B, Z), which is standardised."""
    noise, t = torch.randn_like(z), torch.rand(len(z), device=z.device)
    on_the_way = torch.lerp(noise, z, t[:, None])
    return mse_loss(field(on_the_way, t, a), z - noise)


def fit(z, a, steps=3_000, width=512, seed=0):
    """A Field of embeddings z (N, Z) and labels a (N, A), on the device of z; frozen. The rate falls to nothing."""
    a, accelerator = a.float().to(z.device), training.new_accelerator()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        field = Field(z.shape[1], a.shape[1], width, z.mean(dim=0), z.std(dim=0).clamp(min=1e-6)).to(z.device)
        optimizer = training.adam([field], RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        standard = (z - field.mean) / field.std
        for rows in training.batches(accelerator, len(z), min(BATCH, len(z)), 0, steps, seed):
            rows = rows.to(z.device)
            training.descend(accelerator, loss(field, standard[rows], a[rows]), optimizer)
            schedule.step()
    return field.eval().requires_grad_(False)


@torch.inference_mode()
def follow(field, z, a, start, stop, steps=STEPS):
    """Where standardised z (B, Z) is at time `stop` when it was there at `start`: `steps` of the midpoint rule."""
    for t in np.linspace(start, stop, steps, endpoint=False):
        half = (stop - start) / steps / 2
        at = torch.full((len(z),), float(t), device=z.device)
        z = z + 2 * half * field(z + half * field(z, at, a), at + half, a)
    return z


def sample(field, a, generator=None, calm=1.0):
    """An embedding for each row of labels (B, A), (B, Z); another one for each draw of noise by torch's `generator`.
    Less than all the noise, `calm` < 1, makes likelier embeddings, and fewer different ones."""
    a = torch.as_tensor(a).float().to(field.mean.device)
    noise = calm * torch.randn(len(a), len(field.mean), generator=generator).to(a.device)
    return follow(field, noise, a, 0, 1) * field.std + field.mean


def edit(field, z, a, a1, steps=STEPS):
    """Embeddings z (B, Z) of faces with labels `a` as they would be with labels `a1`: back to the noise from which the
    flow of `a` makes them, and forth again by that of `a1`. What labels do not say lies in the noise, and stays."""
    a, a1 = (torch.as_tensor(labels).float().to(z.device) for labels in (a, a1))
    noise = follow(field, (z - field.mean) / field.std, a, 1, 0, steps)
    return follow(field, noise, a1, 0, 1, steps) * field.std + field.mean
