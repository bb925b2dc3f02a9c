"""Checks of notebook 7."""

import torch

from lib.baselines import stargan
from lib.checks import call, compare, exercise, of_kind, without_loss, wrong_if


@exercise
def gradient_penalty(rng, my_penalty):
    """E(‖∇D(x̃)‖ − 1)² of a critic and points (B, 3, S, S) that require gradients -> scalar one can learn from."""
    torch.manual_seed(int(rng.integers(2**31)))
    steepness = torch.tensor(float(rng.uniform(0.5, 1.5)), requires_grad=True)

    def critic(x):
        return steepness * x.square().sum(dim=(1, 2, 3)) / 2  # its gradient at x is steepness * x

    sizes = torch.tensor([0.2, 0.6, 1.8, 3.0]).view(-1, 1, 1, 1)
    points = [
        torch.nn.functional.normalize(torch.randn(4, 3, 2, 2).flatten(1)).view(4, 3, 2, 2) * sizes for _ in range(3)
    ]
    draws = [(critic, x.requires_grad_()) for x in points]

    def of_slopes(penalty):
        return lambda critic, x: penalty((steepness * x).flatten(1).norm(dim=1))

    compare(
        my_penalty,
        draws,
        right=of_slopes(lambda s: (s - 1).square().mean()),
        mistakes={
            "a slope of 1 is what is wanted: subtract it first": of_slopes(lambda s: s.square().mean()),
            "the square is missing: slopes above and below 1 would cancel": of_slopes(lambda s: (s - 1).mean()),
            "the norm, not its square, should be 1": of_slopes(lambda s: (s.square() - 1).square().mean()),
            "this lets gentle slopes pass; they should be 1, too": of_slopes(
                lambda s: (s - 1).clamp(min=0).square().mean()
            ),
            "one norm for the whole batch; each point has its own slope": of_slopes(lambda s: (s.norm() - 1).square()),
            "a sum; take the mean over the points": of_slopes(lambda s: (s - 1).square().sum()),
            "one number for each point; take their mean": of_slopes(lambda s: (s - 1).square()),
        },
        otherwise="each point's gradient, its length, minus 1, squared; then the mean",
    )
    penalty = call(my_penalty, *draws[0])
    wrong_if(
        not getattr(penalty, "requires_grad", False),
        "nothing can learn from it; keep the graph of the gradient: create_graph=True",
    )


@exercise
def wanted_difference(rng, my_v):
    """RelGAN's v, of labels a (A,) and wanted labels (A,): 1 adds, −1 takes away."""
    draws = []
    for A in (5, 8, 11):
        a = rng.permutation(A) < A / 2
        wanted = a ^ (rng.permutation(A) < A / 3)
        wanted[:2] = ~a[:2]
        draws.append((a.astype(int), wanted.astype(int)))
    compare(
        my_v,
        draws,
        right=lambda a, wanted: wanted - a,
        mistakes={
            "1 adds, -1 takes away: it is the other way round": lambda a, wanted: a - wanted,
            "these are the wanted labels; what she has already need not be added": lambda a, wanted: wanted,
            "this says what changes, not in which direction": lambda a, wanted: abs(wanted - a),
            "what stays needs a 0; this asks for everything": lambda a, wanted: 2 * wanted - 1,
            "what she has and does not want has to be taken away": lambda a, wanted: wanted * (1 - a),
        },
        otherwise="1 where a label is to appear, −1 where it is to go, 0 where it stays",
    )


@exercise
def without_cycle(rng, stage):
    """A trained StarGAN whose loss has no cycle, and all other terms."""
    of_kind(stage, stargan.StarGANConfig, "stargan.stargan(...)")
    without_loss(stage.config, "weight_reconstruction", "the cycle", stargan.PROFILES.values())
