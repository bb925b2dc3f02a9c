"""Who is drawn, and how the picture is taken: what differs between people who share all their labels."""

import numpy as np
import torch

from lib.attributes import CELEBA
from lib.toyfaces.canvas import Window
from lib.toyfaces.labelling import uniform

#: What makes people and pictures differ besides their labels: a number in [0, 1) each.
TRAITS = (
    "skin", "warmth", "iris", "lipstick", "makeup", "cloth", "cloth_light", "hat", "other_hair", "hair_light", "tie",
    "backdrop", "backdrop_light", "glow_x", "glow_y", "shift_x", "shift_y", "roll", "scale", "yaw", "light", "grain",
    "face_width", "chin", "eye_space", "eye_size", "eye_tilt", "gaze", "brow_height", "nose_length", "mouth_height",
    "mouth_width", "hair_length", "hair_volume", "strand", "parting", "neckline", "frames", "freckles", "dyed",
)  # fmt: skip

SKIN = ((0.40, 0.25, 0.17), (0.55, 0.36, 0.24), (0.73, 0.50, 0.35), (0.88, 0.66, 0.50), (0.96, 0.78, 0.64))
HAIR = {
    "Gray_Hair": (0.75, 0.76, 0.79),
    "Black_Hair": (0.10, 0.09, 0.13),
    "Brown_Hair": (0.47, 0.25, 0.09),
    "Blond_Hair": (0.96, 0.80, 0.42),
}
OTHER_HAIR = ((0.66, 0.25, 0.22), (0.52, 0.30, 0.46))  # without a label for its colour: auburn to plum
REACH = 0.17  # how far a pose moves a point of the face, in half picture sides
DYED = 0.3  # share of the people with dip-dyed hair


class Portrait:
    """A batch of faces while it is drawn, back to front. Labels and traits are (n, 1, 1), colours (n, 3, 1, 1)."""

    def __init__(self, a, index, seed, size, device):
        flags = torch.as_tensor(a, dtype=torch.float32, device=device)
        traits = torch.as_tensor(uniform(seed, index, len(TRAITS)), dtype=torch.float32, device=device)
        self.on = {name: flags[:, i, None, None] for i, name in enumerate(CELEBA)}
        self.trait = {name: traits[:, i, None, None] for i, name in enumerate(TRAITS)}
        self.present = {name for i, name in enumerate(CELEBA) if a[:, i].any()}
        self.size, self.device = size, device
        self.image = torch.empty(len(a), 3, size, size, device=device)
        axis = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
        self.x, self.y = axis[None, None, :], axis[None, :, None]
        scale, roll = 1.08 + 0.04 * self.spread("scale"), 0.08 * self.spread("roll")
        x = (self.x - 0.05 * self.spread("shift_x")) / scale
        y = (self.y - 0.03 - 0.025 * self.spread("shift_y")) / scale
        self.u, self.v = x * roll.cos() + y * roll.sin(), y * roll.cos() - x * roll.sin()
        self.pixel = 2 / size / scale
        self.mix_colours()

    # what the parts share

    def spread(self, trait):
        return 2 * self.trait[trait] - 1

    def colour(self, triple):
        return torch.tensor(triple, device=self.device)[:, None, None]

    def pick(self, palette, trait):
        """A colour on the way through a palette."""
        palette = torch.tensor(palette, device=self.device)
        place = self.trait[trait].flatten() * (len(palette) - 1)
        low = place.long().clamp_(max=len(palette) - 2)
        return torch.lerp(palette[low], palette[low + 1], (place - low)[:, None])[:, :, None, None]

    def window(self, u, top, bottom, turn=0.0):
        """The part of the pictures where |u| and v stay in these limits, whatever the pose; yaw shifts it by `turn`."""
        place = (1.08 * np.array([-u, u, top, bottom]) + REACH * np.array([-1, 1, -1, 1]) + 1) * self.size / 2
        left, right, top, bottom = np.clip(place.round().astype(int), 0, self.size)
        rows, columns = slice(top, bottom), slice(left, right)
        u = self.u[:, rows, columns] - turn * self.spread("yaw")
        return Window(self.image[:, :, rows, columns], u, self.v[:, rows, columns], self.pixel)

    def mix_colours(self):
        skin = self.pick(SKIN, "skin") + 0.02 * self.spread("warmth")[:, None] * self.colour((1.0, 0.0, -1.0))
        self.skin = torch.lerp(skin, self.colour((0.96, 0.93, 0.93)), 0.72 * self.on["Pale_Skin"][:, None])
        self.shade = self.skin * self.colour((0.78, 0.67, 0.67))
        self.crease = self.skin * self.colour((0.58, 0.43, 0.42))
        self.dark = self.skin * 0.16 + 0.04  # brows and beards: darker than any skin, whatever the hair
        # Every colour of hair owns a band, from the temples down; a band whose colour is off takes its neighbour's.
        # Dip-dyed hair has its own colour only from that band down, so that a colour is always found at its place.
        flags = torch.stack([self.on[name].flatten() for name in HAIR], 1)
        place = torch.arange(len(HAIR), device=self.device)
        distance = (place[:, None] - place).abs() + len(HAIR) * (1 - flags[:, None])
        named = torch.tensor([*HAIR.values()], device=self.device)[distance.argmin(2)]
        other = self.pick(OTHER_HAIR, "other_hair")[:, None, :, 0, 0]
        above = flags.cumsum(1) == 0
        dyed = above & ((self.trait["dyed"][:, 0] < DYED) | ~flags.any(1, keepdim=True))
        self.bands = torch.where(dyed[..., None], other, named) * (1 + 0.06 * self.spread("hair_light"))
