"""Losses by hand, weights that balance, rows drawn by their rarest value."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from lib.study import imbalance

LOGITS, A = torch.tensor([[0.0, 2.0], [-1.0, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
P = torch.tensor([0.25, 0.8])


def test_prevalence_stays_inside():
    share = imbalance.prevalence(np.array([[1, 0, 1], [1, 0, 0]]))
    assert share == pytest.approx([2.5 / 3, 0.5 / 3, 0.5])


def test_weights_make_both_classes_equal():
    plain = binary_cross_entropy_with_logits(LOGITS, A, reduction="none")
    expected = plain * torch.tensor([[3.0, 1.0], [1.0, 0.25]])
    assert imbalance.weighted_cross_entropy(LOGITS, A, P).item() == pytest.approx(expected.mean().item())


def test_focal_and_asymmetric_losses_contain_the_cross_entropy():
    plain = imbalance.cross_entropy(LOGITS, A, P).item()
    assert imbalance.focal(LOGITS, A, P, gamma=0).item() == pytest.approx(plain)
    no_focus = {"gamma_positive": 0, "gamma_negative": 0, "margin": 0}
    assert imbalance.asymmetric(LOGITS, A, P, **no_focus).item() == pytest.approx(plain)


def test_focal_loss_by_hand():
    p = torch.sigmoid(LOGITS)
    right = torch.where(A == 1, p, 1 - p)
    expected = -((1 - right) ** 2 * right.log()).mean()
    assert imbalance.focal(LOGITS, A, P).item() == pytest.approx(expected.item())


def test_asymmetric_loss_ignores_easy_negatives():
    easy, hard = torch.tensor([[-4.0]]), torch.tensor([[4.0]])  # 0.018 lies within the margin
    absent, present = torch.zeros(1, 1), torch.ones(1, 1)
    assert imbalance.asymmetric(easy, absent, P[:1]).item() == 0
    p = torch.sigmoid(hard).item()
    expected = -((p - 0.05) ** 4) * np.log(1 - p + 0.05)
    assert imbalance.asymmetric(hard, absent, P[:1]).item() == pytest.approx(expected, rel=1e-4)
    assert imbalance.asymmetric(hard, present, P[:1]).item() == pytest.approx(-(1 - p) * np.log(p), rel=1e-4)


def test_adjusted_logits_cancel_the_prior():
    assert imbalance.adjust_logits(np.zeros((1, 2)), np.array([0.5, 0.8])) == pytest.approx(np.array([[0, -np.log(4)]]))


def test_rarity_counts_absence_too():
    a = np.array([[1, 0]] * 6 + [[0, 0]] * 3 + [[1, 1]])
    p = imbalance.rarity(a)
    assert p.sum() == pytest.approx(1)
    assert p[0] / p[9] == pytest.approx((1 / 0.7) / (1 / 0.1))
    assert p[6] / p[9] == pytest.approx((1 / 0.3) / (1 / 0.1))
