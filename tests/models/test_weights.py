"""The weights that come with the package: small, half precision, measured, vivid enough."""

import numpy as np
import pytest
import torch
from helpers.bundled import BUNDLED
from safetensors.torch import load_file

import colorzoo

TRAINED = BUNDLED
every_trained_model = pytest.mark.parametrize("name", TRAINED)


@every_trained_model
def test_bundled_weights_are_half_precision_and_small(name):
    folder = colorzoo.model_info(name).weights
    assert folder is not None
    state = load_file(folder / "model.safetensors")
    assert {value.dtype for value in state.values()} <= {torch.float16, torch.int64}
    assert (folder / "model.safetensors").stat().st_size < 12 * 2**20


@every_trained_model
def test_bundled_weights_load_as_float32_and_colour(name, coffee):
    model = colorzoo.load(name)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    result = np.asarray(model.colorize(coffee)).astype(int)
    assert np.ptp(result, axis=-1).mean() > 3


@every_trained_model
def test_a_batch_of_mixed_sizes_says_the_same(name, camera, coffee):
    photos = [
        colorzoo.read_photo(each) for each in (camera, coffee, camera[:, ::2], coffee[::-1].copy())
    ]
    model = colorzoo.load(name)
    together = model.predict_batch(photos)
    for photo, said in zip(photos, together, strict=True):
        alone = model.predict(photo)
        assert torch.equal(said.lightness, alone.lightness)
        assert (model.ab_of(said) - model.ab_of(alone)).abs().max() < 0.01


@every_trained_model
def test_half_precision_says_nearly_the_same(name, coffee):
    """What the GPU is asked for; mean and largest difference in ab."""
    photo = colorzoo.read_photo(coffee)
    ab = []
    for dtype in (torch.float32, torch.float16):
        model = colorzoo.load(name, dtype=dtype)
        ab.append(model.ab_of(model.predict(photo)))
    difference = (ab[0] - ab[1]).abs()
    assert difference.mean() < 0.05 and difference.max() < 1


def test_a_compiled_model_says_the_same(coffee):
    photo = colorzoo.read_photo(coffee)
    model = colorzoo.load("unet")
    plain = model.predict(photo).output
    model.compile(backend="eager")  # traced as for a GPU, but without its minute of compiling
    assert torch.allclose(model.predict(photo).output, plain, atol=1e-4)


@every_trained_model
def test_metrics_tell_how_they_were_measured(name):
    report = colorzoo.model_info(name).metrics
    assert report is not None
    assert report["model"] == name
    assert report["photos"] > 0 and report["commit"] and report["data"]
    assert report["gray"].keys() == report["scores"].keys()


@pytest.mark.parametrize(
    ("name", "psnr", "auc"),
    [
        ("unet", 0.9, 1.2),
        ("unet-gan", 0.7, 1.0),
        ("unet-bins", 0.4, 0.5),
        ("resnet34", 0.8, 1.0),
        ("autoencoder", 0.5, 0.0),
        ("efficientnet-bins.careful", 1.6, 2.0),
    ],
)
def test_cautious_models_are_nearer_to_the_truth_than_gray(name, psnr, auc):
    report = colorzoo.model_info(name).metrics
    assert report is not None
    assert report["scores"]["psnr"] >= report["gray"]["psnr"] + psnr
    assert report["scores"]["auc"] >= report["gray"]["auc"] + auc


def test_the_vivid_end_is_as_colourful_as_photos_and_nearer_than_gray():
    report = colorzoo.model_info("efficientnet-bins.vivid").metrics
    assert report is not None
    assert report["scores"]["psnr"] >= report["gray"]["psnr"] + 0.2
    assert 37 <= report["scores"]["cf"] <= 50


def test_a_discriminator_makes_the_unet_more_colourful():
    plain, gan = (colorzoo.model_info(name).metrics for name in ("unet", "unet-gan"))
    assert plain is not None and gan is not None
    assert gan["scores"]["cf"] >= plain["scores"]["cf"] + 1


def test_all_bundled_weights_fit_into_40_mib():
    folders = {folder for name in TRAINED if (folder := colorzoo.model_info(name).weights)}
    sizes = [file.stat().st_size for folder in folders for file in folder.rglob("*")]
    assert len(folders) >= 6 and sum(sizes) < 40 * 2**20


def test_the_default_model_has_weights():
    assert colorzoo.DEFAULT_MODEL in TRAINED
