"""DCGAN (Radford et al., 2016), twice: the one the paper compares itself with, and the original.

    from_labels   a -> x̂: Φ, Decoder and DCGAN's discriminator, all from scratch (footnote 4 of the paper)
    from_noise    z -> x̂: the original; it knows no labels, so it can illustrate but not augment

Footnote 4 does not say how a discriminator of images alone would notice that a face ignores its labels. So here it
sees them, as maps beside the image; `labels_in_discriminator=False` is the literal reading.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import log2

import torch
from torch import nn

from lib import losses, models, stages
from lib.baselines.common import LabelledConvolution, move, obtain, players, turns
from lib.training import averaged


@dataclass(frozen=True)
class DCGANConfig:
    """Defaults are the published ones; those of Φ and Decoder are the paper's."""

    size: int = 64
    attributes: tuple[str, ...] = ()  # none: the original DCGAN
    labels_in_discriminator: bool = True
    filters: int = 64  # at the highest resolution, doubled with each halving
    noise: int = 100  # of the original
    decoder_filters: int = 64
    embedding: int = 64  # Z
    epochs: float = 25
    batch_size: int = 64
    learning_rate: float = 2e-4
    seed: int = 0


PROFILES = {
    "ci": DCGANConfig(filters=4, noise=8, decoder_filters=4, epochs=1, batch_size=16),
    "laptop": DCGANConfig(filters=8, decoder_filters=8, epochs=5, batch_size=32),  # a weak discriminator, else it wins
    "reference": DCGANConfig(epochs=50),
    "paper": DCGANConfig(),
}


def widths(size, filters):
    """Filters from the highest resolution down to 4x4: 64, 128, 256, 512 for 64x64."""
    return [filters * 2**i for i in range(int(log2(size)) - 2)]


class LabelGenerator(nn.Sequential):
    """a -> x̂: Φ and Decoder of the paper's own method, untrained."""

    def __init__(self, size, attributes, decoder_filters, embedding):
        super().__init__(
            models.MappingFunction(attributes, embedding), models.Decoder(size, decoder_filters, embedding)
        )


class NoiseGenerator(nn.Sequential):
    """z (B, noise) -> x̂: transposed 4x4 convolutions with batch norm and ReLU, tanh at the end."""

    def __init__(self, size, filters, noise):
        layers, stride, padding = [nn.Unflatten(1, (noise, 1, 1))], 1, 0
        for width_in, width_out in pairwise((noise, *reversed(widths(size, filters)))):
            layers += [
                nn.ConvTranspose2d(width_in, width_out, 4, stride, padding, bias=False),
                nn.BatchNorm2d(width_out),
                nn.ReLU(),
            ]
            stride, padding = 2, 1
        super().__init__(*layers, nn.ConvTranspose2d(filters, 3, 4, stride, padding, bias=False), nn.Tanh())
        initialise(self)


class Discriminator(nn.Module):
    """x, and a (B, A) unless A = 0 -> logit (B,): 4x4 convolutions of stride 2, batch norm except in the first."""

    def __init__(self, size, filters, attributes=0):
        super().__init__()
        first, *wide = widths(size, filters)
        self.first = LabelledConvolution(3 + attributes, first, 4, 2, 1, bias=False)
        layers = [nn.LeakyReLU(0.2)]
        for width_in, width_out in pairwise((first, *wide)):
            layers += [
                nn.Conv2d(width_in, width_out, 4, 2, 1, bias=False), nn.BatchNorm2d(width_out), nn.LeakyReLU(0.2)
            ]  # fmt: skip
        self.layers = nn.Sequential(*layers, nn.Conv2d(width_out, 1, 4, bias=False), nn.Flatten(0))
        self.attributes = attributes
        initialise(self)

    def forward(self, x, a):
        return self.layers(self.first(x, a[:, : self.attributes]))


def initialise(network):
    """DCGAN's start: weights of convolutions from N(0, 0.02), scales of batch norm from N(1, 0.02)."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)


def new_generator(config):
    """The generator of a config: from labels if it has attributes, else from noise."""
    if config.attributes:
        return LabelGenerator(config.size, len(config.attributes), config.decoder_filters, config.embedding)
    return NoiseGenerator(config.size, config.filters, config.noise)


def new_discriminator(config):
    """The discriminator of a config, untrained."""
    return Discriminator(config.size, config.filters, len(config.attributes) if config.labels_in_discriminator else 0)


def new_state(config, device):
    """Fresh networks and optimizers for `train`."""
    return players(config, device, discriminator=new_discriminator, model=new_generator)


def train(accelerator, state, images, a, config):
    """Discriminator, then generator, on every batch of `images` uint8 (N, 3, S, S) with labels `a` bool (N, A).

    Loss: −E log D(x) − E log(1 − D(x̂)) against −E log D(x̂). Records: discriminator, generator.
    """
    generator, discriminator = state.modules["model"], state.modules["discriminator"]
    for x, labels, chance in turns(accelerator, state, images, a, config):
        with accelerator.autocast():
            x_fake = generator(labels if config.attributes else chance.normal(len(x), config.noise))
            discriminator_loss = losses.discriminator(discriminator(x, labels), discriminator(x_fake.detach(), labels))
        move(accelerator, state.optimizers["discriminator"], discriminator_loss)
        with accelerator.autocast():
            generator_loss = losses.generator(discriminator(x_fake, labels))
        move(accelerator, state.optimizers["model"], generator_loss)
        state.step += 1
        yield averaged(accelerator, discriminator=discriminator_loss, generator=generator_loss)


def from_labels(run, faces, **changes):
    """The paper's DCGAN, trained on the training faces and their labels. `changes` replace fields of its config."""
    return obtain(run, faces, "dcgan_labels", PROFILES, new_state, train, **changes)


def from_noise(run, faces, **changes):
    """The original DCGAN, trained on the training faces. `changes` replace fields of its config."""
    return obtain(run, faces, "dcgan_noise", PROFILES, new_state, train, attributes=(), **changes)


stages.MODELS |= dict.fromkeys(("dcgan_labels", "dcgan_noise"), (DCGANConfig, new_generator))


@torch.inference_mode()
def generate(model, a, x=None, source=None):
    """Faces (B, 3, S, S) for the labels `a` (B, A) by a generator from labels; `x` and `source` change nothing."""
    return model(a)


@torch.inference_mode()
def sample(model, n, seed):
    """`n` faces by a generator from noise, always the same ones for a seed."""
    noise = model[0].unflattened_size[0]
    z = torch.randn(n, noise, generator=torch.Generator().manual_seed(seed))
    return model(z.to(next(model.parameters()).device))
