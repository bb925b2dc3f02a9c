import numpy as np
import pandas as pd
import pytest
from face_folders import celeba, own, paint
from PIL import Image

from benchmarks import faces64
from lib import data
from lib.attributes import CELEBA


@pytest.fixture
def five(tmp_path, monkeypatch):
    """CelebA with ten faces, of which five are chosen: (its folder, its labels)."""
    monkeypatch.setattr(faces64, "CHOSEN", tmp_path / "chosen.csv")
    pd.DataFrame({"number": [2, 5, 6, 9, 10]}).to_csv(faces64.CHOSEN, index=False)
    return tmp_path / "celeba", celeba(tmp_path / "celeba")


def test_the_chosen_faces_are_a_folder_that_the_course_reads(tmp_path, five):
    source, labels = five
    faces64.main([str(source), str(tmp_path / "made")])
    faces = data.read(tmp_path / "made", 64, tmp_path / "cache")
    assert faces.names == CELEBA and faces.files.tolist() == [f"images/{n:06d}.webp" for n in (2, 5, 6, 9, 10)]
    assert faces.split.tolist() == ["train", "train", "train", "val", "test"]
    np.testing.assert_array_equal(faces.attributes, labels[[1, 4, 5, 8, 9]])
    face = Image.fromarray(paint(tmp_path / "face.png", seed=4)[50:178, 25:153])
    face.resize((64, 64), Image.Resampling.LANCZOS).save(tmp_path / "expected.webp", quality=92)
    assert (tmp_path / "made" / "images" / "000005.webp").read_bytes() == (tmp_path / "expected.webp").read_bytes()


def test_missing_images_are_told_and_nothing_is_written(tmp_path, five, capsys):
    (five[0] / "img_align_celeba" / "000006.jpg").unlink()
    with pytest.raises(SystemExit):
        faces64.main([str(five[0]), str(tmp_path / "made")])
    assert "lacks 1 of the 5 images that chosen.csv lists: 000006" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("damage", ["truncated", "another cut"])
def test_an_image_that_cannot_be_used_is_named(tmp_path, five, capsys, damage):
    image = five[0] / "img_align_celeba" / "000009.jpg"
    if damage == "truncated":
        image.write_bytes(image.read_bytes()[:500])
    else:
        paint(image, size=(218, 178))
    with pytest.raises(SystemExit):
        faces64.main([str(five[0]), str(tmp_path / "made")])
    assert "img_align_celeba: 000009 cannot be used" in capsys.readouterr().err
    assert not (tmp_path / "made" / "attributes.csv").exists()


def test_a_target_that_cannot_be_written_is_named(tmp_path, five, capsys):
    (tmp_path / "made").write_text("a file in the way")
    with pytest.raises(SystemExit):
        faces64.main([str(five[0]), str(tmp_path / "made")])
    assert "cannot write into" in capsys.readouterr().err


def test_only_celeba_is_taken(tmp_path, capsys):
    with pytest.raises(SystemExit):
        faces64.main([str(own(tmp_path / "own")), str(tmp_path / "made")])
    assert "expected CelebA" in capsys.readouterr().err


def test_the_list_that_ships_is_that_of_the_tables():
    numbers = pd.read_csv(faces64.CHOSEN)["number"]
    assert numbers.is_monotonic_increasing and numbers.is_unique
    ends = [0, 162_770, 182_637, 202_599]  # of CelebA's splits
    assert np.histogram(numbers, np.array(ends) + 0.5)[0].tolist() == [26_000, 2_500, 2_500]
