"""What a reader cannot see in a loop: who gets gradients, that it learns, repeats itself, and resumes exactly."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch.nn.functional import binary_cross_entropy
from torch.testing import assert_close

from lib import config, losses, models, training
from lib.stages import embed

N, SIZE, NAMES = 32, 32, ("a", "b", "c")
SMALL = {"size": SIZE, "filters": 2, "batch_size": 8, "epochs": 1, "learning_rate": 1e-3}
# No weight is 1, no two are alike, and noise is everywhere: so that a step by hand notices which of them went where.
AUTOENCODER = config.AutoencoderConfig(
    **SMALL, embedding=8, critic_filters=2, weight_adversarial=0.3, gamma=0.6, lambda_k=0.05
)
CLASSIFIER = config.ClassifierConfig(**SMALL, attributes=NAMES, noise=0.3, nudge=0.02)
MAPPING = config.MappingConfig(
    **SMALL,
    attributes=NAMES,
    embedding=8,
    weight_adversarial_feature=0.6,
    weight_adversarial_image=1.7,
    weight_reconstruction_image=3.0,
    weight_reconstruction_embedding=0.4,
    weight_perceptual=2.5,
    noise=0.3,
    halvings=1,
)


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


@pytest.fixture(scope="module")
def faces():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (N, 3, 4, 4), dtype=torch.uint8, generator=generator)
    images = coarse.repeat_interleave(SIZE // 4, dim=2).repeat_interleave(SIZE // 4, dim=3)
    return images, torch.rand(N, len(NAMES), generator=generator) < 0.5


def guides(images):
    """Frozen Decoder and classifier for the mapping function, and the embeddings of `images`."""
    torch.manual_seed(1)
    guide, judge = models.frozen(models.Autoencoder(SIZE, 2, 8)), models.frozen(models.AttributeClassifier(SIZE, 2, 3))
    return guide.decoder, judge, embed(guide.encoder, images)


def loop(stage, accelerator, faces, settings=None, state=None):
    """State and loop of a stage on the small faces."""
    images, a = faces
    if stage == "autoencoder":
        settings = settings or AUTOENCODER
        state = state or training.autoencoder_state(settings, "cpu")
        return state, training.train_autoencoder(accelerator, state, images, settings)
    if stage == "classifier":
        settings = settings or CLASSIFIER
        state = state or training.classifier_state(settings, "cpu")
        return state, training.train_classifier(accelerator, state, images, a, settings)
    settings = settings or MAPPING
    state = state or training.mapping_state(settings, "cpu")
    decoder, judge, z = guides(images)
    return state, training.train_mapping(accelerator, state, images, a, z, decoder, judge, settings)


STAGES = ("autoencoder", "classifier", "mapping")


def test_descend_takes_all_gradients_before_any_player_moves(accelerator):
    one, other = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(one.weight, 0.2)
    torch.nn.init.constant_(other.weight, 0.3)
    sgd = [torch.optim.SGD(module.parameters(), lr=0.1) for module in (one, other)]
    y = other(training.turned(one(torch.ones(1, 1)), lambda: -2)).squeeze()  # dy/d one = 0.3, dy/d other = 0.2
    training.descend(accelerator, y, *sgd)
    assert one.weight.item() == pytest.approx(0.2 + 0.1 * 2 * 0.3)  # turned round and doubled
    assert other.weight.item() == pytest.approx(0.3 - 0.1 * 0.2)  # with the gradient at the old `one`


def test_turned_leaves_half_precision_to_autocast():
    x = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    training.turned(x, lambda: torch.tensor([-0.5, 4.0])).sum().backward()
    assert x.grad.dtype == torch.bfloat16 and x.grad.tolist() == [-0.5, 4.0]


@pytest.mark.parametrize("saturating", [True, False])
def test_one_pass_of_a_discriminator_gives_each_side_its_own_gradient(saturating):
    torch.manual_seed(0)
    discriminator, real = models.FeatureDiscriminator(4, width=8), torch.randn(6, 4)
    fake = torch.randn(6, 4, requires_grad=True)
    logits, loss = training.discriminate(discriminator, real, fake, 0.7, saturating)
    got = torch.autograd.grad(loss, [fake, *discriminator.parameters()])
    expected = losses.discriminator(discriminator(real), discriminator(fake.detach()))
    assert_close(loss, expected)
    assert_close(list(got[1:]), list(torch.autograd.grad(expected, list(discriminator.parameters()))))
    for_fake = 0.7 * losses.generator(discriminator(fake), saturating)
    assert_close(got[:1], torch.autograd.grad(for_fake, [fake]))
    assert_close(logits, discriminator(fake).detach())


def test_descend_cuts_a_gradient_that_is_too_long(accelerator):
    layer = torch.nn.Linear(2, 1, bias=False)
    before = layer.weight.detach().clone()
    loss = layer(torch.tensor([[300.0, 400.0]])).squeeze()  # gradient (300, 400), length 500
    training.descend(accelerator, loss, torch.optim.SGD(layer.parameters(), lr=1.0))
    assert_close(before - layer.weight, torch.tensor([[0.6, 0.8]]))  # of length 1


def test_first_features_are_those_after_as_many_convolutions_as_asked_for():
    classifier = models.AttributeClassifier(SIZE, 2, 3)
    first, x = classifier.features, torch.randn(2, 3, SIZE, SIZE)
    assert_close(models.first_features(classifier, 2)(x), first[3](first[2](first[1](first[0](x)))))
    assert models.first_features(classifier, 1)(x).shape == (2, 2, SIZE // 2, SIZE // 2)


def first_batch(seed=0):
    """Rows of the first batch of eight: the seed's first permutation begins with them."""
    return torch.randperm(N, generator=torch.Generator().manual_seed(1_000_003 * seed))[:8]


def assert_step(module, loss):
    """What `module` holds as gradients is that of `loss` in its parameters of before, cut at length 1."""
    before, after = module
    gradients = torch.autograd.grad(loss, list(before.parameters()), retain_graph=True)
    length = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    expected = [gradient / max(1.0, length) for gradient in gradients]
    assert_close([p.grad for p in after.parameters()], expected, rtol=1e-3, atol=1e-5)  # of several threads, too


def log_game(discriminator, real, fake):
    """The discriminator's loss and -log D(fake), log(1 - D(fake)) of the other side, each from a pass of its own."""
    loss = -discriminator(real).sigmoid().log().mean() - (1 - discriminator(fake.detach()).sigmoid()).log().mean()
    d = discriminator(fake).sigmoid()
    return loss, -d.log().mean(), (1 - d).log().mean()


def test_autoencoder_step_is_began(accelerator, faces):
    """The critic's step is L(x) - k L(x̂) with x̂ held still; the autoencoder's is L_rec + w L(x̂) + w_f L_feature."""
    images, _ = faces
    settings = dataclasses.replace(AUTOENCODER, weight_feature=0.7)
    features = models.first_features(models.frozen(models.AttributeClassifier(SIZE, 2, 3)))
    state = training.autoencoder_state(settings, "cpu")
    state.values["k"] = torch.tensor(0.3)
    model, critic = copy.deepcopy(state.modules["model"]), copy.deepcopy(state.modules["critic"])
    x = images[first_batch()] / 127.5 - 1
    record = next(training.train_autoencoder(accelerator, state, images, settings, features))

    x_hat = model(x)
    real, fake = (critic(x) - x).abs().mean(), (critic(x_hat) - x_hat).abs().mean()
    held_still = x_hat.detach()
    reconstruction, feature = (x - x_hat).abs().mean(), (features(x) - features(x_hat)).abs().mean()
    assert_step((critic, state.modules["critic"]), real - 0.3 * (critic(held_still) - held_still).abs().mean())
    assert_step((model, state.modules["model"]), reconstruction + 0.3 * fake + 0.7 * feature)
    expected = {
        "reconstruction": reconstruction,
        "adversarial": fake,
        "feature": feature,
        "critic": real - 0.3 * fake,
        "error_real": real,
        "k": 0.3 + 0.05 * (0.6 * real - fake),
        "convergence": real + (0.6 * real - fake).abs(),
    }
    assert_close(record, {name: value.detach() for name, value in expected.items()})
    assert state.values["k"] == record["k"]


def test_autoencoder_step_of_the_log_option(accelerator, faces):
    """As usual and not as printed: the autoencoder lowers -log D(x̂), with its weight."""
    images, _ = faces
    settings = dataclasses.replace(AUTOENCODER, adversarial="log")
    state = training.autoencoder_state(settings, "cpu")
    model, critic = copy.deepcopy(state.modules["model"]), copy.deepcopy(state.modules["critic"])
    x = images[first_batch()] / 127.5 - 1
    record = next(training.train_autoencoder(accelerator, state, images, settings))

    x_hat = model(x)
    of_critic, not_saturating, _ = log_game(critic, x, x_hat)
    reconstruction = (x - x_hat).abs().mean()
    assert_step((critic, state.modules["critic"]), of_critic)
    assert_step((model, state.modules["model"]), reconstruction + 0.3 * not_saturating)
    expected = {"reconstruction": reconstruction, "adversarial": not_saturating, "critic": of_critic}
    assert_close(record, {name: value.detach() for name, value in expected.items()})


def test_classifier_step_learns_from_noisy_and_nudged_faces(accelerator, faces):
    images, a = faces
    state = training.classifier_state(CLASSIFIER, "cpu")
    model = copy.deepcopy(state.modules["model"])
    rows = first_batch()
    record = next(training.train_classifier(accelerator, state, images, a, CLASSIFIER))

    x = training.noisy(accelerator, images[rows] / 127.5 - 1, 0.3, seed=0, step=0)
    disturbed = training.nudged(model, x, a[rows].float(), 0.02)
    loss = binary_cross_entropy(model(disturbed).sigmoid(), a[rows].float())
    assert_step((model, state.modules["model"]), loss)
    assert_close(record, {"cross_entropy": loss.detach()})


@pytest.mark.parametrize("saturating", [True, False])
def test_mapping_step_is_equation_17(accelerator, faces, saturating):
    images, a = faces
    settings = dataclasses.replace(MAPPING, saturating=saturating)
    decoder, judge, z = guides(images)
    state = training.mapping_state(settings, "cpu")
    before = copy.deepcopy(state.modules)
    rows = first_batch()
    record = next(training.train_mapping(accelerator, state, images, a, z, decoder, judge, settings))

    phi, d_fc, d_conv = (before[name] for name in ("model", "feature_discriminator", "image_discriminator"))
    x, labels, z = images[rows] / 127.5 - 1, a[rows].float(), z[rows]
    z_hat = phi(labels)
    x_hat = decoder(z_hat)
    feature_loss, *feature = log_game(d_fc, z, z_hat)
    image_loss, *image = log_game(d_conv, x, x_hat)
    seen = judge(training.noisy(accelerator, x_hat, 0.3, seed=0, step=0))
    parts = {
        "adversarial_feature": feature[saturating],
        "adversarial_image": image[saturating],
        "reconstruction_image": (x - x_hat).abs().mean(),
        "reconstruction_embedding": (z - z_hat).square().mean(),
        "perceptual": binary_cross_entropy(seen.sigmoid(), labels),
    }
    total = sum(weight * part for weight, part in zip((0.6, 1.7, 3.0, 0.4, 2.5), parts.values(), strict=True))
    assert_step((phi, state.modules["model"]), total)
    assert_step((d_fc, state.modules["feature_discriminator"]), feature_loss)
    assert_step((d_conv, state.modules["image_discriminator"]), image_loss)
    parts |= {"total": total, "feature_discriminator": feature_loss, "image_discriminator": image_loss}
    assert_close(record, {name: value.detach() for name, value in parts.items()})


def test_reconstruction_may_be_squared(accelerator, faces):
    images, _ = faces
    settings = dataclasses.replace(AUTOENCODER, squared=True)
    state = training.autoencoder_state(settings, "cpu")
    model = copy.deepcopy(state.modules["model"])
    (batch,) = training.batches(accelerator, N, 8, 0, 1, settings.seed)
    x = training.to_float(images[batch])
    record = next(training.train_autoencoder(accelerator, state, images, settings))
    assert_close(record["reconstruction"], (x - model(x)).square().mean().detach())


def test_residuals_vanish_over_the_first_steps(accelerator, faces):
    images, _ = faces
    settings = config.AutoencoderConfig(**SMALL, embedding=8, critic_filters=2, carry_steps=2)
    state = training.autoencoder_state(settings, "cpu")
    carries = []
    for _ in training.train_autoencoder(accelerator, state, images, settings):
        carries.append({m.carry.item() for m in state.modules.modules() if isinstance(m, models.VanishingResidual)})
    assert carries[:3] == [{1.0}, {0.5}, {0.0}] and carries[-1] == {0.0}


def test_noise_is_of_every_face_its_own_amount_and_of_every_step_its_own(accelerator):
    x = torch.zeros(400, 3, 8, 8)
    noise = training.noisy(accelerator, x, 0.3, seed=5, step=2)
    amounts = noise.flatten(1).std(dim=1)
    assert amounts.max() < 0.33 and amounts.mean().item() == pytest.approx(0.15, abs=0.02)  # uniform from 0 to 0.3
    assert noise.mean().abs() < 0.01
    assert torch.equal(noise, training.noisy(accelerator, x, 0.3, seed=5, step=2))
    for other in ({"seed": 6, "step": 2}, {"seed": 5, "step": 3}):
        assert not torch.equal(noise, training.noisy(accelerator, x, 0.3, **other))
    assert training.noisy(accelerator, x, 0.0, seed=5, step=2) is x


def test_a_nudge_moves_every_pixel_by_as_much_and_against_the_classifier():
    torch.manual_seed(0)
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 1, bias=False))
    weight = linear[1].weight.detach().view(3, 2, 2)
    x, a = torch.randn(2, 3, 2, 2), torch.tensor([[1.0], [0.0]])
    # d loss / d x = (sigmoid(logit) - a) weight: against the weight where the label is 1, along it where it is 0
    expected = torch.stack([x[0] - 0.1 * weight.sign(), x[1] + 0.1 * weight.sign()])
    moved = training.nudged(linear, x.clone(), a, 0.1)
    assert_close(moved, expected)
    assert not moved.requires_grad and all(p.grad is None for p in linear.parameters())
    assert losses.attribute_cross_entropy(linear(moved), a) > losses.attribute_cross_entropy(linear(x), a)


def test_a_mapping_step_leaves_its_guides_untouched(accelerator, faces):
    images, a = faces
    decoder, judge, z = guides(images)
    frozen = copy.deepcopy([decoder.state_dict(), judge.state_dict()])
    state = training.mapping_state(MAPPING, "cpu")
    next(training.train_mapping(accelerator, state, images, a, z, decoder, judge, MAPPING))
    for old, module in zip(frozen, (decoder, judge), strict=True):
        assert all(torch.equal(old[name], tensor) for name, tensor in module.state_dict().items())
        assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize("stage, part", [("autoencoder", "reconstruction"), ("classifier", "cross_entropy")])
def test_overfits_one_batch(accelerator, faces, stage, part):
    few = tuple(part[:8] for part in faces)
    changes = SMALL | {"filters": 8, "epochs": 150, "learning_rate": 3e-3}
    settings = (
        config.AutoencoderConfig(**changes, embedding=32, critic_filters=2)
        if stage == "autoencoder"
        else config.ClassifierConfig(**changes, attributes=NAMES)
    )
    values = [record[part].item() for record in loop(stage, accelerator, few, settings)[1]]
    assert values[-1] < 0.5 * values[0]


def test_mapping_fits_the_embeddings_of_distinct_labels(accelerator):
    a = torch.tensor([[i >> bit & 1 for bit in range(3)] for i in range(8)], dtype=torch.bool)
    images = torch.arange(8, dtype=torch.uint8)[:, None, None, None].expand(8, 3, SIZE, SIZE).contiguous() * 30
    changes = SMALL | {"epochs": 150, "learning_rate": 3e-3}
    settings = config.MappingConfig(**changes, attributes=NAMES, embedding=8)
    values = [r["reconstruction_embedding"].item() for r in loop("mapping", accelerator, (images, a), settings)[1]]
    assert values[-1] < 0.2 * values[0]


@pytest.mark.parametrize("stage", STAGES)
def test_same_seed_same_curve_and_another_seed_another(accelerator, faces, stage):
    curves = [[r for r in loop(stage, accelerator, faces)[1]] for _ in range(2)]
    assert curves[0] == curves[1]
    settings = {"autoencoder": AUTOENCODER, "classifier": CLASSIFIER, "mapping": MAPPING}[stage]
    other = type(settings)(**{**settings.__dict__, "seed": 1})
    assert [r for r in loop(stage, accelerator, faces, other)[1]] != curves[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_resumed_run_repeats_a_straight_one_bit_by_bit(accelerator, faces, stage):
    state, steps = loop(stage, accelerator, faces)
    records = []
    for record in steps:
        records.append(record)
        if state.step == 2:
            saved = copy.deepcopy(state.state_dict())
    for optimizer in saved["optimizers"].values():  # as a device that keeps channels first would have saved them
        for moments in optimizer["state"].values():
            moments |= {name: tensor.contiguous() for name, tensor in moments.items()}
    resumed, _ = loop(stage, accelerator, faces)
    resumed.load_state_dict(saved)
    assert resumed.step == 2
    assert list(loop(stage, accelerator, faces, state=resumed)[1]) == records[2:]
    for name, tensor in state.modules.state_dict().items():
        assert torch.equal(tensor, resumed.modules.state_dict()[name]), name


def test_batches_are_a_permutation_per_epoch_and_any_start_is_reached_directly(accelerator):
    every = list(training.batches(accelerator, 10, 3, 0, 6, seed=5))
    first, second = torch.cat(every[:3]), torch.cat(every[3:])
    assert len(first.unique()) == len(second.unique()) == 9
    assert not torch.equal(first, second)
    assert torch.equal(next(training.batches(accelerator, 10, 3, 4, 6, seed=5)), every[4])


@pytest.mark.parametrize("epochs, n, steps", [(3, 23, 12), (0.4, 23, 2), (0.3, 23, 1), (1.5, 25, 8), (2.5, 5, 2)])
def test_steps_are_whole_batches_rounded_once(epochs, n, steps):
    settings = dataclasses.replace(CLASSIFIER, epochs=epochs, batch_size=5)
    assert training.steps_of(settings, n) == steps


def test_adam_is_the_papers():
    layer = torch.nn.Linear(1, 1)
    (group,) = training.adam([layer, torch.nn.Linear(2, 2)], 0.02).param_groups
    assert (group["lr"], group["betas"], len(group["params"])) == (0.02, (0.5, 0.999), 4)


def test_too_few_faces_for_a_batch(accelerator):
    with pytest.raises(ValueError, match="3 faces do not fill one batch of 8"):
        next(training.batches(accelerator, 3, 8, 0, 1, seed=0))


@pytest.mark.parametrize("adversarial, measure", [("began", "began_convergence"), ("log", "image_reconstruction")])
def test_learning_rate_halves_after_an_epoch_no_better_than_the_best(
    accelerator, faces, monkeypatch, adversarial, measure
):
    """Its mean over the epoch counts, M of BEGAN or the reconstruction of the other option, down to an eighth."""
    epochs = [
        (2.0, 1.0),
        (0.5, 2.1),
        (2.0, 0.5),
        (1.2, 1.4),
        (1.5, 1.0),
        (0.9, 1.1),
        *[(1.5, 1.5)] * 4,
    ]  # two steps each
    script = iter(value for epoch in epochs for value in epoch)
    monkeypatch.setattr(losses, measure, lambda *values: torch.tensor(next(script)) + 0 * values[1].mean())
    settings = dataclasses.replace(AUTOENCODER, adversarial=adversarial, epochs=len(epochs))
    state, steps = loop("autoencoder", accelerator, tuple(part[:16] for part in faces), settings)
    rates = [[optimizer.param_groups[0]["lr"] for optimizer in state.optimizers.values()] for _ in steps]
    halvings = [0, 0, 0, 1, 2, 2, 3, 3, 3, 3]  # 1.25 is no better than 1.25
    assert rates[1::2] == [[1e-3 / 2**n] * 2 for n in halvings]
    assert rates[2::2] == rates[1:-1:2]  # nothing changes within an epoch


@pytest.mark.parametrize("stage, settings, players", [("mapping", MAPPING, 3), ("autoencoder", AUTOENCODER, 2)])
def test_learning_rate_halves_evenly(accelerator, faces, stage, settings, players):
    settings = dataclasses.replace(settings, halvings=3, epochs=4)
    state, steps = loop(stage, accelerator, faces, settings)
    rates = [[optimizer.param_groups[0]["lr"] for optimizer in state.optimizers.values()] for _ in steps]
    assert len(rates) == 4 * 4  # 32 faces in batches of eight
    expected = settings.learning_rate * 0.5 ** np.repeat(range(4), len(rates) // 4)
    assert rates == [[rate] * players for rate in expected]


def test_components_stay_as_they_are_and_the_networks_beside_them_learn(accelerator, faces):
    settings = dataclasses.replace(AUTOENCODER, components=True, epochs=2)
    state, steps = loop("autoencoder", accelerator, faces, settings)
    model, critic = state.modules["model"], state.modules["critic"]
    next(steps)
    before = {name: p.clone() for name, p in model.named_parameters()}
    assert sum(1 for _ in steps) == 2 * 4 - 1
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]) == (".linear." in name), name
    expected = models.Autoencoder(SIZE, settings.filters, settings.embedding, components=True)
    expected.start_from(training.to_float(faces[0]))
    assert torch.equal(model.decoder.linear[0].weight, expected.decoder.linear[0].weight)
    assert not any(".linear." in name for name, _ in critic.named_parameters())  # BEGAN's critic is the paper's


def test_an_unknown_adversarial_loss_is_refused():
    with pytest.raises(ValueError, match="'began' or 'log'"):
        training.autoencoder_state(config.AutoencoderConfig(adversarial="hinge"), "cpu")


@pytest.mark.parametrize("emulated, precision", [(True, "no"), (False, "bf16")])
def test_bfloat16_is_taken_where_a_gpu_computes_in_it_and_not_where_it_is_emulated(monkeypatch, emulated, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or not emulated
    )
    monkeypatch.setattr(training, "Accelerator", lambda cpu, mixed_precision: mixed_precision)
    assert training.new_accelerator() == precision
