"""RelGAN (Wu et al., 2019): edit by the *difference* of labels, x, v = b − a ∈ {−1, 0, 1} -> x̂.

What is not named does not change, and α v with 0 < α < 1 is a part of the way. Three critics share one body: is the
face real, does a pair of faces match a difference, how far along a way is this face? Least-squares losses.
Re-implemented from the published description. Critic and generator take turns, one step each.

Where this differs from the authors' code: the penalty is on the critic of realness alone, not on that of interpolation,
too; the latter sees the whole edit and none, where theirs sees one of the two; no mirrored images.
"""

from dataclasses import dataclass

import torch
from torch import nn

from lib import stages
from lib.baselines import stargan
from lib.baselines.common import gradient_penalty, label_maps, obtain, players
from lib.baselines.editors import train_editor
from lib.losses import image_reconstruction


@dataclass(frozen=True)
class RelGANConfig:
    """Defaults are the published ones: 400,000 steps of 4 faces are 10 epochs of CelebA."""

    size: int = 64
    attributes: tuple[str, ...] = ()
    filters: int = 64
    blocks: int = 6  # residual blocks of the generator
    critic_filters: int = 64
    weight_matching: float = 1.0
    weight_interpolation: float = 10.0
    weight_cycle: float = 10.0
    weight_self: float = 10.0
    weight_gradient_penalty: float = 150.0
    weight_orthogonal: float = 1e-6
    epochs: float = 10
    batch_size: int = 4
    learning_rate: float = 5e-5
    seed: int = 0


#: So few steps need a matching critic that learns what a difference is, and a generator that keeps faces meanwhile.
SHORT = {"weight_matching": 10.0, "weight_cycle": 30.0, "weight_self": 30.0, "weight_gradient_penalty": 10.0}
PROFILES = {
    "ci": RelGANConfig(filters=2, blocks=1, critic_filters=4, epochs=1, batch_size=16),
    "laptop": RelGANConfig(
        filters=8, blocks=2, critic_filters=12, epochs=1, batch_size=16, learning_rate=1e-3, **SHORT
    ),
    "reference": RelGANConfig(epochs=2.5, batch_size=16, learning_rate=2e-4, **SHORT),
    "paper": RelGANConfig(),
}


class SwitchNorm(nn.Module):
    """Switchable normalisation (Luo et al., 2019): a learned mixture of instance, layer and batch statistics.

    As in batch norm, the batch's statistics are replaced by running averages once training is over.
    """

    def __init__(self, width, momentum=0.1):
        super().__init__()
        self.scale, self.shift = (nn.Parameter(torch.full((1, width, 1, 1), value)) for value in (1.0, 0.0))
        self.mean_mixture, self.variance_mixture = (nn.Parameter(torch.ones(3)) for _ in range(2))
        self.register_buffer("running_mean", torch.zeros(1, width, 1, 1))
        self.register_buffer("running_variance", torch.ones(1, width, 1, 1))
        self.momentum = momentum

    def forward(self, h):
        variance, mean = torch.var_mean(h.float(), dim=(2, 3), keepdim=True, correction=0)
        square = variance + mean.square()

        def over(dim):
            m = mean.mean(dim, keepdim=True)
            return m, square.mean(dim, keepdim=True) - m.square()

        layer, batch = over(1), (self.running_mean, self.running_variance)
        if self.training:
            batch = over(0)
            self.running_mean.lerp_(batch[0].detach(), self.momentum)
            self.running_variance.lerp_(batch[1].detach(), self.momentum)
        mean, variance = (
            sum(share * value for share, value in zip(mixture.softmax(0), values, strict=True))
            for mixture, values in (
                (self.mean_mixture, (mean, layer[0], batch[0])),
                (self.variance_mixture, (variance, layer[1], batch[1])),
            )
        )
        gain = (variance + 1e-5).rsqrt() * self.scale
        return torch.addcmul(self.shift - mean * gain, h, gain)  # (h − mean) · gain + shift, in one pass over h


class Critic(nn.Module):
    """Three critics of one `body`; each gives scores to what the body makes of faces, h (B, F, h, w)."""

    def __init__(self, size, filters, attributes):
        super().__init__()
        self.body, width, _ = stargan.critic_body(size, filters)
        self.real = nn.Conv2d(width, 1, 1)
        self.match = nn.Sequential(
            nn.Conv2d(2 * width + attributes, width, 1), nn.LeakyReLU(0.01), nn.Conv2d(width, 1, 1)
        )
        self.interpolation = nn.Conv2d(width, 64, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # as the authors begin: torch's default would leave the matching critic
                of_body = module in self.body  # features a hundred times smaller than the labels beside them
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu" if of_body else "linear")
                nn.init.zeros_(module.bias)

    def realness(self, h):
        """Is this a photograph? Scores of patches (B, 1, h, w), 1 for yes."""
        return self.real(h)

    def matching(self, h, v, g):
        """Are both real and do their labels differ by v, from h to g? Scores of patches (B, 1, h, w), 1 for yes."""
        return self.match(torch.cat([h, g, label_maps(v, h)], dim=1))

    def degree(self, h):
        """How far it is from either end of an interpolation, 0 at the ends and 1/2 half-way, (B,)."""
        return self.interpolation(h).mean(dim=(1, 2, 3))


def towards(scores, value):
    """Least squares: the mean squared distance of scores from a value."""
    return (scores - value).square().mean()


def critic_loss(critic, x, a, edits, alpha, epsilon, config):
    """What the three critics minimise. Returns (total, parts).

    `edits` = (G(x, v), G(x, αv), G(x, 0)) with v = a.roll(1, 0) − a: the face before in the batch is a real face
    with the labels wished for. Real pairs with a wrong face or a wrong difference must be refused as well.
    """
    full, partial, none = edits
    h, h_full, h_partial, h_none = critic.body(torch.cat([x, full, partial, none])).chunk(4)
    other, third = h.roll(1, 0), h.roll(2, 0)
    b, c = a.roll(1, 0), a.roll(2, 0)
    refused = [
        critic.matching(h, b - a, h_full),
        critic.matching(third, b - a, other),  # wrong source
        critic.matching(h, b - a, third),  # wrong target
        critic.matching(h, c - a, other),  # wrong differences
        critic.matching(h, b - c, other),
    ]
    degree = torch.minimum(alpha, 1 - alpha).flatten()
    parts = {
        "real": towards(critic.realness(h), 1) + towards(critic.realness(h_full), 0),
        "matching": towards(critic.matching(h, b - a, other), 1) + sum(towards(scores, 0) for scores in refused),
        "interpolation": towards(critic.degree(h_partial), degree)
        + towards(critic.degree(h_none), 0)
        + towards(critic.degree(h_full), 0),
        "gradient_penalty": gradient_penalty(lambda x: critic.realness(critic.body(x)), x, full, epsilon),
    }
    total = (
        parts["real"]
        + config.weight_matching * parts["matching"]
        + config.weight_interpolation * parts["interpolation"]
        + config.weight_gradient_penalty * parts["gradient_penalty"]
    )
    return total, parts


def generator_loss(generator, critic, x, a, alpha, config):
    """What the generator minimises. Returns (total, parts)."""
    v = a.roll(1, 0) - a
    full, partial = generator(x, v), generator(x, alpha * v)
    h, h_full, h_partial = critic.body(torch.cat([x, full, partial])).chunk(3)
    parts = {
        "adversarial": towards(critic.realness(h_full), 1),
        "adversarial_matching": towards(critic.matching(h, v, h_full), 1),
        "adversarial_interpolation": towards(critic.degree(h_partial), 0),
        "cycle": image_reconstruction(x, generator(full, -v)),
        "self": image_reconstruction(x, generator(x, torch.zeros_like(v))),
        "orthogonal": orthogonal(generator),
    }
    total = (
        parts["adversarial"]
        + config.weight_matching * parts["adversarial_matching"]
        + config.weight_interpolation * parts["adversarial_interpolation"]
        + config.weight_cycle * parts["cycle"]
        + config.weight_self * parts["self"]
        + config.weight_orthogonal * parts["orthogonal"]
    )
    return total, parts


def orthogonal(network):
    """Σ ‖W Wᵀ − I‖₁ over the convolutions, a row of W per filter (Brock et al., 2017)."""
    rows = [module.weight.flatten(1) for module in network.modules() if isinstance(module, nn.Conv2d)]
    return sum((w @ w.T - torch.eye(len(w), device=w.device)).abs().sum() for w in rows)


def new_generator(config):
    """The generator of a config, untrained: StarGAN's, with switchable normalisation."""
    return stargan.Generator(config.filters, len(config.attributes), config.blocks, norm=SwitchNorm)


def new_critic(config):
    """The three critics of a config, untrained."""
    return Critic(config.size, config.critic_filters, len(config.attributes))


def new_state(config, device):
    """Fresh networks and optimizers for `train`."""
    return players(config, device, critic=new_critic, model=new_generator)


def edits(generator, x, a, alpha):
    """All of the way to another face's labels, the share α of it, and none: what `critic_loss` takes, a pair."""
    v = a.roll(1, 0) - a
    return (generator(x, v), generator(x, alpha * v), generator(x, torch.zeros_like(v))), alpha


def train(accelerator, state, images, a, config):
    """The loop of `editors.train_editor`: the critics, then the generator, on every batch."""
    return train_editor(
        accelerator, state, images, a, config, wish=lambda a, chance: (chance.uniform(len(a), 1),), fakes=edits,
        critic_loss=critic_loss, generator_loss=generator_loss,
    )  # fmt: skip


def relgan(run, faces, **changes):
    """RelGAN trained on the training faces and their labels. `changes` replace fields of its config."""
    return obtain(run, faces, "relgan", PROFILES, new_state, train, **changes)


stages.MODELS["relgan"] = (RelGANConfig, new_generator)


@torch.inference_mode()
def generate(model, a, x, source):
    """The faces `x` (B, 3, S, S) of labels `source` (B, A) with the labels `a` instead; halves go half the way."""
    return model(x, a - source)
