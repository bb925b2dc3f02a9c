"""The textbook training step of each stage: what `benchmarks/bench.py` measures ours against.

Written as tutorials write it: float32, channels first, images from a DataLoader over pictures and transforms, the
frozen encoder run in every step, real and generated faces given to a discriminator apart, the generated ones detached
and passed a second time, and every backward pass through all that has weights. Networks, losses, batch size, optimizer
and learning rate are ours, and the same step from the same weights leads to the same weights (`tests/test_bench.py`);
noise, where a profile has it, is drawn otherwise.
"""

import copy

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from lib import losses, models
from lib.training import BETAS, LONGEST_GRADIENT


class Pictures(Dataset):
    """Pairs (x, a) of PIL images turned into tensors in [-1, 1], and their labels, float (A,)."""

    transform = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean=[0.5] * 3, std=[0.5] * 3)]
    )

    def __init__(self, images, a):
        self.pictures = [Image.fromarray(image) for image in images.permute(0, 2, 3, 1).cpu().numpy()]
        self.a = a.float().cpu()

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, i):
        return self.transform(self.pictures[i]), self.a[i]


def batches(images, a, batch_size, device):
    """Shuffled batches (x, a) on the device, epoch after epoch."""
    loader = DataLoader(Pictures(images, a), batch_size, shuffle=True, drop_last=True)
    while True:
        for x, labels in loader:
            yield x.to(device), labels.to(device)


def plain(module):
    """A copy of `module` with channels first, its convolutions computed as convolutions."""
    module = copy.deepcopy(module).to(memory_format=torch.contiguous_format)
    for part in module.modules():
        if isinstance(part, models.HalvingConvolution):
            part.__class__ = nn.Conv2d
    return module


def optimizers(modules, learning_rate):
    """An Adam for each module."""
    return {
        name: torch.optim.Adam(module.parameters(), lr=learning_rate, betas=BETAS) for name, module in modules.items()
    }


def move(modules, optimizers):
    """Step with all gradients, cut as ours are."""
    for name, optimizer in optimizers.items():
        nn.utils.clip_grad_norm_(modules[name].parameters(), LONGEST_GRADIENT)
        optimizer.step()


def autoencoder_step(modules, optimizers, k, x, config, features):
    """Eq. 1-6 with BEGAN's losses, and through `features` if `config.weight_feature` asks for it. Returns the new k."""
    model, critic = modules["model"], modules["critic"]
    x_hat = model(x)
    error_fake = losses.critic_error(critic, x_hat)
    reconstruction = losses.image_reconstruction(x, x_hat)
    feature = losses.feature_reconstruction(features, x, x_hat) if config.weight_feature else 0.0
    weights = config.weight_adversarial, feature, config.weight_feature
    total, _ = losses.autoencoder(reconstruction, error_fake, *weights)
    optimizers["model"].zero_grad()
    total.backward()

    error_real, error_fake = losses.critic_error(critic, x), losses.critic_error(critic, x_hat.detach())
    optimizers["critic"].zero_grad()
    losses.began_critic(error_real, error_fake, k).backward()
    move(modules, optimizers)
    return losses.began_k(k, error_real.detach(), error_fake.detach(), config.gamma, config.lambda_k)


def noisy(x, most):
    """`x` with as much noise as training.noisy's, drawn otherwise."""
    return x + most * torch.rand(len(x), 1, 1, 1, device=x.device) * torch.randn_like(x)


def classifier_step(modules, optimizers, x, a, noise=0.0, nudge=0.0):
    """Eq. 7-8, on disturbed faces if asked for."""
    model = modules["model"]
    if noise:
        x = noisy(x, noise)
    if nudge:
        x.requires_grad_()
        losses.attribute_cross_entropy(model(x), a).backward()
        x = x.detach() + nudge * x.grad.sign()
    loss = losses.attribute_cross_entropy(model(x), a)
    optimizers["model"].zero_grad()
    loss.backward()
    move(modules, optimizers)


def mapping_step(modules, optimizers, x, a, encoder, decoder, classifier, config):
    """Eq. 9-17."""
    phi, d_fc, d_conv = (modules[name] for name in ("model", "feature_discriminator", "image_discriminator"))
    with torch.no_grad():
        z = encoder(x)
    z_hat = phi(a)
    x_hat = decoder(z_hat)
    seen = noisy(x_hat, config.noise) if config.noise else x_hat
    total, _ = losses.mapping(z, z_hat, x, x_hat, a, classifier(seen), d_fc(z_hat), d_conv(x_hat), config)
    optimizers["model"].zero_grad()
    total.backward()

    for name, discriminator, real, fake in (
        ("feature_discriminator", d_fc, z, z_hat),
        ("image_discriminator", d_conv, x, x_hat),
    ):
        loss = losses.discriminator(discriminator(real), discriminator(fake.detach()))
        optimizers[name].zero_grad()
        loss.backward()
    move(modules, optimizers)


@torch.no_grad()
def generate(phi, decoder, a, batch_size):
    """Faces of labels `a` (N, A), uint8 (N, 3, S, S)."""
    device = next(phi.parameters()).device
    x = torch.cat([decoder(phi(labels.to(device))) for labels in DataLoader(a, batch_size)])
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
