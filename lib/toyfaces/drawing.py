"""Labels and people put together: the picture is a function of the labels and of a person's number.

The same labels never look like one person only.
"""

import numpy as np
import torch
from tqdm.auto import tqdm

from lib.attributes import CELEBA
from lib.toyfaces.labelling import labels, with_noise
from lib.toyfaces.parts import draw
from lib.toyfaces.portrait import HAIR, Portrait

SIZES = range(16, 257)
PIXELS_AT_ONCE = 24 * 64 * 64  # on a CPU: few enough to stay in a core's cache, enough to amortise a call


def faces(n, seed=0, start=0, size=64, device="cpu", *, label_noise=0.0, **options):
    """Draw `n` faces: images uint8 (n, 3, size, size) and labels bool (n, 40).

    Face i is the person (seed, start + i). `options` go to `labels`; `label_noise` is the share of labels that are
    flipped once the pictures are drawn.
    """
    a = labels(n, seed, start, **options)
    images = np.empty((n, 3, size, size), dtype=np.uint8)
    batch = 256
    for i in tqdm(range(0, n, batch), desc="drawing faces", unit="batch", disable=n < 8 * batch):
        part = slice(i, min(i + batch, n))
        index = np.arange(start + part.start, start + part.stop)
        images[part] = render(a[part], index, seed, size, device).cpu().numpy()
    return images, with_noise(a, label_noise, seed, start) if label_noise else a


def render(a, index, seed=0, size=64, device="cpu"):
    """Draw the labels `a` (n, 40) bool on the persons `index` (n,) int64: uint8 tensor (n, 3, size, size) on `device`.

    The same index with one label changed is the same person with that one change; another index is another person.
    Raises ValueError for labels of another shape and for sizes outside 16 to 256.
    """
    a, index = np.asarray(a, dtype=bool), np.asarray(index, dtype=np.int64)
    if a.shape != (len(index), len(CELEBA)):
        raise ValueError(f"labels of {len(index)} faces have shape {a.shape}; expected ({len(index)}, {len(CELEBA)})")
    if size not in SIZES:
        raise ValueError(f"size is {size}; faces are drawn at {SIZES[0]} to {SIZES[-1]} pixels")
    many = PIXELS_AT_ONCE if torch.device(device).type == "cpu" else 512 * PIXELS_AT_ONCE
    chunk = max(1, many // size**2)
    parts = [
        draw(Portrait(a[i : i + chunk], index[i : i + chunk], seed, size, device)) for i in range(0, len(a), chunk)
    ]
    return torch.cat(parts) if parts else torch.empty(0, 3, size, size, dtype=torch.uint8, device=device)


def on_off_pairs(index=0, seed=0, size=64):
    """One person without and with each attribute: uint8 array (40, 2, 3, size, size), for a contact sheet."""
    a = np.zeros((len(CELEBA), 2, len(CELEBA)), dtype=bool)
    a[:, :, [CELEBA.index(name) for name in ("Brown_Hair", "No_Beard", "Young")]] = True
    for name in HAIR:
        a[CELEBA.index(name), :, CELEBA.index("Brown_Hair")] = False
    for i in range(len(CELEBA)):
        a[i, :, i] = False, True
    images = render(a.reshape(-1, len(CELEBA)), np.full(2 * len(CELEBA), index), seed, size)
    return images.numpy().reshape(len(CELEBA), 2, 3, size, size)
