"""IcGAN (Perarnau et al., 2016): a conditional GAN, z, y -> x̂, and two encoders that invert it, x -> z and x -> y.

An edit is a detour by way of noise: E_z(x) and the wished labels go through the generator, so what E_z does not catch
of a face is lost. The encoders come last, when the generator no longer moves: E_z learns from generated faces, whose z
is known, E_y from photographs and their labels. Neither looks at the other's (the authors' "IND").
Networks and settings are those of the authors' published configuration; labels enter as -1/+1.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from lib import losses, stages
from lib.baselines import dcgan
from lib.baselines.common import LabelledConvolution, move, obtain, players, turns
from lib.training import BETAS, adam, averaged, steps_of

ENCODER_BETAS = (0.1, BETAS[1])


@dataclass(frozen=True)
class IcGANConfig:
    """Defaults are the published ones: 25 epochs of the conditional GAN, then 15 of the encoders."""

    size: int = 64
    attributes: tuple[str, ...] = ()
    filters: int = 64  # of generator and discriminator at the highest resolution
    encoder_filters: int = 32
    features: int = 512  # of E_y before its last layer; E_z has as many as its last feature maps have numbers
    noise: int = 100
    epochs: float = 40
    encoder_share: float = 0.375  # of the epochs, the last ones
    batch_size: int = 64
    learning_rate: float = 2e-4
    encoder_learning_rate: float = 1e-4
    seed: int = 0


PROFILES = {
    "ci": IcGANConfig(filters=4, encoder_filters=4, features=16, noise=8, epochs=2, encoder_share=0.5, batch_size=16),
    "laptop": IcGANConfig(
        filters=16,
        encoder_filters=12,
        features=128,
        epochs=10,
        batch_size=32,
        learning_rate=5e-4,
        encoder_learning_rate=1e-3,
    ),
    "reference": IcGANConfig(epochs=97),
    "paper": IcGANConfig(),
}


class Encoder(nn.Sequential):
    """x -> `outputs` numbers: 5x5 convolutions of stride 2 with batch norm down to 4x4, then two layers."""

    def __init__(self, size, filters, outputs, features=None):
        wide = dcgan.widths(size, filters)
        layers = []
        for width_in, width_out in pairwise((3, *wide)):
            layers += [nn.Conv2d(width_in, width_out, 5, 2, 2, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()]
        flat = 16 * wide[-1]
        features = features or flat
        layers += [nn.Flatten(), nn.Linear(flat, features, bias=False), nn.BatchNorm1d(features), nn.ReLU()]
        super().__init__(*layers, nn.Linear(features, outputs))


class IcGAN(nn.Module):
    """x (B, 3, S, S), b (B, A) of 0/1 -> x̂ in [-1, 1]."""

    def __init__(self, size, filters, encoder_filters, features, noise, attributes):
        super().__init__()
        self.generator = dcgan.NoiseGenerator(size, filters, noise + attributes)
        self.encoder_z = Encoder(size, encoder_filters, noise)
        self.encoder_y = Encoder(size, encoder_filters, attributes, features)

    def decode(self, z, b):
        """The face of noise z (B, noise) and labels b (B, A)."""
        return self.generator(torch.cat([z, 2 * b - 1], dim=1))

    def encode(self, x):
        """Noise (B, noise) and labels (B, A) of 0/1 from which the generator would make these faces."""
        return self.encoder_z(x), (self.encoder_y(x) > 0).float()

    def forward(self, x, b):
        return self.decode(self.encoder_z(x), b)


class Discriminator(nn.Module):
    """x, b (B, A) of 0/1 -> logit (B,): DCGAN's, with the labels as maps beside the first layer's."""

    def __init__(self, size, filters, attributes):
        super().__init__()
        first, second, *wide = dcgan.widths(size, filters)
        self.first = nn.Sequential(nn.Conv2d(3, first, 4, 2, 1), nn.LeakyReLU(0.2))
        self.second = LabelledConvolution(first + attributes, second, 4, 2, 1, bias=False)
        layers = [nn.BatchNorm2d(second), nn.LeakyReLU(0.2)]
        for width_in, width_out in pairwise((second, *wide)):
            layers += [
                nn.Conv2d(width_in, width_out, 4, 2, 1, bias=False), nn.BatchNorm2d(width_out), nn.LeakyReLU(0.2)
            ]  # fmt: skip
        self.layers = nn.Sequential(*layers, nn.Conv2d((second, *wide)[-1], 1, 4), nn.Flatten(0))
        dcgan.initialise(self)

    def forward(self, x, b):
        return self.layers(self.second(self.first(x), 2 * b - 1))


def discriminator_loss(discriminator, x, a, wrong, x_fake, b):
    """−E log D(x, a) − ½ E log(1 − D(x, wrong)) − ½ E log(1 − D(x̂, b)) for faces x of labels a, fakes x̂ made for labels
    b. Real faces with labels that are not theirs are refused as well, or nobody would have to look at labels."""
    refused = torch.cat([discriminator(x, wrong), discriminator(x_fake, b)])
    return losses.discriminator(discriminator(x, a), refused)


def encoder_losses(model, x, a, z, b):
    """E‖z − E_z(G(z, b))‖², and E‖y − E_y(x)‖² with y = ±1 for the labels a of faces x; means over all entries."""
    with torch.no_grad():
        x_fake = model.decode(z, b)
    return {
        "encoder_z": mse_loss(model.encoder_z(x_fake), z),
        "encoder_y": mse_loss(model.encoder_y(x), 2 * a - 1),
    }


def new_model(config):
    """Generator and encoders of a config, untrained."""
    sizes = config.filters, config.encoder_filters, config.features, config.noise
    return IcGAN(config.size, *sizes, len(config.attributes))


def new_discriminator(config):
    """The discriminator of a config, untrained."""
    return Discriminator(config.size, config.filters, len(config.attributes))


def new_state(config, device):
    """Fresh networks and optimizers for `train`. The optimizer "model" moves the generator alone."""
    state = players(config, device, discriminator=new_discriminator, model=new_model)
    model = state.modules["model"]
    encoders = [*model.encoder_z.parameters(), *model.encoder_y.parameters()]
    state.optimizers |= {
        "model": adam([model.generator], config.learning_rate),
        "encoders": Adam(encoders, lr=config.encoder_learning_rate, betas=ENCODER_BETAS, fused=True),
    }
    return state


def train(accelerator, state, images, a, config):
    """Two trainings in one loop on `images` uint8 (N, 3, S, S) with labels `a` bool (N, A).

    First discriminator, then generator, on every batch; over the last `config.encoder_share` of the steps the encoders,
    while the generator stands still. Records: discriminator, generator; then encoder_z, encoder_y.
    """
    model, discriminator = state.modules["model"], state.modules["discriminator"]
    adversarial_steps = round((1 - config.encoder_share) * steps_of(config, len(images)))
    for x, labels, chance in turns(accelerator, state, images, a, config):
        adversarial = state.step < adversarial_steps
        model.generator.train(adversarial)  # the encoders invert it as it will be used
        z, b = chance.normal(len(x), config.noise), labels[chance.permutation(len(x))]
        if adversarial:
            with accelerator.autocast():
                x_fake = model.decode(z, b)
                loss = discriminator_loss(discriminator, x, labels, labels.roll(1, 0), x_fake.detach(), b)
            move(accelerator, state.optimizers["discriminator"], loss)
            record = {"discriminator": loss}
            with accelerator.autocast():
                loss = losses.generator(discriminator(x_fake, b))
            move(accelerator, state.optimizers["model"], loss)
            record["generator"] = loss
        else:
            with accelerator.autocast():
                record = encoder_losses(model, x, labels, z, b)
            move(accelerator, state.optimizers["encoders"], sum(record.values()))
        state.step += 1
        yield averaged(accelerator, **record)


def phases(config):
    """The two trainings of a config as configs of their own, by name: each has the steps that it takes of the whole."""
    encoder_epochs = config.epochs * config.encoder_share
    return {
        "conditional GAN": replace(config, epochs=config.epochs - encoder_epochs, encoder_share=0.0),
        "encoders": replace(config, epochs=encoder_epochs, encoder_share=1.0),
    }


def icgan(run, faces, **changes):
    """IcGAN trained on the training faces and their labels. `changes` replace fields of its config."""
    return obtain(run, faces, "icgan", PROFILES, new_state, train, **changes)


stages.MODELS["icgan"] = (IcGANConfig, new_model)


@torch.inference_mode()
def generate(model, a, x, source=None):
    """The faces `x` (B, 3, S, S) with the labels `a` (B, A) instead of theirs, which need not be known."""
    return model(x, a)
