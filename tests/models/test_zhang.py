"""The networks of Zhang et al., computed once more from the tables in the papers and release."""

import pytest
import torch
from helpers.layouts import layout, random_checkpoint
from torch.nn import functional as F

import colorzoo
from colorzoo import Hint
from colorzoo.ab_bins import bin_centres
from colorzoo.models.eccv16 import ECCV16
from colorzoo.models.siggraph17 import SIGGRAPH17

FAMILIES = {"eccv16": ECCV16, "siggraph17": SIGGRAPH17}
# Stage: convolutions, stride of the last one in eccv16, dilation.
TABLE = {
    1: (2, 2, 1),
    2: (2, 2, 1),
    3: (3, 2, 1),
    4: (3, 1, 1),
    5: (3, 1, 2),
    6: (3, 1, 2),
    7: (3, 1, 1),
}


def convolved(x, state, name, **how):
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **how)


def normed(x, state, name):
    mean, var, weight, bias = (
        state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean, var, weight, bias, training=False, eps=1e-5)


def doubled(x, state, name):
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)


def stage(x, state, number, *, halving):
    convolutions, stride, dilation = TABLE[number]
    for i in range(convolutions):
        last = halving and i == convolutions - 1
        how = {"stride": stride if last else 1, "padding": dilation, "dilation": dilation}
        x = F.relu(convolved(x, state, f"model{number}.{2 * i}", **how))
    return normed(x, state, f"model{number}.{2 * convolutions}")


def eccv16(lightness, state):
    x = (lightness - 50) / 100
    for number in TABLE:
        x = stage(x, state, number, halving=True)
    x = F.relu(doubled(x, state, "model8.0"))
    for layer in (2, 4):
        x = F.relu(convolved(x, state, f"model8.{layer}", padding=1))
    shares = convolved(x, state, "model8.6").softmax(dim=1)
    ab = F.conv2d(shares, state["model_out.weight"])
    return 110 * F.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)


def siggraph17(lightness, state, hints=None):
    hints = torch.zeros(len(lightness), 3, *lightness.shape[2:]) if hints is None else hints
    x = torch.cat(((lightness - 50) / 100, hints[:, :2] / 110, hints[:, 2:]), dim=1)
    kept = {}
    for number in TABLE:
        x = kept[number] = stage(x, state, number, halving=False)
        x = x[:, :, ::2, ::2] if number < 4 else x
    for number, other, layers in ((8, 3, 2), (9, 2, 1)):
        side = convolved(kept[other], state, f"model{other}short{number}.0", padding=1)
        x = F.relu(doubled(x, state, f"model{number}up.0") + side)
        for i in range(layers):
            x = F.relu(convolved(x, state, f"model{number}.{2 * i + 1}", padding=1))
        x = normed(x, state, f"model{number}.{2 * layers + 1}")
    side = convolved(kept[1], state, "model1short10.0", padding=1)
    x = F.relu(doubled(x, state, "model10up.0") + side)
    x = F.leaky_relu(convolved(x, state, "model10.1", padding=1), 0.2)
    return 110 * torch.tanh(convolved(x, state, "model_out.0"))


@pytest.mark.parametrize("name", FAMILIES)
def test_it_computes_what_the_table_says(name):
    state = random_checkpoint(name)
    if name == "eccv16":
        state["model8.6.weight"] *= 5  # surer of a colour
    keywords = FAMILIES[name].recognize(layout(name))
    assert keywords == {"width": 64}
    model = colorzoo.create_model(name)
    model.load_state_dict(FAMILIES[name].convert_state(state), strict=True)
    lightness = torch.rand(2, 1, 32, 48) * 100
    with torch.inference_mode():
        expected = {"eccv16": eccv16, "siggraph17": siggraph17}[name](lightness, state)
        found = model.predict_ab(lightness)
    assert expected.std() > 2
    assert (found - expected).abs().max() < 1e-4


def test_hints_enter_as_in_the_paper():
    state = random_checkpoint("siggraph17", seed=1)
    model = colorzoo.create_model("siggraph17")
    model.load_state_dict(SIGGRAPH17.convert_state(state), strict=True)
    lightness, hints = torch.rand(1, 1, 16, 24) * 100, torch.zeros(1, 3, 16, 24)
    hints[..., 4:7, 8:11] = torch.tensor([60.0, -30.0, 1.0])[:, None, None]
    with torch.inference_mode():
        found, plain = model(lightness, hints), model(lightness)
        assert (found - siggraph17(lightness, state, hints)).abs().max() < 1e-4
        nothing = model(lightness, torch.zeros_like(hints))
        drawn = model.predict_ab(lightness, hints=[Hint(9, 5, "#c03020", 1.5)])
    assert torch.equal(plain, nothing)
    for other in (found, drawn):
        assert not torch.allclose(other, plain, atol=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_published_layout_is_complete(name):
    family = FAMILIES[name]
    with torch.device("meta"):
        model = family()
    blank = {key: torch.empty(shape, device="meta") for key, shape in layout(name).items()}
    found = family.convert_state(blank)
    expected = {key: value.shape for key, value in model.state_dict().items()}
    assert {key: value.shape for key, value in found.items()} == expected
    again = family.convert_state(found)
    assert again.keys() == found.keys() and all(again[key] is found[key] for key in found)
    # Files of PyTorch before 0.4.1 do not count batches.
    older = {key: value for key, value in blank.items() if "num_batches" not in key}
    assert len(older) < len(blank) and family.convert_state(older).keys() == expected.keys()
    extra = family.convert_state({**blank, "model11.0.weight": torch.empty(1, device="meta")})
    assert extra.keys() - expected.keys() == {"model11.0.weight"}


def test_the_bins_of_the_file_are_used():
    state = random_checkpoint("eccv16", keep="model_out")
    found = ECCV16.convert_state(dict(state))
    assert torch.allclose(found["centres"], bin_centres(), atol=1e-4)
    other = ECCV16.convert_state({"model_out.weight": state["model_out.weight"].flip(1)})
    assert torch.equal(other["centres"], found["centres"].flip(0))


def test_families_tell_each_other_apart():
    own = {name: family(width=4).state_dict() for name, family in FAMILIES.items()}
    for name, family in FAMILIES.items():
        shapes = {key: tuple(value.shape) for key, value in own[name].items()}
        assert family.recognize(shapes) == {"width": 4}
        for other in ("eccv16", "siggraph17", "ddcolor-tiny"):
            assert (family.recognize(layout(other)) is not None) == (other == name)
        for key in layout(name):
            if key.endswith("weight"):  # of any shape that is not its own
                assert family.recognize({**layout(name), key: (1,)}) in (None, {"width": 64})
        assert family.recognize({}) is None


def test_eccv16_takes_a_seed_and_a_temperature_but_no_vividness(camera):
    torch.manual_seed(0)
    model = colorzoo.create_model("eccv16", width=4, work_size=64)
    said = model.predict(colorzoo.read_photo(camera[::4, ::4]))
    plain, cold = model.ab_of(said), model.to_ab(said.output, temperature=1e-4)
    assert torch.equal(plain, model.ab_of(said, temperature=1.0))
    likely = bin_centres()[said.output.argmax(dim=1)].movedim(-1, 1)
    assert (cold - likely).abs().mean() < 0.1 and not torch.equal(cold, model.to_ab(said.output))
    other = colorzoo.create_model("eccv16", width=4, work_size=64, temperature=1e-4)
    assert torch.equal(cold, other.to_ab(said.output))
    assert not torch.equal(plain, model.ab_of(said, seed=1))
    with pytest.raises(colorzoo.ConfigError, match="eccv16 does not support vividness"):
        model.ab_of(said, vividness=1.0)
    with pytest.raises(colorzoo.ConfigError, match="temperature must be above 0"):
        colorzoo.create_model("eccv16", temperature=0)
