"""FaceData, its three sources, and the cache that keeps them."""

import dataclasses
import errno
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from face_folders import celeba, own, pack, paint

from lib import attributes, config, data, folders, tables, toyfaces
from lib.data import FaceData, to_float, to_uint8
from lib.tables import DataError


@pytest.fixture
def faces(tmp_path):
    return data.read(own(tmp_path / "mine", n=20), size=8, cache=tmp_path / "cache")


def run_of(tmp_path, source="toy", **counts):
    """A run whose profile asks for `counts` faces of 8x8 pixels."""
    profile = dataclasses.replace(config.PROFILES["ci"], data=config.DataConfig(size=8, **counts))
    return config.Run(profile, str(source), 0, tmp_path / "runs" / "some" / "ci")


def refuse(*_):
    raise AssertionError("decoded again")


def left_in(cache):
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_conversions_are_exact_inverses():
    images = np.arange(256, dtype=np.uint8)
    for given in (images, torch.from_numpy(images), images.reshape(4, 1, 8, 8)):
        x = to_float(given)
        assert x.dtype == torch.float32 and x.min() == -1 and x.max() == 1
        assert torch.equal(to_uint8(x), torch.from_numpy(images).view(x.shape))
        assert torch.equal(to_uint8(x.numpy()), to_uint8(x))


def test_conversions_clamp_and_detach_and_refuse():
    x = torch.tensor([-3.0, 3.0], requires_grad=True)
    assert to_uint8(x).tolist() == [0, 255]
    with pytest.raises(TypeError, match="uint8"):
        to_float(torch.zeros(1))


def test_with_validation_makes_training_faces_of_them_under_another_key(faces):
    more = data.with_validation(faces)
    assert more.key != faces.key and not len(more.part("val"))
    assert len(more.part("train")) == len(faces.part("train")) + len(faces.part("val"))
    assert np.array_equal(more.part("test").images, faces.part("test").images)
    assert set(faces.split) == {"train", "val", "test"}  # the faces themselves stay as they are


def test_parts_are_views_and_takes_keep_rows_together(faces):
    assert (len(faces), faces.size, faces.names, faces.source) == (20, 8, ("Happy", "Hat"), "mine")
    train = faces.part("train")
    assert len(train) == 16 and set(train.split) == {"train"}
    assert np.shares_memory(train.images, faces.images) and not train.images.flags.writeable
    index = [18, 3, 3]
    some = faces.take(index)
    np.testing.assert_array_equal(some.images, np.asarray(faces.images)[index])
    np.testing.assert_array_equal(some.attributes, faces.attributes[index])
    assert some.files.tolist() == ["images/18.png", "images/3.png", "images/3.png"]
    assert some.split.tolist() == ["test", "train", "train"]
    assert len(faces.take(faces.attributes[:, 0])) == 10 and len(faces.take([])) == 0
    with pytest.raises(ValueError, match="train, val, test"):
        faces.part("valid")


def test_keys_tell_which_faces_and_nothing_else(faces):
    assert faces.take(slice(None)) is faces
    assert faces.take([0, 1]).key == faces.take(slice(2)).key
    keys = {faces.key, faces.part("train").key, faces.take([0, 1]).key, faces.take([1, 0]).key}
    assert len(keys) == 4
    assert dataclasses.replace(faces, key="other").take([0, 1]).key not in keys


def test_fields_of_unequal_length_are_refused(faces):
    with pytest.raises(ValueError, match="unequal length"):
        dataclasses.replace(faces, attributes=faces.attributes[:3])
    with pytest.raises(ValueError, match="unequal length"):
        dataclasses.replace(faces, names=("Happy",))


def test_rows_stay_together_when_the_splits_are_mixed(tmp_path):
    folder = own(tmp_path / "mine", n=20)
    table = folder / "labels.csv"
    head, *lines = table.read_text().splitlines()
    table.write_text("\n".join([head, *reversed(lines)]))
    faces = data.read(folder, size=20, cache=tmp_path / "cache")
    assert faces.split.tolist() == ["train"] * 16 + ["val"] * 2 + ["test"] * 2
    for image, a, file in zip(faces.images, faces.attributes, faces.files, strict=True):
        i = int(Path(file).stem)
        np.testing.assert_array_equal(image, paint(tmp_path / "again.png", (20, 20), seed=i).transpose(2, 0, 1))
        assert a.tolist() == [i % 2 == 1] * 2


def test_a_second_start_decodes_nothing(tmp_path, faces, monkeypatch):
    monkeypatch.setattr(folders, "_pixels", refuse)
    again = data.read(tmp_path / "mine", size=8, cache=tmp_path / "cache")
    for field in dataclasses.fields(FaceData):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(faces, field.name))


def test_other_code_or_another_pillow_decodes_anew(tmp_path, faces, monkeypatch):
    decoded, pixels = [], folders._pixels
    monkeypatch.setattr(folders, "_pixels", lambda *how: decoded.append(1) or pixels(*how))

    def read():
        assert data.read(tmp_path / "mine", size=8, cache=tmp_path / "cache").key == faces.key
        return len(decoded)

    assert read() == 0
    (tmp_path / "folders.py").write_text("other code")
    monkeypatch.setattr(data, "DECODING", [tmp_path / "folders.py"])
    assert read() == 20
    monkeypatch.setattr("PIL.__version__", "0.1")
    assert read() == 40 and read() == 40


def test_a_changed_image_or_size_is_decoded(tmp_path, faces):
    assert data.read(tmp_path / "mine", size=4, cache=tmp_path / "cache").size == 4
    paint(tmp_path / "mine" / "images" / "3.png", size=(30, 30), seed=77)
    changed = data.read(tmp_path / "mine", size=8, cache=tmp_path / "cache")
    assert changed.key != faces.key
    different = [i for i in range(20) if not np.array_equal(changed.images[i], faces.images[i])]
    assert different == [3]


def test_copies_and_zips_of_the_same_faces_have_the_same_key(tmp_path):
    celeba(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    pack(tmp_path / "two")
    keys = {data.read(tmp_path / name, 8, tmp_path / "cache").key for name in ("one", "two")}
    assert len(keys) == 1 and len(left_in(tmp_path / "cache")) == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_start_leaves_nothing_behind(tmp_path, monkeypatch, stop):
    folder, cache = own(tmp_path / "mine", n=200), tmp_path / "cache"
    tobytes = iter(range(10))

    class Stops(np.ndarray):
        def tobytes(self):
            if next(tobytes) == 1:  # after the first batch is written
                raise stop
            return super().tobytes()

    decode = folders.decode
    with monkeypatch.context() as patch:
        patch.setattr(folders, "decode", lambda *how: (batch.view(Stops) for batch in decode(*how)))
        with pytest.raises(stop):
            data.read(folder, size=8, cache=cache)
    assert left_in(cache) == []
    assert len(data.read(folder, size=8, cache=cache)) == 200


def test_damaged_images_leave_nothing_behind(tmp_path):
    folder, cache = own(tmp_path / "mine"), tmp_path / "cache"
    (folder / "images" / "3.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match="images/3.png"):
        data.read(folder, size=8, cache=cache)
    assert left_in(cache) == []


def test_what_a_killed_start_left_is_cleared(tmp_path, faces):
    (place,) = left_in(tmp_path / "cache")
    shutil.move(tmp_path / "cache" / place, tmp_path / "cache" / f"{place}.partial")
    again = data.read(tmp_path / "mine", size=8, cache=tmp_path / "cache")
    assert again.key == faces.key and left_in(tmp_path / "cache") == [place]


@pytest.mark.parametrize("file", ["images.npy", "columns.npz"])
@pytest.mark.parametrize("damage", [lambda b: b[:-40], lambda b: b"", lambda b: b[:30]])
def test_a_damaged_cache_is_made_again(tmp_path, faces, file, damage):
    key, images = faces.key, np.array(faces.images)
    (place,) = left_in(tmp_path / "cache")
    path = tmp_path / "cache" / place / file
    path.write_bytes(damage(path.read_bytes()))
    again = data.read(tmp_path / "mine", size=8, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.images, images)
    assert again.key == key


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder, cache = own(tmp_path / "mine"), tmp_path / "cache"
    monkeypatch.setattr(data.np, "savez", full)
    with pytest.raises(
        DataError, match=f"kept in {cache}: No space left on device; make room there, or let COURSE_RUNS"
    ):
        data.read(folder, size=8, cache=cache)
    assert left_in(cache) == []


def test_a_cache_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=f"kept in {tmp_path / 'file' / 'cache'}: .*COURSE_RUNS"):
        data.read(own(tmp_path / "mine"), size=8, cache=tmp_path / "file" / "cache")


def test_two_starts_at_once_decode_once(tmp_path, monkeypatch):
    folder, decoded, keys = own(tmp_path / "mine", n=20), [], []
    pixels = folders._pixels
    monkeypatch.setattr(folders, "_pixels", lambda *how: decoded.append(1) or pixels(*how))
    starts = [
        threading.Thread(target=lambda: keys.append(data.read(folder, 8, tmp_path / "cache").key)) for _ in range(3)
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(decoded) == 20 and len(keys) == 3 and len(set(keys)) == 1


def test_missing_images_of_celeba_are_announced_every_time(tmp_path, capsys):
    celeba(tmp_path / "celeba")
    (tmp_path / "celeba" / "img_align_celeba" / "000002.jpg").unlink()
    for _ in range(2):
        assert len(data.read(tmp_path / "celeba", 8, tmp_path / "cache")) == 9
        assert "9 of 10 images found" in capsys.readouterr().out


def test_load_takes_what_the_profile_asks_for(tmp_path, capsys):
    folder = own(tmp_path / "mine", n=50)
    faces = data.load(run_of(tmp_path, folder, train=10, val=2, test=100))
    assert faces.split.tolist() == ["train"] * 10 + ["val"] * 2 + ["test"] * 5
    assert faces.files[:10].tolist() == [f"images/{i}.png" for i in range(0, 40, 4)]  # evenly spread
    assert "10 train, 2 val, 5 test; 2 attributes" in capsys.readouterr().out
    whole = data.load(run_of(tmp_path, folder))
    assert len(whole) == 50 and isinstance(whole.images, np.memmap)
    assert left_in(tmp_path / "runs" / "some") == ["cache"]


def test_load_refuses_an_empty_split(tmp_path):
    folder = own(tmp_path / "mine", n=9)
    with pytest.raises(DataError, match="mine has no val faces"):
        data.load(run_of(tmp_path, folder))


@pytest.mark.parametrize("profile", config.PROFILES)
def test_too_few_faces_are_told_early_with_the_minimum_of_each_split(tmp_path, profile, capsys):
    folder = own(tmp_path / "mine", n=10)
    run = config.Run(config.PROFILES[profile], str(folder), 0, tmp_path / "runs" / "mine" / profile)
    with pytest.raises(DataError, match="mine has 8 train faces and 1 val faces and 1 test faces; at least 256 train, "
                       r"64 val, 64 test are needed. Add faces \(384 in all .*teaching/own_pictures.md"):  # fmt: skip
        data.load(run)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_one_face_less_than_the_minimum_is_too_few(split):
    least = config.PROFILES["laptop"].data.least
    run = config.Run(config.PROFILES["laptop"], "mine", 0, Path("runs", "mine", "laptop"))
    enough = folders.Rows(None, None, ("Hat", "Tie"), np.repeat(list(least), list(least.values())), 0)
    data.check_enough(run, enough)
    one_less = np.repeat(list(least), [n - (name == split) for name, n in least.items()])
    with pytest.raises(DataError, match=f"mine has {least[split] - 1} {split} faces; at least"):
        data.check_enough(run, dataclasses.replace(enough, split=one_less))


def test_one_attribute_is_too_few(tmp_path):
    folder = own(tmp_path / "mine", n=20, header="image,split,Happy")
    with pytest.raises(DataError, match="mine has one attribute, Happy; at least 2 are needed"):
        data.load(run_of(tmp_path, folder))


@pytest.fixture
def drawn(monkeypatch):
    """Replaces the drawing: a face is its index. Returns the list of what was drawn."""
    calls = []

    def draw(n, seed=0, start=0, size=64, device="cpu"):
        calls.append((start, n))
        index = np.arange(start, start + n)
        images = (index % 251).astype(np.uint8)[:, None, None, None].repeat(3, 1).repeat(size, 2).repeat(size, 3)
        return images, index[:, None] % np.arange(2, 42) == 0

    monkeypatch.setattr(toyfaces, "faces", draw)
    return calls


def test_more_drawn_train_faces_leave_val_and_test_alone(tmp_path, drawn):
    small = data.load(run_of(tmp_path, train=20, val=5, test=5))
    large = data.load(run_of(tmp_path, train=700, val=5, test=5))
    assert small.names == attributes.CELEBA and small.source == "toy" and small.key != large.key
    for split, n in (("train", 20), ("val", 5), ("test", 5)):
        a, b = small.part(split), large.part(split).take(slice(n))
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.attributes, b.attributes)
        np.testing.assert_array_equal(a.files, b.files)
    index = large.files.astype(int)
    assert len(set(index)) == 710  # no face is in two splits
    np.testing.assert_array_equal(large.images[:, 0, 0, 0], index % 251)
    np.testing.assert_array_equal(large.attributes, index[:, None] % np.arange(2, 42) == 0)


def test_drawn_faces_are_kept_until_the_drawing_changes(tmp_path, drawn, monkeypatch):
    first = data.load(run_of(tmp_path, train=20, val=5, test=5))
    n = len(drawn)
    assert data.load(run_of(tmp_path, train=20, val=5, test=5)).key == first.key and len(drawn) == n
    changed = tmp_path / "toyfaces.py"
    changed.write_text("another hand")
    monkeypatch.setattr(data, "DRAWING", [changed])
    assert data.load(run_of(tmp_path, train=20, val=5, test=5)).key != first.key and len(drawn) == 2 * n


def test_without_counts_as_many_faces_are_drawn_as_celeba_has(tmp_path, drawn, monkeypatch):
    sizes = {"train": 12, "val": 3, "test": 4}
    monkeypatch.setattr(attributes, "celeba_statistics", lambda split: (sizes[split], None))
    faces = data.load(run_of(tmp_path))
    assert {split: len(faces.part(split)) for split in sizes} == sizes


@pytest.mark.skipif(not os.environ.get("COURSE_TEST_CELEBA"), reason="COURSE_TEST_CELEBA names no folder of CelebA")
def test_real_celeba(tmp_path):
    layout = folders.find(os.environ["COURSE_TEST_CELEBA"])
    assert isinstance(layout, folders.CelebA)
    images, values, names = tables.celeba_attributes(layout.tables[0])
    split = tables.celeba_split(layout.tables[1], images)
    for name in attributes.SPLITS:
        count, both = attributes.celeba_statistics(name)
        assert (split == name).sum() == count
        np.testing.assert_array_equal(attributes.cooccurrence(values[split == name]), both)
    assert names == attributes.CELEBA
    faces = data.read(os.environ["COURSE_TEST_CELEBA"], 32, tmp_path)
    assert 0 < len(faces) <= len(images) and 60 < faces.images.mean() < 180
