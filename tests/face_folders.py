"""Small folders of painted faces in the layouts that lib/folders.py reads, for the tests."""

import zipfile

import numpy as np
from PIL import Image

from lib.attributes import CELEBA


def paint(path, size=(178, 218), seed=0):
    """Save noise of width x height pixels; PNG whatever the name says, so that no pixel changes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")
    return pixels


def celeba(root, n=10, images="img_align_celeba", suffix=".txt"):
    """CelebA with `n` faces: 0.8 n train, 0.1 n val, 0.1 n test. Returns the labels, bool (n, 40)."""
    labels = np.random.default_rng(1).random((n, len(CELEBA))) < 0.5
    files = [f"{i + 1:06d}.jpg" for i in range(n)]
    parts = [0] * (n - 2 * (n // 10)) + [1] * (n // 10) + [2] * (n // 10)
    comma = suffix == ".csv"
    mark = "," if comma else " "
    rows = [mark.join([file, *(f"{1 if on else -1}" for on in row)]) for file, row in zip(files, labels, strict=True)]
    head = ["image_id," + ",".join(CELEBA)] if comma else [str(n), " ".join(CELEBA) + " "]
    root.mkdir(parents=True, exist_ok=True)
    (root / f"list_attr_celeba{suffix}").write_text("\n".join(head + rows) + "\n")
    rows = [f"{file}{mark}{part}" for file, part in zip(files, parts, strict=True)]
    (root / f"list_eval_partition{suffix}").write_text("\n".join(["image_id,partition"] * comma + rows) + "\n")
    for i, file in enumerate(files):
        paint(root / images / file, seed=i)
    return labels


def pack(root):
    """Replace img_align_celeba/ by img_align_celeba.zip as CelebA's authors deliver it."""
    with zipfile.ZipFile(root / "img_align_celeba.zip", "w") as archive:
        for path in sorted((root / "img_align_celeba").iterdir()):
            archive.write(path, f"img_align_celeba/{path.name}")
            path.unlink()


def own(root, n=10, header="image,split,Happy,Hat", images="images"):
    """A folder of one's own: `n` faces named 0.png, 1.png ..., attributes 0/1; splits as in `celeba`."""
    root.mkdir(parents=True, exist_ok=True)
    parts = ["train"] * (n - 2 * (n // 10)) + ["val"] * (n // 10) + ["test"] * (n // 10)
    rows = []
    for i, part in enumerate(parts):
        paint(root / images / f"{i}.png", size=(20, 20), seed=i)
        values = {"image": f"{i}.png", "split": part}
        rows.append(",".join(values.get(column, str(i % 2)) for column in header.split(",")))
    (root / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return root
