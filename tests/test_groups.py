"""Groups: who belongs to which, what each remedy makes of them, and the worst beside the mean."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from small import noise_faces, small_profile

from lib import config, models
from lib.data import to_float
from lib.study import group_arms, groups, recogniser
from lib.study.context import Codec, Context
from lib.study.group_arms import groups_of
from lib.study.groups import GroupStudy
from lib.study.training_sets import Unavailable

NAMES = ("Young", "Smiling", "Male", "Bald", "Bangs")
PAIR = ("Smiling", "Male")


@pytest.fixture
def run(tmp_path):
    profile = small_profile(
        recognition=config.RecognitionConfig(filters=2, steps=3, batch_size=8, seeds=(0, 1)),
        groups=config.GroupsConfig(faces=40, shares=(0.9,), fewest=5, tried=(1, 2)),
    )
    return config.Run(profile, "toy", 0, tmp_path / "toy" / "ci")


@pytest.fixture
def everybody():
    return noise_faces(160, 40, 80, NAMES, prevalence=(0.6, 0.5, 0.5, 0.2, 0.3))


@pytest.fixture
def context(run, everybody):
    return GroupStudy(run, everybody, PAIR, 0.9, ["plain"]).context_of(0)


def counted(a):
    """How many of the rows have (not smiling, no man), (not smiling, man), (smiling, no man), (smiling, man)."""
    smiling, male = a[:, 1], a[:, 2]
    return [(~smiling & ~male).sum(), (~smiling & male).sum(), (smiling & ~male).sum(), (smiling & male).sum()]


def test_groups_are_numbered_by_target_and_companion():
    a = np.array([[0, 1, 0], [1, 0, 1], [1, 1, 0], [0, 1, 1]], dtype=bool)
    assert groups.groups_of(a, (1, 2)).tolist() == [2, 1, 2, 3]
    assert groups.groups_of(torch.from_numpy(a).float(), (2, 1)).tolist() == [1, 2, 1, 3]


def test_a_share_of_the_drawn_faces_has_both_or_neither(everybody):
    a = np.tile(everybody.attributes, (10, 1))
    for share, expected in ((0.95, [95, 5, 5, 95]), (0.99, [99, 1, 1, 99]), (0.5, [50] * 4)):
        rows = groups.confounded(a, (1, 2), share, 200, np.random.default_rng(0))
        assert counted(a[rows]) == expected and len(set(rows)) == 200
    with pytest.raises(Unavailable, match="of 950 training faces"):
        groups.confounded(everybody.attributes, (1, 2), 0.95, 2000, np.random.default_rng(0))


def test_accuracies_of_groups_by_hand():
    right = np.array([1, 0, 1, 1, 0, 0, 1, 1], dtype=bool)
    of = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    assert groups.group_accuracies(right, of).tolist() == [2 / 3, 1 / 2, 0, 1]


def test_losses_by_hand():
    errors, of = torch.tensor([1.0, 3.0, 2.0, 5.0]), torch.tensor([0, 0, 1, 3])
    counts = np.array([6, 2, 1, 3])
    assert group_arms.equal(counts)(errors, of) == 11 / 4
    weighted = (12 / 24 * 1 + 12 / 24 * 3 + 12 / 8 * 2 + 12 / 12 * 5) / 4
    assert group_arms.group_weighted(counts)(errors, of) == pytest.approx(weighted)
    robust = group_arms.GroupDRO(counts, rate=0.5)
    q, of_groups = np.full(4, 0.25), np.array([2.0, 2.0, 0.0, 5.0])
    for _ in range(2):  # the weights are kept from step to step
        q = q * np.exp(0.5 * of_groups)
        q /= q.sum()
        assert robust(errors, of) == pytest.approx(q @ of_groups)


def test_group_dro_moves_weights_but_not_through_them():
    errors = torch.tensor([1.0, 4.0], requires_grad=True)
    robust = group_arms.GroupDRO(None, rate=1.0)
    robust(errors, torch.tensor([0, 3])).backward()
    assert torch.allclose(errors.grad, robust.q[[0, 3]])


def test_training_sets_count_groups(context, everybody):
    a = context.train.attributes
    assert counted(a) == [18, 2, 2, 18]
    rng = np.random.default_rng(0)
    images, chosen = group_arms.subsampled(context, rng)
    assert counted(chosen) == [2] * 4 and len(images) == 8
    assert counted(group_arms.balanced_real(context, rng)[1]) == [10] * 4
    drawn = np.mean([counted(group_arms.group_resampled(context, rng)[1]) for _ in range(50)], axis=0)
    assert drawn == pytest.approx([10] * 4, abs=1.5)
    known = {image.tobytes() for image in everybody.part("train").images}
    assert all(image.tobytes() in known for image in group_arms.balanced_real(context, rng)[0])


def test_few_subsampled_faces_fill_a_batch(context):
    settings = dataclasses.replace(context.run.profile.recognition, batch_size=20)
    context.run = dataclasses.replace(
        context.run, profile=dataclasses.replace(context.run.profile, recognition=settings)
    )
    images, a = group_arms.subsampled(context, np.random.default_rng(0))
    assert counted(a) == [6] * 4 and len({image.tobytes() for image in images}) == 8


def test_jtt_repeats_what_was_got_wrong(context, monkeypatch):
    a = context.train.attributes
    guess = a[:, 2]  # takes the companion for the target
    monkeypatch.setattr(recogniser, "train", lambda model, images, a, settings, steps, seed: (steps, a.shape))
    monkeypatch.setattr(recogniser, "predict", lambda model, images: np.where(guess, 1.0, -1.0)[:, None])
    _, chosen = group_arms.train_twice(context, np.random.default_rng(0), weight=5)
    assert counted(chosen) == [18, 10, 10, 18]


def edited(context, change, n=16):
    images, a = context.train.images, context.train.attributes
    rows = torch.arange(n)
    x, b = change(context, images, a, through="components", share=0.5)(
        to_float(images[:n]), torch.from_numpy(a[:n]).float(), rows, 0
    )
    return x, b.bool().numpy(), a[:n]


def test_the_counterfactual_changes_the_companion_alone(context):
    x, b, a = edited(context, group_arms.counterfactual)
    assert ((b != a)[:8] == [False, False, True, False, False]).all() and (b == a)[8:].all()
    assert not torch.equal(x[:8], to_float(context.train.images[:8]))


def test_whole_rows_of_rare_groups_are_aimed_at(context):
    _, b, a = edited(context, group_arms.towards_rare_groups)
    rare = {tuple(row) for row in context.train.attributes if row[1] != row[2]}
    assert {tuple(row) for row in b[:8]} <= rare and (b == a)[8:].all()
    context.columns = [1, 1]  # then nobody is rare
    with pytest.raises(Unavailable, match="rare group"):
        edited(context, group_arms.towards_rare_groups)


def test_an_absent_group_leaves_remedies_nothing_to_weigh(run, everybody, capsys):
    study = GroupStudy(run, everybody, PAIR, 1.0, group_arms.ARMS)
    context = study.context_of(0)
    assert counted(context.train.attributes) == [20, 0, 0, 20]
    images, a = context.train.images, context.train.attributes
    rng, alone = np.random.default_rng(0), "no face belongs to group 1: there is nothing to weigh or to draw"
    for make in (
        lambda: group_arms.group_resampled(context, rng),  # Group DRO's batches, too
        lambda: group_arms.subsampled(context, rng),
        lambda: group_arms.group_weighted(np.array([20, 0, 0, 20])),
        lambda: group_arms.last_layer_retrained(context, models.AttributeClassifier(32, 2, 1), images, a),
    ):
        with pytest.raises(Unavailable, match=alone):
            make()
    table = study.table()
    assert set(table["arm"]) == {
        "plain", "JTT", "counterfactual", "counterfactual, other faces", "balanced real faces",
    }  # fmt: skip
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    assert len(said) == len(group_arms.ARMS) - 5 and f"left out  SUBG: {alone}" in said
    assert any(
        line.startswith("left out  difference editing: ") and "counterfactual needs none" in line for line in said
    )


def test_other_faces_tell_the_companion_from_the_target(run, everybody):
    """Where both always go together, W of the training faces takes half of the way along the target."""
    context = GroupStudy(run, everybody, PAIR, 1.0, ["plain"]).context_of(0)
    rows = {image.tobytes(): row for image, row in zip(everybody.images, everybody.attributes, strict=True)}
    codec = Codec(lambda x: torch.from_numpy(np.stack([rows[image.tobytes()] for image in x])[:, 1:3]).float(), None)
    a = torch.from_numpy(context.train.attributes[:1])
    new = a.clone()
    new[:, 2] ^= True
    z, sign = torch.zeros(1, 2), (new.float() - a.float())[0, 2]
    confused = sign * context.shift("linear", codec)(z, a, new)[0]
    assert confused == pytest.approx([0.5, 0.5], abs=0.1)
    clear = sign * context.shift("other faces", codec)(z, a, new)[0]
    assert clear == pytest.approx([0, 1], abs=0.3)  # of 40 faces
    unknown = everybody.attributes & [False, False, True, False, False]
    ignorant = dataclasses.replace(everybody, attributes=unknown)
    context = group_arms.GroupContext(context.run, context.faces, ignorant, context.columns)
    assert torch.equal(sign * context.shift("other faces", codec)(z, a, new)[0], clear)


def test_dfr_weighs_groups_the_same(context):
    """A last layer that is fitted to balanced groups cannot profit from the companion."""
    train = context.train
    smiling, male = train.attributes[:, 1], train.attributes[:, 2]

    class Features(torch.nn.Module):
        def forward(self, x):
            noisy = torch.from_numpy(smiling + 0.0)
            return torch.stack([noisy, torch.from_numpy(male + 0.0)], dim=1).float()

    network = models.AttributeClassifier(32, 2, 1)
    network.features, network.head = Features(), torch.nn.Linear(2, 1)
    group_arms.last_layer_retrained(context, network, train.images, train.attributes)
    of_smile, of_man = network.head.weight[0].abs().tolist()
    assert of_man < 0.05 * of_smile
    answers = network(None)[:, 0] > 0
    assert (answers.detach().numpy() == smiling).all()


def test_too_few_test_faces_are_refused(run, everybody):
    strict = dataclasses.replace(run.profile.groups, fewest=100)
    profile = dataclasses.replace(run.profile, groups=strict)
    with pytest.raises(ValueError, match=r"Smiling x Male: group \d has \d+ test faces, and 100"):
        GroupStudy(dataclasses.replace(run, profile=profile), everybody, PAIR, 0.9)
    with pytest.raises(ValueError, match="unknown arm 'DRO'"):
        GroupStudy(run, everybody, PAIR, 0.9, ["DRO"])


def test_a_group_that_validation_lacks_cannot_be_chosen_by(run, everybody):
    lacking = (everybody.split == "val") & (groups_of(everybody.attributes, [1, 2]) == 2)
    assert lacking.any()
    with pytest.raises(ValueError, match="Smiling x Male: group 2 has 0 val faces, and 1"):
        GroupStudy(run, everybody.take(np.flatnonzero(~lacking)), PAIR, 0.9)


def test_the_arm_that_others_are_compared_with_is_always_there(run, everybody, monkeypatch):
    monkeypatch.setattr(groups, "load", lambda run: everybody)
    (study,) = groups.studies(run, [PAIR], [0.9], ["SUBG"])
    assert list(study.arms) == ["plain", "SUBG"]
    with pytest.raises(ValueError, match="unknown arm 'SUBQ'"):  # and not a pair that is left out
        next(groups.studies(run, [PAIR], [0.9], ["SUBQ"]))


def test_without_another_arm_the_value_itself_has_the_interval(run, everybody):
    study = GroupStudy(run, everybody, PAIR, 0.9, ["plain"])
    rows, table = study.intervals(over=None), study.table()
    means = table[list(groups.METRICS)].mean().to_dict()  # of each seed's own worst group
    assert rows.set_index("metric")["difference"].to_dict() == pytest.approx(means)
    assert (rows["difference"] == rows["mean"]).all() and (rows["low"] <= rows["mean"]).all()
    assert (rows["mean"] <= rows["high"]).all() and set(rows["over"]) == {"-"}


def test_tables_hold_the_worst_group_and_the_mean(run, everybody):
    arms = ["plain", "SUBG", "difference editing, components", "balanced real faces"]
    study = GroupStudy(run, everybody, PAIR, 0.9, arms)
    table = study.table()
    each = table[[f"group_{group}" for group in range(4)]]
    assert np.allclose(table["worst_group"], each.min(axis=1)) and np.allclose(
        table["mean_of_groups"], each.mean(axis=1)
    )
    assert set(table["pair"]) == {"Smiling x Male"} and set(table["share"]) == {0.9} and set(table["n_train"]) == {40}
    for _, row in table.iterrows():
        right = (study.answers(row["arm"], row["seed"]).test[:, 0] > 0) == everybody.part("test").attributes[:, 1]
        men = everybody.part("test").attributes[:, 2]
        smiling = everybody.part("test").attributes[:, 1]
        assert row["group_2"] == pytest.approx(right[smiling & ~men].mean())
    GroupStudy(run, everybody, PAIR, 0.8, ["plain"]).table()
    stored = pd.read_csv(run.folder / "results" / "groups.csv")
    assert len(stored) == 10 and set(stored["share"]) == {0.9, 0.8}


def test_gains_are_those_of_each_draws_own_worst_group(run, everybody, monkeypatch):
    """With plain training half of group 1 is wrong, or, of the other seed, half of group 2; of SUBG a quarter is, and
    nothing with the yardstick. All else is right."""
    wrong = {"plain": 2, "SUBG": 4, "balanced real faces": 10**9}  # one face in so many of the worst group
    study = GroupStudy(run, everybody, PAIR, 0.9, list(wrong))
    of = study.groups
    monkeypatch.setattr(GroupStudy, "train", lambda self: setattr(self, "chosen", self.arms))
    monkeypatch.setattr(GroupStudy, "choice", lambda self, name: "")

    def right(self, arm, seed):
        answers = np.ones(len(of), dtype=bool)
        members = np.flatnonzero(of == 1 + seed)
        answers[members[: len(members) // wrong[arm]]] = False
        return answers

    monkeypatch.setattr(GroupStudy, "right", right)
    assert study.seeds == (0, 1)
    table = study.intervals().set_index(["arm", "metric"])
    sizes = np.array([(of == 1).sum(), (of == 2).sum()])
    gains = (sizes // 2 - sizes // 4) / sizes
    row = table.loc[("SUBG", "worst_group")]
    assert row["mean"] == pytest.approx(np.mean(1 - sizes // 4 / sizes))  # and not the least of averaged accuracies
    assert row["difference"] == pytest.approx(gains.mean())
    assert table.loc[("SUBG", "mean_of_groups"), "difference"] == pytest.approx(gains.mean() / 4)
    of_faces = gains * (1 - gains) / sizes / 4  # each seed counts half, and other faces are its worst group
    error = np.sqrt(of_faces.sum())
    over_seeds = abs(gains[0] - gains[1]) / 2 * 12.7  # Student's t of one degree of freedom
    assert row["difference"] - row["low"] == pytest.approx(np.hypot(1.96 * error, over_seeds), rel=0.3)
    assert (table.loc["plain"][["difference", "low", "high"]] == 0).all(axis=None)

    for metric in groups.METRICS:
        (share,) = study.shares(metric).to_dict("records")
        assert share["arm"] == "SUBG" and share["over"] == metric
        assert share["mean"] == pytest.approx(gains.sum() / (sizes // 2 / sizes).sum())
        assert share["low"] < share["mean"] < share["high"]


def test_the_worst_group_of_validation_faces_chooses(run, everybody):
    study = GroupStudy(run, everybody, PAIR, 0.9, ["plain"])
    val = everybody.part("val").attributes
    logits = np.where(val[:, 1:2], 1.0, -1.0)
    assert study.quality(logits) == 1
    logits[val[:, 1] & ~val[:, 2]] = -1
    assert study.quality(logits) == 0


def test_every_seed_draws_its_own_faces(run, everybody):
    study = GroupStudy(run, everybody, PAIR, 0.9, ["plain"])
    one, two = (study.context_of(seed).train for seed in (0, 1))
    assert one.key != two.key and counted(one.attributes) == counted(two.attributes) == [18, 2, 2, 18]
    assert set(one.files) <= set(everybody.part("train").files)
    assert isinstance(study.context_of(0), Context) and study.context_of(0) is study.context_of(0)
