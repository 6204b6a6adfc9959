"""The decoder on an encoder of timm's at stride 8."""

import pytest
import torch

import colorzoo


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenetv2_100", "convnext_atto"])
def test_timm_encoders_can_be_exchanged(encoder, tmp_path):
    model = colorzoo.create_model("resnet34", encoder=encoder, width=32).train()
    model(torch.rand(2, 1, 64, 64) * 100).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval().save_pretrained(tmp_path)
    again = colorzoo.load(tmp_path)
    assert again.config["encoder"] == encoder
    lightness = torch.rand(1, 1, 45, 31) * 100
    with torch.inference_mode():
        # Not to the last bit: what is loaded keeps its channels in another order.
        assert torch.allclose(again.predict_ab(lightness), model.predict_ab(lightness), atol=1e-3)


def test_resnet34_is_cut_after_its_sixth_child():
    """Stem of four children and two stages: stride 8, 128 channels, nothing deeper."""
    model = colorzoo.create_model("resnet34")
    keys = [key for key in model.state_dict() if key.startswith("encoder")]
    assert any(".layer2.3." in key for key in keys)
    assert not any("layer3" in key or "fc" in key for key in keys)
    with torch.inference_mode():
        features = model.encoder(torch.rand(1, 3, 64, 64))  # pyright: ignore
    assert [tuple(each.shape) for each in features] == [(1, 128, 8, 8)]


def test_wrong_encoders_are_explained():
    with pytest.raises(colorzoo.ConfigError, match="no model called 'resnet3'. Did you mean"):
        colorzoo.create_model("resnet34", encoder="resnet3")
    with pytest.raises(colorzoo.ConfigError, match="no features at stride 8"):
        colorzoo.create_model("resnet34", encoder="vit_tiny_patch16_224")
