"""The face explorer in a notebook, driven without a browser: its controls are set as a click would set them."""

import base64
import html
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from lib import data, models, oracle, widgets
from lib.explorer import description

NAMES = ("Bald", "Smiling", 'Tail_"long" & <soft>', "Bangs")


@pytest.fixture
def networks():
    torch.manual_seed(0)
    phi, decoder, judge = models.MappingFunction(4, 8), models.Decoder(16, 4, 8), oracle.Oracle(16, 2, 4)
    return tuple(map(models.frozen, (phi, decoder, judge)))


@pytest.fixture
def people():
    return np.array([[1, 0, 0, 0], [0, 1, 1, 0]], dtype=bool), np.array([[1.0] * 8, [-1.0] * 8], dtype=np.float32)


@pytest.fixture
def explorer(networks, people):
    phi, decoder, judge = networks
    a = np.array([[0, 1, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0]], dtype=bool)
    return widgets.FaceExplorer(phi, decoder, NAMES, a, people, judge)


def painted(networks, a, person=None, people=None):
    """PNG bytes of the face that the networks make of labels `a`, of person 1 to P."""
    phi, decoder, _ = networks
    with torch.inference_mode():
        z = phi(torch.tensor([a], dtype=torch.float32))
        if person:
            labels, own = (torch.tensor(part[person - 1 : person]).float() for part in people)
            z = own + description.STEP * (z - phi(labels))
        return widgets.png(data.to_uint8(decoder(z))[0].numpy())


def drawn(value):
    """The PNG bytes in a piece of HTML, one for each picture."""
    return [base64.b64decode(picture) for picture in re.findall('base64,([^"]+)', value)]


def test_a_click_changes_the_face_and_a_second_one_brings_it_back(explorer):
    first = explorer.picture
    explorer.boxes["Smiling"].value = False
    assert explorer.picture != first
    explorer.boxes["Smiling"].value = True
    assert explorer.picture == first


def test_the_faces_on_show_are_the_decoders(explorer, networks):
    explorer.boxes["Bald"].value = True
    assert drawn(explorer.face.value) == [explorer.picture] == [painted(networks, [1, 1, 0, 0])]
    assert drawn(explorer.other.value) == [painted(networks, [0, 1, 0, 0])]


def test_a_person_stays_the_same_person(explorer, networks, people):
    explorer.person.value = 2
    assert explorer.values.tolist() == [False, True, True, False]
    assert explorer.picture == painted(networks, [0, 1, 1, 0], 2, people)
    explorer.boxes["Bald"].value = True
    assert explorer.picture == painted(networks, [1, 1, 1, 0], 2, people)
    explorer.person.value = None
    assert explorer.picture == painted(networks, [1, 1, 1, 0])


def test_the_strip_leads_the_last_clicked_label_from_off_to_on(explorer, networks):
    explorer.boxes["Bangs"].value = True
    assert explorer.strip.value == "Bangs"
    expected = [painted(networks, [0, 1, 0, value]) for value in np.linspace(0, 1, widgets.STATIONS)]
    assert drawn(explorer.stations.value) == expected
    explorer.strip.value = "Smiling"
    assert drawn(explorer.stations.value)[0] == painted(networks, [0, 0, 0, 1])


def test_what_the_judge_reads_stands_beside_what_was_asked(explorer, networks):
    with Image.open(io.BytesIO(explorer.picture)) as image:
        x = data.to_float(np.asarray(image).transpose(2, 0, 1)[None])
    with torch.inference_mode():
        shares = networks[2](x)[0].sigmoid().tolist()
    missed = [name for name, share in zip(NAMES, shares, strict=True) if (share > 0.5) != (name == "Smiling")]
    for name, share in zip(NAMES, shares, strict=True):
        said = explorer.boxes[name].description.removeprefix(name.replace("_", " "))
        assert said == f" {'≠' if name in missed else '·'} {share:.0%}"
    assert f"reads {4 - len(missed)} of 4 labels" in explorer.reading.value
    assert missed and html.escape(missed[0].replace("_", " ")) in explorer.reading.value


def test_the_picture_says_in_words_what_it_shows(explorer):
    explorer.boxes[NAMES[2]].value = True
    assert f'alt="synthetic face with Smiling, {html.escape("Tail " + NAMES[2][5:])}"' in explorer.face.value
    explorer.show(np.zeros(4))
    assert "none of the attributes" in explorer.face.value and "synthetic" in explorer.face.value


def test_contradictions_are_named_and_cleared(explorer):
    assert explorer.warning.value == ""
    explorer.boxes["Bald"].value = explorer.boxes["Bangs"].value = True
    assert "contradict each other: Bald and Bangs" in explorer.warning.value
    explorer.boxes["Bald"].value = False
    assert explorer.warning.value == ""


def test_random_reset_and_keep(explorer):
    assert explorer.values.tolist() == [False, True, False, False]  # the majority of each
    drawn = set()
    for _ in range(30):
        explorer.buttons["random"].click()
        drawn.add(tuple(explorer.values.tolist()))
    assert drawn == {tuple(row) for row in explorer.rows.tolist()}
    start = explorer.values.tolist()
    explorer.boxes["Bald"].value = True
    explorer.buttons["reset"].click()
    assert explorer.values.tolist() == start
    explorer.boxes["Bald"].value = True
    explorer.buttons["keep as before"].click()
    assert drawn_alike(explorer)


def drawn_alike(explorer):
    return drawn(explorer.face.value) == drawn(explorer.other.value)


def test_an_address_brings_everything_back(explorer):
    explorer.person.value = 1
    explorer.boxes["Bangs"].value = True
    address, picture, strip = explorer.address.value, explorer.picture, explorer.stations.value
    assert "labels=Bald,Bangs&person=1&before=Bald&strip=Bangs" == address
    explorer.person.value = None
    explorer.buttons["random"].click()
    assert explorer.picture != picture
    explorer.address.value = f"http://127.0.0.1:8000/#{address}"
    assert (explorer.picture, explorer.stations.value, explorer.address.value) == (picture, strip, address)
    explorer.address.value = "labels=Round_Ears"
    assert "Round_Ears&#x27;, which is no attribute" in explorer.news.value and explorer.picture == picture


def test_one_face_is_drawn_for_a_whole_set(explorer, monkeypatch):
    calls = []
    paint = explorer.paint
    monkeypatch.setattr(explorer, "paint", lambda a: calls.append(len(a)) or paint(a))
    explorer.show(np.ones(4))
    assert calls == [1, 1, widgets.STATIONS]  # now, before, strip


def test_a_saved_picture_says_that_it_is_synthetic(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explorer.buttons["save picture"].click()
    with Image.open(tmp_path / widgets.SAVED) as image:
        image.load()
        assert image.text["Title"] == "Synthetic face" and "with Smiling" in image.text["Description"]
        band = np.asarray(image.convert("L"))[512:]
    assert 0.01 < (band > 128).mean() < 0.3  # words on black
    assert str(widgets.SAVED) in explorer.news.value


def test_a_picture_that_cannot_be_saved_is_told(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / widgets.SAVED).mkdir()
    explorer.buttons["save picture"].click()
    assert f"{widgets.SAVED} cannot be written" in explorer.news.value


def test_an_error_leaves_the_explorer_listening(explorer):
    with pytest.raises(RuntimeError), explorer.silence():
        raise RuntimeError
    assert not explorer.silent
