"""Figures hold the data they were given, and reach the page with their alternative text."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lib import attributes, plots

NAMES = ("Bald", "Male", "Young", "Wearing_Hat")
A = np.array([[0, 1, 1, 1], [0, 1, 1, 0], [0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def lines(ax):
    """Label -> values of the lines in a legend."""
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines}


# --- The page ---------------------------------------------------------------------------------------------------------


def test_html_carries_alternative_text_and_caption_escaped():
    page = plots.figure_html(plt.figure(figsize=(1, 1)), alt='a "b" < c & d', caption="x < y")
    assert 'alt="a &quot;b&quot; &lt; c &amp; d"' in page
    assert "<figcaption>x &lt; y</figcaption>" in page
    assert "<figcaption>" not in plots.figure_html(plt.figure(figsize=(1, 1)), alt="no caption")


def test_html_holds_the_picture():
    page = plots.figure_html(plt.figure(figsize=(2, 1)), alt="nothing")
    kind, content = re.search(r'src="data:image/(\w+);base64,([^"]+)"', page).groups()
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert kind == "png" and image.format == "PNG" and image.size == (200, 100)


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_figure_without_alternative_text_is_refused(alt):
    with pytest.raises(ValueError, match="alternative text"):
        plots.figure_html(plt.figure(), alt)


def test_the_smaller_file_is_taken_and_plots_stay_png(images):
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, 100, 100), dtype=np.uint8)  # PNG's worst case
    assert plots.picture(plots.faces(noise))[0] == "jpeg"
    assert plots.picture(plots.faces(np.zeros_like(noise)))[0] == "png"
    assert plots.picture(plots.curves(pd.DataFrame({"step": [1], "loss": [1.0]}), {"Loss": ["loss"]}))[0] == "png"


def test_show_outside_a_page_says_the_text_and_closes_the_figure(capsys):
    fig = plt.figure(figsize=(1, 1))
    plots.show(fig, alt="what is to be seen")
    assert capsys.readouterr().out.strip() == "what is to be seen"
    assert not plt.fignum_exists(fig.number)


# --- Faces ------------------------------------------------------------------------------------------------------------


def test_faces_stand_in_order_with_their_labels(images):
    fig = plots.faces(images, columns=3, row_labels=["up", "down"], titles=["one", "two"], title="All")
    (ax,) = fig.axes
    assert sorted(texts(ax)) == sorted(["up", "down", "one", "two", "All"])
    assert len(ax.images) == len(images)
    for shown, image in zip(ax.images, images, strict=True):
        assert np.array_equal(shown.get_array(), image.transpose(1, 2, 0))
    left = [shown.get_extent()[0] for shown in ax.images]
    top = [shown.get_extent()[3] for shown in ax.images]
    assert left[0] == left[3] < left[1] == left[4] < left[2]
    assert top[0] == top[1] == top[2] < top[3] == top[4]


def test_faces_are_not_distorted_and_fit_the_page():
    wide = np.zeros((30, 3, 8, 16), dtype=np.uint8)
    fig = plots.faces(wide, columns=15, row_labels=["a rather long label", "b"])
    left, right, bottom, top = fig.axes[0].images[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(2)
    assert fig.get_size_inches()[0] <= plots.WIDTH + 0.2
    assert fig.axes[0].get_xlim() == (0, fig.get_size_inches()[0])  # an inch is an inch


def test_long_titles_of_faces_take_lines_rather_than_small_letters():
    names = [plots.readable(name) for name in attributes.CELEBA[:8]]
    figure = plots.faces(np.zeros((8, 3, 32, 32), np.uint8), columns=8, titles=names)
    shown = figure.axes[0].texts
    assert [" ".join(text.get_text().split()) for text in shown] == names
    assert any("\n" in text.get_text() for text in shown) and min(text.get_fontsize() for text in shown) >= 7


def test_a_flat_curve_is_drawn_between_nothing_and_twice_its_height():
    log = pd.DataFrame({"step": [0, 1, 2], "k": 0.0, "rate": 0.001, "falling": [3.0, 2.0, 1.0]})
    figure = plots.curves(log, {name: [name] for name in ("k", "rate", "falling")})
    k, rate, falling = (ax.get_ylim() for ax in figure.axes)
    assert k == (-0.02, 1) and rate == (0, 0.002) and falling[0] > 0


def test_faces_takes_tensors_and_refuses_what_a_model_gives(images):
    assert len(plots.faces(torch.from_numpy(images)).axes[0].images) == 5
    with pytest.raises(TypeError, match=r"uint8.*float32.*to_uint8"):
        plots.faces(torch.zeros(2, 3, 8, 8))
    with pytest.raises(TypeError, match=r"\(3, 8, 8\)"):
        plots.faces(images[0])


def test_contact_sheet_shows_off_left_of_on():
    pairs = np.zeros((2, 2, 3, 4, 4), dtype=np.uint8)
    pairs[:, 1] = 200
    ax = plots.on_off(pairs, ("Wearing_Hat", "Bald"), "Off and on").axes[0]
    assert {"Wearing Hat", "Bald", "Off and on"} == set(texts(ax))
    sheet = np.asarray(ax.images[0].get_array())
    assert (sheet[:, :4] == 0).all() and (sheet[:, 4] == 255).all() and (sheet[:, 5:] == 200).all()


# --- Training ---------------------------------------------------------------------------------------------------------


def test_a_rare_spike_leaves_the_picture_and_its_height_is_written():
    log = pd.DataFrame({"step": range(300), "loss": np.linspace(1.0, 0.5, 300)})
    (ax,) = plots.curves(log, {"Loss": ["loss"]}).axes
    assert ax.get_ylim()[1] > 1.0 and not ax.texts
    log.loc[200, "loss"] = 40.0
    (ax,) = plots.curves(log, {"Loss": ["loss"]}).axes
    assert 0.4 < ax.get_ylim()[0] < 0.5 and 1.0 < ax.get_ylim()[1] < 1.5
    assert [(text.get_text(), text.xy[0]) for text in ax.texts] == [("to 40", 200)]


def test_curves_draw_each_column_and_its_running_mean():
    log = pd.DataFrame({"step": [10, 20, 30], "real": [0.0, 3.0, 6.0], "fake": [1.0, 1.0, 1.0]})
    fig = plots.curves(log, {"Errors": ["real", "fake"], "Fakes": ["fake"]}, smooth=3)
    errors, fakes = fig.axes
    assert (errors.get_title(), fakes.get_title()) == ("Errors", "Fakes")
    assert lines(errors)["real"] == [1.5, 3.0, 4.5]
    assert list(errors.lines[0].get_ydata()) == [0.0, 3.0, 6.0] and list(errors.lines[0].get_xdata()) == [10, 20, 30]
    assert errors.get_legend() and not fakes.get_legend()


# --- Statistics -------------------------------------------------------------------------------------------------------


def test_long_tail_marks_the_compositions_it_holds():
    table = attributes.compositions(A, NAMES, 2)
    ax = plots.long_tail(table, "Pairs", marked=[("Young", "Male"), ("Smiling", "Bald")]).axes[0]
    assert list(ax.lines[0].get_ydata()) == table["count"].tolist()
    rank = table.index[table["attributes"] == ("Male", "Young")][0] + 1
    assert texts(ax) == [f"Young + Male: 2 faces, rank {rank}"]


def test_attribute_counts_in_the_order_of_the_first_set():
    """The lines of Sec. IV-C's Figure 4."""
    sets = {"original": A.sum(axis=0), "doubled": 2 * A.sum(axis=0)}
    ax = plots.attribute_counts(sets, NAMES, "Counts").axes[0]
    assert lines(ax) == {"original": [4, 3, 2, 1], "doubled": [8, 6, 4, 2]}
    assert labels(ax.xaxis) == ["Y", "Ma", "WH", "Bal"]
    assert labels(ax.child_axes[0].xaxis) == ["Young", "Male", "Wearing Hat", "Bald"]


def test_no_set_is_dropped_and_each_looks_different():
    many = {f"set {i}": [i, 1, 2, 3] for i in range(7)}
    ax = plots.attribute_counts(many, NAMES, "Counts").axes[0]
    assert len({(line.get_color(), line.get_marker()) for line in ax.lines}) == len(ax.lines) == 7


def test_pair_counts_shows_both_ends_of_the_list():
    co = attributes.cooccurrence(A)
    top, bottom = plots.pair_counts({"original": co, "other": co + 1}, NAMES, "Pairs", most=2).axes
    assert lines(top) == {"original": [2, 2], "other": [3, 3]}
    assert lines(bottom) == {"original": [0, 0], "other": [1, 1]}
    assert labels(top.xaxis) == ["Ma + Y", "Y + WH"]
    assert labels(bottom.xaxis) == ["Bal + Y", "Bal + WH"]
    assert bottom.get_title() == "(b) the 2 rarest of 6 pairs"


def test_names_without_an_abbreviation_stay_whole():
    ax = plots.attribute_counts({"mine": [3, 5]}, ("Has_Freckles", "Young"), "Counts").axes[0]
    assert labels(ax.xaxis) == ["Y", "Has Freckles"]


def test_heat_map_has_a_row_and_a_column_per_attribute():
    values = np.corrcoef(A.T)
    ax, bar = plots.heat_map(values, NAMES, "Correlations", "φ").axes
    assert np.allclose(ax.collections[0].get_array(), values)
    assert labels(ax.xaxis) == labels(ax.yaxis) == ["Bald", "Male", "Young", "Wearing Hat"]
    assert bar.get_ylabel() == "φ" and ax.yaxis_inverted()


# --- Recognition ------------------------------------------------------------------------------------------------------


def test_arms_from_top_to_bottom_with_interval_and_majority():
    table = pd.DataFrame({"arm": ["flip", "ours"], "value": [0.7, 0.8], "low": [0.6, 0.75], "high": [0.8, 0.9]})
    ax = plots.arms(table, "Test faces", "accuracy", majority=0.65).axes[0]
    assert labels(ax.yaxis) == ["flip", "ours"] and ax.yaxis_inverted()
    assert list(ax.lines[0].get_xdata()) == [0.7, 0.8]
    assert [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()] == [[0.6, 0.8], [0.75, 0.9]]
    assert list(ax.lines[1].get_xdata()) == [0.65, 0.65]


def test_a_staircase_goes_on_where_the_last_step_ended_and_shows_what_is_certain():
    numbers = {"value": [-1.0, 0.5, 1.5], "low": [-2.0, -0.5, 1.0], "high": [0.0, 1.5, 2.0],
               "step": [-1.0, 1.5, 1.0], "step_low": [-2.0, 1.0, -0.5], "step_high": [0.5, 2.0, 2.5]}  # fmt: skip
    table = pd.DataFrame({"arm": ["paper", "kept", "ours"], **numbers})
    fig = plots.staircase(table, "The way", "points")
    ax = fig.axes[0]
    assert labels(ax.yaxis) == list(table["arm"]) and ax.yaxis_inverted()
    assert ax.get_title() == "The way" and ax.get_xlabel() == "points"
    bars = {round(bar.get_y() + bar.get_height() / 2): bar for bar in ax.patches}
    ends = [sorted((bars[row].get_x(), bars[row].get_x() + bars[row].get_width())) for row in range(3)]
    assert ends == [[-1, 0], [-1, 0.5], [0.5, 1.5]]
    assert [bars[row].get_hatch() is None for row in range(3)] == [False, True, False]
    said = [text.get_text() for text in fig.legends[0].get_texts()]
    assert said == ["step gains", "step gains, not for certain", "step loses, not for certain", "so far, 95 % interval"]
    (error,) = ax.containers[-1].lines[2]
    assert [segment[:, 0].tolist() for segment in error.get_segments()] == [[-2, 0], [-0.5, 1.5], [1, 2]]


def test_per_attribute_has_a_dot_for_each_column():
    table = pd.DataFrame({"majority": [0.9, 0.5], "ours": [0.95, 0.8]}, index=["Wearing_Hat", "Male"])
    ax = plots.per_attribute(table, "Test faces", "accuracy").axes[0]
    assert labels(ax.yaxis) == ["Wearing Hat", "Male"]
    assert {line.get_label(): list(line.get_xdata()) for line in ax.lines} == table.to_dict("list")


# --- A training while it runs -----------------------------------------------------------------------------------------


@pytest.fixture
def page(monkeypatch):
    """What is on the page: a dict of pictures, which updates replace."""
    page = {}

    class Place:
        def __init__(self):
            self.number = len(page)

        def update(self, shown):
            page[self.number] = shown

    def display(shown, display_id):
        place = Place()
        place.update(shown)
        return place

    monkeypatch.setattr(plots, "display", display)
    return page


def test_a_live_figure_stays_in_its_place_and_pauses(page, monkeypatch):
    drawn = []

    def draw(log):
        drawn.append(log["k"].tolist())
        return plt.figure(figsize=(1, 1))

    live = plots.Live(draw, alt="k")
    rows = [{"step": 1, "k": 0.1}]
    live(rows)
    live(rows + rows)  # too soon
    assert drawn == [[0.1]]
    live.show(pd.DataFrame({"step": [1, 2], "k": [0.1, 0.2]}))
    assert drawn == [[0.1], [0.1, 0.2]]
    monkeypatch.setattr(plots.Live, "PAUSE", -1e9)
    live.due = 0.0
    live(rows)
    assert len(drawn) == 3 and list(page) == [0] and 'alt="k"' in page[0]._repr_html_()
    assert plt.get_fignums() == []


def test_sizes_stand_on_a_log_axis_with_intervals_and_black_references():
    rows = [(arm, n, 0.5, 0.4, 0.7) for arm in ("none", "mine", "yours") for n in (2000, 500)]
    table = pd.DataFrame(rows, columns=["arm", "n_train", "value", "low", "high"])
    fig = plots.over_sizes({"accuracy": table, "points": table}, "By size", references=("none",))
    for ax, unit in zip(fig.axes, ("accuracy", "points"), strict=True):
        assert ax.get_ylabel() == unit and ax.get_xscale() == "log"
        assert labels(ax.xaxis) == ["500", "2,000"]
        curves = [container.lines[0] for container in ax.containers]
        assert [curve.get_color() == "black" for curve in curves] == [True, False, False]
        x, y = curves[1].get_data()
        assert (np.diff(x) > 0).all() and (y == 0.5).all()
        (bars,) = ax.containers[1].lines[2]
        np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], [[0.4, 0.7]] * 2)
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["none", "mine", "yours"]


@pytest.mark.parametrize("n_attributes", [1, 2, 3])
def test_pictures_of_compositions_are_drawn_for_few_attributes(n_attributes):
    a, names = np.ones((9, n_attributes), dtype=bool), ("A", "B", "C")[:n_attributes]
    table = attributes.compositions(a, names, 3)
    assert len(table) == (n_attributes == 3)
    (ax,) = plots.long_tail(table, "few").axes
    assert [len(line.get_xdata()) for line in ax.lines] == [len(table)]
    pairs = plots.pair_counts({"all": attributes.cooccurrence(a)}, names, "few").axes
    assert [len(ax.lines[0].get_xdata()) for ax in pairs] == [n_attributes * (n_attributes - 1) // 2] * 2
