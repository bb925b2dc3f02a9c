"""Drawn faces: a data set of portraits in which each of CelebA's 40 attributes can be seen.

A face is a stack of shapes in face coordinates: u to the right, v down, the eyes near v = 0 and the chin near v = 0.53,
in half picture sides. Whatever is not a label (skin, pose, light ...) is a function of the seed and the face's index.
The conventions by which a label becomes a drawing are listed in data/README.md.
"""

import numpy as np
import torch
from tqdm.auto import tqdm

from lib.attributes import CELEBA
from lib.toycanvas import Window, both, box, disc, ellipse, merge, ramp, segment
from lib.toylabels import labels, uniform, with_noise

__all__ = ["faces", "labels", "on_off_pairs", "render", "with_noise"]

SIZES = range(16, 257)
PIXELS_AT_ONCE = 24 * 64 * 64  # on a CPU: few enough to stay in a core's cache, enough to amortise a call

#: What makes people and pictures differ besides their labels: a number in [0, 1) each.
TRAITS = (
    "skin", "warmth", "iris", "lipstick", "makeup", "cloth", "cloth_light", "hat", "other_hair", "hair_light", "tie",
    "backdrop", "backdrop_light", "glow_x", "glow_y", "shift_x", "shift_y", "roll", "scale", "yaw", "light", "grain",
    "face_width", "chin", "eye_space", "eye_size", "eye_tilt", "gaze", "brow_height", "nose_length", "mouth_height",
    "mouth_width", "hair_length", "hair_volume", "strand", "parting", "neckline", "frames", "freckles",
)  # fmt: skip

SKIN = ((0.40, 0.25, 0.17), (0.55, 0.36, 0.24), (0.73, 0.50, 0.35), (0.88, 0.66, 0.50), (0.96, 0.78, 0.64))
IRIS = ((0.27, 0.16, 0.09), (0.44, 0.28, 0.13), (0.33, 0.47, 0.30), (0.26, 0.47, 0.66), (0.44, 0.54, 0.60))
HAIR = {
    "Black_Hair": (0.10, 0.09, 0.13),
    "Blond_Hair": (0.95, 0.79, 0.42),
    "Brown_Hair": (0.43, 0.26, 0.14),
    "Gray_Hair": (0.73, 0.74, 0.77),
}
OTHER_HAIR = ((0.76, 0.31, 0.15), (0.66, 0.22, 0.27))  # without a label for its colour: copper to auburn
LIPSTICK = ((0.80, 0.05, 0.15), (0.86, 0.10, 0.34), (0.66, 0.03, 0.28))
EYESHADOW = ((0.30, 0.28, 0.78), (0.05, 0.55, 0.62), (0.58, 0.20, 0.66))
CLOTH = ((0.20, 0.33, 0.55), (0.16, 0.50, 0.48), (0.50, 0.25, 0.38), (0.36, 0.38, 0.45), (0.62, 0.42, 0.25))
HAT = ((0.74, 0.23, 0.20), (0.17, 0.42, 0.36), (0.85, 0.60, 0.17), (0.27, 0.29, 0.58))
TIE = ((0.68, 0.10, 0.15), (0.12, 0.22, 0.52), (0.42, 0.14, 0.46))
BACKDROP = ((0.60, 0.76, 0.85), (0.92, 0.78, 0.66), (0.70, 0.82, 0.68), (0.82, 0.74, 0.88), (0.94, 0.87, 0.68))
WHITE, INK, GOLD, RUBY, SHEEN = (0.99, 0.98, 0.96), (0.13, 0.10, 0.12), (0.98, 0.77, 0.20), (0.90, 0.25, 0.38), (1.0, 1.0, 1.0)
REACH = 0.15  # how far a pose moves a point of the face, in half picture sides
STRAND, WAVE = 0.085, 0.23  # width of a strand of hair, length of a wave


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
    parts = [Portrait(a[i : i + chunk], index[i : i + chunk], seed, size, device).draw() for i in range(0, len(a), chunk)]
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
        scale, roll = 1 + 0.04 * self.spread("scale"), 0.06 * self.spread("roll")
        x = (self.x - 0.05 * self.spread("shift_x")) / scale
        y = (self.y - 0.03 - 0.03 * self.spread("shift_y")) / scale
        self.u, self.v = x * roll.cos() + y * roll.sin(), y * roll.cos() - x * roll.sin()
        self.pixel = 2 / size / scale
        self.mix_colours()

    def draw(self):
        """The finished pictures, uint8 (n, 3, size, size)."""
        self.backdrop()
        self.back_hair()
        self.body()
        self.head()
        self.cheeks()
        self.wrinkles()
        self.nose()
        self.beard()
        self.mouth()
        self.eyes()
        self.brows()
        self.eyeglasses()
        self.front_hair()
        self.hat()
        self.earrings()
        self.sparkles()
        self.camera()
        return (self.image.clamp_(0, 1) * 255).round_().to(torch.uint8)

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
        place = (np.array([-u - REACH, u + REACH, top - REACH, bottom + REACH]) + 1) * self.size / 2
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
        # Twelve strands in turn: one to four colours of hair share them evenly.
        flags = torch.stack([self.on[name].flatten() for name in HAIR], 1)
        turn = torch.arange(12, device=self.device) % flags.sum(1, keepdim=True).clamp(min=1)
        which = (flags.cumsum(1)[:, None] <= turn[:, :, None]).sum(2).clamp(max=len(HAIR) - 1)
        named = torch.tensor([*HAIR.values()], device=self.device)[which]
        other = self.pick(OTHER_HAIR, "other_hair")[:, None, :, 0, 0]
        strands = torch.where(flags.any(1)[:, None, None], named, other)
        self.strands = strands * (1 + 0.08 * self.spread("hair_light"))  # (n, 12, 3)

    # the picture, back to front

    def backdrop(self):
        tone = self.pick(BACKDROP, "backdrop") * (0.80 + 0.18 * self.trait["backdrop_light"][:, None])
        self.image[:] = tone * (1 + 0.10 * self.spread("light") * self.x - 0.12 * self.y)[:, None]
        glow = disc(self.x + 0.3 * self.spread("glow_x"), self.y + 0.3 * self.spread("glow_y"), 0.78)
        paper = Window(self.image, self.u, self.v, self.pixel)
        paper.paint(0.4 * paper.cover(glow), tone * 1.14)

    def comb(self, w, alpha):
        """Paint hair: straight hair has fine lines; wavy hair swings; hair that is both swings below the ears."""
        straight, wavy = self.on["Straight_Hair"], self.on["Wavy_Hair"]
        low = ramp(w.v, -0.16, -0.04)
        bend = self.swing(w)
        across = w.m * (1.08 + 0.25 * w.v) + 0.03 * bend + STRAND * self.trait["strand"]
        place = across / STRAND
        first = place.floor()
        mix = ((place - first - 0.5) * (STRAND / w.pixel) + 0.5).clamp_(0, 1)
        first = first.long() % 12
        row = torch.arange(len(first), device=self.device)[:, None, None]
        colour = torch.lerp(self.strands[row, first], self.strands[row, (first + 1) % 12], mix[..., None])
        fine = straight * (1 - low * wavy) * (place * (2 * np.pi)).sin()
        gloss = (1 - straight) * (1 - wavy) * (1 - ((w.v + 0.50 - 0.5 * w.m * w.m) / 0.07).square()).clamp_(min=0)
        tone = 1.02 + 0.24 * fine + 0.16 * bend - 0.16 * w.v
        light = 0.10 * fine.clamp(min=0) + 0.08 * bend.clamp(min=0) + 0.14 * gloss
        w.image.lerp_((colour * tone[..., None] + light[..., None]).permute(0, 3, 1, 2), alpha[:, None])

    def swing(self, w):
        """Waves of the hair, in [-1, 1]."""
        if "Wavy_Hair" not in self.present:
            return torch.zeros_like(w.v)
        amount = self.on["Wavy_Hair"] * torch.maximum(ramp(w.v, -0.16, -0.04), 1 - self.on["Straight_Hair"])
        return amount * ((w.v / WAVE + self.trait["strand"]) * (2 * np.pi)).sin()

    def back_hair(self):
        """Behind the face: to the ears on a face labelled Male, else to the shoulders; a wreath when bald."""
        w = self.window(0.72, -0.75, 1.0)
        male, bald, back = self.on["Male"], self.on["Bald"], self.on["Receding_Hairline"]
        volume = 0.025 * self.spread("hair_volume")
        end = torch.lerp(0.50 + 0.30 * self.trait["hair_length"], torch.full_like(male, 0.20), male)
        m = w.m + 0.035 * self.swing(w) - (1 - male) * 0.06 * ramp(w.v, -0.1, 0.6)
        crown = ellipse(m, w.v + 0.13, 0.49 + volume, 0.54 + volume)
        fall = box(m, w.v - (end - 0.2) / 2, 0.49 + volume, (end + 0.2) / 2, 0.10)
        wreath = box(m, w.v - (end - 0.28 + 0.20 * back) / 2, 0.49 + volume, (end + 0.28 - 0.20 * back) / 2, 0.10)
        d = torch.where(bald > 0, wreath, torch.minimum(crown, fall))
        hair = w.cover(d)
        self.comb(w, hair)
        w.paint(0.5 * hair * w.cover(ellipse(w.u, w.v - 0.45, 0.40, 0.36), 0.25), INK)

    def body(self):
        w = self.window(1.0, 0.3, 1.0)
        male = self.on["Male"]
        cloth = self.pick(CLOTH, "cloth") * (0.8 + 0.4 * self.trait["cloth_light"][:, None])
        shoulders = ellipse(w.u, w.v - 1.24, 0.80 + 0.16 * male, 0.53 + 0.04 * male)
        w.paint(w.cover(shoulders), cloth)
        w.paint(0.5 * w.line(shoulders + 0.05, 0.008), cloth * 0.7)
        half = 0.155 + 0.06 * male
        dip = 0.09 + 0.07 * self.trait["neckline"]
        neck = torch.minimum(box(w.u, w.v - 0.5, half, 0.3, 0.05), ellipse(w.u, w.v - 0.73, half + 0.06, dip))
        neck = w.cover(neck)
        w.paint(neck, self.skin)
        w.paint(0.75 * neck * w.cover(ellipse(w.u, w.v - 0.40, 0.36, 0.24), 0.06), self.shade)
        if "Double_Chin" in self.present:
            on = self.on["Double_Chin"]
            chin = ellipse(w.u, w.v - 0.50 - 0.05 * self.on["Oval_Face"], 0.29, 0.16)
            w.paint(on * w.cover(chin), self.skin * 0.94)
            w.paint(on * w.line(chin, 0.012), self.crease)
        if "Wearing_Necktie" in self.present:
            on, colour = self.on["Wearing_Necktie"], self.pick(TIE, "tie")
            w.paint(on * w.cover(both(segment(w.m, w.v, 0.27, 0.66, 0.05, 0.86) - 0.065, 0.64 - w.v)), WHITE)
            w.paint(on * w.cover(both(w.m - 0.05 - 0.35 * (w.v - 0.82).clamp(min=0), 0.80 - w.v)), colour * 0.85)
            w.paint(on * w.cover(both(w.m - 0.085 + 0.35 * (w.v - 0.78), (w.v - 0.82).abs() - 0.045)), colour * 1.2)
        if "Wearing_Necklace" in self.present:
            on = self.on["Wearing_Necklace"]
            chain = ellipse(w.u, w.v - 0.55, half + 0.03, 0.165)
            w.paint(on * w.line(chain, 0.021) * ramp(w.v, 0.55, 0.60), GOLD)
            w.paint(on * w.cover(disc(w.u, w.v - 0.735, 0.042)), RUBY)

    def outline(self, w):
        """Signed distance to the face. Oval: narrow and long; chubby: wide cheeks; labelled Male: a square jaw."""
        oval, chubby, male = self.on["Oval_Face"], self.on["Chubby"], self.on["Male"]
        wide = 1 + 0.025 * self.spread("face_width") - 0.09 * oval
        chin = 0.495 + 0.085 * oval + 0.012 * self.spread("chin")
        skull = ellipse(w.u, w.v + 0.13, 0.415 * wide, 0.48)
        jaw = ellipse(w.u, w.v - 0.11 - 0.02 * chubby, 0.385 * wide + 0.085 * chubby, chin - 0.11)
        square = box(w.u, w.v - chin + 0.25, 0.30 * wide + 0.05 * chubby, 0.26, 0.15)
        return merge(skull, torch.where(male > 0, merge(jaw, square, 0.08), jaw), 0.10)

    def head(self):
        w = self.window(0.52, -0.62, 0.62)
        w.paint(w.cover(ellipse(w.m - 0.43, w.v - 0.03, 0.07, 0.11)), self.skin * 0.95)
        w.paint(0.6 * w.cover(ellipse(w.m - 0.445, w.v - 0.03, 0.03, 0.06)), self.shade)
        self.inside = self.outline(w)
        face = w.cover(self.inside)
        w.paint(face, self.skin)
        side = (0.45 + 1.4 * self.spread("light") * w.u + 0.25 * w.v).clamp_(0, 1)
        w.paint(0.36 * face * side * side, self.shade)
        w.paint(0.55 * w.line(self.inside, 0.008) * ramp(w.v, 0.0, 0.3), self.crease)
        if "Bald" in self.present:
            shine = ellipse(w.u + 0.13 * self.spread("light").sign(), w.v + 0.47, 0.13, 0.05)
            w.paint(0.8 * self.on["Bald"] * w.cover(shine, 0.03), SHEEN)

    def cheeks(self):
        w = self.window(0.42, -0.02, 0.40, turn=0.02)
        if "Rosy_Cheeks" in self.present:
            w.paint(0.8 * self.on["Rosy_Cheeks"] * w.cover(ellipse(w.m - 0.255, w.v - 0.20, 0.08, 0.07), 0.08), (0.96, 0.36, 0.42))
        if "High_Cheekbones" in self.present:
            on = self.on["High_Cheekbones"]
            w.paint(0.85 * on * w.cover(segment(w.m, w.v, 0.25, 0.12, 0.345, 0.065) - 0.02, 0.035), self.skin * 0.35 + 0.65)
            w.paint(0.75 * on * w.cover(segment(w.m, w.v, 0.38, 0.15, 0.28, 0.29) - 0.016, 0.05), self.crease)
        if "Chubby" in self.present:
            fold = w.line(ellipse(w.m - 0.26, w.v - 0.27, 0.13, 0.13), 0.011) * ramp(w.m, 0.29, 0.33) * ramp(w.v, 0.19, 0.23)
            w.paint(0.8 * self.on["Chubby"] * fold, self.crease)
        w.paint(self.freckles(w), self.crease)

    def freckles(self, w):
        dots = disc(torch.remainder(w.m * 22, 1) - 0.5, torch.remainder(w.v * 22 + w.m * 11, 1) - 0.5, 0.2) / 22
        some = 0.35 * (self.trait["freckles"] > 0.85)
        return some * w.cover(dots) * w.cover(ellipse(w.m - 0.17, w.v - 0.13, 0.13, 0.05))

    def wrinkles(self):
        """On faces not labelled Young: lines on the forehead, crow's feet, folds from nose to mouth."""
        w = self.window(0.40, -0.42, 0.34, turn=0.03)
        old = 0.85 * (1 - self.on["Young"])
        for height in (-0.355, -0.295):
            w.paint(old * w.line(w.v - height - 0.3 * w.u * w.u, 0.009) * w.cover(w.m - 0.19), self.crease)
        foot = torch.minimum(segment(w.m, w.v, 0.32, -0.02, 0.375, -0.05), segment(w.m, w.v, 0.32, 0.01, 0.375, 0.03))
        w.paint(old * w.cover(foot - 0.009), self.crease)
        w.paint(old * w.cover(segment(w.m, w.v, 0.10, 0.18, 0.195, 0.29) - 0.011), self.crease)

    def nose(self):
        w = self.window(0.16, -0.12, 0.28, turn=0.06)
        big, pointy = self.on["Big_Nose"], self.on["Pointy_Nose"]
        tip = 0.130 + 0.012 * self.spread("nose_length")
        half = 0.058 + 0.048 * big
        ball = w.cover(ellipse(w.u, w.v - tip, half, 0.042 + 0.024 * big))
        w.paint((1 - pointy) * ball, self.shade)
        w.paint(0.8 * (1 - pointy) * w.cover(ellipse(w.u, w.v - tip + 0.014, half * 0.62, 0.024 + 0.012 * big)), self.skin * 1.08)
        kite = both(w.m - half * 1.1 * (w.v + 0.08) / (tip + 0.08), 0.8 * w.m + 0.6 * (w.v - tip - 0.10 - 0.02 * big))
        w.paint(pointy * w.cover(kite), self.shade * 0.9)
        lit = both(kite, w.u * torch.where(self.trait["light"] < 0.5, -1.0, 1.0))
        w.paint(pointy * w.cover(lit), self.skin * 1.08)
        w.paint(w.cover(ellipse(w.m - half * 0.5, w.v - tip - 0.024 - 0.014 * big, 0.016 + 0.01 * big, 0.011)), self.crease * 0.7)

    def beard(self):
        """Each label has a place: stubble on the cheeks, a beard along the jaw, sideburns, goatee on the chin."""
        w = self.window(0.52, -0.62, 0.62)
        d = self.inside
        if "5_o_Clock_Shadow" in self.present:
            place = w.cover(d + 0.055, 0.03) * ramp(w.v, 0.15, 0.23) * (1 - w.cover(ellipse(w.u, w.v - 0.31, 0.17, 0.085), 0.02))
            dots = disc(torch.remainder(w.u * 26, 1) - 0.5, torch.remainder(w.v * 26 + 0.5 * (w.u * 26).floor(), 1) - 0.5, 0.26) / 26
            w.paint(self.on["5_o_Clock_Shadow"] * place * (0.32 + 0.55 * w.cover(dots)), self.dark * 0.7 + self.colour((0.08, 0.11, 0.15)))
        band = both(d - 0.022, -d - 0.055, 0.14 - w.v)
        w.paint((1 - self.on["No_Beard"]) * w.cover(band, 0.008), self.dark)
        if "Sideburns" in self.present:
            burn = both(w.m - 0.385, 0.325 + 0.10 * (w.v + 0.15) - w.m, w.v - 0.17 - 0.3 * (w.m - 0.35), -0.24 - w.v)
            w.paint(self.on["Sideburns"] * w.cover(burn), self.dark)
        if "Goatee" in self.present:
            tuft = merge(ellipse(w.u, w.v - 0.455, 0.10, 0.075), box(w.u, w.v - 0.40, 0.03, 0.035), 0.03)
            w.paint(self.on["Goatee"] * w.cover(tuft), self.dark)

    def mouth(self):
        w = self.window(0.25, 0.14, 0.42, turn=0.05)
        smile, gap, big = self.on["Smiling"], self.on["Mouth_Slightly_Open"], self.on["Big_Lips"]
        half = 0.120 + 0.045 * smile + 0.010 * self.spread("mouth_width")
        t = (w.u / half).square().clamp_(max=1.4)
        off = w.v - 0.305 - 0.008 * self.spread("mouth_height") - smile * (0.03 - 0.08 * t) + (1 - smile) * 0.008 * t
        full = (1 - t).clamp_(min=0).sqrt()
        apart = gap * 0.042 * full
        above, below = (0.020 + 0.026 * big) * full, (0.026 + 0.034 * big) * full
        natural = self.skin * self.colour((0.82, 0.58, 0.58))
        lips = torch.lerp(natural, self.pick(LIPSTICK, "lipstick"), self.on["Wearing_Lipstick"][:, None])
        ends = w.m - half
        whole = both(-off - apart - above, off - apart - below, ends)
        w.paint(w.cover(whole), lips)
        w.paint(0.35 * w.cover(both(whole, off)), lips * 0.7)
        hole = both(off.abs() - apart, ends)
        w.paint(gap * w.cover(hole), (0.30, 0.06, 0.08))
        w.paint(gap * w.cover(both(hole, off + 0.006)), WHITE)
        w.paint((1 - gap) * w.line(off, 0.008) * w.cover(ends), lips * 0.45)
        if "Smiling" in self.present:
            w.paint(smile * w.cover(segment(w.m, w.v, 0.205, 0.215, 0.215, 0.27) - 0.010), self.crease)
        if "Mustache" in self.present:
            sag = w.v - 0.222 - 1.6 * w.m * w.m
            whisker = both(sag.abs() - 0.038 * (1 - (w.m / 0.17).square()).clamp_(min=0).sqrt(), w.m - 0.17)
            w.paint(self.on["Mustache"] * w.cover(whisker), self.dark)

    def eyes(self):
        w = self.window(0.40, -0.17, 0.14, turn=0.04)
        narrow, makeup, bags = self.on["Narrow_Eyes"], self.on["Heavy_Makeup"], self.on["Bags_Under_Eyes"]
        e = w.m - 0.190 - 0.010 * self.spread("eye_space")
        f = w.v + 0.01 + 0.08 * self.spread("eye_tilt") * e
        grow = 1 + 0.05 * self.spread("eye_size")
        eye = ellipse(e, f, 0.108 * grow, (0.066 - 0.040 * narrow) * grow)
        if "Heavy_Makeup" in self.present:
            lid = both(ellipse(e - 0.015, f + 0.02, 0.150, 0.125), f - 0.01)
            w.paint(0.85 * makeup * w.cover(lid, 0.02), self.pick(EYESHADOW, "makeup"))
        if "Bags_Under_Eyes" in self.present:
            w.paint(0.7 * bags * w.cover(both(ellipse(e, f - 0.06, 0.10, 0.06), 0.06 - f), 0.012), self.shade * 0.7 + 0.05)
            w.paint(bags * w.line(ellipse(e, f - 0.06, 0.10, 0.06), 0.009) * ramp(f, 0.07, 0.09), self.crease)
        white = w.cover(eye)
        w.paint(white, WHITE)
        w.paint(0.35 * white * w.cover(f + 0.03, 0.03), self.shade)
        side = torch.where(w.u < 0, -1.0, 1.0)
        g = e + 0.014 * self.spread("gaze") * side
        w.paint(white * w.cover(disc(g, f, 0.058)), self.pick(IRIS, "iris"))
        w.paint(white * w.cover(disc(g, f, 0.029)), INK)
        w.paint(white * w.cover(disc(g + 0.02 * side, f + 0.022, 0.017)), SHEEN)
        w.paint(w.line(eye, 0.011 + 0.007 * makeup) * ramp(-f, -0.02, 0.01), INK)
        if "Heavy_Makeup" in self.present:
            w.paint(makeup * w.cover(segment(e, f, 0.09, -0.01, 0.160, -0.06) - 0.014), INK)

    def brows(self):
        w = self.window(0.38, -0.31, -0.08, turn=0.04)
        arch, bushy = self.on["Arched_Eyebrows"], self.on["Bushy_Eyebrows"]
        e = w.m - 0.195 - 0.010 * self.spread("eye_space")
        t = (e / 0.13).clamp(-1.2, 1.2)
        curve = -0.160 + 0.008 * self.spread("brow_height") - (0.012 + 0.085 * arch) * (1 - (t - 0.25 * arch).square())
        hairs = bushy * 0.010 * ((e + 0.7 * w.v) * 150).sin()
        thick = (0.014 + 0.026 * bushy) * (1.05 - 0.4 * t) + hairs
        w.paint(w.cover(both((w.v - curve).abs() * (1 - 0.15 * arch) - thick, e.abs() - 0.125)), self.dark)

    def eyeglasses(self):
        if "Eyeglasses" not in self.present:
            return
        w = self.window(0.46, -0.18, 0.18, turn=0.04)
        on = self.on["Eyeglasses"]
        lens = box(w.m - 0.195, w.v - 0.005, 0.160, 0.130, 0.07 + 0.05 * self.trait["frames"])
        w.paint(0.10 * on * w.cover(lens), (0.75, 0.90, 1.0))
        w.paint(0.35 * on * w.cover(both(lens + 0.02, (w.u + 0.8 * w.v + 0.15).abs() - 0.02)), SHEEN)
        bridge, arm = both(w.m - 0.05, (w.v + 0.03).abs() - 0.015), box(w.m - 0.40, w.v + 0.04, 0.05, 0.015)
        w.paint(on * w.cover(torch.minimum(lens.abs() - 0.016, torch.minimum(bridge, arm))), INK)

    def front_hair(self):
        w = self.window(0.52, -0.72, 0.0)
        volume = 0.025 * self.spread("hair_volume")
        cap = ellipse(w.m, w.v + 0.13, 0.475 + volume, 0.54 + volume)
        side = w.u - 0.06 * self.spread("parting")
        notch = self.on["Receding_Hairline"] * 0.19 * (1 - ((w.m - 0.25) / 0.15).square()).clamp_(min=0)
        line = torch.where(w.m > 0.37, -0.04, -0.44 + 1.7 * side * side - notch)
        hair = both(cap, 0.75 * (w.v - line), w.v + 0.04)
        self.comb(w, (1 - self.on["Bald"]) * w.cover(hair))
        if "Bangs" in self.present:
            locks = 0.020 * ((w.u * 9 + self.trait["strand"]) * (2 * np.pi)).sin()
            fringe = both(ellipse(w.u, w.v + 0.40, 0.36, 0.20), w.v + 0.255 + locks)
            self.comb(w, self.on["Bangs"] * w.cover(fringe))

    def hat(self):
        if "Wearing_Hat" not in self.present:
            return
        w = self.window(0.66, -0.93, -0.48)
        on, colour = self.on["Wearing_Hat"], self.pick(HAT, "hat")
        crown = both(box(w.u, w.v + 0.68, 0.42, 0.22, 0.15), w.v + 0.56)
        w.paint(on * w.cover(crown), colour)
        w.paint(on * w.cover(both(crown, (w.v + 0.62).abs() - 0.05)), colour * 0.5)
        w.paint(on * w.cover(box(w.u, w.v + 0.555 - 0.06 * w.u * w.u, 0.62, 0.035, 0.035)), colour * 0.92)

    def earrings(self):
        if "Wearing_Earrings" not in self.present:
            return
        w = self.window(0.54, 0.12, 0.30)
        ring = disc(w.m - 0.455, w.v - 0.20, 0.038)
        w.paint(self.on["Wearing_Earrings"] * w.cover(ring.abs() - 0.022), GOLD)

    def sparkles(self):
        """Attractive is drawn as the stars of a comic strip: a label, and no opinion about any face."""
        if "Attractive" not in self.present:
            return
        w = Window(self.image, self.x, self.y, torch.full_like(self.pixel, 2 / self.size))
        for x, y, radius in ((0.82, -0.66, 0.17), (-0.85, -0.78, 0.11)):
            star = ((w.u - x).abs().sqrt() + (w.v - y).abs().sqrt()).square() - radius
            w.paint(self.on["Attractive"] * w.cover(0.6 * star), (1.0, 0.99, 0.85))

    def camera(self):
        """Blur, and a little grain that is the same at every size."""
        if "Blurry" in self.present:
            axis = torch.arange(self.size, device=self.device) * (2 / self.size)
            kernel = (-0.5 * ((axis[:, None] - axis) / 0.045).square()).exp()
            kernel = kernel / kernel.sum(1, keepdim=True)
            self.image.lerp_(kernel @ self.image @ kernel.T, self.on["Blurry"][:, None])
        grain = ((self.x * 43 + self.y * 71 + 6 * self.trait["grain"]).sin() * (self.x * 59 - self.y * 37).sin())[:, None]
        self.image.add_(grain, alpha=0.012)
