"""DDColor gives the results of another implementation, spandrel's port of the authors' code."""

import pytest
import torch
from helpers.layouts import layout, random_checkpoint

import colorzoo
from colorzoo.color import lightness_to_rgb
from colorzoo.models.ddcolor import DDColor

SMALL = {"encoder": "convnext_atto", "width": 32, "queries": 6, "layers": 3, "work_size": 64}


def small(**config):
    torch.manual_seed(0)
    return colorzoo.create_model("ddcolor-tiny", **SMALL, **config)


def theirs(encoder, state):
    port = pytest.importorskip("spandrel_extra_arches.architectures.DDColor", reason="test extra")
    network = port.DDColor(
        encoder_name=encoder,
        input_size=(32, 32),
        num_output_channels=2,
        last_norm="Spectral",
        num_queries=100,
    )
    network.load_state_dict(state, strict=True)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "encoder", "sizes"),
    [
        ("ddcolor-tiny", "convnext-t", [(64, 64), (32, 96)]),
        pytest.param("ddcolor", "convnext-l", [(32, 64)], marks=pytest.mark.slow),
    ],
)
def test_it_computes_what_the_port_computes(name, encoder, sizes):
    state = random_checkpoint(name)
    # Their last layer is normalised, so ab would only be around 1.
    state["decoder.color_decoder.color_embed.layers.2.weight"] *= 10
    port = theirs(encoder, state)
    keywords = DDColor.recognize(layout(name))
    model = colorzoo.create_model(name)
    assert keywords is not None and keywords.items() <= model.config.items()
    model.load_state_dict(DDColor.convert_state(state), strict=True)
    for size in sizes:
        lightness = torch.rand(2, 1, *size) * 100
        with torch.inference_mode():
            expected = port(lightness_to_rgb(lightness))
            found = model(lightness)
        assert expected.abs().max() > 5
        assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["ddcolor-tiny", "ddcolor"])
def test_the_published_layout_is_complete(name):
    with torch.device("meta"):
        model = DDColor(**dict(colorzoo.model_info(name).config))
    blank = {key: torch.empty(shape, device="meta") for key, shape in layout(name).items()}
    found = DDColor.convert_state(blank)
    assert {key: value.shape for key, value in found.items()} == {
        key: value.shape for key, value in model.state_dict().items()
    }
    again = DDColor.convert_state(found)
    assert again.keys() == found.keys() and all(again[key] is found[key] for key in found)


def test_variants_of_the_file_are_the_same_network():
    state = random_checkpoint("ddcolor-tiny", keep="refine_net")
    state |= random_checkpoint("ddcolor-tiny", keep="decoder.layers.0")
    plain = DDColor.convert_state(dict(state))
    assert plain["mean"].shape == (1, 3, 1, 1)  # some files lack mean and std
    # Some have the head of the classifier, of whatever size.
    more = {"encoder.arch.head_cls.weight": torch.zeros(4, 768), "encoder.arch.norm.bias": state[
        "refine_net.0.0.bias"]}  # fmt: skip
    assert DDColor.convert_state(state | more).keys() == plain.keys()
    # PyTorch's newer layout of spectral norm, and files where it is folded already.
    layers = [key.removesuffix("weight_orig") for key in state if key.endswith("weight_orig")]
    newer, folded = dict(state), dict(state)
    for layer in layers:
        place = f"{layer}parametrizations.weight"
        newer[f"{place}.original"] = newer.pop(f"{layer}weight_orig")
        newer[f"{place}.0._u"] = newer.pop(f"{layer}weight_u")
        newer[f"{place}.0._v"] = newer.pop(f"{layer}weight_v")
        for part in ("orig", "u", "v"):
            del folded[f"{layer}weight_{part}"]
        norm = torch.linalg.matrix_norm(state[f"{layer}weight_orig"].flatten(1), 2)
        folded[f"{layer}weight"] = state[f"{layer}weight_orig"] / norm
    assert len(layers) == 3
    for other, apart in ((newer, 0), (folded, 0.2)):  # three steps find the norm only roughly
        found = DDColor.convert_state(other)
        assert found.keys() == plain.keys()
        for key, value in plain.items():
            assert torch.allclose(found[key], value, rtol=apart, atol=0), key
    # Half precision is folded in more.
    half = DDColor.convert_state({key: value.half() for key, value in state.items()})
    assert half["up.0.enlarge.0.weight"].dtype == torch.float32
    difference = half["up.0.enlarge.0.weight"] - plain["up.0.enlarge.0.weight"]
    assert difference.abs().max() < 1e-3 * plain["up.0.enlarge.0.weight"].abs().max()


def test_what_is_unknown_stays_in_the_file():
    """Strict loading then names it."""
    state = random_checkpoint("ddcolor-tiny", keep="refine_net") | {
        "encoder.arch.stages.0.0.extra": torch.zeros(1),
        "decoder.new_part.weight": torch.zeros(1),
        "lone.weight_orig": torch.zeros(1, 1),
    }
    found = DDColor.convert_state(state)
    assert "encoder.model.stages.0.blocks.0.extra" in found
    assert {"decoder.new_part.weight", "lone.weight_orig"} <= found.keys()


def test_other_networks_are_not_recognized():
    shapes = layout("ddcolor-tiny")
    assert DDColor.recognize(colorzoo_shapes := _shapes(small())) is None  # not published
    assert colorzoo_shapes
    assert DDColor.recognize(layout("siggraph17")) is None
    assert DDColor.recognize({}) is None
    refine = "refine_net.0.0.weight_orig"
    for other in (
        {key: shape for key, shape in shapes.items() if ".stages.3." not in key},
        shapes | {refine: (3, *shapes[refine][1:])},  # RGB instead of ab
        shapes | {"decoder.color_decoder.level_embed.weight": (1, 256)},
        {key: shape for key, shape in shapes.items() if "refine" not in key},
    ):
        assert DDColor.recognize(other) is None
    assert DDColor.recognize(_shapes(DDColor())) == DDColor.recognize(shapes)


def _shapes(model):
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


def test_positions_are_those_of_a_bounding_box_from_0_to_2_pi():
    """The first two numbers of a row are the sine and cosine of its share of the height."""
    from colorzoo.models.ddcolor import _positions

    found = _positions(torch.zeros(1, 3, 2, 4), 8)
    assert found.shape == (8, 8)
    half, whole = torch.pi, 2 * torch.pi
    assert torch.allclose(found[0, 0], torch.tensor(half).sin(), atol=1e-5)
    assert torch.allclose(found[-1, 1], torch.tensor(whole).cos(), atol=1e-5)
    assert torch.allclose(found[0, 4], torch.tensor(half / 2).sin(), atol=1e-5)  # x, a quarter
    assert torch.allclose(found[0, 6], torch.tensor(half / 200).sin(), atol=1e-5)  # slower


def test_the_clamp_is_not_part_of_the_authors_protocol():
    wild = torch.tensor([-180.0, 140.0]).reshape(1, 2, 1, 1)
    assert small().to_ab(wild).flatten().tolist() == [-128, 127]
    assert torch.equal(small(exact=True).to_ab(wild), wild)


def test_wrong_keywords_are_explained():
    for width in (0, 8, 40):
        with pytest.raises(colorzoo.ConfigError, match=f"multiple of 16, got {width}"):
            colorzoo.create_model("ddcolor-tiny", **SMALL | {"width": width})
    with pytest.raises(colorzoo.ConfigError, match="timm has no model called 'convnext_huge'"):
        colorzoo.create_model("ddcolor", encoder="convnext_huge")
