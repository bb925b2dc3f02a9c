"""The compared systems by name, and one way to faces for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch

from lib.baselines import attgan, dcgan, icgan, relgan, stargan
from lib.data import to_float, to_uint8


@dataclass(frozen=True)
class System:
    """A system that makes faces for labels: its module, and the function that trains it."""

    module: ModuleType  # PROFILES, new_state(config, device), train(accelerator, state, images, a, config), generate
    obtain: Callable  # (run, faces, **changes of its config) -> Trained


#: The systems of Tables 1 and 2 and of Fig. 7 and 8, and IcGAN of Section II. DCGAN is the paper's, from labels.
SYSTEMS = {
    "DCGAN": System(dcgan, dcgan.from_labels),
    "IcGAN": System(icgan, icgan.icgan),
    "StarGAN": System(stargan, stargan.stargan),
    "AttGAN": System(attgan, attgan.attgan),
    "RelGAN": System(relgan, relgan.relgan),
}


def generator(name, run, faces, **changes):
    """The trained generator of the system `name`, as a function (b, x, source) -> x̂.

    It turns faces x (B, 3, S, S) of labels `source` (B, A) into faces with the labels b (B, A). `changes` replace
    fields of the system's config.
    """
    system = SYSTEMS[name]
    model = system.obtain(run, faces, **changes).model
    return lambda b, x, source: system.module.generate(model.to(b.device), b, x, source)


@torch.inference_mode()
def make(generate, b, images, source, device="cpu", batch_size=256):
    """Faces with the labels `b` (n, A) by `generate(b, x, source)`, batch by batch: uint8 (n, 3, S, S).

    `images` uint8 (n, 3, S, S) with labels `source` (n, A) are what editors start from.
    """
    made = []
    for start in range(0, len(b), batch_size):
        rows = slice(start, min(start + batch_size, len(b)))
        labels = (torch.as_tensor(np.asarray(a[rows]), dtype=torch.float32, device=device) for a in (b, source))
        wished, own = labels
        made.append(to_uint8(generate(wished, to_float(images[rows]).to(device), own)).cpu().numpy())
    return np.concatenate(made)
