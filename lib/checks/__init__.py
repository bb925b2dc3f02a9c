"""Checks of the exercises: each says "not yet", "right", or "wrong" with a hint about the mistake.

One module for each notebook, one check for each exercise. A check draws new inputs at every call, so that no constant
passes, and knows the mistakes that are easily made. An answer is mostly a function, which gets copies of the inputs.
"""

import copy
import functools
import warnings

import numpy as np
import torch


class NotYet(Exception):
    """The gap is not filled."""


class Wrong(Exception):
    """What is wrong with an answer, as a hint for whoever gave it."""


class Verdict:
    """What a check says, `str(verdict)`; true if the answer is right."""

    def __init__(self, says):
        self.says = says

    def __bool__(self):
        return self.says == "right"

    def __str__(self):
        return self.says

    def _ipython_display_(self):
        """Nothing: at the end of a cell it was printed already."""


def exercise(examine):
    """Make a check of `examine(rng, *answers)`, which raises Wrong or NotYet unless the answers are right.

    The check takes the answers alone, prints what it says and returns it as a Verdict.
    """

    @functools.wraps(examine)
    def check(*answers):
        try:
            if any(_gap(answer) for answer in answers):
                raise NotYet
            examine(np.random.default_rng(), *answers)
            verdict = Verdict("right")
        except NotYet:
            verdict = Verdict("not yet")
        except Wrong as hint:
            verdict = Verdict(f"wrong: {hint}")
        print(verdict)
        return verdict

    return check


def _gap(answer):
    return answer is None or answer is ...


def wrong_if(condition, hint):
    """Raise Wrong with this hint if the condition holds."""
    if condition:
        raise Wrong(hint)


def call(function, *inputs):
    """What the learner's function makes of copies of `inputs`. Raises NotYet for None, Wrong where it stops."""
    wrong_if(not callable(function), "write a function; it is called with inputs that you do not know")
    try:
        answer = function(*copy.deepcopy(inputs))
    except Exception as error:
        raise Wrong(f"your function stopped with {type(error).__name__}: {error}") from error
    if _gap(answer):
        raise NotYet
    return answer


def nothing_else(config, changed, profiles):
    """Raise Wrong if a stage's config differs from all of the `profiles` in more than the fields `changed` and those
    that faces and run decide."""
    free = {*changed, "size", "attributes", "seed"}
    others = min(
        ([name for name in vars(profile) if name not in free and getattr(config, name) != getattr(profile, name)]
         for profile in profiles), key=len,
    )  # fmt: skip
    wrong_if(others, f"{', '.join(others)} was changed, too; of two changes at once nobody knows which one it was")


def of_kind(stage, kind, call):
    """Raise Wrong unless `stage` is a trained one with a config of the class `kind`, as `call` makes it."""
    wrong_if(not hasattr(stage, "config"), f"{call} returns a trained stage: give that, not a part of it")
    wrong_if(not isinstance(stage.config, kind), f"this is another stage; train {call}")


def without_loss(config, weight, loss, profiles):
    """Raise Wrong unless `weight`, that of `loss` in words, is the only weight of a stage's config that is zero, and
    the rest as in one of the `profiles`."""
    weights = {name: value for name, value in vars(config).items() if name.startswith("weight_")}
    others = [name for name, value in weights.items() if value == 0 and name != weight]
    wrong_if(others, f"{', '.join(others)} is zero: only {weight} should be, or you change two things at once")
    wrong_if(weights[weight] != 0, f"{loss} still has a weight, {weights[weight]:g}: with zero it is gone")
    nothing_else(config, (weight,), profiles)


def numbers(answer):
    """An answer as a float64 array; raises Wrong if it is none."""
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu()
    try:
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"numbers were asked for, this is a {type(answer).__name__}") from None


def compare(function, draws, right, mistakes, otherwise):
    """Raise Wrong unless `function` agrees with `right` on all `draws`, a list of tuples of inputs.

    mistakes    hint -> function that makes this mistake; its hint is given to an answer that agrees with it
    otherwise   the hint where neither these nor the mistakes that need no example (shape, sign, constant) fit
    """
    answers = [numbers(call(function, *inputs)) for inputs in draws]
    expected = [numbers(right(*inputs)) for inputs in draws]
    if _agree(answers, expected):
        return
    for hint, mistake in mistakes.items():
        with warnings.catch_warnings(action="ignore"):  # a mistake may divide by zero
            made = [numbers(mistake(*inputs)) for inputs in draws]
        wrong_if(_agree(answers, made), hint)
    raise Wrong(_misfit(answers, expected) or otherwise)


def _agree(answers, expected):
    return all(
        answer.shape == other.shape and np.allclose(answer, other, rtol=1e-4, atol=1e-6, equal_nan=True)
        for answer, other in zip(answers, expected, strict=True)
    )


def _misfit(answers, expected):
    """What kind of mistake separates the answers from the expected arrays, or None."""
    for answer, other in zip(answers, expected, strict=True):
        if answer.shape != other.shape:
            if answer.shape == other.shape[::-1]:
                return f"the axes are swapped: the shape is {answer.shape} and should be {other.shape}"
            if answer.size == 1:
                return f"one number, where the shape should be {other.shape}: the mean goes over too many axes"
            return f"the shape is {answer.shape} and should be {other.shape}"
        if not np.isfinite(answer).all():
            return "not a number: does it divide by zero, or take the logarithm of zero or less?"
    if _agree(answers[1:], answers[:-1]):
        return "the same answer to different inputs: compute it from them"
    if _agree(answers, [-other for other in expected]):
        return "the sign is the other way round"
    return None
