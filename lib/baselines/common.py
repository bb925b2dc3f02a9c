"""What the compared systems share: the gradient penalty, chance that a resumed run repeats, learning rate, labels."""

import dataclasses
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lib import attributes, models, stages
from lib.attributes import CONFLICTS
from lib.data import to_float
from lib.training import TrainingState, adam, batches, descend, steps_of


def gradient_penalty(critic, real, fake, epsilon):
    """WGAN-GP, E(‖∇D(x̃)‖₂ − 1)² at x̃ = ε x + (1 − ε) x̂ (Gulrajani et al., 2017, Eq. 3).

    `critic` maps images to one score or to a map of scores each, which is summed; `epsilon` (B, 1, 1, 1) in [0, 1].
    """
    between = (epsilon * real + (1 - epsilon) * fake).detach().requires_grad_()
    with torch.autocast(between.device.type, enabled=False):  # a gradient of a gradient wants all its digits
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


class Chance:
    """The random numbers of one training step, on a device.

    A pure function of (seed, step) and of the process, so that a resumed run draws what a straight one would have.
    """

    def __init__(self, accelerator, seed, step):
        self.rng = np.random.default_rng((seed, step, accelerator.process_index))
        self.device = accelerator.device

    def permutation(self, n):
        """A random order of range(n), int64."""
        return torch.from_numpy(self.rng.permutation(n)).to(self.device)

    def uniform(self, *shape):
        """Numbers from [0, 1)."""
        return torch.from_numpy(self.rng.random(shape, dtype=np.float32)).to(self.device)

    def normal(self, *shape):
        """Standard normal numbers."""
        return torch.from_numpy(self.rng.standard_normal(shape, dtype=np.float32)).to(self.device)


def players(config, device, **makers):
    """A fresh TrainingState: each module is made by its function of the config and has an Adam of its own."""
    torch.manual_seed(config.seed)
    modules = models.placed(nn.ModuleDict({name: make(config) for name, make in makers.items()}), device)
    return TrainingState(modules, {name: adam([module], config.learning_rate) for name, module in modules.items()})


def turns(accelerator, state, images, a, config):
    """What every loop here goes over, from step `state.step` to its end: faces x (B, 3, S, S), their labels (B, A) as
    0/1, and the step's Chance; of `images` uint8 (N, 3, S, S) with labels `a` bool (N, A)."""
    stop = steps_of(config, len(images))
    for batch in batches(accelerator, len(images), config.batch_size, state.step, stop, config.seed):
        yield to_float(images[batch]), a[batch].float(), Chance(accelerator, config.seed, state.step)


def move(accelerator, optimizer, loss):
    """One step of one player, its gradient uncut: none of these systems cuts it, and a critic's is long by nature."""
    descend(accelerator, loss, optimizer, longest=math.inf)


def anneal(state, config, n):
    """Set the players' learning rate for this step of a training on `n` faces: constant in the first half, then
    linearly towards 0."""
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1, 2 - 2 * state.step / steps_of(config, n))


def label_maps(a, h):
    """Labels (B, A) as constant maps (B, A, H, W) that fit the feature maps `h`."""
    return a[:, :, None, None].expand(-1, -1, *h.shape[2:])


class LabelledConvolution(nn.Conv2d):
    """The convolution of an image beside its label maps, without the maps: (x, a) -> conv(cat[x, label_maps(a, x)]).

    A constant map meets every weight of its kernel alike, except where the kernel reaches beyond the border. So the
    labels weigh the kernels, and one product with "which of its weights lie inside the image" does the rest: 40 labels
    cost as much as one. (`nn.Conv2d` takes the number of channels of image and labels together.)
    """

    def forward(self, x, a):
        of_image, of_labels = self.weight.split([x.shape[1], a.shape[1]], dim=1)
        h = functional.conv2d(x, of_image, self.bias, self.stride, self.padding)
        inside = functional.unfold(
            torch.ones_like(x[:1, :1]), self.kernel_size, padding=self.padding, stride=self.stride
        )
        kernels = (a @ of_labels.transpose(0, 1).flatten(1)).view(len(a), self.out_channels, -1)
        return h + (kernels @ inside).view_as(h)


def obtain(run, faces, stage, profiles, new_state, train, **changes):
    """The finished stage (`stages.obtain`) of a system that learns from images and labels alone.

    Its config is that of the run's profile (the published one where it has none for this), for these faces and the
    run's seed; `changes` replace fields of it.
    """
    fitting = {"size": faces.size, "attributes": faces.names, "seed": run.seed}
    settings = dataclasses.replace(profiles.get(run.profile.name, profiles["paper"]), **fitting | changes)

    def begin(accelerator):
        images, a = stages.tensors(faces.part("train"), accelerator.device)
        state = new_state(settings, accelerator.device)
        return state, len(images), lambda: train(accelerator, state, images, a, settings)

    return stages.obtain(run, stage, settings, [faces.key], begin)


def flipped(a, names, attribute):
    """Labels to edit faces by: `a` (N, A) bool with `attribute` flipped, (N, A) bool.

    Where it is switched on, labels that contradict it (`attributes.CONFLICTS`) are switched off, much as AttGAN's
    authors do: who turns blond is no longer black-haired. Raises ValueError for an unknown attribute.
    """
    a = np.array(a, dtype=bool)
    column = attributes.index(names, attribute)
    a[:, column] ^= True
    rivals = {name for pair in CONFLICTS if attribute in pair for name in pair} - {attribute}
    for rival in rivals.intersection(names):
        a[a[:, column], attributes.index(names, rival)] = False
    return a
