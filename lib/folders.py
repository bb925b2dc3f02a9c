"""Folders of faces on disk: where their tables and images lie, and the pixels of the images.

CelebA as its authors ship it
    list_attr_celeba.txt, list_eval_partition.txt and img_align_celeba/ or img_align_celeba.zip (read in place, never
    unpacked); all of it may lie in a sub-folder celeba/, as torchvision has it. Some of the images may be missing.
CelebA from Kaggle
    the two lists as .csv, the images in img_align_celeba/img_align_celeba/
Your own faces
    one CSV with a column `image` (path inside the folder or inside its images/), if you like a column `split` (train,
    val or test), and every other column an attribute: 0/1 or -1/1 throughout
"""

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from lib import tables
from lib.tables import DataError, some

BATCH = 64  # images that one thread reads in a row


@dataclass(frozen=True)
class Rows:
    """The faces of a folder: those rows of its tables that have an image. N faces, A attributes."""

    files: np.ndarray  # (N,) str, names of the images within the layout
    attributes: np.ndarray  # (N, A) bool
    names: tuple[str, ...]
    split: np.ndarray  # (N,) "train", "val" or "test"
    listed: int  # rows of the table, with and without an image


@dataclass(frozen=True)
class Layout:
    """Where the tables and the images of a folder lie; `images` is a folder, or a zip that stays packed."""

    tables: tuple[Path, ...]
    images: Path

    crop = None  # left, top, right, bottom in pixels; None: the largest square in the middle
    aligned = None  # the only (width, height) accepted; None: any

    def stamp(self):
        """Name, size in bytes and time of change of every file behind the faces: equal stamps, equal faces."""
        single = self.tables if self.images.is_dir() else (*self.tables, self.images)
        stamp = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in single]
        if self.images.is_dir():
            stamp += sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in _scan(self.images))
        return stamp

    @cached_property
    def present(self):
        """Names of the images that are there."""
        return set(self._members) if self._archive else {name for name, _ in _scan(self.images)}

    def open(self, name):
        """Image `name` as a binary file; threads may hold several open."""
        return self._archive.open(self._members[name]) if self._archive else open(self.images / name, "rb")

    @cached_property
    def _archive(self):
        return None if self.images.is_dir() else _open_archive(self.images)

    @cached_property
    def _members(self):
        return {PurePosixPath(info.filename).name: info for info in self._archive.infolist() if not info.is_dir()}


class CelebA(Layout):
    """The aligned images of CelebA, cut to the 128x128 pixels of the face."""

    crop = (25, 50, 153, 178)
    aligned = (178, 218)

    def rows(self):
        """Rows of the two tables. Raises DataError for the first thing wrong in them, or if no image is there."""
        attributes, partition = self.tables
        images, values, names = tables.celeba_attributes(attributes)
        split = tables.celeba_split(partition, images)
        here = images.isin(self.present).to_numpy()
        if not here.any():
            raise DataError(
                f"{self.images} holds none of the images that {attributes.name} lists, such as {images[0]}; "
                "unpack or download img_align_celeba.zip again"
            )
        return Rows(images.to_numpy(str)[here], values[here], names, split[here], len(images))


class OwnFolder(Layout):
    """Any images with a CSV beside them."""

    def rows(self):
        """Rows of the CSV. Raises DataError for what is wrong in it, and for images that are named but not there."""
        (path,) = self.tables
        images, values, names, split = tables.own_faces(path)
        files = [image if image in self.present else f"images/{image}" for image in images]
        lost = [image for image, file in zip(images, files, strict=True) if file not in self.present]
        if lost:
            raise DataError(
                f"{path} names {len(lost):,} images that are neither in {self.images} nor in its images/: "
                f"{some(lost)}; add them or remove their lines"
            )
        return Rows(np.array(files), values, names, split, len(images))


def find(source):
    """The Layout of the folder `source`. Raises DataError that tells what was looked for and what is there."""
    folder = Path(source)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; COURSE_DATA must be `toy`, or a folder of CelebA or your own faces")
    for root in (folder, folder / "celeba"):
        for suffix in (".txt", ".csv"):
            attributes, partition = root / f"list_attr_celeba{suffix}", root / f"list_eval_partition{suffix}"
            if attributes.is_file():
                if not partition.is_file():
                    raise DataError(f"{partition} is missing; it belongs beside {attributes.name} and holds the split")
                return CelebA((attributes, partition), _celeba_images(root))
    own = [path for path in sorted(folder.glob("*.csv")) if "image" in tables.header(path)]
    if len(own) == 1:
        return OwnFolder((own[0],), folder)
    if own:
        raise DataError(f"{folder} has several CSVs with a column `image`: {some([p.name for p in own])}; keep one")
    raise DataError(
        f"{folder} has neither list_attr_celeba.txt (CelebA) nor a comma-separated CSV with a column `image` (your own "
        f"faces); it holds {some(sorted(os.listdir(folder))) or 'nothing'}; see the head of lib/folders.py"
    )


def decode(layout, files, size, threads=None):
    """Yield the images `files` in their order, in batches of uint8 (n, 3, size, size).

    Decoding and resizing leave Python's lock, so threads (as many as cores unless told) do without the cost of
    processes. Raises DataError after the last batch, naming all images that cannot be used, to be mended in one go.
    """

    def work(start):
        pixels, problems = [], []
        for name in files[start : start + BATCH]:
            try:
                with layout.open(name) as file:
                    pixels.append(_pixels(file, layout, size))
            except Exception as error:  # decoders raise nearly anything when a file is damaged
                problems.append(f"{name} ({error})")
        return pixels, problems

    pool, broken = ThreadPoolExecutor(threads or os.cpu_count()), []
    try:
        for pixels, problems in pool.map(work, range(0, len(files), BATCH)):
            broken += problems
            if not broken:
                yield np.stack(pixels)
    finally:
        pool.shutdown(cancel_futures=True)
    if broken:
        raise DataError(
            f"{layout.images}: {len(broken):,} images cannot be used: {some(broken)}; replace them, or remove them "
            "with their lines in the table, and start again"
        )


def _pixels(file, layout, size):
    """One image, upright, RGB, cut to a square and resized with antialiasing: uint8 (3, size, size)."""
    with Image.open(file) as image:
        if layout.aligned and image.size != layout.aligned:
            raise ValueError(
                "{}x{} pixels where CelebA's aligned images have {}x{}; give CelebA-HQ or another cut a CSV of its "
                "own, as for your own faces".format(*image.size, *layout.aligned)
            )
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I;16"):  # 16-bit grey, which Pillow's own conversion clips to white
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.convert("RGB").crop(layout.crop or (left, top, left + side, top + side))
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def _celeba_images(root):
    """Folder or zip of CelebA's aligned images."""
    folder, archive = root / "img_align_celeba", root / "img_align_celeba.zip"
    for path in (folder / "img_align_celeba", folder):
        if path.is_dir() and any(path.iterdir()):
            return path
    if archive.is_file():
        return archive
    raise DataError(
        f"{root} has CelebA's tables but no images: put img_align_celeba/ or img_align_celeba.zip beside them"
    )


def _open_archive(path):
    """The zip of images. One with an entry that points outside is refused, although nothing is ever unpacked."""
    tables.refuse_web_page(path)
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not a whole zip file ({error}); download it again") from None
    for info in archive.infolist():
        name = PurePosixPath(info.filename.replace("\\", "/"))
        link = info.external_attr >> 28 == 0o12  # Unix file type of a symbolic link
        if link or name.is_absolute() or ".." in name.parts or ":" in info.filename:
            archive.close()
            raise DataError(f"{path}: entry {info.filename} points outside; take the zip that CelebA's authors offer")
    return archive


def _scan(folder, prefix=""):
    """Yield (name, os.stat_result) of all files below `folder` but hidden ones; names use forward slashes."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _scan(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield prefix + entry.name, entry.stat()
