"""The paper's equations, one function each.

Every loss returns a scalar: the mean over batch *and* elements, so a weight means the same at any image size.
The paper's norms are sums, by which the reconstruction of faces would drown all else.
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss, mse_loss, softplus


def image_reconstruction(x, x_hat):
    """Eq. 4 and 10, E‖x − x̂‖₁: mean absolute difference of pixels, images in [-1, 1]."""
    return l1_loss(x_hat, x)


def squared_reconstruction(x, x_hat):
    """E‖x − x̂‖²: the reconstruction of faces with the squared norm of that of embeddings."""
    return mse_loss(x_hat, x)


def embedding_reconstruction(z, z_hat):
    """Eq. 11, E‖z − ẑ‖²: mean squared difference of embeddings (B, Z)."""
    return mse_loss(z_hat, z)


def attribute_cross_entropy(logits, a):
    """Eq. 8 and 14, E[−log C(a|x)]: one sigmoid per attribute, logits and 0/1 labels (B, A).

    On real faces it trains the classifier; on generated ones it is the attribute perceptual loss.
    """
    return binary_cross_entropy_with_logits(logits, a)


# --- the adversarial game of the autoencoder: BEGAN (Berthelot et al., 2017) in place of Eq. 3, 5, 6 as printed ---


def critic_error(critic, x):
    """L(x) = E‖x − D(x)‖₁: how badly the critic, an autoencoder itself, reproduces x (B, 3, S, S)."""
    return l1_loss(critic(x), x)


def began_critic(error_real, error_fake, k):
    """BEGAN's L_D = L(x) − k_t L(x̂): reproduce real faces well and, as far as k_t ∈ [0, 1] asks, fakes badly."""
    return error_real - k * error_fake


def began_k(k, error_real, error_fake, gamma, lambda_k):
    """Eq. 6, with the clip to [0, 1] that BEGAN has and the paper omits: k_{t+1} from k_t, all 0-dim tensors."""
    return (k + lambda_k * (gamma * error_real - error_fake)).clamp(0, 1)


def began_convergence(error_real, error_fake, gamma):
    """BEGAN's global measure M = L(x) + |γ L(x) − L(x̂)|: small when faces are good and the game is in balance."""
    return error_real + (gamma * error_real - error_fake).abs()


def feature_reconstruction(features, x, x_hat):
    """E‖f(x) − f(x̂)‖₁ in the features f of a frozen network (Johnson et al., 2016): what must be seen alike.

    The perceptual loss asks what a classifier answers; this asks, one stage earlier, what its first layers see.
    """
    with torch.no_grad():
        seen = features(x)
    return l1_loss(features(x_hat), seen)


def autoencoder(reconstruction, adversarial, weight_adversarial, feature=0.0, weight_feature=0.0):
    """Eq. 3 for the generator, L_G = L_rec + w L_adv, plus w_f L_feature if it has a weight. Returns (total, parts)."""
    parts = {"reconstruction": reconstruction, "adversarial": adversarial}
    total = reconstruction + weight_adversarial * adversarial
    if weight_feature:
        parts["feature"] = feature
        total = total + weight_feature * feature
    return total, parts


# --- the log-loss game: Eq. 12, 13, 15, 16, and an option of the autoencoder. Eq. 5 has this form, too, but it judges
# embeddings, and Eq. 3 has the generator raise what it should lower: the option judges images, the usual way ---


def discriminator(logits_real, logits_fake):
    """Eq. 15 and 16, −E[log D(real)] − E[log(1 − D(fake))], from logits (B,).

    D sees no labels, although Eq. 12 and 13 print D(x̂|a) and D(ẑ|a): they condition the fake side alone, where D could
    tell a fake by its being told labels. Sec. III-D gives D no input for them, and whether a face fits its labels is
    what the perceptual loss asks. Eq. 5 has this form, too.
    """
    return softplus(-logits_real).mean() + softplus(logits_fake).mean()


def generator(logits_fake, saturating=False):
    """What the other side minimises, from logits (B,).

    −E[log D(fake)], Goodfellow et al.'s way out, pulls hardest where D is sure. saturating=True is E[log(1 − D(fake))],
    the part of Eq. 12, 13 (and of Eq. 5, by its form) that reaches the generator, as printed: its gradient fades when D
    is sure. Φ takes the printed form. It has no noise and no image to work with, so D_conv soon tells its averages from
    photographs, and the other form then drowns the reconstruction and perceptual losses.
    """
    return -softplus(logits_fake).mean() if saturating else softplus(-logits_fake).mean()


def mapping(z, z_hat, x, x_hat, a, attribute_logits, feature_logits, image_logits, config):
    """Eq. 17: the five losses of the mapping function. Returns (total, parts), parts unweighted.

    `feature_logits` = D_fc(ẑ), `image_logits` = D_conv(x̂), `attribute_logits` = C(x̂);
    weights from `config` (MappingConfig).
    """
    parts = {
        "adversarial_feature": generator(feature_logits, config.saturating),
        "adversarial_image": generator(image_logits, config.saturating),
        "reconstruction_image": image_reconstruction(x, x_hat),
        "reconstruction_embedding": embedding_reconstruction(z, z_hat),
        "perceptual": attribute_cross_entropy(attribute_logits, a),
    }
    total = torch.stack([getattr(config, f"weight_{name}") * part for name, part in parts.items()]).sum()
    return total, parts
