"""What meets what in a step of each compared system: labels and fakes, the penalty's mixtures, learning rates."""

import copy

import pytest
import torch
from accelerate import Accelerator
from test_baselines_systems import loop, settings_of, tensors
from torch.testing import assert_close

from lib.baselines import icgan, relgan


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


def labels_of(x):
    """The labels of faces of `tensors()`, looked up by their pixels."""
    images, a = tensors()
    known = {image.numpy().tobytes(): row.float() for image, row in zip(images, a, strict=True)}
    return torch.stack([known[face.numpy().tobytes()] for face in ((x + 1) * 127.5).round().to(torch.uint8)])


def calls_of(module):
    """A list that each call of `module` from now on is added to: (inputs, output)."""
    calls = []
    module.register_forward_hook(lambda _, inputs, output: calls.append((inputs, output.detach().clone())))
    return calls


def share(part, whole):
    """What `part` is of `whole` (B, ...), one number for each row: told by its largest entry."""
    part, whole = part.flatten(1), whole.flatten(1)
    largest = whole.abs().argmax(dim=1, keepdim=True)
    return part.gather(1, largest) / whole.gather(1, largest)


def penalty_share(between, x, x_fake):
    """ε of the mixtures ε x + (1 − ε) x̂ at which the penalty is taken: its own for each face, none an end."""
    epsilon = share(between.detach() - x_fake, x - x_fake)[:, :, None, None]
    assert_close(between.detach(), epsilon * x + (1 - epsilon) * x_fake)
    assert ((epsilon > 0.01) & (epsilon < 0.99)).all() and len(epsilon.unique()) == len(x)
    return epsilon


@pytest.mark.parametrize("stage", ["stargan", "attgan"])
def test_a_wasserstein_critic_learns_from_edits_towards_the_labels_of_other_faces(accelerator, stage):
    state, steps = loop(stage, accelerator)
    made, judged = calls_of(state.modules["model"]), calls_of(state.modules["critic"].body)
    next(steps)
    ((x, b), x_fake) = made[0]
    labels = labels_of(x)
    assert sorted(b.tolist()) == sorted(labels.tolist()) and not torch.equal(b, labels)
    real, fake, between = (inputs[0] for inputs, _ in judged[:3])
    assert torch.equal(real, x) and torch.equal(fake, x_fake)
    penalty_share(between, x, x_fake)


def test_relgans_critics_learn_from_all_of_the_way_a_part_of_it_and_none(accelerator):
    settings = settings_of("relgan")
    state, steps = loop("relgan", accelerator, settings=settings)
    made, judged = calls_of(state.modules["model"]), calls_of(state.modules["critic"].body)
    before = copy.deepcopy(state.modules["critic"])
    before.body._forward_hooks.clear()
    record = next(steps)
    ((x, v), full), ((_, part), partial), ((_, none), unchanged) = made[:3]
    labels = labels_of(x)
    assert torch.equal(v, labels.roll(1, 0) - labels) and v.any(dim=1).all() and not none.any()
    alpha = share(part, v)
    assert_close(part, alpha * v)
    assert ((alpha > 0.01) & (alpha < 0.99)).all() and len(alpha.unique()) == len(x)
    epsilon = penalty_share(judged[1][0][0], x, full)
    # The critics' loss, by the same α: how far along the way they have to say that the partial edit is.
    total, _ = relgan.critic_loss(before, x, labels, (full, partial, unchanged), alpha, epsilon, settings)
    assert_close(record["critic"], total.detach(), rtol=1e-4, atol=1e-4)


def test_dcgan_judges_fakes_by_the_labels_that_they_were_made_from(accelerator):
    state, steps = loop("dcgan_labels", accelerator)
    made, judged = calls_of(state.modules["model"]), calls_of(state.modules["discriminator"])
    next(steps)
    (((asked,), x_fake),) = made
    (real, *fakes) = [x for (x, _), _ in judged]
    assert torch.equal(asked, labels_of(real)) and len(asked.unique(dim=0)) > 1
    assert all(torch.equal(a, asked) for (_, a), _ in judged)
    assert len(fakes) == 2 and all(torch.equal(fake, x_fake) for fake in fakes)


def test_icgan_refuses_faces_with_the_labels_of_others_and_fakes_by_the_labels_asked_for(accelerator):
    state, steps = loop("icgan", accelerator)
    made, judged = calls_of(state.modules["model"].generator), calls_of(state.modules["discriminator"])
    next(steps)
    (((noise_and_labels,), x_fake),) = made
    ((x, wrong), (fake, b), (real, a), (fake_again, b_again)) = [inputs for inputs, _ in judged]
    labels = labels_of(x)
    assert torch.equal(real, x) and torch.equal(a, labels)
    assert torch.equal(wrong, labels.roll(1, 0)) and (wrong != labels).any(dim=1).all()
    assert torch.equal(fake, x_fake) and torch.equal(fake_again, x_fake)
    assert torch.equal(2 * b - 1, noise_and_labels[:, -labels.shape[1] :]) and torch.equal(b_again, b)
    assert sorted(b.tolist()) == sorted(labels.tolist()) and not torch.equal(b, labels)


def test_icgans_encoders_move_at_a_rate_of_their_own():
    settings = settings_of("icgan", encoder_learning_rate=3e-3)
    groups = {name: its.param_groups[0] for name, its in icgan.new_state(settings, "cpu").optimizers.items()}
    rates = {name: (group["lr"], group["betas"]) for name, group in groups.items()}
    adversarial = (1e-3, (0.5, 0.999))
    assert rates == {"discriminator": adversarial, "model": adversarial, "encoders": (3e-3, (0.1, 0.999))}


@pytest.mark.parametrize("stage", ["dcgan_labels", "dcgan_noise", "stargan", "attgan", "relgan"])
def test_editors_lower_the_learning_rate_of_both_players_over_the_second_half(accelerator, stage):
    state, steps = loop(stage, accelerator, settings=settings_of(stage, epochs=4))
    rates = [[optimizer.param_groups[0]["lr"] for optimizer in state.optimizers.values()] for _ in steps]
    expected = 8 * [1e-3] if stage.startswith("dcgan") else 5 * [1e-3] + [0.75e-3, 0.5e-3, 0.25e-3]
    assert_close(torch.tensor(rates), torch.tensor(expected)[:, None].expand(-1, 2))
