"""What the editors share: one loop for StarGAN, AttGAN and RelGAN, and the losses of the two Wasserstein ones."""

import torch

from lib.baselines.common import anneal, gradient_penalty, move, turns
from lib.losses import attribute_cross_entropy, image_reconstruction
from lib.training import averaged


def train_editor(accelerator, state, images, a, config, wish, fakes, critic_loss, generator_loss, n_critic=1):
    """The loop of an editor on `images` uint8 (N, 3, S, S) with labels `a` bool (N, A).

    The critic learns from every batch of faces x with labels a, the generator from every `n_critic`-th.

    wish(a, chance)                 what is wished for in this step, a tuple
    fakes(generator, x, a, *wish)   what the critic sees of it, a tuple; no gradient flows back
    critic_loss(critic, x, a, *fakes, epsilon, config), generator_loss(generator, critic, x, a, *wish, config)
                                    return (total, parts); epsilon (B, 1, 1, 1) in [0, 1) is the penalty's

    Records: critic and the parts of its loss; in the steps in which the generator learns also generator and its parts.
    """
    generator, critic = state.modules["model"], state.modules["critic"]
    for x, labels, chance in turns(accelerator, state, images, a, config):
        anneal(state, config, len(images))
        wished, epsilon = wish(labels, chance), chance.uniform(len(x), 1, 1, 1)

        with accelerator.autocast():
            with torch.no_grad():
                seen = fakes(generator, x, labels, *wished)
            total, parts = critic_loss(critic, x, labels, *seen, epsilon, config)
        move(accelerator, state.optimizers["critic"], total)
        record = {"critic": total} | parts

        state.step += 1
        if state.step % n_critic == 0:
            with accelerator.autocast():
                total, parts = generator_loss(generator, critic, x, labels, *wished, config)
            move(accelerator, state.optimizers["model"], total)
            record |= {"generator": total} | parts
        yield averaged(accelerator, **record)


# --- The Wasserstein editors: StarGAN and AttGAN ----------------------------------------------------------------------


def train_wasserstein_editor(accelerator, state, images, a, config, critic_loss, generator_loss):
    """`train_editor` towards the labels of other faces of the batch: real combinations, as frequent as in the data.

    The critic learns from every batch, the generator from every `config.n_critic`-th.
    """
    return train_editor(
        accelerator, state, images, a, config, critic_loss=critic_loss, generator_loss=generator_loss,
        wish=lambda a, chance: (a[chance.permutation(len(a))],),
        fakes=lambda generator, x, a, b: (generator(x, b),),
        n_critic=config.n_critic,
    )  # fmt: skip


def wasserstein_critic_loss(critic, x, a, x_fake, epsilon, weight_gradient_penalty, weight_classification):
    """What a critic x -> (score, logits) with a classification head minimises. Returns (total, parts).

    wasserstein            E D(x̂) − E D(x): the negative of the distance it estimates
    gradient_penalty       of its score, not of its classification
    classification_real    cross-entropy of the labels `a` of the real faces, a mean over faces and attributes
    """
    realness, logits = critic(x)
    parts = {
        "wasserstein": critic(x_fake)[0].mean() - realness.mean(),
        "gradient_penalty": gradient_penalty(lambda x: critic(x)[0], x, x_fake, epsilon),
        "classification_real": attribute_cross_entropy(logits, a),
    }
    total = (
        parts["wasserstein"]
        + weight_gradient_penalty * parts["gradient_penalty"]
        + weight_classification * parts["classification_real"]
    )
    return total, parts


def wasserstein_generator_loss(critic, x, x_fake, b, x_back, weight_classification, weight_reconstruction):
    """What a generator minimises against such a critic. Returns (total, parts).

    adversarial            −E D(x̂)
    classification_fake    cross-entropy of the labels `b` wished for, in the critic's eyes
    reconstruction         ‖x − x_back‖₁ of the faces x and what their own labels should give back
    """
    realness, logits = critic(x_fake)
    parts = {
        "adversarial": -realness.mean(),
        "classification_fake": attribute_cross_entropy(logits, b),
        "reconstruction": image_reconstruction(x, x_back),
    }
    total = (
        parts["adversarial"]
        + weight_classification * parts["classification_fake"]
        + weight_reconstruction * parts["reconstruction"]
    )
    return total, parts
