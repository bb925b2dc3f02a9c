"""Training as plain loops: autoencoder, classifier, mapping function.

A loop is a generator over a `TrainingState`: it yields a record (dict of 0-dim tensors) after every step and can be
left and taken up again at any step. Batches depend on (seed, epoch) alone, so a resumed run repeats a straight one.
With several processes every process takes its share of each batch, and gradients and records are averaged.
"""

from dataclasses import dataclass, field

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lib import losses, models
from lib.data import to_float

BETAS = (0.5, 0.999)  # Sec. V-B
LONGEST_GRADIENT = 1.0  # two or three times the usual: a cut beyond it keeps BEGAN from blowing up after a rare spike
SMALLEST_K = 1e-8  # in place of BEGAN's k = 0, so that one can divide by it; the critic's gradient does not show it
MOST_FOR_COMPONENTS = 8_000  # faces are enough to find their principal components
STEEPEST = 60.0  # logits down to minus this: what float32 can carry through a discriminator


@dataclass
class TrainingState:
    """All that a training consists of and all that a resumed one needs."""

    modules: nn.ModuleDict
    optimizers: dict[str, Optimizer]
    schedulers: dict[str, object] = field(default_factory=dict)
    values: dict[str, torch.Tensor] = field(default_factory=dict)  # such as BEGAN's k
    step: int = 0

    def state_dict(self):
        """Tensors and plain containers only; see `checkpoints.save_state`."""
        return {
            "modules": self.modules.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "schedulers": {name: scheduler.state_dict() for name, scheduler in self.schedulers.items()},
            "values": self.values,
            "step": self.step,
        }

    def load_state_dict(self, state):
        """Take up what `state_dict` gave."""
        self.modules.load_state_dict(state["modules"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            for p, moments in optimizer.state.items():  # fused Adam takes them to lie in memory as the parameter does
                moments |= {key: torch.empty_like(p).copy_(m) for key, m in moments.items() if m.shape == p.shape}
        for name, scheduler in self.schedulers.items():
            scheduler.load_state_dict(state["schedulers"][name])
        self.values = state["values"]
        self.step = state["step"]


def new_accelerator():
    """Device, precision and processes by Hugging Face accelerate; bfloat16 only where a GPU computes in it, not where
    it is emulated, as on NVIDIA's before Ampere."""
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    # Unless it is told that the CPU is meant, accelerate leaves several processes without a GPU alone, each by itself.
    return Accelerator(cpu=not torch.accelerator.is_available(), mixed_precision="bf16" if bf16 else "no")


def adam(modules, learning_rate):
    """Adam with the paper's betas over the parameters of one or more modules that learn, in one pass over them."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    return Adam(parameters, lr=learning_rate, betas=BETAS, fused=True)


def steps_of(config, n):
    """Number of steps that `config.epochs` passes over `n` faces take; an incomplete last batch is left out."""
    return round(config.epochs * (n // config.batch_size))


def batches(accelerator, n, batch_size, start, stop, seed):
    """Yields this process's rows of each batch from step `start` to `stop`, an int64 tensor on the device.

    Every epoch is a new permutation of range(n). Raises ValueError when n faces do not fill one batch, or a batch
    cannot be shared evenly.
    """
    if batch_size % accelerator.num_processes:
        raise ValueError(f"a batch of {batch_size} cannot be shared evenly by {accelerator.num_processes} processes")
    per_epoch = n // batch_size
    if per_epoch == 0:
        raise ValueError(f"{n} faces do not fill one batch of {batch_size}; add faces or lower the batch size")
    order, drawn = None, None
    for step in range(start, stop):
        epoch, position = divmod(step, per_epoch)
        if epoch != drawn:
            generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
            order, drawn = torch.randperm(n, generator=generator).to(accelerator.device), epoch
        batch = order[position * batch_size : (position + 1) * batch_size]
        yield batch[accelerator.process_index :: accelerator.num_processes]


def descend(accelerator, loss, *optimizers, longest=LONGEST_GRADIENT):
    """One simultaneous step of the players of a game: every optimizer moves its own parameters down the same `loss`.

    One backward pass serves all, and all gradients are taken before any parameter moves. What one player wants
    otherwise than another is written into the loss by `turned`. A gradient longer than `longest` is cut to it.
    """
    players = [[p for group in optimizer.param_groups for p in group["params"]] for optimizer in optimizers]
    every = [p for parameters in players for p in parameters]
    for p in every:
        p.grad = None
    torch.autograd.backward(loss, inputs=every)  # unlike autograd.grad it lays gradients out as fused Adam takes them
    if accelerator.num_processes > 1:  # one message, not one for each parameter
        mean = accelerator.reduce(torch.cat([p.grad.flatten() for p in every]), "mean")
        for p, gradient in zip(every, mean.split([p.numel() for p in every]), strict=True):
            p.grad.copy_(gradient.view_as(p))
    for parameters, optimizer in zip(players, optimizers, strict=True):
        nn.utils.clip_grad_norm_(parameters, longest)
        optimizer.step()


def halve(state, config, stop):
    """Set the rate of the step to come: `config.halvings` times it halves on the way to step `stop`, evenly spread."""
    for optimizer in state.optimizers.values():
        optimizer.param_groups[0]["lr"] = config.learning_rate * 0.5 ** (state.step * (config.halvings + 1) // stop)


def turned(x, factor):
    """`x`; the gradient that comes back through it is multiplied by `factor()`, a tensor, asked for only then.

    With a negative factor it is the gradient reversal of Ganin and Lempitsky (2015): the critic lowers what it sees
    there, the network that made `x` raises it, in one backward pass for both.
    """
    x = x.view_as(x)
    x.register_hook(lambda gradient: (gradient * factor()).to(gradient.dtype))
    return x


def averaged(accelerator, **values):
    """A record: the mean of each value over the processes, cut off from its graph."""
    mean = accelerator.reduce(torch.stack([value.detach().float() for value in values.values()]), "mean")
    return dict(zip(values, mean.unbind(), strict=True))


def autoencoder_state(config, device):
    """Fresh networks and optimizers for `train_autoencoder`."""
    torch.manual_seed(config.seed)
    options = {"vanishing": config.carry_steps > 0, "skips": config.skips}
    autoencoder = models.Autoencoder(
        config.size, config.filters, config.embedding, **options, components=config.components
    )
    if config.adversarial == "began":
        critic = models.Autoencoder(config.size, config.critic_filters, config.embedding, **options)
    elif config.adversarial == "log":
        critic = models.ImageDiscriminator(config.size, config.critic_filters)
    else:
        raise ValueError(f"adversarial is {config.adversarial!r}; choose 'began' or 'log'")
    modules = models.placed(nn.ModuleDict({"model": autoencoder, "critic": critic}), device)
    optimizers = {name: adam([module], config.learning_rate) for name, module in modules.items()}
    schedulers = {
        name: ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0, min_lr=config.learning_rate / 8)
        for name, optimizer in (() if config.halvings else optimizers.items())
    }
    values = {"k": torch.zeros((), device=device), "progress": torch.zeros((), device=device)}
    return TrainingState(modules, optimizers, schedulers, values)


def began(critic, x, x_hat, k, config):
    """BEGAN's errors of real faces and of `x_hat`, both 0-dim, and the critic's loss, from one pass of the critic.

    The loss moves the critic by L(x) − k L(x̂) and `x_hat` by w L(x̂); the errors are without gradient.
    """
    k = k.clamp(min=SMALLEST_K)
    both = torch.cat([x, turned(x_hat, lambda: -config.weight_adversarial / k)])
    error_real, error_fake = map(losses.image_reconstruction, both.chunk(2), critic(both).chunk(2))
    return error_real.detach(), error_fake.detach(), losses.began_critic(error_real, error_fake, k)


def discriminate(discriminator, real, fake, weight, saturating):
    """Logits of `fake` without gradient, and the discriminator's loss (Eq. 15 and 16), from one pass of it.

    The loss moves the discriminator by itself and `fake` by `weight` times `losses.generator`.
    """
    seen = turned(fake, lambda: -weight * pull.view(-1, *[1] * (fake.ndim - 1)))
    logits_real, logits_fake = discriminator(torch.cat([real, seen])).chunk(2)
    logits = logits_fake.detach().float()
    # Of -log(1 - D), which the discriminator raises, to what the other side lowers: the ratio of slopes, each by logit.
    pull = torch.ones_like(logits) if saturating else (-logits).clamp(max=STEEPEST).exp()
    return logits, losses.discriminator(logits_real, logits_fake)


def train_autoencoder(accelerator, state, images, config, features=None):
    """Eq. 1-6 on `images`, uint8 (N, 3, S, S) on the device; with `config.weight_feature` also seen through `features`,
    the frozen first layers of a classifier (`models.first_features`).

    Without `config.halvings` the learning rate halves after an epoch whose mean convergence measure is no better than
    the best so far, as BEGAN's when it stalls, down to an eighth.
    Records: reconstruction, adversarial, critic; with `features` feature; with BEGAN's loss error_real, k, convergence.
    """
    model, critic = state.modules["model"], state.modules["critic"]
    per_epoch = len(images) // config.batch_size
    stop = steps_of(config, len(images))
    if config.components and state.step == 0:
        model.start_from(to_float(images[:: len(images) // MOST_FOR_COMPONENTS + 1]))
    for batch in batches(accelerator, len(images), config.batch_size, state.step, stop, config.seed):
        x = to_float(images[batch])
        if config.carry_steps:
            models.set_carry(state.modules, max(0.0, 1 - state.step / config.carry_steps))
        with accelerator.autocast():
            x_hat = model(x)
            if config.adversarial == "began":
                error_real, adversarial, critic_loss = began(critic, x, x_hat, state.values["k"], config)
            else:
                logits, critic_loss = discriminate(critic, x, x_hat, config.weight_adversarial, saturating=False)
                adversarial = losses.generator(logits)
            distance = losses.squared_reconstruction if config.squared else losses.image_reconstruction
            reconstruction = distance(x, x_hat)
            weights = {"weight_adversarial": config.weight_adversarial, "weight_feature": config.weight_feature}
            if config.weight_feature:
                weights["feature"] = losses.feature_reconstruction(features, x, x_hat)
            total, parts = losses.autoencoder(reconstruction, adversarial, **weights)
        if config.halvings:
            halve(state, config, stop)
        descend(accelerator, total + critic_loss, *state.optimizers.values())

        record = averaged(accelerator, **parts, critic=critic_loss)
        progress = record["reconstruction"]
        if config.adversarial == "began":
            record |= averaged(accelerator, error_real=error_real)
            errors = record["error_real"], record["adversarial"]
            record["k"] = state.values["k"] = losses.began_k(state.values["k"], *errors, config.gamma, config.lambda_k)
            record["convergence"] = progress = losses.began_convergence(*errors, config.gamma)
        state.values["progress"] = state.values["progress"] + progress / per_epoch
        state.step += 1
        if state.step % per_epoch == 0:
            for scheduler in state.schedulers.values():
                scheduler.step(state.values["progress"])
            state.values["progress"] = torch.zeros_like(progress)
        yield record


def classifier_state(config, device):
    """Fresh classifier and optimizer for `train_classifier`."""
    torch.manual_seed(config.seed)
    model = models.placed(models.AttributeClassifier(config.size, config.filters, len(config.attributes)), device)
    return TrainingState(nn.ModuleDict({"model": model}), {"model": adam([model], config.learning_rate)})


def noisy(accelerator, x, most, seed, step):
    """Faces `x` with Gaussian noise: on each face its own amount, a standard deviation drawn from 0 to `most`.

    The noise depends on (seed, step) and the face's place in the batch, not on the number of processes.
    """
    if not most:
        return x
    generator = torch.Generator(x.device).manual_seed(1_000_003 * seed + step)
    n = len(x) * accelerator.num_processes
    noise = torch.randn(n, *x.shape[1:], device=x.device, generator=generator)
    noise *= most * torch.rand(n, 1, 1, 1, device=x.device, generator=generator)
    return x + noise[accelerator.process_index :: accelerator.num_processes]


def nudged(classifier, x, a, most):
    """Faces `x` with every pixel moved by `most` in the direction in which the classifier's loss (Eq. 8) grows.

    The fast gradient sign of Goodfellow et al. (2015). What learns from such faces finds an attribute in what is
    seen of it, less in patterns too faint to see, by which a generator could otherwise please it.
    """
    if not most:
        return x
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(losses.attribute_cross_entropy(classifier(x), a), x)
    return x.detach() + most * gradient.sign()


def train_classifier(accelerator, state, images, a, config):
    """Eq. 7-8 on `images` uint8 (N, 3, S, S) and labels `a` bool (N, A).

    With `config.noise` and `config.nudge` it learns from disturbed faces, see `noisy` and `nudged`. Records:
    cross_entropy.
    """
    model, stop = state.modules["model"], steps_of(config, len(images))
    for batch in batches(accelerator, len(images), config.batch_size, state.step, stop, config.seed):
        labels = a[batch].float()
        x = noisy(accelerator, to_float(images[batch]), config.noise, config.seed, state.step)
        with accelerator.autocast():
            x = nudged(model, x, labels, config.nudge)
            loss = losses.attribute_cross_entropy(model(x), labels)
        descend(accelerator, loss, state.optimizers["model"])
        state.step += 1
        yield averaged(accelerator, cross_entropy=loss)


def mapping_state(config, device):
    """Fresh mapping function, discriminators and optimizers for `train_mapping`."""
    torch.manual_seed(config.seed)
    modules = nn.ModuleDict(
        {
            "model": models.MappingFunction(len(config.attributes), config.embedding),
            "feature_discriminator": models.FeatureDiscriminator(config.embedding),
            "image_discriminator": models.ImageDiscriminator(config.size, config.filters),
        }
    )
    modules = models.placed(modules, device)
    optimizers = {name: adam([module], config.learning_rate) for name, module in modules.items()}
    return TrainingState(modules, optimizers)


def train_mapping(accelerator, state, images, a, z, decoder, classifier, config):
    """Eq. 9-17: Φ and its two discriminators against the frozen `decoder` and `classifier`.

    `images` uint8 (N, 3, S, S); `a` bool (N, A); `z` (N, Z), the frozen encoder's embeddings of the images, computed
    once. Records: the five parts of Eq. 17, total, and both discriminators' losses.
    """
    phi, d_fc, d_conv = (state.modules[name] for name in ("model", "feature_discriminator", "image_discriminator"))
    stop = steps_of(config, len(images))
    for batch in batches(accelerator, len(images), config.batch_size, state.step, stop, config.seed):
        x, labels = to_float(images[batch]), a[batch].float()
        with accelerator.autocast():
            z_hat = phi(labels)
            x_hat = decoder(z_hat)
            feature_logits, feature_loss = discriminate(
                d_fc, z[batch], z_hat, config.weight_adversarial_feature, config.saturating
            )
            image_logits, image_loss = discriminate(
                d_conv, x, x_hat, config.weight_adversarial_image, config.saturating
            )
            attribute_logits = classifier(noisy(accelerator, x_hat, config.noise, config.seed, state.step))
            total, parts = losses.mapping(
                z[batch], z_hat, x, x_hat, labels, attribute_logits, feature_logits, image_logits, config
            )
        halve(state, config, stop)
        descend(accelerator, total + feature_loss + image_loss, *state.optimizers.values())
        state.step += 1
        yield averaged(
            accelerator, **parts, total=total, feature_discriminator=feature_loss, image_discriminator=image_loss
        )
