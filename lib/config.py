"""Profiles: every size and every number of steps, in one place; and what the environment says.

COURSE_PROFILE  ci | laptop (default) | reference | paper
COURSE_DATA     toy (default) or a folder of faces (see lib/data.py for the layouts)
COURSE_RUNS     where results go, default `runs/` in the repository
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import torch
from filelock import FileLock

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class DataConfig:
    """How many faces of each split are used (None: all) and their height and width in pixels.

    `least` faces a split must hold: as many as profile `ci` takes, with which every notebook is tested.
    """

    size: int = 64
    train: int | None = None
    val: int | None = None
    test: int | None = None
    least: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("train", "val", "test"), 1))


@dataclass(frozen=True)
class AutoencoderConfig:
    """Encoder, Decoder and BEGAN's critic (Sec. III-A). The numbers not in the paper follow BEGAN."""

    size: int = 64
    filters: int = 64  # n: filters at full resolution; they grow linearly, n, 2n, 3n, 4n
    embedding: int = 64  # Z
    critic_filters: int = 64
    adversarial: str = "began"  # or "log": a usual GAN's log loss of images; Eq. 5 prints one of embeddings
    weight_adversarial: float = 0.1
    squared: bool = False  # L2 in place of Eq. 4's L1
    weight_feature: float = 0.0  # of the loss in the first features of a frozen classifier; 0: the paper's
    gamma: float = 0.5  # Eq. 6
    lambda_k: float = 1e-3  # Eq. 6
    carry_steps: int = 0  # steps in which BEGAN's residuals vanish (16,000 there); 0: the paper's, which stay
    skips: bool = False  # BEGAN's, from the first 8x8 map to every resolution of the decoder
    components: bool = False  # beside both networks a fixed linear map: the faces' principal components
    epochs: float = 30
    batch_size: int = 16
    learning_rate: float = 1e-4
    halvings: int = 0  # of the rate, evenly spread; 0: it halves where BEGAN's convergence stalls
    seed: int = 0


@dataclass(frozen=True)
class ClassifierConfig:
    """Attribute classifier (Sec. III-D, trained as in Sec. V-B)."""

    size: int = 64
    attributes: tuple[str, ...] = ()
    filters: int = 64  # doubled four times: 64 .. 1024
    noise: float = 0.0  # most noise that a face meets, see training.noisy; 0: the paper's classifier
    nudge: float = 0.0  # how far its pixels are moved against the classifier, see training.nudged
    epochs: float = 10
    batch_size: int = 64
    learning_rate: float = 1e-4
    seed: int = 0


@dataclass(frozen=True)
class MappingConfig:
    """Mapping function and its two discriminators (Sec. III-B to III-D); weights of Eq. 17 from Sec. V-B."""

    size: int = 64
    attributes: tuple[str, ...] = ()
    embedding: int = 64
    filters: int = 64  # of the convolutional discriminator: 64 .. 1024
    saturating: bool = True  # Eq. 12-13 as printed, for Phi too; see losses.generator
    weight_adversarial_feature: float = 1.0  # fixed at 1 in Eq. 17
    weight_adversarial_image: float = 1.0  # lambda_1
    weight_reconstruction_image: float = 10.0  # lambda_2
    weight_reconstruction_embedding: float = 1.0  # lambda_3
    weight_perceptual: float = 10.0  # lambda_4
    noise: float = 0.0  # through which the classifier sees generated faces: as much as it has learned with
    epochs: float = 8
    batch_size: int = 16
    learning_rate: float = 1e-4
    halvings: int = 0  # of the rate, evenly spread; the paper's first would come at step 200,000, after its 8 epochs
    seed: int = 0


@dataclass(frozen=True)
class RecognitionConfig:
    """The recognition study (Sec. V-D): the network is the classifier's; every arm takes the same number of steps."""

    filters: int = 64
    steps: int = 25_000
    batch_size: int = 64
    learning_rate: float = 1e-4
    falling: bool = False  # whether the rate falls to nothing, along half a cosine; the paper's does not
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    sizes: tuple[int, ...] = (500, 1_000, 2_000, 4_000, 8_000, 16_000)  # of training sets, see lib/study/sweep.py
    few_labels: tuple[int, ...] = (500, 2_000)  # numbers of labelled ones among them
    tried: tuple[int, ...] = (12_500, 25_000, 50_000)  # numbers of steps among which validation chooses


@dataclass(frozen=True)
class GroupsConfig:
    """Training faces in which one attribute goes with another, see lib/study/groups.py."""

    faces: int = 2_000
    shares: tuple[float, ...] = (0.95, 0.99, 1.0)  # of them that have both attributes or neither
    fewest: int = 100  # test faces by which a group can be judged
    drawn_test: int = 12_000  # test faces that are drawn: at least 2,000 in each group
    tried: tuple[int, ...] = (400, 800)  # numbers of steps among which validation chooses


@dataclass(frozen=True)
class Profile:
    """One scale of the whole course. `minutes` of each notebook's first run, its stages included, on one CPU core."""

    name: str
    data: DataConfig
    autoencoder: AutoencoderConfig
    classifier: ClassifierConfig
    mapping: MappingConfig
    recognition: RecognitionConfig
    groups: GroupsConfig = GroupsConfig()
    minutes: dict[str, float] = field(default_factory=dict)


LEAST = {"train": 256, "val": 64, "test": 64}
PROFILES = {
    "ci": Profile(  # every cell runs, nothing is meaningful
        "ci",
        DataConfig(size=32, **LEAST, least=LEAST),
        AutoencoderConfig(size=32, filters=4, critic_filters=4, weight_feature=1.0, epochs=1),
        ClassifierConfig(size=32, filters=4, noise=0.3, nudge=0.02, epochs=1),
        MappingConfig(size=32, filters=4, noise=0.3, epochs=1, halvings=4),
        RecognitionConfig(
            filters=4, steps=8, batch_size=32, seeds=(0, 1), sizes=(64, 128), few_labels=(64,), tried=(4, 8)
        ),
        GroupsConfig(faces=80, shares=(0.9,), fewest=5, drawn_test=128, tried=(4, 8)),
    ),
    "laptop": Profile(  # a student sees it work
        "laptop",
        DataConfig(size=32, train=8000, val=1000, test=2000, least=LEAST),
        AutoencoderConfig(
            size=32, filters=16, embedding=256, critic_filters=8, weight_feature=1.0, epochs=8, learning_rate=1e-3
        ),
        ClassifierConfig(size=32, filters=24, noise=0.3, nudge=0.02, epochs=15, learning_rate=1e-3),
        MappingConfig(
            size=32, embedding=256, filters=16, noise=0.3, epochs=5, batch_size=4, learning_rate=1e-3, halvings=4
        ),
        RecognitionConfig(filters=16, steps=800, learning_rate=1e-3, tried=(400, 800, 1_200)),
        minutes={
            "00_start": 0.2,
            "01_statistics": 0.2,
            "02_autoencoder": 5.8,
            "03_classifier": 1.3,
            "04_mapping": 4,
            "05_augmentation": 0.2,
            "06_evaluation": 4.4,
            "07_compared_systems": 9,
            "08_past_the_paper": 0.3,
            "09_full_scale": 0.2,
            "10_groups": 3,
        },
    ),
    "reference": Profile(  # the paper's networks on 26,000 faces, half to learn from, half to compare with; for a GPU
        "reference",
        DataConfig(train=13_000, least=LEAST),
        AutoencoderConfig(filters=32, critic_filters=32, epochs=24, batch_size=64, learning_rate=4e-4),
        ClassifierConfig(),
        MappingConfig(epochs=16, batch_size=64, learning_rate=4e-4),
        RecognitionConfig(steps=4_000, seeds=(0, 1, 2), tried=(1_000, 2_000, 4_000)),
    ),
    "paper": Profile(  # the paper's sizes
        "paper",
        DataConfig(least=LEAST),
        AutoencoderConfig(),
        ClassifierConfig(),
        MappingConfig(),
        RecognitionConfig(),
        GroupsConfig(tried=(6_250, 12_500)),
    ),
}


@dataclass(frozen=True)
class Run:
    """One passage through the course: a profile, a source of faces, a seed, and the folder of what it leaves."""

    profile: Profile
    source: str  # "toy", or the path of a folder of faces
    seed: int
    folder: Path  # runs/<data>/<profile>

    @property
    def data_name(self):
        """The source in one word, as it stands in result tables: see `name_of`."""
        return self.source if self.source == "toy" else self.folder.parent.name

    def recipe(self, **more):
        """Columns that tell how a number came about: data, profile, seed, device, commit, and `more`."""
        device = "mps" if torch.backends.mps.is_available() else "cpu"
        if torch.cuda.is_available():
            device = torch.cuda.get_device_name()
        return {
            "data": self.data_name,
            "profile": self.profile.name,
            "seed": self.seed,
            "device": device,
            "commit": commit(),
        } | more


def start(profile=None, data=None, seed=0, show=True):
    """Begin a run: the environment decides, then the arguments, then the defaults `laptop` and `toy`.

    Prints what was chosen. Raises ValueError for a profile that does not exist.
    """
    name = os.environ.get("COURSE_PROFILE") or profile or "laptop"
    if name not in PROFILES:
        raise ValueError(
            f"there is no profile {name!r} (--profile, or COURSE_PROFILE); choose one of: {', '.join(PROFILES)}"
        )
    source = os.environ.get("COURSE_DATA") or data or "toy"
    if source != "toy":
        source = os.path.realpath(os.path.expanduser(source))  # unlike pathlib's they raise nothing
    runs = Path(os.environ.get("COURSE_RUNS") or ROOT / "runs")
    run = Run(PROFILES[name], source, seed, runs / name_of(source, runs) / name)
    if show:
        faces = run.profile.data
        count = "all" if faces.train is None else f"{faces.train:,}"
        print(
            f"profile  {name}: {count} training faces of {faces.size}x{faces.size} pixels; data: {source}; seed {seed}"
        )
        print(
            f"machine  {run.recipe()['device']}, {torch.get_num_threads()} threads, "
            f"Python {platform.python_version()}, torch {torch.__version__}"
        )
        for variable, asked in (("COURSE_PROFILE", profile), ("COURSE_DATA", data)):
            if asked and os.environ.get(variable, "") not in ("", str(asked)):
                print(f"note     {variable} in the environment goes before {str(asked)!r}")
        if run.data_name not in (source, Path(source).name):
            print(f"results  in {run.folder.parent}, as another folder of faces is called {Path(source).name!r}, too")
    return run


def name_of(source, runs):
    """The name of a source below the folder `runs` and in result tables: "toy", or the last part of a folder's path.

    The file `source.txt` in `runs/<name>/` remembers whose name it is. Another folder that ends in the same word, and
    one called `toy`, carries eight digits of its path with it.
    """
    name = Path(source).name or "faces"  # the root of a disk has none
    if source == "toy":
        return name
    owner = runs / name / "source.txt"
    with contextlib.suppress(OSError):  # nothing can be written: that is told where something has to be
        if name != "toy" and Path(source).is_dir():
            owner.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(owner.with_suffix(".lock")):
                if not owner.exists():
                    owner.write_text(source, encoding="utf-8")
    is_taken = name == "toy" or (owner.is_file() and owner.read_text(encoding="utf-8").strip() != source)
    return f"{name}-{digest(source)}" if is_taken else name


def digest(*parts):
    """Eight hexadecimal digits that stand for dataclasses, dicts, numbers and strings."""
    plain = [dataclasses.asdict(part) if dataclasses.is_dataclass(part) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]


def commit():
    """Short hash of the checked-out commit, with `+` when files differ from it; "unknown" outside a checkout."""
    if not (ROOT / ".git").exists():  # git would look further up, and may find somebody else's
        return "unknown"
    # Within a hook of git's its variables name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        text = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return text.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
