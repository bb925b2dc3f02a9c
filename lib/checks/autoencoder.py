"""Checks of notebook 2."""

import torch

from lib.checks import compare, exercise
from lib.models import Encoder


@exercise
def convergence(rng, my_convergence):
    """BEGAN's measure M, of two errors and gamma: on both sides of the balance."""
    draws = []
    for side in (0.3, 0.7, 1.3, 1.9):
        real, gamma = rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.7)
        draws.append(tuple(torch.tensor(number) for number in (real, side * gamma * real, gamma)))
    compare(
        my_convergence,
        draws,
        right=lambda real, fake, gamma: real + abs(gamma * real - fake),
        mistakes={
            "mind the absolute value: a deviation counts on either side of the balance": (
                lambda real, fake, gamma: real + gamma * real - fake
            ),
            "the deviation is added, not taken away: M is small when all is well": (
                lambda real, fake, gamma: real - abs(gamma * real - fake)
            ),
            "the deviation alone; what should be small in any case is missing": (
                lambda real, fake, gamma: abs(gamma * real - fake)
            ),
            "gamma weighs the error of real faces, not that of the paintings": (
                lambda real, fake, gamma: real + abs(real - gamma * fake)
            ),
            "gamma is missing: the two errors are not meant to be equal": lambda real, fake, gamma: (
                real + abs(real - fake)
            ),
        },
        otherwise="the error of real faces, plus how far gamma times it is from the error of the paintings",
    )


@exercise
def weights_of_last_layer(rng, my_weights):
    """How many weights the Encoder's last layer has, of the image size, n filters and Z numbers."""
    draws = [(int(size), int(rng.integers(2, 9)), int(rng.integers(3, 20))) for size in (16, 32, 64)]
    compare(
        my_weights,
        draws,
        right=lambda size, n, Z: sum(p.numel() for p in Encoder(size, n, Z)[-1].parameters()),
        mistakes={
            "the biases are missing: one for each output": lambda size, n, Z: 64 * _maps(size) * n * Z,
            "filters grow with each halving: the last maps are not n but a multiple of it": (
                lambda size, n, Z: 64 * n * Z + Z
            ),
            "a bias belongs to each output, not to each input": lambda size, n, Z: (
                64 * _maps(size) * n * Z + 64 * _maps(size) * n
            ),
            "the last maps are 8x8, not as large as the face": lambda size, n, Z: size**2 * _maps(size) * n * Z + Z,
            "these are the paper's four resolutions at every size; smaller faces need fewer": (
                lambda size, n, Z: 64 * 4 * n * Z + Z
            ),
            "this is one number for each weight of one output; there are Z outputs": lambda size, n, Z: (
                64 * _maps(size) * n + 1
            ),
        },
        otherwise="8 x 8 x (number of resolutions) x n inputs for each of Z outputs, and a bias per output",
    )


def _maps(size):
    """By how much the filters have grown at 8x8 pixels: 4 at 64, 3 at 32."""
    return (size // 8).bit_length()


@exercise
def direction(rng, my_direction):
    """The mean embedding of those who carry an attribute minus that of the others: z (N, Z), has bool (N,) -> (Z,)."""
    torch.manual_seed(int(rng.integers(2**31)))
    draws = [(torch.randn(n, Z), torch.rand(n) < 0.3) for n, Z in ((40, 5), (60, 7), (50, 6))]
    compare(
        my_direction,
        draws,
        right=lambda z, has: z[has].mean(0) - z[~has].mean(0),
        mistakes={
            "with minus without: this one takes the attribute away": lambda z, has: z[~has].mean(0) - z[has].mean(0),
            "only the mean of those who carry it, which is a face and not a direction": lambda z, has: z[has].mean(0),
            "the difference to all faces; take the difference to those without": (
                lambda z, has: z[has].mean(0) - z.mean(0)
            ),
            "sums grow with the number of faces; take means": lambda z, has: z[has].sum(0) - z[~has].sum(0),
            "the mean goes over the faces (axis 0) alone, not over the Z numbers": (
                lambda z, has: z[has].mean() - z[~has].mean()
            ),
        },
        otherwise="with minus without, each a mean over faces",
    )
