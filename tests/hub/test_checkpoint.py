"""Files that are damaged, hostile or of another model are refused in a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzzing.worker import resident
from helpers import toy_families
from helpers.limits import used_by
from safetensors.torch import load_file, save_file

import colorzoo
from colorzoo import loading, registry


def test_missing_files_are_named(saved):
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(
        colorzoo.WeightsError, match=r"no model.safetensors in .*pytorch_model.bin.*any"
    ):
        colorzoo.load(saved)
    (saved / "config.json").unlink()
    with pytest.raises(colorzoo.ConfigError, match="no config.json"):
        colorzoo.load(saved)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "must contain a JSON object"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"width": ' + "1" * 2_000_000 + "}", "is too large for a model's config.json"),
        ('{"width": 2}', "has the architecture None"),
        ('{"architecture": ["unet"]}', r"has the architecture \['unet'\]"),
        ('{"architecture": "unet", "name": "x"}', "no keyword name"),
        ('{"architecture": "os.system"}', "'os.system'.*Registered are autoencoder"),
        ('{"architecture": "unet", "depth": 9}', "no keyword depth"),
        ('{"architecture": "unet", "width": "2"}', "cannot be built"),
    ],
)
def test_a_bad_config_is_refused(saved, text, message):
    (saved / "config.json").write_text(text)
    with pytest.raises(colorzoo.ConfigError, match=message):
        colorzoo.load(saved)


def test_an_unknown_architecture_tells_who_wrote_it(saved):
    config = {"architecture": "unet-next", "colorzoo_version": "9.1.0"}
    (saved / "config.json").write_text(json.dumps(config))
    ours = colorzoo.__version__
    message = f"'unet-next'.*colorzoo 9.1.0 wrote it and this is {ours}.*Registered are autoencoder"
    with pytest.raises(colorzoo.ConfigError, match=message):
        colorzoo.load(saved)
    (saved / "config.json").write_text(json.dumps({**config, "architecture": "unet", "deep": 1}))
    with pytest.raises(colorzoo.ConfigError, match="no keyword deep.*colorzoo 9.1.0 wrote it"):
        colorzoo.load(saved)


def test_configs_from_before_the_version_was_written_load(saved):
    config = json.loads((saved / "config.json").read_text())
    assert config.pop("colorzoo_version") == colorzoo.__version__
    (saved / "config.json").write_text(json.dumps(config))
    assert colorzoo.load(saved).config == config


@pytest.mark.parametrize(
    ("width", "error", "message"),
    [
        (
            10**6,
            colorzoo.ConfigError,
            "with 7,574,000,394,000,020 parameters; colorzoo loads",
        ),
        (10**12, colorzoo.ConfigError, "unet cannot be built with"),
        (10**30, colorzoo.ConfigError, "unet cannot be built with"),
        (300, colorzoo.WeightsError, "does not fit UNet"),  # 0.7 billion numbers: could be meant
    ],
)
def test_an_absurd_size_takes_no_memory(saved, monkeypatch, width, error, message):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "width": width}))
    build, devices = loading.build_model, []

    def watched(info, keywords):
        devices.append(str(torch.get_default_device()))
        return build(info, keywords)

    monkeypatch.setattr(loading, "build_model", watched)
    with pytest.raises(error, match=message) as caught:
        colorzoo.load(saved)
    assert devices == ["meta"] and "\n" not in str(caught.value)


def test_a_truncated_checkpoint_is_refused(saved):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(colorzoo.WeightsError, match="not a complete safetensors file"):
        colorzoo.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("head.bias"), "head.bias is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "extra is not in the architecture"),
        (
            lambda state: state.update({"head.bias": torch.zeros(3)}),
            r"head.bias has shape \(3,\), expected \(2,\)",
        ),
        (
            lambda state: state.update({"head.bias": torch.zeros(2, dtype=torch.int8)}),
            "head.bias has the type I8, expected a floating-point type",
        ),
    ],
)
def test_a_checkpoint_must_fit_exactly(saved, change, message):
    state = load_file(saved / "model.safetensors")
    change(state)
    save_file(state, saved / "model.safetensors")
    with pytest.raises(colorzoo.WeightsError, match=message):
        colorzoo.load(saved)
    with pytest.raises(colorzoo.WeightsError, match=message):
        registry.model_info("unet").family.from_pretrained(saved)


# Found by tests/fuzzing.
@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("head.weight", "F4", 4),  # packed: PyTorch sees half as many numbers
        ("head.weight", "F6_E2M3", 6),
        ("head.weight", "F6_E3M2", 6),
        ("encoder.0.1.num_batches_tracked", "C64", 8),  # the imaginary part would be dropped
    ],
)
def test_types_that_pytorch_packs_or_does_not_know_are_refused(tmp_path, name, kind, size):
    colorzoo.create_model("unet", width=4).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state[name] = torch.zeros(size, dtype=torch.uint8)  # (2, 4, 1, 1) of 4 or 6 bits, or a number
    shape = "[2,4,1,1]" if name == "head.weight" else "[]"
    save_file(state, tmp_path / "model.safetensors")
    data = (tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].decode()
    old = f'"{name}":{{"dtype":"U8","shape":[{size}]'
    assert old in header
    header = header.replace(old, f'"{name}":{{"dtype":"{kind}","shape":{shape}').encode()
    (tmp_path / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + data[8 + length :]
    )
    with pytest.raises(colorzoo.WeightsError, match=f"{name} has the type {kind}, expected"):
        colorzoo.load(tmp_path)


# Found by tests/fuzzing.
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(saved, value):
    state = load_file(saved / "model.safetensors")
    state["head.bias"][1] = value
    save_file(state, saved / "model.safetensors")
    with pytest.raises(colorzoo.WeightsError, match="NaN or infinity in head.bias: .*diverged"):
        colorzoo.load(saved)


# Found by tests/fuzzing.
@pytest.mark.parametrize("value", [10**30, 10**400])
def test_an_integer_beyond_floats_is_no_crash(saved, value, camera):
    family = registry.model_info("unet-bins").family
    colorzoo.create_model("unet-bins", width=1).save_pretrained(saved)
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "dial": [[1.0, value, 1.0]]}))
    for load in (colorzoo.load, family.from_pretrained):
        if value < 10**300:
            assert load(saved).colorize(camera).size == (512, 512)
        else:
            with pytest.raises(colorzoo.ConfigError, match="a point of the dial must be"):
                load(saved)


# Found by tests/fuzzing.
@pytest.mark.parametrize(
    "config",
    [
        {"architecture": "x" * 5_000},
        {"architecture": "unet", "k" * 5_000: 1},
        {"architecture": "unet", "width": "x" * 5_000},
        {"architecture": "unet", "\ud800": 1},
        {"architecture": "unet", "\x1b[2J": 1},
        {"architecture": "unet", "width": 2, "colorzoo_version": "\ud800"},
    ],
)
def test_what_a_config_says_is_quoted_so_that_it_can_be_read(saved, config):
    (saved / "config.json").write_text(json.dumps({"depth": 1, **config}))
    with pytest.raises(colorzoo.ConfigError) as caught:
        colorzoo.load(saved)
    text = str(caught.value)
    assert len(text) < 2_000 and "\x1b" not in text
    assert text.encode() and text.endswith((f"{colorzoo.__version__}.)", "imported first."))


# Found by tests/fuzzing.
@pytest.mark.parametrize("name", ["x" * 5_000, "\x1b[2J"])
def test_what_weights_say_is_quoted_so_that_it_can_be_read(saved, name):
    state = load_file(saved / "model.safetensors")
    save_file({**state, name: torch.zeros(1)}, saved / "model.safetensors")
    with pytest.raises(colorzoo.WeightsError, match="not in the architecture|must come from") as e:
        colorzoo.load(saved)
    assert len(str(e.value)) < 2_000 and "\x1b" not in str(e.value)


def test_weights_of_another_width_name_the_first_few(saved):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "width": 4}))
    with pytest.raises(colorzoo.WeightsError, match=r"expected .*; .*; .* and \d+ more"):
        colorzoo.load(saved)


# Foreign checkpoints ------------------------------------------------------------------------------


@pytest.fixture
def foreign(scratch_registry, tmp_path):
    """A model whose file has a wrapping prefix, in half precision, as others publish them."""
    toy_families.register()
    torch.manual_seed(0)
    model = colorzoo.create_model("toy-foreign")
    model.save_pretrained(tmp_path)
    state = {f"params.net.{key}": value.half() for key, value in model.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    return model, tmp_path


def test_foreign_names_are_converted(foreign, camera):
    model, folder = foreign
    small, half = camera[::8, ::8], model.half().float()
    expected = np.asarray(half.colorize(small))
    for again in (colorzoo.load(folder), type(model).from_pretrained(folder)):
        assert again.state_dict().keys() == {"layer.weight", "layer.bias"}
        assert again.dtype == torch.float32 and not again.training
        assert (np.asarray(again.colorize(small)) == expected).all()
    again.save_pretrained(folder / "own")  # from now on, under the names of the family
    assert load_file(folder / "own" / "model.safetensors").keys() == again.state_dict().keys()
    assert (np.asarray(colorzoo.load(folder / "own").colorize(small)) == expected).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("params.net.layer.bias"), "layer.bias is missing"),
        (lambda state: state.update({"params.net.x": torch.zeros(1)}), "x is not in the arch"),
        (
            lambda state: state.update({"params.net.layer.bias": torch.zeros(3)}),
            r"layer.bias has shape \(3,\), expected \(2,\)",
        ),
        (
            lambda state: state.update({"params.net.layer.bias": torch.tensor([0.0, torch.nan])}),
            "contains NaN or infinity in layer.bias",
        ),
    ],
)
def test_a_foreign_checkpoint_must_fit_exactly(foreign, change, message):
    _, folder = foreign
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")
    with pytest.raises(colorzoo.WeightsError, match=message):
        colorzoo.load(folder)


def test_a_checkpoint_that_cannot_be_converted_is_refused(foreign, monkeypatch):
    model, folder = foreign
    wanted = classmethod(lambda cls, state: {"layer.weight": state["generator.weight"]})
    monkeypatch.setattr(type(model), "convert_state", wanted)
    with pytest.raises(colorzoo.WeightsError, match="cannot be renamed .*generator"):
        colorzoo.load(folder)


def test_weights_that_are_read_in_parts_are_the_same(tmp_path, monkeypatch):
    bundled = colorzoo.load("unet-bins")
    bundled.save_pretrained(tmp_path)
    expected = {name: each.half().float() for name, each in bundled.state_dict().items()}
    bundled.half().save_pretrained(tmp_path / "half")
    monkeypatch.setattr("colorzoo.hub.checkpoint._PART_BYTES", 50_000)
    for folder in (tmp_path, tmp_path / "half"):
        model = colorzoo.load(folder)
        assert model.dtype == torch.float32 and model.state_dict().keys() == expected.keys()
        for name, each in model.state_dict().items():
            assert torch.allclose(each.float(), expected[name], rtol=1e-3, atol=1e-6), name


def memory_of_loading(folder, weights):
    """Load weights and tell how many times their size the process grew meanwhile."""
    colorzoo.load("unet")  # with what has to be imported
    Path("/proc/self/clear_refs").write_text("5")
    before, model = resident(), colorzoo.load(folder)
    assert model.parameter_count > 30_000_000
    return (resident(peak=True) - before) / weights


def test_loading_a_large_network_takes_its_size_once(tmp_path):
    colorzoo.create_model("eccv16").save_pretrained(tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    times = float(used_by(memory_of_loading, tmp_path, size).check())
    assert 0.9 < times < 1.7  # and not 2
