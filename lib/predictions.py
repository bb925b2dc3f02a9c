"""Predictions: a learner commits to an answer before the cell that shows it, and meets it again afterwards.

A notebook sets `guess_1 = None` before a result. Who wants to predict writes a letter or a number there; who does not
goes on all the same.
"""

from numbers import Real

NONE_MADE = " (No prediction made: set it above, before you run on.)"


def take_up(guess, measured, unit=""):
    """Print a prediction beside what was measured, both a letter ("A") or both a number in `unit`.

    `guess` None: nothing was predicted. Raises ValueError if it is a number where a letter was asked for, or the other
    way round.
    """
    numeric = isinstance(measured, Real)
    shown = f"{measured:.3g} {unit}".rstrip() if numeric else measured
    if guess is None:
        print(f"Measured: {shown}.{NONE_MADE}")
        return
    if not isinstance(guess, Real if numeric else str):
        expected = "a number" if numeric else 'a letter, like "A"'
        raise ValueError(f"the prediction is {guess!r}; expected is {expected}")
    if numeric:
        off = guess - measured
        way = (
            "right on it"
            if f"{guess:.3g}" == f"{measured:.3g}"
            else f"{abs(off):.3g} too {'high' if off > 0 else 'low'}"
        )
        print(f"You said {guess:g}; measured: {shown}. That is {way}.")
    else:
        right = guess.strip().upper() == measured
        print(f"You said {guess}, and so it is." if right else f"You said {guess}; measured: {shown}.")
