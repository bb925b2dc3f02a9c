"""Addresses of faces: what was written is read, and what fits nothing is told."""

import pytest

from lib.explorer import state

NAMES = ("Bald", "Smiling", "Round ears & more", "Bangs")


@pytest.mark.parametrize(
    "shown",
    [
        state.State(("Bald", "Bangs"), ("Bald", "Bangs"), None, "Smiling"),
        state.State((), ("Smiling",), 3, "Bangs"),
        state.State(("Round ears & more",), (), 1, "Round ears & more"),
    ],
)
def test_what_was_written_is_read(shown):
    assert state.read(shown.address, NAMES, 3) == shown
    assert state.read(f"http://127.0.0.1/#{shown.address}", NAMES, 3) == shown


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "labels=... is missing"),
        ("labels=Bald,Freckles", "'Freckles', which is no attribute"),
        ("labels=Bald&strip=Freckles", "'Freckles', which is no attribute"),
        ("labels=&person=4", "person 4; there are 1 to 3"),
        ("labels=&person=0", "person 0; there are 1 to 3"),
        ("labels=&person=x", "person x; there are 1 to 3"),
    ],
)
def test_what_fits_nothing_is_told(address, said):
    with pytest.raises(ValueError, match=said):
        state.read(address, NAMES, 3)
