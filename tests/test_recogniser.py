"""One recogniser: its network, and a training that the seed and the number of steps decide."""

import numpy as np
import pytest
import torch

from lib import config, data, models
from lib.study import imbalance, recogniser

SETTINGS = config.RecognitionConfig(filters=2, batch_size=8, learning_rate=1e-2)


def test_the_recogniser_of_table_3():
    model = recogniser.attgan_classifier(64, 13).eval()
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 13)
    convolutions = [layer.out_channels for layer in model if isinstance(layer, torch.nn.Conv2d)]
    assert convolutions == [16, 16, 32, 32, 64, 64, 128, 128, 256, 256]


def trained(steps, seed=0, loss=imbalance.cross_entropy):
    rng = np.random.default_rng(0)
    images, a = rng.integers(0, 256, (16, 3, 32, 32), dtype=np.uint8), rng.random((16, 2)) < 0.5
    images[a[:, 0]] //= 4  # the first attribute can be seen
    torch.manual_seed(seed)
    model = recogniser.train(models.AttributeClassifier(32, 2, 2), images, a, SETTINGS, steps, seed, loss)
    return recogniser.predict(model, images), a


def test_training_learns_and_leaves_the_network_ready_to_answer():
    logits, a = trained(60)
    assert logits.dtype == np.float32 and logits.shape == (16, 2)
    assert ((logits[:, 0] > 0) == a[:, 0]).all()


def test_the_seed_decides():
    assert np.array_equal(trained(3)[0], trained(3)[0])
    assert not np.array_equal(trained(3)[0], trained(3, seed=1)[0])


@pytest.mark.parametrize("loss", [imbalance.weighted_cross_entropy, imbalance.focal, imbalance.asymmetric])
def test_the_loss_decides(loss):
    assert not np.array_equal(trained(3)[0], trained(3, loss=loss)[0])


def test_a_trained_network_is_in_evaluation_mode():
    images, a = np.zeros((8, 3, 32, 32), np.uint8), np.eye(8, 2) > 0
    assert not recogniser.train(models.AttributeClassifier(32, 2, 2), images, a, SETTINGS, steps=1, seed=0).training


def test_answers_do_not_depend_on_the_batch():
    model = models.AttributeClassifier(32, 2, 2).eval()
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 32, 32), dtype=np.uint8)
    np.testing.assert_allclose(recogniser.predict(model, images, 3), recogniser.predict(model, images), rtol=1e-5)


def test_batch_norms_take_the_statistics_of_real_faces():
    """Whatever went through before: mean and variance are those of these faces, over all batches."""
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(3)).train()
    model(torch.full((4, 3, 8, 8), 9.0))
    model = recogniser.normalised_by(model, images, batch_size=10)
    x = data.to_float(images)
    assert torch.allclose(model[0].running_mean, x.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(model[0].running_var, x.var((0, 2, 3)), rtol=1e-2)
    assert not model.training
