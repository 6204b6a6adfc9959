"""Training for real, on a handful of photos."""

import json
import re

import numpy as np
import pytest
import torch
from helpers.synthetic import photo
from helpers.training import fit, train
from safetensors.torch import load_file

import colorzoo
from colorzoo.color import rgb_to_lab
from train.checkpoints import state_of
from train.report import read_log

INFOS = [colorzoo.model_info(name) for name in colorzoo.list_models()]
NAMES = [info.name for info in INFOS if not info.weights_of and not info.published]


# The others take longer; a GAN's own test is below.
SLOW = [pytest.mark.slow]
MARKS = {"unet": [], "unet-bins": [], colorzoo.DEFAULT_MODEL: SLOW}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=MARKS.get(name, [*SLOW, pytest.mark.release]))
        for name in NAMES
        if name not in ("unet-gan", "flow")  # they have tests of their own
    ],
)
def test_training_learns_and_exports(name, shards, tmp_path):
    sides = {"unet": ["--sides", 32], "unet-bins": ["--sides", 64]}.get(name, [])
    run = fit(name, shards, tmp_path, "--epochs", 6, "--batch-size", 2, "--start", "random", *sides)
    assert run.returncode == 0, run.stderr
    assert "32 photos, 1 unreadable, 1 gray" in run.stdout
    for file in ("config.json", "curves.png", "sheet.png", "best.ckpt", "last.ckpt"):
        assert (tmp_path / file).is_file(), file
    assert json.loads((tmp_path / "config.json").read_text())["epochs"] == 6
    state = load_file(tmp_path / "weights" / "model.safetensors")
    assert {value.dtype for value in state.values()} <= {torch.float16, torch.int64}

    model = colorzoo.load(tmp_path / "weights")
    assert model.architecture == name
    # So early, the mean over the bins is gray, and rare ones are as likely as any.
    if "dial" in model.config:
        model = type(model).from_pretrained(tmp_path / "weights", dial=[(1.0, 0.38, 1.0)])
    lab = rgb_to_lab(torch.tensor(np.asarray(photo(1000))).permute(2, 0, 1) / 255)
    with torch.inference_mode():
        ab = model.predict_ab(lab[None, :1])
    assert (ab - lab[None, 1:]).abs().mean() < 0.7 * lab[1:].abs().mean()


def test_a_generator_is_exported_without_its_discriminator(shards, tmp_path):
    run = fit("unet-gan", shards, tmp_path, "--epochs", 2, "--start", "random", "--sides", 32)
    assert run.returncode == 0, run.stderr
    trained = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert any(key.startswith("discriminator.") for key in trained)
    state = load_file(tmp_path / "weights" / "model.safetensors")
    assert state.keys() == colorzoo.create_model("unet-gan").state_dict().keys()
    rows = read_log(tmp_path)
    for key in ("discriminator_loss", "generator_loss"):
        assert [row for row in rows if row[key]], key


def test_plateau_patience_split_and_loss_can_be_chosen(tmp_path):
    (tmp_path / "photos").mkdir()
    for seed in range(24):
        photo(seed).save(tmp_path / "photos" / f"{seed}.png")
    run = fit(
        "unet", tmp_path / "photos", tmp_path, "--schedule", "plateau", "--patience", 1,
        "--loss", "mse", "--split", "50/25/25", "--learning-rate", 0.5, "--epochs", 30,
        "--term", "colorfulness=9", "--sides", "32,0.5:64", "--degraded", 0.5,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["loss"], config["schedule"], config["split"]) == (
        "mse", "plateau", [0.5, 0.25, 0.25],
    )  # fmt: skip
    assert (config["terms"], config["sides"], config["degraded"]) == (
        [["colorfulness", 9.0]], [[0.0, 32], [0.5, 64]], 0.5,
    )  # fmt: skip
    assert len([row for row in read_log(tmp_path) if row["val_loss"]]) < 30
    assert re.search(r"test photos: loss .*, PSNR .* dB, SSIM", run.stdout)
    # With this learning rate, it diverges.
    drawn = (tmp_path / "sheet.png").exists()
    assert drawn == ("no sheet was drawn: unet predicts NaN" not in run.stdout)
    refused = fit("unet", tmp_path / "photos", tmp_path / "r", "--split", "50/25")
    assert refused.returncode == 1 and "a split looks like" in refused.stderr


@pytest.mark.parametrize(
    "kind",
    ["folder", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("shards", "one shard"))],
)
def test_a_run_can_stream_its_photos(kind, shards, tmp_path):
    """Whatever it has fewer of than workers, an epoch ends, is validated and exported."""
    data = {"shards": shards, "one shard": shards / "train-00.tar"}.get(kind, tmp_path / "photos")
    if kind == "folder":
        data.mkdir()
        for seed in range(12):
            photo(seed).save(data / f"{seed}.png")
    run = fit("autoencoder", data, tmp_path, "--epochs", 2, "--memory", "stream", "--sides", 32)
    assert run.returncode == 0, run.stderr
    assert "training: a stream of photos, about" in run.stdout
    assert len([row for row in read_log(tmp_path) if row["val_psnr"]]) == 2
    assert colorzoo.load(tmp_path / "weights").architecture == "autoencoder"


@pytest.mark.parametrize("name", ["unet", "unet-gan"])
def test_a_limit_in_seconds_ends_the_run_and_checkpoints_are_kept_on_the_way(
    name, shards, tmp_path
):
    limits = ["--epochs", 100_000, "--limit-seconds", 2, "--keep-every", 0.01]
    run = fit(name, shards, tmp_path, *limits, "--start", "random", "--sides", 32)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "weights" / "model.safetensors").is_file()
    kept = sorted(tmp_path.glob("step-*.ckpt"))
    assert 1 <= len(kept) <= 3  # one every 0.6 seconds
    assert state_of(kept[0]).keys() == state_of(tmp_path / "last.ckpt").keys()


def test_bad_input_is_explained_in_a_line(tmp_path):
    for arguments in (("unet", tmp_path), ("nothing", tmp_path)):
        run = fit(*arguments, tmp_path / "run")
        assert run.returncode == 1
        assert run.stderr.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in run.stderr


def test_settings_of_other_weights_are_trained_as_those():
    """Weights in a folder of their own would not be read."""
    run = train("fit", "efficientnet-bins.careful", "--data", "nowhere")
    assert run.returncode == 1
    assert run.stderr.startswith("error: colorzoo/weights/efficientnet-bins has weights: pass --ov")
