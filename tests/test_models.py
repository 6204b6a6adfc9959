"""What every registered model must do; a new family is tested by being registered."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import colorzoo
from colorzoo.colorizer import Colorizer
from colorzoo.imaging.read import read_photo
from colorzoo.models.timm_unet import TimmUNetBins

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
        ab = model.to_ab(model(lightness))
        loss = (torch.nn.functional.interpolate(ab, truth.shape[-2:]) - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert min(errors) < 0.3 * errors[0]


@every_model
def test_save_and_load_give_the_same_picture(name, tmp_path, camera):
    model = build(name)
    model.save_pretrained(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config == {**model.config, "colorzoo_version": colorzoo.__version__}
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


@every_trained_model
def test_a_batch_of_mixed_sizes_says_the_same(name, camera, coffee):
    photos = [read_photo(each) for each in (camera, coffee, camera[:, ::2], coffee[::-1].copy())]
    model = colorzoo.load(name)
    together = model.predict_batch(photos)
    for photo, said in zip(photos, together, strict=True):
        alone = model.predict(photo)
        assert torch.equal(said.lightness, alone.lightness)
        ab, ab_alone = model.to_ab(said.output), model.to_ab(alone.output)
        assert (ab - ab_alone).abs().max() < 0.01


@every_trained_model
def test_half_precision_says_nearly_the_same(name, coffee):
    """What the GPU is asked for; mean and largest difference in ab."""
    photo = read_photo(coffee)
    ab = []
    for dtype in (torch.float32, torch.float16):
        model = colorzoo.load(name, dtype=dtype)
        ab.append(model.to_ab(model.predict(photo).output).float())
    difference = (ab[0] - ab[1]).abs()
    assert difference.mean() < 0.05 and difference.max() < 1


def test_a_compiled_model_says_the_same(coffee):
    photo = read_photo(coffee)
    model = colorzoo.load("unet")
    plain = model.predict(photo).output
    model.compile(backend="eager")  # traced as for a GPU, but without its minute of compiling
    assert torch.allclose(model.predict(photo).output, plain, atol=1e-4)


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


@pytest.mark.parametrize(
    ("name", "psnr", "auc"),
    [
        ("unet", 0.9, 1.2),
        ("resnet34", 0.8, 1.0),
        ("autoencoder", 0.5, 0.0),
        ("mobilenetv2-huber", 1.2, 1.5),
    ],
)
def test_cautious_models_are_nearer_to_the_truth_than_gray(name, psnr, auc):
    report = colorzoo.model_info(name).metrics
    assert report is not None
    assert report["scores"]["psnr"] >= report["gray"]["psnr"] + psnr
    assert report["scores"]["auc"] >= report["gray"]["auc"] + auc


@pytest.mark.parametrize(
    ("name", "psnr", "cf"), [("unet-gan", -0.5, (25, 50)), ("unet-bins", -1.0, (32, 50))]
)
def test_bold_models_are_vivid_at_a_price(name, psnr, cf):
    report = colorzoo.model_info(name).metrics
    assert report is not None
    assert report["scores"]["psnr"] >= report["gray"]["psnr"] + psnr
    assert cf[0] <= report["scores"]["cf"] <= cf[1]


def test_all_bundled_weights_fit_into_32_mib():
    folders = [folder for name in TRAINED if (folder := colorzoo.model_info(name).weights)]
    sizes = [file.stat().st_size for folder in folders for file in folder.rglob("*")]
    assert len(folders) >= 6 and sum(sizes) < 32 * 2**20


def test_the_default_model_has_weights():
    assert colorzoo.DEFAULT_MODEL in TRAINED


def test_autoencoder_with_skips_sees_more():
    plain, skips = (colorzoo.create_model("autoencoder", skips=skips) for skips in (False, True))
    assert len(skips.state_dict()) == len(plain.state_dict())
    assert sum(p.numel() for p in skips.parameters()) > sum(p.numel() for p in plain.parameters())
    with torch.inference_mode():
        assert skips.predict_ab(torch.rand(1, 1, 40, 24) * 100).shape == (1, 2, 40, 24)


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


def test_same_padding_is_that_of_timm():
    import timm

    ours = colorzoo.create_model("mobilenetv2-huber").get_submodule("encoder")
    theirs = timm.create_model(
        "mobilenetv2_100", features_only=True, feature_cls="getter", pad_type="same"
    ).eval()
    theirs.load_state_dict(ours.state_dict())
    picture = torch.rand(2, 3, 96, 64)
    with torch.inference_mode():
        for mine, other in zip(ours(picture), theirs(picture), strict=True):
            assert torch.equal(mine, other)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("output_stride", [2, 4])
def test_timm_unet_in_all_its_forms(attention, output_stride, tmp_path):
    model = colorzoo.create_model(
        "mobilenetv2-huber", attention=attention, output_stride=output_stride, width=16
    ).train()
    model(torch.rand(2, 1, 64, 64) * 100).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval().save_pretrained(tmp_path)
    again = colorzoo.load(tmp_path)
    lightness = torch.rand(1, 1, 45, 31) * 100
    with torch.inference_mode():
        features = again.features(torch.rand(1, 1, 64, 32))  # pyright: ignore
        assert features.shape[-2:] == (64 // output_stride, 32 // output_stride)
        # Not to the last bit: what is loaded keeps its channels in another order.
        assert torch.allclose(again.predict_ab(lightness), model.predict_ab(lightness), atol=1e-3)


def test_attention_carries_what_is_far_off():
    """One corner's picture changes the colour of the other one's only through attention."""
    lightness = torch.full((1, 1, 640, 64), 50.0)
    other = lightness.clone()
    other[:, :, :64] = torch.rand(64, 64) * 100
    torch.manual_seed(0)
    model = colorzoo.create_model(
        "mobilenetv2-huber", attention=True, encoder="resnet18", same_padding=False
    )
    with torch.inference_mode():
        far = slice(576, None)
        alone = [model(each)[:, :, far] for each in (lightness, other)]
        torch.nn.init.constant_(model.get_parameter("attention.share"), 1.0)
        together = [model(each)[:, :, far] for each in (lightness, other)]
    assert torch.equal(*alone) and not torch.equal(*together)


def test_a_mirrored_photo_gets_the_mirrored_answer():
    torch.manual_seed(0)
    model = TimmUNetBins(mirror=True).eval()
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
    model = colorzoo.create_model("mobilenetv2-huber", encoder="resnet18", same_padding=False)
    with torch.inference_mode():
        assert model.predict_ab(torch.rand(1, 1, 40, 50) * 100).shape == (1, 2, 40, 50)
    with pytest.raises(colorzoo.ConfigError, match="output_stride must be 2 or 4, got 8"):
        colorzoo.create_model("mobilenetv2-huber", output_stride=8)
    with pytest.raises(colorzoo.ConfigError, match="no features at stride 2, 4, 8, 16, 32"):
        colorzoo.create_model("mobilenetv2-huber", encoder="convnext_atto")


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_bins_classify_at_the_stride_asked_for(stride):
    model = colorzoo.create_model("unet-bins", logits_stride=stride, width=8)
    lightness = torch.rand(1, 1, 64, 32) * 100
    with torch.inference_mode():
        assert model(lightness).shape == (1, 313, 64 // stride, 32 // stride)
        assert model.predict_ab(lightness).shape == (1, 2, 64, 32)
    with pytest.raises(colorzoo.ConfigError, match="logits_stride must be 1, 2, 4 or 8, got 3"):
        colorzoo.create_model("unet-bins", logits_stride=3)


def test_annealed_mean_goes_from_the_mean_to_the_peak():
    """Against the paper's formula exp(log(z)/T), normalised, on a worked distribution."""
    model = colorzoo.create_model("unet-bins", width=8, temperature=0.38)
    z = torch.full((313,), 1e-9)
    z[0], z[120], z[312] = 0.5, 0.3, 0.2
    logits = z.log().reshape(1, 313, 1, 1)
    for temperature in (1.0, 0.38, 0.05):
        annealed = (z.log() / temperature).exp()
        expected = (annealed / annealed.sum()) @ model.get_buffer("centres")
        found = model.to_ab(logits, temperature=temperature).flatten()  # pyright: ignore
        assert torch.allclose(found, expected, atol=1e-3)
    assert torch.allclose(model.to_ab(logits), model.to_ab(logits, temperature=0.38))  # pyright: ignore
    assert "centres" in model.state_dict()


def test_drawn_colours_are_among_the_likely_ones():
    """Of two equal colours, both get their turn; of a likely and an unlikely one, the first."""
    model = colorzoo.create_model("mobilenetv2-bins", temperature=1e-3)
    centres = model.get_buffer("centres")
    blue, red = (
        int((centres - torch.tensor(ab)).norm(dim=1).argmin())
        for ab in ((10.0, -60.0), (70.0, 50.0))
    )

    def shares_of_blue(lead: float) -> torch.Tensor:
        logits = torch.full((1, 313, 9, 16), -20.0)
        logits[:, blue], logits[:, red] = lead, 0.0
        drawn = torch.cat([model.drawn(seed).to_ab(logits) for seed in range(300)])  # pyright: ignore
        is_blue = (drawn[:, 1] + 60).abs() < 1
        is_red = (drawn[:, 1] - 50).abs() < 1
        assert (is_blue | is_red).float().mean() > 0.99  # the mean of both only on their border
        # Near pixels are drawn alike.
        assert (is_blue[..., 1:] == is_blue[..., :-1]).float().mean() > 0.9
        return is_blue.float().mean(0)

    even = shares_of_blue(0.0)
    assert even.min() > 0.38 and even.max() < 0.62  # everywhere, on the noise's points and between
    assert shares_of_blue(6.0).min() > 0.99


def test_a_seed_is_an_argument_of_inference(camera):
    model = build("unet-bins")
    torch.nn.init.normal_(model.get_submodule("head").weight, std=0.5)  # pyright: ignore
    small = camera[::8, ::8]
    own, *drawn = (
        np.asarray(model.colorize(small, seed=seed, temperature=0.3))  # pyright: ignore
        for seed in (None, 1, 2, 1)
    )
    assert (drawn[0] == drawn[2]).all()
    assert (drawn[0] != drawn[1]).any() and (drawn[0] != own).any()
    assert (np.asarray(model.colorize(small, temperature=0.3)) == own).all()  # pyright: ignore
    for wrong in (-1, 1.5, True):
        with pytest.raises(colorzoo.ConfigError, match="seed must be a whole number from 0"):
            model.colorize(small, seed=wrong)  # pyright: ignore


def test_rebalancing_is_that_of_a_training_with_weights():
    """Logits of p become logits of p w, with the paper's weights w for the prior."""
    model = colorzoo.create_model("mobilenetv2-bins", temperature=1.0, width=8)
    prior = torch.rand(313) ** 4 + 1e-3
    prior /= prior.sum()
    model.get_buffer("prior").copy_(prior)
    logits = torch.randn(1, 313, 2, 2)
    centres = model.get_buffer("centres")
    for mix in (1.0, 0.5, 0.1):
        weighed = logits.softmax(dim=1) / ((1 - mix) * prior + mix / 313)[:, None, None]
        weighed /= weighed.sum(dim=1, keepdim=True)
        expected = torch.einsum("nqhw,qc->nchw", weighed, centres)
        found = model.rebalanced(mix).to_ab(logits)  # pyright: ignore
        assert torch.allclose(found, expected, atol=1e-3)
    assert model.mix == model.config["mix"]  # pyright: ignore
    for wrong in (0, 1.5):
        with pytest.raises(colorzoo.ConfigError, match="mix must be above 0 and at most 1"):
            model.rebalanced(wrong)  # pyright: ignore


def test_temperature_is_an_argument_of_inference(camera):
    model = build("unet-bins")
    torch.nn.init.normal_(model.get_submodule("head").weight, std=0.5)  # pyright: ignore
    small = camera[::8, ::8]
    other = colorzoo.create_model("unet-bins", temperature=0.05)
    other.load_state_dict(model.state_dict())
    own, cold = np.asarray(model.colorize(small)), np.asarray(other.colorize(small))
    given = np.asarray(model.colorize(small, temperature=0.05))  # pyright: ignore
    assert (given == cold).all() and (given != own).any()
    assert (np.asarray(model.colorize(small)) == own).all()
    with pytest.raises(colorzoo.ConfigError, match="temperature must be above 0, got 0"):
        model.colorize(small, temperature=0)  # pyright: ignore
