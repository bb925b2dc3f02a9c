"""The compared systems at their own game: what is asked for, what counts as obeyed, and a table that is taken up."""

import numpy as np
import pandas as pd
import pytest
from small import small_profile

from benchmarks import own_game, results
from lib import attributes, config, data, oracle
from lib.study import recogniser

BLACK, BLOND, MALE = [1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 1, 1, 0]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    profile = small_profile(data=config.DataConfig(size=32, train=48, val=16, test=16))
    return config.Run(profile, "toy", 0, tmp_path / "toy" / "ci")


def test_a_hair_colour_replaces_the_others_and_gender_and_age_are_turned_round():
    wished = own_game.wishes(np.array([BLACK, MALE], dtype=bool))
    assert wished.astype(int).tolist() == [
        [BLACK, [1, 0, 0, 1, 0]],
        [BLOND, [0, 1, 0, 1, 0]],
        [[0, 0, 1, 0, 1], MALE],
        [[1, 0, 0, 1, 1], [0, 0, 1, 0, 0]],
        [[1, 0, 0, 0, 0], [0, 0, 1, 1, 1]],
    ]


def test_obedience_by_hand():
    """Two faces, asked to be blond; the judge sees it in the second alone, and saw it in neither before."""
    a = np.array([BLACK, MALE], dtype=bool)
    b = own_game.wishes(a)[1]
    before, says = (np.array(seen) - 0.5 for seen in ([BLACK, MALE], [BLACK, [0, 1, 0, 1, 1]]))
    row = own_game.obeyed(says, b)
    assert row["accuracy"] == pytest.approx((3 + 4) / 10)  # not of black and blond; not of young
    assert row["majority_accuracy"] == pytest.approx((1 + 1 + 1 + 0.5 + 0.5) / 5)
    assert own_game.changed(says, a, b) == 2 / 4  # black off, blond on; brown off, blond on
    assert own_game.changed(before, a, b) == 0


def test_a_system_trains_on_five_labels_and_is_judged_by_the_oracle_of_all(run, monkeypatch):
    made, asked = [], own_game.systems.make
    monkeypatch.setattr(own_game.systems, "make", lambda *given: made.append(given) or asked(*given))
    own_game.measure(run, ["StarGAN"])
    own_game.measure(run, ["AttGAN"])
    own_game.measure(run, ["StarGAN"])  # trained before; its row stands once
    table = pd.read_csv(run.folder / "results" / "own_game.csv")
    assert sorted(table["system"]) == ["AttGAN", "StarGAN", "real faces, own labels"]
    assert len(made) == 15
    assert not results.PUBLISHED.exists()  # what profile ci makes means nothing
    faces = data.load(run)
    test = faces.part("test")
    columns = [attributes.index(faces.names, name) for name in own_game.NAMES]
    wished = own_game.wishes(test.attributes[:, columns])
    for given, b in zip(made[:5], wished, strict=True):
        _, labels, images, source, *_ = given
        assert (labels == b).all() and (images == test.images).all() and (source == test.attributes[:, columns]).all()
    said = recogniser.predict(oracle.oracle(run, faces).model, test.images)[:, columns] > 0
    own = table.set_index("system").loc["real faces, own labels"]
    assert own["accuracy"] == pytest.approx((said == test.attributes[:, columns]).mean(), abs=1e-4)
    assert table["changed"].between(0, 1).sum() == 2 and table["pixel_change"].notna().sum() == 2
    figure = own_game.picture(run, ["StarGAN"])
    assert len(figure.axes[0].images) == own_game.SHOWN * (1 + len(own_game.NAMES))


@pytest.mark.parametrize(("profile", "said"), [
    ("ci", "drawn faces alone"),
    ("paper", "profile paper has no recipe for this; choose one of: ci, laptop, reference"),
])  # fmt: skip
def test_photographs_are_not_shown_and_other_profiles_are_refused(tmp_path, monkeypatch, capsys, profile, said):
    monkeypatch.setenv("COURSE_PROFILE", profile)
    with pytest.raises(SystemExit):
        own_game.main([str(tmp_path), "--picture"])
    assert said in capsys.readouterr().err


def test_other_labels_make_other_data():
    faces = data.FaceData(
        np.zeros((2, 3, 16, 16), np.uint8), np.eye(2, 5, dtype=bool), own_game.NAMES, np.repeat("train", 2),
        np.arange(2).astype(str), "noise", "key",
    )  # fmt: skip
    two = own_game.with_names(faces, ("Young", "Blond_Hair"))
    assert two.names == ("Young", "Blond_Hair") and two.key != faces.key
    assert two.attributes.tolist() == [[False, False], [False, True]]
