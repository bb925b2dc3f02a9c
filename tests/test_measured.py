"""What README and data/results/README.md tell of results is what the tables in data/results have."""

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import findings
from lib import attributes, config, metrics, toyfaces
from lib.augmentation import random_doubling
from lib.data import TOY_STARTS
from lib.study import recognition

TABLES = config.ROOT / "data" / "results"
README = (config.ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (TABLES / "README.md").read_text(encoding="utf-8")
DISTILLED = "difference editing, distilled"


def prose(text):
    """A page without its line breaks."""
    return " ".join(text.split())


def gain(row):
    """Points gained and their interval, as the pages write them."""
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * row[["difference", "low", "high"]].astype(float)))


@pytest.mark.parametrize(("profile", "pattern"), [
    ("laptop", r"^\| ([\w, ]+) \| (\d\d\.\d .*) \|$"), ("reference", r"^\| \*\*([A-Za-z][\w, ]+)\*\* \| (.*) \|$"),
])  # fmt: skip
def test_page_shows_what_was_measured(profile, pattern):
    """Its tables of arms, row by row, as data/results/recognition_differences.csv has them."""
    table = pd.read_csv(TABLES / "recognition_differences.csv")
    table = table.query("data == 'faces64' and protocol == 'same steps' and attributes == 40 and over == 'none'")
    rows = table[table["profile"] == profile].set_index(["arm", "metric"])
    shown = re.findall(pattern, RESULTS, re.M)
    assert len(shown) >= 5
    for arm, cells in shown:
        expected = []
        for metric in ("accuracy", "balanced_accuracy_tuned"):
            mean, *rest = 100 * rows.loc[(arm, metric), ["mean", "difference", "low", "high"]].astype(float)
            difference = "" if arm == "none" else "{:+.1f} ({:+.1f} to {:+.1f})".format(*rest)
            expected += [f"{mean:.1f}", difference]
        assert [cell.strip() for cell in cells.split("|")] == expected


def test_page_shows_the_majority_answer_beside_the_larger_run():
    run = pd.read_csv(TABLES / "recognition.csv").query("profile == 'reference'")
    judged = pd.read_csv(TABLES / "obedience.csv").query("faces == 'majority answer' and profile == 'celeba64'")
    (judged,) = judged.query("attribute == 'all'").itertuples()
    assert {(judged.n_train, judged.n_test)} == set(zip(run["n_train"], run["n_test"], strict=True))
    told = f"(the majority answer has {100 * judged.accuracy:.1f} % and 50 % on these test faces):"
    assert told in prose(RESULTS) and judged.balanced_accuracy == 0.5


def test_picture_of_the_findings_is_drawn_from_the_tables_and_tells_the_truth():
    tables = findings.numbers()
    root = ElementTree.parse(findings.PICTURE).getroot()
    (told,) = root.iterfind(".//{http://purl.org/dc/elements/1.1/}description")
    assert told.text == findings.digest(tables), "python -m benchmarks.findings draws it anew"
    gained = tables["groups"]["difference"]
    assert 0.5 < gained["difference editing"] / gained["balanced real faces"] < 1
    few = tables["few labels"].set_index(["arm", "n_train"])["value"]
    for n in few[DISTILLED].index:
        assert few[DISTILLED, n] / few["more real faces", n] == pytest.approx(0.5, abs=0.1)
    harmed = tables["the paper's way"].query("arm == 'balancing'")
    assert len(harmed) > 5 and (harmed["high"] < 0).all()
    systems = tables["systems"].rename(lambda name: name.removesuffix(findings.EQUAL))
    assert systems["balanced_accuracy"].idxmax() == "ours"
    assert set(systems["frechet_classifier"].nsmallest(2).index) == {"StarGAN", "AttGAN"}


def test_page_shows_what_other_numbers_of_faces_give():
    """Its table of training sizes, row by row, as data/results/sweep_differences.csv has them."""
    table = pd.read_csv(TABLES / "sweep_differences.csv")
    table = table.query("data == 'faces64' and setting == 'fewer faces' and metric == 'balanced_accuracy_tuned'")
    rows = table.set_index(["n_train", "over", "arm"])[["mean", "difference", "low", "high"]] * 100
    shown = re.findall(r"^\| \*\*([\d,]+)\*\* \| (.*) \|$", RESULTS, re.M)
    assert [int(n.replace(",", "")) for n, _ in shown] == sorted(set(table["n_train"]))
    for n, cells in shown:
        of = rows.loc[int(n.replace(",", ""))]
        gains = of.loc["none"].reindex(["more real faces", "balancing", "editing"])[["difference", "low", "high"]]
        expected = [f"{of.loc[('-', 'none'), 'mean']:.1f}"]
        expected += [
            "" if np.isnan(difference) else f"{difference:+.1f} ({low:+.1f} to {high:+.1f})"  # too few to hold back
            for difference, low, high in gains.itertuples(index=False)
        ]
        assert [cell.strip() for cell in cells.split("|")] == expected


def test_page_shows_what_helps():
    """Its table of labelled faces, row by row, as data/results/sweep_differences.csv has them."""
    table = pd.read_csv(TABLES / "sweep_differences.csv")
    table = table.query("data == 'faces64' and setting == 'tuned on validation' and over == 'flip'")
    rows = table.query("metric == 'balanced_accuracy_tuned'").set_index(["n_train", "arm"])
    shown = re.findall(r"^\| \*([\d,]+)\* \| (.*) \|$", RESULTS, re.M)
    assert [int(n.replace(",", "")) for n, _ in shown] == sorted({n for n, _ in rows.index})
    for n, cells in shown:
        of = rows.loc[int(n.replace(",", ""))]
        editing = ("difference editing", "difference editing, components", DISTILLED, f"{DISTILLED}, remedies")
        arms = (*editing, "distillation, remedies", "more real faces")
        expected = [gain(of.loc[arm]) if arm in of.index else "" for arm in arms]
        draws = 3 if n in ("8,000", "16,000") else 5  # as the text says
        assert set(of.loc[of.index.intersection(arms), "seeds"]) == {draws}
        assert [cell.strip() for cell in cells.split("|")] == [f"{100 * of.loc['flip', 'mean']:.1f}", *expected]
    text = prose(RESULTS)
    assert f"on top of difference editing it makes {gain(rows.loc[(500, 'difference editing, mixup')])} over" in text
    many = [rows.loc[(n, "difference editing")] for n in (8_000, 16_000)]
    assert "edits do no certain harm, and give no certain help" in text
    assert all(row["low"] < 0 < row["high"] for row in many)
    sweeps = pd.read_csv(TABLES / "sweep_differences.csv").query("data == 'faces64'")
    stacks = sweeps.query("metric == 'balanced_accuracy_tuned'").set_index(["over", "arm", "n_train"]).sort_index()
    sizes = (500, 1_000, 2_000, 8_000, 16_000)
    told = "gains {} with 500 labels, {} with 1,000, {} with 2,000, {} with 8,000 and {} with 16,000."
    assert told.format(*(gain(stacks.loc[("flip", "cheap stack", n)]) for n in sizes)) in text
    edited = [stacks.loc[("cheap stack", "difference editing, cheap stack", n)] for n in sizes[:4]]
    told = "above that stack, with 500, 1,000, 2,000 and 8,000 labels, by {}, {}, **{}** and {};"
    assert told.format(*map(gain, edited)) in text
    alone = stacks.loc[("cheap stack", "difference editing", 16_000)]
    assert f"edits alone have {gain(alone)} against the stack." in text and alone["low"] < 0 < alone["high"]
    assert [row["low"] > 0 for row in edited] == [False, False, True, False]
    assert all(row["high"] > 0 for row in edited)
    both = stacks.loc[("flip", "difference editing, cheap stack", 8_000)]
    assert f"both together gain {gain(both)} over mirrored faces alone" in text and both["low"] > 0
    beside = stacks.loc[("distillation, remedies", f"{DISTILLED}, remedies", 500)]
    assert f"edits are worth {gain(beside)} beside them" in text
    shares = sweeps.query("metric == \"share of the yardstick's gain\" and setting == 'tuned on validation'")
    reached = shares.set_index(["arm", "n_train"])[["mean", "low", "high"]]
    reached = {key: "{:.0f} % ({:.0f} to {:.0f})".format(*(100 * row)) for key, row in reached.iterrows()}
    assert f"Mixup alone reaches {reached['mixup', 500]} of the yardstick with 500 labels" in text
    assert f"over mirrored faces alone, {reached['difference editing, cheap stack', 8_000]} of the yardstick" in text
    few, some = (
        [reached[arm, n] for arm in (f"{DISTILLED}, remedies", "distillation, remedies")] for n in (500, 1_000)
    )
    assert f"distilled, to {few[0]} with 500 labels, but reach no less without any edited face, {few[1]}:" in text
    assert f"With 1,000 labels they lower it, to {some[0]}; without edits it is {some[1]}." in text
    many = [rows.loc[(2_000, arm)] for arm in (f"{DISTILLED}, remedies", "distillation, remedies")]
    assert "they do harm, {}, and without edits gain nothing for certain, {}.".format(*map(gain, many)) in text
    assert many[0]["high"] < 0 and many[1]["low"] < 0
    for row in shares[shares["arm"].isin(["difference editing, components", DISTILLED, "distillation"])].itertuples():
        assert (
            f"{100 * row.mean:.0f} % ({100 * row.low:.0f} to {100 * row.high:.0f}) with {row.n_train:,} labels" in text
        )

    drawn = pd.read_csv(TABLES / "sweep_differences.csv").query("data == 'toy' and setting == 'tuned on validation'")
    assert set(drawn["seeds"]) == {3}
    for n, of in drawn.set_index(["metric", "over", "arm"]).sort_index().groupby("n_train"):
        gains = of.loc[("balanced_accuracy_tuned", "flip")]
        told = f"With {n:,} labels mirrored faces alone reach {100 * gains.loc['flip', 'mean']:.1f} %, "
        told += f"difference editing gains {gain(gains.loc['difference editing'])}, "
        told += f"as many real ones again {gain(gains.loc['more real faces'])}: "
        ((low, mean, high),) = 100 * of.xs("share of the yardstick's gain")[["low", "mean", "high"]].to_numpy(float)
        assert f"{told}{mean:.0f} % ({low:.0f} to {high:.0f})." in text

    of = shares.set_index(["n_train", "arm"])["mean"]
    measured = ((500, DISTILLED), (1_000, DISTILLED), (2_000, f"{DISTILLED}, remedies"))
    there = [100 * rows.loc[one, "difference"] / of[one] for one in measured]
    told = "as many real ones again gained {:+.1f} there with 500 labels, {:+.1f} with 1,000 and {:+.1f} with 2,000.)"
    assert told.format(*there) in text

    over = (
        sweeps.query("over == 'distillation' and metric == 'balanced_accuracy_tuned'").set_index("arm").loc[[DISTILLED]]
    )
    for n, row in zip(over["n_train"], over.iloc, strict=True):
        assert f"{gain(row)} with {n:,}" in text


def test_page_tells_what_the_papers_way_gains_with_the_wide_embedding():
    table = pd.read_csv(TABLES / "sweep_differences.csv")
    table = table.query("setting == 'tuned on validation' and n_train == 1000 and over == 'none' and data == 'faces64'")
    of = table.query("metric == 'balanced_accuracy_tuned'").set_index("arm")
    text = prose(RESULTS)
    told = f"*doubling* has {gain(of.loc['doubling'])} and *balancing* {gain(of.loc['balancing'])}, while faces that"
    assert f"{told} are merely rebuilt do no certain harm, {gain(of.loc['reconstructions'])}." in text
    assert set(of.loc[["doubling", "balancing", "reconstructions"], "seeds"]) == {3}
    assert of.loc["reconstructions", "low"] < 0 < of.loc["reconstructions", "high"]


def closed(setting, arm, metric="worst_group", data="faces64"):
    """Which share of the gap between plain training and balanced real faces an arm closes; `setting` (pair, share)."""
    table = pd.read_csv(TABLES / "groups_differences.csv")
    table = table[table["metric"] == recognition.SHARE].set_index(["data", "pair", "share", "over", "arm"])
    mean, low, high = 100 * table.loc[(data, *setting, metric, arm), ["mean", "low", "high"]].astype(float)
    return f"{mean:.0f} % ({low:.0f} to {high:.0f})"


def test_page_tells_what_validation_kept_in_the_stacks():
    table = pd.read_csv(TABLES / "sweep_differences.csv").query("data == 'faces64' and over == 'flip'")
    chosen = table.query("arm == 'cheap stack'").drop_duplicates("n_train").set_index("n_train")["chosen"]
    remedies = "erasing", "TrivialAugment", "mixup", "CutMix", "label smoothing"
    kept = {n: ([name for name in remedies if f"with {name}" in text], text.split()[-1]) for n, text in chosen.items()}
    smoothed = ["label smoothing"], "weighted_cross_entropy"
    assert kept == {500: (["erasing", "mixup", "CutMix"], "asymmetric"), 1_000: ([], "focal"), 2_000: smoothed,
                    8_000: smoothed, 16_000: (["mixup"], "focal")}  # fmt: skip
    told = (
        "(with 500 labels erasing, mixup, CutMix and the asymmetric loss; with 1,000 the focal loss alone; with 2,000"
    )
    told += " and 8,000 label smoothing and re-weighting; with 16,000 mixup and the focal loss)"
    assert told in prose(RESULTS)
    assert f"share {100 * 8 / 26:.0f} and {100 * 16 / 26:.0f} % of their faces" in prose(RESULTS)  # of 26,000


def test_page_tells_how_much_blur_explains():
    table = pd.read_csv(TABLES / "sweep_differences.csv").query("data == 'faces64' and over == 'none'")
    table = table.query("metric == 'balanced_accuracy_tuned'").set_index(["setting", "arm"]).sort_index()
    wide = table.loc["tuned on validation"]
    most, *lost = (f"{-100 * wide.loc[arm, of]:.1f}" for arm, of in
                   (("reconstructions", "low"), ("doubling", "difference"), ("balancing", "difference")))  # fmt: skip
    narrow = -100 * table.loc[("fewer faces", "reconstructions"), "difference"]
    told = "blur explains {} of the {} to {} points at most; with 64 numbers rebuilt faces alone lose {:.1f} to {:.1f}."
    assert told.format(most, *lost, narrow.min(), narrow.max()) in prose(RESULTS)


def test_page_tells_what_would_pass_a_correction():
    table = pd.read_csv(TABLES / "sweep_differences.csv").query("data == 'faces64'")
    table = table.query("metric == 'balanced_accuracy_tuned' and setting == 'tuned on validation'")
    table = table.set_index(["over", "arm", "n_train"]).sort_index()

    def p(over, arm, n):
        """From half an interval, by Student's t."""
        row = table.loc[(over, arm, n)]
        half, free = (row["high"] - row["low"]) / 2, row["seeds"] - 1
        return 2 * stats.t.sf(abs(row["difference"]) / half * stats.t.ppf(0.975, free), free)

    edited = "difference editing, cheap stack"
    assert p("flip", f"{DISTILLED}, remedies", 2_000) > 0.05 / 8 and p("flip", edited, 8_000) > 0.05 / 3
    assert 0.05 / 4 < p("cheap stack", edited, 2_000) < 0.014  # of four sizes
    assert "+0.6 only just fails one for the four sizes alone." in prose(RESULTS)


def test_page_shows_what_groups_gain():
    """Its table of arms, row by row, as data/results/groups_differences.csv has them; and the share of the gap."""
    rows = pd.read_csv(TABLES / "groups_differences.csv").query("data == 'faces64' and over == 'plain'")
    rows = rows.query("pair == 'Smiling x Male' and share == 0.99").set_index(["arm", "metric"])
    row_of_an_arm = re.compile(r"^\| \*([A-Za-z, -]+)\* \| (.*) \|$", re.M)
    shown = row_of_an_arm.findall(RESULTS)
    assert {arm for arm, _ in shown} == {arm for arm, _ in rows.index}
    assert set(rows["seeds"]) == {5} and "five draws of them" in RESULTS
    first_shown = row_of_an_arm.findall(README)
    assert len(first_shown) >= 5
    for arm, cells in shown + first_shown:
        expected = []
        for metric in ("worst_group", "mean_of_groups"):
            row = rows.loc[(arm, metric)]
            expected += [f"{100 * row['mean']:.1f}", "" if arm == "plain" else gain(row)]
        assert [cell.strip() for cell in cells.split("|")] == expected

    smiling = ("Smiling x Male", 0.99)
    told = f"*difference editing* closes {closed(smiling, 'difference editing')} in the worst group,"
    assert f"{told} *SUBG* {closed(smiling, 'SUBG')}." in prose(README)
    of_draws = pd.read_csv(TABLES / "groups.csv").set_index(["data", "pair", "share"]).sort_index()
    settings = of_draws.loc["faces64"].index.unique()
    closings = re.findall(r"^\| ([\w ]+), (\d+) % \| (.*) \|$", RESULTS, re.M)
    assert len(closings) == len(settings) - 1  # all but the absent groups, of which the text tells
    for pair, share, cells in closings:
        setting = pair, int(share) / 100
        expected = [closed(setting, arm) for arm in ("SUBG", "difference editing, components", "difference editing")]
        expected.append(closed(setting, "difference editing", "mean_of_groups"))
        assert [cell.strip() for cell in cells.split("|")] == expected
    assert (of_draws.groupby(["data", "pair", "share"])["seed"].nunique() == 5).all()


def test_page_tells_which_groups_gain_for_certain():
    table = pd.read_csv(TABLES / "groups_differences.csv").query("data == 'faces64'")
    table = table.set_index(["pair", "share", "over", "metric", "arm"]).sort_index()
    text, edited, mean = prose(RESULTS), "difference editing", "mean_of_groups"
    smiling, young, wavy = (f"{target} x Male" for target in ("Smiling", "Young", "Wavy_Hair"))

    def over_subg(pair, share):
        return table.loc[(pair, share, "SUBG", "worst_group", edited)]

    def value(pair, share, metric, arm=edited):
        return f"{100 * table.loc[(pair, share, '-', metric, arm), 'mean']:.1f} %"

    assert f"*difference editing* is {gain(over_subg(smiling, 0.99))} over *SUBG*" in text
    assert "is certain at 99 % for Smiling and Young, not at 95 %:" in text
    assert all(over_subg(pair, 0.99)["low"] > 0 > over_subg(pair, 0.95)["low"] for pair in (smiling, young))
    reweighted = value(smiling, 0.95, mean, "re-weighting")
    told = f"{gain(over_subg(smiling, 0.95))} for Smiling, where *re-weighting* has the higher mean of groups,"
    assert (
        f"{told} {reweighted} against {value(smiling, 0.95, mean)}, and {gain(over_subg(young, 0.95))} for Young."
        in text
    )
    told = f"For Young at 99 % it is {gain(over_subg(young, 0.99))}, {value(young, 0.99, 'worst_group')} where plain"
    assert f"{told} training has {value(young, 0.99, 'worst_group', 'plain')}." in text
    for share in (0.99, 0.95):  # of all arms that get no other real faces
        assert table.loc[(young, share, "-", mean), "mean"].drop("balanced real faces").idxmax() == edited
        assert f"{value(young, share, mean)} at {100 * share:.0f} %" in text
    reweighted = [value(young, share, mean, "re-weighting") for share in (0.99, 0.95)]
    assert "(re-weighting {} and {};".format(*reweighted) in text

    told = f"is known, closes {closed((smiling, 1.0), 'counterfactual, other faces')} in the worst group."
    assert told in text
    drawn = [closed((smiling, 0.99), arm, data="toy") for arm in (edited, "SUBG")]
    assert "(Smiling, 99 %) *difference editing* closes {} and SUBG {} of the gap;".format(*drawn) in text
    of_drawn = pd.read_csv(TABLES / "groups_differences.csv").query("data == 'toy' and over == 'SUBG'")
    over_subg_drawn = of_drawn.set_index(["metric", "arm"]).loc[("worst_group", edited)]
    assert f"over SUBG the former gains {gain(over_subg_drawn)}." in text
    assert f"reach {100 * table.loc[(wavy, 0.99, '-', 'worst_group', 'balanced real faces'), 'mean']:.0f} % in" in text
    rows = [table.loc[(wavy, share, "plain", "worst_group", edited)] for share in (0.99, 0.95)]
    told = "gains there for certain, {} at 99 % and {} at 95 %, but not over *SUBG*, ".format(*map(gain, rows))
    unsure = [over_subg(wavy, share) for share in (0.99, 0.95)]
    reweighted = gain(table.loc[(wavy, 0.95, "plain", "worst_group", "re-weighting")])
    told += "{} and {}, and at 95 % *re-weighting* gains as much, ".format(*map(gain, unsure))
    assert f"{told}{reweighted}." in text
    assert all(row["low"] > 0 for row in rows) and all(row["low"] < 0 < row["high"] for row in unsure)


def test_readme_tells_how_well_the_faces_of_its_first_pictures_obey():
    text = prose(README)

    def on_card(name, of):
        card = (config.ROOT / "data" / "pretrained" / name / "README.md").read_text(encoding="utf-8")
        (numbers,) = re.findall(of + r" \| (0\.\d+) \| (0\.\d+) \|", card)
        return [f"{100 * float(number):.1f} %" for number in numbers]

    generated = "faces generated from the same labels"
    accuracy, balanced = on_card("toy64", generated)
    assert f"in {accuracy} of the answers (balanced accuracy {balanced};" in text
    accuracy, balanced = on_card("celeba64", generated)
    there = " and ".join(on_card("celeba64", "independent judge, on test faces"))
    assert f"in {accuracy} of the answers (balanced accuracy {balanced}; in photographs it finds {there}," in text


def test_readme_draws_its_conclusions_from_the_tables():
    text = prose(README)
    table = pd.read_csv(TABLES / "sweep_differences.csv").query("data == 'faces64'")
    shares = table.query('metric == "share of the yardstick\'s gain" and arm == @DISTILLED').set_index("n_train")
    told = "{:.0f} % ({:.0f} to {:.0f}) with {:,} labels"
    told = [told.format(*(100 * shares.loc[n, ["mean", "low", "high"]]), n) for n in (500, 1_000)]
    assert "about half of what as many real labelled ones would**: {} and {}.".format(*told) in text
    alone = table.query('metric == "share of the yardstick\'s gain" and arm == "distillation" and n_train == 1000')
    (alone,) = 100 * alone[["mean", "low", "high"]].to_numpy(float)
    assert "without labels alone give {:.0f} % ({:.0f} to {:.0f}) with 1,000;".format(*alone) in text
    drawn = pd.read_csv(TABLES / "sweep_differences.csv").query("data == 'toy' and n_train == 500")
    drawn = drawn.query('metric == "share of the yardstick\'s gain" and arm == "difference editing"')
    (few,) = 100 * drawn[["mean", "low", "high"]].to_numpy(float)
    assert "On drawn faces edits alone give {:.0f} % ({:.0f} to {:.0f}) with 500.".format(*few) in text
    gains = table.query("metric == 'balanced_accuracy_tuned'").set_index(["over", "arm", "n_train"]).sort_index()
    stack = gains.loc[("cheap stack", "difference editing, cheap stack")]
    both, cheap = (gains.loc["flip", arm].loc[2_000] for arm in ("difference editing, cheap stack", "cheap stack"))
    assert f"With 2,000 a stack of both gains {gain(both)} points" in text and both["low"] > 0
    assert "and the cheap stack alone nothing for certain" in text and cheap["low"] < 0 < cheap["high"]
    few = gains.loc["flip", "cheap stack"].loc[500], gains.loc["flip", "difference editing"].loc[500]
    assert "do as much as edits with 500." in text and stack.loc[500, "low"] < 0 < stack.loc[500, "high"]
    assert all(row["low"] > 0 for row in few)
    many = gains.loc["flip", "difference editing"].loc[[8_000, 16_000]]
    assert "edits do no certain harm, and give no certain help" in text and (many["low"] * many["high"] < 0).all()
    whole = table.query("setting == 'fewer faces' and metric == 'balanced_accuracy_tuned' and over == 'none'")
    whole = whole.query("arm == 'balancing'")
    assert "cost two to three points of balanced accuracy at every number of training faces from 500 to 16,000" in text
    assert set(whole["n_train"]) >= {500, 16_000} and (whole["high"] < 0).all()
    assert whole["difference"].between(-0.035, -0.015).all()
    at_scale = pd.read_csv(TABLES / "recognition_differences.csv").query("profile == 'reference' and over == 'none'")
    at_scale = at_scale.set_index(["metric", "arm"]).loc["balanced_accuracy_tuned"].loc[["doubling", "balancing"]]
    assert at_scale["difference"].between(-0.035, -0.015).all() and (at_scale["high"] < 0).all()
    systems = pd.read_csv(TABLES / "table1.csv").query("profile == 'laptop'")
    read = systems.groupby(["system", "data"])["balanced_accuracy"].mean()
    told = "a balanced accuracy of {:.3f} on drawn and {:.3f} on real faces, "
    told += "AttGAN {:.3f} and {:.3f}, StarGAN {:.3f} and {:.3f}."
    names = ("ours", "AttGAN, equal compute", "StarGAN, equal compute")
    assert told.format(*(read[name, data] for name in names for data in ("toy", "faces64"))) in text


def test_page_tells_what_a_generator_that_is_obeyed_better_does():
    table = pd.read_csv(TABLES / "whole_faces.csv").query("over == 'none'").set_index(["metric", "data", "arm"])
    rows = table.loc["balanced_accuracy_tuned", ["difference", "low", "high"]]
    text = prose(RESULTS)
    assert set(table["seeds"]) == {5} and set(table["n_train"]) == {8_000} and "8,000 real training faces, five" in text
    for arm, words in (("doubling", "*doubling*"), ("balancing", "*balancing*"), ("editing", "*editing*")):
        assert f"{words} {gain(rows.loc['faces64', arm])}" in text and rows.loc[("faces64", arm), "high"] < 0
    assert f"real ones again {gain(rows.loc['faces64', 'more real faces'])}. On drawn" in text
    before = pd.read_csv(TABLES / "recognition_differences.csv").query("over == 'none' and data == 'faces64'")
    before = before.set_index(["metric", "arm"]).loc[("balanced_accuracy_tuned", "AttGAN, balancing"), "difference"]
    told = f"labels of *balancing* {gain(rows.loc['faces64', 'AttGAN, balancing'])} when it is asked as its authors ask"
    assert f"{told} (the tables of the study have it as it was asked before, {100 * before:.1f})" in text
    assert f"*doubling* does no certain harm, {gain(rows.loc['toy', 'doubling'])}" in text
    assert rows.loc[("toy", "doubling"), "low"] < 0 < rows.loc[("toy", "doubling"), "high"]
    plain = table.loc["accuracy"].loc["toy"]
    told = "by plain accuracy it gains {}, {:.1f} % where a constant answer has {:.1f} %"
    means = 100 * plain.loc[["doubling", "majority"], "mean"]
    assert told.format(gain(plain.loc["doubling"]), *means) in text and plain.loc["doubling", "low"] > 0
    assert f"*balancing* still does harm, {gain(rows.loc['toy', 'balancing'])}" in text
    assert f"do not gain either, {gain(rows.loc['toy', 'more real faces'])}" in text
    obeyed = pd.read_csv(TABLES / "obedience.csv").query("attribute == 'all' and profile == 'laptop'")
    seen = obeyed[obeyed["faces"] == "generated"].groupby("data")["balanced_accuracy"].mean()
    assert f"judge sees labels at {seen['faces64']:.2f}" in text and f"labels are seen at {seen['toy']:.2f}" in text
    of = "from a generator that is obeyed better, {:.1f} to {:.1f} with 8,000"
    told = of.format(*-100 * rows.loc["faces64"].loc[["doubling", "balancing"], "difference"])
    assert told in prose(README)
    assert f"*doubling* then costs nothing for certain, and gains {gain(plain.loc['doubling'])} of" in prose(README)


def test_page_lists_every_table():
    section = RESULTS.partition("## The tables")[2]
    listed = re.findall(r"\]\((\w+\.csv)\)", section)
    assert sorted(listed) == sorted(path.name for path in TABLES.glob("*.csv"))
    makers = re.findall(r"`((?:lib|benchmarks)\.[\w.]+)`", section)
    assert len(makers) >= 12 and all((config.ROOT / f"{name.replace('.', '/')}.py").exists() for name in makers)


def test_page_compares_systems_after_as_many_operations():
    text = RESULTS.partition("## The compared systems")[2].partition("## The tables")[0]
    every = pd.read_csv(TABLES / "table1.csv").query("profile == 'laptop'")
    of_drawn, _, of_real = text.partition("On real faces, the same recipe")
    means = {}
    for data, told in (("faces64", of_real), ("toy", of_drawn)):
        table = every[every["data"] == data]
        columns = ["balanced_accuracy", "flipped", "kept", "pixel_change", "frechet_classifier"]
        means[data] = table.groupby("system")[columns].mean()
        shown = re.findall(r"^\| (ours.*?|\w+GAN|real faces, not edited) \| (.*) \|$", told, re.M)
        compared = means[data].index[means[data].index.str.endswith(", equal compute")]
        assert {name for name, _ in shown} == {
            "real faces, not edited", "ours", "ours, editing", *compared.str.removesuffix(", equal compute")
        }  # fmt: skip
        for name, cells in shown:
            *shares, distance = means[data].loc[f"{name}, equal compute" if name.endswith("GAN") else name]
            assert cells.split(" | ") == [*(f"{share:.3f}" for share in shares), f"{distance:.0f}"]
        spent = table.groupby("system")["tflop"].mean()
        assert set(spent[["ours", *compared]].round()) == {22} and "(22 TFLOP;" in text
        rivals = means[data].loc[compared]
        assert means[data].loc["ours", "balanced_accuracy"] > rivals["balanced_accuracy"].max()  # "Φ obeys best"
        second = rivals["balanced_accuracy"].nlargest(2).index
        assert list(second) == ["AttGAN, equal compute", "StarGAN, equal compute"]  # "AttGAN follows closely"
    better = means["toy"].loc["AttGAN, equal compute"] - means["toy"].loc["ours, editing"]
    assert (better[["flipped", "kept"]] > 0).all() and better["frechet_classifier"] < 0  # "the better editor"
    shown = means["faces64"]["flipped"]  # "shows most of the flipped labels"
    assert shown["ours, editing"] > shown[shown.index.str.endswith(", equal compute")].max()
    trainings = every[every["system"].str.endswith(", equal compute")].groupby(["data", "system"])["seed"].nunique()
    assert (trainings["toy"] == 3).all() and "theirs three each" in prose(of_drawn)
    assert (trainings["faces64"] == 2).all() and "two trainings of each rival" in prose(of_real)
    photographs, unedited = means["faces64"].loc["real faces"], means["faces64"].loc["real faces, not edited"]
    assert means["faces64"].loc["ours", "balanced_accuracy"] > photographs["balanced_accuracy"]
    told = (
        f"photographs at {photographs['balanced_accuracy']:.3f}, finds {100 * unedited['flipped']:.0f} % of the flipped"
    )
    assert told in prose(of_real)
    far = means["faces64"]["frechet_classifier"]
    assert f"distance between real faces is {far['real faces']:.0f}:" in prose(of_real)
    assert all(far[f"{name}, equal compute"] < far["ours"] for name in ("StarGAN", "RelGAN", "AttGAN"))
    far = means["toy"]["frechet_classifier"]
    text = prose(text)
    assert f"{far['real faces']:.0f} between real faces" in text
    assert f"StarGAN's distance is {far['StarGAN'] / far['ours']:.1f} times ours" in text
    short = every.query("data == 'faces64'").pivot_table(index="seed", columns="system", values="frechet_classifier")
    less = np.exp(metrics.over_seeds(np.log(short["StarGAN"] / short["ours"])))
    assert "on real faces {:.2f} times ({:.2f} to {:.2f}), which leaves it open;".format(*less) in text and less[2] > 1
    assert max(far[f"{name}, equal compute"] for name in ("StarGAN", "AttGAN", "IcGAN")) < far["ours"]
    small = means["toy"].loc[[f"{name}, equal compute, batches of 4" for name in ("StarGAN", "AttGAN")]]
    obeyed, shown, distance = (small[of] for of in ("balanced_accuracy", "flipped", "frechet_classifier"))
    told = "obey at {:.3f} and {:.3f}, show {:.3f} and {:.3f} of the flips and have a distance of {:.0f} and {:.0f}"
    assert told.format(*obeyed, *shown, *distance) in text
    assert obeyed.max() < means["toy"].loc["ours", "balanced_accuracy"]
    assert round(spent["ours"] / spent["StarGAN"]) == 8 and "After an eighth of these operations" in text
    own = pd.read_csv(TABLES / "own_game.csv").query("data == 'toy' and profile == 'laptop'")
    accuracy, constant = own.set_index("system")["accuracy"], own["majority_accuracy"].iloc[-1]
    told = "{:.3f}, {:.3f} and {:.3f}".format(*(accuracy[name] for name in ("StarGAN", "AttGAN", "RelGAN")))
    assert f"an accuracy of {told} (constant answer {constant:.3f}; one training each)" in text
    own = pd.read_csv(TABLES / "own_game.csv").query("data == 'faces64' and profile == 'laptop'").set_index("system")
    rivals = own.loc[["StarGAN", "AttGAN", "RelGAN"]]
    told = f"the judge agrees with {own.loc['real faces, own labels', 'accuracy']:.3f} of the labels, they have "
    told += "{:.3f}, {:.3f} and {:.3f}".format(*rivals["accuracy"])
    told += f" (constant answer {rivals['majority_accuracy'].mean():.3f}); of the changed labels it sees "
    told += "{:.0f}, {:.0f} and {:.0f} %".format(*(100 * rivals["changed"]))
    assert f"{told} ({100 * rivals['changed_before'].mean():.0f} % before the edit)." in text
    own = pd.read_csv(TABLES / "own_game.csv").query("data == 'faces64' and profile == 'reference'")
    accuracy, constant = own.set_index("system")["accuracy"], own["majority_accuracy"].iloc[-1]
    told = f"StarGAN has {accuracy['StarGAN']:.3f} and AttGAN {accuracy['AttGAN']:.3f} (constant answer {constant:.3f})"
    assert told in text


def test_page_tells_how_many_flips_contradict_another_label():
    """The flips of `comparison.Frame`, for drawn faces."""
    own = toyfaces.labels(2_000, start=TOY_STARTS["test"])[1::2]
    flipped = random_doubling(own, np.random.default_rng(0))
    names = attributes.CELEBA
    new = attributes.impossible(flipped, names) & ~attributes.impossible(own, names)
    assert f"({100 * new.mean():.0f} % of the flips contradict another label," in prose(RESULTS)


def test_page_tells_who_obeys_on_real_faces():
    table = pd.read_csv(TABLES / "table1.csv").query("data == 'faces64' and profile == 'laptop'")
    systems = ["ours", "AttGAN", "IcGAN", "StarGAN", "RelGAN", "DCGAN"]
    assert set(table.groupby("system").size()[systems]) == {3}
    of = table.groupby("system")["balanced_accuracy"].mean()
    told = "{:.3f}, AttGAN {:.3f}, IcGAN {:.3f}, StarGAN {:.3f}, RelGAN {:.3f} and DCGAN {:.3f}".format(*of[systems])
    text = prose(RESULTS)
    assert f"obeyed are ours {told}." in text


def test_page_tells_what_longer_training_gains():
    table = pd.read_csv(TABLES / "recognition_differences.csv")
    table = table.query("protocol == 'same epochs' and over == 'none'")
    table = table.set_index(["metric", "data", "arm"]).sort_index()
    rows = table.loc["accuracy", ["difference", "low", "high"]] * 100
    text = prose(RESULTS)
    tuned = table.loc[("balanced_accuracy_tuned", "faces64")]
    for arm, words in (("balancing", "has there"), ("every face twice", "twice"), ("more real faces", "faces again")):
        assert f"{words} {gain(tuned.loc[arm])}" in text
    for of in itertools.product(("toy", "faces64"), ("balancing", "every face twice")):
        assert "{:+.1f} ({:+.1f} to {:+.1f})".format(*rows.loc[of]) in text, of


def test_page_tells_what_the_bottleneck_forgets():
    table = pd.read_csv(TABLES / "bottleneck.csv").query("attribute == 'all'")
    assert table["judge"].nunique() == 1
    read = table.set_index("variant")["balanced_accuracy"]
    text = prose(RESULTS)
    for variant, words in {
        "Z = 64, as in the paper": "reads {:.2f} (balanced accuracy)",
        "Z = 128": "{:.2f} with 128 numbers",
        "Z = 256": "{:.2f} with 256 numbers",
        "Z = 64, classifier's features": "a loss in a classifier's features, {:.2f} with 64 numbers",
        "Z = 256, classifier's features": "{:.2f} with both",
        "Z = 256, features and components": "{:.2f} where networks stand on principal components",
        "Z = 64, L2 instead of L1": "L2 in place of L1 ({:.2f})",
        "Z = 64, twice the steps": "twice the steps ({:.2f})",
        "Z = 64, twice the filters": "twice the filters ({:.2f})",
    }.items():
        assert words.format(read[variant]) in text, variant
