"""Runs that stop, are killed and go on, and runs of several processes."""

import json
import signal
import time
from pathlib import Path
from subprocess import Popen

import pytest
import torch
from helpers.training import fit, start
from PIL import Image

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
@pytest.mark.parametrize("name", [pytest.param("unet", marks=pytest.mark.release), "unet-gan"])
def test_two_processes_train_together(name, shards, tmp_path):
    """Each has half of the photos, both make the same steps, and one of them exports."""
    run = start(
        name, shards, tmp_path, "--devices", 2, "--epochs", 2, "--batch-size", 4, "--start", "unet"
    )
    out, err = run.communicate()
    assert run.returncode == 0, err
    assert out.count("training: 16 photos") == 2
    assert out.count("8 steps in") == 1 and out.count("wrote ") == 1
    assert colorzoo.load(tmp_path / "weights").architecture == name


QUICK = ("--epochs", 1, "--sides", 32, "--start", "random")


def state_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder, and their content."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_older_run_is_only_replaced_when_asked_and_when_there_is_something_better(
    shards, tmp_path
):
    run = tmp_path / "run"
    assert fit("unet", shards, run, *QUICK).returncode == 0
    (run / "older.ckpt").write_bytes(b"of an older version")
    before = state_of(run)
    elsewhere = ("--export", tmp_path / "elsewhere")
    for more in (elsewhere, (*elsewhere, "--resume", "--sides", 32)):
        refused = fit("unet", tmp_path / "typo", run, *QUICK, *more)
        assert refused.returncode == 1
        if "--resume" in more:
            assert "typo does not exist" in refused.stderr
        else:
            assert "has checkpoints of an earlier run: pass --resume" in refused.stderr
            assert "--overwrite to replace it" in refused.stderr
    gray = tmp_path / "gray"
    gray.mkdir()
    for i in range(4):  # it can be opened, but there is nothing to learn from it
        Image.new("L", (64, 64), 60 * i).save(gray / f"{i}.png")
    for data in (tmp_path / "typo", gray):
        failed = fit("unet", data, run, *QUICK, "--overwrite")
        assert failed.returncode == 1 and failed.stderr.count("error: ") == 1
    found = state_of(run)
    assert {path: found.get(path) for path in before} == before

    done = fit("unet", shards, run, "--epochs", 2, *QUICK[2:], "--overwrite")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in run.glob("*.ckpt")) == ["best.ckpt", "last.ckpt"]
    found = state_of(run)
    assert all(found[path] != before[path] for path in before if path.endswith("t.ckpt"))
    assert json.loads((run / "config.json").read_text())["epochs"] == 2
    assert [row["epoch"] for row in read_log(run) if row["val_loss"]] == ["0", "1"]


def test_an_older_run_survives_one_that_is_killed_before_its_first_checkpoint(shards, tmp_path):
    assert fit("unet", shards, tmp_path, *QUICK).returncode == 0
    before = (tmp_path / "last.ckpt").read_bytes(), (tmp_path / "config.json").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.lightning_module.ColorizerModule.training_step", failing)
        with pytest.raises(RuntimeError, match="planned"):
            fit("unet", shards, tmp_path, *QUICK, "--overwrite")
    assert before == (
        (tmp_path / "last.ckpt").read_bytes(),
        (tmp_path / "config.json").read_bytes(),
    )


def failing(*_):
    raise RuntimeError("planned")


def test_a_checkpoint_that_cannot_be_resumed_is_one_sentence(shards, tmp_path):
    assert fit("unet", shards, tmp_path, *QUICK).returncode == 0
    last, best = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    whole = last.read_bytes()
    loaded = torch.load(last, weights_only=True)
    damages = {
        "cut": whole[:-3000],
        "half": whole[: len(whole) // 2],
        "empty": b"",
        "zeros": bytes(len(whole)),
        "text": b"not a checkpoint",
        "other": {"epoch": 3},
        "weights": {key: loaded[key] for key in ("state_dict", "loops", "epoch", "global_step")},
        "list": [1, 2],
    }
    for damage, content in damages.items():
        if isinstance(content, bytes):
            last.write_bytes(content)
        else:
            torch.save(content, last)
        before = state_of(tmp_path)
        refused = fit("unet", shards, tmp_path, *QUICK, "--resume", "--overwrite")
        said = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
        assert refused.returncode == 1 and len(said) == 1, damage
        assert "last.ckpt is damaged" in said[0] and "copy best.ckpt over it" in said[0], damage
        assert said[0].endswith("pass --overwrite instead of --resume to start again")
        assert state_of(tmp_path) == before
    best.write_bytes(b"")
    refused = fit("unet", shards, tmp_path, *QUICK, "--resume", "--overwrite")
    assert "copy" not in refused.stderr and "run: pass --overwrite instead" in refused.stderr
    best.write_bytes(whole)
    last.write_bytes(best.read_bytes())
    more = ("--epochs", 2, *QUICK[2:], "--resume", "--overwrite")
    assert fit("unet", shards, tmp_path, *more).returncode == 0


def test_a_checkpoint_of_another_model_is_one_sentence(shards, tmp_path):
    assert fit("unet", shards, tmp_path, *QUICK).returncode == 0
    more = ("--resume", "--overwrite", "--keyword", "width=8")
    refused = fit("unet", shards, tmp_path, *QUICK, *more)
    said = refused.stderr.splitlines()[-1]
    assert refused.returncode == 1 and "is of another model or of other options" in said


def start_and_wait(shards: Path, run: Path, *arguments: object, until: str) -> "Popen[str]":
    """Start a run and wait until it has written a file of that name."""
    running = start("unet", shards, run, *arguments)
    while not list(run.rglob(until)):
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    return running


@pytest.mark.slow
def test_ctrl_c_exports_what_there_is_and_says_how_to_go_on(shards, tmp_path):
    epochs = 15  # enough to be interrupted
    arguments = ("--epochs", epochs, "--batch-size", 2, "--sides", 32, "--start", "random")
    running = start_and_wait(shards, tmp_path, *arguments, until="best.ckpt")
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130 and "Traceback" not in err
    (said,) = (line for line in err.splitlines() if line.startswith("stopped: "))
    assert f"exported {tmp_path / 'weights'}. To continue, run the same command with" in said
    assert said.endswith("--resume --overwrite.")
    assert colorzoo.load(tmp_path / "weights").architecture == "unet"
    steps = torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"]
    assert 0 < steps < epochs * 16 and f"after step {steps}," in said
    again = fit("unet", shards, tmp_path, *arguments, "--resume", "--overwrite")
    assert again.returncode == 0, again.stderr
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == epochs * 16


@pytest.mark.slow
def test_ctrl_c_before_the_first_step_leaves_an_older_run_alone(shards, tmp_path):
    assert fit("unet", shards, tmp_path, *QUICK).returncode == 0
    before = state_of(tmp_path)
    running = start("unet", shards, tmp_path, *QUICK, "--overwrite")
    for line in running.stdout:
        if line.startswith("unet "):  # the model is built; Lightning starts now
            break
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130 and "Traceback" not in err
    assert sum(line.startswith("stopped: ") for line in err.splitlines()) == 1
    found = state_of(tmp_path)
    assert {path: found.get(path) for path in before} == before
