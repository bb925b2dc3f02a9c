"""Tables that come with faces: what is read, and the one message that each mistake gives."""

import numpy as np
import pytest
from face_folders import celeba

from lib import tables
from lib.attributes import CELEBA
from lib.tables import DataError


@pytest.fixture
def folder(tmp_path):
    celeba(tmp_path, n=10)
    return tmp_path


def edit(path, line, old, new):
    """Replace text in one line (counted from 1, as an editor does)."""
    lines = path.read_text().split("\n")
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    "line, old, new, message",
    [
        (3, "000001.jpg", "000001.jpg 1", r"list_attr_celeba.txt, line 3: 42 columns where 41"),
        (7, " 1", "", r"list_attr_celeba.txt, line 7: 40 columns where 41"),
        (9, "000007.jpg", "000007.jpg 1", r"list_attr_celeba.txt, line 9: 42 columns where 41"),
        (5, "000003.jpg", "000002.jpg", r"line 5, column image: 000002.jpg is listed before"),
        (6, " 1", " x", r"line 6, column \w+: x must be 0 or 1, or -1 or 1"),
        (6, " 1", " 0", r"line 6, column \w+: 0 must be"),
        (2, "Smiling", "Smirking", r"line 2: .*unknown Smirking, Smiling missing"),
        (2, "Smiling", "Young", r"line 2: .*Young twice, Smiling missing"),
        (1, "10", "11", r"list_attr_celeba.txt announces 11 faces and holds 10"),
        (1, "10", "image_id", r"line 1: 'image_id' is not the number of faces"),
        (1, "10", "<!DOCTYPE html><html>", r"list_attr_celeba.txt is a web page"),
    ],
)
def test_mistakes_in_celebas_attribute_list(folder, line, old, new, message):
    path = folder / "list_attr_celeba.txt"
    edit(path, line, old, new)
    with pytest.raises(DataError, match=message):
        tables.celeba_attributes(path)


def test_attribute_list_cut_short(folder):
    path = folder / "list_attr_celeba.txt"
    path.write_bytes(path.read_bytes()[:-150])
    with pytest.raises(DataError, match=r"list_attr_celeba.txt"):
        tables.celeba_attributes(path)


@pytest.mark.parametrize(
    "line, old, new, message",
    [
        (
            4,
            "000004.jpg 0",
            "000004.jpg 3",
            r"line 4, column partition: 3 must be 0 \(train\), 1 \(val\) or 2 \(test\)",
        ),
        (4, "000004.jpg 0", "000004.jpg x", r"line 4, column partition: x must be"),
        (4, "000004.jpg 0", "000004.jpg", r"list_eval_partition.txt, line 4: 1 columns where 2"),
        (4, "000004.jpg", "999999.jpg", r"no line for 1 images of the attribute list: 000004.jpg"),
        (1, "000001.jpg 0", "<html>", r"list_eval_partition.txt is a web page"),
    ],
)
def test_mistakes_in_celebas_partition_list(folder, line, old, new, message):
    images, _, _ = tables.celeba_attributes(folder / "list_attr_celeba.txt")
    path = folder / "list_eval_partition.txt"
    edit(path, line, old, new)
    with pytest.raises(DataError, match=message):
        tables.celeba_split(path, images)


def test_partition_list_may_have_another_order(folder):
    images, _, _ = tables.celeba_attributes(folder / "list_attr_celeba.txt")
    path = folder / "list_eval_partition.txt"
    path.write_text("\n".join(reversed(path.read_text().splitlines())))
    assert tables.celeba_split(path, images).tolist() == ["train"] * 8 + ["val", "test"]


@pytest.mark.parametrize(
    "text, values",
    [
        ("image,Hat\na,1\nb,0\n", [[True], [False]]),
        ("image,Hat\na,1\nb,-1\n", [[True], [False]]),
        ("\ufeffimage, Hat\na, 1.0\nb, 0.0\n", [[True], [False]]),  # as spreadsheets save it
        ("Hat,image\nTrue,a\nFalse,b\n", [[True], [False]]),
        ('"image", "Hat"\n"a", "1"\n"b" , 0\n', [[True], [False]]),
        ('\n  \nimage;"Hat"\na;1\n\n"b";0\n', [[True], [False]]),
        ("image\tHat\na\t1\nb\t0\n", [[True], [False]]),
    ],
)
def test_own_labels(tmp_path, text, values):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    images, read, names, split = tables.own_faces(path)
    assert images.tolist() == ["a", "b"] and names == ("Hat",)
    np.testing.assert_array_equal(read, values)
    assert split.tolist() == [tables.split_by_name("a"), tables.split_by_name("b")]


def test_image_names_that_look_like_numbers_keep_their_zeros(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("image,Hat\n0001,1\n0002,0\n")
    assert tables.own_faces(path)[0].tolist() == ["0001", "0002"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("image,Hat\na,1\nb,2\n", r"labels.csv, line 3, column Hat: 2 must be 0 or 1"),
        ("image,Hat\na,1\nb,yes\n", r"labels.csv, line 3, column Hat: yes must be"),
        ("image,Hat,Tie\na,1,1\nb,,0\n", r"labels.csv, line 3, column Hat: nan must be"),
        ("image,Hat,Tie\na,1,1\nb,0\n", r"labels.csv, line 3: 2 columns where 3"),
        ("image,Hat\na,1\nb,0,0\n", r"labels.csv, line 3: 3 columns where 2"),
        ("image,Hat\na,1,1\nb,0,1\n", r"labels.csv, line 2: 3 columns where 2"),
        ("image,Hat\na,1\na,0\n", r"labels.csv, line 3, column image: a is listed before"),
        ("image,Hat\n,1\n", r"labels.csv, line 2, column image: nan must name an image"),
        ("image,split,Hat\na,train,1\nb,valid,0\n", r"line 3, column split: valid must be one of train, val, test"),
        ("image,Hat,Hat\na,1,1\n", r"labels.csv, line 1: .*each column once"),
        (",image,Hat\n0,a,1\n", r"labels.csv, line 1: .*each column once"),
        ("image,split\na,train\n", r"labels.csv, line 1: .*at least one attribute"),
        ("image,Hat\n", r"labels.csv cannot be read"),
        ("image,split,Happy\n\n\n0.png,train,1\n1.png,val,5\n", r"line 5, column Happy: 5 must be"),
        ("\nimage,Happy\n \n0.png,1\n\n1.png\n", r"line 6: 1 columns where 2"),
        ("\n\nimage,Happy\n0.png,1\n  \n0.png,0\n", r"line 6, column image: 0.png is listed before"),
        ('image,Happy\n"0\n.png",1\n\n1.png,5\n', r"line 5, column Happy: 5 must be"),
        ('"image", "Hat", "Hat"\na,1,1\n', r"line 1: .*each column once"),
    ],
)
def test_mistakes_in_own_labels(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        tables.own_faces(path)


def test_split_made_by_name_is_80_10_10_and_knows_no_neighbours():
    split = [tables.split_by_name(f"{i}.png") for i in range(5000)]
    for name, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert abs(split.count(name) / 5000 - share) < 0.02
    assert split[:3] == [tables.split_by_name(f"{i}.png") for i in range(3)]


def test_celeba_names_are_read_from_the_file(folder):
    path = folder / "list_attr_celeba.txt"
    _, values, names = tables.celeba_attributes(path)
    assert names == CELEBA
    edit(path, 2, " ".join(CELEBA), " ".join(reversed(CELEBA)))
    _, same, names = tables.celeba_attributes(path)
    assert names == CELEBA[::-1]
    np.testing.assert_array_equal(values, same)


def test_lines_are_counted_past_blank_ones_in_celebas_lists(folder):
    path = folder / "list_attr_celeba.txt"
    edit(path, 5, "000003", "\n\n000003")
    edit(path, 9, " 1", " x")
    with pytest.raises(DataError, match=r"line 9, column \w+: x must be"):
        tables.celeba_attributes(path)


@pytest.mark.parametrize("again", ["000001", "1.png", "img_align_celeba/000001.jpg"])
@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "list_eval_partition.txt"])
def test_one_image_of_celeba_under_two_spellings_is_listed_twice(folder, name, again):
    images, _, _ = tables.celeba_attributes(folder / "list_attr_celeba.txt")
    path = folder / name
    path.write_text(path.read_text().replace("000005.jpg", again))
    with pytest.raises(DataError, match=f"column image: {again} is listed before"):
        tables.celeba_attributes(path) if "attr" in name else tables.celeba_split(path, images)
