"""Makes the folder of real faces that `faces64` in the tables stands for: 31,000 of CelebA's, cut and scaled to 64x64.

    python -m benchmarks.faces64 CELEBA FOLDER

CELEBA holds CelebA's aligned images and tables in any layout of data/README.md; the numbers of the chosen ones are in
data/faces64.csv. FOLDER becomes a folder of one's own, images/ with attributes.csv, 57 MB. Its images are those of the
measurements to the byte (seen with Pillow 13 on 4,000 of them). CelebA's terms hold for it, too: keep it to yourself.
"""

import argparse
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm import tqdm

from lib import checkpoints, config, folders, tables

CHOSEN = config.ROOT / "data" / "faces64.csv"
SIZE, QUALITY = 64, 92


def make(source, target):
    """Write the chosen faces of CelebA in `source` into the folder `target`, the table last.

    Raises DataError where `source` is not CelebA, or lacks some of them or holds them damaged or in another cut, and
    CheckpointError where `target` cannot be written."""
    layout = folders.find(source)
    if not isinstance(layout, folders.CelebA):
        raise tables.DataError(f"{source} holds a folder of one's own; expected CelebA, see data/README.md")
    rows = layout.rows()
    table = pd.DataFrame(
        rows.attributes.astype(int), columns=rows.names, index=[Path(name).stem for name in rows.files]
    )
    table.insert(0, "split", rows.split)
    chosen = pd.read_csv(CHOSEN)["number"].map("{:06d}".format)
    missing = chosen[~chosen.isin(table.index)]
    if len(missing):
        raise tables.DataError(
            f"{layout.images} lacks {len(missing):,} of the {len(chosen):,} images that {CHOSEN.name} lists: "
            f"{tables.some(missing.tolist())}; get all of CelebA's aligned images"
        )
    images = Path(target) / "images"
    table = table.loc[chosen]
    for number in tqdm(table.index, "faces"):
        try:
            with layout.open(f"{number}.jpg") as file, Image.open(file) as image:
                if image.size != layout.aligned:
                    raise ValueError("{}x{} pixels instead of {}x{}".format(*image.size, *layout.aligned))
                face = image.convert("RGB").crop(layout.crop).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        except Exception as error:  # decoders raise nearly anything when a file is damaged
            raise tables.DataError(f"{layout.images}: {number} cannot be used ({error}); get it again") from error
        with checkpoints.atomic(images / f"{number}.webp") as path:
            face.save(path, "WEBP", quality=QUALITY)
    table.insert(0, "image", table.index + ".webp")
    with checkpoints.atomic(images.parent / "attributes.csv") as path:
        table.to_csv(path, index=False)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("celeba", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    try:
        make(options.celeba, options.folder)
    except (tables.DataError, checkpoints.CheckpointError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
