"""A brush for batches of small pictures: signed distances of simple shapes, and blending them with clean edges.

All functions are elementwise in torch: (n, h, w) coordinates in, (n, h, w) out, on any device.
"""

import torch


class Window:
    """A rectangle of `n` pictures (n, 3, h, w) that can be painted on.

    `u`, `v` are the coordinates of its pixels (n, h, w), `m` is |u| (what is drawn in `m` appears left and right), and
    `pixel` is the width of a pixel in these coordinates (n, 1, 1).
    """

    def __init__(self, image, u, v, pixel):
        self.image, self.u, self.v, self.m, self.pixel = image, u, v, u.abs(), pixel

    def cover(self, distance, soft=0.0):
        """How much of each pixel a shape covers, by its signed distance; `soft` widens the edge beyond one pixel."""
        return (0.5 - distance / (self.pixel + soft)).clamp_(0, 1)

    def line(self, distance, half):
        """Coverage of a line along distance 0. Thinner than a pixel it fades, so that all sizes look alike."""
        distance = distance.abs()
        return self.cover(distance - half) - self.cover(distance + half)

    def paint(self, alpha, colour):
        """Blend a colour, three numbers in [0, 1] or a tensor (n, 3, 1, 1), where `alpha` says."""
        if not torch.is_tensor(colour):
            colour = torch.tensor(colour, device=self.image.device)[None, :, None, None]
        self.image.lerp_(colour, alpha[:, None])


def ellipse(u, v, a, b):
    """Signed distance to an ellipse with half-axes `a`, `b`: first order, exact on the outline and on circles."""
    u, v = u / a, v / b
    k = (u * u + v * v).sqrt()
    u, v = u / a, v / b
    return k * (k - 1) / ((u * u + v * v).sqrt() + 1e-6)


def disc(u, v, radius):
    """Signed distance to a circle."""
    return (u * u + v * v).sqrt() - radius


def box(u, v, a, b, r=0.0):
    """Signed distance to a box with half-sides `a`, `b` and corners of radius `r`."""
    u, v = u.abs() - (a - r), v.abs() - (b - r)
    return (u.clamp(min=0) ** 2 + v.clamp(min=0) ** 2).sqrt() + torch.maximum(u, v).clamp(max=0) - r


def segment(u, v, u0, v0, u1, v1):
    """Distance to a line from (u0, v0) to (u1, v1)."""
    du, dv = u1 - u0, v1 - v0
    u, v = u - u0, v - v0
    t = ((u * du + v * dv) / (du * du + dv * dv)).clamp_(0, 1)
    return ((u - t * du) ** 2 + (v - t * dv) ** 2).sqrt()


def both(*shapes):
    """Intersection."""
    d = shapes[0]
    for shape in shapes[1:]:
        d = torch.maximum(d, shape)
    return d


def merge(d, e, k):
    """Union with a fillet of about `k` (Quilez, polynomial smooth minimum)."""
    h = (k - (d - e).abs()).clamp_(min=0)
    return torch.minimum(d, e) - h * h / (4 * k)


def ramp(x, low, high):
    """0 below `low`, 1 above `high`, smooth between."""
    t = ((x - low) / (high - low)).clamp_(0, 1)
    return t * t * (3 - 2 * t)
