"""Every equation against values worked by hand."""

from math import log

import pytest
import torch
from torch.testing import assert_close

from lib import losses
from lib.config import MappingConfig

SIGMOID_2 = 1 / (1 + 2.718281828459045**-2)


def test_reconstructions_are_means_over_batch_and_elements():
    """Eq. 4, 10 and 11."""
    x, x_hat = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), torch.tensor([[1.0, 1.0], [0.0, -2.0]])
    assert losses.image_reconstruction(x, x_hat).item() == pytest.approx((1 + 0 + 2 + 1) / 4)
    assert losses.squared_reconstruction(x, x_hat).item() == pytest.approx((1 + 0 + 4 + 1) / 4)
    assert losses.embedding_reconstruction(x, x_hat).item() == pytest.approx((1 + 0 + 4 + 1) / 4)


def test_attribute_cross_entropy_is_minus_log_of_the_right_probability():
    """Eq. 8 and 14."""
    logits, a = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    assert losses.attribute_cross_entropy(logits, a).item() == pytest.approx((log(2) - log(1 - SIGMOID_2)) / 2)


def test_began_errors_and_balance():
    """BEGAN's errors, and Eq. 6 with its clip."""
    x = torch.full((2, 3, 4, 4), 0.5)
    assert losses.critic_error(lambda v: v - 0.25, x).item() == pytest.approx(0.25)
    real, fake, k = torch.tensor(0.4), torch.tensor(0.1), torch.tensor(0.5)
    assert losses.began_critic(real, fake, k).item() == pytest.approx(0.35)
    # gamma * real = 0.2 > fake: fakes are too easy, so k rises
    assert losses.began_k(k, real, fake, gamma=0.5, lambda_k=0.1).item() == pytest.approx(0.51)
    assert losses.began_k(k, fake, real, gamma=0.5, lambda_k=0.1).item() == pytest.approx(0.465)
    assert losses.began_k(torch.tensor(0.0), fake, real, 0.5, 1.0).item() == 0
    assert losses.began_k(torch.tensor(1.0), real, fake, 0.5, 1.0).item() == 1
    assert losses.began_convergence(real, fake, 0.5).item() == pytest.approx(0.4 + 0.1)


def test_autoencoder_objective_weighs_the_adversarial_part_only():
    """Eq. 3, with BEGAN's sign."""
    total, parts = losses.autoencoder(torch.tensor(0.3), torch.tensor(0.2), 0.1)
    assert total.item() == pytest.approx(0.32)
    assert {name: round(part.item(), 6) for name, part in parts.items()} == {"reconstruction": 0.3, "adversarial": 0.2}
    total, parts = losses.autoencoder(torch.tensor(0.3), torch.tensor(0.2), 0.1, torch.tensor(0.4), 2.0)
    assert total.item() == pytest.approx(0.3 + 0.02 + 0.8)
    assert parts["feature"].item() == pytest.approx(0.4)


def test_feature_reconstruction_compares_what_a_network_sees_and_moves_the_copy_alone():
    x, x_hat = torch.tensor([[1.0, 2.0]], requires_grad=True), torch.tensor([[1.0, 4.0]], requires_grad=True)
    loss = losses.feature_reconstruction(lambda x: x**2, x, x_hat)
    assert loss.item() == pytest.approx((0 + 12) / 2)
    loss.backward()
    assert x.grad is None and x_hat.grad.tolist() == [[0.0, 4.0]]


def test_log_losses_by_hand():
    """Eq. 15 and 16 for a discriminator; for the other side its part of Eq. 5, 12 and 13, and the usual one."""
    real, fake = torch.tensor([2.0]), torch.tensor([-2.0])
    assert losses.discriminator(real, fake).item() == pytest.approx(-log(SIGMOID_2) - log(SIGMOID_2))
    assert losses.generator(fake).item() == pytest.approx(-log(1 - SIGMOID_2))
    assert losses.generator(fake, saturating=True).item() == pytest.approx(log(SIGMOID_2))


def test_saturating_form_vanishes_where_the_other_does_not():
    """Eq. 12 and 13 as printed have no gradient where the discriminator is sure."""
    fake = torch.tensor([-10.0], requires_grad=True)  # the discriminator is sure
    (saturating,) = torch.autograd.grad(losses.generator(fake, saturating=True), fake)
    (default,) = torch.autograd.grad(losses.generator(fake), fake)
    assert -1e-4 < saturating.item() < 0
    assert default.item() == pytest.approx(-1, abs=1e-4)


def test_mapping_objective_is_equation_17():
    """Eq. 17."""
    z, z_hat = torch.tensor([[0.0]]), torch.tensor([[2.0]])
    x, x_hat = torch.tensor([[0.0]]), torch.tensor([[0.5]])
    a, logits = torch.tensor([[1.0]]), torch.tensor([[0.0]])
    weights = {
        "weight_adversarial_feature": 0.5,
        "weight_adversarial_image": 3.0,
        "weight_reconstruction_embedding": 2.0,
    }
    feature, image = torch.tensor([0.0]), torch.tensor([2.0])  # D_conv is nearly taken in, D_fc in doubt
    total, parts = losses.mapping(z, z_hat, x, x_hat, a, logits, feature, image, MappingConfig(**weights))
    expected = {
        "adversarial_feature": -log(2),
        "adversarial_image": log(1 - SIGMOID_2),
        "reconstruction_image": 0.5,
        "reconstruction_embedding": 4.0,
        "perceptual": log(2),
    }
    assert {name: part.item() for name, part in parts.items()} == pytest.approx(expected)
    assert total.item() == pytest.approx(-0.5 * log(2) + 3 * log(1 - SIGMOID_2) + 10 * 0.5 + 2 * 4.0 + 10 * log(2))


def test_mapping_weights_are_the_papers():
    config = MappingConfig()
    assert (config.weight_adversarial_image, config.weight_reconstruction_image) == (1, 10)
    assert (config.weight_reconstruction_embedding, config.weight_perceptual) == (1, 10)


def test_began_critic_gradient_opposes_the_generators():
    """The critic's gradient on L(x̂) is −k times the one that a generator would see: the game is adversarial."""
    weight = torch.tensor(0.5, requires_grad=True)
    fake = losses.critic_error(lambda v: weight * v, torch.ones(1))
    (of_fake,) = torch.autograd.grad(fake, weight, retain_graph=True)
    (of_critic,) = torch.autograd.grad(losses.began_critic(torch.tensor(0.0), fake, torch.tensor(0.3)), weight)
    assert_close(of_critic, -0.3 * of_fake)
