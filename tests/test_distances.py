import hashlib
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_fid import fid_score
from pytorch_fid import inception as pytorch_fid
from scipy import linalg
from torch import nn

from lib import distances
from lib.distances import compare, frechet_distance, kernel_distance, precision_recall


def features(n, dims=6, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dims)) @ np.random.default_rng(9).normal(size=(dims, dims)) + shift


def gaussian(f):
    return f.mean(axis=0), np.cov(f, rowvar=False)


def test_frechet_distance_of_equal_covariances_is_the_squared_distance_of_the_means():
    mean, covariance = gaussian(features(40))
    assert frechet_distance(mean, covariance, mean, covariance) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(mean, covariance, mean + [3, 4, 0, 0, 0, 0], covariance) == pytest.approx(25)


def test_frechet_distance_of_diagonal_covariances():
    one, other = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 2.0])
    expected = ((np.sqrt(one) - np.sqrt(other)) ** 2).sum()
    assert frechet_distance(np.zeros(3), np.diag(one), np.zeros(3), np.diag(other)) == pytest.approx(expected)


def test_frechet_distance_equals_the_matrix_root():
    (m1, c1), (m2, c2) = gaussian(features(40, seed=1)), gaussian(features(30, seed=2, shift=0.5) * 1.5)
    root = linalg.sqrtm(c1 @ c2).real
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance(m1, c1, m2, c2) == pytest.approx(expected)
    assert frechet_distance(m2, c2, m1, c1) == pytest.approx(expected)


def test_frechet_distance_with_fewer_faces_than_features():
    one, other = features(5, dims=20, seed=1), features(8, dims=20, seed=2)
    # The same sets turned into the space they span, where the answer is the same and the covariances are full.
    basis = np.linalg.svd(np.concatenate([one, other]), full_matrices=False)[2]
    full = frechet_distance(*gaussian(one), *gaussian(other))
    spanned = frechet_distance(*gaussian(one @ basis.T), *gaussian(other @ basis.T))
    assert full == pytest.approx(spanned) and full > 1
    assert frechet_distance(*gaussian(one), *gaussian(one)) == pytest.approx(0, abs=1e-6)


def slow_mmd(x, y):
    kernel = lambda u, v: (u @ v / len(u) + 1) ** 3  # noqa: E731
    within = [np.mean([kernel(u, v) for i, u in enumerate(s) for j, v in enumerate(s) if i != j]) for s in (x, y)]
    return sum(within) - 2 * np.mean([kernel(u, v) for u in x for v in y])


def test_kernel_distance_is_the_unbiased_cubic_mmd():
    x, y = features(12, seed=1), features(12, seed=2, shift=1.0)
    mean, sd = kernel_distance(x, y, np.random.default_rng(0), subsets=2, size=5)
    rng = np.random.default_rng(0)
    expected = [slow_mmd(*(f[rng.choice(12, 5, replace=False)] for f in (x, y))) for _ in range(2)]
    assert mean == pytest.approx(np.mean(expected))
    assert sd == pytest.approx(abs(expected[0] - expected[1]) / 2)


def test_subsets_of_a_small_set_differ():
    assert kernel_distance(features(20), features(9, seed=1), np.random.default_rng(0))[1] > 0


def test_kernel_distance_is_zero_on_average_between_equal_distributions():
    pairs = [(np.random.default_rng(i).normal(size=(60, 4)), i) for i in range(200)]
    same = [kernel_distance(f[:30], f[30:], np.random.default_rng(i), subsets=1)[0] for f, i in pairs]
    shifted = [kernel_distance(f[:30], f[30:] + 1, np.random.default_rng(i), subsets=1)[0] for f, i in pairs]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    assert min(same) < 0 < np.mean(shifted) - 10 * np.std(shifted) / np.sqrt(len(shifted))


def test_precision_and_recall_at_their_extremes():
    real = features(60)
    assert precision_recall(real, real.copy()) == (1.0, 1.0)
    assert precision_recall(real, real + 1e3) == (0.0, 0.0)
    two_faces = np.repeat(real[:2], 30, axis=0) + 1e-3 * features(60, seed=1)
    precision, recall = precision_recall(real, two_faces)  # good faces, again and again
    assert precision == 1.0 and recall < 0.1
    everywhere = np.concatenate([real + 1e-6, real + 1e3])  # all faces, and as many that are none
    assert precision_recall(real, everywhere) == (0.5, 1.0)


def test_precision_on_a_line():
    real = np.array([[0.0], [1.0], [2.0], [10.0]])  # distance to the nearest other: 1, 1, 1, 8
    generated = np.array([[-1.5], [2.5], [5.0], [19.0]])
    assert precision_recall(real, generated, k=1)[0] == 0.5


def test_distinct_counts_different_faces():
    images = np.zeros((5, 3, 4, 4), dtype=np.uint8)
    images[1, 0, 0, 0], images[4, 2, 3, 3] = 1, 9
    assert distances.distinct(images) == 3


def test_nearest_neighbours():
    b = features(20)
    index, distance = distances.nearest_neighbours(b[[7, 3]] + [0.01, 0, 0, 0, 0, 0], b)
    assert index.tolist() == [7, 3]
    assert distance == pytest.approx([0.01, 0.01], rel=1e-3)


def test_row_names_only_inception_fid():
    real, generated = features(50), features(40, seed=1)
    rng = np.random.default_rng
    row, inception = (compare(real, generated, extractor, rng(0)) for extractor in ("classifier", "inception"))
    assert not any("fid" in name or "kid" in name for name in row)
    assert row["frechet_classifier"] == inception["fid"]
    assert row["frechet_classifier"] == pytest.approx(frechet_distance(*gaussian(real), *gaussian(generated)))
    assert row["kernel_classifier"] == inception["kid"]
    assert (row["extractor"], row["dims"], row["n_real"], row["n_generated"]) == ("classifier", 6, 50, 40)


def images(n):
    return np.random.default_rng(0).integers(256, size=(n, 3, 32, 32), dtype=np.uint8)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 4, stride=8), nn.Dropout(), nn.Flatten())


def test_classifier_features_are_flat_and_free_of_the_batch():
    classifier = Classifier()
    f = distances.classifier_features(classifier, images(10), batch_size=4)
    assert f.shape == (10, 64) and f.dtype == np.float32
    assert f == pytest.approx(distances.classifier_features(classifier, images(10)), abs=1e-6)


def test_inception_without_weights_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match="checkpoints.*pt_inception.*https://"):
        distances.inception_features(images(1))


def test_inception_refuses_other_weights(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="weights.pth has sha256 .* expected 6726825d"):
        distances.inception_features(images(1), path)


@pytest.fixture(scope="module")
def random_inception():
    """pytorch-fid's network with random weights, as the real ones are a download: (network, its weights)."""
    torch.manual_seed(0)
    loaded = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytorch_fid, "load_state_dict_from_url", lambda *args, **kwargs: None)
        patch.setattr(nn.Module, "load_state_dict", lambda self, state: loaded.append(self.state_dict()))
        network = pytorch_fid.InceptionV3().eval()
    for weight in loaded[0].values():
        if weight.dim() == 4:
            nn.init.kaiming_normal_(weight)  # in place, the network's own: by default the signal fades on its way
    return network, loaded[0]


@pytest.fixture
def weights(tmp_path, monkeypatch, random_inception):
    """A path where the weights of `random_inception` seem to be."""
    path = tmp_path / "weights.pth"
    path.write_bytes(b"stands for the file")
    monkeypatch.setattr(distances, "INCEPTION_SHA256", hashlib.sha256(b"stands for the file").hexdigest()[:8])
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: random_inception[1])
    return path


def test_inception_features_are_those_of_pytorch_fid(weights, random_inception):
    f = distances.inception_features(images(2), weights)
    with torch.no_grad():
        expected = random_inception[0](torch.tensor(images(2)) / 255)[0].flatten(1).numpy()
    assert f.shape == (2, 2048) and np.abs(f[0] - f[1]).max() > 0.01
    assert f == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert distances.inception_found(weights) and not distances.inception_found(weights.with_name("other.pth"))


@pytest.mark.filterwarnings("ignore:The `disp` argument")
def test_the_command_of_pytorch_fid_gives_the_same_number(weights, random_inception, tmp_path, monkeypatch, capsys):
    """Folder against folder, at its first 64 features: its matrix root takes minutes for all 2,048."""
    sets = images(24), 255 - images(24) // 2
    for name, part in zip("ab", sets, strict=True):
        (tmp_path / name).mkdir()
        for i, image in enumerate(part):
            Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / name / f"{i}.png")
    monkeypatch.setattr(pytorch_fid, "load_state_dict_from_url", lambda *args, **kwargs: random_inception[1])
    command = ["pytorch_fid", str(tmp_path / "a"), str(tmp_path / "b"), "--dims", "64", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", [*command, "--num-workers", "0"])
    fid_score.main()
    printed = float(capsys.readouterr().out.rpartition("FID:")[2])

    first = pytorch_fid.InceptionV3([pytorch_fid.InceptionV3.BLOCK_INDEX_BY_DIM[64]], normalize_input=False).eval()
    monkeypatch.setattr(distances, "inception", lambda path: first)
    pools = [distances.inception_features(part, weights).reshape(24, 64, -1).mean(axis=2) for part in sets]
    row = compare(*pools, "inception", np.random.default_rng(0))
    assert row["fid"] == pytest.approx(printed, rel=1e-3) and printed > 0


def test_distances_between_few_faces_are_refused_with_the_minimum():
    features = np.random.default_rng(0).normal(size=(8, 5))
    row = distances.compare(features[:4], features[4:], "classifier", np.random.default_rng(0))
    assert all(np.isfinite(value) for value in row.values() if isinstance(value, float))
    for real, generated in ((3, 4), (4, 3), (1, 8), (0, 4)):
        message = f"{real} real and {generated} generated faces: distances need at least 4 of each"
        with pytest.raises(ValueError, match=message):
            distances.compare(features[:real], features[:generated], "classifier", np.random.default_rng(0))
