"""Speed of drawing faces on one core, beside what the core can do at all.

    python -m benchmarks.toyfaces

A drawing is arithmetic on small float32 layers that stay in the core's cache, so two floors stand beside it: the time a
blend of one layer takes when it is all there is to do, and the rate at which the core copies memory.
"""

import argparse
from time import process_time

import numpy as np
import torch

from lib import toyfaces


def best(function, repeats=5):
    """CPU seconds of the fastest of some calls; the first one, which fills caches, does not count."""
    function()
    seconds = []
    for _ in range(repeats):
        start = process_time()
        function()
        seconds.append(process_time() - start)
    return min(seconds)


def main():
    torch.set_num_threads(1)
    for state in ("fitting the model", "model fitted"):
        start = process_time()
        toyfaces.labels(20_000)
        print(f"labels of 20,000 faces, {state}: {process_time() - start:.2f} s")
    source, target = torch.ones(64 * 2**20), torch.empty(64 * 2**20)
    copy = 2 * source.nbytes / best(lambda: target.copy_(source)) / 1e9
    image, colour, alpha = torch.rand(24, 3, 64, 64), torch.rand(24, 3, 1, 1), torch.rand(24, 1, 64, 64)
    blend = best(lambda: [image.lerp_(colour, alpha) for _ in range(100)]) / (100 * len(image))
    print(f"one core: copies {copy:.1f} GB/s; blends one full 64x64 layer in {blend * 1e6:.1f} us")
    print(f"{'labels':12s}{'size':>6s}{'faces/s':>10s}{'ms/face':>10s}{'full layers':>13s}{'written, GB/s':>15s}")
    for kind, balanced in (("long-tailed", False), ("balanced", True)):
        for size in (32, 64, 128):
            n = 512 * 32 // size
            a, index = toyfaces.labels(n, balanced=balanced), np.arange(n)
            seconds = best(lambda a=a, index=index, size=size: toyfaces.render(a, index, size=size), 3) / n
            layers = seconds / (blend * (size / 64) ** 2)
            print(
                f"{kind:12s}{size:6d}{1 / seconds:10,.0f}{seconds * 1e3:10.2f}{layers:13.0f}"
                f"{3 * size**2 / seconds / 1e9:15.4f}"
            )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
