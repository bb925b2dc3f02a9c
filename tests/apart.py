"""A process of its own, without other machines, for what must not meet others in this one."""

import multiprocessing
import socket
import sys

import pytest


def exit_code(build, folder):
    """What `build(folder)` returns in a forked process, from which no other machine can be reached.

    Two runs of Sphinx in one process do not go well: the second finds parsers of the first and misses its own.
    """

    def refuse(*_):
        raise OSError(f"{build.__module__}.{build.__name__} asked for the network")

    with pytest.MonkeyPatch.context() as patch:  # the fork keeps what is patched here
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        if "fork" not in multiprocessing.get_all_start_methods():
            return build(folder)
        process = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(build(folder)))
        process.start()
        process.join()
        return process.exitcode
