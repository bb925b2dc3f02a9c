"""What the arms of the recognition study are made of: the training faces, and stages trained on them."""

from dataclasses import replace
from functools import cache, cached_property

import numpy as np
import torch
from sklearn.linear_model import LinearRegression
from torch import nn

from lib import data, stages, training
from lib.augmentation import generate
from lib.baselines import systems
from lib.study import training_sets


class Context:
    """What arms are made of: the training faces, and stages trained on them, each obtained when first asked for.

    With `unlabelled`, a FaceData, the autoencoder learns from its training faces instead; their labels are not used.
    """

    def __init__(self, run, faces, unlabelled=None):
        self.run, self.faces, self.unlabelled = run, faces, unlabelled
        self.device = training.new_accelerator().device

    @cached_property
    def train(self):
        """The training faces as FaceData."""
        return self.faces.part("train")

    @cached_property
    def trained_autoencoder(self):
        """The autoencoder as a Trained stage."""
        return stages.autoencoder(self.run, self.faces if self.unlabelled is None else self.unlabelled)

    @cached_property
    def autoencoder(self):
        """The frozen Autoencoder, on the device."""
        return self.trained_autoencoder.model.to(self.device)

    @cached_property
    def z(self):
        """Embeddings of the training faces, float32 tensor (N, Z) on the device."""
        batches = torch.from_numpy(np.array(self.train.images)).split(256)
        return torch.cat([stages.embed(self.autoencoder.encoder, batch.to(self.device)) for batch in batches])

    @cache  # noqa: B019 (a context lives as long as its study)
    def mapping(self, rounds=1, **changes):
        """Φ as a Trained stage. `rounds` > 1: its guide is a classifier trained on what Φ of the round before adds to
        the training faces by dynamic balancing (Table 4). `changes` replace fields of MappingConfig."""
        faces = self.faces
        if rounds > 1:
            before = self.mapping(rounds - 1, **changes)
            images, a = training_sets.balancing(
                self, np.random.default_rng(self.run.seed), rounds=rounds - 1, **changes
            )
            faces = data.FaceData(
                images, a, faces.names, np.repeat("train", len(a)), np.arange(len(a)).astype(str), faces.source,
                key=f"{faces.key}-{before.digest}",
            )  # fmt: skip
        below = self.trained_autoencoder, stages.classifier(self.run, faces)
        return stages.mapping(self.run, self.faces, below, **changes)

    @cache  # noqa: B019
    def compared(self, system):
        """The generator (b, x, source) -> x̂ of a compared system of `systems.SYSTEMS`."""
        return systems.generator(system, self.run, self.faces)

    @cached_property
    def leaking(self):
        """The same, with stages that have learned from the validation faces too."""
        return Context(self.run, data.with_validation(self.faces), self.unlabelled)

    @cache  # noqa: B019
    def retrained(self, seed):
        """The same, with stages that were trained from `seed`."""
        return Context(replace(self.run, seed=seed), self.faces, self.unlabelled)

    def imagine(self, a, rows, system=None, leak=False, seed=None, **generator):
        """Faces for the labels `a`, (n, A) -> uint8 (n, 3, S, S): by Φ and Decoder, or by a compared `system`.

        Editors start from the training faces `rows`, those that the labels were made from. `leak`: by the stages that
        know the validation faces; `seed`: by those trained from another seed. `generator` goes to `mapping`.
        """
        if leak:
            return self.leaking.imagine(a, rows, **generator)
        if seed is not None:
            return self.retrained(seed).imagine(a, rows, **generator)
        if system is not None:
            source = self.train.images[rows], self.train.attributes[rows]
            return systems.make(self.compared(system), a, *source, device=self.device)
        return generate(self.mapping(**generator).model, self.autoencoder.decoder, a, device=self.device)

    def decode(self, z):
        """Faces for embeddings, (n, Z) -> uint8 (n, 3, S, S)."""
        return generate(nn.Identity(), self.autoencoder.decoder, z.cpu(), device=self.device)

    def phi(self, a):
        """Φ(a): embeddings of labels, (n, A) -> float32 tensor (n, Z) on the device."""
        model = self.mapping().model.to(self.device)  # which may have to be trained first
        with torch.inference_mode():
            return model(torch.as_tensor(a, dtype=torch.float32, device=self.device))

    @cached_property
    def least_squares(self):
        """The linear map from the training faces' labels to their embeddings that fits best."""
        return LinearRegression().fit(self.train.attributes.astype(float), self.z.cpu().numpy())

    def linear(self, a):
        """That map of labels, (n, A) -> float32 tensor (n, Z) on the device."""
        return torch.from_numpy(self.least_squares.predict(a.astype(float)).astype(np.float32)).to(self.device)

    def with_train(self, images, a):
        """The training faces followed by new ones."""
        return np.concatenate([self.train.images, images]), np.concatenate([self.train.attributes, a])
