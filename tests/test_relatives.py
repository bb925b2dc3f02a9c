"""The map of relatives: every system that the paper names, each fact with a source, and two pictures."""

import json

import pandas as pd
import pytest

from lib import config, relatives
from lib.baselines import systems
from lib.study import arms

NAMED = (  # in Sections I, II, III-A and V of the paper
    "POOF", "Manyam et al.", "LNets+ANet", "Faceness-Net", "HyperFace", "MOON", "DeepContour", "GAN", "DCGAN", "BEGAN",
    "StarGAN", "IcGAN", "AttGAN", "RelGAN", "FM-GAN", "DPIG", "PG²", "head inpainting", "Liu et al., action units",
    "random erasing",
)  # fmt: skip


@pytest.fixture(scope="module")
def family():
    return relatives.systems()


@pytest.fixture(scope="module")
def field():
    return relatives.field()


def test_every_named_system_has_its_row(family):
    assert sorted(family["system"]) == sorted([*NAMED, relatives.PAPER])


def test_every_row_says_what_it_is_and_where_that_was_read(family):
    everybody = ["system", "year", "task", "from", "to", "idea", "formula", "source", "checked"]
    assert (family[everybody] != "").all(axis=None)
    others = family[family["system"] != relatives.PAPER]
    assert (others[["section", "reference", "role", "use"]] != "").all(axis=None)
    assert set(others["role"]) == {"part of it", "named", *relatives.OPPOSED}
    assert set(family["task"]) == set(relatives.LANES)
    assert others["reference"].is_unique and others["reference"].str.fullmatch(r"\[\d+\]").all()


def test_nobody_descends_from_the_unknown_or_from_the_future(family):
    year = family.set_index("system")["year"]
    for system in family.itertuples():
        assert all(year[parent] <= system.year for parent in system.parents), system.system


def test_the_paper_descends_from_its_parts(family):
    parts = set(family.loc[family["role"] == "part of it", "system"]) - {"GAN"}  # through DCGAN and BEGAN
    assert set(family.set_index("system").loc[relatives.PAPER, "parents"]) == parts


def test_what_is_used_here_is_there(family):
    for system in family.itertuples():
        if system.in_course.startswith("arm "):
            assert system.in_course.removeprefix('arm "').removesuffix('"') in arms.ARMS
        elif "/" in system.in_course:
            assert (config.ROOT / system.in_course).is_file(), system.in_course
    run_here = family["in_course"].str.startswith("lib/baselines/")
    assert set(family.loc[run_here, "system"]) == set(systems.SYSTEMS)


def source_of(notebook, kind):
    cells = json.loads((config.ROOT / "notebooks" / notebook).read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == kind)


def test_notebook_7_shows_the_map():
    source = source_of("07_compared_systems.ipynb", "code")
    assert all(call in source for call in ("relatives.systems()", "relatives.family(", "relatives.standing("))


def test_notebook_6_names_the_remedies_that_the_paper_dismisses():
    text = source_of("06_evaluation.ipynb", "markdown")
    assert all(name in text for name in ("up-sampling", "cost-sensitive training", "MOON", "positive sharing"))


def test_the_field_has_sources_and_possible_numbers(field):
    assert field[["method", "kind", "source", "checked"]].notna().all(axis=None)
    numbers = field[["accuracy", "accuracy_13", "balanced_accuracy"]]
    assert numbers.notna().any(axis=1).all()
    assert numbers.stack().dropna().between(50, 100).all()
    expected = {"MOON": 90.94, "MCNN-AUX": 91.29, "DMM-CNN": 91.70, "FaRL": 91.88}
    assert field.set_index("method").loc[list(expected), "accuracy"].to_dict() == expected


def test_memory_is_marked(family, field):
    """Numbers that were not read somewhere are few, and say so."""
    marked = [*family.loc[family["checked"].str.contains("memory"), "system"],
              *field.loc[field["checked"].str.contains("memory"), "method"]]  # fmt: skip
    assert marked == ["DeepContour", "CRL", "CLMLE", "DCL"]


def test_the_picture_has_every_system_once_and_no_box_on_another(family):
    fig = relatives.family(family)
    fig.canvas.draw()
    (ax,) = fig.axes
    boxes = {text.get_text(): text.get_bbox_patch().get_window_extent() for text in ax.texts if text.get_bbox_patch()}
    assert sorted(boxes) == sorted(family["system"])
    names = list(boxes)
    for i, name in enumerate(names):
        assert not any(boxes[name].overlaps(boxes[other]) for other in names[:i]), name
        assert ax.bbox.contains(boxes[name].x1, boxes[name].y0), name
    links = sum(map(len, family["parents"])) + family["role"].isin(relatives.OPPOSED).sum()
    assert sum(text.get_text() == "" for text in ax.texts) == links


def test_the_scale_shows_methods_by_accuracy_beside_the_majority():
    table = pd.DataFrame({"method": ["b", "a", "c"], "year": [2020, float("nan"), 2021], "kind": ["k", "l", "k"],
                          "accuracy": [91.0, 85.0, float("nan")]})  # fmt: skip
    (ax,) = relatives.standing(table, 80.0).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b, 2020"]
    points = {tuple(point) for line in ax.lines for point in zip(line.get_xdata(), line.get_ydata(), strict=True)}
    assert {(85.0, 0), (91.0, 1)} <= points
    assert any(set(line.get_xdata()) == {80.0} for line in ax.lines)
