"""Drawn faces: a data set of portraits in which each of CelebA's 40 attributes can be seen.

    images, a = toyfaces.faces(1000)        # uint8 (1000, 3, 64, 64), bool (1000, 40)

`labelling` draws labels, `portrait` people, `parts` their features on a `canvas`; `drawing` puts them together.
"""

from lib.toyfaces.drawing import faces, on_off_pairs, render
from lib.toyfaces.labelling import labels, with_noise

__all__ = ["faces", "labels", "on_off_pairs", "render", "with_noise"]
