"""Time of the augmentation strategies on a table of CelebA's size, beside a plain copy of its rows.

The labels are independent draws with CelebA's proportions, so no download is needed; the counts below come close to
those of the real table, which notebook 05 shows.
"""

import argparse
from time import perf_counter

import numpy as np

from lib.attributes import CELEBA, celeba_statistics
from lib.augmentation import dynamic_balancing, random_doubling


def main():
    faces, cooccurrence = celeba_statistics("train")
    rng = np.random.default_rng(0)
    a = rng.random((faces, len(CELEBA))) < np.diag(cooccurrence) / faces
    index = rng.permutation(faces)
    strategies = {
        "copy of the rows": lambda: a[index],
        "random doubling": lambda: random_doubling(a, rng),
        "dynamic balancing": lambda: dynamic_balancing(a, faces, rng)[0],
        "  ranked once": lambda: dynamic_balancing(a, faces, rng, rerank=False)[0],
        "  conflicts avoided": lambda: dynamic_balancing(a, faces, rng, conflicts="avoid", names=CELEBA)[0],
    }
    print(f"{faces:,} faces x {len(CELEBA)} attributes; faces per attribute after doubling the set")
    print(f"{'':22s}{'seconds':>9s}{'min':>10s}{'max':>10s}{'std':>10s}")
    for name, strategy in strategies.items():
        start = perf_counter()
        a1 = strategy()
        seconds = perf_counter() - start
        count = a.sum(axis=0) + a1.sum(axis=0)
        print(f"{name:22s}{seconds:9.3f}{count.min():10,}{count.max():10,}{count.std(ddof=1):10,.0f}")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
