"""Cheap remedies for a long tail of attributes, the ones that any generated data has to beat.

The paper's introduction dismisses two of them: up-sampling of the minority [15], here by `rarity`, for it shows nothing
new, and higher costs of its errors [18], here `weighted_cross_entropy`, as an expedient. Its Section II names two more,
MOON [25] and the positive-sharing loss of [18]. It measures none of the four.

`logits` and labels `a` are (B, A), labels 0/1 as float32; `prevalence` (A,) is the share of the training faces that
carry each attribute, kept away from 0 and 1 by `prevalence`.
"""

import numpy as np
import torch
from scipy.special import logit
from torch.nn.functional import binary_cross_entropy_with_logits, softplus
from torchvision.ops import sigmoid_focal_loss

from lib import losses


def prevalence(a):
    """Share of the faces (N, A) that carry each attribute, float32 (A,), at least half a face from 0 and from 1."""
    a = np.asarray(a, dtype=bool)
    return ((a.sum(axis=0) + 0.5) / (len(a) + 1)).astype(np.float32)


def cross_entropy(logits, a, prevalence):
    """Eq. 8, no remedy."""
    return losses.attribute_cross_entropy(logits, a)


def weighted_cross_entropy(logits, a, prevalence):
    """Cost-sensitive training: Eq. 8 with each attribute's positives weighted (1 - p) / p, so that the errors on either
    class cost as much in all."""
    return binary_cross_entropy_with_logits(logits, a, pos_weight=(1 - prevalence) / prevalence)


def focal(logits, a, prevalence, gamma=2.0):
    """Focal loss (Lin et al., 2017): what is recognised well already counts little."""
    return sigmoid_focal_loss(logits, a, alpha=-1, gamma=gamma, reduction="mean")


def asymmetric(logits, a, prevalence, gamma_positive=1.0, gamma_negative=4.0, margin=0.05):
    """Asymmetric loss (Ridnik et al., 2021): a focal loss harder on negatives, of which the easiest do not count."""
    positive = torch.sigmoid(logits.float())
    negative = (1 - positive + margin).clamp(max=1)
    loss = a * (1 - positive) ** gamma_positive * torch.log(positive.clamp(min=1e-8))
    loss = loss + (1 - a) * (1 - negative) ** gamma_negative * torch.log(negative.clamp(min=1e-8))
    return -loss.mean()


def moon(logits, a, prevalence):
    """MOON (Rudd et al., 2016): squared error against labels of -1 and 1, adapted to a domain where half of the faces
    carry each attribute. The minority weighs 1, the majority less, as it is more frequent: 1/10 where it is 10 to 1.
    """
    odds = prevalence / (1 - prevalence)
    weight = torch.where(a > 0, 1 / odds, odds).clamp(max=1)
    return (weight * (logits - (2 * a - 1)).square()).mean()


def positive_sharing(logits, a, prevalence, rare=0.1):
    """After DeepContour's positive-sharing loss (Shen et al., 2015): each subclass shares the loss of the whole class.

    There the positive class, a contour, is split by its shape; a softmax tells the subclasses and "none" apart, and a
    second term asks whether there is any, by 1 - P(none). Here "any" is an attribute carried by fewer than a share
    `rare` of the faces. These can come together, so that P(none) is the product of the (1 - p): Eq. 8, and to the term
    of each rare attribute that of "any" is added.
    """
    minority = prevalence < rare
    log_none = -softplus(logits[:, minority].float()).sum(dim=1)
    any_of_them = a[:, minority].any(dim=1)
    log_any = torch.log(-torch.expm1(log_none.clamp(max=-1e-7)))
    shared = -torch.where(any_of_them, log_any, log_none).mean()
    return cross_entropy(logits, a, prevalence) + minority.float().mean() * shared


def adjust_logits(logits, prevalence):
    """Logit adjustment (Menon et al., 2021): subtract each attribute's prior log-odds."""
    return logits - logit(prevalence)


def rarity(a):
    """Up-sampling: probabilities of rows (N, A) -> (N,), each weighs 1 / how frequent its rarest value is.

    Absence counts as a value too: faces without No_Beard are rarer than those with it.
    """
    a = np.asarray(a, dtype=bool)
    share = a.mean(axis=0)
    rarest = np.where(a, share, 1 - share).min(axis=1)
    return (1 / rarest) / (1 / rarest).sum()
