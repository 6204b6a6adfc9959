"""Runs that stop, are killed and go on, and runs of several processes."""

import signal
import time

import pytest
import torch
from helpers.training import fit, start

import colorzoo
from train.report import read_log


def test_a_run_goes_on_where_it_stopped(shards, tmp_path):
    def steps() -> int:
        checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
        return checkpoint["global_step"]

    missing = fit("unet", shards, tmp_path, "--epochs", 1, "--resume")
    assert missing.returncode == 1 and "nothing to resume" in missing.stderr
    assert fit("unet", shards, tmp_path, "--epochs", 2, "--sides", 32).returncode == 0
    first = steps()
    refused = fit("unet", shards, tmp_path, "--epochs", 5, "--resume")
    assert refused.returncode == 1 and "--overwrite" in refused.stderr
    more = ("--sides", 32, "--resume", "--overwrite")
    again = fit("unet", shards, tmp_path, "--epochs", 5, *more)
    assert again.returncode == 0, again.stderr
    assert steps() * 2 == first * 5
    epochs = [int(row["epoch"]) for row in read_log(tmp_path) if row["val_loss"]]
    assert epochs == list(range(5))


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_number_of_steps(shards, tmp_path):
    """kill -9 in the middle of an epoch, some epochs in; then on to the end."""
    epochs, last = 5, tmp_path / "run" / "last.ckpt"
    arguments = ("--epochs", epochs, "--batch-size", 2, "--start", "random")
    running = start("unet", shards, tmp_path / "run", *arguments)
    written: set[int] = set()
    while len(written) < 2:  # two epochs are saved, the third one runs
        assert running.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
        if last.is_file():
            written.add(last.stat().st_mtime_ns)
    time.sleep(0.3)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert not (tmp_path / "run" / "weights").exists()
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
    run = start(
        name, shards, tmp_path, "--devices", 2, "--epochs", 2, "--batch-size", 4, "--start", "unet"
    )
    out, err = run.communicate()
    assert run.returncode == 0, err
    assert out.count("training: 16 photos") == 2
    assert "All distributed processes registered. Starting with 2 processes" in err
    assert out.count("8 steps in") == 1 and out.count("wrote ") == 1
    assert colorzoo.load(tmp_path / "weights").architecture == name
