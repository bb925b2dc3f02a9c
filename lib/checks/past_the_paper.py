"""Checks of notebook 8."""

import numpy as np

from lib.checks import compare, exercise


@exercise
def r2_of_each(rng, my_r2):
    """R² of each number: of embeddings (N, Z), guesses (N, Z) and the mean embedding (Z,) -> (Z,)."""
    draws = []
    for N, Z in ((30, 4), (40, 6), (50, 5)):
        z = rng.normal(rng.uniform(-3, 3, size=Z), rng.uniform(0.5, 2, size=Z), size=(N, Z))
        draws.append((z, z + rng.normal(0, rng.uniform(0.2, 1, size=Z), size=(N, Z)), z.mean(axis=0) + 0.1))

    def r2(axis):
        return lambda z, guess, z_mean: 1 - np.square(z - guess).mean(axis=axis) / np.square(z - z_mean).mean(axis=axis)

    compare(
        my_r2,
        draws,
        right=r2(0),
        mistakes={
            "one number for all: both means go over the faces alone, not over the Z numbers": r2(None),
            "one number for each face: both means go over the faces (axis 0)": r2(1),
            "this is the share that is NOT told; take it from 1": lambda z, guess, z_mean: 1 - r2(0)(z, guess, z_mean),
            "the squares are missing": lambda z, guess, z_mean: (
                1 - np.abs(z - guess).mean(axis=0) / np.abs(z - z_mean).mean(axis=0)
            ),
            "compare with the distance to the mean, not to zero": lambda z, guess, z_mean: (
                1 - np.square(z - guess).mean(axis=0) / np.square(z).mean(axis=0)
            ),
            "the distance to the mean should be that of this number, not of all": lambda z, guess, z_mean: (
                1 - np.square(z - guess).mean(axis=0) / np.square(z - z_mean).mean()
            ),
        },
        otherwise="one minus the mean square of what is missing, over the mean square of the distance to the mean",
    )


@exercise
def walk(rng, my_walk):
    """From one person to another by equal steps: of what the labels write (1, Z), two residuals (Z,) and a number of
    points -> (points, Z)."""
    draws = [
        (rng.normal(size=(1, Z)), rng.normal(size=Z), rng.normal(size=Z), points)
        for Z, points in ((4, 8), (6, 5), (5, 3))
    ]
    compare(
        my_walk,
        draws,
        right=lambda written, first, second, points: np.linspace(written[0] + first, written[0] + second, points),
        mistakes={
            "it starts with the second person: turn it round": (
                lambda written, first, second, points: np.linspace(written[0] + second, written[0] + first, points)
            ),
            "it does not reach the second person: the end belongs to it": lambda written, first, second, points: (
                np.linspace(written[0] + first, written[0] + second, points, endpoint=False)
            ),
            "what the labels write is missing": lambda written, first, second, points: np.linspace(
                first, second, points
            ),
            "it starts from what the labels write alone, without the first person": (
                lambda written, first, second, points: np.linspace(written[0], written[0] + second, points)
            ),
            "the first person stays in it to the end": lambda written, first, second, points: np.linspace(
                written[0] + first, written[0] + first + second, points
            ),
        },
        otherwise="points on a straight line between the two, at equal distances",
    )


@exercise
def found_again(rng, my_found):
    """The share of faces (N, D) whose nearest one among the known (N, D), row by row the same people, is their own."""
    draws = []
    for N, D in ((30, 3), (40, 4), (50, 3)):
        known = rng.normal(size=(N, D))
        draws.append((known * 0.7 + rng.normal(0, 0.4, size=(N, D)), known))

    def distances(faces, known):
        return np.square(faces[:, None] - known).sum(axis=2)

    def share(hits):
        return lambda faces, known: (hits(distances(faces, known)) == np.arange(len(faces))).mean()

    compare(
        my_found,
        draws,
        right=share(lambda d: d.argmin(axis=1)),
        mistakes={
            "the nearest, not the farthest": share(lambda d: d.argmax(axis=1)),
            "this looks for the nearest new face of each known one; look among the known": share(
                lambda d: d.argmin(axis=0)
            ),
            "a share was asked for: divide by the number of faces": lambda faces, known: (
                len(faces) * share(lambda d: d.argmin(axis=1))(faces, known)
            ),
            "this is the mean distance to the own face, whoever is nearer": lambda faces, known: np.sqrt(
                np.diag(distances(faces, known))
            ).mean(),
            "this is the share that is NOT found": lambda faces, known: (
                1 - share(lambda d: d.argmin(axis=1))(faces, known)
            ),
        },
        otherwise="for each face the nearest known one; how often is it the one in the same row?",
    )
