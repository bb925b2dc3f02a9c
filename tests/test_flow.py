"""Flow matching against closed forms: for Gaussians the mean velocity, and where it leads, are known."""

import numpy as np
import pytest
import torch

from lib import flow, training


class Gaussian(torch.nn.Module):
    """The exact field of z | a ~ N(m a, s²):

    E[z - ε | z_t] = m a + (t s² - (1 - t)) / ((1 - t)² + t² s²) (z_t - t m a)

    Noise ε then ends at m a + s ε.
    """

    m, s = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 2.0])

    def __init__(self):
        super().__init__()
        self.mean, self.std = torch.zeros(2), torch.ones(2)

    def forward(self, z, t, a):
        t, m = t[:, None], self.m * a
        return m + (t * self.s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * self.s**2) * (z - t * m)


def test_the_exact_field_leads_noise_to_its_gaussian_and_back():
    field, a = Gaussian(), torch.tensor([[0.0], [1.0]]).repeat(50, 1)
    noise = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    end = flow.follow(field, noise, a, 0, 1, steps=200)
    assert torch.allclose(end, field.m * a + field.s * noise, atol=2e-3)
    assert torch.allclose(flow.follow(field, end, a, 1, 0, steps=200), noise, atol=2e-3)
    for calm in (1.0, 0.5):
        drawn = flow.sample(field, a, torch.Generator().manual_seed(0), calm)
        assert torch.allclose(drawn, field.m * a + calm * field.s * noise, atol=2e-2)
    edited = flow.edit(field, end, a, 1 - a, steps=200)
    assert torch.allclose(edited, field.m * (1 - a) + field.s * noise, atol=5e-3)  # the same noise, the other label


@pytest.fixture(scope="module")
def fitted():
    """A flow of embeddings far from 0 and 1: z | a ~ N(10 + 4 a, 3²) beside N(-5 - 2 a, 1)."""
    rng = torch.Generator().manual_seed(0)
    a = (torch.rand(4000, 1, generator=rng) < 0.3).float()
    z = torch.randn(4000, 2, generator=rng) * torch.tensor([3.0, 1.0])
    z += torch.tensor([10.0, -5.0]) + a * torch.tensor([4.0, -2.0])
    return flow.fit(z, a, steps=1500, width=64, seed=0), z, a


def test_samples_have_the_mean_and_spread_of_their_labels(fitted):
    field, z, _ = fitted
    for label in (0.0, 1.0):
        drawn = flow.sample(field, torch.full((2000, 1), label), torch.Generator().manual_seed(1))
        mean = torch.tensor([10 + 4 * label, -5 - 2 * label])
        assert ((drawn.mean(0) - mean).abs() < torch.tensor([0.5, 0.2])).all()
        assert torch.allclose(drawn.std(0), torch.tensor([3.0, 1.0]), rtol=0.15)


def test_the_network_learns_the_mean_velocity(fitted):
    field, z, a = fitted
    mean, std = z.mean(0), z.std(0)
    m, s = (torch.tensor([10.0, -5.0]) - mean) / std, torch.tensor([3.0, 1.0]) / std  # of label 0, standardised
    noise, z = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(2))
    for t in (0.25, 0.5, 0.75):
        points = (1 - t) * noise + t * (m + s * z)
        exact = m + (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) * (points - t * m)
        ours = field(points, torch.full((500,), t), torch.zeros(500, 1))
        assert (ours - exact).square().mean() < 0.05 * exact.square().mean()


def test_an_edit_moves_by_the_difference_of_the_means_and_keeps_the_rest(fitted):
    field, z, a = fitted
    rows = (a[:, 0] == 0).nonzero()[:300, 0]
    moved = flow.edit(field, z[rows], a[rows], 1 - a[rows]) - z[rows]
    assert torch.allclose(moved.mean(0), torch.tensor([4.0, -2.0]), atol=0.4)
    assert (moved.std(0) < torch.tensor([1.0, 0.5])).all()
    nothing = flow.edit(field, z[rows], a[rows], a[rows])
    assert torch.allclose(nothing, z[rows], atol=0.05)


def test_a_seed_decides_and_nothing_is_left_to_learn(fitted):
    field, z, a = fitted
    one, two = (flow.fit(z[:64], a[:64], steps=3, seed=seed) for seed in (1, 2))
    torch.rand(3)
    again = flow.fit(z[:64], a[:64], steps=3, seed=1)
    weights = [next(f.network.parameters()) for f in (one, two, again)]
    assert torch.equal(weights[0], weights[2]) and not torch.equal(weights[0], weights[1])
    assert not any(p.requires_grad for p in field.parameters())
    assert np.isfinite(float(flow.loss(field, torch.zeros(4, 2), torch.zeros(4, 1))))


def test_everything_happens_on_the_device_of_the_embeddings(monkeypatch):
    """On a GPU too: torch's device "meta" stands for one."""
    monkeypatch.setattr(training, "adam", lambda modules, rate: torch.optim.Adam(modules[0].parameters(), rate))
    z, a = torch.zeros(20, 4, device="meta"), torch.rand(20, 3) < 0.5
    field = flow.fit(z, a, steps=2, width=8)
    tensors = [*field.state_dict().values(), flow.sample(field, a), flow.edit(field, z, a, ~a)]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
