"""Hints on the command line: points, files, palettes and masks, for one photo and for folders."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run_colorzoo
from helpers.jobs import colorize, lines_of, names
from PIL import Image

import colorzoo
from colorzoo import Area, Hint

RED = "#b03020"


@pytest.fixture
def model(tmp_path) -> Path:
    colorzoo.create_model("unet", width=2, work_size=32).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def album(tmp_path) -> Path:
    """Two photos of 48 x 40 pixels and a small one, all flat."""
    folder = tmp_path / "album"
    folder.mkdir()
    for name, size in (("a.png", (48, 40)), ("b.png", (48, 40)), ("small.png", (24, 20))):
        Image.new("L", size, 120).save(folder / name)
    return folder


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def expected(model: Path, photo: Path, **options) -> np.ndarray:
    return np.asarray(colorzoo.load(model).colorize(photo, **options)).astype(int)


def test_every_way_to_give_hints(album, model, tmp_path):
    mask = np.zeros((40, 48), np.uint8)
    mask[:, 24:] = 255
    only = np.full((40, 48), 255, np.uint8)
    only[34:] = 0
    for name, picture in (("gray.png", mask), ("only.png", only)):
        Image.fromarray(picture).save(tmp_path / name)
    colorzoo.save_hints([Hint(6, 6, "navy", radius=3)], tmp_path / "more.json", size=(24, 20))
    (tmp_path / "palette.json").write_text(json.dumps({"colors": {"uniform": "#5b6b4e"}}))
    words = (
        "--hint", f"12,8={RED}", "--hint", "30,8,4=uniform", "--hint", "5,30,tomato,2",
        "--hint", "40,30@7=gray", "--hints", tmp_path / "more.json",
        "--palette", tmp_path / "palette.json", "--keep-gray", tmp_path / "gray.png",
        "--color-only", tmp_path / "only.png", "--device", "cpu",
    )  # fmt: skip
    hints = [
        Hint(12, 12, "navy", radius=6), Hint(12, 8, RED), Hint(30, 8, "#5b6b4e", radius=4),
        Hint(5, 30, "tomato", radius=2), Hint(40, 30, None, frame=7), Area(mask, None),
        Area(only, None, inverted=True),
    ]  # fmt: skip
    out = tmp_path / "out.png"
    result = colorize(album / "a.png", "-o", out, "--model", model, *words)
    assert result.code == 0, result.err
    found = pixels(out)
    assert np.abs(found - expected(model, album / "a.png", hints=hints)).max() <= 1
    assert np.ptp(found[:, 24:], axis=2).max() == 0 and np.ptp(found[8, 12]) > 40
    sheet = tmp_path / "sheet.png"
    compared = run_colorzoo("compare", album / "a.png", "-o", sheet, "--model", model, *words)
    assert compared.returncode == 0, compared.stderr
    assert any(np.ptp(row, axis=1).max() > 40 for row in pixels(sheet))


def test_a_hint_outside_of_one_photo_is_that_photo_s_failure(album, model, tmp_path):
    result = colorize(album, "-o", tmp_path / "out", "--model", model, "--hint", f"30,30={RED}")
    assert result.code == 1 and "2 coloured, 1 failed" in result.out
    assert [line for line in result.err if "failed" in line] == [
        f"failed: {album / 'small.png'}: hint 1 is at (30, 30), outside the photo of 24 x 20 pixels"
        "; move it inside, or remove it"
    ]
    Image.new("L", (30, 30), 255).save(tmp_path / "mask.png")
    result = colorize(album, "-o", tmp_path / "o", "--model", model,
                      "--keep-gray", tmp_path / "mask.png")  # fmt: skip
    assert result.code == 1 and "0 coloured, 3 failed" in result.out
    assert all("the mask of an area has 30 x 30 pixels, the photo has" in x for x in result.err)


def test_each_photo_gets_its_own_file_and_a_changed_one_is_used(album, model, tmp_path):
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    command = (album, "-o", out, "--model", model, "--resume", "--report", report)
    assert "3 coloured" in colorize(*command, "--hints", "auto").out
    mask = np.zeros((20, 24), bool)
    mask[:, :12] = True
    hints = [Hint(12, 8, RED, radius=3), Area(mask, "navy")]
    colorzoo.save_hints(hints, album / "small.hints.json")
    result = colorize(*command, "--hints", "auto")  # its mask is no photo
    assert "1 coloured, 2 skipped, 0 failed" in result.out and not result.err
    found = pixels(out / "small.png")
    assert np.abs(found - expected(model, album / "small.png", hints=hints)).max() <= 1
    told = {Path(line["source"]).name: line for line in lines_of(report)[4:-1]}
    assert told["small.png"]["own_hints"].startswith("small.hints.json (")
    assert "own_hints" not in told["a.png"]
    for hint in (hints[0], Hint(12, 8, "navy", radius=3)):
        colorzoo.save_hints([hint], album / "small.hints.json")
        assert "1 coloured, 2 skipped" in colorize(*command, "--hints", "auto").out
        assert "3 skipped" in colorize(*command, "--hints", "auto").out
    before = (out / "small.png").read_bytes()
    without = colorize(*command)
    assert without.code == 1 and "2 skipped, 1 failed" in without.out
    assert "was made with the file of hints beside its photo, which this run" in without.err[0]
    assert (out / "small.png").read_bytes() == before
    (album / "small.hints.json").unlink()
    assert "1 coloured, 2 skipped" in colorize(*command, "--hints", "auto").out


def test_a_file_that_is_wrong_is_that_photo_s_failure(album, model, tmp_path):
    (album / "b.hints.json").write_text('{"version": 2}')
    result = colorize(album, "-o", tmp_path / "out", "--model", model, "--hints", "auto")
    assert result.code == 1 and "2 coloured, 1 failed" in result.out
    assert result.err == [
        f"failed: {album / 'b.hints.json'} has version 2, but this colorzoo reads version 1; "
        "update colorzoo"
    ]


def test_no_file_beside_any_photo_is_noted(album, model, tmp_path):
    result = colorize(album, "-o", tmp_path / "out", "--model", model, "--hints", "auto")
    (line,) = result.err
    assert line == (
        f"note: there is no file of hints beside any photo, such as {album / 'a.hints.json'}"
    )


def test_masks_among_the_photos_are_not_coloured(album, model, tmp_path):
    Image.new("L", (48, 40), 255).save(album / "wall.png")
    Image.new("L", (24, 20), 255).save(album / "sky.png")
    area = {"mask": "sky.png", "color": None}
    (album / "small.hints.json").write_text(json.dumps({"version": 1, "areas": [area]}))
    out = tmp_path / "out"
    words = ("--hints", "auto", "--keep-gray", album / "wall.png")
    result = colorize(album, "-o", out, "--model", model, *words)
    assert names(out) == ["a.png", "b.png", "small.png"]
    assert "note: masks of hints are not coloured: 2 left out" in result.err
    assert all(np.ptp(pixels(path), axis=2).max() == 0 for path in out.glob("*.png"))
    result = colorize(album / "wall.png", "-o", tmp_path / "w.png", "--model", model, *words)
    assert result.code == 0 and (tmp_path / "w.png").is_file()  # named itself


def test_runs_with_other_hints_are_told_apart(album, model, tmp_path):
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    file = tmp_path / "shared.json"
    colorzoo.save_hints([Hint(3, 4, RED)], file)
    command = (album, "-o", out, "--model", model, "--resume", "--report", report)
    words = ("--hint", f"12,8={RED}", "--hints", file)
    assert "3 coloured" in colorize(*command, *words).out
    assert "3 skipped" in colorize(*command, *words).out
    assert lines_of(report)[0]["hints"] == [[3, 4, RED, 1], [12, 8, RED, 1]]
    assert lines_of(report)[0]["notes"] == []
    for changed, said in (
        (("--hint", f"12,9={RED}", "--hints", file), "not [[3.0, 4.0"),
        (("--hint", f"12,8@2={RED}", "--hints", file), "1.0, 2]]"),
        (words[:2], "not [[12.0, 8.0"),
        ((), "not the default"),
        ((*words, *("--hint", "1,1=red") * 40), "not 42 hints ("),
    ):
        result = colorize(*command, *changed)
        assert result.code == 1 and len(result.err) == 1
        assert "were made with hints [[3.0, 4.0" in result.err[0] and said in result.err[0]


def test_a_colour_that_cannot_be_shown_is_noted(model, tmp_path):
    Image.new("L", (48, 40), 20).save(tmp_path / "dark.png")
    report, note = tmp_path / "run.jsonl", "hint 2: sRGB has no yellow that is as dark as the photo"
    words = ("--model", model, "--hint", "5,5=gray", "--hint", "12,8=yellow")
    result = colorize(tmp_path / "dark.png", "-o", tmp_path / "o.png", *words, "--report", report)
    assert result.code == 0 and len(result.err) == 1
    assert result.err[0].startswith(f"note: {tmp_path / 'dark.png'}: {note}")
    (told,) = lines_of(report)[0]["notes"]
    assert told.startswith(note)
    compared = run_colorzoo("compare", tmp_path / "dark.png", "-o", tmp_path / "s.png", *words)
    assert (
        compared.stderr.startswith(f"note: {tmp_path / 'dark.png'}: {note}")
        and compared.returncode == 0
    )
    assert len(compared.stderr.splitlines()) == 1
    hints = [Hint(5, 5, None), Hint(12, 8, "yellow")]
    for call in (
        lambda: colorzoo.load(model).colorize(tmp_path / "dark.png", hints=hints),
        lambda: colorzoo.colorize(tmp_path / "dark.png", model=model, hints=hints),
        lambda: colorzoo.compare(tmp_path / "dark.png", models=[str(model)] * 2, hints=hints),
    ):
        with pytest.warns(UserWarning, match=note) as caught:
            call()
        assert len(caught) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--hints", "gone.json"), "gone.json cannot be read (No such file or directory)"),
        (("--palette", "gone.json"), "gone.json cannot be read (No such file or directory)"),
        (("--keep-gray", "gone.png"), "gone.png: there is no such file"),
        (("--keep-gray", "a.png"), "a.png: the mask of an area must have white pixels"),
        (("--palette", "p.json", "--hint", "1,1=Navy2"), "the named colours, coat, uniform"),
        (("--hint", "1,1=red") * 1001, "at most 1,000 hints, got 1,001"),
    ],
)
@pytest.mark.parametrize("command", ["colorize", "compare"])
def test_what_is_wrong_is_one_line(tmp_path, model, command, words, message):
    Image.new("L", (48, 40), 0).save(tmp_path / "a.png")
    (tmp_path / "p.json").write_text('{"colors": {"uniform": "#5b6b4e", "coat": [176, 48, 32]}}')
    result = run_colorzoo(command, "a.png", "-o", "o.png", "--model", model, *words, cwd=tmp_path)
    assert result.returncode == 1 and not (tmp_path / "o.png").exists()
    (line,) = result.stderr.splitlines()
    assert message in line and line.startswith("error: ") or line.startswith("failed: ")


def test_a_reference_without_colours_is_one_note(tmp_path, coffee):
    """Python's own lines about warnings were printed, with a line of code of a library."""
    for name, picture in (("a.png", coffee[::8, ::8]), ("gray.png", coffee[::8, ::8, 0])):
        Image.fromarray(picture).save(tmp_path / name)
    result = colorize(
        tmp_path / "a.png", "-o", tmp_path / "out.png", "--reference", tmp_path / "gray.png"
    )
    assert result.code == 0 and result.err == [
        "note: gray.png: the reference is black and white, so what looks like it becomes gray; "
        "give a colour photo"
    ]
