"""Generators compared in one frame: the same requests, faces and judge for all (Table 1, Fig. 6-8).

A generator is a function (b, x, source) -> x̂: it turns faces x (B, 3, S, S) of labels `source` (B, A) into faces with
the labels b (B, A). Generators from labels look at b alone.
"""

from functools import partial

import numpy as np
import torch

from lib import distances, metrics, stages
from lib.augmentation import random_doubling
from lib.baselines import systems
from lib.data import to_float

# --- Generators: functions of (run, faces, **changes of the last stage's config) --------------------------------------


def ours(run, faces, **changes):
    """The paper's: Φ and Decoder, from labels alone."""
    decoder = stages.autoencoder(run, faces).model.decoder
    phi = stages.mapping(run, faces, **changes).model
    return lambda b, x, source: decoder(phi(b))


def ours_editing(run, faces, **changes):
    """The same networks as an editor: Decoder(z + Φ(b) - Φ(source)) keeps what Φ cannot know, such as the person."""
    autoencoder = stages.autoencoder(run, faces).model
    phi = stages.mapping(run, faces, **changes).model
    return lambda b, x, source: autoencoder.decoder(autoencoder.encoder(x) + phi(b) - phi(source))


OURS, EDITING, NO_PERCEPTUAL = "ours", "ours, editing", "ours, no perceptual loss"
GENERATORS = {
    OURS: ours,
    EDITING: ours_editing,
    NO_PERCEPTUAL: partial(ours, weight_perceptual=0.0),
    **{name: partial(systems.generator, name) for name in systems.SYSTEMS},
}


def references(run, faces):
    """What generators are measured against: name -> (generator, whether its requests are the faces' own labels)."""
    autoencoder = stages.autoencoder(run, faces).model
    mean = to_float(np.round(faces.part("train").images.mean(axis=0)).astype(np.uint8))
    return {
        "real faces": (lambda b, x, source: x, True),
        "reconstructions": (lambda b, x, source: autoencoder(x), True),
        "real faces, not edited": (lambda b, x, source: x, False),
        "training mean face": (lambda b, x, source: mean.expand_as(x), False),
    }


# --- Measures ---------------------------------------------------------------------------------------------------------


def halves(faces):
    """(real, sources): every other test face each. One half is what generated faces are compared with; the labels of
    the other are asked for, and its faces edited. So both sides of a distance have seen the same number of faces."""
    test = faces.part("test")
    return test.take(slice(0, None, 2)), test.take(slice(1, None, 2))


@torch.inference_mode()
def logits(judge, images, batch_size=500):
    """What a judge (float images -> logits) says about uint8 images, float32 (n, A)."""
    parts = [judge(to_float(images[i : i + batch_size])) for i in range(0, len(images), batch_size)]
    return torch.cat(parts).float().numpy()


def quality(images, real, train, network, weights=None, seed=0):
    """How faces, uint8 (n, 3, S, S), differ from `real` ones (FaceData), for a result row.

    Distances, precision and recall in the features of `network`, a classifier; FID and KID, too, where Inception's
    weights are found (`distances.inception_features`). `distinct` counts different faces; `nearest` is the median
    distance of a face to the closest one of `train` (FaceData) in the same features: near 0 for faces learnt by heart.
    """
    f_real, f = (distances.classifier_features(network, part) for part in (real.images, images))
    f_train = distances.classifier_features(network, train.images)
    rng = np.random.default_rng(seed)
    row = distances.compare(f_real, f, "classifier", rng)
    nearest = np.median(distances.nearest_neighbours(f, f_train)[1])
    row |= {"distinct": distances.distinct(images), "nearest": float(nearest)}
    try:
        pair = [distances.inception_features(part, weights) for part in (real.images, images)]
    except FileNotFoundError:
        return row
    return row | {name: distances.compare(*pair, "inception", rng)[name] for name in ("fid", "kid")}


def obedience(generate, b, sources, judge):
    """How far faces made for the labels `b` carry them in the eyes of an independent `judge`. Returns (images, row).

    accuracy, balanced_accuracy   agreement with b over all attributes; see `metrics.report`
    """
    images = systems.make(generate, b, sources.images, sources.attributes)
    report = metrics.report(b, logits(judge, images))
    return images, {name: report[name] for name in ("accuracy", "balanced_accuracy")}


def editing(generate, sources, judge, seed=0):
    """What happens when one label of each face is flipped (`random_doubling`), for a result row.

    flipped       share of flipped labels that the judge sees in the new face
    flipped_before   the same share in the face itself: what it costs nothing to reach
    kept          share of all other labels about which its answer is the same for both faces
    pixel_change  mean absolute difference of the two, as a share of the range
    """
    b = random_doubling(sources.attributes, np.random.default_rng(seed))
    images = systems.make(generate, b, sources.images, sources.attributes)
    before, after = (logits(judge, part) > 0 for part in (sources.images, images))
    asked = b != sources.attributes
    return {
        "flipped": float((after == b)[asked].mean()),
        "flipped_before": float((before == b)[asked].mean()),
        "kept": float((after == before)[~asked].mean()),
        "pixel_change": float(np.abs(images.astype(np.int16) - sources.images).mean() / 255),
    }
