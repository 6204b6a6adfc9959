"""The U-Net on an encoder of timm's."""

import pytest
import torch

import colorzoo
from colorzoo.models.timm_unet import TimmUNet


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("output_stride", [2, 4])
def test_timm_unet_in_all_its_forms(attention, output_stride, tmp_path):
    model = colorzoo.create_model(
        "efficientnet-bins", attention=attention, output_stride=output_stride, width=16
    ).train()
    model(torch.rand(2, 1, 64, 64) * 100).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval().save_pretrained(tmp_path)
    again = colorzoo.load(tmp_path)
    lightness = torch.rand(1, 1, 45, 31) * 100
    with torch.inference_mode():
        assert again(torch.rand(1, 1, 64, 32)).shape == (
            1, 313, 64 // output_stride, 32 // output_stride
        )  # fmt: skip
        # Not to the last bit: what is loaded keeps its channels in another order.
        assert torch.allclose(again.predict_ab(lightness), model.predict_ab(lightness), atol=1e-3)


def test_attention_carries_what_is_far_off():
    """One corner's picture changes the colour of the other one's only through attention."""
    lightness = torch.full((1, 1, 640, 64), 50.0)
    other = lightness.clone()
    other[:, :, :64] = torch.rand(64, 64) * 100
    torch.manual_seed(0)
    model = colorzoo.create_model("efficientnet-bins", attention=True, encoder="resnet18")
    with torch.inference_mode():
        far = slice(576 // 4, None)
        alone = [model(each)[:, :, far] for each in (lightness, other)]
        torch.nn.init.constant_(model.get_parameter("attention.share"), 1.0)
        together = [model(each)[:, :, far] for each in (lightness, other)]
    assert torch.equal(*alone) and not torch.equal(*together)


def test_a_mirrored_photo_gets_the_mirrored_answer():
    torch.manual_seed(0)
    model = TimmUNet(mirror=True).eval()
    lightness = torch.rand(2, 1, 64, 96) * 100

    def difference() -> float:
        answer, other = model(lightness), model(lightness.flip(-1)).flip(-1)
        return float((answer - other).abs().max() / answer.abs().max())

    with torch.inference_mode():
        assert difference() < 1e-5
        model.mirror = False
        assert difference() > 1e-2
        alone = model(lightness)
        model.mirror = True
        assert not torch.allclose(model(lightness), alone)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # so that training differs in nothing else
    assert torch.allclose(model(lightness), alone, atol=1e-5)


def test_timm_unet_takes_other_encoders():
    model = colorzoo.create_model("efficientnet-bins", encoder="resnet18")
    with torch.inference_mode():
        assert model.predict_ab(torch.rand(1, 1, 40, 50) * 100).shape == (1, 2, 40, 50)
    with pytest.raises(colorzoo.ConfigError, match="output_stride must be 2 or 4, got 8"):
        colorzoo.create_model("efficientnet-bins", output_stride=8)
    with pytest.raises(colorzoo.ConfigError, match="no features at stride 2, 4, 8, 16, 32"):
        colorzoo.create_model("efficientnet-bins", encoder="convnext_atto")


@pytest.mark.parametrize("settings", [{}, {"same_padding": True}, {"encoder": "resnet18"}])
def test_hints_reach_the_network(settings):
    torch.manual_seed(0)
    model = colorzoo.create_model("efficientnet-bins-hints", width=16, mirror=True, **settings)
    plain = colorzoo.create_model("efficientnet-bins", width=16, mirror=True, **settings)
    state = {key: value for key, value in model.state_dict().items() if ".hints." not in key}
    plain.load_state_dict(state)
    (weight,) = (value for key, value in model.named_parameters() if key.endswith(".hints.weight"))
    lightness, hints = torch.rand(2, 1, 64, 96) * 100, torch.zeros(2, 3, 64, 96)
    hints[:, :, 8:12, 16:20] = torch.tensor([30.0, -20.0, 1.0]).reshape(3, 1, 1)
    with torch.inference_mode():
        assert not weight.any() and torch.equal(model(lightness), plain(lightness))
        assert torch.equal(model(lightness, hints), plain(lightness))
        torch.nn.init.normal_(weight)
        assert torch.equal(model(lightness), plain(lightness))
        changed = (model(lightness, hints) - plain(lightness)).abs().amax(dim=1)[0]
        assert changed[2:3, 4:5].min() > 10 * changed[:, 16:].median() > 0
        other = model(lightness.flip(-1), hints.flip(-1)).flip(-1)
        assert (other - model(lightness, hints)).abs().max() < 1e-4 * other.abs().max()
    with pytest.raises(colorzoo.ConfigError, match="build it with hints=True"):
        plain(lightness, hints)


def test_hints_need_a_plain_convolution_to_begin_with():
    with pytest.raises(colorzoo.ConfigError, match="cannot get hints, because it begins with a Sc"):
        colorzoo.create_model("efficientnet-bins-hints", encoder="nf_regnet_b0")
