"""Dynamic balancing step by step: a long tail that flattens, and the impossible people that this costs."""

import html
import json
from dataclasses import dataclass

import ipywidgets as W
import numpy as np

from lib import augmentation
from lib.attributes import impossible
from lib.plots import readable

#: Name -> how new label vectors are made from a table (N, A), with names and a generator: (N, A) bool.
STRATEGIES = {
    "dynamic balancing": lambda a, names, rng: augmentation.dynamic_balancing(a, len(a), rng)[0],
    "dynamic balancing, ranks made once": lambda a, names, rng: augmentation.dynamic_balancing(
        a, len(a), rng, rerank=False
    )[0],
    "dynamic balancing, no contradictions": lambda a, names, rng: augmentation.dynamic_balancing(
        a, len(a), rng, conflicts="avoid", names=names
    )[0],
    "random doubling": lambda a, names, rng: augmentation.random_doubling(a, rng),
}


@dataclass(frozen=True)
class Moment:
    """A training set that is being doubled, after `new` of its new label vectors."""

    new: int
    counts: np.ndarray  # (A,) int, how many label vectors, old and new, hold each attribute
    impossible: int  # of the new ones hold labels that contradict each other

    def __str__(self):
        share = f" ({100 * self.impossible / self.new:.0f} %)" if self.new else ""
        return (
            f"{self.new:,} new label vectors. Counts from {self.counts.min():,} to {self.counts.max():,}, standard "
            f"deviation {self.counts.std(ddof=1):,.0f}. Impossible people among the new: {self.impossible:,}{share}."
        )


def moments(a, names, strategy, seed=0, n=61):
    """At most `n` Moments of a doubling of the label table `a`, (N, A) bool, closer together at its start.

    Raises KeyError for a `strategy` that is not in STRATEGIES.
    """
    a1 = STRATEGIES[strategy](a, names, np.random.default_rng(seed))
    counts = np.concatenate([np.zeros((1, a.shape[1]), dtype=int), a1.cumsum(axis=0)]) + a.sum(axis=0)
    contradictions = np.concatenate([[0], impossible(a1, names).cumsum()])
    steps = np.unique((len(a) * np.linspace(0, 1, n) ** 2).round().astype(int))
    return [Moment(int(step), counts[step], int(contradictions[step])) for step in steps]


def tail_html(moment, start, names):
    """A table of the counts at a Moment as bars, in the order of the Moment `start`, whose counts are marked."""
    full = 2 * start.counts.max()
    rows = [
        f'<tr><th scope="row">{html.escape(readable(names[i]))}</th>'
        f'<td class="bar"><span style="width:{100 * moment.counts[i] / full:.2f}%"></span>'
        f'<i style="left:{100 * start.counts[i] / full:.2f}%"></i></td><td class="count">{moment.counts[i]:,}</td></tr>'
        for i in tail_order(start)
    ]
    caption = "Label vectors that hold each attribute; the line marks the training set alone"
    return f'{STYLE}<table class="player-tail"><caption>{caption}</caption><tbody>{"".join(rows)}</tbody></table>'


def tail_order(start):
    """Attributes from the most frequent to the rarest at the Moment `start`, (A,) int."""
    return np.argsort(-start.counts, kind="stable")


STYLE = """<style>
.player-tail { border-collapse: collapse; width: 100%; max-width: 52em; font-size: 0.8em; line-height: 1.25 }
.player-tail caption { text-align: left; padding: 0.3em 0 }
.player-tail th { font-weight: normal; text-align: right; white-space: nowrap; padding: 0 0.5em 0 0 }
.player-tail .bar { position: relative; width: 100%; padding: 1px 0 }
.player-tail .bar span { display: block; height: 0.9em; background: #0072b2 }
.player-tail .bar i { position: absolute; top: 0; bottom: 0; border-left: 2px solid #e69f00 }
.player-tail .count { text-align: right; padding-left: 0.5em; font-variant-numeric: tabular-nums }
</style>"""


class BalancingPlayer(W.VBox):
    """Step through a doubling of the label table `a`, (N, A) bool, and watch its long tail.

    `moment` is the Moment on show, `strategy` the chooser of STRATEGIES, `step` the slider over the Moments.
    """

    def __init__(self, a, names, seed=0):
        self.names = names
        self.played = {strategy: moments(a, names, strategy, seed) for strategy in STRATEGIES}
        last = min(map(len, self.played.values())) - 1
        self.strategy = W.Dropdown(options=list(STRATEGIES), description="strategy", layout=W.Layout(width="26em"))
        self.step = W.IntSlider(max=last, description="step", readout=False, continuous_update=True)
        play = W.Play(max=last, interval=250)
        W.jslink((play, "value"), (self.step, "value"))
        self.words, self.tail = W.HTML(), W.HTML(layout=W.Layout(width="100%"))
        for control in (self.strategy, self.step):
            control.observe(lambda _: self.show(), "value")
        self.show()
        super().__init__([self.strategy, W.HBox([play, self.step]), self.words, self.tail])

    def show(self):
        """Draw the Moment that strategy and step choose."""
        played = self.played[self.strategy.value]
        self.moment = played[self.step.value]
        self.words.value = f'<p role="status">{self.moment}</p>'
        self.tail.value = tail_html(self.moment, played[0], self.names)


def page(a, names):
    """The player as HTML with all Moments in it, for book/static/players.js."""
    played = {strategy: moments(a, names, strategy) for strategy in STRATEGIES}
    start = next(iter(played.values()))[0]
    order = tail_order(start)
    data = {
        strategy: [{"words": str(moment), "counts": moment.counts[order].tolist()} for moment in of]
        for strategy, of in played.items()
    }
    choices = "".join(f"<option>{html.escape(strategy)}</option>" for strategy in played)
    return (
        f'<div class="player" id="balancing" data-full="{2 * start.counts.max()}">'
        f"<p><label>Strategy <select>{choices}</select></label></p>"
        '<p><button type="button" class="back">◀ back</button> <button type="button" class="play">▶ play</button> '
        '<button type="button" class="on">on ▶</button> '
        f'<label>moment <input type="range" min="0" max="{len(data[next(iter(data))]) - 1}" value="0"></label></p>'
        f"<p>Of the {len(a):,} label vectors of the training set {impossible(a, names).sum():,} hold labels that "
        f'contradict each other.</p><p role="status">{start}</p>{tail_html(start, start, names)}'
        f'<script type="application/json">{json.dumps(data)}</script></div>'
    )
