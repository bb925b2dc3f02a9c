"""Draws the README's picture of what was measured, notebooks/figures/findings.svg, from the tables in data/results.

    python -m benchmarks.findings

The picture holds a digest of the numbers that it shows; a test asks whether these are still the tables' own.
"""

import argparse

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.results import PUBLISHED
from benchmarks.table1 import EQUAL
from lib import config, plots
from lib.study import comparison, evidence, sweep, tuned

PICTURE = config.ROOT / "notebooks" / "figures" / "findings.svg"
GROUP_ARMS = ("plain", "re-weighting", "SUBG", "difference editing", "balanced real faces")
NAMES = {  # of arms, for who has not read about them yet
    "plain": "plain training",
    "SUBG": "subsampling (SUBG)",
    sweep.YARDSTICK: "as many real faces again",
    "difference editing, distilled": "edits and unlabelled faces",
    "difference editing, components": "edits, by principal components",
    "difference editing": "edits, by the autoencoder",
    "editing": "edited faces, decoded whole",
    "balancing": "the paper's balancing",
}
MADE = ("difference editing, distilled", "difference editing, components", "difference editing", "editing", "balancing")
LOOKS = {  # one arm, one look, in every panel
    sweep.YARDSTICK: {"color": "black", "marker": ".", "linestyle": "--"},
    **dict(zip(MADE, plots.SERIES, strict=False)),
}


def numbers():
    """What the picture shows: name -> DataFrame, accuracies and gains in points, distances as they are."""
    groups = pd.read_csv(PUBLISHED / "groups_differences.csv")
    groups = groups.query("data == 'faces64' and pair == 'Smiling x Male' and share == 0.99 and over == 'plain'")
    groups = groups.query("metric == 'worst_group'").set_index("arm")[["mean", "difference"]]
    sizes = pd.read_csv(PUBLISHED / "sweep_differences.csv").query("data == 'faces64'").set_index("setting")
    few = evidence.points(sizes.loc[tuned.SETTING], over=tuned.FLIP, protocol="chosen steps")
    whole = evidence.points(sizes.loc["fewer faces"])
    systems = pd.read_csv(PUBLISHED / "table1.csv").query("data == 'toy' and profile == 'laptop'")
    systems = systems.groupby("system")[["balanced_accuracy", "frechet_classifier"]].mean()
    ours = [comparison.OURS, comparison.EDITING]
    return {
        "groups": 100 * groups.reindex(GROUP_ARMS),
        "few labels": few[few["arm"].isin([sweep.YARDSTICK, *MADE[:3]])],
        "the paper's way": whole[whole["arm"].isin([sweep.YARDSTICK, *MADE[3:]])],
        "systems": systems[systems.index.isin(ours) | systems.index.str.endswith(EQUAL)],
    }


def digest(tables):
    """Of the numbers that the picture shows."""
    return config.digest(*(table.round(4).to_csv() for table in tables.values()))


def figure(tables):
    """Four findings, a panel each."""
    fig, axes = plt.subplots(2, 2, figsize=(plots.WIDTH + 1, 7.4), layout="constrained")
    (groups, few), (paper, systems) = axes
    _groups(groups, tables["groups"])
    _over_sizes(few, tables["few labels"])
    few.set(title="Few labels: edits, with unlabelled faces,\ngive half of what real ones give")
    few.set(ylabel="gain over mirrored faces, points")
    _over_sizes(paper, tables["the paper's way"])
    paper.set(title="The paper's way: whole new faces harm", ylabel="gain over real faces alone, points")
    _systems(systems, tables["systems"])
    return fig


def _groups(ax, table):
    for row, (arm, value) in enumerate(table["mean"].items()):
        bar, words = (plots.COLOURS[0], "white") if arm in MADE else ("#bbbbbb", "black")
        ax.barh(row, value, color=bar, height=0.65)
        ax.text(value - 1.5, row, f"{value:.0f} %", ha="right", va="center", color=words)
    ax.set_yticks(range(len(table)), [NAMES.get(name, name) for name in table.index])
    ax.set(xlim=(0, 100), ylim=(len(table) - 0.5, -0.5), xlabel="accuracy of the worst group, %")
    ax.set_title("Misleading training faces:\nedits close most of the gap", loc="center")
    ax.grid(visible=False, axis="y")


def _over_sizes(ax, table):
    looks = {NAMES[arm]: look for arm, look in LOOKS.items() if arm in set(table["arm"])}
    plots.draw_over_sizes(ax, table.assign(arm=table["arm"].map(NAMES)), looks)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="labelled training faces")
    ax.legend()


def _systems(ax, table):
    for name, (obeyed, distance) in table.iterrows():
        own = name in (comparison.OURS, comparison.EDITING)
        ax.plot(distance, obeyed, "o" if own else "s", color=plots.COLOURS[0] if own else "#888888", markersize=7)
        label = "ours, Φ alone" if name == comparison.OURS else name.removesuffix(EQUAL)
        left = name.startswith("AttGAN")  # where another one's name would lie on it
        place = {"xytext": (-7 if left else 7, 0), "ha": "right" if left else "left", "va": "center"}
        ax.annotate(label, (distance, obeyed), textcoords="offset points", fontsize=9, **place)
    ax.set(xlabel="Fréchet distance to real faces, in a judge's features", ylabel="labels obeyed, balanced accuracy")
    ax.set(
        xlim=(0, 1.2 * table["frechet_classifier"].max()),
        title="As many operations each, drawn faces:\nΦ obeys best, AttGAN and StarGAN are nearer",
    )


def main():
    tables = numbers()
    with plt.rc_context({"svg.hashsalt": "findings"}):
        figure(tables).savefig(PICTURE, metadata={"Date": None, "Description": digest(tables)})


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
