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
    with pytest.raises(DataError, match="it holds labels.csv; labels.csv has the columns file, Hat; see data"):
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


OFFICIAL = {"list_attr_celeba.txt": "Anno", "list_eval_partition.txt": "Eval", "img_align_celeba": "Img"}
EXTRACTED = {name: name for name in ("list_attr_celeba.csv", "list_eval_partition.csv")}  # as Explorer unpacks a zip


def move(root, places):
    """Move each named file or folder of `root` into a folder beside it."""
    for name, place in places.items():
        (root / name).rename(root / "moving")
        (root / place).mkdir()
        (root / "moving").rename(root / place / name)


@pytest.mark.parametrize("above", ["", "CelebA"])
@pytest.mark.parametrize("places, suffix", [(OFFICIAL, ".txt"), (EXTRACTED, ".csv")], ids=["official", "extracted"])
def test_celebas_parts_may_lie_in_folders_of_their_own(tmp_path, places, suffix, above):
    labels = celeba(tmp_path / above, suffix=suffix)
    move(tmp_path / above, places)
    layout = folders.find(tmp_path)
    np.testing.assert_array_equal(layout.rows().attributes, labels)
    assert layout.rows().files[0] == "000001.jpg" and len(pixels(layout)) == 10


def test_official_tree_with_the_images_still_packed(tmp_path):
    labels = celeba(tmp_path)
    pack(tmp_path)
    (tmp_path / "img_align_celeba").rmdir()
    move(tmp_path, {"list_attr_celeba.txt": "Anno", "list_eval_partition.txt": "Eval", "img_align_celeba.zip": "Img"})
    np.testing.assert_array_equal(folders.find(tmp_path).rows().attributes, labels)


def test_own_faces_may_lie_one_folder_lower(tmp_path):
    own(tmp_path / "faces" / "faces")
    layout = folders.find(tmp_path / "faces")
    assert layout.images == tmp_path / "faces" / "faces" and pixels(layout).shape == (10, 3, 8, 8)


def test_two_data_sets_below_one_folder(tmp_path):
    celeba(tmp_path / "one")
    celeba(tmp_path / "two")
    with pytest.raises(DataError, match="attribute lists of CelebA: one/list_attr_celeba.txt, two/list_attr_celeba"):
        folders.find(tmp_path)


@pytest.mark.parametrize("deeper", ["0", "img_align_celeba", "img_align_celeba/0"])
def test_celebas_images_may_lie_deeper(tmp_path, deeper):
    celeba(tmp_path / "plain")
    celeba(tmp_path / "deep", images=f"img_align_celeba/{deeper}")
    layout = folders.find(tmp_path / "deep")
    assert layout.rows().files.tolist() == folders.find(tmp_path / "plain").rows().files.tolist()
    np.testing.assert_array_equal(pixels(layout), pixels(folders.find(tmp_path / "plain")))


@pytest.mark.parametrize("entry", ["img_align_celeba\\{}", "img_align_celeba/0/{}", "{}"])
def test_a_zip_may_use_backslashes_and_hold_hidden_files(tmp_path, entry):
    celeba(tmp_path)
    expected = pixels(folders.find(tmp_path))
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        archive.writestr("img_align_celeba\\", "")
        for path in (tmp_path / "img_align_celeba").iterdir():
            info = zipfile.ZipInfo()
            info.filename = entry.format(path.name)  # given to ZipInfo, Windows would mend the backslashes
            archive.writestr(info, path.read_bytes())
            archive.writestr(f"__MACOSX/img_align_celeba/._{path.name}", "no image")
    shutil.rmtree(tmp_path / "img_align_celeba")
    layout = folders.find(tmp_path)
    assert len(layout.present) == 10
    np.testing.assert_array_equal(pixels(layout), expected)


def test_of_an_unfinished_unpacking_and_its_zip_the_whole_one_is_read(tmp_path):
    celeba(tmp_path)
    expected = pixels(folders.find(tmp_path))
    images = tmp_path / "img_align_celeba"
    shutil.copytree(images, tmp_path / "copy")
    pack(tmp_path)
    (images / ".DS_Store").touch()
    assert folders.find(tmp_path).images.suffix == ".zip"  # the folder holds nothing to see
    shutil.copy(tmp_path / "copy" / "000001.jpg", images)
    (images / "000002.jpg").write_bytes((tmp_path / "copy" / "000002.jpg").read_bytes()[:100])
    layout = folders.find(tmp_path)
    assert layout.images.suffix == ".zip"
    np.testing.assert_array_equal(pixels(layout), expected)
    shutil.rmtree(images)
    (tmp_path / "copy").rename(images)
    assert folders.find(tmp_path).images == images  # both are whole: no need to unpack
    (tmp_path / "img_align_celeba.zip").write_bytes(b"PK\x03\x04 a stopped download")
    assert folders.find(tmp_path).images == images


@pytest.mark.parametrize("listed", ["000001", "1", "000001.png", "img_align_celeba/000001.jpg"])
@pytest.mark.parametrize("ending", [".jpg", ".png", ".JPG"])
def test_celebas_images_are_known_by_their_numbers(tmp_path, listed, ending):
    celeba(tmp_path)
    for path in (tmp_path / "img_align_celeba").iterdir():
        path.rename(path.with_suffix(ending))
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        path = tmp_path / name
        path.write_text(path.read_text().replace("000001.jpg", listed))
    layout = folders.find(tmp_path)
    assert layout.rows().files[0] == listed and len(layout.rows().files) == 10
    assert pixels(layout).shape == (10, 3, 8, 8)


@pytest.mark.parametrize("split, example", [("train", 1), ("val", 9), ("test", 10)])
def test_celeba_without_the_images_of_a_split(tmp_path, split, example):
    celeba(tmp_path)
    rows = folders.find(tmp_path).rows()
    for name in rows.files[rows.split == split]:
        (tmp_path / "img_align_celeba" / name).unlink()
    with pytest.raises(DataError, match=f"holds no image of CelebA's {split} split, such as 0*{example}.jpg; add some"):
        folders.find(tmp_path).rows()


def sixteen_bit_pgm(path, ramp):
    path.write_bytes(b"P5\n20 20\n65535\n" + ramp.astype(">u2").tobytes())


def sixteen_bit(ending):
    return lambda path, ramp: Image.fromarray(ramp.astype(np.uint16)).save(path, format=ending)


def big_endian_tiff(path, ramp):
    Image.frombytes("I;16B", (20, 20), ramp.astype(">u2").tobytes()).save(path, format="TIFF")


@pytest.mark.parametrize("save", [sixteen_bit_pgm, sixteen_bit("PNG"), sixteen_bit("TIFF"), big_endian_tiff])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, save):
    own(tmp_path)
    ramp = np.linspace(0, 65535, 400).reshape(20, 20).round()
    save(tmp_path / "images" / "0.png", ramp)
    read = pixels(folders.find(tmp_path), size=20)[0]
    np.testing.assert_array_equal(read, np.stack([ramp // 256] * 3))
    assert int(read.mean()) == 127


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"])
def test_every_mode_is_read_as_it_looks_or_refused_by_its_name(tmp_path, mode):
    own(tmp_path)
    grey = Image.fromarray(np.full((20, 20), 255, np.uint8))
    if mode == "LAB":
        image = Image.new("LAB", (20, 20), (255, 128, 128))
    elif mode == "I;16":
        image = Image.fromarray(np.full((20, 20), 65535, np.uint16))
    else:
        image = grey.convert(mode)
    image.save(tmp_path / "images" / "0.png", format="TIFF")
    if mode in ("I", "F"):
        with pytest.raises(DataError, match=rf"0.png \(mode {mode}: 32-bit pixels have no agreed range; save it"):
            pixels(folders.find(tmp_path))
    else:
        assert pixels(folders.find(tmp_path))[0].min() >= (254 if mode == "LAB" else 255)


@pytest.mark.parametrize(
    "spelling", ["images/0.png", "./0.png", "images//0.png", ".\\0.png", "images\\0.png", "IMAGES/0.PNG", "link.png"]
)
def test_one_picture_under_two_spellings_is_one_picture(tmp_path, spelling):
    own(tmp_path)
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "images" / "0.png")
    table = tmp_path / "labels.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, "", f"{spelling},test,1,1"]))
    with pytest.raises(DataError, match=r"labels.csv, line 13: .* is the image of line 2, 0.png; keep one line"):
        folders.find(tmp_path).rows()
    table.write_text("\n".join([lines[0], f"{spelling},test,1,1", *lines[2:]]))
    expected = "images/link.png" if spelling == "link.png" else "images/0.png"
    assert folders.find(tmp_path).rows().files[0] == expected


def test_pictures_whose_names_differ_by_case_are_two_where_both_are_there(tmp_path):
    own(tmp_path)
    paint(tmp_path / "images" / "a.png")
    paint(tmp_path / "images" / "A.png", seed=1)
    if len(list((tmp_path / "images").glob("[aA].png"))) < 2:
        pytest.skip("this file system knows no case")
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text() + "a.png,train,1,1\nA.png,test,0,0\n")
    assert folders.find(tmp_path).rows().files[-2:].tolist() == ["images/a.png", "images/A.png"]
    (tmp_path / "images" / "0.png").rename(tmp_path / "images" / "\u00e9.png")
    table.write_text(table.read_text().replace("\n0.png", "\ne\u0301.PNG"), encoding="utf-8")
    assert folders.find(tmp_path).rows().files[0] == "images/\u00e9.png"


def test_the_same_name_in_the_folder_and_in_images_is_two_pictures(tmp_path):
    own(tmp_path)
    paint(tmp_path / "0.png", size=(20, 20))
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text() + "images/0.png,test,0,0\n")
    files = folders.find(tmp_path).rows().files.tolist()
    assert files[0] == "0.png" and files[-1] == "images/0.png"


@pytest.mark.parametrize("target", [".", "..", "loop", "nowhere"])
@pytest.mark.parametrize("make", [own, celeba])
def test_links_that_lead_in_a_circle_or_nowhere(tmp_path, make, target):
    make(tmp_path / "faces")
    for folder in ("images", "img_align_celeba", "."):
        if (tmp_path / "faces" / folder).is_dir():
            (tmp_path / "faces" / folder / "loop").symlink_to(target)
    layout = folders.find(tmp_path / "faces")
    assert len(layout.rows().files) == 10 and len(pixels(layout)) == 10
    assert len(layout.present) < 20  # each image once


def test_a_folder_of_links_in_circles_is_looked_through(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(DataError, match="it holds loop, self"):
        folders.find(tmp_path)


@pytest.mark.parametrize("name", ["list_attr_celeba.csv", "labels.csv"])
def test_folders_named_like_a_table(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=f"it holds {name}"):
        folders.find(tmp_path)


def test_a_table_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    own(tmp_path)
    layout = folders.find(tmp_path)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(folders.tables, "own_faces", refuse)
    with pytest.raises(DataError, match="labels.csv cannot be read: Permission denied"):
        layout.rows()
    monkeypatch.setattr(folders.tables, "header", refuse)
    with pytest.raises(DataError, match="labels.csv cannot be read: Permission denied"):
        folders.find(tmp_path)


def test_semicolons_and_tabs_separate_as_commas_do(tmp_path):
    labels = celeba(tmp_path / "celeba", suffix=".csv")
    own(tmp_path / "own")
    for path in (tmp_path / "celeba").glob("*.csv"):
        path.write_text(path.read_text().replace(",", ";"))
    path = tmp_path / "own" / "labels.csv"
    path.write_text(path.read_text().replace(",", "\t"))
    np.testing.assert_array_equal(folders.find(tmp_path / "celeba").rows().attributes, labels)
    assert folders.find(tmp_path / "own").rows().names == ("Happy", "Hat")
