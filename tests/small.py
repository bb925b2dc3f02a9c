"""Small things that are real all the same: the smallest profile in which every stage trains, and faces of noise."""

import dataclasses

import numpy as np

from lib import config
from lib.data import FaceData


def small_profile(**changes):
    """Profile `ci` with even smaller networks; `changes` replace further fields, such as `data`."""
    ci = config.PROFILES["ci"]
    networks = {
        "autoencoder": dataclasses.replace(ci.autoencoder, filters=2, critic_filters=2, embedding=8),
        "classifier": dataclasses.replace(ci.classifier, filters=2, batch_size=8),
        "mapping": dataclasses.replace(ci.mapping, filters=2, embedding=8),
    }
    return dataclasses.replace(ci, **networks | changes)


def noise_faces(train, val, test, names, prevalence=0.5, seed=0):
    """FaceData of 32x32 pixels of noise; `prevalence` of the attributes `names`, one number or one for each."""
    rng = np.random.default_rng(seed)
    n = train + val + test
    return FaceData(
        images=rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8),
        attributes=rng.random((n, len(names))) < prevalence,
        names=names,
        split=np.repeat(["train", "val", "test"], [train, val, test]),
        files=np.arange(n).astype(str),
        source="noise",
        key=f"noise{seed}",
    )
