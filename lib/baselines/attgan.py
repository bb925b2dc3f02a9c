"""AttGAN (He et al., 2019): change what the labels ask for, keep the rest. x -> code, (code, b) -> x̂.

No cycle: the *same* code decoded with the face's own labels must give the face back, so the code keeps what is no
label. Labels enter as -1/+1 and once more after the first layer of the decoder, where a shortcut from the encoder does.

Where this differs from the authors' code:
 - smaller faces: the authors' five convolutions lead from 128x128 to 4x4. The critic stops at 4x4, too, where
   its instance norm leaves enough of what it sees; the generator, which has batch norm, at 2x2;
 - no mirrored images and no random crop, but the crop and the splits of this course;
 - every profile but `paper` has fewer steps of the critic for one of the generator, and weights that fit (`PROFILES`);
 - to show an edit the authors double the one label that it is made for, we all that change (`generate`).
"""

from dataclasses import dataclass
from itertools import pairwise
from math import log2

import torch
from torch import nn

from lib import stages
from lib.baselines.common import label_maps, obtain, players
from lib.baselines.editors import train_wasserstein_editor, wasserstein_critic_loss, wasserstein_generator_loss


@dataclass(frozen=True)
class AttGANConfig:
    """Defaults are the published ones."""

    size: int = 64
    attributes: tuple[str, ...] = ()
    filters: int = 64
    critic_filters: int = 64
    critic_map: int = 4  # pixels to a side of the critic's last feature maps
    features: int = 1024  # of the critic's two heads
    weight_reconstruction: float = 100.0
    weight_classification_fake: float = 10.0
    weight_classification_real: float = 1.0
    weight_gradient_penalty: float = 10.0
    n_critic: int = 5  # steps of the critic for each of the generator
    epochs: float = 60
    batch_size: int = 32
    learning_rate: float = 2e-4
    seed: int = 0


PROFILES = {
    "ci": AttGANConfig(filters=4, critic_filters=4, features=16, epochs=1, batch_size=16),
    "laptop": AttGANConfig(  # so few steps need a critic that learns the labels faster
        filters=16,
        critic_filters=12,
        features=64,
        weight_reconstruction=30.0,
        weight_classification_fake=20.0,
        weight_classification_real=10.0,
        n_critic=2,
        epochs=4,
        learning_rate=1e-3,
    ),
    "reference": AttGANConfig(weight_classification_real=10.0, n_critic=2, epochs=25.4),
    "paper": AttGANConfig(),
}


INTENSITY = 2.0  # of a label that an edit changes, beside the 1 of all others


def widths(size, filters, smallest):
    """Filters from the highest resolution down to `smallest` x `smallest`, five at most: 64 .. 1024 from 64 to 2."""
    return [filters * 2**i for i in range(min(5, int(log2(size // smallest))))]


class Generator(nn.Module):
    """x (B, 3, S, S), b (B, A) of 0/1 -> x̂ in [-1, 1]."""

    def __init__(self, size, filters, attributes):
        super().__init__()
        wide = widths(size, filters, smallest=2)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width_in, width_out, 4, 2, 1, bias=False), nn.BatchNorm2d(width_out), nn.LeakyReLU(0.2)
            )
            for width_in, width_out in pairwise((3, *wide))
        )
        first, second = wide[-1] + attributes, wide[-1] + wide[-2] + attributes  # code and labels; shortcut, labels
        inputs, outputs = (first, second, *wide[-2:0:-1]), wide[:0:-1]
        self.decoder = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(width_in, width_out, 4, 2, 1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()
            )
            for width_in, width_out in zip(inputs, outputs, strict=False)
        )
        self.decoder.append(nn.Sequential(nn.ConvTranspose2d(inputs[-1], 3, 4, 2, 1), nn.Tanh()))

    def encode(self, x):
        """The code and what the shortcut takes: the feature maps of the last and of the last but one layer."""
        maps = []
        for layer in self.encoder:
            x = layer(x)
            maps.append(x)
        return maps[-1], maps[-2]

    def decode(self, code, b):
        """The face of a code with the labels b."""
        h, shortcut = code
        b = 2 * b - 1
        first, *rest = self.decoder
        h = first(torch.cat([h, label_maps(b, h)], dim=1))
        h = torch.cat([h, shortcut, label_maps(b, h)], dim=1)
        for layer in rest:
            h = layer(h)
        return h

    def forward(self, x, b):
        return self.decode(self.encode(x), b)


class Critic(nn.Module):
    """x -> (score (B,), logits of attributes (B, A)): convolutions with instance norm, two heads of two layers."""

    def __init__(self, size, filters, features, attributes, smallest=4):
        super().__init__()
        wide = widths(size, filters, smallest)
        layers = []
        for width_in, width_out in pairwise((3, *wide)):
            layers += [
                nn.Conv2d(width_in, width_out, 4, 2, 1, bias=False),
                nn.InstanceNorm2d(width_out, affine=True),
                nn.LeakyReLU(0.2),
            ]
        self.body = nn.Sequential(*layers, nn.Flatten())
        flat = wide[-1] * (size // 2 ** len(wide)) ** 2

        def head(outputs):
            return [nn.Linear(flat, features), nn.LeakyReLU(0.2), nn.Linear(features, outputs)]

        self.realness = nn.Sequential(*head(1), nn.Flatten(0))
        self.classifier = nn.Sequential(*head(attributes))

    def forward(self, x):
        h = self.body(x)
        return self.realness(h), self.classifier(h)


def critic_loss(critic, x, a, x_fake, epsilon, config):
    """E D(x̂) − E D(x) + λ_gp · penalty + λ · cross-entropy of the real labels a. Returns (total, parts)."""
    return wasserstein_critic_loss(
        critic, x, a, x_fake, epsilon, config.weight_gradient_penalty, config.weight_classification_real
    )


def generator_loss(generator, critic, x, a, b, config):
    """−E D(x̂) + λ · cross-entropy of the wished labels b + λ_rec ‖x − decode(code, a)‖₁. Returns (total, parts)."""
    code = generator.encode(x)
    x_fake, x_back = generator.decode(code, b), generator.decode(code, a)
    return wasserstein_generator_loss(
        critic, x, x_fake, b, x_back, config.weight_classification_fake, config.weight_reconstruction
    )


def new_generator(config):
    """The generator of a config, untrained."""
    return Generator(config.size, config.filters, len(config.attributes))


def new_critic(config):
    """The critic of a config, untrained."""
    return Critic(config.size, config.critic_filters, config.features, len(config.attributes), config.critic_map)


def new_state(config, device):
    """Fresh networks and optimizers for `train`."""
    return players(config, device, critic=new_critic, model=new_generator)


def train(accelerator, state, images, a, config):
    """The loop of `editors.train_wasserstein_editor`."""
    return train_wasserstein_editor(accelerator, state, images, a, config, critic_loss, generator_loss)


def attgan(run, faces, **changes):
    """AttGAN trained on the training faces and their labels. `changes` replace fields of its config."""
    return obtain(run, faces, "attgan", PROFILES, new_state, train, **changes)


stages.MODELS["attgan"] = (AttGANConfig, new_generator)


@torch.inference_mode()
def generate(model, a, x, source):
    """The faces `x` (B, 3, S, S) of labels `source` (B, A) with the labels `a` instead; halves go half the way.

    A label that changes enters as -2 or +2 (`INTENSITY`), twice what it was in training, as in the authors' test
    program and in its port to PyTorch. Make `a` by `common.flipped` to change one attribute without contradicting
    another.
    """
    return model(x, a + (INTENSITY - 1) / 2 * (a - source))
