"""Points for an answer, given where the learner cannot reach: in a hidden test of nbgrader."""

import contextlib
import importlib.util
import io
import sys

from lib import checks


def points(worth, check, *names):
    """`worth` if the answers that the notebook knows by these names are right, three times over, and else 0.

    `check` is "module.name" of `lib.checks`. The check is read afresh from its file, so that one which the notebook has
    replaced does not count. Says nothing and raises nothing: whatever a hidden test shows ends up in the feedback.
    """
    module, _, name = check.partition(".")
    spec = importlib.util.find_spec(f"{checks.__name__}.{module}")
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    notebook = vars(sys.modules["__main__"])
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            right = all(getattr(fresh, name)(*(notebook[answer] for answer in names)) for _ in range(3))
        except Exception:
            right = False
    return worth if right else 0
