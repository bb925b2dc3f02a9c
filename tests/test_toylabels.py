"""The label model: CelebA's frequencies and correlations, and what makes rows reproducible."""

import numpy as np
import pytest

from lib.attributes import CELEBA, celeba_statistics, cooccurrence, index
from lib.toyfaces.labelling import labels, uniform, with_noise


def frequencies_and_phi(faces, co):
    pair = co / faces
    p = np.diag(pair)
    deviation = np.sqrt(p * (1 - p))
    return p, (pair - np.outer(p, p)) / np.outer(deviation, deviation)


@pytest.mark.parametrize("seed", [0, 1])
def test_statistics_are_those_of_celeba(seed):
    a = labels(20_000, seed)
    p, phi = frequencies_and_phi(*celeba_statistics())
    ours_p, ours_phi = frequencies_and_phi(len(a), cooccurrence(a))
    assert np.abs(ours_p - p).max() < 0.01
    assert np.abs(ours_phi - phi).max() < 0.06


def test_what_never_meets_in_celeba_never_meets_here():
    faces, co = celeba_statistics()
    count = np.diag(co)
    never = co < 0.02 * np.outer(count, count) / faces
    assert never[index(CELEBA, "Bald"), index(CELEBA, "Bangs")]
    for imbalance in (1, 2):
        assert cooccurrence(labels(20_000, imbalance=imbalance))[never].max() == 0


def test_a_row_depends_on_its_place_and_the_seed_alone():
    for options in ({}, {"balanced": True}, {"imbalance": 1.5}, {"confound": ("Eyeglasses", "Male")}):
        a = labels(50, seed=3, **options)
        assert (labels(7, seed=3, start=20, **options) == a[20:27]).all()
        assert (labels(50, seed=4, **options) != a).any()


def test_balanced_attributes_are_independent_coins():
    a = labels(20_000, balanced=True)
    p, phi = frequencies_and_phi(len(a), cooccurrence(a))
    assert np.abs(p - 0.5).max() < 0.015
    assert np.abs(phi - np.eye(len(CELEBA))).max() < 0.03


def test_imbalance_stretches_the_tail():
    p, _ = frequencies_and_phi(*celeba_statistics())
    longer = labels(20_000, imbalance=2).mean(0)
    expected = 0.5 * (2 * np.minimum(p, 1 - p)) ** 2
    assert np.abs(longer - np.where(p < 0.5, expected, 1 - expected)).max() < 0.01


def test_confound_ties_one_attribute_to_another():
    free, tied = labels(500), labels(500, confound=("Eyeglasses", "Male"))
    glasses, male = index(CELEBA, "Eyeglasses"), index(CELEBA, "Male")
    assert (tied[:, glasses] == free[:, male]).all()
    assert (np.delete(tied, glasses, 1) == np.delete(free, glasses, 1)).all()


def test_noise_flips_the_share_asked_for():
    a = labels(5000)
    flipped = with_noise(a, 0.1, seed=1) ^ a
    assert flipped.mean() == pytest.approx(0.1, abs=0.005)
    assert (with_noise(a, 0.0) == a).all()
    assert (with_noise(a[100:], 0.1, seed=1, start=100) == (a ^ flipped)[100:]).all()


def test_options_that_cannot_be_met_say_so():
    with pytest.raises(ValueError, match="imbalance is 0.5"):
        labels(1, imbalance=0.5)
    with pytest.raises(ValueError, match="unknown attribute 'Glasses'"):
        labels(1, confound=("Glasses", "Male"))


def test_random_numbers_are_uniform_and_unrelated():
    u = uniform(7, np.arange(20_000), 8)
    assert 0 <= u.min() and u.max() < 1
    assert np.abs(u.mean(0) - 0.5).max() < 0.01
    neighbours = np.corrcoef(np.column_stack([u[:-1], u[1:], uniform(8, np.arange(19_999), 8)]).T)
    assert np.abs(neighbours - np.eye(24)).max() < 0.04
