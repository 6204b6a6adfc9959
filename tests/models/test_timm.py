"""Machinery of the families on encoders of timm's: padding, and the normalisation of the input."""

import copy

import pytest
import torch

import colorzoo
from colorzoo.models._efficientnet import EfficientNetLite
from colorzoo.models._timm import build_encoder


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


@pytest.fixture(scope="module")
def lite():
    """Our own EfficientNet-Lite0 and timm's, with the same weights."""
    import timm

    torch.manual_seed(0)
    ours, channels = build_encoder("tf_efficientnet_lite0", (2, 4, 8, 16, 32))
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, feature_cls="getter")
    assert isinstance(ours, EfficientNetLite) and channels == theirs.feature_info.channels()
    spreads = [
        [
            float(each.detach().std())
            for each in model.parameters()
            if each.ndim == 4 and each.numel() > 4000
        ]
        for model in (ours, theirs)
    ]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.1)  # drawn from the same distributions
    for norm in theirs.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias)
            torch.nn.init.normal_(norm.running_mean)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_our_efficientnet_is_that_of_timm(lite, is_training, memory_format):
    results = []
    for model in lite:
        model = copy.deepcopy(model).train(is_training).to(memory_format=memory_format)
        picture = torch.rand(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))
        maps = model(picture.requires_grad_())
        sum(each.square().mean() for each in maps).backward()
        results.append([*maps, *(each.grad for each in model.parameters()), *model.buffers()])
        results[-1].append(picture.grad)
    assert len(results[0]) == len(results[1]) > 200
    assert all(torch.equal(mine, other) for mine, other in zip(*results, strict=True))


@pytest.mark.parametrize("strides", [(8,), (4, 8, 16), (2, 32)])
def test_our_efficientnet_stops_at_the_last_stage_that_is_needed(lite, strides):
    import timm

    ours, channels = build_encoder("tf_efficientnet_lite0", strides)
    places = tuple((2, 4, 8, 16, 32).index(each) for each in strides)
    theirs = timm.create_model(
        "tf_efficientnet_lite0", features_only=True, feature_cls="getter", out_indices=places
    )
    assert channels == theirs.feature_info.channels()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(lite[0].state_dict(), strict=False)
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        maps = lite[0].eval()(picture)
        found = ours.eval()(picture)
    assert [each.shape[-1] for each in found] == [64 // stride for stride in strides]
    assert all(torch.equal(found[i], maps[place]) for i, place in enumerate(places))


# With the usual ImageNet values, with others, and our own.
@pytest.mark.parametrize(
    "encoder", ["resnet18", "tf_mobilenetv3_small_100", "tf_efficientnet_lite0"]
)
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
