"""The face explorer: a checkbox per attribute, and the face that the mapping function and the decoder make of them."""

import base64
import html
import io

import ipywidgets as W
import numpy as np
import torch
from PIL import Image

from lib.attributes import CONFLICTS
from lib.data import to_uint8

#: Where on the picture an attribute is seen. What no region names stands under "other", so any data set will do.
REGIONS = {
    "hair": (
        "Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Receding_Hairline", "Sideburns",
        "Straight_Hair", "Wavy_Hair",
    ),
    "eyes": ("Arched_Eyebrows", "Bags_Under_Eyes", "Bushy_Eyebrows", "Narrow_Eyes"),
    "mouth": ("5_o_Clock_Shadow", "Big_Lips", "Goatee", "Mouth_Slightly_Open", "Mustache", "No_Beard", "Smiling"),
    "face": (
        "Attractive", "Big_Nose", "Chubby", "Double_Chin", "High_Cheekbones", "Male", "Oval_Face", "Pale_Skin",
        "Pointy_Nose", "Rosy_Cheeks", "Young",
    ),
    "wear": (
        "Eyeglasses", "Heavy_Makeup", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace",
        "Wearing_Necktie",
    ),
}  # fmt: skip


class FaceExplorer(W.VBox):
    """Choose attributes, see Decoder(Φ(a)) at once.

    phi, decoder   trained and frozen, on the CPU
    names          the A attributes
    a              (N, A) bool, labels of real faces: their majority is the first face, "random" draws one of the rows
    presets        name -> (A,) bool, further label vectors to start from

    `values` is the label vector on show, `picture` the PNG bytes of its face.
    """

    def __init__(self, phi, decoder, names, a, presets=None, seed=0):
        self.phi, self.decoder, self.names = phi.eval(), decoder.eval(), tuple(names)
        self.rows, self.rng = np.asarray(a, dtype=bool), np.random.default_rng(seed)
        self.presets = {"majority of each attribute": self.rows.mean(axis=0) > 0.5} | dict(presets or {})
        self.boxes = {name: W.Checkbox(description=name.replace("_", " "), indent=False) for name in self.names}
        self.face, self.warning = W.HTML(), W.HTML()
        self.start = W.Dropdown(options=list(self.presets), description="start from", tooltip="a set of attributes")
        random = W.Button(description="random", tooltip="the attributes of a randomly chosen real face")
        reset = W.Button(description="reset", tooltip="back to the set chosen under 'start from'")

        self.start.observe(lambda change: self.show(self.presets[change.new]), "value")
        random.on_click(lambda _: self.show(self.rows[self.rng.integers(len(self.rows))]))
        reset.on_click(lambda _: self.show(self.presets[self.start.value]))
        for box in self.boxes.values():
            box.observe(lambda _: self.update(), "value")
        self.silent = False
        self.show(self.presets[self.start.value])

        regions = W.HBox([self.region(*group) for group in grouped(self.names)], layout=W.Layout(flex_flow="row wrap"))
        columns = W.HBox([self.face, regions], layout=W.Layout(align_items="flex-start"))
        super().__init__([W.HBox([self.start, random, reset]), self.warning, columns])

    @property
    def values(self):
        """The label vector on show, (A,) bool."""
        return np.array([box.value for box in self.boxes.values()])

    def show(self, a):
        """Set all checkboxes to the label vector `a`, (A,), and draw its face once."""
        self.silent = True  # else each checkbox that changes draws a face
        for box, value in zip(self.boxes.values(), a, strict=True):
            box.value = bool(value)
        self.silent = False
        self.update()

    @torch.inference_mode()
    def update(self):
        """Draw the face of the checked attributes, and warn of those that contradict each other."""
        if self.silent:
            return
        a = torch.tensor(self.values[None], dtype=torch.float32)
        self.picture = png(to_uint8(self.decoder(self.phi(a)))[0].numpy())
        present = [name for name, box in self.boxes.items() if box.value]
        text = "generated face with " + (", ".join(present) or "none of the attributes")
        self.face.value = (
            f'<figure style="margin:0 1em 0 0"><img alt="{html.escape(text)}" width="256" height="256" '
            f'src="data:image/png;base64,{base64.b64encode(self.picture).decode()}">'
            "<figcaption>synthetic: made from labels, no photograph of a person</figcaption></figure>"
        )
        pairs = [f"{one} and {other}" for one, other in CONFLICTS if one in present and other in present]
        self.warning.value = (
            f'<p role="status">⚠ These contradict each other: {html.escape("; ".join(pairs))}.</p>' if pairs else ""
        )

    def region(self, title, names):
        """A titled column of checkboxes."""
        boxes = [self.boxes[name] for name in names]
        return W.VBox([W.HTML(f"<b>{title}</b>"), *boxes], layout=W.Layout(width="13em"))


def grouped(names):
    """Yield (region, its attributes among `names`) for each region that has any, each attribute in one of them."""
    for region, members in REGIONS.items():
        if here := [name for name in names if name in members]:
            yield region, here
    known = {name for members in REGIONS.values() for name in members}
    if other := [name for name in names if name not in known]:
        yield "other", other


def png(image):
    """PNG bytes of one uint8 image (3, S, S)."""
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "png")
    return file.getvalue()
