"""Checks of notebook 9."""

import torch

from lib.checks import compare, exercise
from lib.models import Autoencoder


@exercise
def combined_gradient(rng, my_gradient):
    """The gradient of the mean loss over a batch, of the mean gradients of two shares and how many faces each has."""
    torch.manual_seed(int(rng.integers(2**31)))
    draws = [(torch.randn(6), n0, torch.randn(6), n1) for n0, n1 in ((10, 6), (3, 12), (9, 4))]
    compare(
        my_gradient,
        draws,
        right=lambda g0, n0, g1, n1: (n0 * g0 + n1 * g1) / (n0 + n1),
        mistakes={
            "a face of the smaller share counts more than one of the larger: weigh by the number of faces": (
                lambda g0, n0, g1, n1: (g0 + g1) / 2
            ),
            "the weights have changed places": lambda g0, n0, g1, n1: (n1 * g0 + n0 * g1) / (n0 + n1),
            "a mean was asked for: divide by the number of faces": lambda g0, n0, g1, n1: n0 * g0 + n1 * g1,
            "the gradients of two means are not added": lambda g0, n0, g1, n1: g0 + g1,
            "divide by the number of faces, not of processes": lambda g0, n0, g1, n1: (n0 * g0 + n1 * g1) / 2,
        },
        otherwise="every face counts the same",
    )


@exercise
def rate(rng, my_rate):
    """The rate in GFLOP/s at which the stages' PFLOP, an array, are done in so many minutes."""
    draws = [(rng.uniform(1, 100, size=n), float(rng.uniform(5, 60))) for n in (3, 4, 5)]
    compare(
        my_rate,
        draws,
        right=lambda pflop, minutes: pflop.sum() * 1e6 / (60 * minutes),
        mistakes={
            "a rate is for each second: 60 of them make a minute": lambda pflop, minutes: pflop.sum() * 1e6 / minutes,
            "1 PFLOP is 1e6 GFLOP": lambda pflop, minutes: pflop.sum() * 1e3 / (60 * minutes),
            "these are PFLOP/s; 1 PFLOP is a million GFLOP": lambda pflop, minutes: pflop.sum() / (60 * minutes),
            "only the largest stage; the whole recipe was asked for": lambda pflop, minutes: (
                pflop.max() * 1e6 / (60 * minutes)
            ),
            "one rate for each stage; add up their work": lambda pflop, minutes: pflop * 1e6 / (60 * minutes),
            "work divided by time, not times it": lambda pflop, minutes: pflop.sum() * 1e6 * 60 * minutes,
        },
        otherwise="all the work in GFLOP, divided by all the seconds",
    )


@exercise
def messages(rng, my_messages):
    """How many messages one step of the autoencoder takes, and how many numbers the largest holds: of autoencoder and
    critic (modules) and of P processes, at least two."""
    draws = []
    for processes in (2, 4, 8):
        sizes = rng.choice([2, 3, 4, 5], size=2, replace=False)
        draws.append((*(Autoencoder(16, int(n), 8) for n in sizes), processes))

    def weights(*networks):
        return sum(p.numel() for network in networks for p in network.parameters())

    def tensors(*networks):
        return sum(1 for network in networks for _ in network.parameters())

    compare(
        my_messages,
        draws,
        right=lambda autoencoder, critic, P: (3, weights(autoencoder, critic)),
        mistakes={
            "one message carries the gradients; `averaged` sends more": (
                lambda autoencoder, critic, P: (1, weights(autoencoder, critic))
            ),
            "`averaged` is called twice in a step": lambda autoencoder, critic, P: (2, weights(autoencoder, critic)),
            "not one message for each tensor: `descend` lays all gradients end to end": (
                lambda autoencoder, critic, P: (tensors(autoencoder, critic) + 2, weights(autoencoder, critic))
            ),
            "the critic learns in the same step: its gradients travel along": (
                lambda autoencoder, critic, P: (3, weights(autoencoder))
            ),
            "every process holds all weights and sends a gradient for each": (
                lambda autoencoder, critic, P: (3, weights(autoencoder, critic) / P)
            ),
            "the number of messages of a step does not grow with P": (
                lambda autoencoder, critic, P: (3 * P, weights(autoencoder, critic))
            ),
            "numbers were asked for, not bytes": lambda autoencoder, critic, P: (3, 4 * weights(autoencoder, critic)),
        },
        otherwise="count the calls of `accelerator.reduce` in one step, and the numbers in the longest",
    )
