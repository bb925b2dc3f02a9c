"""What the objective of Φ loses with each of its five losses, as the ablation measured it."""

import html
from dataclasses import dataclass

import ipywidgets as W
import numpy as np
import pandas as pd

from lib import metrics


@dataclass(frozen=True)
class Loss:
    """One of the five parts of Eq. 17. The ablation has a variant "no <name>" without it."""

    name: str
    weight: str
    equation: int


LOSSES = (
    Loss("adversarial loss of embeddings", "1", 13),
    Loss("adversarial loss of images", "λ₁", 12),
    Loss("reconstruction of images", "λ₂", 10),
    Loss("reconstruction of embeddings", "λ₃", 11),
    Loss("perceptual loss", "λ₄", 14),
)
FULL = "full objective"

#: Column of the ablation -> what it says, and the word for more of it and for less.
MEASURES = {
    "balanced_accuracy": ("labels obeyed: balanced accuracy of the independent judge", "better", "worse"),
    "l1": ("L1 distance to the face that carries the labels", "worse", "better"),
    "embedding_error": ("error of the embedding, as a share of its variance", "worse", "better"),
    "frechet_classifier": ("distance to real faces in the judge's features", "worse", "better"),
    "detail": ("detail, as a share of what real faces have", "more", "less"),
}

#: What must be said beside the mixer, wherever it stands.
MEASURED = (
    "Measured were the five weights as they are, and each of them at 0 alone. Weights in between and two losses off at "
    "once were not, so there is nothing here to choose them by. An interval that holds 0 is not certain; and where "
    "nothing changes, one interval of twenty misses 0 by chance."
)


def effect(table, loss):
    """What changes without a Loss, a row for each of MEASURES.

    table   data/results/ablation.csv as a DataFrame

    Columns: full, without (means over seeds); difference, low, high (seed by seed, with its 95 % interval); verdict.
    Raises KeyError if the table lacks the full objective or the variant without the loss.
    """
    rows = {}
    for measure, (_, more, less) in MEASURES.items():
        by_seed = table.pivot(index="seed", columns="variant", values=measure)[[FULL, f"no {loss.name}"]].dropna()
        full, without = by_seed.to_numpy().T
        difference, low, high = metrics.over_seeds(without - full)
        verdict = more if low > 0 else less if high < 0 else "not certain"
        rows[measure] = (full.mean(), without.mean(), difference, low, high, verdict)
    columns = ["full", "without", "difference", "low", "high", "verdict"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def effect_html(table, loss):
    """`effect` as a table with a bar for each interval; of all five losses if `loss` is None.

    A bar is as long as the measure's widest interval over all losses allows: bars of one measure can be compared.
    """
    effects = {each: effect(table, each) for each in LOSSES}
    reach = np.max([each[["low", "high"]].abs().max(axis=1) for each in effects.values()], axis=0)
    reach[reach == 0] = 1  # a measure that nothing changes
    head = ["measure", "all five losses"]
    if loss:
        head += ["without it", "difference, 95 % interval", "interval, drawn", "verdict"]
    rows = []
    for (measure, row), widest in zip(effects[loss or LOSSES[0]].iterrows(), reach, strict=True):
        cells = [f"{row.full:.3g}"]
        if loss:
            cells += [
                f"{row.without:.3g}",
                f"{row.difference:+.3g} [{row.low:+.3g}, {row.high:+.3g}]",
                f'<div class="track"><i style="left:{50 + 50 * row.low / widest:.1f}%;'
                f'width:{50 * (row.high - row.low) / widest:.1f}%"></i></div>',
                row.verdict,
            ]
        words = html.escape(MEASURES[measure][0])
        rows.append(f'<tr><th scope="row">{words}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    said = (
        f"Without the {loss.name} (weight {loss.weight}, Eq. {loss.equation})" if loss else "All five losses (Eq. 17)"
    )
    recipe = table[table["variant"] == FULL]
    caption = (
        f"{said}: drawn faces, profile {recipe['profile'].iloc[0]}, {recipe['seed'].nunique()} seeds of Φ, "
        f"{recipe['mapping_steps'].iloc[0]:,} steps each"
    )
    columns = "".join(f'<th scope="col">{word}</th>' for word in head)
    return (
        f'{STYLE}<table class="player-losses"><caption>{caption}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


STYLE = """<style>
.player-losses { border-collapse: collapse; font-size: 0.85em; line-height: 1.3 }
.player-losses caption { text-align: left; padding: 0.3em 0 }
.player-losses th, .player-losses td { text-align: left; padding: 0.4em 1em 0.4em 0; vertical-align: top }
.player-losses tbody th { font-weight: normal; min-width: 11em }
.player-losses .track { position: relative; width: 9em; height: 1.1em;
  background: linear-gradient(currentColor, currentColor) center / 1px 100% no-repeat }
.player-losses .track i { position: absolute; top: 0.2em; height: 0.7em; min-width: 3px; background: #0072b2 }
</style>"""


def choices():
    """What can be switched off: (words, Loss), and nothing, (words, None), first."""
    return [("nothing", None), *((f"{loss.name} (weight {loss.weight}, Eq. {loss.equation})", loss) for loss in LOSSES)]


class LossMixer(W.VBox):
    """Switch off one of the five losses and see what the ablation `table` measured. `off` is the chooser."""

    def __init__(self, table):
        self.table = table
        self.off = W.RadioButtons(options=choices(), description="switch off", layout=W.Layout(width="max-content"))
        self.shown = W.HTML()
        self.off.observe(lambda _: self.show(), "value")
        self.show()
        super().__init__([self.off, self.shown, W.HTML(f"<p>{MEASURED}</p>")])

    def show(self):
        """Show what was measured without the loss that is switched off."""
        self.shown.value = effect_html(self.table, self.off.value)


def page(table):
    """The mixer as HTML with every table in it, for book/static/players.js."""
    options = "".join(
        f'<label><input type="radio" name="off"{"" if loss else " checked"}> {html.escape(words)}</label>'
        for words, loss in choices()
    )
    effects = "".join(f'<div class="effect">{effect_html(table, loss)}</div>' for _, loss in choices())
    return (
        f'<div class="player" id="losses"><fieldset><legend>Switch off</legend>{options}</fieldset>'
        f'<div role="status">{effects}</div><p>{MEASURED}</p></div>'
    )
