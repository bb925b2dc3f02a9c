"""Can a plain CNN learn the drawn attributes? Writes data/results/toyfaces.csv, about a quarter of an hour on one core.

    python -m benchmarks.toyfaces_learnability

Trained three times: on 20,000 balanced faces, whose 40 attributes are independent coins, which asks whether each can be
*seen*; on 20,000 with CelebA's long tail and correlations; and on 2,000 of these. Tested on balanced faces and on
long-tailed ones. What long-tailed training loses on balanced faces was read off correlations, not off the picture.
"""

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as functional
from tqdm.auto import trange

from lib import metrics, oracle, toyfaces
from lib.attributes import CELEBA, celeba_statistics
from lib.config import commit
from lib.data import to_float
from lib.study import recogniser

RESULTS = Path(__file__).parent.parent / "data" / "results" / "toyfaces.csv"
SIZE, SEED, STEPS, BATCH, LEARNING_RATE, TEST = 64, 0, 1500, 100, 5e-3, 2000
ADJUSTMENT = 1.5  # weight of the log odds


def train(images, a):
    """An oracle's network trained with AdamW and one cycle of the learning rate.

    Logit adjustment (Menon et al., ICLR 2021, Eq. 10): the log odds of an attribute are added in training and left away
    in use, so that a rare attribute is not denied for being rare.
    """
    torch.manual_seed(SEED)
    net = oracle.Oracle(SIZE, filters=32, attributes=len(CELEBA)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    rng, order, target = np.random.default_rng(SEED), np.empty(0, dtype=int), torch.from_numpy(a).float()
    odds = torch.logit(target.mean(0), eps=1e-4)
    for _ in trange(STEPS, desc=f"{len(a):,} faces", unit="step"):
        if len(order) < BATCH:
            order = rng.permutation(len(a))
        batch, order = order[:BATCH], order[BATCH:]
        logits = net(to_float(images[batch])) + ADJUSTMENT * odds
        loss = functional.binary_cross_entropy_with_logits(logits, target[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def balanced_accuracy(net, images, a):
    """Mean of the hit rates among faces with and without each attribute, (40,), at probability 1/2."""
    return metrics.per_attribute(a, recogniser.predict(net, images))["balanced_accuracy"]


def main():
    torch.set_num_threads(1)
    tests = {
        "balanced_accuracy": toyfaces.faces(TEST, SEED + 1, size=SIZE, balanced=True),
        "balanced_accuracy_long_tail": toyfaces.faces(TEST, SEED + 1, size=SIZE),
    }
    faces, co = celeba_statistics()
    rows = []
    for kind, n in (("balanced", 20_000), ("long tail", 20_000), ("long tail", 2_000)):
        images, a = toyfaces.faces(n, SEED, size=SIZE, balanced=kind == "balanced")
        start = perf_counter()
        net = train(images, a)
        seconds = perf_counter() - start
        score = {name: balanced_accuracy(net, *test) for name, test in tests.items()}
        recipe = {
            "data": "toy", "training": kind, "size": SIZE, "seed": SEED, "n_train": n, "n_test": TEST, "steps": STEPS,
            "seconds": round(seconds), "device": "cpu", "commit": commit(),
        }  # fmt: skip
        table = pd.DataFrame({"attribute": CELEBA, "celeba": np.diag(co) / faces, "drawn": a.mean(0)})
        rows.append(table.assign(**score, **recipe))
        print(f"{n:,} faces, {kind}, {seconds:.0f} s")
        for name, values in score.items():
            print(f"  {name}: mean {values.mean():.3f}, worst {values.min():.3f} ({CELEBA[values.argmin()]})")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    pd.concat(rows).round(4).to_csv(RESULTS, index=False)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
