"""Saving: a folder holds a whole model at any moment, the new one or the one before."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.limits import used_by
from safetensors.torch import load_file

import colorzoo
from colorzoo.hub.fetch import Folder
from colorzoo.hub.saving import save_files

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


def save(number: int, folder: Path) -> None:
    """Save a model of which both files hold a number."""
    save_files(folder, {"weight": torch.full((9,), number)}, {"number": number}, dtype=None)


def number_in(folder: Path) -> int:
    """The number of a model that ``save`` saved, which must be the same in both files."""
    config, source = Folder(folder).fetch("config.json")
    number = json.loads(config.read_text())["number"]
    assert load_file(source.fetch("model.safetensors")[0])["weight"].tolist() == [number] * 9
    return number


def at_file_operation(number: int, act: Callable[[], None]) -> Callable[[], bool]:
    """From now on, call a function before the n-th operation on files; tell if that has come."""
    left = number
    operations = (
        "os.mkdir",
        "os.rename",
        "os.remove",
        "os.chmod",
        "os.truncate",
        "shutil.copymode",
    )

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and arguments[1] not in ("r", "rb", None)
        if left and (writes or event in operations):
            left -= 1
            if not left:
                act()

    sys.addaudithook(hook)
    return lambda: not left


def killed_at_every_step(folder: Path) -> list[str]:
    """Save models over one another, each killed one step later; tell what was there afterwards."""
    save(1, folder)
    held, found = 1, []
    for step in range(1, 100):
        new = 2 + step % 3
        child = os.fork()
        if not child:
            at_file_operation(step, lambda: os.kill(os.getpid(), signal.SIGKILL))
            save(new, folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        is_killed = os.WIFSIGNALED(status)
        now = number_in(folder)
        assert now == new or (is_killed and now == held), (step, held, new, now)
        found.append("new" if now == new else "old")
        held = now
        if not is_killed:
            return found
    raise AssertionError("it is never done")


@pytest.mark.skipif(sys.platform != "linux", reason="see helpers.limits")
def test_a_save_that_is_killed_at_any_step_leaves_a_whole_model(tmp_path):
    found = eval(used_by(killed_at_every_step, tmp_path).outcome)
    assert found.count("old") > 5 and found.count("new") > 3, found
    assert names(tmp_path) == {"config.json", "model.safetensors"}


def full_at_every_step(folder: Path) -> list[str]:
    """Save models over one another; the disk is full at a later step each time."""
    save(1, folder)
    held, told = 1, []
    for step in range(1, 100):
        new = 2 + step % 3
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            said = ""
            has_come = at_file_operation(step, full)
            try:
                save(new, folder)
            except colorzoo.WeightsError as error:
                said = str(error)
            os.write(writing, (said if has_come() else "done").encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        said = os.read(reading, 10_000).decode()
        now = number_in(folder)
        assert now == new or (said and now == held), (step, held, new, now, said)
        held = now
        if said == "done":
            return told
        told += [said] if said else []  # some errors do not matter, such as of tidying up
    raise AssertionError("it is never done")


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(sys.platform != "linux", reason="see helpers.limits")
def test_a_disk_that_is_full_at_any_step_costs_no_model(tmp_path):
    outcome = used_by(full_at_every_step, tmp_path).outcome
    assert outcome.startswith("["), outcome
    told = eval(outcome)
    assert len(told) > 5
    assert all("No space left on device" in each and str(tmp_path) in each for each in told), told
    assert names(tmp_path) == {"config.json", "model.safetensors"}


@pytest.mark.parametrize("failing", ["save", "write_whole"])
def test_a_save_that_fails_keeps_the_model_that_was_there(saved, monkeypatch, failing):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def failed(*_, **__):
        full()

    monkeypatch.setattr(f"colorzoo.hub.saving.{failing}", failed)
    with pytest.raises(colorzoo.WeightsError, match=r"cannot be saved in .* \(No space left"):
        colorzoo.create_model("unet", width=3).save_pretrained(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_a_card_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("colorzoo.hub.mixin.write_whole", lambda *_: full())
    with pytest.raises(colorzoo.WeightsError, match=r"saved, but its card cannot .*No space left"):
        colorzoo.create_model("unet", width=2).save_pretrained(tmp_path)
    assert colorzoo.load(tmp_path).config["width"] == 2


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_in_a_files_place_is_told(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(colorzoo.WeightsError, match=f"{name} is not a regular file"):
        colorzoo.create_model("unet", width=2).save_pretrained(tmp_path)
    assert names(tmp_path) == {name}


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_links_are_replaced_and_not_followed(saved, tmp_path):
    (tmp_path / "other").write_bytes(b"of somebody else")
    for name in names(saved):
        (saved / name).unlink()
        (saved / name).symlink_to(tmp_path / ("other" if name != "README.md" else "nowhere"))
    colorzoo.create_model("unet", width=3).save_pretrained(saved)
    assert colorzoo.load(saved).config["width"] == 3
    assert (tmp_path / "other").read_bytes() == b"of somebody else"
    assert not (tmp_path / "nowhere").exists()


def interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Save a model, and be killed before config.json has its place."""

    def killed(_, target):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        replace = Path.replace
        patch.setattr(
            Path,
            "replace",
            lambda path, to: (killed if to.name == "config.json" else replace)(path, to),
        )
        colorzoo.create_model("unet", width=width).save_pretrained(folder)


def test_an_interrupted_save_is_found_by_its_weights_and_by_nothing_else(saved, monkeypatch):
    old = (saved / "model.safetensors").read_bytes()
    interrupted(saved, monkeypatch, 3)
    assert json.loads((saved / "config.json").read_text())["width"] == 2
    assert colorzoo.load(saved).config["width"] == 3
    assert type(colorzoo.load(saved)).from_pretrained(saved).config["width"] == 3
    (saved / "model.safetensors").write_bytes(old)
    assert colorzoo.load(saved).config["width"] == 2
    (left,) = names(saved) - {"config.json", "model.safetensors", "README.md"}
    (saved / left).write_bytes(b"{")  # what others write there is not read with these weights
    assert colorzoo.load(saved).config["width"] == 2
    interrupted(saved, monkeypatch, 3)
    interrupted(saved, monkeypatch, 4)
    assert colorzoo.load(saved).config["width"] == 4
    colorzoo.create_model("unet", width=5).save_pretrained(saved)
    assert colorzoo.load(saved).config["width"] == 5
    assert names(saved) == {"config.json", "model.safetensors", "README.md"}


def test_a_config_that_is_edited_by_hand_counts(saved):
    config = json.loads((saved / "config.json").read_text())
    for size in (64, 128):
        (saved / "config.json").write_text(json.dumps(config | {"work_size": size}))
        assert colorzoo.load(saved).work_size == size


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
