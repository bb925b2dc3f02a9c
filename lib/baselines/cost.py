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
        kwargs = kwargs or {}
        count = flop_registry.get(func.overloadpacket)
        if count is None:
            with self:  # inference mode hands over whole layers, made of operations that are registered
                parts = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if parts is NotImplemented else parts
        out = func(*args, **kwargs)
        self.flops += count(*args, **kwargs, out_val=out)
        return out


def seconds(call, repeats=3):
    """The shortest of `repeats` runs of `call()`, which must wait for the device itself, in seconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def machine_rate(device, repeats=3):
    """What `device` does in a large matrix product and in a 3x3 convolution, a dict in GFLOP/s."""
    matrix, maps = torch.randn(1024, 1024, device=device), torch.randn(16, 64, 32, 32, device=device)
    convolution = torch.nn.Conv2d(64, 64, 3, padding=1, device=device)
    rates = {}
    for name, call in {"matrix product": lambda: matrix @ matrix, "convolution": lambda: convolution(maps)}.items():
        with torch.no_grad():
            with FlopCounter() as counter:
                call()  # and warm up
            rates[name] = counter.flops / seconds(lambda call=call: call().sum().item(), repeats) / 1e9
    return rates
