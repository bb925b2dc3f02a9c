"""Faces with attributes from three sources behind one class: drawn ones, CelebA, and a folder of your own.

Images are decoded or drawn once, at the profile's size, and kept as a memory-mapped array in `runs/<data>/cache/`,
under a name that changes with the files behind them; that folder may be deleted at any time. The layouts of CelebA and
of your own faces are described in lib/folders.py.
"""

import contextlib
import hashlib
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL
import torch
from filelock import FileLock
from tqdm.auto import tqdm

from lib import attributes, config, folders, tables, toyfaces
from lib.attributes import SPLITS
from lib.tables import DataError

TOY_STARTS = {"train": 0, "val": 10_000_000, "test": 20_000_000}  # far apart: more train faces leave the others alone
TOY_BATCH = 500
MIN_ATTRIBUTES = 2
DRAWING = [*sorted(Path(toyfaces.__file__).parent.glob("*.py")), attributes.STATISTICS]  # what drawn faces depend on
DECODING = [Path(folders.__file__), Path(tables.__file__)]  # what the faces of a folder depend on, beside its files


@dataclass(frozen=True, eq=False)
class FaceData:
    """N faces of SxS pixels with A attributes. Raises ValueError if the lengths of the fields do not agree."""

    images: np.ndarray  # (N, 3, S, S) uint8, often a read-only memory map
    attributes: np.ndarray  # (N, A) bool
    names: tuple[str, ...]  # A names of attributes
    split: np.ndarray  # (N,) "train", "val" or "test"
    files: np.ndarray  # (N,) names of the images
    source: str  # the data set in one word
    key: str  # digest of all that decides pixels and rows

    def __post_init__(self):
        lengths = {len(self.images), len(self.attributes), len(self.split), len(self.files)}
        if len(lengths) > 1 or self.attributes.shape[1] != len(self.names):
            raise ValueError(
                f"fields of unequal length: images {len(self.images)}, attributes {self.attributes.shape}, "
                f"names {len(self.names)}, split {len(self.split)}, files {len(self.files)}"
            )

    def __len__(self):
        return len(self.images)

    @property
    def size(self):
        """Height and width in pixels."""
        return self.images.shape[-1]

    def part(self, split):
        """The faces of "train", "val" or "test"; no image is copied when they lie side by side, as in every cache."""
        if split not in SPLITS:
            raise ValueError(f"split {split!r}; choose one of: {', '.join(SPLITS)}")
        return self.take(self.split == split)

    def take(self, index):
        """The faces at `index` (integers, bool mask or slice), in that order."""
        index = np.arange(len(self))[index]
        if np.array_equal(index, np.arange(len(self))):
            return self
        key = config.digest(self.key, hashlib.sha256(index.tobytes()).hexdigest())
        if len(index) and np.array_equal(index, np.arange(index[0], index[0] + len(index))):
            index = slice(index[0], index[0] + len(index))  # a view of the memory map
        return FaceData(
            self.images[index],
            self.attributes[index],
            self.names,
            self.split[index],
            self.files[index],
            self.source,
            key,
        )


def load(run):
    """The faces of a run: its source at its profile's size, with as many of each split as the profile asks for.

    Fewer are taken evenly from all there are, always the same ones. Prints what there is.
    Raises DataError when the faces do not suffice (`check_enough`) or the source cannot be read.
    """
    data, cache = run.profile.data, run.folder.parent / "cache"
    counts = {split: getattr(data, split) for split in SPLITS}
    if run.source == "toy":
        faces = draw(counts, data.size, cache)
    else:
        faces = replace(read(run.source, data.size, cache), source=run.data_name)
        check_enough(run, faces)  # drawn faces are as many as the profile, or a size of the sweep, asks for
    chosen = []
    for split, count in counts.items():
        rows = np.flatnonzero(faces.split == split)
        if count is not None and count < len(rows):
            rows = rows[np.arange(count) * len(rows) // count]
        chosen.append(rows)
    amounts = ", ".join(f"{len(rows):,} {split}" for split, rows in zip(SPLITS, chosen, strict=True))
    print(f"faces    {amounts}; {len(faces.names)} attributes")
    return faces.take(np.concatenate(chosen))


def check_enough(run, faces):
    """Raise DataError if a split of `faces` (FaceData, or folders.Rows) holds fewer than the profile's `least`, or if
    they have but one attribute."""
    least = run.profile.data.least
    has = {split: int((faces.split == split).sum()) for split in SPLITS}
    lacking = [f"{n or 'no'} {split} faces" for split, n in has.items() if n < least[split]]
    if lacking:
        needed = ", ".join(f"{n} {split}" for split, n in least.items())
        raise DataError(
            f"{run.source} has {' and '.join(lacking)}; at least {needed} are needed. Add faces "
            f"({sum(least.values())} in all are enough if a column `split` of your CSV deals them out so), or take the "
            "drawn faces, which need no --data; what fewer are good for: notebooks/teaching/own_pictures.md"
        )
    if len(faces.names) < MIN_ATTRIBUTES:
        raise DataError(
            f"{run.source} has one attribute, {faces.names[0]}; at least {MIN_ATTRIBUTES} are needed, as balancing "
            "grants the rarest and takes away the most frequent: add a column to its table"
        )


def with_validation(faces):
    """The same faces, those of "val" counted as "train", under a key of their own: stages trained on them stay apart.

    For a generator that learns from both, as the paper's may have; nothing may then be chosen on the validation faces.
    """
    split = np.where(faces.split == "val", "train", faces.split)
    return replace(faces, split=split, key=config.digest(faces.key, "with validation"))


def read(source, size, cache):
    """All faces of a folder as FaceData, size x size pixels, ordered train, val, test; decoded once into `cache`.

    Prints how many images of CelebA were found if some are missing. Raises DataError (lib/folders.py, lib/tables.py).
    """
    layout, name = folders.find(source), Path(source).resolve().name

    def build():
        rows = layout.rows()
        order = np.argsort([SPLITS.index(split) for split in rows.split], kind="stable")
        columns = {
            "attributes": rows.attributes[order], "names": rows.names, "split": rows.split[order],
            "files": rows.files[order], "listed": rows.listed,
        }  # fmt: skip
        return columns, folders.decode(layout, columns["files"].tolist(), size)

    code = [_text(DECODING), PIL.__version__]
    columns = _cached(Path(cache), f"{name}-{size}-{config.digest(layout.stamp(), code)}", size, build)
    listed = int(columns.pop("listed"))
    faces = FaceData(**columns, source=name)
    if (place := layout.tables[0].parent) != Path(source):
        print(f"folder   {place}")
    if len(faces) < listed:
        print(f"images   {len(faces):,} of {listed:,} images found in {layout.images}")
    return faces


def draw(counts, size, cache):
    """Drawn faces as FaceData: `counts` maps each split to a number (None: as many as CelebA has); kept in `cache`.

    The key stands for the drawing's source text, not for its pixels, which may round differently on another device.
    """
    counts = {s: attributes.celeba_statistics(s)[0] if n is None else n for s, n in counts.items()}
    key = config.digest(_text(DRAWING), counts, size)

    def build():
        device = "cuda" if torch.cuda.is_available() else "cpu"
        index = np.concatenate([TOY_STARTS[s] + np.arange(n) for s, n in counts.items()])
        labels = np.empty((len(index), len(attributes.CELEBA)), dtype=bool)

        def batches():
            done = 0
            for split, count in counts.items():
                for start in range(0, count, TOY_BATCH):
                    n = min(TOY_BATCH, count - start)
                    first = TOY_STARTS[split] + start
                    images, labels[done : done + n] = toyfaces.faces(n, start=first, size=size, device=device)
                    done += n
                    yield images

        columns = {
            "attributes": labels, "names": attributes.CELEBA, "split": np.repeat(list(counts), list(counts.values())),
            "files": index.astype(str), "key": key,
        }  # fmt: skip
        return columns, batches()

    return FaceData(**_cached(Path(cache), f"toy-{size}-{key}", size, build), source="toy")


def _text(paths):
    return [path.read_text(encoding="utf-8") for path in paths]


def to_float(images):
    """uint8 images of any shape, array or tensor, as float32 in [-1, 1]; `to_uint8` gives them back exactly."""
    images = images if torch.is_tensor(images) else torch.from_numpy(np.array(images))  # memory maps are read-only
    if images.dtype != torch.uint8:
        raise TypeError(f"images are stored as uint8, these are {images.dtype}")
    return images.float() / 127.5 - 1


def to_uint8(x):
    """Faces of any shape, array or tensor, in [-1, 1] as uint8; what lies outside is clamped."""
    x = x.detach() if torch.is_tensor(x) else torch.from_numpy(np.array(x))
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _cached(cache, name, size, build):
    """Columns of FaceData kept in the folder `cache/name`; what is absent or damaged is made, wholly or not at all.

    `build()` returns (columns, batches): a dict of arrays, and a generator of their uint8 images, which may go on
    filling the columns. Columns without a `key` get one from their content: copies of a folder have the same.
    """
    place, partial = cache / name, cache / f"{name}.partial"
    if (columns := _open(place)) is not None:
        return columns
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{name}.lock"):
            if _open(place) is None:  # nobody else made it meanwhile
                for leftover in (place, partial):
                    shutil.rmtree(leftover, ignore_errors=True)
                try:
                    partial.mkdir()
                    _write(partial, size, *build())
                    partial.rename(place)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"the faces cannot be kept in {cache}: {error.strerror or error}; make room there, or let COURSE_RUNS name "
            "another folder"
        ) from error
    return _open(place)


def _write(folder, size, columns, batches):
    """Write images.npy and columns.npz. Plain writes, because a memory map on a full disk would end the process."""
    content = hashlib.sha256()
    count = len(columns["files"])
    with open(folder / "images.npy", "wb") as file:
        shape = (count, 3, size, size)
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        with contextlib.closing(batches), tqdm(total=count, desc="faces", unit="", leave=False) as bar:
            for images in batches:
                data = images.tobytes()
                content.update(data)
                file.write(data)
                bar.update(len(images))
    content.update(columns["attributes"].tobytes())
    text = [list(columns["names"]), columns["split"].tolist(), columns["files"].tolist()]
    np.savez(folder / "columns.npz", **{"key": config.digest(content.hexdigest(), *text)} | columns)


def _open(folder):
    """Columns and memory-mapped images of a cache folder; None if there is none, or it is not whole."""
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
        with np.load(folder / "columns.npz") as file:
            columns = {"images": images} | dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):  # absent, or cut short
        return None
    return columns | {"names": tuple(columns["names"].tolist()), "key": str(columns["key"])}
