"""Points for an answer, given where the learner cannot reach: in a hidden test of nbgrader."""

import contextlib
import importlib.util
import io
import sys

from lib import checks


def points(worth, check, *names):
    """`worth` if the answers that the notebook knows by these names are right, three times over, and else 0.

    `check` is "module.name" of `lib.checks`. It and what all checks are made of are read afresh from their files, so
    that what the notebook has replaced does not count. Says nothing and raises nothing: whatever a hidden test shows
    ends up in the feedback.
    """
    module, _, name = check.partition(".")
    notebook = vars(sys.modules["__main__"])
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            sys.modules[checks.__name__] = _fresh(checks.__name__)
            examine = getattr(_fresh(f"{checks.__name__}.{module}"), name)
            right = all(examine(*(notebook[answer] for answer in names)) for _ in range(3))
        except Exception:
            right = False
        finally:
            sys.modules[checks.__name__] = checks
    return worth if right else 0


def _fresh(name):
    """A module as its file says, whatever has become of the one that is imported."""
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
