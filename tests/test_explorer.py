"""The face explorer as a page: its networks compute what torch does, and a real browser shows what they computed."""

import json

import browser
import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from lib import data, pretrained, toyfaces
from lib.explorer import description, export, npm

CHANGED = "Wearing_Hat"  # an attribute that is easily seen


@pytest.fixture(scope="module")
def ready():
    return pretrained.load(pretrained.SHOWN)


# --- Networks ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(ready, tmp_path_factory):
    """Runs an exported network on an array."""
    folder = tmp_path_factory.mktemp("networks")
    export.networks(ready, folder)
    sessions = {path.stem: onnxruntime.InferenceSession(path) for path in folder.glob("*.onnx")}
    return lambda name, rows: sessions[name].run(None, {"in": rows})[0]


def test_exported_networks_compute_what_torch_does(runs, ready):
    a = toyfaces.labels(1000, start=data.TOY_STARTS["test"]).astype(np.float32)
    with torch.inference_mode():
        z = ready.mapping.model(torch.from_numpy(a))
        x = ready.autoencoder.model.decoder(z)
        logits = export.judge(ready).model(x)
    assert np.abs(runs("phi", a) - z.numpy()).max() <= 1e-3
    assert np.abs(runs("decoder", runs("phi", a)) - x.numpy()).max() <= 1e-3
    assert np.abs(runs("judge", x.numpy()) - logits.numpy()).max() <= 1e-3


# --- The page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    try:
        return export.build(tmp_path_factory.mktemp("explorer"))
    except npm.NpmError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def offered(folder):
    return json.loads((folder / "explorer.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def address(folder):
    with browser.served(folder) as address:
        yield address


def settled(page):
    """Wait until all of the page is drawn."""
    page.wait_for_selector('#strip[aria-busy="false"]', state="attached", timeout=60_000)


@pytest.fixture
def explorer(page, address, offered):
    """The page with the face of the first preset's labels alone."""
    present = ",".join(offered["names"][i] for i in offered["presets"][0][1])
    page.goto(f"{address}/#labels={present}&strip=Smiling")
    settled(page)
    return page


def pixels(page, canvas="#face"):
    """What a canvas shows, uint8 (S, S, 3)."""
    side, values = page.locator(canvas).evaluate(
        "canvas => [canvas.width, [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.width).data]]"
    )
    return np.array(values, dtype=np.uint8).reshape(side, side, 4)[..., :3]


def labels(page):
    """The ticked attributes, (A,) bool."""
    return np.array([box.is_checked() for box in page.locator("#regions input").all()])[order(page)]


def order(page):
    """Where in the order of the page each attribute stands."""
    return np.argsort([int(box.get_attribute("id")[1:]) for box in page.locator("#regions input").all()])


def painted(ready, a, person=None):
    """What torch paints for labels (A,), uint8 (S, S, 3)."""
    phi, decoder = ready.mapping.model, ready.autoencoder.model.decoder
    with torch.inference_mode():
        z = phi(torch.tensor(np.array(a)[None], dtype=torch.float32))
        if person is not None:
            of_person = phi(torch.from_numpy(one_hot(person["labels"], len(ready.names)))[None])
            z = torch.tensor(person["z"]) + description.STEP * (z - of_person)
        return data.to_uint8(decoder(z))[0].permute(1, 2, 0).numpy()


def one_hot(places, length):
    return np.isin(np.arange(length), places).astype(np.float32)


def shows(page, expected, canvas="#face"):
    """Whether a canvas shows the picture, up to a step of rounding."""
    return np.abs(pixels(page, canvas).astype(int) - expected).max() <= 1


def test_the_folder_is_small_and_asks_nobody_for_anything(folder, explorer):
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 25_000_000
    blocked = explorer.evaluate("fetch('http://example.org').then(() => 'reached', () => 'blocked')")
    assert blocked == "blocked"  # by the page itself: the request never gets as far as the test's own fence


def test_a_click_changes_the_picture_to_what_torch_paints(explorer, ready, offered):
    first, a = pixels(explorer), labels(explorer)
    assert a.tolist() == one_hot(offered["presets"][0][1], len(a)).astype(bool).tolist()
    assert shows(explorer, painted(ready, a))
    explorer.get_by_role("checkbox", name="Wearing Hat").click()
    settled(explorer)
    a[ready.names.index(CHANGED)] ^= True
    assert labels(explorer).tolist() == a.tolist()
    assert np.abs(pixels(explorer).astype(int) - first).max() > 20
    assert shows(explorer, painted(ready, a))
    assert (pixels(explorer, "#before") == first).all()
    assert explorer.locator("#changes").inner_text() == "+ Wearing Hat"


def test_everything_can_be_done_by_keyboard(explorer, ready):
    reached = set()
    while (name := focused(explorer)) not in reached or not name:
        reached.add(name)
        explorer.keyboard.press("Tab")
    controls = explorer.locator("button, select, input:not([type=radio])").all()
    assert {control.get_attribute("id") or control.inner_text() for control in controls} <= reached
    explorer.locator(f"#a{ready.names.index(CHANGED)}").focus()
    first = pixels(explorer)
    explorer.keyboard.press("Space")
    settled(explorer)
    assert not (pixels(explorer) == first).all()
    assert shows(explorer, painted(ready, labels(explorer)))
    explorer.locator("#reset").focus()
    explorer.keyboard.press("Enter")
    settled(explorer)
    assert (pixels(explorer) == first).all()


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.innerText")


def test_a_person_stays_the_same_person(explorer, ready, offered):
    explorer.get_by_role("radio", name="Person 2").check()
    settled(explorer)
    person = offered["people"][1]
    a = one_hot(person["labels"], len(ready.names))
    assert labels(explorer).tolist() == a.astype(bool).tolist()
    assert shows(explorer, painted(ready, a, person))
    a[ready.names.index(CHANGED)] = 1 - a[ready.names.index(CHANGED)]
    explorer.get_by_role("checkbox", name="Wearing Hat").click()
    settled(explorer)
    assert shows(explorer, painted(ready, a, person)) and not shows(explorer, painted(ready, a))
    assert f"z + {description.STEP:g} (Φ" in explorer.locator(".formula").inner_text()


def test_it_opens_with_a_person_changed_and_the_change_is_seen(page, address, ready, offered):
    page.goto(address)
    settled(page)
    person = offered["people"][description.OPENING[0] - 1]
    own = one_hot(person["labels"], len(ready.names))
    assert np.flatnonzero(labels(page) != own.astype(bool)).tolist() == [ready.names.index("Wearing_Hat")]
    assert shows(page, painted(ready, labels(page), person))
    assert shows(page, painted(ready, own, person), "#before")
    assert page.locator("#changes").inner_text() == "+ Wearing Hat"
    assert "Wearing Hat" not in page.locator("#missed").inner_text()
    assert page.locator("#attribute option:checked").inner_text() == "Eyeglasses"


def test_a_preset_for_a_person_is_compared_with_the_person(explorer, ready, offered):
    explorer.get_by_role("radio", name="Person 2").check()
    explorer.get_by_role("button", name="a contradiction").click()
    settled(explorer)
    person = offered["people"][1]
    own = one_hot(person["labels"], len(ready.names))
    assert shows(explorer, painted(ready, own, person), "#before")
    explorer.get_by_role("button", name="Reset").click()
    settled(explorer)
    assert labels(explorer).tolist() == own.astype(bool).tolist()


@pytest.mark.parametrize("height", [700, 900, 1080])
def test_the_face_never_covers_the_strip(explorer, height):
    explorer.set_viewport_size({"width": 1280, "height": height})
    for share in (0, 0.5, 1):
        explorer.evaluate("share => scrollTo(0, share * document.body.scrollHeight)", share)
        face, strip = (explorer.locator(part).bounding_box() for part in (".stage", ".strip"))
        apart = face["x"] + face["width"] <= strip["x"] or face["y"] + face["height"] <= strip["y"]
        assert apart, (share, face, strip)


def test_the_strip_leads_one_label_from_off_to_on(explorer, ready):
    explorer.get_by_label("One label").select_option("Eyeglasses")
    settled(explorer)
    a = labels(explorer).astype(float)
    for station in range(7):
        a[ready.names.index("Eyeglasses")] = station / 6
        assert shows(explorer, painted(ready, a), f"#strip li:nth-child({station + 1}) canvas")


def test_what_the_judge_reads_stands_beside_what_was_asked(explorer, ready):
    explorer.get_by_role("button", name="a contradiction").click()
    settled(explorer)
    x = data.to_float(np.array(pixels(explorer).transpose(2, 0, 1))[None])
    with torch.inference_mode():
        expected = export.judge(ready).model(x)[0].sigmoid().numpy()
    numbers = [text.removeprefix("≠\u2009") for text in explorer.locator("#regions .number").all_inner_texts()]
    read = np.array([int(number.rstrip(" %")) for number in numbers])[order(explorer)]
    assert np.abs(read - 100 * expected).max() < 1
    asked, missed = labels(explorer), explorer.locator(".off label").all_inner_texts()
    wrong = [name.replace("_", " ") for i, name in enumerate(ready.names) if (expected[i] > 0.5) != asked[i]]
    assert wrong and sorted(missed) == sorted(wrong)
    assert f"reads {40 - len(wrong)} of 40 labels as asked" in explorer.locator("#score").inner_text()


def test_contradictions_are_said_in_sight_and_to_screen_readers(explorer):
    assert explorer.locator("#warnings").is_hidden()
    explorer.get_by_role("button", name="a contradiction").click()
    settled(explorer)
    said = "These contradict each other: Blond Hair and Gray Hair, Bald and Blond Hair, Bald and Bangs."
    assert said in explorer.locator("#warnings").inner_text()
    explorer.wait_for_function("said => document.querySelector('[role=status]').textContent.includes(said)", arg=said)
    assert "with Bald, Bangs, Blond Hair" in explorer.locator("#face").get_attribute("aria-label")


def test_presets_random_and_reset(explorer, offered):
    explorer.get_by_role("button", name="majority of each").click()
    settled(explorer)
    start = labels(explorer)
    assert start.tolist() == one_hot(dict(offered["presets"])["majority of each"], len(start)).astype(bool).tolist()
    explorer.get_by_role("checkbox", name="Smiling", exact=True).click()
    explorer.get_by_role("button", name="Reset").click()
    settled(explorer)
    assert labels(explorer).tolist() == start.tolist()
    drawn = set()
    for _ in range(3):
        explorer.get_by_role("button", name="Random").click()
        drawn.add(tuple(np.flatnonzero(labels(explorer)).tolist()))
    assert len(drawn) > 1 and drawn <= set(map(tuple, offered["rows"]))


def test_the_address_holds_the_face(explorer, address, chromium):
    explorer.get_by_role("radio", name="Person 3").check()
    explorer.get_by_role("checkbox", name="Bald", exact=True).click()
    explorer.get_by_role("button", name="Keep as").click()
    explorer.get_by_role("checkbox", name="Wearing Hat").click()
    settled(explorer)
    other = chromium.new_page()
    other.goto(explorer.url)
    settled(other)
    for canvas in ("#face", "#before", "#strip li:first-child canvas"):
        assert (pixels(other, canvas) == pixels(explorer, canvas)).all()
    assert (
        other.get_by_role("radio", name="Person 3").is_checked() and labels(other).tolist() == labels(explorer).tolist()
    )
    assert other.locator("#attribute option:checked").inner_text() == "Wearing Hat"
    other.close()


@pytest.mark.parametrize("wrong", ["labels=Smiling,Round_Ears", "labels=Smiling&person=99"])
def test_an_address_that_does_not_fit_is_told(page, address, wrong):
    page.goto(f"{address}/#{wrong}")
    settled(page)
    assert wrong.rpartition(",")[2].rpartition("=")[2] in page.locator("#warnings").inner_text()


def test_a_saved_picture_says_that_it_is_synthetic(explorer):
    said = explorer.locator("#face").get_attribute("aria-label")
    assert "synthetic face" in said and "with " in said
    with explorer.expect_download() as download:
        explorer.get_by_role("button", name="Save picture").click()
    with Image.open(download.value.path()) as image:
        image.load()
        assert image.text["Title"] == "Synthetic face"
        assert image.text["Description"].startswith(f"{said}; made from labels")
        saved = np.asarray(image.convert("L"))
    assert saved.shape == (552, 512)
    band = saved[512:]
    assert band.min() == 0 and band.max() > 200 and 0.01 < (band > 128).mean() < 0.3  # words on black
    small = np.asarray(Image.fromarray(saved[:512]).resize(pixels(explorer).shape[:2], Image.Resampling.BOX), dtype=int)
    assert np.abs(small - pixels(explorer).mean(axis=2)).mean() < 10


@pytest.mark.parametrize(
    "window", [browser.PHONE, {"width": 640, "height": 450}, browser.DESKTOP], ids=["phone", "200 %", "desktop"]
)
def test_nobody_has_to_scroll_sideways(explorer, window):
    explorer.set_viewport_size(window)
    assert browser.overflow(explorer) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readers_of_all_kinds_can_use_it(explorer, scheme):
    explorer.emulate_media(color_scheme=scheme)
    explorer.get_by_role("button", name="a contradiction").click()
    settled(explorer)
    assert browser.violations(explorer) == []
