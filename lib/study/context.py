"""What the arms of the recognition study are made of: the training faces, and stages trained on them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, RidgeCV
from torch import nn

from lib import data, flow, stages, training
from lib.augmentation import generate
from lib.baselines import systems
from lib.study import training_sets

COMPONENTS = 64  # principal components that may stand for Encoder and Decoder
RIDGES = tuple(10.0**power for power in range(-1, 5))  # penalties of W, among which leaving one out chooses


@dataclass(frozen=True, eq=False)
class Codec:
    """A way from faces to embeddings and back. Tensors on the device of the context."""

    encode: Callable  # uint8 images (n, 3, S, S) -> z float32 (n, Z)
    decode: Callable  # z -> x float32 (n, 3, S, S), about [-1, 1]


class Context:
    """What arms are made of: the training faces, and stages trained on them, each obtained when first asked for.

    With `unlabelled`, a FaceData, the autoencoder learns from its training faces instead; their labels are not used.
    """

    def __init__(self, run, faces, unlabelled=None):
        self.run, self.faces, self.unlabelled = run, faces, unlabelled
        self.device = training.new_accelerator().device
        self.soft_labels = {}  # of the strangers, see lib/study/batches.py
        for method in ("mapping", "compared", "retrained", "codec", "flow", "ridge"):  # made once, for this context
            setattr(self, method, cache(getattr(self, method)))

    @cached_property
    def train(self):
        """The training faces as FaceData."""
        return self.faces.part("train")

    @cached_property
    def strangers(self):
        """The training faces of `unlabelled` that are not among the labelled ones, uint8 (n, 3, S, S)."""
        pool = self.unlabelled.part("train")
        return pool.images[~np.isin(pool.files, self.train.files)]

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
        return self._encode(self.train.images)

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

    def compared(self, system):
        """The generator (b, x, source) -> x̂ of a compared system of `systems.SYSTEMS`."""
        return systems.generator(system, self.run, self.faces)

    @cached_property
    def leaking(self):
        """The same, with stages that have learned from the validation faces too."""
        return Context(self.run, data.with_validation(self.faces), self.unlabelled)

    def retrained(self, seed):
        """The same, with stages that were trained from `seed`."""
        return Context(replace(self.run, seed=seed), self.faces, self.unlabelled)

    def imagine(self, a, rows, system=None, leak=False, seed=None, **generator):
        """Faces for the labels `a`, (n, A) -> uint8 (n, 3, S, S): by Φ and Decoder, or by a compared `system`.

        Editors start from the training faces `rows`, those that the labels were made from. `leak`: by the stages that
        know the validation faces; `seed`: by those trained from another seed. `generator` goes to `mapping`.
        """
        if leak:
            return self.leaking.imagine(a, rows, system, seed=seed, **generator)
        if seed is not None:
            return self.retrained(seed).imagine(a, rows, system, **generator)
        if system is not None:
            source = self.train.images[rows], self.train.attributes[rows]
            return systems.make(self.compared(system), a, *source, device=self.device)
        return generate(self.mapping(**generator).model, self.autoencoder.decoder, a, device=self.device)

    def decode(self, z):
        """Faces for embeddings, (n, Z) -> uint8 (n, 3, S, S)."""
        return generate(nn.Identity(), self.autoencoder.decoder, z.cpu(), device=self.device)

    def codec(self, through="autoencoder"):
        """The Codec of this name: "autoencoder", or "components", the first `COMPONENTS` principal components of the
        faces that the autoencoder would learn from."""
        if through == "autoencoder":
            networks = self.autoencoder.eval()
            return Codec(self._encode, torch.inference_mode()(networks.decoder))
        if through != "components":
            raise ValueError(f'no codec is called {through!r}; choose "autoencoder" or "components"')
        faces = self.train if self.unlabelled is None else self.unlabelled.part("train")
        chosen = faces.images[:: len(faces) // training.MOST_FOR_COMPONENTS + 1]
        shape = chosen.shape[1:]
        pca = PCA(min(COMPONENTS, len(chosen)), svd_solver="randomized", random_state=0).fit(
            data.to_float(chosen).flatten(1).numpy()
        )
        mean, axes = (torch.from_numpy(array).to(self.device) for array in (pca.mean_, pca.components_))
        return Codec(
            lambda images: (data.to_float(images).to(self.device).flatten(1) - mean) @ axes.T,
            lambda z: (z @ axes + mean).unflatten(1, shape),
        )

    def _encode(self, images):
        """Embeddings of uint8 images (n, 3, S, S) by the Encoder, float32 tensor (n, Z) on the device."""
        batches = torch.from_numpy(np.array(images)).split(256)
        return torch.cat([stages.embed(self.autoencoder.encoder, batch.to(self.device)) for batch in batches])

    def shift(self, by, codec):
        """How an embedding moves when labels change: a function (z (n, Z), a, a' (n, A)) -> Δ (n, Z).

        "linear"   Δ = W(a' - a), W the ridge regression from the training faces' labels to their embeddings
        "phi"      Δ = Φ(a') - Φ(a); only for the autoencoder's embeddings
        "flow"     back to the noise from which a flow makes z under a, and forth again under a' (lib/flow.py)
        """
        if by == "flow":
            field = self.flow(codec)
            return lambda z, a, new: flow.edit(field, z, a, new) - z
        if by == "phi":
            return lambda z, a, new: self.phi(new) - self.phi(a)
        if by == "linear":
            weight = self.ridge(codec)
            return lambda z, a, new: (new.float() - a.float()).to(weight.device) @ weight.T
        raise ValueError(f'no way to move an embedding is called {by!r}; choose "linear", "phi" or "flow"')

    @cached_property
    def teacher(self):
        """A classifier of the training faces, on the device: undisturbed ones, unlike the guide of Φ."""
        return stages.classifier(self.run, self.faces, noise=0.0, nudge=0.0).model.to(self.device).eval()

    def flow(self, codec):
        """The flow of the training faces' embeddings given their labels (lib/flow.py)."""
        return flow.fit(codec.encode(self.train.images), torch.from_numpy(self.train.attributes), seed=self.run.seed)

    def ridge(self, codec):
        """W: the ridge regression from the training faces' labels to their embeddings, float32 (Z, A) on the device."""
        return self.ridge_of(codec.encode(self.train.images), self.train.attributes)

    def ridge_of(self, z, a):
        """W of embeddings z (n, Z), a tensor, and labels a (n, A): float32 (Z, A) on the device."""
        fitted = RidgeCV(RIDGES).fit(a.astype(float), z.cpu().numpy())
        return torch.from_numpy(fitted.coef_.astype(np.float32)).to(self.device)

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
