"""Folders of faces on disk: where their tables and images lie, and the pixels of the images.

CelebA as its authors ship it
    list_attr_celeba.txt, list_eval_partition.txt and img_align_celeba/ or img_align_celeba.zip (read in place, never
    unpacked). Some of the images may be missing, if some of each split are there.
CelebA from Kaggle
    the two lists as .csv, the images in img_align_celeba/img_align_celeba/
Your own faces
    one CSV with a column `image` (path inside the folder or inside its images/), if you like a column `split` (train,
    val or test), and every other column an attribute: 0/1 or -1/1 throughout

All of it may lie in sub-folders, at most two levels down: in celeba/, as torchvision has it; in Anno/, Eval/ and Img/,
as CelebA's authors do; or where unpacking put each file into a folder of its own. The images may lie any number of
levels below img_align_celeba/, as JPEG or PNG. Hidden files do not count.
"""

import os
import posixpath
import stat
import unicodedata
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from lib import tables
from lib.attributes import SPLITS
from lib.tables import DataError, some

BATCH = 64  # images that one thread reads in a row
SIXTEEN_BITS = ("PPM", "PNG")  # formats whose 16-bit grey Pillow may open with 32 bits a pixel, mode I
IMAGE_FOLDERS = ("img_align_celeba", "img_align_celeba_png")


def told(function):
    """Turns an OSError of a function into a DataError that names the file."""

    @wraps(function)
    def tells(where, *arguments):
        try:
            return function(where, *arguments)
        except OSError as error:
            raise DataError(f"{error.filename or where} cannot be read: {error.strerror or error}") from error

    return tells


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

    @told
    def stamp(self):
        """Name, size in bytes and time of change of every file behind the faces: equal stamps, equal faces."""
        single = self.tables if self.images.is_dir() else (*self.tables, self.images)
        stamp = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in single]
        if self.images.is_dir():
            stamp += sorted((name, info.st_size, info.st_mtime_ns) for name, (_, info) in self.present.items())
        return stamp

    @cached_property
    def present(self):
        """The images that are there: a dict from the path below `images`, with forward slashes, to (real path,
        os.stat_result), or in a zip to its entry."""
        if self.images.is_dir():
            return {name: (real, info) for name, real, info in _scan(self.images, os.path.realpath(self.images))}
        return _entries(self._archive)

    def open(self, name):
        """The image at a path of `present` as a binary file; threads may hold several open."""
        return open(self.images / name, "rb") if self.images.is_dir() else self._archive.open(self.present[name])

    @cached_property
    def _archive(self):
        return _open_archive(self.images)


class CelebA(Layout):
    """The aligned images of CelebA, cut to the 128x128 pixels of the face."""

    crop = (25, 50, 153, 178)
    aligned = (178, 218)

    @told
    def rows(self):
        """Rows of the two tables. Raises DataError for what is wrong in them, and for a split without images."""
        attributes, partition = self.tables
        images, values, names = tables.celeba_attributes(attributes)
        split = tables.celeba_split(partition, images)
        here = images.map(tables.identity).isin(self.places).to_numpy()
        if not here.any():
            raise DataError(
                f"{self.images} holds none of the images that {attributes.name} lists, such as {images[0]}; it holds "
                f"{some(list(self.present)) or 'nothing'}; put CelebA's aligned images there"
            )
        for part in SPLITS:
            if not (split[here] == part).any():
                example = next((f", such as {image}" for image in images[split == part]), "; its table has none either")
                raise DataError(f"{self.images} holds no image of CelebA's {part} split{example}; add some of them")
        return Rows(images.to_numpy(str)[here], values[here], names, split[here], len(images))

    @cached_property
    def places(self):
        """The path below `images` of each image by its identity; of several endings the first by the alphabet."""
        return {tables.identity(name): name for name in sorted(self.present, reverse=True)}

    def open(self, name):
        """Image `name` of the table as a binary file."""
        return super().open(self.places[tables.identity(name)])


class OwnFolder(Layout):
    """Any images with a CSV beside them."""

    @told
    def rows(self):
        """Rows of the CSV. Raises DataError for what is wrong in it, and for images that are named but not there."""
        (path,) = self.tables
        images, values, names, split = tables.own_faces(path)
        files = [self._place(image) for image in images]
        lost = [image for image, file in zip(images, files, strict=True) if file is None]
        if lost:
            raise DataError(
                f"{path} names {len(lost):,} images that are neither in {self.images} nor in its images/: "
                f"{some(lost)}; add them or remove their lines"
            )
        first = {}  # of the rows that name a file, however it is spelled and through whatever link
        for row, file in enumerate(files):
            before = first.setdefault(self.present[file][0], row)
            if before != row:
                raise DataError(
                    f"{path}, line {tables.line(path, row)}: {images[row]} is the image of line "
                    f"{tables.line(path, before)}, {images[before]}; keep one line per image"
                )
        return Rows(np.array(files), values, names, split, len(images))

    def _place(self, image):
        """The path in `present` of an image as the CSV spells it, or None."""
        plain = posixpath.normpath(image.replace("\\", "/"))
        for path in (image, plain, f"images/{plain}"):
            if path in self.present:
                return path
        for path in (plain, f"images/{plain}"):
            if len(alike := self._alike.get(_folded(path), ())) == 1:  # as on a machine that knows no case
                return alike[0]
        return None

    @cached_property
    def _alike(self):
        """Paths in `present` that differ by nothing but case or by how accents are put together."""
        alike = {}
        for path in self.present:
            alike.setdefault(_folded(path), []).append(path)
        return alike


def _folded(path):
    return unicodedata.normalize("NFC", path).casefold()


@told
def find(source):
    """The Layout of the folder `source`. Raises DataError that tells what was looked for and what is there."""
    folder = Path(source)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; COURSE_DATA must be `toy`, or a folder of CelebA or your own faces")
    columns = []  # of the CSVs that are neither
    for level in _levels(folder):
        celeba = [table for place in level for table in _files(place, "list_attr_celeba.txt", "list_attr_celeba.csv")]
        if celeba:
            beside = [path for path in celeba if path.parent != celeba[0].parent]  # not the same list as .csv
            return _find_celeba(_only([celeba[0], *beside], "attribute lists of CelebA", folder), folder)
        csvs = {path: tables.header(path) for place in level for path in _csvs(place)}
        own = [path for path, names in csvs.items() if "image" in names]
        if own:
            table = _only(own, "CSVs with a column `image`", folder)
            return OwnFolder((table,), table.parent)
        columns += [f"; {path.name} has the columns {some(names)}" for path, names in csvs.items()]
    raise DataError(
        f"{folder} has neither list_attr_celeba.txt (CelebA) nor a CSV with a column `image` (your own faces); it "
        f"holds {some(sorted(os.listdir(folder))) or 'nothing'}{''.join(columns[:3])}; see data/README.md"
    )


def _find_celeba(attributes, folder):
    """The CelebA whose attribute list lies somewhere in `folder`: what belongs to it is looked for near to it first."""
    roots = [place for place in attributes.parents if place.is_relative_to(folder)]
    suffixes = sorted((".txt", ".csv"), key=lambda suffix: suffix != attributes.suffix)
    partitions = [f"list_eval_partition{suffix}" for suffix in suffixes]
    partition = _nearest(roots, lambda place: _files(place, *partitions))
    if not partition:
        raise DataError(
            f"{attributes.parent / partitions[0]} is missing; it belongs beside {attributes.name} and holds the split"
        )
    images = _nearest(roots, _celeba_images)
    if not images:
        raise DataError(
            f"{roots[0]} has CelebA's tables but no images: put img_align_celeba/ or img_align_celeba.zip beside them"
        )
    layouts = [CelebA((attributes, partition[0]), place) for place in images]
    return layouts[0] if len(layouts) == 1 else max(layouts, key=_usable)


def _only(paths, what, folder):
    """The one path. Raises DataError if there are more."""
    if len(paths) > 1:
        names = some([path.relative_to(folder).as_posix() for path in paths])
        raise DataError(f"{folder} has several {what}: {names}; keep one, or give the folder of one")
    return paths[0]


def _nearest(roots, search):
    """What `search` finds in the first of the `roots` where it finds something, on the first level where it does."""
    found = (search(place) for root in roots for level in _levels(root) for place in level)
    return next(filter(None, found), [])


def _celeba_images(place):
    """Folders of CelebA's images in a folder that hold any file, then the zip."""
    folders = [place / name for name in IMAGE_FOLDERS if os.path.isdir(place / name)]
    filled = [path for path in folders if next(_scan(path, os.path.realpath(path)), None)]
    return filled + _files(place, "img_align_celeba.zip")


def _usable(layout):
    """How many images a layout has: an unpacking or a download that was stopped has fewer than the whole beside it."""
    try:
        return len(layout.places)
    except DataError:
        return 0


def _files(place, *names):
    """Those of `names` that are files in a folder."""
    return [place / name for name in names if os.path.isfile(place / name)]


def _csvs(place):
    return _files(place, *(path.name for path in sorted(place.glob("*.csv")) if not path.name.startswith(".")))


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
        if image.mode.startswith("I;16") or (image.mode == "I" and image.format in SIXTEEN_BITS):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # Pillow's own conversion clips to white
        if image.mode in ("I", "F"):
            raise ValueError(f"mode {image.mode}: 32-bit pixels have no agreed range; save it with 8 or 16 bits")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.convert("RGB").crop(layout.crop or (left, top, left + side, top + side))
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


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


def _entries(archive):
    """Files of a zip but hidden ones: a dict from path to entry. Zips made on Windows may hold backslashes."""
    files = {info.filename.replace("\\", "/"): info for info in archive.infolist()}
    return {name: info for name, info in files.items() if name[-1] != "/" and name.rpartition("/")[2][0] != "."}


def _children(folder):
    """Yield (os.DirEntry, os.stat_result) of what a folder holds, by name; nothing hidden or out of reach."""
    try:
        with os.scandir(folder) as entries:
            entries = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
    except PermissionError:  # such as the lost+found of a disk; an image that lies there will be missed by name
        return
    for entry in entries:
        try:
            yield entry, entry.stat()
        except OSError:  # a link that leads nowhere, or in a circle
            continue


def _levels(folder):
    """Yield the folder, its sub-folders, and theirs: a list for each level. CelebA's images are left out."""
    level = [Path(folder)]
    for _ in range(3):
        yield level
        below = {}  # by real path, as links may lead to one folder twice
        for place in level:
            for entry, info in _children(place):
                if stat.S_ISDIR(info.st_mode) and entry.name not in IMAGE_FOLDERS:
                    below.setdefault(os.path.realpath(entry.path), Path(entry.path))
        level = list(below.values())


def _scan(folder, real, prefix="", above=()):
    """Yield (name, real path, os.stat_result) of all files below a folder, whose real path is `real`, but hidden ones.

    Names use forward slashes. A link that leads back to a folder it lies in is not followed.
    """
    for entry, info in _children(folder):
        path = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, entry.name)
        if stat.S_ISREG(info.st_mode):
            yield prefix + entry.name, path, info
        elif stat.S_ISDIR(info.st_mode) and path not in (real, *above):
            yield from _scan(entry.path, path, f"{prefix}{entry.name}/", (real, *above))
