"""The shared parts of the compared systems: penalty, chance, learning rate, labels, cost."""

import types

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch.testing import assert_close

from lib import training
from lib.baselines import common, cost


def on_cpu(process=0):
    return types.SimpleNamespace(process_index=process, device="cpu")


def test_gradient_penalty_of_a_linear_critic_is_known():
    w = torch.full((3, 4, 4), 0.5, requires_grad=True)  # |w| = sqrt(48) / 2
    real, fake = torch.randn(2, 5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    penalty = common.gradient_penalty(lambda x: (w * x).sum(dim=(1, 2, 3)), real, fake, torch.rand(5, 1, 1, 1))
    length = 48**0.5 / 2
    assert_close(penalty, torch.tensor((length - 1) ** 2))
    (slope,) = torch.autograd.grad(penalty, w)  # d/dw (|w| − 1)² = 2 (|w| − 1) w / |w|
    assert_close(slope, torch.full_like(w, 2 * (length - 1) * 0.5 / length))


def test_gradient_penalty_is_taken_between_real_and_fake():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.square().sum(dim=(1, 2, 3)) / 2  # its gradient at x is x

    real, fake = torch.full((2, 3, 2, 2), 1.0), torch.full((2, 3, 2, 2), -1.0)
    epsilon = torch.tensor([1.0, 0.75])[:, None, None, None]
    penalty = common.gradient_penalty(critic, real, fake, epsilon)
    assert_close(seen[0], torch.stack([real[0], 0.5 * real[1]]))
    assert_close(penalty, torch.tensor(((12**0.5 - 1) ** 2 + (3**0.5 - 1) ** 2) / 2))


def test_gradient_penalty_reaches_no_generator():
    fake = torch.zeros(2, 3, 4, 4, requires_grad=True)
    penalty = common.gradient_penalty(
        lambda x: x.pow(3).sum(dim=(1, 2, 3)), fake.detach() + 1, fake, torch.rand(2, 1, 1, 1)
    )
    assert not penalty.requires_grad or torch.autograd.grad(penalty, fake, allow_unused=True) == (None,)


def test_chance_depends_on_seed_step_and_process_alone():
    def drawn(seed, step, process=0):
        chance = common.Chance(on_cpu(process), seed, step)
        return torch.cat([chance.permutation(9).float(), chance.uniform(2, 2).flatten(), chance.normal(3)])

    assert torch.equal(drawn(1, 7), drawn(1, 7))
    others = [drawn(1, 8), drawn(2, 7), drawn(1, 7, process=1), drawn(7, 1)]
    assert not any(torch.equal(drawn(1, 7), other) for other in others)
    assert drawn(0, 0)[:9].sort().values.tolist() == list(range(9))


def linear(config):
    return torch.nn.Linear(1, 1)


def test_learning_rate_falls_over_the_second_half():
    config = types.SimpleNamespace(seed=0, learning_rate=0.1, epochs=2, batch_size=5)
    state = common.players(config, "cpu", critic=linear, model=linear)
    rates = []
    for state.step in range(8):
        common.anneal(state, config, 23)  # two epochs of four batches
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in state.optimizers.values()])
    assert_close(torch.tensor(rates)[:, 0], torch.tensor([0.1] * 5 + [0.075, 0.05, 0.025]))
    assert all(one == other for one, other in rates)


def test_label_maps_are_constant_over_the_image():
    maps = common.label_maps(torch.tensor([[0.0, 1.0, -1.0]]), torch.zeros(1, 7, 2, 4))
    assert maps.shape == (1, 3, 2, 4)
    assert maps[0, 1].eq(1).all() and maps[0, 2].eq(-1).all()


NAMES = ("Black_Hair", "Bald", "Blond_Hair", "Male")


def test_a_flipped_label_switches_off_what_contradicts_it():
    a = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)
    expected = [[0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 1]]  # blond on: black and bald off; blond off: nothing else
    assert common.flipped(a, NAMES, "Blond_Hair").astype(int).tolist() == expected
    assert a[0].tolist() == [True, False, False, True]
    assert (common.flipped(a, NAMES, "Male") != a).sum(axis=0).tolist() == [0, 0, 0, 3]
    with pytest.raises(ValueError, match="unknown attribute 'Hat'"):
        common.flipped(a, NAMES, "Hat")


def test_flops_of_a_convolution_and_of_a_penalty():
    convolution = torch.nn.Conv2d(3, 5, 3, padding=1, bias=False)
    x, multiply_adds = torch.randn(2, 3, 8, 8), 2 * 8 * 8 * 5 * 3 * 9
    with cost.FlopCounter() as forward:
        convolution(x)
    assert forward.flops == 2 * multiply_adds
    with torch.inference_mode(), cost.FlopCounter() as inference:
        convolution(x)
        torch.nn.Linear(8, 3)(x)
    assert inference.flops == 2 * multiply_adds + 2 * 2 * 3 * 8 * 8 * 3
    with cost.FlopCounter() as penalty:
        value = common.gradient_penalty(
            lambda x: convolution(x).square().sum(dim=(1, 2, 3)), x, x, torch.ones(2, 1, 1, 1)
        )
        value.backward()
    # forward and slope: 2; their derivatives with respect to weights and images are all of the same size
    assert penalty.flops % forward.flops == 0 and penalty.flops >= 6 * forward.flops
    assert cost.parameters(convolution) == 135


def test_machine_rates_are_operations_in_a_second(monkeypatch):
    monkeypatch.setattr(cost, "seconds", lambda call, repeats: 2.0)
    product, convolution = 2 * 1024**3, 2 * 16 * 32**2 * 64 * 64 * 9
    assert cost.machine_rate("cpu") == {"matrix product": product / 2e9, "convolution": convolution / 2e9}


def test_players_have_optimizers_of_their_own_and_start_from_the_seed():
    config = types.SimpleNamespace(seed=3, learning_rate=0.1)
    state, again = (common.players(config, "cpu", critic=linear, model=linear) for _ in range(2))
    assert isinstance(state, training.TrainingState)
    for name, module in state.modules.items():
        held = {id(p) for group in state.optimizers[name].param_groups for p in group["params"]}
        assert held == {id(p) for p in module.parameters()}
        assert torch.equal(module.weight, again.modules[name].weight)
    assert not torch.equal(state.modules["critic"].weight, state.modules["model"].weight)


def test_gradients_of_the_compared_systems_are_not_cut():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    common.move(Accelerator(cpu=True), optimizer, 50 * weight.sum())
    assert weight.item() == -50  # a gradient cut at length 1 would move it by 1


@pytest.mark.parametrize("geometry", [(7, 1, 3), (4, 2, 1)])
def test_a_labelled_convolution_is_that_of_image_and_label_maps(geometry):
    torch.manual_seed(0)
    convolution = common.LabelledConvolution(3 + 5, 6, *geometry)
    x, a = torch.randn(2, 3, 32, 32), torch.randn(2, 5)

    def with_maps():
        both = torch.cat([x, common.label_maps(a, x)], dim=1)
        return torch.nn.functional.conv2d(both, convolution.weight, convolution.bias, *geometry[1:])

    with cost.FlopCounter() as maps:
        plain = with_maps()
    with cost.FlopCounter() as none:
        assert_close(convolution(x, a), plain, rtol=1e-4, atol=1e-5)
    assert none.flops < 0.6 * maps.flops  # three channels of eight, and a little for the labels
