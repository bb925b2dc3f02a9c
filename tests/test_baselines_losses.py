"""The networks and losses of each compared system: published sizes, and every loss once by hand."""

import types

import pytest
import torch
from torch.nn.functional import batch_norm, instance_norm, layer_norm
from torch.testing import assert_close

from lib.baselines import attgan, dcgan, icgan, relgan, stargan
from lib.baselines.cost import parameters

MILLIONS = {  # generator, critic at 64x64 and the number of attributes that was published or counted in published code
    "stargan": (stargan.Generator, (64, 5, 6), stargan.Critic, (64, 64, 5), 8.43, 44.73),
    "stargan, 40": (stargan.Generator, (64, 40, 6), stargan.Critic, (64, 64, 40), 8.54, 44.80),
    "attgan": (attgan.Generator, (64, 64, 13), attgan.Critic, (64, 64, 1024, 13), 43.46, 19.55),
    "attgan, 40": (attgan.Generator, (64, 64, 40), attgan.Critic, (64, 64, 1024, 40), 44.12, 19.58),
    "dcgan": (dcgan.NoiseGenerator, (64, 64, 100), dcgan.Discriminator, (64, 64), 3.58, 2.77),
    "icgan": (icgan.IcGAN, (64, 64, 32, 512, 100, 40), icgan.Discriminator, (64, 64, 40), 25.38, 2.85),
}


@pytest.mark.parametrize("name", MILLIONS)
def test_networks_have_the_published_size(name):
    generator, its, critic, others, *expected = MILLIONS[name]
    with torch.device("meta"):
        counted = [parameters(generator(*its)) / 1e6, parameters(critic(*others)) / 1e6]
    assert counted == pytest.approx(expected, abs=0.005)


def cross_entropy(logits, a):
    p = logits.sigmoid()
    return -(a * p.log() + (1 - a) * (1 - p).log()).mean()


class LinearCritic(torch.nn.Module):
    """score = s · mean(x), logits = mean(x) for each attribute: simple enough to know every loss."""

    def __init__(self, attributes, slope=2.0):
        super().__init__()
        self.attributes, self.slope = attributes, slope

    def forward(self, x):
        mean = x.mean(dim=(1, 2, 3))
        return self.slope * mean, mean[:, None].expand(-1, self.attributes)


@pytest.fixture
def batch():
    x = torch.stack([torch.full((3, 4, 4), value) for value in (0.2, -0.6)])
    a, b = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    return types.SimpleNamespace(x=x, a=a, b=b, epsilon=torch.rand(2, 1, 1, 1))


CRITIC_WEIGHTS = {"stargan": (stargan, 10.0, 5.0), "attgan": (attgan, 10.0, 1.0)}


@pytest.mark.parametrize("name", CRITIC_WEIGHTS)
def test_critic_loss_of_the_wasserstein_editors(name, batch):
    module, weight_penalty, weight_classification = CRITIC_WEIGHTS[name]
    config = {"stargan": stargan.StarGANConfig, "attgan": attgan.AttGANConfig}[name]()
    total, parts = module.critic_loss(LinearCritic(2), batch.x, batch.a, batch.x + 0.5, batch.epsilon, config)
    penalty = (2 / 48**0.5 - 1) ** 2  # the score's gradient has 48 entries of 2/48
    classification = cross_entropy(torch.tensor([[0.2, 0.2], [-0.6, -0.6]]), batch.a)
    assert_close(parts["wasserstein"], torch.tensor(1.0))
    assert_close(parts["gradient_penalty"], torch.tensor(penalty))
    assert_close(parts["classification_real"], classification)
    assert_close(total, 1.0 + weight_penalty * penalty + weight_classification * classification)


def test_stargan_generator_loss(batch):
    def generator(x, b):
        return x + b.sum(dim=1).view(-1, 1, 1, 1)  # there: + 0 and + 1; back: + 1 and + 2

    total, parts = stargan.generator_loss(
        generator, LinearCritic(2), batch.x, batch.a, batch.b, stargan.StarGANConfig()
    )
    classification = cross_entropy(torch.tensor([[0.2, 0.2], [0.4, 0.4]]), batch.b)
    assert_close(parts["adversarial"], torch.tensor(-2 * (0.2 + 0.4) / 2))
    assert_close(parts["classification_fake"], classification)
    assert_close(parts["reconstruction"], torch.tensor((1.0 + 3.0) / 2))
    assert_close(total, -0.6 + 5 * classification + 10 * 2.0)


def test_attgan_generator_loss_decodes_one_code_twice(batch):
    class Shift:
        encoded = 0

        def encode(self, x):
            self.encoded += 1
            return x

        def decode(self, code, b):
            return code + b.sum(dim=1).view(-1, 1, 1, 1)

    generator = Shift()
    total, parts = attgan.generator_loss(generator, LinearCritic(2), batch.x, batch.a, batch.b, attgan.AttGANConfig())
    classification = cross_entropy(torch.tensor([[0.2, 0.2], [0.4, 0.4]]), batch.b)
    assert generator.encoded == 1
    assert_close(parts["reconstruction"], torch.tensor((1.0 + 2.0) / 2))  # with the labels a, of the face itself
    assert_close(total, -0.6 + 10 * classification + 100 * 1.5)


def test_classification_loss_does_not_grow_with_the_number_of_attributes():
    losses = []
    for attributes in (5, 40):
        x, a = torch.full((2, 3, 4, 4), 0.3), torch.ones(2, attributes)
        _, parts = stargan.critic_loss(
            LinearCritic(attributes), x, a, x, torch.ones(2, 1, 1, 1), stargan.StarGANConfig()
        )
        losses.append(parts["classification_real"])
    assert_close(*losses)


def test_attgan_takes_labels_twice_as_minus_and_plus_one():
    generator = attgan.Generator(32, 2, 3).eval()
    seen = []
    for layer in generator.decoder:
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    generator(torch.rand(2, 3, 32, 32), torch.tensor([[1.0, 0.0, 1.0]] * 2))
    for h in seen[:2]:
        assert torch.equal(h[:, -3:].amax(dim=(2, 3)), torch.tensor([[1.0, -1.0, 1.0]] * 2))
    assert seen[0].shape[2:] == (2, 2) and seen[1].shape[2:] == (4, 4)


def test_attgan_decodes_by_a_shortcut_and_judges_each_face_by_itself():
    generator = attgan.Generator(32, 2, 3).eval()
    x, b = torch.rand(4, 3, 32, 32), torch.ones(4, 3)
    code, shortcut = generator.encode(x)
    assert not torch.equal(generator.decode((code, shortcut), b), generator.decode((code, shortcut + 1), b))
    critic = attgan.Critic(32, 2, 4, 3)
    for together, alone in zip(critic(x), critic(x[:1]), strict=True):
        assert_close(together[:1], alone)


def test_a_network_in_use_computes_what_it_did_in_training():
    """Instance norm without running averages: `eval()` changes nothing for StarGAN."""
    generator = stargan.Generator(2, 3, 1)
    x, a = torch.rand(2, 3, 32, 32), torch.ones(2, 3)
    assert torch.equal(generator.train()(x, a), generator.eval()(x, a))


# --- RelGAN -----------------------------------------------------------------------------------------------------------


class TableCritic:
    """Critics of faces that are one number each: real(x) = x, matching = y − x − v, degree = x²."""

    def body(self, x):
        return x

    def realness(self, x):
        return x.mean(dim=(1, 2, 3))

    def matching(self, x, v, y):
        return self.realness(y) - self.realness(x) - v[:, 0]

    def degree(self, x):
        return self.realness(x) ** 2


def flat_faces(*values):
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def test_relgan_critic_loss():
    x, a = flat_faces(1.0, 2.0, 4.0), torch.tensor([[0.0], [1.0], [1.0]])
    edits = flat_faces(0.0, 1.0, 2.0), flat_faces(1.0, 0.0, 0.5), flat_faces(0.0, 0.0, 1.0)
    alpha = torch.tensor([[0.2], [0.5], [0.9]])
    total, parts = relgan.critic_loss(
        TableCritic(), x, a, edits, alpha, torch.ones(3, 1, 1, 1), relgan.RelGANConfig(weight_matching=3.0)
    )
    # rolled by one: faces 4, 1, 2, labels 1, 0, 1; by two: faces 2, 4, 1, labels 1, 1, 0; v = 1, −1, 0
    mean_square = lambda *values: sum(value**2 for value in values) / 3  # noqa: E731
    real = mean_square(0, 1, 3) + mean_square(0, 1, 2)
    matching = (
        mean_square(4 - 1 - 1 - 1, 1 - 2 + 1 - 1, 2 - 4 - 0 - 1)  # the real pair
        + mean_square(0 - 1 - 1, 1 - 2 + 1, 2 - 4 - 0)  # the edited face
        + mean_square(4 - 2 - 1, 1 - 4 + 1, 2 - 1 - 0)  # wrong source
        + mean_square(2 - 1 - 1, 4 - 2 + 1, 1 - 4 - 0)  # wrong target
        + mean_square(4 - 1 - 1, 1 - 2 - 0, 2 - 4 + 1)  # wrong difference c − a = 1, 0, −1
        + mean_square(4 - 1 - 0, 1 - 2 + 1, 2 - 4 - 1)  # wrong difference b − c = 0, −1, 1
    )
    interpolation = mean_square(1 - 0.2, 0 - 0.5, 0.25 - 0.1) + mean_square(0, 0, 1) + mean_square(0, 1, 4)
    penalty = (12**-0.5 - 1) ** 2
    for name, value in {
        "real": real, "matching": matching, "interpolation": interpolation, "gradient_penalty": penalty
    }.items():  # fmt: skip
        assert parts[name].item() == pytest.approx(value, rel=1e-5), name
    assert total.item() == pytest.approx(real + 3 * matching + 10 * interpolation + 150 * penalty, rel=1e-5)


def test_relgan_generator_loss():
    class Adder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(1, 2, 1)
            torch.nn.init.constant_(self.convolution.weight, 2.0)

        def forward(self, x, v):
            return x + v.view(-1, 1, 1, 1) + 0.25  # a quarter too much each time

    x, a = flat_faces(1.0, 2.0), torch.tensor([[0.0], [1.0]])
    alpha = torch.tensor([[0.5], [0.0]])
    total, parts = relgan.generator_loss(Adder(), TableCritic(), x, a, alpha, relgan.RelGANConfig())
    full, partial = (2.25, 1.25), (1.75, 2.25)  # v = 1, −1
    expected = {
        "adversarial": ((full[0] - 1) ** 2 + (full[1] - 1) ** 2) / 2,
        "adversarial_matching": (0.25 - 1) ** 2,
        "adversarial_interpolation": (partial[0] ** 4 + partial[1] ** 4) / 2,
        "cycle": 0.5,
        "self": 0.25,
        "orthogonal": 2 * 3.0 + 2 * 4.0,  # W Wᵀ = [[4, 4], [4, 4]]
    }
    for name, value in expected.items():
        assert parts[name].item() == pytest.approx(value, rel=1e-5), name
    weights = (1, 1, 10, 10, 10, 1e-6)
    assert total.item() == pytest.approx(sum(w * v for w, v in zip(weights, expected.values(), strict=True)), rel=1e-5)


def test_switch_norm_has_the_three_norms_as_its_corners():
    h = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2, 3]).view(3, 1, 1)
    corners = (instance_norm(h), layer_norm(h, h.shape[1:]), batch_norm(h, None, None, training=True))
    for corner, expected in enumerate(corners):
        norm = relgan.SwitchNorm(3)
        for mixture in (norm.mean_mixture, norm.variance_mixture):
            mixture.data = 40.0 * torch.eye(3)[corner]
        assert_close(norm(h), expected, rtol=1e-4, atol=1e-4)


def test_switch_norm_learns_the_statistics_it_uses_later():
    h = torch.randn(8, 2, 6, 6, generator=torch.Generator().manual_seed(0)) * 3 + 5
    norm = relgan.SwitchNorm(2, momentum=0.5)
    for _ in range(30):
        during = norm(h)
    assert_close(norm.eval()(h), during, rtol=1e-4, atol=1e-4)
    assert_close(norm(h)[:3], norm(h[:3]))  # a face alone is what it is among others


@pytest.mark.parametrize("size, layers", [(128, 5), (64, 4), (32, 3)])
def test_attgans_critic_ends_at_maps_of_4x4_as_published_for_128x128(size, layers):
    critic = attgan.new_critic(attgan.AttGANConfig(size=size, critic_filters=2, features=4, attributes=("a",)))
    maps = critic.body[:-1](torch.zeros(2, 3, size, size))
    assert maps.shape == (2, 2 * 2 ** (layers - 1), 4, 4)
    code, _ = attgan.new_generator(attgan.AttGANConfig(size=size, filters=2)).encode(torch.zeros(2, 3, size, size))
    assert code.shape[2] == max(2, size // 32)


def test_attgan_doubles_the_labels_that_change_and_no_others():
    """As the authors' test programs do; labels are 2a - 1 within the decoder."""
    model = attgan.new_generator(attgan.AttGANConfig(filters=2, size=32, attributes=("a", "b", "c"))).eval()
    x, own, wished = torch.rand(1, 3, 32, 32), torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    asked = []
    model.decoder[0].register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0][0, -3:, 0, 0].tolist()))
    attgan.generate(model, wished, x, own)
    attgan.generate(model, own, x, own)
    attgan.generate(model, (own + wished) / 2, x, own)
    assert asked == [[-2, 2, 1], [1, -1, 1], [-0.5, 0.5, 1]]


def test_relgan_leaves_a_face_without_a_difference_to_its_self_reconstruction():
    model = relgan.new_generator(relgan.RelGANConfig(filters=2, blocks=1, attributes=("a", "b"))).eval()
    x, a = torch.rand(1, 3, 32, 32), torch.tensor([[1.0, 0.0]])
    assert torch.equal(relgan.generate(model, a, x, a), model(x, torch.zeros(1, 2)).detach())
    half = relgan.generate(model, torch.tensor([[0.5, 0.0]]), x, torch.tensor([[0.0, 0.0]]))
    assert torch.equal(half, model(x, torch.tensor([[0.5, 0.0]])).detach())


def test_relgans_critics_begin_with_features_as_large_as_the_labels_beside_them():
    """As by He's rule: six layers keep the size of what they see, but for what their padding takes."""
    torch.manual_seed(0)
    critic = relgan.new_critic(relgan.RelGANConfig(critic_filters=16, attributes=("a", "b")))
    h = critic.body(torch.randn(16, 3, 64, 64))
    assert 0.2 < h.square().mean().sqrt() < 1
    assert all((p == 0).all() for name, p in critic.named_parameters() if name.endswith("bias"))


# --- DCGAN ------------------------------------------------------------------------------------------------------------


def test_dcgan_discriminator_sees_labels_only_if_it_is_to():
    x, a = torch.rand(2, 3, 32, 32), torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    seeing = dcgan.Discriminator(32, 2, attributes=2).eval()
    assert not torch.equal(seeing(x, a), seeing(x, 1 - a))
    config = dcgan.DCGANConfig(size=32, attributes=("a", "b"), filters=2, labels_in_discriminator=False)
    blind = dcgan.new_state(config, "cpu").modules["discriminator"].eval()
    assert torch.equal(blind(x, a), blind(x, 1 - a))


def test_dcgan_starts_small_and_its_sample_is_fixed_by_the_seed():
    torch.manual_seed(0)
    generator = dcgan.NoiseGenerator(32, 16, 8)
    assert generator[1].weight.std().item() == pytest.approx(0.02, rel=0.1)
    scales = torch.cat([layer.weight for layer in generator if isinstance(layer, torch.nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.01) and scales.std().item() == pytest.approx(0.02, rel=0.3)
    model = generator.eval()
    assert torch.equal(dcgan.sample(model, 3, 1), dcgan.sample(model, 3, 1))
    assert not torch.equal(dcgan.sample(model, 3, 1), dcgan.sample(model, 3, 2))


# --- IcGAN ------------------------------------------------------------------------------------------------------------


def test_icgan_discriminator_loss_refuses_wrong_labels_and_fakes():
    def discriminator(x, b):
        return x.mean(dim=(1, 2, 3)) + 2 * b[:, 0]

    x, x_fake = flat_faces(0.5, -0.5), flat_faces(0.25, 1.0)
    a, wrong, b = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [1.0]])
    value = icgan.discriminator_loss(discriminator, x, a, wrong, x_fake, b)
    log = lambda logit: torch.nn.functional.logsigmoid(torch.tensor(logit)).item()  # noqa: E731
    real = -(log(0.5 + 2) + log(-0.5)) / 2
    refused_labels = -(log(-0.5) + log(-(-0.5 + 2))) / 2  # log(1 − D) of a logit is log D of the opposite one
    refused_fakes = -(log(-(0.25 + 2)) + log(-(1.0 + 2))) / 2
    assert value.item() == pytest.approx(real + 0.5 * refused_labels + 0.5 * refused_fakes)


def test_icgan_encoder_losses():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(1.0))

        def decode(self, z, b):
            return self.weight * flat_faces(*(z[:, 0] + b[:, 0]).tolist())

        def encoder_z(self, x):
            return x.mean(dim=(1, 2, 3))[:, None].expand(-1, 2)

        def encoder_y(self, x):
            return 3 * x.mean(dim=(1, 2, 3))[:, None]

    x, a = flat_faces(0.5, -0.5), torch.tensor([[1.0], [0.0]])
    z, b = torch.tensor([[1.0, 0.0], [2.0, 2.0]]), torch.tensor([[0.0], [1.0]])
    parts = icgan.encoder_losses(Model(), x, a, z, b)
    assert_close(parts["encoder_z"], torch.tensor((0.0 + 1.0 + 1.0 + 1.0) / 4))  # faces 1 and 3 for z = (1, 0), (2, 2)
    assert_close(parts["encoder_y"], torch.tensor(((1.5 - 1) ** 2 + (-1.5 + 1) ** 2) / 2))  # labels of 1 and −1
    assert not parts["encoder_z"].requires_grad  # nothing of it reaches the generator


def test_icgan_labels_enter_as_minus_and_plus_one():
    model, seen = icgan.IcGAN(32, 2, 2, 4, 3, 2).eval(), []
    model.generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    z, b = torch.full((1, 3), 0.5), torch.tensor([[1.0, 0.0]])
    model.decode(z, b)
    assert torch.equal(seen[0], torch.tensor([[0.5, 0.5, 0.5, 1.0, -1.0]]))
    discriminator = icgan.Discriminator(32, 2, 2).eval()
    discriminator.second.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    discriminator(torch.zeros(1, 3, 32, 32), b)
    assert torch.equal(seen[1], torch.tensor([[1.0, -1.0]]))


def test_icgan_encodes_a_face_into_noise_and_labels():
    model = icgan.IcGAN(32, 2, 2, 4, 3, 2).eval()
    torch.nn.init.zeros_(model.encoder_y[-1].weight)
    model.encoder_y[-1].bias.data = torch.tensor([0.2, -0.1])
    x = torch.rand(1, 3, 32, 32)
    z, a = model.encode(x)
    assert torch.equal(z, model.encoder_z(x)) and a.tolist() == [[1.0, 0.0]]
    assert torch.equal(model(x, a), model.decode(z, a))
