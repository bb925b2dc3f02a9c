"""StarGAN (Choi et al., 2018): one generator edits a face towards any labels, x, b -> x̂. WGAN-GP and a cycle.

Where this differs from the authors' code:
 - the classification losses are means over the attributes, not sums, so their weight does not grow with A; the
   published weight 1 of a sum over five attributes is a weight 5 here;
 - instance norm keeps no running averages, so a network trained and one in use compute the same;
 - no mirrored images, and the crop and the splits of this course (the published split trains on CelebA's test faces).
"""

from dataclasses import dataclass
from itertools import pairwise
from math import log2

import torch
from torch import nn

from lib import models, stages
from lib.baselines.common import LabelledConvolution, obtain, players
from lib.baselines.editors import train_wasserstein_editor, wasserstein_critic_loss, wasserstein_generator_loss


@dataclass(frozen=True)
class StarGANConfig:
    """Defaults are the published ones: 200,000 steps of 16 faces are 20 epochs of CelebA."""

    size: int = 64
    attributes: tuple[str, ...] = ()
    filters: int = 64
    blocks: int = 6  # residual blocks of the generator
    critic_filters: int = 64
    weight_classification: float = 5.0  # λ_cls
    weight_reconstruction: float = 10.0  # λ_rec
    weight_gradient_penalty: float = 10.0  # λ_gp
    n_critic: int = 5  # steps of the critic for each of the generator
    epochs: float = 20
    batch_size: int = 16
    learning_rate: float = 1e-4
    seed: int = 0


PROFILES = {
    "ci": StarGANConfig(filters=4, blocks=1, critic_filters=4, epochs=1),
    "laptop": StarGANConfig(  # so few steps need a classification that counts
        filters=8,
        blocks=2,
        critic_filters=12,
        weight_classification=20.0,
        weight_reconstruction=30.0,
        n_critic=2,
        epochs=4,
        learning_rate=1e-3,
    ),
    "reference": StarGANConfig(n_critic=2, epochs=8.6, batch_size=32, learning_rate=2e-4),
    "paper": StarGANConfig(),
}


class Generator(nn.Module):
    """x (B, 3, S, S), b (B, A) -> x̂ in [-1, 1]: the labels are constant maps beside the image.

    7x7 convolution, two halvings, residual blocks, two doublings, 7x7 convolution; norms, no biases.
    """

    def __init__(self, filters, attributes, blocks, norm=None):
        super().__init__()
        norm = norm or (lambda width: nn.InstanceNorm2d(width, affine=True))
        n = filters

        def unit(convolution, width_in, width_out, *geometry):
            return [convolution(width_in, width_out, *geometry, bias=False), norm(width_out), nn.ReLU()]

        self.first, *layers = unit(LabelledConvolution, 3 + attributes, n, 7, 1, 3)
        layers += unit(nn.Conv2d, n, 2 * n, 4, 2, 1) + unit(nn.Conv2d, 2 * n, 4 * n, 4, 2, 1)
        for _ in range(blocks):
            block = unit(nn.Conv2d, 4 * n, 4 * n, 3, 1, 1) + unit(nn.Conv2d, 4 * n, 4 * n, 3, 1, 1)
            layers.append(models.Residual(*block[:-1]))  # no ReLU on the sum
        layers += unit(nn.ConvTranspose2d, 4 * n, 2 * n, 4, 2, 1) + unit(nn.ConvTranspose2d, 2 * n, n, 4, 2, 1)
        self.layers = nn.Sequential(*layers, nn.Conv2d(n, 3, 7, 1, 3, bias=False), nn.Tanh())

    def forward(self, x, b):
        return self.layers(self.first(x, b))


def critic_body(size, filters):
    """4x4 convolutions of stride 2 with leaky ReLU, six or until 1x1 is left. Returns (layers, filters, size)."""
    depth = min(6, int(log2(size)))
    layers = []
    for width_in, width_out in pairwise((3, *(filters * 2**i for i in range(depth)))):
        layers += [nn.Conv2d(width_in, width_out, 4, 2, 1), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers), width_out, size // 2**depth


class Critic(nn.Module):
    """x -> (scores of patches (B, 1, h, w), logits of attributes (B, A)). No norm, no sigmoid."""

    def __init__(self, size, filters, attributes):
        super().__init__()
        self.body, width, left = critic_body(size, filters)
        self.realness = nn.Conv2d(width, 1, 3, padding=1, bias=False)
        self.classifier = nn.Sequential(nn.Conv2d(width, attributes, left, bias=False), nn.Flatten())

    def forward(self, x):
        h = self.body(x)
        return self.realness(h), self.classifier(h)


def critic_loss(critic, x, a, x_fake, epsilon, config):
    """Eq. 5 with Eq. 8, L_D = −L_adv + λ_cls L_cls(x, a), for faces x with labels a. Returns (total, parts)."""
    return wasserstein_critic_loss(
        critic, x, a, x_fake, epsilon, config.weight_gradient_penalty, config.weight_classification
    )


def generator_loss(generator, critic, x, a, b, config):
    """Eq. 6, L_G = L_adv + λ_cls L_cls(x̂, b) + λ_rec ‖x − G(G(x, b), a)‖₁. Returns (total, parts)."""
    x_fake = generator(x, b)
    x_back = generator(x_fake, a)
    return wasserstein_generator_loss(
        critic, x, x_fake, b, x_back, config.weight_classification, config.weight_reconstruction
    )


def new_generator(config):
    """The generator of a config, untrained."""
    return Generator(config.filters, len(config.attributes), config.blocks)


def new_critic(config):
    """The critic of a config, untrained."""
    return Critic(config.size, config.critic_filters, len(config.attributes))


def new_state(config, device):
    """Fresh networks and optimizers for `train`."""
    return players(config, device, critic=new_critic, model=new_generator)


def train(accelerator, state, images, a, config):
    """The loop of `editors.train_wasserstein_editor`."""
    return train_wasserstein_editor(accelerator, state, images, a, config, critic_loss, generator_loss)


def stargan(run, faces, **changes):
    """StarGAN trained on the training faces and their labels. `changes` replace fields of its config."""
    return obtain(run, faces, "stargan", PROFILES, new_state, train, **changes)


stages.MODELS["stargan"] = (StarGANConfig, new_generator)


@torch.inference_mode()
def generate(model, a, x, source=None):
    """The faces `x` (B, 3, S, S) with the labels `a` (B, A) instead of theirs, which need not be known."""
    return model(x, a)
