"""What every registered model must do; a new family is tested by being registered."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import colorzoo
from colorzoo.colorizer import Colorizer

MODELS = colorzoo.list_models()
TRAINED = colorzoo.list_models(pretrained=True)

every_model = pytest.mark.parametrize("name", MODELS)
every_trained_model = pytest.mark.parametrize("name", TRAINED)


def build(name: str) -> Colorizer:
    torch.manual_seed(0)
    return colorzoo.create_model(name)


@every_model
def test_name_and_config(name):
    model = build(name)
    assert model.architecture == name == model.config["architecture"]
    assert json.loads(json.dumps(model.config)) == model.config
    assert not model.training
    assert model.work_size % model.stride == 0


@every_model
def test_size_is_what_the_zoo_allows(name):
    parameters = sum(parameter.numel() for parameter in build(name).parameters())
    assert parameters < 4e6, f"{name} has {parameters:,} parameters; the zoo holds up to 4 million"


@every_model
def test_forward_at_its_stride_and_a_batch_of_two(name):
    model = build(name)
    side = 2 * model.stride
    lightness = torch.rand(2, 1, side, 2 * side) * 100
    with torch.inference_mode():
        ab = model.to_ab(model(lightness))
        each = [model.to_ab(model(one[None])) for one in lightness]
    assert ab.shape[:2] == (2, 2)
    assert ab.isfinite().all()
    assert torch.allclose(ab, torch.cat(each), atol=1e-3)


@every_model
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (33, 65), (31, 97)])
def test_odd_sizes(name, size):
    model = build(name)
    with torch.inference_mode():
        ab = model.predict_ab(torch.rand(2, 1, *size) * 100)
    assert ab.shape == (2, 2, *size)
    assert ab.isfinite().all()


@every_model
def test_padding_is_cropped_off_again(name):
    """A picture padded by hand to a multiple of the stride gives the same colour in its middle."""
    model = build(name)
    side = 3 * model.stride
    if model.stride < 3:
        pytest.skip("a stride below 3 never pads on both sides")
    lightness = torch.rand(1, 1, side - 2, side - 2) * 100
    padded = torch.nn.functional.pad(lightness, (1, 1, 1, 1), mode="replicate")
    with torch.inference_mode():
        assert torch.equal(model.predict_ab(lightness), model.predict_ab(padded)[..., 1:-1, 1:-1])


@every_model
def test_every_parameter_gets_a_gradient(name):
    model = build(name).train()
    side = 4 * model.stride
    output = model(torch.rand(2, 1, side, side) * 100)
    output.float().square().mean().backward()
    still = [key for key, value in model.named_parameters() if value.grad is None]
    assert not still


@every_model
def test_overfits_one_picture(name):
    """A model that can learn at all reproduces a flat red and blue picture."""
    model = build(name).train()
    side = 4 * model.stride
    lightness = torch.full((2, 1, side, side), 30.0)
    lightness[..., side // 2 :] = 80
    truth = torch.zeros(2, 2, side, side)
    truth[:, 0, :, : side // 2], truth[:, 1, :, side // 2 :] = 50, -50
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    errors = []
    for _ in range(60):
        loss = (model.to_ab(model(lightness)) - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert min(errors) < 0.3 * errors[0]


@every_model
def test_save_and_load_give_the_same_picture(name, tmp_path, camera):
    model = build(name)
    model.save_pretrained(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == model.config
    small = camera[::8, ::8]
    before = np.asarray(model.colorize(small))
    for again in (
        colorzoo.load(tmp_path / "model"),
        type(model).from_pretrained(tmp_path / "model"),
    ):
        assert not again.training
        assert again.config == model.config
        for key, value in model.state_dict().items():
            assert torch.equal(value, again.state_dict()[key]), key
        assert (np.asarray(again.colorize(small)) == before).all()


@every_model
def test_colorize_is_deterministic(name, camera):
    model = build(name)
    first, second = (np.asarray(model.colorize(camera[::4, ::4])) for _ in range(2))
    assert (first == second).all()


@every_model
def test_work_size_can_be_given(name, camera):
    model = build(name)
    with pytest.raises(colorzoo.ConfigError, match="work_size"):
        model.colorize(camera, work_size=model.stride - 1)
    seen = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-2:]))
    for work_size in (2 * model.stride, 5 * model.stride):
        result = model.colorize(camera[:400], work_size=work_size)
        assert result.size == (512, 400)
        assert min(seen[-1]) == work_size < max(seen[-1])


@every_model
def test_unknown_keyword_is_refused(name):
    with pytest.raises(colorzoo.ConfigError, match="no keyword wdith; it takes .*work_size"):
        colorzoo.create_model(name, wdith=3)


@every_trained_model
def test_bundled_weights_are_half_precision_and_small(name):
    folder = colorzoo.model_info(name).weights
    assert folder is not None
    state = load_file(folder / "model.safetensors")
    assert {value.dtype for value in state.values()} <= {torch.float16, torch.int64}
    assert (folder / "model.safetensors").stat().st_size < 8 * 2**20


@every_trained_model
def test_bundled_weights_load_as_float32_and_colour(name, coffee):
    model = colorzoo.load(name)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    result = np.asarray(model.colorize(coffee)).astype(int)
    assert np.ptp(result, axis=-1).mean() > 3


@every_trained_model
def test_metrics_tell_how_they_were_measured(name):
    report = colorzoo.model_info(name).metrics
    assert report is not None
    assert report["model"] == name
    assert report["photos"] > 0 and report["commit"] and report["data"] == "test.tar"
    assert report["gray"].keys() == report["scores"].keys()


@pytest.mark.parametrize("name", ["autoencoder", "unet"])
def test_cautious_models_beat_gray(name):
    report = colorzoo.model_info(name).metrics
    assert report is not None
    for score in ("psnr", "auc"):
        assert report["scores"][score] > report["gray"][score]


def test_the_default_model_has_weights():
    assert colorzoo.DEFAULT_MODEL in TRAINED


def test_autoencoder_with_skips_sees_more():
    plain, skips = (colorzoo.create_model("autoencoder", skips=skips) for skips in (False, True))
    assert len(skips.state_dict()) == len(plain.state_dict())
    assert sum(p.numel() for p in skips.parameters()) > sum(p.numel() for p in plain.parameters())
    with torch.inference_mode():
        assert skips.predict_ab(torch.rand(1, 1, 40, 24) * 100).shape == (1, 2, 40, 24)
