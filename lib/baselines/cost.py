"""What a network costs: its parameters, its floating-point operations, and the rate this machine does them at."""

import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def parameters(module):
    """Number of weights."""
    return sum(p.numel() for p in module.parameters())


class FlopCounter(TorchDispatchMode):
    """Counts the operations of the convolutions and matrix products in its block, two per multiply-add, in `.flops`.

    It sees what really runs, the second backward pass of a gradient penalty included, where
    torch.utils.flop_counter.FlopCounterMode stops with an error.
    """

    def __init__(self):
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out


def seconds(call, repeats=3):
    """The shortest of `repeats` runs of `call()` after one more to warm up, in seconds."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times[1:])


def machine_rate(device, repeats=3):
    """Operations per second of a large matrix product and of a 3x3 convolution, a dict in GFLOP/s."""
    matrix, maps = torch.randn(1024, 1024, device=device), torch.randn(16, 64, 32, 32, device=device)
    convolution = torch.nn.Conv2d(64, 64, 3, padding=1, device=device)
    rates = {}
    for name, call in {"matrix product": lambda: matrix @ matrix, "convolution": lambda: convolution(maps)}.items():
        with torch.no_grad(), FlopCounter() as counter:
            call()
        with torch.no_grad():
            rates[name] = counter.flops / seconds(call, repeats) / 1e9
    return rates
