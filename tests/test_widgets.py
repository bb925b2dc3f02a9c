"""The face explorer, driven without a browser: its checkboxes are set as a click would set them."""

import base64
import html
import re

import numpy as np
import pytest
import torch

from lib import models, widgets
from lib.attributes import CELEBA

NAMES = ("Bald", "Smiling", 'Tail_"long" & <soft>', "Bangs")


@pytest.fixture
def explorer():
    torch.manual_seed(0)
    phi, decoder = models.MappingFunction(len(NAMES), 8), models.Decoder(16, 4, 8)
    a = np.array([[0, 1, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0]], dtype=bool)
    return widgets.FaceExplorer(phi, decoder, NAMES, a, presets={"tail": a[1]})


def button(explorer, name):
    return next(child for child in explorer.children[0].children if child.description == name)


def test_a_click_changes_the_face_and_a_second_one_brings_it_back(explorer):
    first = explorer.picture
    explorer.boxes["Smiling"].value = False
    assert explorer.picture != first
    explorer.boxes["Smiling"].value = True
    assert explorer.picture == first


def test_the_face_on_show_is_the_decoders(explorer):
    torch.manual_seed(0)
    phi, decoder = models.MappingFunction(len(NAMES), 8), models.Decoder(16, 4, 8)
    explorer.boxes["Bald"].value = True
    with torch.no_grad():
        x = decoder(phi(torch.tensor([[1.0, 1.0, 0.0, 0.0]])))[0]
    expected = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    assert explorer.picture == widgets.png(expected)
    assert base64.b64decode(re.search('base64,([^"]+)', explorer.face.value)[1]) == explorer.picture


def test_the_picture_says_in_words_what_it_shows(explorer):
    explorer.boxes[NAMES[2]].value = True
    assert f'alt="generated face with Smiling, {html.escape(NAMES[2])}"' in explorer.face.value
    explorer.show(np.zeros(4))
    assert "none of the attributes" in explorer.face.value and "synthetic" in explorer.face.value


def test_contradictions_are_named_and_cleared(explorer):
    assert explorer.warning.value == ""
    explorer.boxes["Bald"].value = explorer.boxes["Bangs"].value = True
    assert "Bald and Bangs" in explorer.warning.value
    explorer.boxes["Bald"].value = False
    assert explorer.warning.value == ""


def test_presets_random_and_reset(explorer):
    majority = [False, True, False, False]
    assert explorer.values.tolist() == majority
    explorer.start.value = "tail"
    assert explorer.values.tolist() == [False, True, True, False]
    drawn = set()
    for _ in range(30):
        button(explorer, "random").click()
        drawn.add(tuple(explorer.values.tolist()))
    assert drawn == {tuple(row) for row in explorer.rows.tolist()}
    button(explorer, "reset").click()
    assert explorer.values.tolist() == [False, True, True, False]


def test_one_face_is_drawn_for_a_whole_set(explorer, monkeypatch):
    calls = []
    monkeypatch.setattr(explorer.phi, "forward", lambda a, forward=explorer.phi.forward: calls.append(1) or forward(a))
    explorer.show(np.ones(4))
    assert len(calls) == 1


@pytest.mark.parametrize("names", [CELEBA, NAMES, ("Round_Ears",)])
def test_every_attribute_stands_in_one_region(names):
    groups = list(widgets.grouped(names))
    assert sorted(name for _, members in groups for name in members) == sorted(names)
    assert all(members for _, members in groups)


def test_regions_speak_of_celeba():
    assert {name for members in widgets.REGIONS.values() for name in members} <= set(CELEBA)
