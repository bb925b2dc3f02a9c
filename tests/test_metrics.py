import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from lib import metrics
from lib.metrics import (
    best_thresholds,
    bootstrap_interval,
    bootstrap_means,
    intervals_together,
    majority,
    per_attribute,
    per_image,
    report,
)


@pytest.fixture
def answers():
    """Labels with a long tail, and logits that know something about them."""
    rng = np.random.default_rng(0)
    a = rng.random((300, 8)) < np.linspace(0.05, 0.9, 8)
    return a, rng.normal(size=a.shape) + 1.2 * a - 0.4


def test_accuracy_is_the_mean_share_of_correct_attributes():
    """Acc of Sec. V-D."""
    a, a_hat = [[1, 0, 0, 1], [1, 1, 0, 0]], [[1, 0, 1, 1], [0, 0, 0, 0]]
    assert metrics.accuracy(a, a_hat) == (3 / 4 + 2 / 4) / 2


def test_per_attribute_agrees_with_scikit_learn(answers):
    a, logits = answers
    threshold = np.linspace(-0.5, 0.5, 8)
    a_hat = logits > threshold
    table = per_attribute(a, logits, threshold, names=list("abcdefgh"))
    assert list(table.index) == list("abcdefgh")
    scores = {
        "accuracy": sklearn_metrics.accuracy_score,
        "recall": sklearn_metrics.recall_score,
        "specificity": lambda true, found: sklearn_metrics.recall_score(true, found, pos_label=False),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
        "f1": sklearn_metrics.f1_score,
    }
    for column, score in scores.items():
        assert table[column].to_numpy() == pytest.approx([score(a[:, j], a_hat[:, j]) for j in range(8)])
    expected = sklearn_metrics.average_precision_score(a, logits, average=None)
    assert table["average_precision"].to_numpy() == pytest.approx(expected)
    assert table["prevalence"].to_numpy() == pytest.approx(a.mean(axis=0))


def test_report_is_the_mean_over_attributes(answers):
    a, logits = answers
    row = report(a, logits)
    assert row["accuracy"] == pytest.approx(metrics.accuracy(a, logits > 0))
    assert row["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(a, logits > 0, average="macro"))
    assert row["average_precision"] == pytest.approx(sklearn_metrics.average_precision_score(a, logits))
    recalls = [sklearn_metrics.recall_score(a, logits > 0, average=None, pos_label=1)]
    recalls.append(sklearn_metrics.recall_score(~a, logits <= 0, average=None))
    assert row["worst_recall"] == pytest.approx(np.min(recalls))
    assert row["attributes_scored"] == 8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("everyone", [False, True])
def test_an_attribute_of_one_class_counts_for_accuracy_alone(answers, everyone):
    a, logits = answers
    a[:, 3] = everyone
    row, table = report(a, logits), per_attribute(a, logits)
    assert table.loc[3, "recall":].isna().all() and table.drop(3).notna().all(axis=None)
    others = report(np.delete(a, 3, axis=1), np.delete(logits, 3, axis=1))
    assert row["attributes_scored"] == 7
    assert row.pop("accuracy") == pytest.approx(metrics.accuracy(a, logits > 0))
    assert row == pytest.approx({name: others[name] for name in row})


def test_majority_is_the_constant_answer_of_the_training_faces():
    a_train = np.array([[1, 0], [1, 0], [0, 1]], dtype=bool)
    a_test = np.array([[1, 0], [0, 1], [0, 0], [0, 0]], dtype=bool)
    row = majority(a_train, a_test)
    assert row["accuracy"] == (1 / 4 + 3 / 4) / 2  # answers (1, 0) always, although 0 is the test faces' majority
    assert row["balanced_accuracy"] == 0.5
    assert row["average_precision"] == pytest.approx(1 / 4)  # a constant's precision is the prevalence
    assert row["worst_recall"] == 0


def test_contributions_of_images_have_the_metrics_as_mean(answers):
    a, logits = answers
    a[:, 2] = False
    row, contributions = report(a, logits, 0.3), per_image(a, logits - 0.3)
    for name, values in contributions.items():
        assert values.shape == (300,)
        assert values.mean() == pytest.approx(row[name])


def test_contributions_spread_like_the_balanced_accuracy(answers):
    a, logits = answers
    right, rng = a == (logits > 0), np.random.default_rng(1)
    resampled = []
    for _ in range(1000):
        i = rng.integers(300, size=300)
        recalls = [np.mean(answer, axis=0, where=where) for where, answer in ((a[i], right[i]), (~a[i], right[i]))]
        resampled.append(np.mean(recalls))
    values = per_image(a, logits)["balanced_accuracy"]
    assert values.std() / np.sqrt(300) == pytest.approx(np.std(resampled), rel=0.1)


def coverage(seeds, of_seed, of_image, of_both, images=100, trials=150):
    """How often the 95 % interval holds the true mean when seeds, images and their pairs vary by so much."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(trials):
        values = of_seed * rng.normal(size=(seeds, 1)) + of_image * rng.normal(size=images)
        low, high = bootstrap_interval(0.3 + values + of_both * rng.normal(size=(seeds, images)), rng, n=300)
        hits += low <= 0.3 <= high
    return hits / trials


@pytest.mark.parametrize(
    "seeds, of_seed, of_image, of_both", [(1, 0, 1, 0), (5, 0, 0.5, 0.3), (5, 0.1, 0.5, 0.3), (3, 0.1, 0, 0.01)]
)
def test_bootstrap_covers_the_mean(seeds, of_seed, of_image, of_both):
    assert 0.9 <= coverage(seeds, of_seed, of_image, of_both) <= 0.99


def test_pairing_takes_out_what_both_models_share():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=500)
    one, other = hard + 0.01 * rng.normal(size=(3, 500)), hard + 0.05 + 0.01 * rng.normal(size=(3, 500))
    low, high = bootstrap_interval(other - one, np.random.default_rng(1))
    assert 0.04 < low < high < 0.06
    low, high = bootstrap_interval(other, np.random.default_rng(1))
    assert high - low > 0.1


def test_bootstrap_repeats_itself_and_widens_with_the_level():
    values = np.random.default_rng(0).normal(size=(2, 50))
    levels = (0.5, 0.5, 0.9)
    narrow, again, wide = (bootstrap_interval(values, np.random.default_rng(2), level=level) for level in levels)
    assert narrow == again
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    drawn = bootstrap_means(values, np.random.default_rng(2))
    assert bootstrap_interval(values, np.random.default_rng(2)) == pytest.approx(
        tuple(np.quantile(drawn, (0.025, 0.975)))
    )


def test_where_faces_agree_the_bootstrap_is_students_over_the_seeds():
    of_seed = np.array([0.1, 0.4, 0.2])
    drawn = bootstrap_means(np.repeat(of_seed[:, None], 4, axis=1), np.random.default_rng(0), n=20_000)
    low, high = metrics.over_seeds(of_seed)[1:]
    assert np.quantile(drawn, (0.025, 0.975)) == pytest.approx([low, high], abs=0.05 * (high - low))


def test_many_numbers_get_an_interval_each():
    values = np.random.default_rng(0).normal(size=(3, 200, 2)) * (1, 10) + (0, 5)
    low, high = bootstrap_interval(values, np.random.default_rng(1))
    for column in range(2):
        alone = bootstrap_interval(values[:, :, column], np.random.default_rng(2))
        assert (low[column], high[column]) == pytest.approx(alone, rel=0.3, abs=0.02)


def test_intervals_together_hold_all_at_once():
    """Of twenty independent numbers the largest deviation is within 3.02 standard errors 95 times in 100 (Šidák)."""
    rng = np.random.default_rng(0)
    centre, error = np.arange(20.0), np.linspace(1, 3, 20)
    low, high = intervals_together(centre, centre + error * rng.normal(size=(20_000, 20)))
    assert (high - centre) / error == pytest.approx(3.02, abs=0.1) and (centre - low) == pytest.approx(high - centre)
    drawn = centre[:1] + rng.normal(size=(20_000, 1))
    low, high = intervals_together(centre[:1], drawn)
    assert (low[0], high[0]) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.05)  # one alone is as it was
    same = np.full((9, 2), [1.0, 2.0])
    assert np.array_equal(intervals_together(same[0], same), [[1, 2], [1, 2]])  # nothing left to chance


def test_best_thresholds_find_the_highest_balanced_accuracy(answers):
    a, logits = answers
    thresholds = best_thresholds(a, logits)
    best = metrics.per_attribute(a, logits, thresholds)["balanced_accuracy"]
    candidates = np.linspace(logits.min(), logits.max(), 400)
    for t in candidates:
        assert (metrics.per_attribute(a, logits, t)["balanced_accuracy"] <= best + 1e-12).all()


def test_best_thresholds_lie_between_two_logits_and_stay_zero_where_nothing_is_to_choose():
    a = np.array([[0, 1, 1], [0, 1, 0], [1, 1, 1], [1, 1, 0]], dtype=bool)
    logits = np.array([[-3.0, 1.0, 2.0], [-2.0, 1.0, 2.0], [-1.0, 1.0, 2.0], [4.0, 1.0, 2.0]])
    assert best_thresholds(a, logits).tolist() == [-1.5, 0, 0]  # separable; one class only; a constant answer


def test_interval_over_seeds_is_students():
    mean, low, high = metrics.over_seeds([1.0, 2.0, 4.0])
    assert mean == pytest.approx(7 / 3)
    assert (high - low) / 2 == pytest.approx(4.302653 * np.std([1, 2, 4], ddof=1) / np.sqrt(3), rel=1e-5)
    assert low + high == pytest.approx(2 * mean)
    assert np.isnan(metrics.over_seeds([3.0])[1:]).all()


def test_numbers_taken_together_keep_their_covariance_over_seeds():
    """Two gains that rise and fall together from seed to seed have a difference that hardly moves."""
    rng = np.random.default_rng(0)
    of_seed = rng.normal(size=(5, 1))
    one = of_seed + 0.01 * rng.normal(size=(5, 200))
    drawn = bootstrap_means(np.stack([one, one + 1], axis=-1), np.random.default_rng(1))
    assert drawn.std(axis=0).min() > 0.1
    np.testing.assert_allclose(drawn[:, 1] - drawn[:, 0], 1)
