"""Checks of notebook 4."""

import torch

from lib import config
from lib.checks import compare, exercise, of_kind, without_loss


@exercise
def without_perceptual(rng, stage):
    """A trained mapping stage whose loss has no perceptual term, and all others."""
    of_kind(stage, config.MappingConfig, "stages.mapping(...)")
    profiles = [profile.mapping for profile in config.PROFILES.values()]
    without_loss(stage.config, "weight_perceptual", "the perceptual loss", profiles)


@exercise
def discriminator_loss(rng, my_loss):
    """Eq. 15 and 16, of probabilities (B,) for real and generated embeddings or faces -> scalar."""
    torch.manual_seed(int(rng.integers(2**31)))
    draws = [(torch.rand(B) * 0.8 + 0.15, torch.rand(B) * 0.8 + 0.05) for B in (3, 5, 8)]
    compare(
        my_loss,
        draws,
        right=lambda d_real, d_fake: -d_real.log().mean() - (1 - d_fake).log().mean(),
        mistakes={
            "the sign: a discriminator maximises these logarithms, and we minimise": (
                lambda d_real, d_fake: d_real.log().mean() + (1 - d_fake).log().mean()
            ),
            "real and generated have changed places": lambda d_real, d_fake: (
                -d_fake.log().mean() - (1 - d_real).log().mean()
            ),
            "of a generated one, it is one minus the probability that counts": (
                lambda d_real, d_fake: -d_real.log().mean() - d_fake.log().mean()
            ),
            "the generated half is missing": lambda d_real, d_fake: -d_real.log().mean(),
            "sums grow with the batch; take a mean per term": (
                lambda d_real, d_fake: -d_real.log().sum() - (1 - d_fake).log().sum()
            ),
            "the logarithm of the mean; take the mean of the logarithms": (
                lambda d_real, d_fake: -d_real.mean().log() - (1 - d_fake).mean().log()
            ),
        },
        otherwise="-log of the probability for what is real, -log of one minus it for the rest; a mean per term",
    )


@exercise
def edits(rng, my_edits):
    """Faces (F, ...) of one person with F times the direction from labels a to a_new: of decoder, phi, z (1, Z), a,
    a_new (1, A) and factors (F, 1)."""
    torch.manual_seed(int(rng.integers(2**31)))
    paint, write = torch.nn.Linear(4, 6), torch.nn.Linear(5, 4)

    def decoder(z):
        return torch.tanh(paint(z)).view(-1, 1, 2, 3)

    def phi(a):
        return torch.sigmoid(write(a))

    a = (torch.rand(1, 5) < 0.5).float()
    factors = torch.cat([torch.zeros(1, 1), torch.ones(1, 1), 1.5 + torch.rand(3, 1)])
    compare(
        my_edits,
        draws=[(decoder, phi, torch.randn(1, 4), a, 1 - a, factors) for _ in range(3)],
        right=lambda decoder, phi, z, a, a_new, factors: decoder(z + factors * (phi(a_new) - phi(a))),
        mistakes={
            "the direction is turned round: from the old labels to the new ones": (
                lambda decoder, phi, z, a, a_new, factors: decoder(z + factors * (phi(a) - phi(a_new)))
            ),
            "only what the new labels write is added; the old labels' part has to go": (
                lambda decoder, phi, z, a, a_new, factors: decoder(z + factors * phi(a_new))
            ),
            "the person's own z is lost on the way": (
                lambda decoder, phi, z, a, a_new, factors: decoder(phi(a) + factors * (phi(a_new) - phi(a)))
            ),
            "pictures are added here; move the embedding and paint it": lambda decoder, phi, z, a, a_new, factors: (
                decoder(z) + factors[..., None, None] * (decoder(z + phi(a_new) - phi(a)) - decoder(z))
            ),
            "this walks from the person to the type that the new labels write": (
                lambda decoder, phi, z, a, a_new, factors: decoder(z + factors * (phi(a_new) - z))
            ),
            "these are embeddings; the decoder paints them": (
                lambda decoder, phi, z, a, a_new, factors: z + factors * (phi(a_new) - phi(a))
            ),
        },
        otherwise="z, plus factor times the difference of what the two lists of labels write, painted",
    )
