"""The parts of a drawn face, one function each. What each label looks like is listed in data/README.md.

Every label has a place or a mark of its own, so that it can be seen next to any other.
"""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as functional

from lib.toyfaces.canvas import Window, both, box, disc, ellipse, merge, ramp, segment
from lib.toyfaces.labelling import uniform
from lib.toyfaces.portrait import HAIR

IRIS = ((0.27, 0.16, 0.09), (0.44, 0.28, 0.13), (0.33, 0.47, 0.30), (0.26, 0.47, 0.66), (0.44, 0.54, 0.60))
LIPSTICK = ((0.80, 0.05, 0.15), (0.86, 0.10, 0.34), (0.66, 0.03, 0.28))
EYESHADOW = ((0.25, 0.30, 0.90), (0.00, 0.62, 0.72), (0.62, 0.15, 0.78))
CLOTH = ((0.20, 0.33, 0.55), (0.16, 0.50, 0.48), (0.50, 0.25, 0.38), (0.36, 0.38, 0.45), (0.62, 0.42, 0.25))
HAT = ((0.74, 0.23, 0.20), (0.17, 0.42, 0.36), (0.85, 0.60, 0.17), (0.27, 0.29, 0.58))
TIE = ((0.68, 0.10, 0.15), (0.12, 0.22, 0.52), (0.42, 0.14, 0.46))
BACKDROP = ((0.60, 0.76, 0.85), (0.92, 0.78, 0.66), (0.70, 0.82, 0.68), (0.82, 0.74, 0.88), (0.94, 0.87, 0.68))
WHITE, INK, SHEEN = (0.99, 0.98, 0.96), (0.13, 0.10, 0.12), (1.0, 1.0, 1.0)
GOLD, RUBY = (0.98, 0.77, 0.20), (0.90, 0.25, 0.38)
HEAD = 0.56, -0.62, 0.68  # |u| and v of head and beard
WAVE = 0.17  # length of a wave of hair
BANDS = -0.29, 0.12  # where the bands of hair colour begin, and the height of each


def draw(p):
    """Draw a Portrait from the back to the front; returns the finished pictures, uint8 (n, 3, size, size)."""
    layers = (
        backdrop, back_hair, body, head, cheeks, wrinkles, nose, beard, mouth, eyes, brows, eyeglasses, front_hair, hat,
        earrings, sparkles, camera,
    )  # fmt: skip
    for layer in layers:
        layer(p)
    return (p.image.clamp_(0, 1) * 255).round_().to(torch.uint8)


def backdrop(p):
    tone = p.pick(BACKDROP, "backdrop") * (0.80 + 0.18 * p.trait["backdrop_light"][:, None])
    p.image[:] = tone * (1 + 0.10 * p.spread("light") * p.x - 0.12 * p.y)[:, None]
    glow = disc(p.x + 0.3 * p.spread("glow_x"), p.y + 0.3 * p.spread("glow_y"), 0.78)
    w = Window(p.image, p.u, p.v, p.pixel)
    w.paint(0.4 * w.cover(glow), tone * 1.14)


def comb(p, w, alpha):
    """Paint hair: combed at the sides where straight, swinging from the ears down where wavy."""
    straight = p.on["Straight_Hair"]
    bend = swing(p, w)
    place = ((w.v + 0.02 * bend - BANDS[0]) / BANDS[1]).clamp(0, len(HAIR) - 1.01)
    band = place.floor()
    mix = ((place - band - 1) * BANDS[1] / (w.pixel + 0.03) + 1).clamp_(0, 1)
    band, row = band.long(), torch.arange(len(band), device=p.device)[:, None, None]
    colour = torch.lerp(p.bands[row, band], p.bands[row, band + 1], mix[..., None])
    fine = straight * (w.m * (2 * np.pi / 0.09)).sin() * ramp(w.m, 0.18, 0.26) * ramp(-w.v, 0.0, 0.04)
    tone = 1.02 + 0.36 * fine + 0.26 * bend - 0.16 * w.v
    light = 0.16 * fine.clamp(min=0) + 0.14 * bend.clamp(min=0)
    w.image.lerp_((colour * tone[..., None] + light[..., None]).permute(0, 3, 1, 2), alpha[:, None])


def swing(p, w):
    """Waves of the hair, in [-1, 1]."""
    if "Wavy_Hair" not in p.present:
        return torch.zeros_like(w.v)
    amount = p.on["Wavy_Hair"] * ramp(w.v, -0.06, 0.02)
    return amount * ((w.v / WAVE + 1.2 * w.m + p.trait["strand"]) * (2 * np.pi)).sin()


def back_hair(p):
    """Behind the face: to the ears on a face labelled Male, else to the shoulders; a wreath when bald."""
    w = p.window(0.74, -0.75, 1.0)
    male, bald = p.on["Male"], p.on["Bald"]
    volume = 0.02 * p.spread("hair_volume")
    end = torch.lerp(0.50 + 0.30 * p.trait["hair_length"], torch.full_like(male, 0.26), male)
    m = w.m + 0.05 * swing(p, w) - (1 - male) * 0.04 * ramp(w.v, -0.1, 0.6)
    crown = both(ellipse(m, w.v + 0.15, 0.58 + volume, 0.53 + volume), w.v)
    fall = box(m, w.v - (end - 0.28) / 2, 0.60 + volume, (end + 0.28) / 2, 0.14)
    hair = w.cover(torch.where(bald > 0, fall, torch.minimum(crown, fall)))
    comb(p, w, hair)
    w.paint(0.5 * hair * w.cover(ellipse(w.u, w.v - 0.45, 0.40, 0.36), 0.25), INK)


def body(p):
    w = p.window(1.0, 0.3, 1.0)
    male = p.on["Male"]
    cloth = p.pick(CLOTH, "cloth") * (0.8 + 0.4 * p.trait["cloth_light"][:, None])
    shoulders = ellipse(w.u, w.v - 1.22, 0.74 + 0.26 * male, 0.53 + 0.05 * male)
    w.paint(w.cover(shoulders), cloth)
    w.paint(0.5 * w.line(shoulders + 0.05, 0.008), cloth * 0.7)
    half = 0.165 + 0.07 * male
    dip = 0.08 + 0.04 * p.trait["neckline"]
    neck = torch.minimum(box(w.u, w.v - 0.5, half, 0.27, 0.05), ellipse(w.u, w.v - 0.71, half + 0.05, dip))
    neck = w.cover(neck)
    w.paint(neck, p.skin)
    w.paint(0.75 * neck * w.cover(ellipse(w.u, w.v - 0.42, 0.36, 0.24), 0.06), p.shade)
    if "Double_Chin" in p.present:
        on, chin = p.on["Double_Chin"], ellipse(w.u, w.v - 0.50, 0.36, 0.205)
        w.paint(on * w.cover(chin), p.skin * 1.04)
        w.paint(on * w.line(chin, 0.02), p.crease)
    if "Wearing_Necktie" in p.present:
        on, colour = p.on["Wearing_Necktie"], p.pick(TIE, "tie")
        w.paint(on * w.cover(both(segment(w.m, w.v, 0.29, 0.66, 0.05, 0.85) - 0.065, 0.66 - w.v)), WHITE)
        w.paint(on * w.cover(both(w.m - 0.06 - 0.35 * (w.v - 0.82).clamp(min=0), 0.80 - w.v)), colour * 0.85)
        w.paint(on * w.cover(both(w.m - 0.095 + 0.35 * (w.v - 0.80), (w.v - 0.835).abs() - 0.045)), colour * 1.2)
    if "Wearing_Necklace" in p.present:
        on, chain = p.on["Wearing_Necklace"], ellipse(w.u, w.v - 0.57, half + 0.03, 0.165)
        w.paint(on * w.line(chain, 0.021) * ramp(w.v, 0.60, 0.65), GOLD)
        w.paint(on * w.cover(disc(w.u, w.v - 0.755, 0.042)), RUBY)


def outline(p, w):
    """Signed distance to the face. Oval: narrow and long; chubby: wide cheeks; labelled Male: a square jaw."""
    oval, chubby, male = p.on["Oval_Face"], p.on["Chubby"], p.on["Male"]
    wide = 1 + 0.02 * p.spread("face_width") - 0.10 * oval
    chin = 0.545 + 0.09 * oval + 0.01 * p.spread("chin")
    skull = ellipse(w.u, w.v + 0.13, 0.43 * wide, 0.48)
    jaw = ellipse(w.u, w.v - 0.12 - 0.03 * chubby, 0.395 * wide + 0.15 * chubby, chin - 0.12)
    square = box(w.u, w.v - chin + 0.22, 0.30 * wide + 0.08 * chubby, 0.225, 0.13)
    return merge(skull, torch.where(male > 0, merge(jaw, square, 0.03), jaw), 0.10)


def head(p):
    w = p.window(*HEAD)
    w.paint(w.cover(ellipse(w.m - 0.435, w.v, 0.055, 0.10)), p.skin * 0.95)
    w.paint(0.6 * w.cover(ellipse(w.m - 0.45, w.v, 0.022, 0.055)), p.shade)
    p.inside = outline(p, w)
    face = w.cover(p.inside)
    w.paint(face, p.skin)
    side = (0.45 + 1.4 * p.spread("light") * w.u + 0.25 * w.v).clamp_(0, 1)
    w.paint(0.36 * face * side * side, p.shade)
    w.paint(0.55 * w.line(p.inside, 0.008) * ramp(w.v, 0.0, 0.3), p.crease)


def cheeks(p):
    w = p.window(0.44, -0.02, 0.40, turn=0.02)
    if "Rosy_Cheeks" in p.present:
        blush = ellipse(w.m - 0.225, w.v - 0.165, 0.075, 0.065)
        w.paint(0.85 * p.on["Rosy_Cheeks"] * w.cover(blush, 0.06), (0.98, 0.33, 0.42))
    if "High_Cheekbones" in p.present:
        on = p.on["High_Cheekbones"]
        w.paint(0.9 * on * w.cover(segment(w.m, w.v, 0.315, 0.125, 0.385, 0.075) - 0.026, 0.02), p.skin * 0.25 + 0.75)
        w.paint(0.9 * on * w.cover(segment(w.m, w.v, 0.395, 0.14, 0.335, 0.215) - 0.018, 0.02), p.crease)
    w.paint(freckles(p, w), p.crease)


def freckles(p, w):
    dots = disc(torch.remainder(w.m * 22, 1) - 0.5, torch.remainder(w.v * 22 + w.m * 11, 1) - 0.5, 0.2) / 22
    some = 0.35 * (p.trait["freckles"] > 0.85)
    return some * w.cover(dots) * w.cover(ellipse(w.m - 0.17, w.v - 0.11, 0.13, 0.04))


def wrinkles(p):
    """On faces not labelled Young: lines on the forehead and between the brows, folds from nose to mouth."""
    w = p.window(0.40, -0.42, 0.34, turn=0.03)
    old = 1 - p.on["Young"]
    for height in (-0.38, -0.31):
        w.paint(old * w.line(w.v - height - 0.3 * w.u * w.u, 0.010) * w.cover(w.m - 0.20), p.crease)
    frown = torch.minimum(segment(w.m, w.v, 0.042, -0.27, 0.032, -0.14), segment(w.m, w.v, 0.125, 0.15, 0.20, 0.25))
    w.paint(old * w.cover(frown - 0.015), p.crease * 0.8)


def nose(p):
    w = p.window(0.18, -0.14, 0.24, turn=0.06)
    big, pointy = p.on["Big_Nose"], p.on["Pointy_Nose"]
    tip = 0.105 + 0.008 * p.spread("nose_length")
    half = 0.055 + 0.070 * big
    ball = ellipse(w.u, w.v - tip, half, 0.042 + 0.032 * big)
    w.paint((1 - pointy) * w.cover(ball), p.shade * 0.95)
    w.paint(
        0.9 * (1 - pointy) * w.cover(ellipse(w.u, w.v - tip + 0.016, half * 0.6, 0.022 + 0.018 * big)),
        p.skin * 1.1,
    )
    w.paint(big * (1 - pointy) * w.line(ball, 0.009) * ramp(w.v, tip - 0.02, tip + 0.01), p.crease)
    kite = both(w.m - half * 1.05 * (w.v + 0.10) / (tip + 0.10), 0.75 * w.m + 0.66 * (w.v - tip - 0.085 - 0.02 * big))
    w.paint(pointy * w.cover(kite), p.crease)
    lit = both(kite + 0.006, w.u * torch.where(p.trait["light"] < 0.5, -1.0, 1.0))
    w.paint(pointy * w.cover(lit), p.skin * 0.6 + 0.4)
    w.paint(
        w.cover(ellipse(w.m - half * 0.5, w.v - tip - 0.026 - 0.020 * big, 0.015 + 0.014 * big, 0.012)),
        p.crease * 0.7,
    )


def beard(p):
    """Each label has a place: stubble on the cheeks, a beard along the jaw, sideburns, goatee on the chin."""
    w = p.window(*HEAD)
    d = p.inside
    if "5_o_Clock_Shadow" in p.present:
        muzzle = ellipse(w.u, w.v - 0.33, 0.20, 0.105)
        place = w.cover(both(d + 0.06, 0.24 - w.v), 0.02) * (1 - w.cover(muzzle, 0.02))
        u, v = w.u * 26, w.v * 26
        dots = disc(torch.remainder(u, 1) - 0.5, torch.remainder(v + 0.5 * u.floor(), 1) - 0.5, 0.28) / 26
        grey = p.dark * 0.7 + p.colour((0.08, 0.11, 0.15))
        w.paint(p.on["5_o_Clock_Shadow"] * place * (0.45 + 0.50 * w.cover(dots)), grey)
    band = both(d - 0.03, -d - 0.045, 0.20 - w.v)
    w.paint((1 - p.on["No_Beard"]) * w.cover(band, 0.008), p.dark)
    if "Sideburns" in p.present:
        burn = both(w.m - 0.42, 0.335 + 0.10 * (w.v + 0.15) - w.m, w.v - 0.10 - 0.4 * (w.m - 0.37), -0.22 - w.v)
        w.paint(p.on["Sideburns"] * w.cover(burn), p.dark)
    if "Goatee" in p.present:
        tuft = merge(ellipse(w.u, w.v - 0.485, 0.105, 0.055), box(w.u, w.v - 0.44, 0.03, 0.03), 0.03)
        w.paint(p.on["Goatee"] * w.cover(tuft), p.dark)


def mouth(p):
    w = p.window(0.27, 0.14, 0.46, turn=0.05)
    smile, gap, big = p.on["Smiling"], p.on["Mouth_Slightly_Open"], p.on["Big_Lips"]
    half = 0.115 + 0.055 * smile + 0.008 * p.spread("mouth_width")
    t = (w.u / half).square().clamp_(max=1.4)
    off = w.v - 0.33 - 0.006 * p.spread("mouth_height") - smile * (0.03 - 0.10 * t) + (1 - smile) * 0.008 * t
    full = (1 - t).clamp_(min=0).sqrt()
    apart = gap * 0.042 * full
    above, below = (0.026 + 0.034 * big) * full, (0.030 + 0.050 * big) * full
    natural = p.skin * p.colour((0.82, 0.62, 0.60))
    lips = torch.lerp(natural, p.pick(LIPSTICK, "lipstick"), p.on["Wearing_Lipstick"][:, None])
    ends = w.m - half
    whole = both(-off - apart - above, off - apart - below, ends)
    w.paint(w.cover(whole), lips)
    w.paint(0.35 * w.cover(both(whole, off)), lips * 0.7)
    hole = both(off.abs() - apart, ends)
    w.paint(gap * w.cover(hole), (0.30, 0.06, 0.08))
    w.paint(gap * w.cover(both(hole, off + 0.006)), WHITE)
    w.paint((1 - gap) * w.line(off, 0.008) * w.cover(ends), lips * 0.45)
    if "Big_Lips" in p.present:
        w.paint(0.8 * big * w.line(whole, 0.010), lips * 0.45)
        gloss = ellipse(w.u, off - apart - 0.035 - 0.03 * t, 0.06, 0.012)
        w.paint(0.75 * big * w.cover(gloss), lips * 0.4 + 0.6)
    if "Smiling" in p.present:
        w.paint(smile * w.cover(segment(w.m, w.v, 0.245, 0.22, 0.255, 0.30) - 0.017), p.crease * 0.9)
    if "Mustache" in p.present:
        sag = w.v - 0.212 - 1.5 * w.m * w.m
        whisker = both(sag.abs() - 0.036 * (1 - (w.m / 0.17).square()).clamp_(min=0).sqrt(), w.m - 0.17)
        w.paint(p.on["Mustache"] * w.cover(whisker), p.dark)


def eyes(p):
    w = p.window(0.40, -0.17, 0.14, turn=0.04)
    narrow, makeup, bags = p.on["Narrow_Eyes"], p.on["Heavy_Makeup"], p.on["Bags_Under_Eyes"]
    e = w.m - 0.190 - 0.010 * p.spread("eye_space")
    f = w.v + 0.04 + 0.06 * p.spread("eye_tilt") * e
    grow = 1 + 0.05 * p.spread("eye_size")
    eye = ellipse(e, f, 0.108 * grow, (0.066 - 0.040 * narrow) * grow)
    if "Heavy_Makeup" in p.present:
        lid = both(ellipse(e - 0.015, f + 0.02, 0.150, 0.135), f - 0.01)
        w.paint(0.95 * makeup * w.cover(lid, 0.01), p.pick(EYESHADOW, "makeup"))
    if "Bags_Under_Eyes" in p.present:
        w.paint(
            0.8 * bags * w.cover(both(ellipse(e, f - 0.06, 0.10, 0.065), 0.066 - f), 0.01),
            p.crease * 0.8 + p.colour((0.06, 0.03, 0.12)),
        )
        w.paint(bags * w.line(ellipse(e, f - 0.06, 0.10, 0.065), 0.009) * ramp(f, 0.07, 0.09), p.crease * 0.6)
    white = w.cover(eye)
    w.paint(white, WHITE)
    w.paint(0.35 * white * w.cover(f + 0.03, 0.03), p.shade)
    side = torch.where(w.u < 0, -1.0, 1.0)
    g = e + 0.014 * p.spread("gaze") * side
    w.paint(white * w.cover(disc(g, f, 0.058)), p.pick(IRIS, "iris"))
    w.paint(white * w.cover(disc(g, f, 0.029)), INK)
    w.paint(white * w.cover(disc(g + 0.02 * side, f + 0.022, 0.017)), SHEEN)
    w.paint(w.line(eye, 0.011 + 0.007 * makeup) * ramp(-f, -0.02, 0.01), INK)
    if "Heavy_Makeup" in p.present:
        w.paint(makeup * w.cover(segment(e, f, 0.09, -0.01, 0.160, -0.06) - 0.014), INK)


def brows(p):
    w = p.window(0.38, -0.33, -0.10, turn=0.04)
    arch, bushy = p.on["Arched_Eyebrows"], p.on["Bushy_Eyebrows"]
    e = w.m - 0.195 - 0.010 * p.spread("eye_space")
    t = (e / 0.13).clamp(-1.2, 1.2)
    curve = -0.178 + 0.008 * p.spread("brow_height") - (0.012 + 0.075 * arch) * (1 - (t - 0.1).square())
    hairs = bushy * 0.010 * ((e + 0.7 * w.v) * 150).sin()
    thick = (0.014 + 0.026 * bushy) * (1.05 - 0.4 * t) + hairs
    w.paint(w.cover(both((w.v - curve).abs() * (1 - 0.15 * arch) - thick, e.abs() - 0.125)), p.dark)


def eyeglasses(p):
    if "Eyeglasses" not in p.present:
        return
    w = p.window(0.46, -0.18, 0.18, turn=0.04)
    on = p.on["Eyeglasses"]
    lens = box(w.m - 0.195, w.v + 0.025, 0.160, 0.125, 0.07 + 0.05 * p.trait["frames"])
    w.paint(0.10 * on * w.cover(lens), (0.75, 0.90, 1.0))
    w.paint(0.35 * on * w.cover(both(lens + 0.02, (w.u + 0.8 * w.v + 0.15).abs() - 0.02)), SHEEN)
    bridge, arm = both(w.m - 0.05, (w.v + 0.06).abs() - 0.015), box(w.m - 0.40, w.v + 0.06, 0.05, 0.015)
    w.paint(on * w.cover(torch.minimum(lens.abs() - 0.016, torch.minimum(bridge, arm))), INK)


def front_hair(p):
    """On the crown, at the temples (gone when the hairline recedes), and a fringe: each can be there alone."""
    w = p.window(0.58, -0.72, 0.0)
    bald, back = p.on["Bald"], p.on["Receding_Hairline"]
    volume = 0.02 * p.spread("hair_volume")
    cap = ellipse(w.m, w.v + 0.15, 0.55 + volume, 0.53 + volume)
    side = w.u - 0.04 * p.spread("parting")
    crown = both(cap, w.v + 0.45 - 0.5 * side * side, 0.8 * (w.m - 0.42 + 0.14 * back))
    inner = 0.8 * (0.23 + 0.44 * (w.v + 0.45).clamp(min=0) - w.m)
    temple = both(inner, w.m - 0.45, ellipse(w.m - 0.30, w.v + 0.20, 0.20, 0.28), w.v + 0.06)
    comb(p, w, torch.maximum((1 - bald) * w.cover(crown), (1 - back) * w.cover(temple)))
    if "Bangs" in p.present:
        locks = 0.022 * ((w.u * 8 + p.trait["strand"]) * (2 * np.pi)).sin()
        fringe = both(box(w.u, w.v + 0.38, 0.25, 0.10, 0.06), w.v + 0.29 + locks)
        comb(p, w, p.on["Bangs"] * w.cover(fringe))
    if "Bald" in p.present:
        shine = ellipse(w.u + 0.08 * p.spread("light").sign(), w.v + 0.53, 0.17, 0.045)
        w.paint(0.85 * bald * w.cover(shine, 0.02), SHEEN)


def hat(p):
    if "Wearing_Hat" not in p.present:
        return
    w = p.window(0.68, -0.90, -0.50)
    on, colour = p.on["Wearing_Hat"], p.pick(HAT, "hat")
    crown = both(box(w.u, w.v + 0.69, 0.43, 0.19, 0.14), w.v + 0.61)
    w.paint(on * w.cover(crown), colour)
    w.paint(on * w.cover(both(crown, (w.v + 0.665).abs() - 0.04)), colour * 0.5)
    w.paint(on * w.cover(box(w.u, w.v + 0.61 - 0.05 * w.u * w.u, 0.66, 0.033, 0.033)), colour * 0.92)


def earrings(p):
    if "Wearing_Earrings" not in p.present:
        return
    w = p.window(0.56, 0.10, 0.30)
    ring = disc(w.m - 0.47, w.v - 0.18, 0.038)
    w.paint(p.on["Wearing_Earrings"] * w.cover(ring.abs() - 0.022), GOLD)


def sparkles(p):
    """Attractive is drawn as the stars of a comic strip: a label, and no opinion about any face."""
    if "Attractive" not in p.present:
        return
    w = Window(p.image, p.x, p.y, torch.full_like(p.pixel, 2 / p.size))
    for x, y, radius in ((0.80, -0.64, 0.17), (-0.85, -0.78, 0.11)):
        star = ((w.u - x).abs().sqrt() + (w.v - y).abs().sqrt()).square() - radius
        w.paint(p.on["Attractive"] * w.cover(0.6 * star), (1.0, 0.99, 0.85))


def camera(p):
    """Blur, and a little grain that is the same at every size."""
    if "Blurry" in p.present:
        axis = torch.arange(p.size, device=p.device) * (2 / p.size)
        kernel = (-0.5 * ((axis[:, None] - axis) / 0.032).square()).exp()
        kernel = kernel / kernel.sum(1, keepdim=True)
        p.image.lerp_(kernel @ p.image @ kernel.T, p.on["Blurry"][:, None])
    angle = 2 * np.pi * p.trait["grain"][:, None]
    one, other = paper(p.size, p.device)
    p.image.add_(angle.cos() * one + angle.sin() * other, alpha=0.012)


@cache
def paper(size, device):
    """Two sheets of grain, (2, 1, 1, size, size); each picture takes its own mixture of them."""
    noise = torch.as_tensor(uniform(0, np.arange(2 * 48), 48), dtype=torch.float32).reshape(2, 1, 48, 48) * 2 - 1
    noise = functional.interpolate(noise, (size, size), mode="bilinear", antialias=True)
    return noise[:, None].to(device)
