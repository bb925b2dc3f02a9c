"""Layouts of folders and the pixels read from them."""

import shutil
import zipfile

import numpy as np
import pytest
from face_folders import celeba, own, pack, paint
from PIL import Image

from lib import folders
from lib.tables import DataError


def pixels(layout, size=8, **how):
    return np.concatenate(list(folders.decode(layout, layout.rows().files.tolist(), size, **how)))


def place(root, kind):
    """A CelebA of ten faces in one of its layouts; returns the labels."""
    match kind:
        case "official":
            return celeba(root)
        case "torchvision":
            return celeba(root / "celeba")
        case "kaggle":
            return celeba(root, images="img_align_celeba/img_align_celeba", suffix=".csv")
        case "zip":
            labels = celeba(root)
            pack(root)
            return labels


@pytest.mark.parametrize("kind", ["official", "torchvision", "kaggle", "zip"])
def test_every_layout_of_celeba_gives_the_same_faces(tmp_path, kind):
    labels = place(tmp_path, kind)
    layout = folders.find(tmp_path)
    rows = layout.rows()
    np.testing.assert_array_equal(rows.attributes, labels)
    assert rows.files.tolist() == [f"{i:06d}.jpg" for i in range(1, 11)]
    assert rows.split.tolist() == ["train"] * 8 + ["val", "test"]
    place(tmp_path / "again", "official")
    np.testing.assert_array_equal(pixels(layout), pixels(folders.find(tmp_path / "again")))


def test_crop_is_columns_25_to_153_and_rows_50_to_178(tmp_path):
    celeba(tmp_path)
    painted = paint(tmp_path / "img_align_celeba" / "000001.jpg", seed=99)
    read = pixels(folders.find(tmp_path), size=128)[0]
    np.testing.assert_array_equal(read, painted[50:178, 25:153].transpose(2, 0, 1))


def test_nothing_outside_the_crop_shows(tmp_path):
    celeba(tmp_path)
    image = Image.new("RGB", (178, 218), "white")
    image.paste("black", (25, 50, 153, 178))
    image.save(tmp_path / "img_align_celeba" / "000001.jpg", format="PNG")
    assert pixels(folders.find(tmp_path), size=32)[0].max() == 0


def test_resizing_is_antialiased(tmp_path):
    own(tmp_path)
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # taking every eighth column would give plain black or white
    Image.fromarray(stripes).save(tmp_path / "images" / "0.png")
    small = pixels(folders.find(tmp_path), size=8)[0]
    assert small.min() > 100 and small.max() < 155


def test_missing_images_of_celeba_are_left_out(tmp_path):
    labels = celeba(tmp_path)
    (tmp_path / "img_align_celeba" / "000002.jpg").unlink()
    rows = folders.find(tmp_path).rows()
    assert len(rows.files) == 9 and rows.listed == 10 and "000002.jpg" not in rows.files
    np.testing.assert_array_equal(rows.attributes, np.delete(labels, 1, axis=0))


@pytest.mark.parametrize("images", ["images", ".", "images/deep"])
def test_own_images_lie_in_the_folder_or_in_images(tmp_path, images):
    own(tmp_path, images=images)
    if images.endswith("deep"):
        table = tmp_path / "labels.csv"
        lines = table.read_text().splitlines()
        table.write_text("\n".join([lines[0], *(f"deep/{line}" for line in lines[1:])]))
    assert pixels(folders.find(tmp_path)).shape == (10, 3, 8, 8)


def test_images_of_any_mode_become_upright_rgb(tmp_path):
    own(tmp_path)
    folder = tmp_path / "images"
    ramp = np.linspace(0, 255, 16).astype(np.uint8)[None].repeat(16, axis=0)
    grey = Image.fromarray(ramp)
    grey.save(folder / "0.png")
    Image.fromarray(ramp.astype(np.uint16) * 256).save(folder / "1.png")
    grey.convert("P").save(folder / "2.png")
    Image.merge("LA", (grey, Image.new("L", grey.size, 0))).save(folder / "3.png")  # wholly transparent
    rotated = grey.convert("RGB").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me by 270 degrees", as a phone held upright writes it
    rotated.save(folder / "4.png", exif=exif)
    wide = Image.new("RGB", (48, 16), "red")
    wide.paste(grey.convert("RGB"), (16, 0))
    wide.save(folder / "5.png")
    grey.convert("CMYK").save(folder / "6.png", format="TIFF")
    read = pixels(folders.find(tmp_path), size=16)
    for i in (0, 1, 2, 4, 5, 6):
        np.testing.assert_array_equal(read[i], np.stack([ramp] * 3), err_msg=f"{i}.png")
    assert read[3].min() == 255  # on white


def test_threads_change_nothing(tmp_path):
    own(tmp_path, n=150)
    layout = folders.find(tmp_path)
    np.testing.assert_array_equal(pixels(layout, threads=1), pixels(layout, threads=8))


def test_all_damaged_images_are_named_at_once(tmp_path):
    celeba(tmp_path, n=200)
    images = tmp_path / "img_align_celeba"
    Image.open(images / "000003.jpg").save(images / "000003.jpg", format="JPEG")
    (images / "000003.jpg").write_bytes((images / "000003.jpg").read_bytes()[:900])
    (images / "000150.jpg").write_bytes(b"")
    paint(images / "000180.jpg", size=(1024, 1024))
    with pytest.raises(DataError) as error:
        pixels(folders.find(tmp_path))
    for part in (
        "3 images cannot be used",
        "000003.jpg (image file is truncated",
        "000150.jpg (cannot identify",
        "000180.jpg (1024x1024 pixels where CelebA's aligned images have 178x218",
    ):
        assert part in str(error.value)


def test_missing_own_images_are_counted(tmp_path):
    own(tmp_path)
    for i in range(7):
        (tmp_path / "images" / f"{i}.png").unlink()
    with pytest.raises(DataError, match=r"labels.csv names 7 images .* 0.png, 1.png, 2.png, 3.png, 4.png and 2 more"):
        folders.find(tmp_path).rows()


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png"])
def test_own_images_stay_inside_the_folder(tmp_path, name):
    own(tmp_path / "faces")
    paint(tmp_path / "secret.png")
    table = tmp_path / "faces" / "labels.csv"
    table.write_text(table.read_text().replace("0.png", name))
    with pytest.raises(DataError, match="names 1 images"):
        folders.find(tmp_path / "faces").rows()


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(DataError, match="nowhere is not a folder"):
        folders.find(tmp_path / "nowhere")


def test_a_folder_without_faces(tmp_path):
    with pytest.raises(DataError, match="list_attr_celeba.txt .* column `image` .* it holds nothing"):
        folders.find(tmp_path)
    (tmp_path / "labels.csv").write_text("file;Hat\na;1\n")
    with pytest.raises(DataError, match="it holds labels.csv"):
        folders.find(tmp_path)


def test_two_tables_of_own_faces(tmp_path):
    own(tmp_path)
    shutil.copy(tmp_path / "labels.csv", tmp_path / "old.csv")
    with pytest.raises(DataError, match="several CSVs .* labels.csv, old.csv"):
        folders.find(tmp_path)


def test_celeba_that_lacks_a_part(tmp_path):
    celeba(tmp_path)
    for path in (tmp_path / "img_align_celeba").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="tables but no images: put img_align_celeba/ or img_align_celeba.zip"):
        folders.find(tmp_path)
    paint(tmp_path / "img_align_celeba" / "face.png")
    with pytest.raises(DataError, match="holds none of the images that list_attr_celeba.txt lists, such as 000001.jpg"):
        folders.find(tmp_path).rows()
    (tmp_path / "list_eval_partition.txt").unlink()
    with pytest.raises(DataError, match="list_eval_partition.txt is missing"):
        folders.find(tmp_path)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\n<!DOCTYPE html><html>Quota exceeded</html>", "img_align_celeba.zip is a web page"),
        (b"PK\x03\x04 cut short", "img_align_celeba.zip is not a whole zip file"),
    ],
)
def test_a_zip_that_is_none(tmp_path, content, message):
    celeba(tmp_path)
    shutil.rmtree(tmp_path / "img_align_celeba")
    (tmp_path / "img_align_celeba.zip").write_bytes(content)
    with pytest.raises(DataError, match=message):
        folders.find(tmp_path).rows()


@pytest.mark.parametrize(
    "entry", ["../000001.jpg", "/000001.jpg", "a/../../000001.jpg", "..\\000001.jpg", "C:/1.jpg", "link"]
)
def test_a_zip_that_points_outside(tmp_path, entry):
    celeba(tmp_path)
    pack(tmp_path)
    info = zipfile.ZipInfo(entry)
    if entry == "link":
        info.external_attr = 0o120777 << 16  # a symbolic link
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "a") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"img_align_celeba.zip: entry .* points outside"):
        folders.find(tmp_path).rows()


def test_stamp_follows_every_file(tmp_path):
    own(tmp_path)
    stamp = folders.find(tmp_path).stamp()
    assert folders.find(tmp_path).stamp() == stamp
    paint(tmp_path / "images" / "3.png", size=(21, 21))
    changed = folders.find(tmp_path).stamp()
    assert changed != stamp
    (tmp_path / "labels.csv").write_text((tmp_path / "labels.csv").read_text() + "\n")
    assert folders.find(tmp_path).stamp() != changed
