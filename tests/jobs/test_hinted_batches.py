"""Hints in batches: they pass through to workers, and what is wrong fails one photo only."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.jobs import colorize, pixels_of, png
from PIL import Image

import colorzoo
from colorzoo import Area, ConfigError, Hint
from colorzoo.jobs.dataset import Colorize

RED = "#b03020"
MASK = np.zeros((40, 48), bool)
MASK[:, 24:] = True
HINTS = [Hint(12, 8, RED, radius=3), Area(MASK, None)]


@pytest.fixture
def photos(tmp_path, gray) -> Path:
    """Two photos of 48 x 40 pixels and one of half that size."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, picture in (("a.png", gray), ("b.png", gray), ("c.png", gray[::2, ::2])):
        Image.fromarray(picture).save(folder / name)
    return folder


def is_gray(pixels: np.ndarray) -> bool:
    return int(np.ptp(pixels[..., :3].astype(int), axis=2).max()) == 0


def test_rows_get_the_hints_also_in_another_process(model, gray):
    batch = {"bytes": [png(gray), png(gray[::2, ::2])], "path": ["a.png", "c.png"]}
    hints = [*HINTS, Hint(40, 30, "navy")]  # the last is outside of the small photo
    plain = Colorize(str(model), hints=hints)
    for each in (plain, pickle.loads(pickle.dumps(plain))):  # noqa: S301  (just written)
        result = each(batch)
        expected = colorzoo.load(model).colorize_photo(colorzoo.read_photo(gray), hints=hints)
        found = pixels_of(result["coloured"][0])
        assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1
        assert is_gray(found[:, 24:]) and not is_gray(found)
        assert result["coloured"][1] == b"" and result["error"] == [
            "", "c.png: hint 2 is at (40, 30), outside the photo of 24 x 20 pixels; "
            "move it inside, or remove it",
        ]  # fmt: skip


@pytest.mark.parametrize("is_written", [True, False])
def test_files_of_hints_for_all_photos_and_for_each(model, photos, tmp_path, is_written):
    shared = tmp_path / "shared.json"
    colorzoo.save_hints([Area(MASK, None)], shared, size=(48, 40))
    colorzoo.save_hints([Area(~MASK, None)], photos / "b.hints.json")
    (photos / "c.hints.json").write_text("{}")
    place = {"output": tmp_path / "out", "root": photos} if is_written else {}
    batch = {"path": [str(photos / name) for name in ("a.png", "b.png", "c.png")]}

    def pictures(result: dict) -> list[np.ndarray]:
        if not is_written:
            return [pixels_of(data) for data in result["coloured"] if data]
        return [np.asarray(Image.open(path)) for path in result["output"] if path]

    own = Colorize(str(model), hint_file="auto", **place)(batch)
    a, b = pictures(own)
    assert not is_gray(a[:, 24:]) and is_gray(b[:, :24]) and not is_gray(b[:, 24:])
    assert own["error"] == ["", "", f"{photos / 'c.hints.json'} has no 'version'; add it"]
    place = {"output": tmp_path / "other", "root": photos} if is_written else {}
    for file in (shared, str(shared)):
        a, b, c = pictures(Colorize(str(model), hint_file=file, **place)(batch))
        assert is_gray(a[:, 24:]) and is_gray(b[:, 24:]) and is_gray(c[:, 12:])
        assert not is_gray(a) and not is_gray(c)


def test_what_is_wrong_with_a_file_for_all_is_told_at_once(model, tmp_path):
    with pytest.raises(ConfigError, match="gone.json cannot be read"):
        Colorize(str(model), hint_file=tmp_path / "gone.json")
    with pytest.raises(ConfigError, match="the colour 'a': 'reed' is not a colour"):
        Colorize(str(model), hint_file="auto", colors={"a": "reed"})


def test_both_ways_know_how_the_other_made_its_outputs(model, photos, tmp_path):
    out = tmp_path / "out"
    colorzoo.save_hints(HINTS, photos / "a.hints.json")
    command = (photos, "-o", out, "--model", model, "--resume", "--hints", "auto")
    assert "3 coloured" in colorize(*command).out
    batch = {"path": [str(photos / name) for name in ("a.png", "b.png")]}
    again = Colorize(str(model), output=out, root=photos, hint_file="auto")
    assert again(batch)["status"] == ["skipped", "skipped"]
    colorzoo.save_hints(HINTS[:1], photos / "a.hints.json")
    assert again(batch)["status"] == ["done", "skipped"]
    assert "3 skipped" in colorize(*command).out
    without = Colorize(str(model), output=out, root=photos)(batch)
    assert without["status"] == ["failed", "skipped"] and "the file of hints" in without["error"][0]
