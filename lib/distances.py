"""How generated faces differ from real ones: distances between the features that a network sees in them.

Images are uint8 (N, 3, S, S), features float (N, F). A distance is a number only together with its extractor, the
number of faces and its floor: the same distance between two sets of real faces.
"""

import hashlib
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from sklearn.metrics import pairwise_distances_argmin_min, pairwise_distances_chunked
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors
from tqdm.auto import tqdm

from lib.data import to_float

try:
    from pytorch_fid import inception as pytorch_fid
except ImportError:  # a bare machine with a GPU: all distances but FID work there
    pytorch_fid = None

FEWEST = 4  # faces of a set: for 3 nearest neighbours of a face, and for a subset of two
INCEPTION_SHA256 = "6726825d"  # first digits, as in the name of the file


def frechet_distance(mean_1, covariance_1, mean_2, covariance_2):
    """Squared Fréchet distance of two Gaussians (Heusel et al., 2017): |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)).

    The root's trace comes from eigenvalues of symmetric matrices, so covariances of fewer faces than features are fine.
    The estimate grows as the faces become fewer: compare it only between sets of the same size.
    """
    values, vectors = np.linalg.eigh(np.asarray(covariance_1, dtype=np.float64))
    root = vectors * np.sqrt(values.clip(min=0))  # root root^T = C1
    trace = np.sqrt(np.linalg.eigvalsh(root.T @ covariance_2 @ root).clip(min=0)).sum()
    shift = np.subtract(mean_1, mean_2, dtype=np.float64)
    distance = shift @ shift + np.trace(covariance_1) + np.trace(covariance_2) - 2 * trace
    return max(float(distance), 0.0)  # equal Gaussians come out a rounding error below zero


def kernel_distance(features_a, features_b, rng, subsets=100, size=1000):
    """Kernel distance (Bińkowski et al., 2018): unbiased squared MMD, cubic kernel; `(mean, sd)` over random subsets.

    Unlike the Fréchet distance its expectation does not depend on the number of faces; it is zero for equal
    distributions, so single values may be negative. A subset holds `size` faces, at most half of the smaller set.
    """
    size = min(size, len(features_a) // 2, len(features_b) // 2)
    distances = []
    for _ in range(subsets):
        a, b = (np.asarray(f)[rng.choice(len(f), size, replace=False)] for f in (features_a, features_b))
        aa, bb, ab = (polynomial_kernel(*pair) for pair in ((a, a), (b, b), (a, b)))
        within = sum(k.sum(dtype=np.float64) - k.trace(dtype=np.float64) for k in (aa, bb)) / (size * (size - 1))
        distances.append(within - 2 * ab.mean(dtype=np.float64))
    return float(np.mean(distances)), float(np.std(distances))


def precision_recall(real, generated, k=3):
    """`(precision, recall)` of features by the k-nearest-neighbour manifold (Kynkäänniemi et al., 2019).

    precision   share of the generated faces that lie among the real ones
    recall      share of the real faces that lie among the generated ones: low when the generator repeats itself
    """
    return _coverage(real, generated, k), _coverage(generated, real, k)


def _coverage(manifold, points, k):
    """Share of `points` that are closer to some point of `manifold` than this one's k-th neighbour is."""
    radius = NearestNeighbors(n_neighbors=k).fit(manifold).kneighbors()[0][:, -1]
    inside = pairwise_distances_chunked(points, manifold, reduce_func=lambda d, start: (d <= radius).any(axis=1))
    return float(np.concatenate(list(inside)).mean())


def distinct(images):
    """Number of different faces among `images`, byte by byte."""
    return len({hashlib.sha256(np.ascontiguousarray(image)).digest() for image in images})


def nearest_neighbours(features_a, features_b):
    """For each face of a, the closest one of b: `(index, distance)`, (N,) each. Did the model learn faces by heart?"""
    return pairwise_distances_argmin_min(features_a, features_b)


@torch.inference_mode()
def _features(extract, images, batch_size, device):
    starts = tqdm(range(0, len(images), batch_size), desc="features", unit="batch", leave=False, delay=1)
    batches = (to_float(images[start : start + batch_size]).to(device) for start in starts)
    return np.concatenate([extract(x).flatten(1).float().cpu().numpy() for x in batches])


def classifier_features(classifier, images, batch_size=256, device="cpu"):
    """What the attribute classifier's last layer sees, float32 (N, F)."""
    return _features(classifier.to(device).eval().features, images, batch_size, device)


def inception_features(images, weights=None, device="cpu"):
    """The 2,048 features that FID is defined on (pytorch-fid's InceptionV3, bilinear to 299x299), float32 (N, 2048).

    `weights` is a file, by default the one in torch's hub cache. Nothing is downloaded.
    Raises FileNotFoundError without the file and ValueError if it is another one.
    """
    network = inception(weights).to(device)
    return _features(lambda x: network(x)[0], images, 64, device)


def inception_found(weights=None):
    """Whether the file of Inception's weights is there; see `inception_features`."""
    return pytorch_fid is not None and _inception_path(weights).is_file()


def _inception_path(weights):
    return Path(weights or Path(torch.hub.get_dir(), "checkpoints", Path(pytorch_fid.FID_WEIGHTS_URL).name))


def inception(weights=None):
    """pytorch-fid's InceptionV3 for faces in [-1, 1]; see `inception_features` for `weights` and errors."""
    path = _inception_path(weights)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: FID needs the Inception weights there; get {pytorch_fid.FID_WEIGHTS_URL} (96 MB), "
            'or compare with extractor="classifier"'
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(INCEPTION_SHA256):
        raise ValueError(
            f"{path} has sha256 {digest[:8]}..., expected {INCEPTION_SHA256}...: "
            f"not FID's Inception weights, or damaged; get {pytorch_fid.FID_WEIGHTS_URL} again"
        )
    state = torch.load(path, weights_only=True)
    # pytorch-fid knows its weights by address only, and checks no file it finds: hand it the one just checked
    with mock.patch.object(pytorch_fid, "load_state_dict_from_url", lambda *args, **kwargs: state):
        return pytorch_fid.InceptionV3(normalize_input=False).eval()


def compare(real, generated, extractor, rng):
    """All distances between two sets of features, for a result row. `extractor` is "inception" or "classifier".

    Raises ValueError for fewer than 4 faces in a set: a neighbour's neighbours and both halves of a subset need them.
    Only Inception's distances are called `fid` and `kid`; others carry their extractor in the name. Give two halves of
    the real faces to get the floor.
    """
    if min(len(real), len(generated)) < FEWEST:
        raise ValueError(
            f"{len(real)} real and {len(generated)} generated faces: distances need at least {FEWEST} of each"
        )
    sets = (np.asarray(features, dtype=np.float64) for features in (real, generated))
    frechet = frechet_distance(*(value for f in sets for value in (f.mean(axis=0), np.cov(f, rowvar=False))))
    kernel, spread = kernel_distance(real, generated, rng)
    precision, recall = precision_recall(real, generated)
    names = ("fid", "kid") if extractor == "inception" else (f"frechet_{extractor}", f"kernel_{extractor}")
    return {
        names[0]: frechet,
        names[1]: kernel,
        f"{names[1]}_sd": spread,
        "precision": precision,
        "recall": recall,
        "extractor": extractor,
        "dims": np.shape(real)[1],
        "n_real": len(real),
        "n_generated": len(generated),
    }
