"""The paper's relatives: the systems that it names, who descends from whom, and where the field stands since.

Facts stand in two tables, each row with its source and with what of it was read: data/relatives.csv, data/field.csv.
"""

import matplotlib.pyplot as plt
import pandas as pd

from lib import config, plots

PAPER = "this paper"
LANES = ("recognition", "imbalance", "augmentation", "generation", "editing")  # column `task`, as drawn from the top
OPPOSED = ("compared with", "set against")  # column `role`: not what the paper is made of
LETTER, APART = 0.105, 1.9  # years that a letter takes in the picture, and that a row stays free for arrows


def systems():
    """The systems of Sections I, II, III-A and V and the paper itself, by year.

    DataFrame: system, year, task, section, reference (the paper's number), from, to, idea, formula, role (`part of it`,
    `compared with`, `set against`, `named`), use (what the paper makes of it), number (published; "" if none was
    found), source, checked (what of the source was read), parents (a tuple of systems that it takes a part or an idea
    from), in_course (where it is used here, "" if nowhere).
    """
    table = pd.read_csv(config.ROOT / "data" / "relatives.csv", keep_default_na=False)
    table["parents"] = [tuple(names.split("; ")) if names else () for names in table["parents"]]
    return table


def field():
    """Published recognition of CelebA's attributes, in percent; NaN where nothing was printed.

    DataFrame: method, year, kind (`this paper`, `no generated face`), accuracy (40 attributes), accuracy_13 (AttGAN's
    13), balanced_accuracy (40 attributes), source, checked.
    """
    return pd.read_csv(config.ROOT / "data" / "field.csv")


def family(table):
    """Who descends from whom, as a Figure: systems by year and task. A full arrow leads to what takes a part or an idea
    from it, a dotted line to the paper from what it compares itself with or sets itself against. `table` as `systems`.
    """
    place, lanes = _places(table)
    fig, ax = plt.subplots(figsize=(plots.WIDTH, 0.42 * (max(row for _, row in place.values()) + 1)))
    colours, boxes = dict(zip(LANES, plots.COLOURS, strict=False)), {}
    for system in table.itertuples():
        own = system.system == PAPER
        boxes[system.system] = ax.text(
            *place[system.system], system.system,
            ha="left", va="center", fontsize=8.5, zorder=3, weight="bold" if own else "normal",
            bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": "black" if own else colours[system.task]},
        )  # fmt: skip
    for system in table.itertuples():
        for parent in system.parents:
            _link(ax, boxes[parent], boxes[system.system], colour=colours[_of(table, parent).task])
        if system.role in OPPOSED:
            _link(ax, boxes[system.system], boxes[PAPER], colour="#777777", style=":")
    for task, (first, last) in lanes.items():
        ax.axhspan(first - 0.5, last + 0.5, color=colours[task], alpha=0.07, lw=0)
        ax.text(
            2010.1, (first + last) / 2, task, rotation=90, ha="center", va="center", color=colours[task], fontsize=8
        )
    ax.set(xlim=(2009.8, 2022.6), ylim=(max(last for _, last in lanes.values()) + 0.6, -0.6), yticks=[],
           xticks=range(2011, 2022), title="Who descends from whom")  # fmt: skip
    for style, label in (("-", "takes a part or an idea from it"), (":", "compared with it, or set against it")):
        ax.plot([], [], style, color="#777777", label=label)
    ax.legend(loc="lower left", bbox_to_anchor=(0.03, 0.02))
    ax.spines[["left", "right", "top"]].set_visible(False)
    fig.tight_layout()
    return fig


def _places(table):
    """Where each system is drawn, name -> (year, row), and each lane's first and last row."""
    place, lanes, first = {}, {}, 0
    for task in LANES:
        ends = []  # where each row of this lane is taken up to
        for system in table[table["task"] == task].itertuples():
            free = [row for row, end in enumerate(ends) if end < system.year]
            row = free[0] if free else len(ends)
            ends[row : row + 1] = [system.year + LETTER * len(system.system) + APART]
            place[system.system] = system.year, first + row
        lanes[task] = first, first + len(ends) - 1
        first += len(ends)
    return place, lanes


def _of(table, system):
    return next(table[table["system"] == system].itertuples())


def _link(ax, start, end, colour, style="-"):
    ax.annotate(  # from the middle of one text's right edge to that of another's left edge
        "", xy=(0, 0.5), xycoords=end, xytext=(1, 0.5), textcoords=start, zorder=2,
        arrowprops={"arrowstyle": "->" if style == "-" else "-", "color": colour, "ls": style, "lw": 1.1,
                    "connectionstyle": "arc3,rad=0.08", "shrinkA": 2, "shrinkB": 3},
    )  # fmt: skip


def standing(table, majority):
    """Accuracy on CelebA's 40 attributes on one scale, as a Figure. `table` as `field`, with further rows where there
    are some; `majority` is what the constant answer scores, in percent."""
    table = table.dropna(subset="accuracy").sort_values("accuracy")
    fig, ax = plt.subplots(figsize=(plots.WIDTH, 0.27 * len(table) + 1), layout="constrained")
    for (kind, rows), colour, marker in zip(table.groupby("kind"), plots.COLOURS, "osD^", strict=False):
        y = [list(table["method"]).index(method) for method in rows["method"]]
        ax.plot(rows["accuracy"], y, marker, color=colour, label=kind)
    ax.axvline(majority, color="black", ls=":", label="the majority answer")
    names = [f"{method}, {year:.0f}" if pd.notna(year) else method for method, year in table[["method", "year"]].values]
    ax.set(yticks=range(len(table)), yticklabels=names, xlabel="accuracy, %", title="40 attributes of CelebA")
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="lower right")
    return fig
