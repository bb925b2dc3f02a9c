"""The smallest profile in which every stage still trains, for tests of what is built on the stages."""

import dataclasses

from lib import config


def small_profile(**changes):
    """Profile `ci` with even smaller networks; `changes` replace further fields, such as `data`."""
    ci = config.PROFILES["ci"]
    networks = {
        "autoencoder": dataclasses.replace(ci.autoencoder, filters=2, critic_filters=2, embedding=8),
        "classifier": dataclasses.replace(ci.classifier, filters=2, batch_size=8),
        "mapping": dataclasses.replace(ci.mapping, filters=2, embedding=8),
    }
    return dataclasses.replace(ci, **networks | changes)
