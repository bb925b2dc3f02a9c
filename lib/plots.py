"""Figures of the paper and of the course: arrays and tables in, a matplotlib Figure out; `show` puts it on the page.

Importing this module sets the course's style, so figures that a notebook draws by itself look alike.
"""

import base64
import html
import io
import textwrap
import time
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler
from IPython.display import display
from PIL import Image

from lib.attributes import ABBREVIATIONS

#: Okabe and Ito's palette, which all kinds of colour vision tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
SERIES = cycler(color=COLOURS, marker=["o", "s", "^", "D", "v", "P", "X"])  # markers, so that grey will do, too

#: The two compositions that Fig. 1 of the paper names.
FIGURE_1 = (("Attractive", "No_Beard", "Young"), ("Mouth_Slightly_Open", "Oval_Face", "Receding_Hairline"))

WIDTH = 9.0  # inches, of a page

plt.rcParams.update(
    {
        "figure.dpi": 100,
        "savefig.dpi": 100,
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.prop_cycle": cycler(color=COLOURS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 9,
    }
)


def show(fig, alt, caption=None):
    """Put a figure on the page as HTML with its alternative text, and close it. Raises ValueError if `alt` is empty."""
    display(Shown(figure_html(fig, alt, caption), alt))
    plt.close(fig)


class Shown:
    """What `show` displays: HTML on a page, the alternative text anywhere else."""

    def __init__(self, page, alt):
        self.page, self.alt = page, alt

    def _repr_html_(self):
        return self.page

    def __repr__(self):
        return self.alt


def figure_html(fig, alt, caption=None):
    """A <figure> with the picture in it. The alternative text stands in the HTML, where every viewer keeps it."""
    if not alt.strip():
        raise ValueError("a figure needs an alternative text that says what is to be seen")
    kind, content = picture(fig)
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<figure style="margin:0"><img alt="{html.escape(alt)}" src="{source}">{below}</figure>'


def picture(fig):
    """("png" or "jpeg", bytes) of a figure: with images in it whichever is smaller, else a PNG of 256 colours."""
    file = io.BytesIO()
    fig.savefig(file, format="png")
    image = Image.open(file).convert("RGB")
    if any(ax.images for ax in fig.axes):
        return min(((kind, _encoded(image, kind)) for kind in ("png", "jpeg")), key=lambda version: len(version[1]))
    return "png", _encoded(image.quantize(dither=Image.Dither.NONE), "png")


def _encoded(image, kind):
    file = io.BytesIO()
    image.save(file, kind, quality=64, optimize=True)
    return file.getvalue()


def readable(name):
    """An attribute's name as words: "Wearing_Hat" becomes "Wearing Hat"."""
    return name.replace("_", " ")


def abbreviation(name):
    """The paper's abbreviation of an attribute of CelebA (Sec. V-A); other names stay as they are."""
    return ABBREVIATIONS.get(name, readable(name))


# --- Faces ------------------------------------------------------------------------------------------------------------


def faces(images, columns=8, row_labels=None, titles=None, title=None):
    """Faces in rows of `columns`, read from left to right.

    images       (n, 3, H, W) uint8, array or tensor. Raises TypeError for anything else.
    row_labels   one word or two left of each row
    titles       above the first, second ... face; there may be fewer than faces. Long ones take several lines
    title        above all
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise TypeError(
            f"faces are drawn from uint8 images (n, 3, H, W), these are {images.dtype} {images.shape}; "
            "data.to_uint8 converts what a model gives"
        )
    row_labels, titles = list(row_labels or []), list(titles or [])
    ratio = images.shape[3] / images.shape[2]
    gap, left = 0.06, max((_text_width(label, 9) + 0.1 for label in row_labels), default=0)
    step = min(1.15 * ratio + gap, (WIDTH - left) / columns)  # from one face to the next, in inches
    height = (step - gap) / ratio
    fitting = max(int((step - gap) / _text_width("x", 8)), 1)  # letters, of a size that can be read
    titles = [text if "\n" in text else textwrap.fill(text, fitting, break_long_words=False) for text in titles]
    widest = max((_text_width(text, 1) for text in titles), default=0.1)
    font_size = float(np.clip((step - gap) / widest, 5.5, 9))
    rows = [range(i, min(i + columns, len(images))) for i in range(0, len(images), columns)]

    fig = plt.figure()
    ax = fig.add_axes((0, 0, 1, 1))
    bottom = 0.3 if title else 0.0
    for number, row in enumerate(rows):
        lines = max((1 + text.count("\n") for text in titles[row.start : row.stop]), default=0)
        top = bottom + gap + lines * font_size * 1.3 / 72
        bottom = top + height
        for column, i in enumerate(row):
            x = left + gap + column * step
            ax.imshow(images[i].transpose(1, 2, 0), extent=(x, x + step - gap, bottom, top), aspect="auto")
            if i < len(titles):
                ax.text(x + (step - gap) / 2, top - 0.02, titles[i], fontsize=font_size, ha="center", va="bottom")
        if number < len(row_labels):
            ax.text(left, (top + bottom) / 2, row_labels[number], fontsize=9, ha="right", va="center")
    width = left + gap + min(columns, len(images)) * step
    if title:
        ax.text(left + gap, 0.17, title, fontsize=11, va="center")
        width = max(width, left + gap + _text_width(title, 11))
    fig.set_size_inches(width, bottom + gap)
    ax.set(xlim=(0, width), ylim=(bottom + gap, 0))
    ax.axis("off")
    return fig


def on_off(pairs, names, title):
    """Contact sheet: for each attribute the same person without and with it.

    `pairs` (A, 2, 3, S, S) uint8, `names` of the A attributes.
    """
    line = np.full_like(pairs[:, 0, :, :, :1], 255)
    images = np.concatenate([pairs[:, 0], line, pairs[:, 1]], axis=-1)
    return faces(images, columns=5, titles=map(readable, names), title=title)


def _text_width(text, font_size):
    """About how wide the longest line of a text is, in inches."""
    return max(len(line) for line in text.split("\n")) * font_size * 0.6 / 72


# --- Training ---------------------------------------------------------------------------------------------------------


def curves(log, panels, smooth=1):
    """Training curves over the steps, a panel for each entry of `panels`.

    log      DataFrame with a column `step`, as in a stage's log.csv
    panels   title -> list of columns
    smooth   rows to average; the rows themselves stay visible behind

    A rare spike, far above 99 % of the values, does not press all else flat: it leaves the picture, and its height is
    written where it leaves.
    """
    across = 2 if len(panels) == 4 else min(len(panels), 3)
    down = -(-len(panels) // across)
    fig, axes = plt.subplots(
        down, across, figsize=(max(WIDTH * across / 3, 5), 2.6 * down), squeeze=False, layout="constrained"
    )
    for ax, (title, columns) in zip(axes.flat, panels.items(), strict=False):
        for i, column in enumerate(columns):
            if smooth > 1:
                ax.plot(log["step"], log[column], color=f"C{i}", alpha=0.25, linewidth=0.8)
            average = log[column].rolling(smooth, min_periods=1, center=True).mean()
            ax.plot(log["step"], average, color=f"C{i}", label=readable(column))
        ax.set(title=title, xlabel="step")
        if len(columns) > 1:
            ax.legend()
        low, usual = log[columns].min(axis=None), log[columns].stack().quantile(0.99)
        highest = log[columns].max(axis=1)
        span = usual - low
        if highest.max() == low:  # a flat line: between nothing and twice its height, not around itself
            ax.set_ylim(*(sorted((0, 2 * low)) if low else (-0.02, 1)))
        top = usual + 0.5 * span
        if highest.max() > top + span:
            ax.set_ylim(low - 0.1 * span, top)
            where = (log["step"][highest.idxmax()], top)
            ax.annotate(f"to {highest.max():.2g}", where, (3, -2), textcoords="offset points", fontsize=7, va="top")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    return fig


class Live:
    """A figure that follows a training, in one place on the page: `stages.autoencoder(run, faces, watch=live)`.

    draw   function of a stage's log (DataFrame) that gives a Figure, such as `curves`
    alt    its alternative text

    The figure is drawn again every few seconds at most, and never for more than a twentieth of the time.
    """

    PAUSE = 3  # seconds

    def __init__(self, draw, alt):
        self.draw, self.alt = draw, alt
        self.place, self.due = None, 0.0

    def __call__(self, rows):
        """Draw the log so far, a list of dicts, if it is time to."""
        begin = time.monotonic()
        if begin >= self.due:
            self.show(pd.DataFrame(rows))
            end = time.monotonic()
            self.due = end + max(self.PAUSE, 20 * (end - begin))

    def show(self, log):
        """Draw `log` now: the last word of a training, or the only one when its stage was loaded."""
        fig = self.draw(log)
        shown = Shown(figure_html(fig, self.alt), self.alt)
        plt.close(fig)
        if self.place is None:
            self.place = display(shown, display_id=True)
        else:
            self.place.update(shown)


# --- Statistics -------------------------------------------------------------------------------------------------------


def long_tail(table, title, marked=FIGURE_1):
    """Fig. 1: the number of faces of every composition, largest first.

    `table` is what attributes.compositions gives, empty where there are fewer attributes than a composition takes.
    Compositions in `marked` that it holds are named in the figure.
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 3.6), layout="constrained")
    count = table["count"].to_numpy()
    rank = np.arange(1, len(count) + 1)
    ax.fill_between(rank, count, step="mid", color=COLOURS[5], alpha=0.5)
    ax.step(rank, count, where="mid", color=COLOURS[0])
    place = {frozenset(names): i for i, names in enumerate(table["attributes"])}
    for composition, colour in zip(marked, (COLOURS[3], COLOURS[2]), strict=False):
        i = place.get(frozenset(composition))
        if i is not None:
            text = f"{' + '.join(map(readable, composition))}: {count[i]:,} faces, rank {i + 1:,}"
            ax.plot(rank[i], count[i], "o", color=colour)
            ax.annotate(text, (rank[i], count[i]), (14, 12), textcoords="offset points", color=colour)
    ax.set(title=title, xlabel="compositions, from frequent to rare", ylabel="number of faces")
    ax.set(xlim=(1 - 0.01 * len(rank), max(len(rank), 2)), ylim=(0, 1.2 * count.max(initial=1)))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    return fig


def attribute_counts(sets, names, title):
    """Sec. IV-C, Fig. 4: the number of faces that carry each attribute, in several sets of labels.

    `sets` maps a label to the counts (A,) of a set; attributes stand in the order of the first one, largest first.
    """
    order = np.argsort(-np.asarray(next(iter(sets.values()))), kind="stable")
    fig, ax = plt.subplots(figsize=(WIDTH, 4.4), layout="constrained")
    _lines(ax, {label: np.asarray(counts)[order] for label, counts in sets.items()})
    names = [names[i] for i in order]
    ax.set_xticks(range(len(names)), map(abbreviation, names), rotation=90, fontsize=8)
    above = ax.secondary_xaxis("top")
    above.set_xticks(range(len(names)), map(readable, names), rotation=90, fontsize=8)
    ax.set(ylabel="number of faces")
    ax.legend()
    fig.suptitle(title, fontsize=11)
    return fig


def pair_counts(sets, names, title, most=40):
    """Sec. IV-C, Fig. 5: the `most` frequent (a) and `most` rare (b) pairs of attributes, in several sets of labels.

    `sets` maps a label to the co-occurrence counts (A, A) of a set; the first one decides which pairs are shown.
    """
    one, other = np.triu_indices(len(names), k=1)
    counts = {label: np.asarray(co)[one, other] for label, co in sets.items()}
    order = np.argsort(-next(iter(counts.values())), kind="stable")
    fig, axes = plt.subplots(2, 1, figsize=(WIDTH, 6), layout="constrained")
    for ax, rows, which in zip(
        axes, (order[:most], order[-most:]), ("(a) the {} most frequent", "(b) the {} rarest"), strict=True
    ):
        _lines(ax, {label: count[rows] for label, count in counts.items()})
        labels = [f"{abbreviation(names[one[i]])} + {abbreviation(names[other[i]])}" for i in rows]
        ax.set_xticks(range(len(rows)), labels, rotation=90, fontsize=8)
        ax.set(title=f"{which.format(len(rows))} of {len(order):,} pairs", ylabel="number of faces")
    axes[0].legend()
    axes[1].set_yscale("symlog", linthresh=1)  # what balancing adds would press the others to zero
    axes[1].set_ylim(top=1.5 * axes[1].get_ylim()[1])  # the highest markers stay whole
    axes[1].set_ylabel("number of faces, logarithmic")
    fig.suptitle(title, fontsize=11)
    return fig


def _lines(ax, series):
    """A marked line for each entry of `series`, label -> (n,) values; the first ones wider, to be seen under others."""
    ax.set_prop_cycle(SERIES)
    for i, (label, values) in enumerate(series.items()):
        width = max(1.0, 3 - i)
        ax.plot(values, markersize=3 + width, linewidth=width, label=label)
    ax.set(xlim=(-0.7, len(values) - 0.3), ylim=(0, None))
    ax.yaxis.set_major_formatter("{x:,.0f}")


def heat_map(values, names, title, unit):
    """A matrix over pairs of attributes, (A, A) in [-1, 1], such as correlations; `unit` stands at the colour bar."""
    fig, ax = plt.subplots(figsize=(8, 7.2), layout="constrained")
    mesh = ax.pcolormesh(values, cmap="PuOr_r", vmin=-1, vmax=1)
    ticks, labels = np.arange(len(names)) + 0.5, [readable(name) for name in names]
    ax.set_xticks(ticks, labels, rotation=90, fontsize=7)
    ax.set_yticks(ticks, labels, fontsize=7)
    ax.set(title=title, aspect="equal")
    ax.invert_yaxis()
    ax.grid(False)
    fig.colorbar(mesh, ax=ax, shrink=0.6, label=unit)
    return fig


# --- Recognition ------------------------------------------------------------------------------------------------------


def arms(table, title, unit, majority=None):
    """Arms of a comparison: a dot and an interval each, in the order of the table, from top to bottom.

    table      DataFrame with columns arm, value, low, high
    unit       what the values are, such as "accuracy"
    majority   the value of the constant answer, a dotted line
    """
    fig, ax = plt.subplots(figsize=(7, 0.35 * len(table) + 1.2), layout="constrained")
    rows = np.arange(len(table))
    ax.hlines(rows, table["low"], table["high"], color=COLOURS[0], linewidth=2)
    ax.plot(table["value"], rows, "o", color=COLOURS[0])
    if majority is not None:
        ax.axvline(majority, color=COLOURS[6], linestyle=":", label="majority answer")
        ax.legend()
    ax.set_yticks(rows, table["arm"])
    ax.set(xlabel=unit, ylim=(len(table) - 0.5, -0.5))
    fig.suptitle(title, fontsize=11)  # over the arms' names, too: as long as it has to be
    return fig


def staircase(table, title, unit):
    """A staircase of arms from top to bottom: a dot with its interval each, and a bar from the one before it, solid
    where the step itself is certain, hatched where it is not; blue where it gains, orange where it loses.

    table   DataFrame with columns arm, value, low, high, all against the start at 0, and step, step_low, step_high
    unit    what the values are, such as "points of balanced accuracy"
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 0.4 * len(table) + 1.6), layout="constrained")
    rows = np.arange(len(table))
    before = np.concatenate([[0.0], table["value"].to_numpy()[:-1]])
    sure = ((table["step_low"] > 0) | (table["step_high"] < 0)).to_numpy()
    for gains, colour, word in ((True, COLOURS[5], "gains"), (False, COLOURS[1], "loses")):
        for certain, hatch in ((True, None), (False, "///")):
            chosen = (table["step"].to_numpy() >= 0) == gains
            chosen &= sure == certain
            if chosen.any():
                label = f"step {word}" + ("" if certain else ", not for certain")
                width = (table["value"].to_numpy() - before)[chosen]
                style = {"color": colour} if certain else {"facecolor": "white", "edgecolor": colour, "hatch": hatch}
                ax.barh(rows[chosen], width, left=before[chosen], height=0.6, label=label, **style)
    error = [table["value"] - table["low"], table["high"] - table["value"]]
    ax.errorbar(table["value"], rows, xerr=error, fmt="o", color="black", capsize=3, label="so far, 95 % interval")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(rows, table["arm"])
    ax.set(title=title, xlabel=unit, ylim=(len(table) - 0.5, -0.5))
    fig.legend(loc="outside lower center", ncols=3)
    return fig


def over_sizes(panels, title, references=()):
    """Arms over the number of training faces (log axis), a line with intervals each; panels side by side.

    panels       unit -> DataFrame with columns arm, n_train, value, low, high; arms in the order of their first rows
    references   names of arms to be drawn as black lines: what the others are measured by
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 4.4), squeeze=False, layout="constrained")
    names = list(dict.fromkeys(arm for table in panels.values() for arm in table["arm"]))
    styles, blacks = cycle(SERIES), cycle(("-", "--", ":"))
    looks = {
        arm: {"color": "black", "linestyle": next(blacks), "marker": "."} if arm in references else next(styles)
        for arm in names
    }
    for ax, (unit, table) in zip(axes.flat, panels.items(), strict=True):
        draw_over_sizes(ax, table, looks)
        ax.set(ylabel=unit)
    fig.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    fig.suptitle(title, fontsize=11)
    return fig


def draw_over_sizes(ax, table, looks):
    """The lines of one panel of `over_sizes`; `looks` has a style of matplotlib for each arm."""
    for i, (arm, look) in enumerate(looks.items()):
        rows = table[table["arm"] == arm].sort_values("n_train")
        beside = 1.03 ** (i - (len(looks) - 1) / 2)  # so that no interval hides another
        error = [rows["value"] - rows["low"], rows["high"] - rows["value"]]
        ax.errorbar(rows["n_train"] * beside, rows["value"], error, label=arm, markersize=5, capsize=2, **look)
    sizes = np.sort(table["n_train"].unique())
    ax.set(xlabel="training faces", xscale="log")
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()


def per_attribute(table, title, unit):
    """A row of dots for each attribute, one for every column of `table`, joined by a line.

    `table` is a DataFrame with the attributes' names as index, in the order from top to bottom.
    """
    fig, ax = plt.subplots(figsize=(7, 0.19 * len(table) + 1.3), layout="constrained")
    rows = np.arange(len(table))
    ax.hlines(rows, table.min(axis=1), table.max(axis=1), color="#bbbbbb")
    ax.set_prop_cycle(SERIES)
    for column in table.columns:
        ax.plot(table[column], rows, linestyle="none", markersize=5, label=column)
    ax.set_yticks(rows, map(readable, table.index), fontsize=8)
    ax.set(title=title, xlabel=unit, ylim=(len(table) - 0.4, -0.6))
    ax.legend(fontsize=8)
    return fig
