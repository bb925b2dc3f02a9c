"""Checks of notebook 6."""

import numpy as np

from lib.checks import NotYet, call, compare, exercise, wrong_if
from lib.checks.statistics import NEIGHBOURS_OF_BALANCED_ACCURACY, recall, specificity
from lib.data import FaceData
from lib.study.context import Context


@exercise
def balanced_accuracy_at(rng, my_balanced_accuracy):
    """Balanced accuracy of one attribute at a threshold: of labels (N,), logits (N,) and a number."""
    draws = []
    for N in (90, 120, 150):
        has = rng.permutation(N) < 0.25 * N
        draws.append((has, rng.normal(np.where(has, 0.3, -1.5)), float(rng.uniform(-1.2, -0.6))))

    def at(measure):
        return lambda has, logits, threshold: measure(has, logits > threshold)

    def right(has, yes):
        return (recall(has, yes) + specificity(has, yes)) / 2

    compare(
        my_balanced_accuracy,
        draws,
        right=at(right),
        mistakes={
            "the threshold does nothing here": lambda has, logits, threshold: right(has, logits > 0),
            "yes is a logit ABOVE the threshold": lambda has, logits, threshold: right(has, logits < threshold),
        }
        | {hint: at(neighbour) for hint, neighbour in NEIGHBOURS_OF_BALANCED_ACCURACY.items()},
        otherwise="(TPR + TNR) / 2, each a share of its own class",
    )


@exercise
def is_certain(rng, my_is_certain):
    """Whether the 95 % interval of Student's t lies on one side of zero: of five gains (5,), a bool."""
    draws = []
    # mean / standard deviation; 1.24 is the limit
    for ratio in (0.5, -0.5, 1.0, -1.0, 1.13, -1.13, 1.18, -1.18, 1.3, -1.3, 1.5, -1.5, 4.0, -4.0):
        noise = rng.normal(size=5)
        noise = (noise - noise.mean()) / noise.std(ddof=1)
        draws.append(((noise + ratio) * rng.uniform(0.2, 2),))

    def within(reach, ddof=1):
        return lambda gains: abs(gains.mean()) > reach * gains.std(ddof=ddof)

    limit = 2.776 / np.sqrt(5)
    compare(
        my_is_certain,
        draws,
        right=within(limit),
        mistakes={
            "a mean above zero is not certain yet: look at the interval": lambda gains: gains.mean() > 0,
            "a certain loss is certain, too: one side or the other": lambda gains: (
                within(limit)(gains) and gains.mean() > 0
            ),
            "the standard deviation of a sample needs ddof=1": within(limit, ddof=0),
            "the mean varies less than the single gains: divide by the square root of 5": within(2.776),
            "the square root of 4 is not of the number of gains: ddof=1 is in the standard deviation already": within(
                2.776 / np.sqrt(4)
            ),
            "1.96 is for many seeds; with five it is 2.776": within(1.96 / np.sqrt(5)),
            "2.571 is for six seeds: five leave 4 degrees of freedom": within(2.571 / np.sqrt(5)),
            "this is whether the interval HOLDS zero; then nothing is shown": lambda gains: not within(limit)(gains),
            "all five on one side is another question; compute mean and half width": (
                lambda gains: (gains > 0).all() or (gains < 0).all()
            ),
        },
        otherwise="compute mean and half width: is zero outside of the interval?",
    )


@exercise
def training_set(rng, my_training_set):
    """What an arm trains on, (context, rng) -> images uint8 (n, 3, S, S) and labels bool (n, A): a fair one."""
    context = _context(rng)
    seed = int(rng.integers(2**31))
    answers = [call(my_training_set, context, np.random.default_rng(seed)) for _ in range(2)]
    wrong_if(not isinstance(answers[0], tuple | list) or len(answers[0]) != 2, "return two things: images and labels")
    try:
        (images, a), (again, _) = ([np.asarray(part) for part in answer] for answer in answers)
    except ValueError:  # rows of different lengths
        images = a = np.empty(0)
    wrong_if(images.ndim != 4 or a.ndim != 2, "return images (n, 3, S, S) and labels (n, A), each one array")
    train = context.train
    if (
        images.shape == train.images.shape
        and np.array_equal(images, train.images)
        and np.array_equal(a, train.attributes)
    ):
        raise NotYet
    wrong_if(len(images) != len(a), f"{len(images)} images and {len(a)} rows of labels: each image needs its own")
    wrong_if(images.dtype != np.uint8, f"images are uint8, from 0 to 255; these are {images.dtype}")
    wrong_if(
        images.shape[1:] != train.images.shape[1:],
        f"an image is {train.images.shape[1:]}, these are {images.shape[1:]}",
    )
    wrong_if(
        a.shape[1:] != train.attributes.shape[1:] or a.dtype != bool,
        f"labels are bool (n, {train.attributes.shape[1]}); these are {a.dtype} {a.shape}",
    )
    wrong_if(
        any(_known(images, context.faces.part(part), HALF) for part in ("val", "test")),
        "validation or test faces are among them: no arm may train on what it is measured by",
    )
    labels = _known(images, train, UNSEEN)
    wrong_if(
        any(not np.array_equal(a[i], train.attributes[row]) for i, row in labels.items()),
        "some training faces have lost their labels: images and labels must keep the same order",
    )
    wrong_if(not np.array_equal(images, again), "chance has to come from `rng`, so that a run can be repeated")


def _context(rng):
    """A Context of random pixels: 40 training faces, 20 others. It imagines a picture that tells the labels' number."""
    split = np.repeat(["train", "val", "test"], [40, 10, 10])
    faces = FaceData(
        rng.integers(0, 256, size=(60, 3, 8, 8), dtype=np.uint8), rng.random((60, 5)) < [0.5, 0.3, 0.2, 0.1, 0.4],
        tuple("abcde"), split, np.arange(60).astype(str), "random", key="random",
    )  # fmt: skip
    context = Context(None, faces)
    context.imagine = lambda a, rows, **_: (
        np.ones((len(a), 3, 8, 8), np.uint8) * (7 * a.sum(axis=1, dtype=np.uint8)[:, None, None, None])
    )
    return context


#: How far an image may be from a face of random pixels to be made of it, a mean difference of pixels. Two such faces
#: are 85 apart, a grey picture 64 from each: what is nearer than `HALF` is about half of the face. An edit may change
#: labels, but not one that leaves the picture as it was to within `UNSEEN`.
HALF, UNSEEN = 50, 4


def _known(images, faces, within):
    """Which of the images are one of these faces, mirrored, upside down, both or neither: index -> its row."""
    rows = {}
    for row, face in enumerate(faces.images.astype(int)):
        for turned in (face, face[..., ::-1], face[..., ::-1, :], face[..., ::-1, ::-1]):
            rows |= dict.fromkeys(np.flatnonzero(np.abs(images - turned).mean(axis=(1, 2, 3)) < within).tolist(), row)
    return rows
