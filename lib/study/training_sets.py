"""The training sets of the recognition study: (context, rng, **options) -> (images uint8, labels bool).

`context` is a `Context`, `rng` a numpy Generator; `times` is the size after augmentation over that before.
"""

import numpy as np
import torch

from lib import data
from lib.augmentation import dynamic_balancing, random_doubling, transformed
from lib.study import imbalance

CANDIDATES = 16  # rare rows among which `editing` looks for the one nearest to a face


class Unavailable(Exception):
    """This training set cannot be made from this data; the message says why."""


def original(context, rng):
    """The training faces."""
    return context.train.images, context.train.attributes


def repeated(context, rng):
    """Every training face twice: more steps by the same number of epochs, and nothing else."""
    return context.with_train(context.train.images, context.train.attributes)


def traditional(context, rng, name, times=2):
    """Training faces and `times` - 1 transformed copies of each: "flip", "crop" or "erase"."""
    images = transformed(context.train.images, name, times - 1, seed=int(rng.integers(2**31)))
    return context.with_train(images, np.tile(context.train.attributes, (times - 1, 1)))


def doubling(context, rng, times=2, **generator):
    """Sec. IV-A: training faces and generated ones, each label vector with one attribute flipped."""
    rows = draw_rows(context, rng, times)
    a = random_doubling(context.train.attributes[rows], rng)
    return context.with_train(context.imagine(a, rows, **generator), a)


def balancing(context, rng, times=2, conflicts="literal", **generator):
    """Sec. IV-B: training faces and generated ones with dynamically balanced labels."""
    if len(context.train.names) < 2:
        raise Unavailable("balancing grants the rarest attribute and takes away the most frequent one: it needs two")
    n = extra(context, times)
    a, rows = dynamic_balancing(context.train.attributes, n, rng, conflicts=conflicts, names=context.train.names)
    return context.with_train(context.imagine(a, rows, **generator), a)


def observed(context, rng, times=2):
    """Training faces and generated ones whose labels are observed rows, those with rare values more often."""
    a, rows = context.train.attributes, draw_rows(context, rng, times)
    a1 = rare_labels(a, rows, rng)
    return context.with_train(context.imagine(a1, rows), a1)


def generated_only(context, rng):
    """No real face: one generated for the labels of each training face."""
    return context.imagine(context.train.attributes, slice(None)), context.train.attributes


def reconstructions(context, rng):
    """Training faces and the same ones after Encoder and Decoder: what smoothing alone does, without new labels."""
    return context.with_train(context.decode(context.z), context.train.attributes)


def editing(context, rng, times=2):
    """Training faces and edited ones: x' = Decoder(z + Φ(a') - Φ(a)) for a face with labels a.

    a' is an observed label vector with rare values, the one most like `a` among a few, so that each face is changed as
    little as possible and stays recognisably itself.
    """
    a, rows = context.train.attributes, draw_rows(context, rng, times)
    a1 = nearest_rare(a, rows, rng)
    return context.with_train(context.decode(context.z[rows] + context.phi(a1) - context.phi(a[rows])), a1)


def difference(context, rng, times=2):
    """As `editing`, but only what the edit changes is decoded: x' = x + Decoder(z + Φ(a') - Φ(a)) - Decoder(z)."""
    train, rows = context.train, draw_rows(context, rng, times)
    a, codec, new = train.attributes[rows], context.codec(), []
    a1 = nearest_rare(train.attributes, rows, rng)
    shift = context.phi(a1) - context.phi(a)
    for part in torch.arange(len(rows)).split(256):
        z, x = context.z[rows[part]], data.to_float(train.images[rows[part]])
        new.append(data.to_uint8(x + (codec.decode(z + shift[part]) - codec.decode(z)).cpu()).numpy())
    return context.with_train(np.concatenate(new), a1)


def rare_labels(a, rows, rng):
    """As many of the rows of the table `a` (n, A) as there are `rows`, drawn by how rare their values are."""
    return a[rng.choice(len(a), size=len(rows), p=imbalance.rarity(a))]


def nearest_rare(a, rows, rng):
    """For each of `rows` of the table `a` (n, A) labels (len(rows), A): of `CANDIDATES` rows drawn by how rare their
    values are those of the `nearest`."""
    return a[nearest(a, rows, rng.choice(len(a), size=(len(rows), CANDIDATES), p=imbalance.rarity(a)))]


def nearest(a, rows, drawn):
    """For each of `rows` of the table `a` (n, A) that of the rows `drawn` (len(rows), candidates) with the fewest other
    labels, but not with the same ones if that can be helped: (len(rows),). NumPy arrays, or tensors."""
    distance = (a[drawn] != a[rows, None]).sum(-1)
    distance[distance == 0] = a.shape[1] + 1  # a face turned into itself is no new one
    return drawn[range(len(drawn)), distance.argmin(-1)]


def residual(context, rng, times=2, linear=False):
    """Training faces and generated ones made individual: x' = Decoder(Φ(a') + r), r = z - Φ(a) of *any* training face.

    The formula of `editing` read the other way round: the labels come first, an observed vector with rare values, and
    the rest (pose, light, person) is borrowed from a face that need not resemble it. With `linear` this rest is what a
    linear map of the labels leaves over: nothing in it goes along with a label, while in Φ's, which makes labels
    stronger than they are, their opposite is left (notebook 8).
    """
    a, rows = context.train.attributes, draw_rows(context, rng, times)
    a1 = rare_labels(a, rows, rng)
    known = context.linear(a[rows]) if linear else context.phi(a[rows])
    return context.with_train(context.decode(context.phi(a1) + context.z[rows] - known), a1)


def resampled(context, rng):
    """Up-sampling the minority: as many training faces, drawn with replacement, those with rare values more often."""
    rows = rng.choice(len(context.train), size=len(context.train), p=imbalance.rarity(context.train.attributes))
    return context.train.images[rows], context.train.attributes[rows]


def more_real(context, rng, times=2):
    """The yardstick: training faces and as many other real ones (drawn faces: fresh ones) as a generator would add."""
    run, train, n = context.run, context.train, extra(context, times)
    cache = run.folder.parent / "cache"
    if run.source == "toy":
        pool = data.draw({"train": int(train.files.astype(int).max()) + 1 + n}, train.size, cache)
    else:
        pool = data.read(run.source, train.size, cache).part("train")
    spare = np.flatnonzero(~np.isin(pool.files, train.files))
    if len(spare) < n:
        raise Unavailable(f"only {len(spare):,} of {n:,} training faces are held back from profile {run.profile.name}")
    more = pool.take(np.sort(rng.choice(spare, size=n, replace=False)))
    return context.with_train(more.images, more.attributes)


def extra(context, times):
    """Number of faces that make the training set `times` as large."""
    return round((times - 1) * len(context.train))


def draw_rows(context, rng, times):
    """Rows of the training faces that new ones start from: random permutations of all, one after the other."""
    n, faces = extra(context, times), len(context.train)
    return np.concatenate([rng.permutation(faces) for _ in range(n // faces + 1)])[:n]


#: Those that are the same whatever the generator.
WITHOUT_STAGES = (original, repeated, traditional, resampled, more_real)
