"""The ledger: what the paper claims in numbers, what we measured, and what follows from the two.

`CLAIMS` is the list; each claim names the printed number and how ours is found in the result tables. `ledger` reads
whatever tables there are and computes the verdicts:

    holds                    the same direction, and the printed size is within our 95 % interval or below it
    holds weaker             the same direction for certain, but less than printed
    does not hold            our interval includes zero, or lies on the other side
    cannot be tested here    with the reason
    not measured yet         the result tables do not hold it

As a script it joins the tables of all runs with those already in data/results/, and writes claims.csv beside them. Runs
on faces with other attributes than CelebA's, of which the paper says nothing, have no labels.csv and stay out.

    python -m lib.claims
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib import checkpoints, config
from lib.arms import NO_PERCEPTUAL
from lib.evidence import (
    Missing,
    Untestable,
    accuracy,
    attribute_gain,
    chosen_size,
    gain,
    label,
    read_results,
    share_improved,
    times_ours,
    training_times_ours,
    unavailable,
)  # fmt: skip

COLUMNS = ("claim", "section", "printed", "ours", "low", "high", "verdict", "recipe")


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
    """A claim of direction and size, such as "+10.2": decided by which side of zero our interval lies on."""
    low, high = (ours.low, ours.high) if printed > 0 else (-ours.high, -ours.low)
    if low <= 0:
        return "does not hold"
    return "holds" if high >= abs(printed) else "holds weaker"


def as_no_gain(printed, ours):
    """A claim that nothing improves: holds unless our whole interval lies above zero."""
    return "does not hold" if ours.low > 0 else "holds"


def as_value(printed, ours):
    """A claim of a value: holds if the printed one, to 1 % for its rounding, lies within our interval."""
    slack = 0.01 * abs(printed)
    return "holds" if ours.low - slack <= printed <= ours.high + slack else "does not hold"


def at_least(printed, ours):
    """A claim of "most" or "over": holds if our whole interval reaches the printed number."""
    return "holds" if ours.low >= printed else "does not hold"


# --- The list ---------------------------------------------------------------------------------------------------------

OURS = "balancing"
#: Accuracies in % as the paper prints them, by our names of the arms.
TABLE_2 = {
    "none": 80.9, "flip 2x": 83.9, "flip 4x": 83.2, "crop 2x": 85.1, "crop 4x": 84.2, "erase 2x": 85.4,
    "erase 4x": 83.4, "StarGAN, doubling": 83.7, "StarGAN, balancing": 82.9, "DCGAN, doubling": 84.5,
    "DCGAN, balancing": 85.2, "doubling, no perceptual loss": 86.8, NO_PERCEPTUAL: 88.1, "doubling": 89.5,
    "balancing 1.5x": 87.1, OURS: 91.1, "balancing 3x": 88.7,
}  # fmt: skip
TABLE_3 = {"none": 92.6, "doubling": 94.6, OURS: 95.5}
TABLE_4 = {OURS: 91.1, "balancing, 2 rounds": 91.7, "balancing, 3 rounds": 91.3}
FID = "FID is defined on Inception's features of faces at the paper's size, and the paper tells neither set nor count"
SPEED = "depends on the machine and on the length of training, and leaves out the pre-trained stages"

CLAIMS = [
    Claim("Fig. 1", "faces with Attractive, No_Beard and Young", 71_000, label("triple 1"), as_value),
    Claim("Fig. 1", "faces with Mouth_Slightly_Open, Oval_Face and Receding_Hairline", 2_000, label("triple 2"),
          lambda printed, ours: "holds" if round(ours.value, -3) == printed else "does not hold"),
    Claim("Sec. I", "how many times more of the former", 35, label("ratio of triples"),
          lambda printed, ours: "holds" if abs(ours.value - printed) < 2.5 else "does not hold"),
    Claim("Fig. 1", "compositions of three attributes, at least", 9_000, label("triples"), at_least),
    Claim("Sec. IV-C", "standard deviation of counts after random doubling", 64_900, label("std, doubling"), as_value),
    Claim("Sec. IV-C", "standard deviation of counts after dynamic balancing", 29_800, label("std, balancing"),
          as_value),
    Claim("Sec. IV-C", "change of the standard deviation by balancing instead of doubling", -35_100,
          label("std change"), as_gain),
    Claim("Sec. IV-C", "change of the smallest count by balancing instead of doubling", 64_200, label("minimum change"),
          as_gain),
    Claim("Sec. IV-C", "change of the largest count by balancing instead of doubling", -62_700, label("maximum change"),
          as_gain),
    Claim("Fig. 5", "by what factor the standard deviation of the 40 rarest pairs falls, at least", 2,
          label("std of rare pairs, doubling / balancing"), at_least),
    Claim("Table 1", "FID of the paper's method", 1.319, unavailable(FID), as_value),
    Claim("Table 1", "FID without perceptual loss", 4.812, unavailable(FID), as_value),
    *(Claim("Table 1", f"distance to real faces of {name}, times ours, more than", 1, times_ours(name), at_least)
      for name in ("StarGAN", "DCGAN", "ours, no perceptual loss")),
    Claim("Sec. V-C", "hours of training", 10, unavailable(SPEED), as_value),
    Claim("Sec. V-C", "StarGAN's training, as published, times ours: three days over ten hours, at least", 7.2,
          training_times_ours("StarGAN"), at_least),
    Claim("Table 2", "accuracy without augmentation, %", TABLE_2["none"], accuracy("none"), as_value),
    Claim("Table 2", "accuracy with dynamic balancing, double, %", TABLE_2[OURS], accuracy(OURS), as_value),
    *(Claim("Table 2", f"gain of {arm}, points", round(printed - TABLE_2["none"], 1), gain(arm), as_gain)
      for arm, printed in TABLE_2.items() if arm != "none"),
    Claim("Table 2", "balancing over doubling, points", 1.6, gain(OURS, over="doubling"), as_gain),
    Claim("Table 2", "what the perceptual loss adds to balancing, points", 3.0, gain(OURS, over=NO_PERCEPTUAL),
          as_gain),
    Claim("Table 2", "double over triple size, points", 2.4, gain(OURS, over="balancing 3x"), as_gain),
    Claim("Table 2", "balancing over DCGAN, points", 5.9, gain(OURS, over="DCGAN, balancing"), as_gain),
    Claim("Table 2", "balancing over StarGAN, points", 8.2, gain(OURS, over="StarGAN, balancing"), as_gain),
    Claim("Sec. V-D", "balancing over the best traditional method, erasing, points", 5.7, gain(OURS, over="erase 2x"),
          as_gain),
    Claim("Table 3", "accuracy on 13 attributes without augmentation, %", TABLE_3["none"],
          accuracy("none", attributes=13), as_value),
    *(Claim("Table 3", f"gain of {arm} on 13 attributes, points", round(TABLE_3[arm] - TABLE_3["none"], 1),
            gain(arm, attributes=13), as_gain) for arm in ("doubling", OURS)),
    Claim("Table 3", "accuracy with AttGAN, 13 times the faces, %", 94.6,
          unavailable("neither paper nor its code tells how these faces were made"), as_value),
    *(Claim("Table 4", f"{arm}, over one round, points", round(TABLE_4[arm] - TABLE_4[OURS], 1),
            gain(arm, over=OURS), as_gain) for arm in ("balancing, 2 rounds", "balancing, 3 rounds")),
    Claim("Fig. 10", "size chosen by validation accuracy, times the faces", 2.0, chosen_size, as_value),
    Claim("Fig. 9", "attributes that balancing improves, at least, %", 50, share_improved(OURS), at_least),
    Claim("Sec. V-D", "attributes that the perceptual loss improves, at least, %", 50,
          share_improved(OURS, over=NO_PERCEPTUAL), at_least),
    *(Claim("Sec. V-D", f"what the perceptual loss gains on {name}, points", printed,
            attribute_gain(name, OURS, NO_PERCEPTUAL), as_gain)
      for name, printed in (("Young", 6.7), ("Oval_Face", 6.3), ("Attractive", 8.6), ("Mouth_Slightly_Open", 12.4))),
    *(Claim("Sec. V-D", f"{name} is not improved by balancing: gain, points, at most", 0.0,
            attribute_gain(name, OURS, "none"), as_no_gain)
      for name in ("Rosy_Cheeks", "Wearing_Lipstick", "Wearing_Necktie")),
]  # fmt: skip


# --- The ledger -------------------------------------------------------------------------------------------------------


def ledger(results):
    """Every claim with our number, its interval and the verdict: a DataFrame with the columns of `COLUMNS`."""
    rows = []
    for claim in CLAIMS:
        ours = low = high = recipe = None
        try:
            measured = claim.measure(results)
            ours, low, high, recipe = measured.value, measured.low, measured.high, measured.recipe
            verdict = claim.verdict(claim.printed, measured)
        except Untestable as reason:
            verdict = f"cannot be tested here: {reason}"
        except Missing:
            verdict = "not measured yet"
        rows.append([claim.claim, claim.section, claim.printed, ours, low, high, verdict, recipe])
    return pd.DataFrame(rows, columns=COLUMNS)


def publish(results, folder):
    """Write result tables and the ledger that follows from them into `folder`, for readers who did not run the study.

    Of the attributes one by one only what the ledger and the notebooks read. Returns the ledger.
    """
    table = ledger(results)
    if "recognition_per_attribute" in results:
        read = "protocol == 'same steps' and (over == 'none' or arm == @OURS)"
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
    main()
