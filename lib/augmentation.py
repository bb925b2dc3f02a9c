"""What makes a training set out of another: new labels (Sec. IV), faces for them, and the traditional transforms.

Labels are bool arrays (N, A), images uint8 arrays (N, 3, S, S). All chance comes from the caller's generator or seed.
"""

import numpy as np
import torch
from torchvision.transforms import v2
from tqdm.auto import tqdm

from lib import models
from lib.attributes import contradictions
from lib.data import to_uint8

TRADITIONAL = ("flip", "crop", "erase")


def random_doubling(a, rng):
    """Sec. IV-A: the labels of every training face with one random attribute of each flipped, (N, A) bool.

    `rng` is a numpy Generator.
    """
    a1 = np.array(a, dtype=bool)
    a1[np.arange(len(a1)), rng.integers(a1.shape[1], size=len(a1))] ^= True
    return a1


def dynamic_balancing(a, n, rng, k=None, rerank=True, conflicts="literal", names=None):
    """Sec. IV-B, steps 1 to 3 and 6: `n` new label vectors that favour what is rare.

    Each step ranks the attributes by how many faces carry them in the training set and the new rows so far, takes a
    training face (random permutations of the training set, one after the other), sets its `k` rarest attributes to 1
    and its `k` most frequent ones to 0. Of equally frequent attributes the earlier column counts as the rarer.

    k           a fifth of the attributes by default: the paper's 8 of 40
    rerank      False: rank once, on the training set (the other reading of "re-execute the above steps")
    conflicts   "literal": as printed, which makes people who are bald and blond;
                "avoid": the labels present are granted from the rarest to the most frequent, and each clears those that
                contradict it (`attributes.CONFLICTS`; needs the `names` of the columns)

    Returns `(a1, index)`: (n, A) bool, and (n,) int, the training row each one came from.
    Raises ValueError if 2 k attributes are more than there are, or if `conflicts` is neither word or lacks the names.
    """
    a = np.asarray(a, dtype=bool)
    k = max(1, round(a.shape[1] / 5)) if k is None else k
    if not 1 <= k <= a.shape[1] // 2:
        raise ValueError(f"k={k} rarest and k={k} most frequent of {a.shape[1]} attributes: take 1 <= k <= A/2")
    avoid = conflicts == "avoid"
    if conflicts != "literal" and not (avoid and names is not None):
        raise ValueError(f'conflicts={conflicts!r}: take "literal", or "avoid" together with names')
    if avoid:
        compatible = _compatible(names)
        contested = ~compatible.all(axis=1)

    index = np.concatenate([rng.permutation(len(a)) for _ in range(n // len(a) + 1)])[:n]
    a1 = a[index]
    count = a.sum(axis=0)
    order = count.argsort(kind="stable")  # rarest first
    for row in a1:  # views of a1; a few microseconds each
        if rerank:
            order = count.argsort(kind="stable")
        row[order[:k]] = True
        row[order[-k:]] = False
        if avoid:
            for column in order[contested[order]].tolist():
                if row[column]:
                    row &= compatible[column]
        count += row
    return a1, index


def _compatible(names):
    """Which columns may stand together, (A, A) bool."""
    compatible = np.ones((len(names), len(names)), dtype=bool)
    for i, j in contradictions(names):
        compatible[i, j] = compatible[j, i] = False
    return compatible


def generate(phi, decoder, a, device="cpu"):
    """Sec. IV-B, step 4: one face per label vector, uint8 (n, 3, S, S).

    `phi` (a -> z) and `decoder` (z -> x) are moved to `device` and put into evaluation mode.
    """
    # Outside inference mode: weights laid out anew within it could not be trained against any more.
    phi, decoder = phi.to(device).eval(), models.placed(decoder, device).eval()
    a = torch.as_tensor(np.asarray(a), dtype=torch.float32)
    batch_size = 32 if torch.device(device).type == "cpu" else 256  # the maps of 32 fit a CPU's cache
    batches = tqdm(a.split(batch_size), desc="generate", unit="batch", leave=False, delay=1)
    with torch.inference_mode():
        faces = [to_uint8(decoder(phi(batch.to(device)))).cpu().contiguous().numpy() for batch in batches]
    return np.concatenate(faces)


class RandomErasing(v2.RandomErasing):
    """Fills the rectangle with random bytes, as its paper does; torchvision's "random" is N(0, 1), black in uint8."""

    def make_params(self, flat_inputs):
        params = super().make_params(flat_inputs)
        if params["v"] is not None:
            params["v"] = torch.randint(256, (3, params["h"], params["w"]), dtype=torch.uint8)
        return params


def traditional(name, size):
    """The traditional augmentations of Table 2 as a torchvision transform of one uint8 image (3, S, S), S = `size`.

    "flip"   mirrored with probability 1/2, so half of the copies equal their originals
    "crop"   shifted by up to S/8 pixels, the border repeated: random cropping (Krizhevsky et al., 2012) at the scale of
             the test faces
    "erase"  with probability 1/2 a rectangle of 2 to 40 % of the area becomes noise (Zhong et al., 2017, its settings)

    Raises ValueError for another name.
    """
    if name == "flip":
        return v2.RandomHorizontalFlip(p=0.5)
    if name == "crop":
        return v2.RandomCrop(size, padding=size // 8, padding_mode="edge")
    if name == "erase":
        return RandomErasing(p=0.5, scale=(0.02, 0.4), ratio=(0.3, 1 / 0.3))
    raise ValueError(f"unknown augmentation {name!r}; choose one of: {', '.join(TRADITIONAL)}")


def transformed(images, name, copies, seed):
    """`copies` transformed versions of every image, each drawn anew: uint8 (copies * N, 3, S, S).

    Copies of the whole set follow one another, so their labels are `np.tile(a, (copies, 1))`.
    """
    transform = traditional(name, images.shape[-1])
    new = np.empty((copies * len(images), *images.shape[1:]), dtype=np.uint8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for i in tqdm(range(len(new)), desc=name, unit="face", leave=False, delay=1):
            new[i] = transform(torch.tensor(images[i % len(images)])).numpy()
    return new
