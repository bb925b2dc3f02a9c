"""Generators compared in one frame: the same requests, faces and judge for all (Table 1, Fig. 6-8).

A generator is a function (b, x, source) -> x̂: it turns faces x (B, 3, S, S) of labels `source` (B, A) into faces with
the labels b (B, A). Generators from labels look at b alone.
"""

from functools import cached_property, partial

import numpy as np

from lib import distances, metrics, models, stages, training
from lib.augmentation import random_doubling
from lib.baselines import systems
from lib.data import to_float
from lib.study import recogniser

# --- Generators: functions of (run, faces, **changes of the last stage's config) --------------------------------------


def ours(run, faces, **changes):
    """The paper's: Φ and Decoder, from labels alone."""
    decoder = stages.autoencoder(run, faces).model.decoder
    phi = stages.mapping(run, faces, **changes).model
    return lambda b, x, source: decoder.to(b.device)(phi.to(b.device)(b))


def ours_editing(run, faces, **changes):
    """The same networks as an editor: Decoder(z + Φ(b) - Φ(source)) keeps what Φ cannot know, such as the person."""
    autoencoder = stages.autoencoder(run, faces).model
    phi = stages.mapping(run, faces, **changes).model

    def generate(b, x, source):
        for network in (autoencoder, phi):
            network.to(b.device)
        return autoencoder.decoder(autoencoder.encoder(x) + phi(b) - phi(source))

    return generate


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
        "reconstructions": (lambda b, x, source: autoencoder.to(x.device)(x), True),
        "real faces, not edited": (lambda b, x, source: x, False),
        "training mean face": (lambda b, x, source: mean.to(x.device).expand_as(x), False),
    }


# --- Measures ---------------------------------------------------------------------------------------------------------


class Frame:
    """One setting for all generators: what is asked for, what is compared with what, and who judges.

    Of the test faces every other one is a `source`: its labels are asked for, of its neighbour, and editors start from
    it. The rest are the `real` ones that generated faces are compared with, so both sides of a distance have seen the
    same number of faces, and the distance of the sources themselves is the floor.
    """

    def __init__(self, faces, judge):
        """`judge` is the Trained oracle; distances are taken in its features, and in Inception's where torch's hub
        cache has them (`distances.inception_features`)."""
        test = faces.part("test")
        self.train, self.real = faces.part("train"), test.take(slice(0, None, 2))
        self.sources = test.take(slice(1, 2 * (len(test) // 2), 2))
        self.own = self.sources.attributes
        self.wished = np.roll(self.own, 1, axis=0)
        self.flipped = random_doubling(self.own, np.random.default_rng(0))
        self.device = training.new_accelerator().device
        self.judge = models.placed(judge.model, self.device)
        self.extractors = {
            "classifier": lambda images: distances.classifier_features(self.judge, images, device=self.device)
        }
        if distances.inception_found():
            self.extractors["inception"] = lambda images: distances.inception_features(images, device=self.device)

    @cached_property
    def features(self):
        """Features of the real faces, extractor -> (N, F), and of the training faces, "train" -> (N, F)."""
        features = {name: extract(self.real.images) for name, extract in self.extractors.items()}
        return features | {"train": self.extractors["classifier"](self.train.images)}

    def make(self, generate, b):
        """Faces with the labels `b` by a generator, from the sources: uint8 (n, 3, S, S)."""
        return systems.make(generate, b, self.sources.images, self.own, self.device)

    def says(self, images):
        """The judge's logits for uint8 faces, float32 (n, A)."""
        return recogniser.predict(self.judge, images)

    def obedience(self, images, b):
        """How far faces carry the labels `b` in the eyes of the judge: accuracy and balanced accuracy over all
        attributes, and the accuracy of the constant answer (its balanced accuracy is 1/2)."""
        report, constant = metrics.report(b, self.says(images)), metrics.majority(self.train.attributes, b)
        return {
            "accuracy": report["accuracy"], "balanced_accuracy": report["balanced_accuracy"],
            "majority_accuracy": constant["accuracy"],
        }  # fmt: skip

    def quality(self, images):
        """How faces differ from the real ones: distances, precision and recall (`distances.compare`); `distinct`, the
        number of different faces; `nearest`, the median distance to the closest training face in the same features,
        small for faces learnt by heart."""
        row, rng = {}, np.random.default_rng(0)
        for name, extract in reversed(self.extractors.items()):  # what is not named after Inception is the classifier's
            features = extract(images)
            row |= distances.compare(self.features[name], features, name, rng)
        nearest = distances.nearest_neighbours(features, self.features["train"])[1]
        return row | {"distinct": distances.distinct(images), "nearest": float(np.median(nearest))}

    def editing(self, generate):
        """What happens when one label of each face is flipped.

        flipped          share of the flipped labels that the judge sees in the new face
        flipped_before   the same share in the face itself: what is to be had for nothing
        kept             share of all other labels about which it says the same of both faces
        pixel_change     mean absolute difference of the two, as a share of the range
        """
        images, asked = self.make(generate, self.flipped), self.flipped != self.own
        before, after = self.says(self.sources.images) > 0, self.says(images) > 0
        return {
            "flipped": float((after == self.flipped)[asked].mean()),
            "flipped_before": float((before == self.flipped)[asked].mean()),
            "kept": float((after == before)[~asked].mean()),
            "pixel_change": float(np.abs(images.astype(np.int16) - self.sources.images).mean() / 255),
        }

    def row(self, generate, own=False):
        """All of these for a generator; with `own` it is asked for the sources' own labels, and nothing is flipped."""
        b = self.own if own else self.wished
        images = self.make(generate, b)
        return self.quality(images) | self.obedience(images, b) | ({} if own else self.editing(generate))
