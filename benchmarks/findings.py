"""Draws the README's picture of what was measured, notebooks/figures/findings.svg, from the tables in data/results.

    python -m benchmarks.findings

The picture holds a digest of the numbers that it shows; a test asks whether these are still the tables' own.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lib import config, plots

RESULTS = config.ROOT / "data" / "results"
PICTURE = config.ROOT / "notebooks" / "figures" / "findings.svg"
GROUP_ARMS = ("plain", "re-weighting", "SUBG", "difference editing", "balanced real faces")
EDITING = ("difference editing, distilled", "difference editing, components", "difference editing")
FEW_LABELS = ("more real faces", *EDITING)
PAPERS_WAY = ("more real faces", "editing", "balancing")
EQUAL = ", equal compute"
NAMES = {  # of arms, for who has not read about them yet
    "plain": "plain training",
    "SUBG": "subsampling (SUBG)",
    "more real faces": "as many real faces again",
    "difference editing, distilled": "edits and unlabelled faces",
    "difference editing, components": "edits, by principal components",
    "difference editing": "edits, by the autoencoder",
    "editing": "faces for observed labels",
    "balancing": "the paper's balancing",
}
LOOKS = {  # one arm, one look, in every panel
    "more real faces": {"color": "black", "marker": ".", "linestyle": "--"},
    **{arm: {"color": plots.COLOURS[i], "marker": "os^Dv"[i]} for i, arm in enumerate((*EDITING, *PAPERS_WAY[1:]))},
}  # fmt: skip


def numbers():
    """What the picture shows: name -> DataFrame, accuracies and gains in points, distances as they are."""
    groups = pd.read_csv(RESULTS / "groups_differences.csv")
    groups = groups.query("data == 'faces64' and pair == 'Smiling x Male' and share == 0.99")
    groups = groups.query("metric == 'worst_group'")
    gains = groups.query("over == 'plain'").set_index("arm")["difference"]
    worst = groups.query("over in ('-', 'plain')").drop_duplicates("arm").set_index("arm")["mean"]
    sweep = pd.read_csv(RESULTS / "sweep_differences.csv").query("metric == 'balanced_accuracy_tuned'")
    sweep = sweep.query("data == 'faces64'").set_index("setting")
    sweep = sweep[["arm", "over", "n_train", "difference", "low", "high"]]
    few, fewer = (sweep.loc[setting] for setting in ("tuned on validation", "fewer faces"))
    systems = pd.read_csv(RESULTS / "table1.csv").query("data == 'toy' and profile == 'laptop'")
    systems = systems.groupby("system")[["balanced_accuracy", "frechet_classifier"]].mean()
    ours = ["ours", "ours, editing"]
    return {
        "groups": 100 * worst.reindex(GROUP_ARMS).to_frame("value").assign(gain=gains),
        "few labels": _points(few[(few["over"] == "flip") & few["arm"].isin(FEW_LABELS)]),
        "the paper's way": _points(fewer[(fewer["over"] == "none") & fewer["arm"].isin(PAPERS_WAY)]),
        "systems": systems[systems.index.isin(ours) | systems.index.str.endswith(EQUAL)],
    }


def _points(rows):
    return rows.assign(**{column: 100 * rows[column] for column in ("difference", "low", "high")})


def digest(tables):
    """Of the numbers that the picture shows."""
    return config.digest(*(table.round(4).to_csv() for table in tables.values()))


def figure(tables):
    """Four findings, a panel each."""
    fig, axes = plt.subplots(2, 2, figsize=(plots.WIDTH + 1, 7.4), layout="constrained")
    (groups, few), (paper, systems) = axes
    _groups(groups, tables["groups"])
    _over_sizes(few, tables["few labels"], FEW_LABELS)
    few.set(title="Few labels: edits, with unlabelled faces,\ngive half of what real ones give")
    few.set(ylabel="gain over mirrored faces, points")
    _over_sizes(paper, tables["the paper's way"], PAPERS_WAY)
    paper.set(title="The paper's way: whole new faces harm", ylabel="gain over real faces alone, points")
    _systems(systems, tables["systems"])
    return fig


def _groups(ax, table):
    for row, (arm, value) in enumerate(table["value"].items()):
        bar, words = (plots.COLOURS[0], "white") if arm in EDITING else ("#bbbbbb", "black")
        ax.barh(row, value, color=bar, height=0.65)
        ax.text(value - 1.5, row, f"{value:.0f} %", ha="right", va="center", color=words)
    ax.set_yticks(range(len(table)), [NAMES.get(name, name) for name in table.index])
    ax.set(xlim=(0, 100), ylim=(len(table) - 0.5, -0.5), xlabel="accuracy of the worst group, %")
    ax.set_title("Misleading training faces:\nedits close most of the gap", loc="center")
    ax.grid(visible=False, axis="y")


def _over_sizes(ax, table, arms):
    for i, arm in enumerate(arms):
        rows = table[table["arm"] == arm].sort_values("n_train")
        beside = 1.04 ** (i - (len(arms) - 1) / 2)  # so that no interval hides another
        error = [rows["difference"] - rows["low"], rows["high"] - rows["difference"]]
        ax.errorbar(rows["n_train"] * beside, rows["difference"], error, label=NAMES[arm], capsize=2, **LOOKS[arm])
    ax.axhline(0, color="black", linewidth=0.8)
    sizes = np.sort(table["n_train"].unique())
    ax.set(xlabel="labelled training faces", xscale="log")
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    ax.legend()


def _systems(ax, table):
    for name, (obeyed, distance) in table.iterrows():
        own = name.startswith("ours")
        ax.plot(distance, obeyed, "o" if own else "s", color=plots.COLOURS[0] if own else "#888888", markersize=7)
        label = {"ours": "ours (Φ)", "ours, editing": "ours, edited faces"}.get(name, name.removesuffix(EQUAL))
        left = name.startswith("AttGAN")  # where another one's name would lie on it
        place = {"xytext": (-7 if left else 7, 0), "ha": "right" if left else "left", "va": "center"}
        ax.annotate(label, (distance, obeyed), textcoords="offset points", fontsize=9, **place)
    ax.set(xlabel="Fréchet distance in a judge's features", ylabel="labels obeyed, balanced accuracy")
    ax.set(xlim=(0, 1.2 * table["frechet_classifier"].max()), title="As many operations each, drawn faces")


def main():
    tables = numbers()
    with plt.rc_context({"svg.hashsalt": "findings"}):
        figure(tables).savefig(PICTURE, metadata={"Date": None, "Description": digest(tables)})


if __name__ == "__main__":
    main()
