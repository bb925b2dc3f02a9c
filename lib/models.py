"""The networks of Sec. III-D.

Shapes: x faces (B, 3, S, S) in [-1, 1], a attributes (B, A) of 0/1, z embedding (B, Z), logits (B, A) or (B,).
"""

from itertools import pairwise
from math import log2, prod, sqrt

import torch
from sklearn.decomposition import PCA
from torch import nn
from torch.nn.functional import interpolate, linear, pad

CHANNELS_LAST = (0, 2, 3, 1)  # (B, C, H, W) -> (B, H, W, C)
BOTTLENECK = 8  # height and width at which BEGAN turns feature maps into the embedding
COARSE = 32  # height and width, at most, at which linear maps see faces


def resolutions(size):
    """How many resolutions lie between `size` and 8x8, both counted: four for 64x64 ("repeated for four times").

    Raises ValueError unless `size` is 8 times a power of two, at least 16.
    """
    if size < 2 * BOTTLENECK or size % BOTTLENECK or not log2(size // BOTTLENECK).is_integer():
        raise ValueError(f"faces of {size}x{size} do not fit; take 16, 32, 64, 128 or 256")
    return int(log2(size // BOTTLENECK)) + 1


class Residual(nn.Sequential):
    """Its layers' output is added to their input; in its place, so the last layer must not work in place itself."""

    def forward(self, h):
        return super().forward(h).add_(h)


class VanishingResidual(nn.Sequential):
    """BEGAN's: carry * input + (1 - carry) * output. Training lets `carry` fall from 1 to 0 (`set_carry`)."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.register_buffer("carry", torch.ones(()))

    def forward(self, h):
        return torch.lerp(super().forward(h), h, self.carry)


def set_carry(module, carry):
    """Set the carry of every VanishingResidual in `module`."""
    for part in module.modules():
        if isinstance(part, VanishingResidual):
            part.carry.fill_(carry)


def residual_block(filters, vanishing=False):
    """Two 3x3 convolutions with ELU, bridged by the identity: for good, or `vanishing` as in BEGAN."""
    bridge = VanishingResidual if vanishing else Residual
    return bridge(
        nn.Conv2d(filters, filters, 3, padding=1), nn.ELU(inplace=True),
        nn.Conv2d(filters, filters, 3, padding=1), nn.ELU(),
    )  # fmt: skip


class Encoder(nn.Sequential):
    """Eq. 1, x -> z: filters n, 2n, 3n, ... grow linearly with each stride-2 subsampling; no activation on z."""

    def __init__(self, size, filters, embedding, vanishing=False):
        depth = resolutions(size)
        layers = [nn.Conv2d(3, filters, 3, padding=1), nn.ELU(inplace=True)]
        for i in range(1, depth + 1):
            layers.append(residual_block(i * filters, vanishing))
            if i < depth:
                layers += [nn.Conv2d(i * filters, (i + 1) * filters, 3, stride=2, padding=1), nn.ELU(inplace=True)]
        layers += [nn.Flatten(), nn.Linear(depth * filters * BOTTLENECK**2, embedding)]
        super().__init__(*layers)


class Decoder(nn.Sequential):
    """Eq. 2, z -> x: n filters throughout, nearest-neighbour upsampling; no activation on x, as in BEGAN.

    With `skips`, also BEGAN's, every upsampled map meets the first 8x8 map again, brought to its size.
    """

    def __init__(self, size, filters, embedding, vanishing=False, skips=False):
        depth = resolutions(size)
        layers = [
            nn.Linear(embedding, filters * BOTTLENECK**2),
            nn.Unflatten(1, (filters, BOTTLENECK, BOTTLENECK)),
        ]
        for i in range(1, depth + 1):
            layers.append(residual_block(filters, vanishing))
            if i < depth:
                layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
                if skips:
                    layers += [nn.Conv2d(2 * filters, filters, 3, padding=1), nn.ELU(inplace=True)]
        layers.append(nn.Conv2d(filters, 3, 3, padding=1))
        super().__init__(*layers)
        self.skips = skips

    def forward(self, z):
        full, unflatten, *layers = self
        h = first = unflatten(full(z))
        for layer in layers:
            h = layer(h)
            if self.skips and isinstance(layer, nn.Upsample):
                h = torch.cat([h, interpolate(first, size=h.shape[2:], mode="nearest")], dim=1)
        return h


class Sum(nn.Module):
    """What a network and a fixed linear map make of the same input, added."""

    def __init__(self, network, *linear):
        super().__init__()
        self.network, self.linear = network, nn.Sequential(*linear).requires_grad_(False)

    def forward(self, h):
        return self.network(h) + self.linear(h)


class Autoencoder(nn.Module):
    """Encoder and Decoder in one, x -> x̂. BEGAN's critic is a second one with weights of its own.

    With `components` a linear map from and to coarse faces stands beside each; see `start_from`.
    """

    def __init__(self, size, filters, embedding, vanishing=False, skips=False, components=False):
        super().__init__()
        self.encoder = Encoder(size, filters, embedding, vanishing)
        self.decoder = Decoder(size, filters, embedding, vanishing, skips)
        if components:
            coarse = min(size, COARSE)
            shape = (3, coarse, coarse)
            self.encoder = Sum(
                self.encoder, nn.AvgPool2d(size // coarse), nn.Flatten(), nn.Linear(prod(shape), embedding)
            )
            self.decoder = Sum(
                self.decoder,
                nn.Linear(embedding, prod(shape)), nn.Unflatten(1, shape), nn.Upsample((size, size), mode="bilinear"),
            )  # fmt: skip

    def forward(self, x):
        return self.decoder(self.encoder(x))

    @torch.no_grad()
    def start_from(self, x):
        """Make the linear maps the first Z principal components of faces x (N, 3, S, S), and let the networks add
        nothing yet: training begins at the best that a linear map can do. z has a mean square of 1."""
        (pool, flat, into), (out, *_) = self.encoder.linear, self.decoder.linear
        pca = PCA(into.out_features, svd_solver="covariance_eigh").fit(flat(pool(x)).cpu().numpy())
        mean, axes = torch.from_numpy(pca.mean_), torch.from_numpy(pca.components_)
        scale = sqrt(len(axes) / pca.explained_variance_.sum())
        into.weight.copy_(scale * axes)
        into.bias.copy_(-scale * axes @ mean)
        out.weight.copy_(axes.T / scale)
        out.bias.copy_(mean)
        for last in (self.encoder.network[-1], self.decoder.network[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)


class MappingFunction(nn.Sequential):
    """Eq. 9, Φ: a -> ẑ. Fully connected A-128-128-256-256-128-Z, ELU, linear output; residual where widths agree."""

    WIDTHS = (128, 128, 256, 256, 128)

    def __init__(self, attributes, embedding):
        layers = []
        for width_in, width_out in pairwise((attributes, *self.WIDTHS)):
            layer = [nn.Linear(width_in, width_out), nn.ELU()]
            layers += [Residual(*layer)] if width_in == width_out else layer
        super().__init__(*layers, nn.Linear(self.WIDTHS[-1], embedding))


class FeatureDiscriminator(nn.Sequential):
    """D_fc, z -> logit (B,), without labels (`losses.discriminator`): fully connected 512-512-512-1, leaky ReLU."""

    def __init__(self, embedding, width=512):
        layers = []
        for width_in in (embedding, width, width):
            layers += [nn.Linear(width_in, width), nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Linear(width, 1), nn.Flatten(0))


class HalvingConvolution(nn.Conv2d):
    """4x4 convolution of stride 2, as a matrix product where maps are small and filters many.

    The CPU's own convolution takes up to five times as long there: on maps of 2x2, where twelve of the sixteen weights
    meet nothing but padding and are left out, and on maps of 4x4 from `MANY` filters on.
    """

    MANY = 128  # with 64 the product is a tenth slower, with 96 they are equal

    def __init__(self, width_in, width_out):
        super().__init__(width_in, width_out, 4, stride=2, padding=1)

    def forward(self, h):
        side = h.shape[2]
        if side > 4 or (side == 4 and self.in_channels < self.MANY):
            return super().forward(h)
        h, weight = h.permute(CHANNELS_LAST), self.weight.permute(CHANNELS_LAST)  # as they lie in memory
        if side == 2:
            patches, weight = h[:, None, None], weight[:, 1:3, 1:3]
        else:
            patches = pad(h, (0, 0, 1, 1, 1, 1)).unfold(1, 4, 2).unfold(2, 4, 2).movedim(3, -1)  # (B, 2, 2, 4, 4, C)
        return linear(patches.flatten(3), weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def strided_convolutions(filters, activation):
    """Five 4x4 convolutions of stride 2 from `filters` to 16 `filters`: the body that D_conv and C share."""
    layers = []
    for width_in, width_out in pairwise((3, *(filters * 2**i for i in range(5)))):
        layers += [HalvingConvolution(width_in, width_out), activation()]
    return nn.Sequential(*layers, nn.Flatten())


def flat_features(size, filters):
    """Length of the flattened output of `strided_convolutions` on faces of `size`, a multiple of 32."""
    if size % 32:
        raise ValueError(f"faces of {size}x{size} cannot be halved five times; take a multiple of 32")
    return 16 * filters * (size // 32) ** 2


class ImageDiscriminator(nn.Sequential):
    """D_conv, x -> logit (B,), without labels (`losses.discriminator`): five 4x4 stride-2 convolutions, ReLU, then a
    fully connected output."""

    def __init__(self, size, filters):
        super().__init__(
            strided_convolutions(filters, nn.ReLU), nn.Linear(flat_features(size, filters), 1), nn.Flatten(0)
        )


class AttributeClassifier(nn.Module):
    """Eq. 7, C: x -> logits (B, A); the convolutions of D_conv with leaky ReLU (Sec. III-D)."""

    def __init__(self, size, filters, attributes):
        super().__init__()
        self.features = strided_convolutions(filters, lambda: nn.LeakyReLU(0.2))
        self.head = nn.Linear(flat_features(size, filters), attributes)

    def forward(self, x):
        return self.head(self.features(x))


def first_features(classifier, depth=3):
    """x -> what the first `depth` convolutions of an AttributeClassifier see, (B, C, S / 2^depth, S / 2^depth)."""
    return classifier.features[: 2 * depth]


def frozen(module):
    """The same module, in evaluation mode, its weights closed to gradients."""
    return module.eval().requires_grad_(False)


def placed(module, device):
    """`module` on `device`, its convolutions laid out for speed.

    Channels last: on the CPU the autoencoder's step is shorter by it, no stage's is longer. It is what bfloat16 wants
    on a GPU, not measured there. Apple's MPS was not measured either and keeps its default.
    """
    plain = torch.device(device).type == "mps"
    return module.to(device, memory_format=torch.contiguous_format if plain else torch.channels_last)
