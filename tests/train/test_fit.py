"""Training for real, on a handful of photos."""

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import lightning as pl
import numpy as np
import pytest
import timm
import torch
from helpers.commands import run_command
from helpers.synthetic import photo, write_shards
from safetensors.torch import load_file, save_file

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.errors import WeightsError
from colorzoo.models.timm_unet import TimmUNetBins
from train.adversarial import AdversarialModule
from train.data.loaders import PhotoData
from train.losses import BinsLoss, ColorfulnessLoss
from train.module import ColorizerModule
from train.recipe import Adversary, parse_keywords, parse_sides, parse_terms, with_options
from train.recipes import find_recipe
from train.report import read_log
from train.start import initialise

LISTED = colorzoo.list_models()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"))


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_command("train", *arguments)


def fit(name: str, data, run, *more: object) -> subprocess.CompletedProcess[str]:
    return train(
        "fit", name, "--data", data, "--folder", run, "--export", run / "weights",
        "--device", "cpu", *more,
    )  # fmt: skip


def test_every_registered_recipe_names_a_model():
    for name in LISTED:
        assert find_recipe(name).model == name
    with pytest.raises(LookupError, match="no recipe for 'nothing'.*unet-gan: add a file"):
        find_recipe("nothing")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LISTED if name != "unet-gan"])
def test_training_learns_and_exports(name, shards, tmp_path):
    run = fit(name, shards, tmp_path, "--epochs", 6, "--batch-size", 2, "--start", "random")
    assert run.returncode == 0, run.stderr
    assert "32 photos, 1 unreadable, 1 gray" in run.stdout
    for file in ("config.json", "curves.png", "sheet.png", "best.ckpt", "last.ckpt"):
        assert (tmp_path / file).is_file(), file
    assert json.loads((tmp_path / "config.json").read_text())["epochs"] == 6
    state = load_file(tmp_path / "weights" / "model.safetensors")
    assert {value.dtype for value in state.values()} <= {torch.float16, torch.int64}

    model = colorzoo.load(tmp_path / "weights")
    assert model.architecture == name
    if isinstance(model, colorzoo.BinsColorizer):
        # So early, the mean over the bins is gray, and rare ones are as likely as any.
        model = model.at_temperature(0.38)
    if isinstance(model, TimmUNetBins):
        model = model.rebalanced(1.0)
    lab = rgb_to_lab(torch.tensor(np.asarray(photo(1000))).permute(2, 0, 1) / 255)
    with torch.inference_mode():
        ab = model.predict_ab(lab[None, :1])
    assert (ab - lab[None, 1:]).abs().mean() < 0.7 * lab[1:].abs().mean()


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(shards, tmp_path):
    def steps() -> int:
        checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
        return checkpoint["global_step"]

    missing = fit("unet", shards, tmp_path, "--epochs", 1, "--resume")
    assert missing.returncode == 1 and "nothing to resume" in missing.stderr
    assert fit("unet", shards, tmp_path, "--epochs", 2).returncode == 0
    first = steps()
    refused = fit("unet", shards, tmp_path, "--epochs", 5, "--resume")
    assert refused.returncode == 1 and "--overwrite" in refused.stderr
    again = fit("unet", shards, tmp_path, "--epochs", 5, "--resume", "--overwrite")
    assert again.returncode == 0, again.stderr
    assert steps() * 2 == first * 5
    epochs = [int(row["epoch"]) for row in read_log(tmp_path) if row["val_loss"]]
    assert epochs == list(range(5))


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_number_of_steps(shards, tmp_path):
    """kill -9 in the middle of an epoch, some epochs in; then on to the end."""
    epochs, last = 5, tmp_path / "run" / "last.ckpt"
    arguments = ("--epochs", epochs, "--batch-size", 2, "--start", "random")
    command = [
        sys.executable, "-m", "train", "fit", "unet", "--data", str(shards), "--device", "cpu",
        "--folder", str(tmp_path / "run"), "--export", str(tmp_path / "weights"),
        *map(str, arguments),
    ]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    written: set[int] = set()
    while len(written) < 2:  # two epochs are saved, the third one runs
        assert running.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
        if last.is_file():
            written.add(last.stat().st_mtime_ns)
    time.sleep(0.3)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "weights").exists()
    again = fit("unet", shards, tmp_path / "run", *arguments, "--resume")
    assert again.returncode == 0, again.stderr
    checkpoint = torch.load(last, weights_only=True)
    assert checkpoint["global_step"] == epochs * 16
    assert f"{epochs * 16} steps in" in again.stdout
    assert not list((tmp_path / "run").glob("*.part"))
    finished = {int(row["epoch"]) for row in read_log(tmp_path / "run") if row["val_loss"]}
    assert finished == set(range(epochs))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet", "unet-gan"])
def test_two_processes_train_together(name, shards, tmp_path):
    """Each has half of the photos, both make the same steps, and one of them exports."""
    run = fit(
        name, shards, tmp_path, "--devices", 2, "--epochs", 2, "--batch-size", 4, "--start", "unet"
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("training: 16 photos") == 2
    assert "All distributed processes registered. Starting with 2 processes" in run.stderr
    assert run.stdout.count("8 steps in") == 1 and run.stdout.count("wrote ") == 1
    assert colorzoo.load(tmp_path / "weights").architecture == name


@pytest.mark.slow
def test_a_generator_is_exported_without_its_discriminator(shards, tmp_path):
    run = fit("unet-gan", shards, tmp_path, "--epochs", 2, "--start", "random")
    assert run.returncode == 0, run.stderr
    trained = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert any(key.startswith("discriminator.") for key in trained)
    state = load_file(tmp_path / "weights" / "model.safetensors")
    assert state.keys() == colorzoo.create_model("unet-gan").state_dict().keys()
    rows = read_log(tmp_path)
    for key in ("discriminator_loss", "generator_loss"):
        assert [row for row in rows if row[key]], key


def take_steps(module: pl.LightningModule, data: pl.LightningDataModule) -> None:
    """Take four steps."""
    pl.Trainer(
        accelerator="cpu", max_steps=4, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
    ).fit(module, data)  # fmt: skip


@pytest.mark.parametrize(("objective", "r1"), [("bce", 0.0), ("hinge", 0.0), ("hinge", 1.0)])
@pytest.mark.parametrize("learner", ["model", "discriminator"])
def test_both_networks_of_a_gan_take_their_own_steps(objective, r1, learner, shards):
    """With the other's learning rate at 0, only one of them changes."""
    recipe = replace(find_recipe("unet-gan"), epochs=1, batch_size=8)
    adversary = Adversary(
        objective, r1_weight=r1, learning_rate=1e-3 * (learner == "discriminator"), width=8
    )
    module = AdversarialModule(
        replace(recipe, adversary=adversary, learning_rate=1e-3 * (learner == "model"))
    )
    before = {key: value.clone() for key, value in module.named_parameters()}
    take_steps(module, PhotoData(str(shards), recipe))
    changed = {key for key, value in module.named_parameters() if (value != before[key]).any()}
    # Under the hinge, real and fake pull the last bias with equal force.
    assert {key for key in before if key.startswith(learner) and "bias" not in key} <= changed
    assert all(key.startswith(learner) for key in changed)


@pytest.mark.slow
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
    assert "test_psnr" in run.stdout and "test_ssim" in run.stdout
    refused = fit("unet", tmp_path / "photos", tmp_path / "r", "--split", "50/25")
    assert refused.returncode == 1 and "a split looks like" in refused.stderr


@pytest.mark.parametrize("wrong", ["64,96", "0.5:64", "64,0.6:96,0.3:128", "64,1:96", "8", "", "a"])
def test_wrong_resolutions_are_refused(wrong):
    with pytest.raises(ValueError, match="look like 64 or 96,0.7:128"):
        parse_sides(wrong)


def test_a_models_keywords_can_be_set_for_a_run():
    keywords = parse_keywords(["attention=true", "width=8", "encoder=resnet18"])
    assert keywords == (("attention", True), ("width", 8), ("encoder", "resnet18"))
    recipe = replace(
        find_recipe("mobilenetv2-huber"), keywords=(*keywords, ("same_padding", False))
    )
    model = ColorizerModule(recipe).model
    assert model.config["attention"] is True and model.config["encoder"] == "resnet18"
    for wrong in ("attention", "=1", "a b=2", "width="):
        with pytest.raises(ValueError, match="a model's keyword is NAME=VALUE"):
            parse_keywords([wrong])


@pytest.mark.parametrize("wrong", ["colorfulness", "beauty=1", "perceptual=much", "=1"])
def test_wrong_terms_are_refused(wrong):
    with pytest.raises(ValueError, match="a term is NAME=WEIGHT with colorfulness or perceptual"):
        parse_terms(["perceptual=0.5", wrong])
    assert parse_terms(["perceptual=0.5"]) == (("perceptual", 0.5),)


def test_a_term_is_added_at_its_weight(coffee):
    recipe = replace(find_recipe("unet"), terms=(("colorfulness", 2.0),))
    module, plain = ColorizerModule(recipe), ColorizerModule(replace(recipe, terms=()))
    plain.model.load_state_dict(module.model.state_dict())
    rgb = torch.tensor(coffee[:64, :64]).permute(2, 0, 1)[None] / 255
    lab = rgb_to_lab(rgb)
    with torch.no_grad():
        loss, alone = (each._loss(lab, lab[:, :1])[0] for each in (module, plain))
        ab = plain._loss(lab, lab[:, :1])[1]
        term = ColorfulnessLoss()(torch.cat((lab[:, :1], ab), dim=1), lab)
    assert loss.item() == pytest.approx((alone + 2 * term).item(), rel=1e-5)


def test_a_model_over_bins_learns_how_common_they_are(shards):
    recipe = replace(
        find_recipe("mobilenetv2-bins"), epochs=1, batch_size=8, start="random", sides=((0, 32),)
    )
    module = ColorizerModule(recipe)
    take_steps(module, PhotoData(str(shards), recipe))
    assert isinstance(module.loss, BinsLoss)
    prior = module.model.get_buffer("prior")
    assert torch.equal(prior, module.loss.prior) and prior.std() > 0
    assert prior.sum().item() == pytest.approx(1, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shards", "one shard", "folder"])
def test_a_run_can_stream_its_photos(kind, shards, tmp_path):
    """Whatever it has fewer of than workers, an epoch ends, is validated and exported."""
    data = {"shards": shards, "one shard": shards / "train-00.tar"}.get(kind, tmp_path / "photos")
    if kind == "folder":
        data.mkdir()
        for seed in range(12):
            photo(seed).save(data / f"{seed}.png")
    run = fit("autoencoder", data, tmp_path, "--epochs", 2, "--memory", "stream")
    assert run.returncode == 0, run.stderr
    assert "training: a stream of about" in run.stdout
    assert len([row for row in read_log(tmp_path) if row["val_psnr"]]) == 2
    assert colorzoo.load(tmp_path / "weights").architecture == "autoencoder"


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_scores_do_not_depend_on_the_precision_of_training(precision, coffee):
    """Truth compared with itself but for 8-bit rounding, where bfloat16 would be far off."""
    rgb = torch.tensor(np.ascontiguousarray(coffee[:128, :128])).permute(2, 0, 1)[None] / 255
    lab = rgb_to_lab(rgb)
    module = ColorizerModule(find_recipe("unet"))
    module.model.to_ab = lambda output: lab[:, 1:]  # pyright: ignore
    logged: dict[str, torch.Tensor] = {}
    module.log_dict = lambda values, **_: logged.update(values)  # pyright: ignore
    module._trainer = SimpleNamespace(world_size=1)  # pyright: ignore
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"), torch.no_grad():
        module.validation_step(lab, 0)
    assert logged["val_ssim"].item() == pytest.approx(1, abs=1e-5) and logged["val_psnr"] > 90


def test_plateaus_lower_the_rate():
    recipe = replace(find_recipe("unet"), schedule="plateau")
    optimizers: Any = ColorizerModule(recipe).configure_optimizers()
    schedule, optimizer = optimizers["lr_scheduler"]["scheduler"], optimizers["optimizer"]
    rates = []
    for _ in range(7):
        schedule.step(1.0)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3] * 3 + [5e-4] * 3 + [2.5e-4])
    with pytest.raises(ValueError, match="schedule of unet-gan must be cosine"):
        replace(find_recipe("unet-gan"), schedule="plateau")


def test_a_loss_that_does_not_suit_the_model_is_refused():
    for name, loss in (("unet", "bins"), ("unet-bins", "l1"), ("unet-gan", "bins-hard")):
        with pytest.raises(ValueError, match=f"{name} is trained by .*, not {loss}"):
            with_options(find_recipe(name), loss=loss)
    assert with_options(find_recipe("unet"), loss="mse").loss == "mse"
    assert with_options(find_recipe("unet")) == find_recipe("unet")


def test_encoders_start_from_a_file(tmp_path):
    """A sister with fewer blocks serves: the blocks it lacks start as the identity."""
    source = timm.create_model("resnet18", pretrained=False)
    state = {k: v for k, v in source.state_dict().items() if not k.startswith(("layer4", "fc"))}
    save_file(state, tmp_path / "resnet18.safetensors")
    model = colorzoo.create_model("resnet34")
    note = initialise(model, str(tmp_path / "resnet18.safetensors"))
    assert "layer1.2, layer2.2, layer2.3 are new" in note
    own = model.state_dict()
    assert torch.equal(own["encoder.model.conv1.weight"], state["conv1.weight"])
    assert torch.equal(own["encoder.model.layer2.1.bn1.bias"], state["layer2.1.bn1.bias"])
    assert own["encoder.model.layer2.3.bn2.weight"].eq(0).all()
    (tmp_path / "broken.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        initialise(model, str(tmp_path / "broken.safetensors"))
    save_file({"conv1.weight": state["conv1.weight"]}, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match="bn1.bias.* are missing or have another shape"):
        initialise(model, str(tmp_path / "part.safetensors"))
    with pytest.raises(WeightsError, match="does not exist"):
        initialise(model, str(tmp_path / "none.safetensors"))
    with pytest.raises(WeightsError, match="has none. Use --start random"):
        initialise(colorzoo.create_model("unet"), "imagenet")


def test_models_start_from_their_family():
    trained, model = colorzoo.load("unet"), colorzoo.create_model("unet-bins")
    initialise(model, "unet")
    key = "decoder.1.0.weight"
    assert torch.equal(model.state_dict()[key], trained.state_dict()[key])
    with pytest.raises(WeightsError, match="not of one family"):
        initialise(colorzoo.create_model("autoencoder"), "unet")


@pytest.mark.slow
def test_tuning_searches_writes_a_table_and_goes_on(shards, tmp_path):
    def tune(trials: int) -> subprocess.CompletedProcess[str]:
        return train(
            "tune", "autoencoder-ssim", "--data", shards, "--folder", tmp_path, "--trials", trials,
            "--folds", 2, "--epochs", 1, "--side", 32, "--metric", "val_ssim", "--device", "cpu",
        )  # fmt: skip

    first = tune(2)
    assert first.returncode == 0, first.stderr
    again = tune(3)
    assert again.returncode == 0, again.stderr
    rows = list(csv.DictReader((tmp_path / "autoencoder-ssim.csv").open()))
    assert len(rows) == 3 == len({row["learning_rate"] for row in rows})
    scores = [float(row["val_ssim"]) for row in rows if row["state"] == "complete"]
    assert scores == sorted(scores, reverse=True) and 0 < scores[0] <= 1
    assert "cross-validation" in again.stdout and rows[0]["val_ssim"] in again.stdout


@pytest.mark.slow
def test_a_limit_in_seconds_ends_the_run(shards, tmp_path):
    run = fit("unet", shards, tmp_path, "--epochs", 100_000, "--limit-seconds", 5)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "weights" / "model.safetensors").is_file()


def test_bad_input_is_explained_in_a_line(tmp_path):
    for arguments in (("unet", tmp_path), ("nothing", tmp_path)):
        run = fit(*arguments, tmp_path / "run")
        assert run.returncode == 1
        assert run.stderr.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in run.stderr
