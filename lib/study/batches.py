"""What happens to every batch while a recogniser trains: drawn afresh at every step, for its faces and their labels.

    change = make(context, images, a, **options)      # once, before the training
    x, b = change(x, b, rows, progress)               # at every step

`images` (n, 3, S, S) uint8 and `a` (n, A) bool are the training set; x (B, 3, S, S) in [-1, 1] and b (B, A) a batch of
it, its `rows`; `progress` runs from 0 to 1 over the training. All chance is torch's, seeded by the training.
"""

from dataclasses import replace

import torch
from torchvision.transforms import v2

from lib import augmentation, data, models
from lib.study import imbalance, recogniser, training_sets

TEACHERS = 3  # networks whose answers are averaged


def flipped(context, images, a):
    """Every face is mirrored with probability 1/2."""

    def change(x, b, rows, progress):
        mirrored = torch.rand(len(x), 1, 1, 1) < 0.5
        return torch.where(mirrored.to(x.device), x.flip(-1), x), b

    return change


def mixed(context, images, a, how="mixup", alpha=0.4):
    """Pairs of faces and their labels are mixed, by pixel value (mixup, Zhang et al., 2018) or by area (CutMix, Yun et
    al., 2019); the share of the first is drawn from Beta(alpha, alpha)."""
    mix = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[how](alpha=alpha)
    return lambda x, b, rows, progress: mix(x, b)


def transformed(context, images, a, name):
    """Every face is transformed by itself: "trivial" (TrivialAugment, Müller and Hutter, 2021), "rand" (RandAugment,
    Cubuk et al., 2020), or one of `augmentation.traditional`."""
    if name in ("trivial", "rand"):
        transform = {"trivial": v2.TrivialAugmentWide, "rand": v2.RandAugment}[name]()
    else:
        transform = augmentation.traditional(name, images.shape[-1])

    def change(x, b, rows, progress):
        faces = data.to_uint8(x).cpu()
        return data.to_float(torch.stack([transform(face) for face in faces])).to(x.device), b

    return change


def smoothed(context, images, a, amount=0.1):
    """Label smoothing (Szegedy et al., 2016): labels 0 and 1 become amount / 2 and 1 - amount / 2."""
    return lambda x, b, rows, progress: (x, b + amount * (0.5 - b))


def distilled(context, images, a, edits=False, remedies=False, share=0.75, taught=1.0):
    """The last `share` of every batch are unlabelled faces, labelled by what teachers think of them (`soft_labels`):
    distillation (Hinton et al., 2015) through faces that the teachers have not met (Xie et al., 2020)."""
    faces, p = (torch.from_numpy(array) for array in soft_labels(context, edits, remedies, taught))

    def change(x, b, rows, progress):
        kept = len(x) - round(share * len(x))
        drawn = torch.randint(len(faces), (len(x) - kept,))
        x, b = x.clone(), b.clone()
        x[kept:] = data.to_float(faces[drawn]).to(x.device)
        b[kept:] = p[drawn].to(b)
        return x, b

    return change


def soft_labels(context, edits, remedies=False, taught=1.0):
    """Faces without labels, uint8 (n, 3, S, S), and the probabilities of their attributes, float32 (n, A): the mean
    over `TEACHERS` recognisers of mirrored labelled faces, with `edits` half of them by difference editing, with
    `remedies` erased in part, and mixed by mixup and CutMix. They learn for the share `taught` of the largest number of
    steps that the profile tries, once for all students of a context."""
    faces, images, a = context.strangers, context.train.images, context.train.attributes
    if (edits, remedies, taught) in context.soft_labels:
        return faces, context.soft_labels[edits, remedies, taught]
    settings = replace(context.run.profile.recognition, falling=True)
    if len(faces) == 0:
        raise training_sets.Unavailable("every face has labels")
    steps = round(taught * max(settings.tried))
    changes = [flipped(context, images, a)]
    if edits:
        changes = [edited(context, images, a, through="components", until=0.75), *changes]
    if remedies:
        changes += [transformed(context, images, a, "erase")]
        changes += [mixed(context, images, a, how, alpha=0.2) for how in ("mixup", "cutmix")]
    p = 0
    for seed in range(TEACHERS):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = models.AttributeClassifier(images.shape[-1], settings.filters, a.shape[1])
        network = recogniser.train(network, images, a, settings, steps, seed, change=in_turn(changes))
        p = p + torch.from_numpy(recogniser.predict(network, faces)).sigmoid().numpy() / TEACHERS
    context.soft_labels[edits, remedies, taught] = p
    return faces, p


def edited(context, images, a, **options):
    """Difference editing towards rare labels: `difference` with a' an observed row, of some drawn by how rare their
    values are the one nearest to the face's own labels."""
    a = torch.as_tensor(a)
    rare = torch.as_tensor(imbalance.rarity(a))
    return difference(context, images, a, lambda rows: a[nearest(a, rows, rare)], **options)


def difference(
    context, images, a, wished, by="linear", through="autoencoder", share=0.5, until=1.0, decoded=False, agreement=0.0
):
    """x' = x + Decoder(z + Δ) - Decoder(z) for a `share` of every batch, labelled a' = `wished(rows)`.

    The photograph stays; only what the edit changes is generated, so the decoder's blur falls out.

    by         what stands for Δ, see `Context.shift`
    through    "autoencoder", or "components": principal components in place of Encoder and Decoder
    until      from this share of the training on all faces are real ("From Fake to Real", Qraitem et al., 2024)
    decoded    True: x' = Decoder(z + Δ), blur and all
    agreement  an edited face takes part only if a classifier of the training faces sees at least this share of the
               labels that were changed (filtering, as in DiffuLT, Shao et al., 2024); else its photograph does
    """
    codec = context.codec(through)
    z = codec.encode(images)
    before = torch.cat([codec.decode(part).cpu() for part in z.split(256)])  # once, as nothing of it changes
    shift = context.shift(by, codec)
    a = torch.as_tensor(a)
    sees = seen_by(context.teacher, images, a) if agreement else None

    def change(x, b, rows, progress):
        n = round(share * len(x)) if progress < until else 0
        if n == 0:
            return x, b
        rows = rows[:n].cpu()
        new = wished(rows)
        made = codec.decode(z[rows] + shift(z[rows], a[rows], new)).cpu()
        faces = (made if decoded else x[:n].cpu() + (made - before[rows])).clamp(-1, 1)
        takes_part = torch.ones(n, dtype=torch.bool)
        if agreement:
            asked = new != a[rows]
            takes_part = ((sees(faces) == new) & asked).sum(1) >= agreement * asked.sum(1)
        x, b = x.clone(), b.clone()
        x[:n][takes_part] = faces[takes_part].to(x.device)
        b[:n][takes_part] = new[takes_part].to(b)
        return x, b

    return change


def seen_by(teacher, images, a):
    """What a classifier sees in faces: a function x (n, 3, S, S) -> bool (n, A), on the CPU.

    It finds each attribute as often in `images` as their labels `a` do: with a threshold of 1/2 it would miss the rare.
    """
    logits = torch.from_numpy(recogniser.predict(teacher, images))
    thresholds = torch.stack([column.quantile(1 - of.float().mean()) for column, of in zip(logits.T, a.T, strict=True)])
    device = next(teacher.parameters()).device

    @torch.inference_mode()
    def sees(x):
        return teacher(x.to(device)).float().cpu() > thresholds

    return sees


def nearest(a, rows, weights):
    """For each of `rows` of the table `a` (n, A) another row of it, the nearest of some that are drawn by `weights`
    (n,) (`training_sets.nearest`). int64 (len(rows),)."""
    candidates = torch.multinomial(weights, len(rows) * training_sets.CANDIDATES, replacement=True)
    return training_sets.nearest(a, rows, candidates.view(len(rows), -1))


def in_turn(changes):
    """One change that makes several, one after the other."""

    def change(x, b, rows, progress):
        for one in changes:
            x, b = one(x, b, rows, progress)
        return x, b

    return change


#: Those that are the same whatever the generator.
WITHOUT_STAGES = (flipped, mixed, transformed, smoothed, distilled)
