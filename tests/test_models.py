"""Sizes of Sec. III-D, shapes at every resolution, and what residual blocks do."""

import pytest
import torch
from sklearn.decomposition import PCA

from lib import models


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    "module, count",
    [
        (lambda: models.Encoder(64, 64, 64), 4_001_408),
        (lambda: models.Decoder(64, 64, 64), 563_395),
        (lambda: models.MappingFunction(40, 64), 161_728),
        (lambda: models.FeatureDiscriminator(64), 559_105),
        (lambda: models.ImageDiscriminator(64, 64), 11_150_273),
        (lambda: models.AttributeClassifier(64, 64, 40), 11_310_056),
    ],
)
def test_parameter_counts_at_the_papers_sizes(module, count):
    """Sec. III-D: layers of the widths that it names have as many weights as this."""
    assert parameters(module()) == count


def test_mapping_function_parameter_count_by_hand():
    """Eq. 9, with the six layers of Sec. III-D."""
    widths = [40, 128, 128, 256, 256, 128, 64]
    assert parameters(models.MappingFunction(40, 64)) == sum(
        i * o + o for i, o in zip(widths[:-1], widths[1:], strict=True)
    )


def test_mapping_function_by_hand():
    torch.manual_seed(0)
    phi, a = models.MappingFunction(5, 7), torch.rand(2, 5)
    weights = list(phi.parameters())
    h = a
    for i, residual in enumerate((False, True, False, True, False)):  # where a layer is as wide as what it is given
        new = torch.nn.functional.elu(h @ weights[2 * i].T + weights[2 * i + 1])
        h = h + new if residual else new
    torch.testing.assert_close(phi(a), h @ weights[10].T + weights[11])


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("attributes", [5, 40])
def test_shapes(size, attributes):
    """Eq. 1, 2, 7 and 9: what goes in and what comes out."""
    x, a, z = torch.rand(2, 3, size, size), torch.ones(2, attributes), torch.rand(2, 7)
    assert models.Encoder(size, 2, 7)(x).shape == (2, 7)
    assert models.Decoder(size, 2, 7)(z).shape == x.shape
    assert models.Autoencoder(size, 2, 7)(x).shape == x.shape
    assert models.MappingFunction(attributes, 7)(a).shape == (2, 7)
    assert models.FeatureDiscriminator(7, width=8)(z).shape == (2,)
    assert models.ImageDiscriminator(size, 2)(x).shape == (2,)
    assert models.AttributeClassifier(size, 2, attributes)(x).shape == a.shape


@pytest.mark.parametrize("size", [16, 64])
def test_an_autoencoder_beside_its_components_begins_as_the_best_linear_map(size):
    """Against scikit-learn on faces as coarse as the linear maps see them; the rest of z's scale cancels."""
    torch.manual_seed(0)
    x, coarse = torch.rand(40, 3, size, size) * torch.linspace(0.1, 1, size), min(size, models.COARSE)
    autoencoder = models.Autoencoder(size, 2, 7, components=True)
    autoencoder.start_from(x)
    seen = torch.nn.functional.avg_pool2d(x, size // coarse).flatten(1).numpy()
    pca = PCA(7, svd_solver="full").fit(seen)
    rebuilt = torch.from_numpy(pca.inverse_transform(pca.transform(seen))).view(40, 3, coarse, coarse)
    rebuilt = torch.nn.functional.interpolate(rebuilt, size=(size, size), mode="bilinear")
    with torch.no_grad():
        torch.testing.assert_close(autoencoder(x), rebuilt, atol=1e-4, rtol=0)
        assert autoencoder.encoder(x).square().mean().item() == pytest.approx(39 / 40, abs=1e-3)  # variances by n - 1


@pytest.mark.parametrize("size", [0, 8, 48, 100])
def test_sizes_that_cannot_be_halved_are_refused(size):
    with pytest.raises(ValueError, match=f"{size}x{size}"):
        models.resolutions(size)


def test_residual_block_is_identity_when_its_convolutions_are_zero():
    block = models.residual_block(3)
    for p in block.parameters():
        torch.nn.init.zeros_(p)
    h = torch.rand(1, 3, 4, 4)
    assert torch.equal(block(h), h)


def test_vanishing_residual_goes_from_identity_to_its_layers_alone():
    block, h = models.residual_block(3, vanishing=True), torch.rand(1, 3, 4, 4)
    alone = torch.nn.Sequential(*block)(h)
    assert torch.equal(block(h), h)
    models.set_carry(block, 0.25)
    assert torch.allclose(block(h), 0.25 * h + 0.75 * alone)
    models.set_carry(block, 0.0)
    assert torch.equal(block(h), alone)


def test_skips_bring_the_first_map_to_every_resolution():
    """Where the joins hear the skips alone, what lies before them does not matter, and z still does."""
    decoder, z = models.Decoder(32, 2, 7, skips=True), torch.rand(2, 7)
    joins = [m for m in decoder if isinstance(m, torch.nn.Conv2d) and m.in_channels == 4]
    assert len(joins) == models.resolutions(32) - 1
    with torch.no_grad():
        for join in joins:
            join.weight[:, :2] = 0
        before = decoder(z)
        decoder[2][0].weight += 1
        assert torch.equal(decoder(z), before)
    assert not torch.equal(before[0], before[1])


@pytest.mark.parametrize("side", [2, 4, 8])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_halving_is_the_convolution_it_stands_for(layout, side):
    torch.manual_seed(0)
    layer = models.HalvingConvolution(3, 5).to(memory_format=layout)
    layer.MANY = 3  # the product in place of the convolution on 4x4, too
    h = torch.randn(4, 3, side, side).contiguous(memory_format=layout).requires_grad_()
    inputs, weights = [h, *layer.parameters()], torch.randn(4, 5, side // 2, side // 2)
    expected = torch.nn.functional.conv2d(h, layer.weight, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(layer(h), expected)
    gradients = [torch.autograd.grad((y * weights).sum(), inputs) for y in (layer(h), expected)]
    torch.testing.assert_close(*gradients)


def test_filters_grow_linearly_in_the_encoder_and_stay_in_the_decoder():
    """Eq. 1 and 2, as Sec. III-D has them after BEGAN."""

    def widths(module):
        return [m.out_channels for m in module.modules() if isinstance(m, torch.nn.Conv2d)]

    n = 4
    assert widths(models.Encoder(64, n, 8)) == [n] + [n, n, 2 * n] + [2 * n] * 2 + [3 * n] * 3 + [4 * n] * 3
    assert widths(models.Decoder(64, n, 8)) == [n] * 8 + [3]


def test_frozen_closes_weights_but_lets_gradients_through():
    decoder = models.frozen(models.Decoder(16, 2, 4))
    z = torch.rand(1, 4, requires_grad=True)
    decoder(z).sum().backward()
    assert z.grad.abs().sum() > 0
    assert all(p.grad is None for p in decoder.parameters())
