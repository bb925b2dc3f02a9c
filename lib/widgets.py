"""The face explorer in a notebook: a checkbox per attribute, and the face that Φ and the Decoder make of them.

It offers what the page of lib/explorer offers, and takes the page's addresses.
"""

import base64
import contextlib
import html
import io
from pathlib import Path

import ipywidgets as W
import numpy as np
import torch
from PIL import Image, ImageDraw, PngImagePlugin

from lib.data import to_float, to_uint8
from lib.explorer import state
from lib.explorer.description import STEP, describe
from lib.plots import readable

STATIONS = 7  # faces of the strip
SAVED = Path("synthetic-face.png")  # where "save picture" writes, in the notebook's folder


class FaceExplorer(W.VBox):
    """Choose attributes, see Decoder(Φ(a)) at once; or the same person changed,
    Decoder(z + s (Φ(a') - Φ(a))), s = `description.STEP`.

    phi, decoder   trained and frozen, on the CPU
    names          the A attributes
    a              (N, A) bool, labels of the faces that Φ has learned from; "random" takes one of the rows
    people         labels (P, A) and embeddings z (P, Z) of people to change, as description.people gives them
    judge          x -> logits (B, A), reads each face back; best one that had no part in training Φ

    `values` is the label vector on show, `picture` the PNG bytes of its face, `address.value` all that was chosen.
    """

    def __init__(self, phi, decoder, names, a, people, judge):
        self.phi, self.decoder, self.judge, self.names = phi.eval(), decoder.eval(), judge.eval(), tuple(names)
        self.rows, self.rng = np.asarray(a, dtype=bool), np.random.default_rng(0)
        self.people = [(np.asarray(labels, dtype=bool), torch.as_tensor(z)) for labels, z in zip(*people, strict=True)]
        self.offered = describe(names, a)
        persons = [("that of the labels", None), *((f"person {i + 1}", i + 1) for i in range(len(self.people)))]
        self.boxes = {name: W.Checkbox(description=readable(name), indent=False) for name in self.names}
        self.start = W.Dropdown(options=list(self.offered.presets), description="start from")
        self.person = W.Dropdown(options=persons, description="whose face")
        self.strip = W.Dropdown(options=[(readable(name), name) for name in self.names], description="off to on")
        self.address = W.Text(description="address", continuous_update=False, layout=W.Layout(width="90%"))
        self.face, self.other, self.reading, self.warning, self.stations, self.news = (W.HTML() for _ in range(6))
        actions = {
            "random": lambda: self.begin_with(self.rows[self.rng.integers(len(self.rows))]),
            "reset": lambda: self.show(self.before),
            "keep as before": lambda: self.begin_with(self.values),
            "save picture": self.save,
        }
        self.buttons = {text: W.Button(description=text) for text in actions}

        self.silent = False
        self.begin_with(self.preset(self.start.value))
        for text, button in self.buttons.items():
            button.on_click(lambda _, text=text: actions[text]())
        for name, box in self.boxes.items():
            box.observe(self.heard(lambda _, name=name: self.toggled(name)), "value")
        self.start.observe(self.heard(lambda title: self.begin_with(self.preset(title))), "value")
        self.person.observe(self.heard(self.meet), "value")
        self.strip.observe(self.heard(lambda _: self.update()), "value")
        self.address.observe(self.heard(self.go_to), "value")

        wrapping = W.Layout(flex_flow="row wrap", align_items="flex-start")
        regions = W.HBox([self.region(*group) for group in self.offered.regions.items()], layout=wrapping)
        shown = W.VBox([self.face, self.other, self.reading, self.warning], layout=W.Layout(flex="0 0 300px"))
        super().__init__([
            W.HBox([self.start, self.person, *self.buttons.values()], layout=wrapping),
            W.HBox([shown, regions], layout=W.Layout(align_items="flex-start")),
            self.strip, self.stations, self.address, self.news,
        ])  # fmt: skip

    # --- Choosing -----------------------------------------------------------------------------------------------------

    @property
    def values(self):
        """The label vector on show, (A,) bool."""
        return np.array([box.value for box in self.boxes.values()])

    def preset(self, title):
        """The label vector of a preset, (A,) bool."""
        return np.isin(self.names, self.offered.presets[title])

    def show(self, a):
        """Set all checkboxes to the label vector `a`, (A,), and draw its face once."""
        with self.silence():
            for box, value in zip(self.boxes.values(), a, strict=True):
                box.value = bool(value)
        self.update()

    def begin_with(self, a):
        """Show the label vector `a`, (A,), and compare what follows with it."""
        self.before = np.array(a, dtype=bool)
        self.show(self.before)

    def toggled(self, name):
        """Draw the face anew, and the strip of the attribute that was clicked."""
        with self.silence():
            self.strip.value = name
        self.update()

    def meet(self, person):
        """Show a person, 1 to P, with their own labels; None: the face of the labels on show."""
        self.begin_with(self.values if person is None else self.people[person - 1][0])

    def go_to(self, address):
        """Show what an address holds; where it holds nothing that fits, say so."""
        try:
            wanted = state.read(address, self.names, len(self.people))
        except ValueError as error:
            self.say(str(error))
            return
        with self.silence():
            self.person.value, self.strip.value = wanted.person, wanted.strip
        self.before = np.isin(self.names, wanted.before)
        self.show(np.isin(self.names, wanted.labels))

    def save(self):
        """Write the picture, marked as synthetic, beside the notebook; where it cannot be written, say so."""
        try:
            SAVED.write_bytes(marked(self.picture, self.described(self.values)))
        except OSError as error:
            self.say(f"{SAVED} cannot be written: {error.strerror}")
        else:
            self.say(f"written: {SAVED}")

    def heard(self, act):
        """An observer that hands on the new value, unless it is the explorer itself who sets it."""
        return lambda change: None if self.silent else act(change.new)

    @contextlib.contextmanager
    def silence(self):
        """What is set meanwhile draws nothing by itself."""
        self.silent = True
        try:
            yield
        finally:
            self.silent = False

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def update(self):
        """Draw the face of the checked attributes, and then what belongs to it."""
        a = self.values
        image = self.paint(a[None])[0]
        self.picture = png(image)
        self.face.value = figure(self.picture, self.described(a), "now (synthetic)", 288)  # before anything else
        before = png(self.paint(self.before[None])[0])
        self.other.value = figure(before, f"before: {self.described(self.before)}", "before", 96)
        present = self.present(a)
        self.warning.value = "".join(
            f'<p role="status">⚠ {html.escape(text)}</p>' for text in self.offered.warnings(present)
        )
        self.read_back(a, image)
        self.lead(a)
        with self.silence():
            self.address.value = state.State(
                present, self.present(self.before), self.person.value, self.strip.value
            ).address
        self.say("")

    @torch.inference_mode()
    def paint(self, a):
        """Faces uint8 (n, 3, S, S) of the labels `a` (n, A), which may lie between 0 and 1, and the person chosen."""
        z = self.phi(torch.tensor(a, dtype=torch.float32))
        if self.person.value is not None:
            labels, own = self.people[self.person.value - 1]
            z = own + STEP * (z - self.phi(torch.tensor(labels[None], dtype=torch.float32)))
        return to_uint8(self.decoder(z)).numpy()

    def read_back(self, a, image):
        """Write what the judge reads in the image beside each attribute, marked where it is not what was asked."""
        with torch.inference_mode():
            shares = self.judge(to_float(image[None]))[0].sigmoid().numpy()
        missed = [name for name, share, asked in zip(self.names, shares, a, strict=True) if (share > 0.5) != asked]
        for (name, box), share in zip(self.boxes.items(), shares, strict=True):
            box.description = f"{readable(name)} {'≠' if name in missed else '·'} {share:.0%}"
        text = f"The judge reads {len(a) - len(missed)} of {len(a)} labels as asked."
        if missed:
            text += f" Not as asked: {', '.join(map(readable, missed))}."
        self.reading.value = f'<p role="status" style="line-height:1.4">{html.escape(text)}</p>'

    def lead(self, a):
        """Draw the strip: the chosen attribute from 0 to 1, the others as in `a`."""
        values = np.linspace(0, 1, STATIONS)
        rows = np.repeat(a[None].astype(float), STATIONS, axis=0)
        rows[:, self.names.index(self.strip.value)] = values
        name = readable(self.strip.value)
        stations = [
            figure(png(image), f"{name} at {value:.0%}", f"{value:.2f}", 96)
            for image, value in zip(self.paint(rows), values, strict=True)
        ]
        self.stations.value = f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(stations)}</div>'

    def region(self, title, names):
        """A titled column of checkboxes."""
        boxes = [self.boxes[name] for name in names]
        return W.VBox([W.HTML(f"<b>{title}</b>"), *boxes], layout=W.Layout(width="16em"))

    def present(self, a):
        """The names that the label vector `a` asks for, in order."""
        return tuple(name for name, value in zip(self.names, a, strict=True) if value)

    def described(self, a):
        """The face of label vector `a` in words."""
        person = "" if self.person.value is None else f" of person {self.person.value}"
        return f"synthetic face{person} with {', '.join(map(readable, self.present(a))) or 'none of the attributes'}"

    def say(self, text):
        self.news.value = f'<p role="status">{html.escape(text)}</p>'


def figure(picture, alt, caption, width):
    """HTML of a square picture given as PNG bytes, `width` pixels wide."""
    return (
        f'<figure style="margin:0;width:{width}px"><img alt="{html.escape(alt)}" width="{width}" height="{width}" '
        f'src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def png(image):
    """PNG bytes of one uint8 image (3, S, S)."""
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "png")
    return file.getvalue()


def marked(picture, description):
    """The picture, PNG bytes, enlarged above a band that calls it synthetic; the file says so, too."""
    side, band = 512, 40
    with Image.open(io.BytesIO(picture)) as small:
        large = small.resize((side, side), Image.Resampling.BICUBIC)
    whole = Image.new("RGB", (side, side + band))
    whole.paste(large)
    pen = ImageDraw.Draw(whole)
    pen.text((14, side + 10), "synthetic: made from labels, shows nobody", fill="white", font_size=20)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Synthetic face")
    texts.add_text("Description", f"{description}; made from labels by a trained network, shows nobody")
    file = io.BytesIO()
    whole.save(file, "png", pnginfo=texts)
    return file.getvalue()
