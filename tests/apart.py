"""A process of its own for what must not meet others in this one."""

import multiprocessing
import sys


def exit_code(build, folder):
    """What `build(folder)` returns in a forked process, which keeps what is patched here.

    Two runs of Sphinx in one process do not go well: the second finds parsers of the first and misses its own.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        return build(folder)
    process = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(build(folder)))
    process.start()
    process.join()
    return process.exitcode
