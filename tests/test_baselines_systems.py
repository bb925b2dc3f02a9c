"""What all compared systems keep to: shapes, who is moved by which step, repetition, stages, faces for labels."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from lib import config, stages
from lib.baselines import attgan, dcgan, icgan, relgan, stargan
from lib.data import FaceData

NAMES = ("Black_Hair", "Blond_Hair", "Male", "Smiling", "Young")
SYSTEMS = {  # stage: (module, entry, changes that make it tiny)
    "dcgan_labels": (dcgan, dcgan.from_labels, {"filters": 2, "decoder_filters": 2, "embedding": 4}),
    "dcgan_noise": (dcgan, dcgan.from_noise, {"filters": 2, "noise": 4}),
    "icgan": (
        icgan,
        icgan.icgan,
        {"filters": 2, "encoder_filters": 2, "features": 4, "noise": 4, "encoder_share": 0.25, "epochs": 1},
    ),
    "stargan": (stargan, stargan.stargan, {"filters": 2, "blocks": 1, "critic_filters": 2, "n_critic": 2}),
    "attgan": (attgan, attgan.attgan, {"filters": 2, "critic_filters": 2, "features": 4, "n_critic": 2}),
    "relgan": (relgan, relgan.relgan, {"filters": 2, "blocks": 1, "critic_filters": 2}),
}
EDITORS = ("icgan", "stargan", "attgan", "relgan")
every_system = pytest.mark.parametrize("stage", SYSTEMS)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


def settings_of(stage, attributes=NAMES, size=32, **changes):
    module, _, tiny = SYSTEMS[stage]
    names = () if stage == "dcgan_noise" else attributes
    changes = tiny | {"batch_size": 4, "epochs": 2, "learning_rate": 1e-3} | changes
    return dataclasses.replace(module.PROFILES["ci"], size=size, attributes=names, **changes)


def tensors(attributes=5, size=32, n=8):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (n, 3, 4, 4), dtype=torch.uint8, generator=generator)
    images = coarse.repeat_interleave(size // 4, dim=2).repeat_interleave(size // 4, dim=3)
    return images, torch.rand(n, attributes, generator=generator) < 0.5


def loop(stage, accelerator, state=None, settings=None, data=None):
    settings = settings or settings_of(stage)
    state = state or SYSTEMS[stage][0].new_state(settings, "cpu")
    return state, SYSTEMS[stage][0].train(accelerator, state, *(data or tensors()), settings)


def parameters(module):
    return [p.detach().clone() for p in module.parameters()]


def same(one, other):
    return all(torch.equal(p, q) for p, q in zip(one, other, strict=True))


@every_system
@pytest.mark.parametrize("size, attributes", [(32, 5), (32, 40), (64, 13)])
def test_any_number_of_attributes_at_both_sizes(accelerator, stage, size, attributes):
    names = tuple(f"attribute {i}" for i in range(attributes))
    settings = settings_of(stage, names, size, epochs=1)
    state, steps = loop(stage, accelerator, settings=settings, data=tensors(attributes, size))
    records = list(steps)
    assert len(records) == state.step == 2
    assert all(value.isfinite() for record in records for value in record.values())
    model = state.modules["model"].eval()
    if stage == "dcgan_noise":
        x_hat = dcgan.sample(model, 3, seed=0)
    else:
        x, source = torch.zeros(3, 3, size, size), torch.zeros(3, attributes)
        x_hat = SYSTEMS[stage][0].generate(model, 1 - source, x, source)
    assert x_hat.shape == (3, 3, size, size)


@every_system
def test_each_step_moves_its_own_player_alone(accelerator, stage, monkeypatch):
    state, steps = loop(stage, accelerator)
    critic = next(name for name in state.modules if name != "model")
    moves = []
    for name, optimizer in state.optimizers.items():

        def step(name=name, original=optimizer.step):
            before = {which: parameters(module) for which, module in state.modules.items()}
            original()
            moves.append((name, {w for w, m in state.modules.items() if not same(before[w], parameters(m))}))

        monkeypatch.setattr(optimizer, "step", step)
    records = [next(steps), next(steps)]
    per_generator_step = getattr(settings_of(stage), "n_critic", 1)
    expected = [critic, critic, "model"] if per_generator_step == 2 else 2 * [critic, "model"]
    assert moves == [(name, {name}) for name in expected]
    assert ("generator" in records[0]) == (per_generator_step == 1) and "generator" in records[1]


@every_system
def test_nothing_moves_between_the_steps(accelerator, stage, monkeypatch):
    """Parameters change inside `optimizer.step` only: without it the whole loop leaves them bit-identical."""
    state, steps = loop(stage, accelerator)
    for optimizer in state.optimizers.values():
        monkeypatch.setattr(optimizer, "step", lambda: None)
    before = parameters(state.modules)
    list(steps)
    assert same(before, parameters(state.modules))


@every_system
def test_a_resumed_run_repeats_a_straight_one_bit_by_bit(accelerator, stage):
    state, steps = loop(stage, accelerator)
    records = []
    for record in steps:
        records.append(record)
        if state.step == 1:  # between two steps of a generator
            saved = copy.deepcopy(state.state_dict())
    resumed, _ = loop(stage, accelerator)
    resumed.load_state_dict(saved)
    torch.manual_seed(1234)  # the chance of the loops is their own
    assert list(loop(stage, accelerator, state=resumed)[1]) == records[1:]
    for name, tensor in state.modules.state_dict().items():
        assert torch.equal(tensor, resumed.modules.state_dict()[name]), name


@every_system
def test_another_seed_is_another_run(accelerator, stage):
    curves = [list(loop(stage, accelerator, settings=settings_of(stage, seed=seed))[1]) for seed in (0, 1)]
    assert curves[0] != curves[1]


@pytest.mark.parametrize("stage", [stage for stage in SYSTEMS if stage != "dcgan_noise"])
def test_one_label_changes_the_image_and_the_same_labels_do_not(stage):
    state = SYSTEMS[stage][0].new_state(settings_of(stage), "cpu")
    model, generate = state.modules["model"].eval(), SYSTEMS[stage][0].generate
    x, source = torch.rand(2, 3, 32, 32) * 2 - 1, torch.zeros(2, len(NAMES))
    wished = source.clone()
    wished[0, 2] = 1
    one, other, again = (generate(model, a, x, source) for a in (source, wished, source))
    assert torch.equal(one, again)
    assert not torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


@pytest.mark.parametrize("stage", EDITORS)
def test_an_editor_looks_at_the_face(stage):
    model = SYSTEMS[stage][0].new_state(settings_of(stage), "cpu").modules["model"].eval()
    a = torch.zeros(2, len(NAMES))
    one, other = SYSTEMS[stage][0].generate(
        model, a, torch.tensor([-0.5, 0.5]).view(2, 1, 1, 1).expand(2, 3, 32, 32), a
    )
    assert not torch.allclose(one, other)


@every_system
@pytest.mark.parametrize("player", ["critic", "model"])
def test_a_player_gains_on_one_that_stands_still(accelerator, stage, player, monkeypatch):
    settings = settings_of(stage, epochs=12, learning_rate=3e-3, batch_size=8)
    state, steps = loop(stage, accelerator, settings=settings)
    for name, optimizer in state.optimizers.items():
        if (name == "model") != (player == "model"):
            monkeypatch.setattr(optimizer, "step", lambda: None)
    records = list(steps)
    loss = "generator" if player == "model" else next(iter(records[0]))
    values = [record[loss].item() for record in records if loss in record]
    assert np.mean(values[-3:]) < np.mean(values[:3])


@pytest.fixture(scope="module")
def faces():
    images, a = tensors(n=12)
    split = np.array(["train"] * 8 + ["val"] * 2 + ["test"] * 2)
    return FaceData(images.numpy(), a.numpy(), NAMES, split, np.arange(12).astype(str), "noise", "0123abcd")


@every_system
def test_stages_keep_what_was_trained(faces, stage, tmp_path, monkeypatch):
    run = config.Run(config.PROFILES["ci"], "toy", 0, tmp_path)
    module, entry, tiny = SYSTEMS[stage]
    trained = entry(run, faces, **tiny, batch_size=4)
    assert trained.folder.name.startswith(f"{stage}-")
    monkeypatch.setattr(module, "train", lambda *_: pytest.fail("trained again"))
    again = entry(run, faces, **tiny, batch_size=4)
    assert again.config == trained.config and again.config.attributes == (() if stage == "dcgan_noise" else NAMES)
    assert same(trained.model.state_dict().values(), again.model.state_dict().values())
    assert not again.model.training and stages.load(trained.folder).config == trained.config
    assert again.log["step"].iloc[-1] == 2


def test_icgan_trains_its_encoders_last_and_leaves_the_generator_alone_meanwhile(accelerator):
    state, steps = loop("icgan", accelerator, settings=settings_of("icgan", epochs=2, encoder_share=0.25))
    model = state.modules["model"]

    def parts():
        return {name: copy.deepcopy(module.state_dict()) for name, module in model.named_children()}

    seen, records = [parts()], []
    for record in steps:
        seen.append(parts())
        records.append(sorted(record))
    assert records == [["discriminator", "generator"]] * 3 + [["encoder_y", "encoder_z"]]
    expected = [["generator"]] * 3 + [["encoder_z", "encoder_y"]]
    for before, after, moved in zip(seen[:-1], seen[1:], expected, strict=True):
        changed = [name for name in before if not same(before[name].values(), after[name].values())]
        assert changed == moved  # the statistics of batch norm included


def test_icgan_encoders_learn_to_invert_the_generator(accelerator):
    settings = settings_of("icgan", epochs=60, encoder_share=1.0, batch_size=8, encoder_learning_rate=1e-2)
    records = list(loop("icgan", accelerator, settings=settings)[1])
    for name in ("encoder_z", "encoder_y"):
        values = [record[name].item() for record in records]
        assert np.mean(values[-5:]) < 0.9 * np.mean(values[:5]), name


@every_system
def test_profiles_are_those_of_the_course(stage):
    assert set(SYSTEMS[stage][0].PROFILES) == set(config.PROFILES)
