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


def test_moon_by_hand():
    scores, a = torch.tensor([[0.5, 0.5], [-1.5, 0.25]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    # a quarter carries the first attribute: its absence weighs 1/3; four fifths the second: its presence weighs 1/4
    expected = (1 * 0.5**2 + 0.25 * 0.5**2 + (1 / 3) * 0.5**2 + 1 * 1.25**2) / 4
    assert imbalance.moon(scores, a, P).item() == pytest.approx(expected)


def test_moon_balances_the_gradients_of_both_classes():
    a = torch.tensor([[1.0]] + [[0.0]] * 9)
    scores = torch.zeros(10, 1, requires_grad=True)
    imbalance.moon(scores, a, torch.tensor([0.1])).backward()
    assert scores.grad.sum().item() == pytest.approx(0, abs=1e-7)
    assert scores.grad[0].item() == pytest.approx(-2 / 10)  # the minority's errors weigh as much as ever


def test_positive_sharing_by_hand():
    p = torch.tensor([0.05, 0.3, 0.02])  # the first and the third are rare
    logits = torch.tensor([[0.0, 9.0, 1.0], [-1.0, -9.0, 0.5]])
    a = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    s = torch.sigmoid(logits)
    none = (1 - s[:, 0]) * (1 - s[:, 2])
    shared = -(none[0].log() + (1 - none[1]).log()) / 2  # the first face has no rare attribute, the second one
    expected = imbalance.cross_entropy(logits, a, p) + 2 / 3 * shared
    assert imbalance.positive_sharing(logits, a, p).item() == pytest.approx(expected.item())


def test_positive_sharing_without_rare_attributes_is_the_cross_entropy():
    plain = imbalance.cross_entropy(LOGITS, A, P).item()
    assert imbalance.positive_sharing(LOGITS, A, P).item() == pytest.approx(plain)


def test_positive_sharing_stays_finite_at_either_end():
    logits = torch.tensor([[-100.0, -100.0], [100.0, 100.0]], requires_grad=True)
    for a in (torch.zeros(2, 2), torch.ones(2, 2)):
        loss = imbalance.positive_sharing(logits, a, torch.tensor([0.01, 0.01]))
        (slope,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and slope.isfinite().all()


def test_adjusted_logits_cancel_the_prior():
    assert imbalance.adjust_logits(np.zeros((1, 2)), np.array([0.5, 0.8])) == pytest.approx(np.array([[0, -np.log(4)]]))


def test_rarity_counts_absence_too():
    a = np.array([[1, 0]] * 6 + [[0, 0]] * 3 + [[1, 1]])
    p = imbalance.rarity(a)
    assert p.sum() == pytest.approx(1)
    assert p[0] / p[9] == pytest.approx((1 / 0.7) / (1 / 0.1))
    assert p[6] / p[9] == pytest.approx((1 / 0.3) / (1 / 0.1))
