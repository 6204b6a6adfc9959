"""Machinery of the families on encoders of timm's: padding, and the normalisation of the input."""

import pytest
import torch

import colorzoo


def test_same_padding_is_that_of_timm():
    import timm

    ours = colorzoo.create_model(
        "efficientnet-bins", encoder="mobilenetv2_100", same_padding=True
    ).get_submodule("encoder")
    theirs = timm.create_model(
        "mobilenetv2_100", features_only=True, feature_cls="getter", pad_type="same"
    ).eval()
    theirs.load_state_dict(ours.state_dict())
    picture = torch.rand(2, 3, 96, 64)
    with torch.inference_mode():
        for mine, other in zip(ours(picture), theirs(picture), strict=True):
            assert torch.equal(mine, other)


# One with the usual ImageNet values, one with others.
@pytest.mark.parametrize("encoder", ["resnet18", "tf_mobilenetv3_small_100"])
@pytest.mark.parametrize("name", ["resnet34", "efficientnet-bins"])
def test_the_input_is_normalised_as_timm_says_of_that_encoder(name, encoder):
    import timm

    model = colorzoo.create_model(name, encoder=encoder)
    known = timm.get_pretrained_cfg(encoder)
    assert known is not None
    for key, values in (("mean", known.mean), ("std", known.std)):
        assert model.state_dict()[f"normalize.{key}"].flatten().tolist() == pytest.approx(values)
    seen = []
    model.get_submodule("encoder").register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        model.predict_ab(torch.full((1, 1, 64, 64), 40.0))
    expected = [(0.4 - mean) / std for mean, std in zip(known.mean, known.std, strict=True)]
    assert seen[0][0, :, 5, 5].tolist() == pytest.approx(expected, rel=1e-4)


def test_the_normalisation_travels_with_the_weights(tmp_path):
    """Weights of another source may want other values than timm's configuration has today."""
    model = colorzoo.create_model("resnet34", encoder="resnet18", width=8)
    model.get_buffer("normalize.mean").fill_(0.25)
    model.get_buffer("normalize.std").fill_(2.0)
    model.save_pretrained(tmp_path)
    again = colorzoo.load(tmp_path)
    assert again.get_buffer("normalize.mean").unique().tolist() == [0.25]
    lightness = torch.rand(1, 1, 40, 48) * 100
    with torch.inference_mode():
        expected = again.predict_ab(lightness)
        assert torch.allclose(model.predict_ab(lightness), expected, atol=1e-3)
        again.get_buffer("normalize.mean").fill_(0.5)
        assert not torch.allclose(again.predict_ab(lightness), expected, atol=1e-3)
