"""Networks as ONNX, and the folder that any web server shows: `python3 course.py explorer`."""

import copy
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from lib import checkpoints, config, data, pretrained, toyfaces
from lib.explorer import npm
from lib.explorer.description import OPENING, STEP, describe, people

FOLDER = config.ROOT / "build" / "explorer"
PAGE = Path(__file__).parent / "page"
RUNTIME = {"ort.js": "dist/ort.wasm.bundle.min.mjs", "ort.wasm": "dist/ort-wasm-simd-threaded.wasm"}
ROWS = 300  # label vectors of drawn test faces, among which "random" chooses


class Widened(nn.Module):
    """Half precision on the disk, float32 at work."""

    def forward(self, weight):
        return weight.float()


def to_onnx(network, example, path):
    """Write `network` as ONNX, input "in", output "out", any number of rows; `example` (n, ...) is an input.

    Weights are stored in half precision, as those that ship are, and widened where the file is read: half the bytes.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for part in list(network.modules()):
        for name, weight in list(part.named_parameters(recurse=False)):
            weight.data = weight.data.half()
            parametrize.register_parametrization(part, name, Widened(), unsafe=True)  # unsafe: it changes the type
    with warnings.catch_warnings():
        # This exporter is the older one, which needs one package instead of three. A shape that it takes for a
        # constant is the size of the faces, and that is one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (example,), str(path), dynamo=False, do_constant_folding=False, input_names=["in"],
            output_names=["out"], dynamic_axes={"in": {0: "rows"}, "out": {0: "rows"}},
        )  # fmt: skip


def networks(ready, folder):
    """Write phi.onnx (a -> z), decoder.onnx (z -> x) and judge.onnx (x -> logits) of the weights `ready`."""
    a, x = torch.zeros(2, len(ready.names)), torch.zeros(2, 3, ready.size, ready.size)
    to_onnx(ready.mapping.model, a, folder / "phi.onnx")
    to_onnx(
        ready.autoencoder.model.decoder, torch.zeros(2, ready.autoencoder.config.embedding), folder / "decoder.onnx"
    )
    to_onnx(judge(ready).model, x, folder / "judge.onnx")


def judge(ready):
    """Who reads generated faces: the oracle that ships with the weights, else the classifier that guided Φ."""
    return ready.oracle or ready.classifier


def contents(ready):
    """What the page has to know, ready for JSON; attributes stand as their places in "names"."""
    names = ready.names
    n_train = checkpoints.describe(ready.mapping.folder)["recipe"]["n_train"]
    offered = describe(names, toyfaces.labels(n_train, start=data.TOY_STARTS["train"]))
    images, a = toyfaces.faces(ROWS, start=data.TOY_STARTS["test"], size=ready.size)
    labels, z = people(ready.autoencoder.model.encoder, images, a, names)

    def places(present):
        return [names.index(name) for name in present]

    return {
        "weights": ready.folder.name,
        "size": ready.size,
        "names": names,
        "regions": [[title, places(members)] for title, members in offered.regions.items()],
        "presets": [[title, places(present)] for title, present in offered.presets.items()],
        "pairs": [[said, list(map(places, pairs))] for said, pairs in offered.pairs.items()],
        "rows": [np.flatnonzero(row).tolist() for row in a],
        "people": [
            {"labels": np.flatnonzero(row).tolist(), "z": [round(float(value), 4) for value in embedding]}
            for row, embedding in zip(labels, z, strict=True)
        ],
        "step": STEP,
        "opening": {"person": OPENING[0] - 1, "switched": names.index(OPENING[1]), "strip": names.index(OPENING[2])},
        "independent": ready.oracle is not None,
    }


def build(folder=FOLDER, name=pretrained.SHOWN):
    """Make `folder` anew, and return it. Raises npm.NpmError, and what pretrained.load raises."""
    ready, runtime = pretrained.load(name), npm.read("onnxruntime-web", *RUNTIME.values())
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PAGE, folder)
    for file, content in zip(RUNTIME, runtime, strict=True):
        (folder / file).write_bytes(content)
    networks(ready, folder)
    (folder / "explorer.json").write_text(json.dumps(contents(ready)), encoding="utf-8")
    return folder
