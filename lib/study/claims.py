"""The ledger: what the paper claims in numbers, what we measured, and what follows from the two.

`CLAIMS` is the list; each claim names the printed number and how ours is found in the result tables. `ledger` reads
whatever tables there are and computes the verdicts:

    holds                    the same direction, and the printed size is within our 95 % interval or below it
    holds weaker             the same direction for certain, but less than printed
    does not hold            our interval excludes what is printed, and does not even show its direction
    undecided                our interval holds both, what is printed and what contradicts it
    cannot be tested here    with the reason
    not measured yet         the result tables do not hold it

Each claim is judged by the run with the most training faces that speaks to it, real faces before drawn ones; column
`recipe` says which. Arms of the recognition study are compared after the same number of steps; column `same_epochs` has
the verdict by the other protocol, of the largest run by that one. All seeds of an arm share one generator: what a
verdict says of the paper's method, it says of that training of it. How two others fared is told by the arms of
`arms.OTHER_GENERATORS`.

As a script it joins the tables of all runs with those already in data/results/, and writes claims.csv beside them. Runs
on faces with other attributes than CelebA's, of which the paper says nothing, have no labels.csv and stay out.

    python -m lib.study.claims
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pandas as pd

from lib import checkpoints, config
from lib.study.arms import NO_PERCEPTUAL
from lib.study.evidence import (
    Missing,
    Untestable,
    accuracy,
    attribute_gain,
    best_size_on_test,
    chosen_size,
    gain,
    label,
    read_results,
    share_improved,
    times_as_far,
    training_times,
    unavailable,
)  # fmt: skip

COLUMNS = ("claim", "section", "printed", "ours", "low", "high", "verdict", "same_epochs", "recipe")


@dataclass(frozen=True)
class Claim:
    """One quantitative claim. `printed` and ours are in the unit that `claim` names."""

    section: str
    claim: str
    printed: float
    measure: Callable  # result tables (dict of DataFrames) -> Measured; raises Untestable or Missing
    verdict: Callable  # (printed, Measured) -> str


# --- Verdicts ---------------------------------------------------------------------------------------------------------


def as_gain(printed, ours):
    """A claim of direction and size, such as "+10.2"."""
    low, high = (ours.low, ours.high) if printed > 0 else (-ours.high, -ours.low)
    if low > 0:
        return "holds" if high >= abs(printed) else "holds weaker"
    return "undecided" if high >= abs(printed) else "does not hold"


def as_quotient(*parts):
    """A claim of a quotient of two rounded numbers, each with its rounding: parts are (number, rounded to) twice. It
    holds if ours is a quotient of numbers that round to those."""
    (above, step), (below, other) = parts
    low, high = (above - step / 2) / (below + other / 2), (above + step / 2) / (below - other / 2)

    def verdict(printed, ours):
        return "holds" if ours.low <= high and ours.high >= low else "does not hold"

    return verdict


def as_no_gain(printed, ours):
    """A claim that nothing improves."""
    if ours.low <= 0 <= ours.high and ours.low < ours.high:
        return "undecided"
    return "holds" if ours.high <= 0 else "does not hold"


def as_value(printed, ours):
    """A claim of a value: holds if the printed one lies within our interval, or as near to it as it was rounded."""
    digits = Decimal(str(printed))
    slack = 0.5 * 10.0 ** (digits.normalize() if isinstance(printed, int) else digits).as_tuple().exponent
    return "holds" if ours.low - slack <= printed <= ours.high + slack else "does not hold"


def as_choice(printed, ours):
    """A claim of which one is best: holds if every seed says so, and is undecided if they disagree about it."""
    if ours.low <= printed <= ours.high:
        return "holds" if ours.low == ours.high else "undecided"
    return "does not hold"


def more_than(printed, ours):
    """A claim of "most" or "over"; undecided where the interval as much as touches."""
    if ours.low <= printed <= ours.high and ours.low < ours.high:
        return "undecided"
    return "holds" if ours.low > printed else "does not hold"


# --- The list ---------------------------------------------------------------------------------------------------------

OURS = "balancing"
#: Accuracies in % as the paper prints them, by our names of the arms.
TABLE_2 = {
    "none": 80.9, "flip 2x": 83.9, "flip 4x": 83.2, "crop 2x": 85.1, "crop 4x": 84.2, "erase 2x": 85.4,
    "erase 4x": 83.4, "StarGAN, doubling": 83.7, "StarGAN, balancing": 82.9, "DCGAN, doubling": 84.5,
    "DCGAN, balancing": 85.2, "doubling, no perceptual loss": 86.8, NO_PERCEPTUAL: 88.1, "doubling": 89.5,
    "balancing 1.5x": 87.1, OURS: 91.1, "balancing 3x": 88.7,
}  # fmt: skip
TABLE_1 = {"DCGAN": 122.514, "StarGAN": 186.921, "ours, no perceptual loss": 4.812, "ours": 1.319}  # FID
TABLE_3 = {"none": 92.6, "doubling": 94.6, OURS: 95.5}
TABLE_4 = {OURS: 91.1, "balancing, 2 rounds": 91.7, "balancing, 3 rounds": 91.3}
FID = "FID is defined on Inception's features of faces at the paper's size, and the paper tells neither set nor count"
SPEED = "depends on machine and length of training, and the paper does not say whether pretrained stages are counted"

CLAIMS = [
    Claim("Fig. 1", "faces with Attractive, No_Beard and Young", 71_000, label("triple 1"), as_value),
    Claim("Fig. 1", "faces with Mouth_Slightly_Open, Oval_Face and Receding_Hairline", 2_000, label("triple 2"),
          as_value),
    Claim("Sec. I", "how many times more of the former (71k over 2k)", 35, label("ratio of triples"),
          as_quotient((71_000, 1_000), (2_000, 1_000))),
    Claim("Sec. V-A", "faces for validation", 19_962, label("faces for validation"), as_value),
    Claim("Sec. V-A", "faces for test", 19_867, label("faces for test"), as_value),
    Claim("Fig. 1", "compositions of three attributes, more than", 9_000, label("triples"), more_than),
    Claim("Sec. IV-A", "attributes whose count random doubling doubles, to one tenth, %", 100.0, label("doubled"),
          as_value),
    Claim("Sec. IV-C", "standard deviation of counts after random doubling", 64_900, label("std, doubling"), as_value),
    Claim("Sec. IV-C", "standard deviation of counts after dynamic balancing", 29_800, label("std, balancing"),
          as_value),
    Claim("Sec. IV-C", "change of the standard deviation by balancing instead of doubling", -35_100,
          label("std change"), as_gain),
    Claim("Sec. IV-C", "change of the smallest count by balancing instead of doubling", 64_200, label("minimum change"),
          as_gain),
    Claim("Sec. IV-C", "change of the largest count by balancing instead of doubling", -62_700, label("maximum change"),
          as_gain),
    *(Claim("Fig. 5", f"standard deviation of {pairs}, more than", 2, label(f"std of {pairs}"), more_than)
      for pairs in ("the 40 rarest pairs, doubling / balancing", "all pairs, doubling / balancing")),
    *(Claim("Table 1", f"FID of {name}", printed, unavailable(FID), as_value) for name, printed in TABLE_1.items()),
    *(Claim(section, f"distance to real faces of {name}, times {than}, more than", 1, times_as_far(name, than),
            more_than)
      for section, name, than in (
          *(("Table 1", name, "ours") for name in TABLE_1 if name != "ours"),
          ("Table 1", "StarGAN", "DCGAN"),
          *(("Sec. V-C", name, "ours") for name in ("AttGAN", "RelGAN")),
      )),
    Claim("Sec. V-C", "hours of training", 10, unavailable(SPEED), as_value),
    *(Claim("Sec. V-C", f"StarGAN's training, three days over ten hours: operations over those of {whose}, more than",
            7.2, training_times("StarGAN", *stages), more_than)
      for whose, stages in (("our Φ and its guide", ("ours, classifier", "ours, Φ")),
                            ("all our stages", ("ours, all stages",)))),
    Claim("Table 2", "accuracy without augmentation, % (a smaller scale than the paper's can only be worse)",
          TABLE_2["none"], accuracy("none", at_scale=False), as_value),
    Claim("Table 2", "accuracy with dynamic balancing, double, %", TABLE_2[OURS], accuracy(OURS), as_value),
    *(Claim("Table 2", f"gain of {arm}, points", round(printed - TABLE_2["none"], 1), gain(arm), as_gain)
      for arm, printed in TABLE_2.items() if arm != "none"),
    Claim("Table 2", "balancing over doubling, points", 1.6, gain(OURS, over="doubling"), as_gain),
    Claim("Table 2", "what the perceptual loss adds to balancing, points", 3.0, gain(OURS, over=NO_PERCEPTUAL),
          as_gain),
    Claim("Table 2", "what the perceptual loss adds to doubling, points", 2.7,
          gain("doubling", over="doubling, no perceptual loss"), as_gain),
    Claim("Table 2", "double over triple size, points", 2.4, gain(OURS, over="balancing 3x"), as_gain),
    Claim("Table 2", "balancing over DCGAN, points", 5.9, gain(OURS, over="DCGAN, balancing"), as_gain),
    Claim("Table 2", "balancing over StarGAN, points", 8.2, gain(OURS, over="StarGAN, balancing"), as_gain),
    Claim("Sec. V-D", "balancing over the best traditional method, erasing, points", 5.7, gain(OURS, over="erase 2x"),
          as_gain),
    Claim("Table 3", "accuracy on 13 attributes without augmentation, %", TABLE_3["none"],
          accuracy("none", attributes=13), as_value),
    *(Claim("Table 3", f"gain of {arm} on 13 attributes, points", round(TABLE_3[arm] - TABLE_3["none"], 1),
            gain(arm, attributes=13), as_gain) for arm in ("doubling", OURS)),
    *(Claim("Table 3", f"accuracy of {arm} on 13 attributes, %", TABLE_3[arm], accuracy(arm, attributes=13), as_value)
      for arm in ("doubling", OURS)),
    Claim("Table 3", "balancing over doubling on 13 attributes, points", 0.9,
          gain(OURS, over="doubling", attributes=13), as_gain),
    Claim("Table 3", "accuracy with AttGAN, 13 times the faces, %", 94.6,
          unavailable("neither paper nor its code tells how these faces were made"), as_value),
    *(Claim("Table 4", f"{arm}, over one round, points", round(TABLE_4[arm] - TABLE_4[OURS], 1),
            gain(arm, over=OURS), as_gain) for arm in ("balancing, 2 rounds", "balancing, 3 rounds")),
    Claim("Fig. 10", "size chosen by validation accuracy, times the faces", 2.0, chosen_size, as_choice),
    Claim("Fig. 10", "size best on the test faces, less the one chosen", 0.0, best_size_on_test, as_choice),
    *(Claim("Fig. 9", f"attributes that {arm} improves, more than, %", 50, share_improved(arm), more_than)
      for arm in (OURS, NO_PERCEPTUAL)),
    Claim("Sec. V-D", "attributes that the perceptual loss improves, more than, %", 50,
          share_improved(OURS, over=NO_PERCEPTUAL), more_than),
    *(Claim("Sec. V-D", f"what the perceptual loss gains on {name}, points", printed,
            attribute_gain(name, OURS, NO_PERCEPTUAL), as_gain)
      for name, printed in (("Young", 6.7), ("Oval_Face", 6.3), ("Attractive", 8.6), ("Mouth_Slightly_Open", 12.4))),
    *(Claim("Sec. V-D", f"{name} is not improved by balancing: gain, points, at most", 0.0,
            attribute_gain(name, OURS, "none"), as_no_gain)
      # The paper writes "Necktie (WNI)", and WNI is its Necklace.
      for name in ("Rosy_Cheeks", "Wearing_Lipstick", "Wearing_Necktie", "Wearing_Necklace")),
]  # fmt: skip


# --- The ledger -------------------------------------------------------------------------------------------------------


def ledger(results):
    """Every claim with our number, its interval and the verdict: a DataFrame with the columns of `COLUMNS`."""
    studies = {name: table for name, table in results.items() if name.startswith("recognition")}
    by = {
        protocol: {name: table[table["protocol"] == protocol] for name, table in studies.items()}
        for protocol in ("same steps", "same epochs")
    }
    rows = []
    for claim in CLAIMS:
        measured, verdict = judged(claim, results | by["same steps"])
        numbers = (measured.value, measured.low, measured.high) if measured else (None,) * 3
        longer, verdict_longer = judged(claim, by["same epochs"])
        rows.append([claim.claim, claim.section, claim.printed, *numbers, verdict,
                     verdict_longer if longer else "", measured and measured.recipe])  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def judged(claim, results):
    """(Measured or None, verdict) of a claim."""
    try:
        measured = claim.measure(results)
        return measured, claim.verdict(claim.printed, measured)
    except Untestable as reason:
        return None, f"cannot be tested here: {reason}"
    except Missing:
        return None, "not measured yet"


def publish(results, folder):
    """Write result tables and the ledger that follows from them into `folder`, for readers who did not run the study.

    Of the attributes one by one only what the ledger and the notebooks read. Returns the ledger.
    """
    table = ledger(results)
    if "recognition_per_attribute" in results:
        read = "over == 'none' or arm == @OURS"
        results = results | {"recognition_per_attribute": results["recognition_per_attribute"].query(read)}
    for name, content in (results | {"claims": table}).items():
        with checkpoints.atomic(Path(folder) / f"{name}.csv") as path:
            content.to_csv(path, index=False, float_format="%.6g")
    return table


def main():
    """Publish what the runs have left in data/results/."""
    runs = config.start(show=False).folder.parents[1]
    finished = [path.parent for path in sorted(runs.glob("*/*/results/labels.csv")) if path.parts[-3] != "ci"]
    published = config.ROOT / "data" / "results"
    if finished:
        table = publish(read_results(*finished, published), published)
        print(table["verdict"].str.partition(":")[0].value_counts().to_string())
    else:
        print(
            f"{runs}: no results on CelebA's attributes, or of profile ci alone, which mean nothing; nothing to publish"
        )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
