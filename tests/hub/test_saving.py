"""Saving: a folder holds a whole model at any moment, the new one or the one before."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import colorzoo
from colorzoo.hub import checkpoint

# Saves a model of another width, and is killed when half of its weights are written.
KILLED = """
import os, signal, sys
import colorzoo
from colorzoo.hub import checkpoint

write = checkpoint.save_file

def half(tensors, path, **options):
    write(tensors, path, **options)
    os.truncate(path, 1000)
    os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save_file = half
colorzoo.create_model("unet", width=3).save_pretrained(sys.argv[1])
"""
# Saves over and over, until it is killed: the biases of the head are 0 and 1 in turn.
SAVING = """
import sys
import colorzoo

model = colorzoo.create_model("unet", width=2)
for i in range(100_000):
    model.head.bias.data.fill_(i % 2)
    model.save_pretrained(sys.argv[1])
    print("saved", flush=True)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("failing", ["save_file", "json.dumps"])
def test_a_save_that_fails_keeps_the_model_that_was_there(saved, monkeypatch, failing):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"colorzoo.hub.checkpoint.{failing}", full)
    with pytest.raises(OSError, match="No space left"):
        colorzoo.create_model("unet", width=3).save_pretrained(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_a_save_that_fails_halfway_keeps_the_model_that_was_there(saved, monkeypatch):
    """The disk is full when some of the weights are written."""
    write = checkpoint.save_file

    def half(tensors, path, **options):
        write(tensors, path, **options)
        os.truncate(path, 1000)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", half)
    before = names(saved)
    with pytest.raises(OSError, match="No space left"):
        colorzoo.create_model("unet", width=3).save_pretrained(saved)
    assert colorzoo.load(saved).config["width"] == 2 and names(saved) == before


def test_a_killed_save_keeps_the_model_that_was_there(saved):
    before = names(saved)
    killed = subprocess.run([sys.executable, "-c", KILLED, saved])
    assert killed.returncode == -signal.SIGKILL
    assert colorzoo.load(saved).config["width"] == 2
    assert names(saved) > before  # what was written so far, hidden
    colorzoo.create_model("unet", width=4).save_pretrained(saved)
    assert colorzoo.load(saved).config["width"] == 4 and names(saved) == before


def test_a_save_that_is_killed_at_any_moment_leaves_a_whole_model(saved):
    running = subprocess.Popen(
        [sys.executable, "-c", SAVING, saved], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None and running.stdout.readline() == "saved\n"
    for i in range(20):  # read while it is written to, too
        time.sleep(0.001 * i)
        assert colorzoo.load(saved).get_parameter("head.bias").unique().tolist() in ([0], [1])
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert colorzoo.load(saved).get_parameter("head.bias").unique().tolist() in ([0], [1])


def test_a_card_that_a_person_wrote_is_kept(saved):
    (saved / "README.md").write_text("# Mine\n")
    colorzoo.create_model("unet", width=3).save_pretrained(saved)
    assert (saved / "README.md").read_text() == "# Mine\n"
    assert colorzoo.load(saved).config["width"] == 3
    assert names(saved) == {"README.md", "config.json", "model.safetensors"}


def test_both_files_can_be_read_by_the_same_people(tmp_path):
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path)
    modes = {(tmp_path / name).stat().st_mode for name in ("config.json", "model.safetensors")}
    assert len(modes) == 1


def test_a_foreign_config_is_refused(tmp_path):
    model = colorzoo.create_model("unet", width=2)
    with pytest.raises(colorzoo.ConfigError, match="leave config out"):
        model.save_pretrained(tmp_path / "new", config={"width": 3})
    assert not (tmp_path / "new").exists()


def test_the_short_card_shows_how_to_load_the_folder(tmp_path, monkeypatch, jpeg):
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(), re.DOTALL)
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert (tmp_path / "coloured.jpg").is_file()
