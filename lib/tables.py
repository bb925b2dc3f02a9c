"""Text tables that come with faces: labels and splits, read fast and checked to the line and column.

CelebA's own lists (.txt, columns separated by blanks), their Kaggle versions (.csv), and the CSV of your own faces; the
columns of a CSV are separated by commas, semicolons or tabs. `path` is the file. Every problem is a DataError that
names it, the line, what was expected, and what to do.
"""

import csv
import hashlib
from collections import Counter
from itertools import islice

import numpy as np
import pandas as pd

from lib.attributes import CELEBA, SPLITS


class DataError(ValueError):
    """The faces cannot be had. The message names the file, what was expected of it, and what to do."""


def celeba_attributes(path):
    """CelebA's attribute list: `(images, values, names)`, a Series of N file names, bool (N, 40), and 40 names."""
    refuse_web_page(path)
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        count, second_line = file.readline().strip(), file.readline()
    if path.suffix == ".csv":
        names, skip = tuple(header(path)[1:]), 1
    else:
        names, skip = tuple(second_line.split()), 2
        if not count.isdecimal():
            raise DataError(
                f"{path}, line 1: {count[:40]!r} is not the number of faces; take the file as CelebA ships it"
            )
    wrong = [f"unknown {name}" for name in names if name not in CELEBA]
    wrong += [f"{name} twice" for name, times in Counter(names).items() if times > 1]
    wrong += [f"{name} missing" for name in CELEBA if name not in names]
    if wrong:
        raise DataError(f"{path}, line {skip}: the header must name CelebA's 40 attributes once each: {some(wrong)}")
    table = _read(path, ["image", *names], skip)
    _check_unique(path, table, table["image"].map(identity), skip)
    if path.suffix == ".txt" and int(count) != len(table):
        raise DataError(f"{path} announces {int(count):,} faces and holds {len(table):,}; get the file again")
    return table["image"], _labels(path, table, names, skip), names


def celeba_split(path, images):
    """Split of each of `images`, (N,) str, after CelebA's partition list; see `identity` for their names."""
    refuse_web_page(path)
    skip = int(path.suffix == ".csv")
    table = _read(path, ["image", "partition"], skip)
    identities = table["image"].map(identity)
    _check_unique(path, table, identities, skip)
    code = pd.to_numeric(table["partition"], errors="coerce")
    _check(path, table, "partition", ~code.isin((0, 1, 2)), "must be 0 (train), 1 (val) or 2 (test)", skip)
    code = pd.Series(code.to_numpy(), index=identities).reindex(images.map(identity))
    lost = images[code.isna().to_numpy()].tolist()
    if lost:
        raise DataError(
            f"{path} has no line for {len(lost):,} images of the attribute list: {some(lost)}; get it again"
        )
    return np.array(SPLITS)[code.to_numpy(int)]


def own_faces(path):
    """The CSV of your own faces: `(images, values, names, split)`; without a column `split` one is made by name."""
    columns = header(path)
    names = tuple(column for column in columns if column not in ("image", "split"))
    if not names or "" in columns or len(set(columns)) < len(columns):
        raise DataError(
            f"{path}, line 1: the header must name each column once: `image`, if you like `split`, and at least one "
            f"attribute; it reads {','.join(columns)}"
        )
    table = _read(path, columns, skip=1)
    _check_unique(path, table, table["image"], skip=1)
    values = _labels(path, table, names, skip=1)
    if "split" in columns:
        _check(path, table, "split", ~table["split"].isin(SPLITS), f"must be one of {', '.join(SPLITS)}", skip=1)
        split = table["split"].to_numpy(str)
    else:
        split = np.array([split_by_name(image) for image in table["image"]])
    return table["image"], values, names, split


def split_by_name(image):
    """Split of an image by its name alone, whatever else is in the table: 80 % train, 10 % val, 10 % test."""
    tenth = int(hashlib.sha256(image.encode()).hexdigest(), 16) % 10
    return "train" if tenth < 8 else SPLITS[tenth - 7]


def identity(image):
    """What tells CelebA's images apart, however a table or a folder spells one: 000001 for 000001.jpg, for
    img_align_celeba/000001.png and for 1."""
    name = image.replace("\\", "/").rpartition("/")[2]
    return (name.rpartition(".")[0] or name).zfill(6)


def header(path):
    """Column names in the first line of a CSV; none if it is no CSV."""
    try:
        return [name.strip() for _, fields in islice(_records(path), 1) for name in fields]
    except csv.Error:
        return []


def line(path, row, skip=1):
    """Number of the line, from 1, that holds row `row` of a table, from 0, whose head are `skip` lines."""
    return next(islice(_records(path), row + skip, None))[0]


def refuse_web_page(path):
    """Raise DataError if a download was answered with a page, as file hosts do when a quota is used up."""
    with open(path, "rb") as file:
        start = file.read(256).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        raise DataError(
            f"{path} is a web page, not CelebA's file (a used-up quota or a log-in?); download it in a browser"
        )


def some(things, most=5):
    """The first few of a list, and how many more there are."""
    more = f" and {len(things) - most:,} more" if len(things) > most else ""
    return ", ".join(things[:most]) + more


def _delimiter(path):
    """What separates the columns of a CSV: comma, semicolon or tab, whichever makes most of them in the first line."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        first = next(filter(str.strip, file), "")
    return max(",;\t", key=lambda mark: len(next(csv.reader([first], delimiter=mark, skipinitialspace=True), [])))


def _records(path):
    """Yield (number of its first line, fields) for each line of a table that is not blank."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader, start = file, 1
        if path.suffix == ".csv":
            reader = csv.reader(file, delimiter=_delimiter(path), skipinitialspace=True)
        for row in reader:
            fields = row.split() if path.suffix == ".txt" else row
            if any(fields) or len(fields) > 1:
                yield start, fields
            start = start + 1 if reader is file else reader.line_num + 1


def _read(path, columns, skip):
    """The lines of a table after the first `skip`, as a DataFrame; column `image` is checked to be there."""
    how = {"sep": r"\s+"} if path.suffix == ".txt" else {"sep": _delimiter(path), "skipinitialspace": True}
    text = [name for name in ("image", "split") if name in columns]
    head = line(path, skip - 1, skip=0) if skip else 0
    try:
        table = pd.read_csv(
            path, names=columns, skiprows=head, dtype=dict.fromkeys(text, str), encoding="utf-8-sig", low_memory=False,
            **how,
        )  # fmt: skip
    except ValueError:  # from pandas: a line that is too long, no line at all, not UTF-8
        table = None
    # A first line that is too long makes pandas take its start for an index; a line that is too short is filled up.
    if table is None or not isinstance(table.index, pd.RangeIndex) or table[columns[-1]].isna().any():
        _check_width(path, len(columns), skip)
    if table is None or table.empty:
        raise DataError(f"{path} cannot be read: it must be a table in UTF-8 with one line per face")
    table[text] = table[text].apply(lambda column: column.str.strip())
    _check(path, table, "image", table["image"].isna(), "must name an image", skip)
    return table


def _check_unique(path, table, identities, skip):
    """Raise DataError for the first row whose image, told apart by `identities`, stands in an earlier one."""
    _check(path, table, "image", identities.duplicated(), "is listed before; keep one line per image", skip)


def _labels(path, table, names, skip):
    """Attribute columns of a table as bool (N, A)."""
    values = table[list(names)].apply(pd.to_numeric, errors="coerce")
    no = -1 if (values == -1).to_numpy().sum() > (values == 0).to_numpy().sum() else 0
    for name in names:
        _check(path, table, name, ~values[name].isin((no, 1)), "must be 0 or 1, or -1 or 1 in the whole table", skip)
    return values.to_numpy() == 1


def _check(path, table, column, wrong, expected, skip):
    """Raise DataError for the first row of a column that is `wrong`, a bool Series."""
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        where = f"{path}, line {line(path, row, skip)}, column {column}"
        raise DataError(f"{where}: {table[column].iloc[row]} {expected}")


def _check_width(path, width, skip):
    """Raise DataError for the first line after `skip` that has not `width` columns."""
    for number, fields in islice(_records(path), skip, None):
        if len(fields) != width:
            raise DataError(f"{path}, line {number}: {len(fields)} columns where {width} are needed")
