"""``python -m train export``: the weights of a checkpoint, and what a run prints."""

import re

import pytest
import torch
from helpers.training import fit, train
from safetensors.torch import load_file

import colorzoo


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory):
    """A short run: what it printed, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    done = fit("unet", shards, folder, "--epochs", 2, "--sides", 32, "--keyword", "width=4")
    assert done.returncode == 0, done.stderr
    return done, folder


def test_a_run_prints_loss_psnr_and_the_time_left_and_no_adverts(run):
    told = run[0].stdout + run[0].stderr
    line = r"epoch 1 of at most 2: loss \S+, validation loss \S+, PSNR \S+ dB, SSIM \S+, \d+ s left"
    assert re.search(line, told) and "epoch 2 of at most 2: loss" in told
    for advert in ("litlogger", "Lightning", "Tip", "deprecated", "TPU", "Trainer", "Warning"):
        assert advert not in told


def test_a_run_and_its_checkpoints_can_be_exported(run, tmp_path):
    folder = run[1]
    done = train("export", folder, tmp_path / "whole")
    assert done.returncode == 0 and "unet of " in done.stdout and "best.ckpt" in done.stdout
    found = load_file(tmp_path / "whole" / "model.safetensors")
    for name, tensor in load_file(folder / "weights" / "model.safetensors").items():
        assert torch.equal(found[name], tensor)
    assert train("export", folder / "last.ckpt", tmp_path / "last").returncode == 0
    assert colorzoo.load(tmp_path / "last").config["width"] == 4
    again = train("export", folder, tmp_path / "last")
    assert again.returncode == 1 and "has weights: pass --overwrite" in again.stderr
    assert train("export", folder, tmp_path / "last", "--overwrite").returncode == 0


def test_a_checkpoint_alone_needs_the_name_of_its_model(run, tmp_path):
    alone, out = tmp_path / "some.ckpt", tmp_path / "out"
    alone.write_bytes((run[1] / "last.ckpt").read_bytes())
    for words, told in (
        ((), "pass --model NAME"),
        (("--model", "unte"), "Did you mean unet"),
        (("--model", "autoencoder"), "does not fit autoencoder"),
        (("--model", "unet"), "does not fit unet with the keywords {}: pass"),
    ):
        wrong = train("export", alone, out, *words)
        assert wrong.returncode == 1 and told in wrong.stderr, wrong.stderr
    assert train("export", alone, out, "--model", "unet", "--keyword", "width=4").returncode == 0
    assert colorzoo.load(out).architecture == "unet"
    alone.write_bytes(alone.read_bytes()[:1000])
    wrong = train("export", alone, out, "--model", "unet", "--overwrite")
    assert wrong.returncode == 1 and "missing or damaged" in wrong.stderr
    wrong = train("export", tmp_path / "gone", out, "--model", "unet", "--overwrite")
    assert wrong.returncode == 1 and "there is no checkpoint" in wrong.stderr


def test_times_are_told_in_words():
    from train.progress import in_words

    assert [in_words(each) for each in (4, 700, 8000)] == ["4 s", "12 min", "2 h 13 min"]
