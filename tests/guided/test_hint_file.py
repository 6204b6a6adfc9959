"""Hints and named colours in JSON files: what is saved comes back, what is wrong is refused."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.limits import used_by
from PIL import Image

import colorzoo
from colorzoo import Area, ConfigError, Hint, load_hints, save_hints
from colorzoo.imaging.formats import photos_below

MASK = np.zeros((30, 40), np.uint8)
MASK[5:20, 5:20] = 255
HINTS = [
    Hint(120, 80.5, "#b03020"),
    Hint(0, 0, None, radius=4),
    Hint(3, 4, "tomato", frame=35),
    Hint(3, 4, (176, 48, 32), radius=0.5),
    Hint(1, 2, (20.0, -31.5)),
    Area(MASK, "#b03020"),
    Area(MASK, None),
    Area(255 - MASK, "unchanged"),
    Area(MASK > 0, (12, 200, 7)),
]


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "photo.hints.json"


def write(path: Path, **content: object) -> Path:
    path.write_text(json.dumps({"version": 1} | content))
    return path


def test_what_is_saved_comes_back(file):
    save_hints(HINTS, file, size=(400, 300))
    assert load_hints(file) == HINTS == load_hints(str(file), size=(400, 300))
    assert sum(each.suffix == ".png" for each in file.parent.iterdir()) == 2  # equal masks: one
    save_hints(HINTS[:2], file)
    assert load_hints(file) == HINTS[:2]
    assert json.loads(file.read_text()) == {
        "version": 1,
        "hints": [
            {"x": 120, "y": 80.5, "color": "#b03020", "radius": 1.0},
            {"x": 0, "y": 0, "color": None, "radius": 4},
        ],
    }


def test_numbers_of_numpy_come_back(file):
    third: Any = np.int64(3)
    hints = [Hint(third, float(np.float32(0.1)), (np.float64(3.5), 2), radius=np.float64(2))]
    size: Any = (np.int32(9), 9)
    save_hints(hints, file, size=size)
    assert load_hints(file) == hints


def test_masks_that_are_saved_are_no_photos(file):
    save_hints(HINTS, file)
    Image.new("L", (8, 8)).save(file.parent / "photo.hints.png")
    assert [each.name for each in photos_below(file.parent)] == ["photo.hints.png"]


def test_hints_fit_larger_and_smaller_copies(file):
    save_hints([Hint(100, 50, "red", radius=4), *HINTS[-2:]], file, size=(400, 300))
    assert load_hints(file, size=(1200, 900)) == [Hint(300, 150, "red", radius=12), *HINTS[-2:]]
    with pytest.raises(ConfigError, match="400 x 300 pixels, the photo has 300 x 400"):
        load_hints(file, size=(300, 400))


def test_a_named_colour_changes_all_that_refer_to_it(file, tmp_path):
    colors = {"uniform": "#5b6b4e", "Red": [176, 48, 32], "wall": None, "sky": (-4.0, -20.5)}
    hints = [Hint(1, 2, "#5b6b4e"), Hint(3, 4, (176, 48, 32)), Hint(5, 6, None), Hint(7, 8, "red")]
    save_hints(hints, file, colors=colors)
    found = json.loads(file.read_text())
    assert [each["color"] for each in found["hints"]] == ["uniform", "Red", "wall", "red"]
    assert load_hints(file) == hints
    (tmp_path / "palette.json").write_text('{"colors": {"uniform": "navy", "red": "#800000"}}')
    for palette in (tmp_path / "palette.json", {"uniform": "navy", "red": "#800000"}):
        colours = [each.color for each in load_hints(file, colors=palette)]
        assert colours == ["navy", (176, 48, 32), None, "#800000"]  # names go before CSS names
    with pytest.raises(ConfigError, match="'reed' is not a colour.*named colours, uniform$"):
        load_hints(write(file, colors={"uniform": "#5b6b4e"}, hints=[POINT | {"color": "reed"}]))


def test_a_css_name_that_means_another_colour_is_saved_as_what_it_was(file):
    save_hints([Hint(1, 2, "red")], file, colors={"red": "#b03020"})
    (hint,) = load_hints(file)
    assert isinstance(hint, Hint) and hint.rgb == (255, 0, 0)


def test_hints_and_areas_are_values():
    from_json: Any = [1, 2, 3]
    for each in [*HINTS, Hint(1, 2, from_json)]:
        copy = pickle.loads(pickle.dumps(each))  # noqa: S301
        assert copy == each and hash(copy) == hash(each) and len({copy, each}) == 1
        if isinstance(copy, Area):
            with pytest.raises(ValueError, match="read-only"):
                copy.mask[:] = 0


POINT = {"x": 1, "y": 2, "color": "red"}
AREA = {"mask": "mask.png", "color": None}
WRONG = {
    "an unknown version": ({"version": 2}, "has version 2, but this colorzoo reads version 1"),
    "a later version with new keys": ({"version": 3, "lines": []}, "has version 3, but this"),
    "a version that is true": ({"version": True}, "'version' must be the number 1, got True"),
    "a version that is text": ({"version": "1"}, "'version' must be the number 1, got '1'"),
    "an unknown key": ({"hint": []}, "unknown key 'hint'; known are 'areas', 'colors', 'hints'"),
    "an unknown key of a hint": ({"hints": [POINT | {"z": 1}]}, "hint 1 has the unknown key 'z'"),
    "a hint without y": ({"hints": [{"x": 1, "color": "red"}]}, "hint 1 has no 'y'"),
    "a hint that is a list": ({"hints": [[1, 2, "red"]]}, "hint 1 must be a JSON object"),
    "hints that are an object": ({"hints": POINT}, "'hints' must be a list"),
    "text as x": ({"hints": [POINT, POINT | {"x": "1"}]}, "hint 2: a hint's x must be a number"),
    "a negative y": ({"hints": [POINT | {"y": -1}]}, "hint 1: a hint's y must be a number"),
    "a frame of 1.5": ({"hints": [POINT | {"frame": 1.5}]}, "frame must be a whole number"),
    "four numbers": ({"hints": [POINT | {"color": [1, 2, 3, 4]}]}, "three whole numbers"),
    "a colour of nested lists": ({"hints": [POINT | {"color": [[1], 2]}]}, "three whole numbers"),
    "a colour that is an object": ({"hints": [POINT | {"color": {}}]}, "three whole numbers"),
    "an unchanged point": ({"hints": [POINT | {"color": "unchanged"}]}, "is not a colour"),
    "10,000 hints": ({"hints": [POINT] * 10_000}, "at most 1,000 hints, got 10,000"),
    "10,000 areas": ({"areas": [AREA] * 10_000}, "at most 1,000 hints, got 10,000"),
    "a size of one": ({"size": [400]}, "size must be the photo's width and height"),
    "a size of nothing": ({"size": [0, 3]}, "size must be the photo's width and height"),
    "a size of text": ({"size": "ab"}, "size must be the photo's width and height"),
    "colours in a list": ({"colors": ["red"]}, "'colors' must be a JSON object"),
    "a colour that is none": ({"colors": {"a": "reed"}}, "the colour 'a': 'reed' is not a colour"),
    "a name that is taken": ({"colors": {"unchanged": "red"}}, "other than 'unchanged'"),
    "a long name": ({"colors": {"a" * 101: "red"}}, "1 to 100 characters"),
    "many names": ({"colors": {f"{i}": "red" for i in range(1001)}}, "at most 1,000 colours"),
    "text as inverted": ({"areas": [AREA | {"inverted": "yes"}]}, "must be true or false"),
    "a mask that is a number": ({"areas": [AREA | {"mask": 3}]}, "area 1: \"mask\" must be"),
    "no mask": ({"areas": [AREA | {"mask": "gone.png"}]}, "gone.png cannot be read (No such"),
    "a folder as a mask": ({"areas": [AREA | {"mask": "."}]}, "area 1: the mask"),
    "text as a mask": ({"areas": [AREA | {"mask": "photo.hints.json"}]}, "photo.hints.json: "),
    "an absolute mask": ({"areas": [AREA | {"mask": "/etc/passwd"}]}, "must be in the folder"),
    "a mask of Windows": ({"areas": [AREA | {"mask": "C:\\a.png"}]}, "must be in the folder"),
    "a mask of a share": ({"areas": [AREA | {"mask": "\\\\a\\b\\c"}]}, "must be in the folder"),
    "a mask above": ({"areas": [AREA | {"mask": "../mask.png"}]}, "must be in the folder"),
    "a mask above, later": ({"areas": [AREA | {"mask": "sub/../../m"}]}, "must be in the folder"),
    "a mask above, backwards": ({"areas": [AREA | {"mask": "sub\\..\\m"}]}, "must be in the fold"),
    "a mask that is a link": ({"areas": [AREA | {"mask": "link.png"}]}, "it is a link"),
    "a mask behind a link": ({"areas": [AREA | {"mask": "linked/mask.png"}]}, "it is a link"),
    "a null byte": ({"areas": [AREA | {"mask": "a\0b"}]}, "must be the relative path"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence(file, case):
    content, message = WRONG[case]
    other = file.parent / "other"
    other.mkdir()
    Image.fromarray(MASK).save(other / "mask.png")
    os.symlink(other / "mask.png", file.parent / "link.png")
    os.symlink(other, file.parent / "linked")
    write(file, **content)
    with pytest.raises(colorzoo.ColorzooError) as caught:
        load_hints(file)
    text = str(caught.value)
    assert message in text and "\n" not in text and text.startswith(str(file))


TEXTS = {
    "": "is not valid JSON",
    "[]": "must be a JSON object",
    "{}": "has no 'version'",
    '{"version": 1, "hints": [': "is not valid JSON",
    '{"version": 1, "version": 1}': "'version' is there twice",
    '{"version": 1, "hints": [{"x": NaN, "y": 1, "color": null}]}': "NaN is no JSON number",
    '{"version": 1, "hints": [{"x": 1e999, "y": 1, "color": null}]}': "x must be a number",
    f'{{"version": 1, "hints": [{{"x": 1{"0" * 5000}, "y": 1, "color": null}}]}}': "not valid JSON",
    f'{{"version": 1, "hints": {"[" * 900}{"]" * 900}}}': "too deeply nested",
    f'{{"version": 1, "hints": {"[" * 200_000}{"]" * 200_000}}}': "too deeply nested",
    f'{{"version": 1, "hints": [{" " * 1_000_000}]}}': "has more than 1,000,000 bytes",
    "\xff": "is not in UTF-8",
}


@pytest.mark.parametrize("text", TEXTS, ids=[text[:30] for text in TEXTS])
def test_text_that_is_no_hint_file(file, text):
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load_hints(file)
    assert TEXTS[text] in str(caught.value) and "\n" not in str(caught.value)


def _load_wrong(path: str) -> None:
    with pytest.raises(ConfigError):
        load_hints(path)


@pytest.mark.parametrize("key", ["{i}", "0"])
def test_a_hostile_file_takes_no_time(file, key):
    pairs = ",".join(f'"{key.format(i=i)}":0' for i in range(80_000))
    file.write_text(f'{{{pairs},"0":0}}')
    used_by(_load_wrong, str(file)).check()


def test_a_file_with_the_mark_of_windows_and_no_hints(file):
    file.write_bytes(b'\xef\xbb\xbf{"version": 1}')
    assert load_hints(file) == []
    file.write_bytes('{"version": 1}'.encode("utf-16"))
    with pytest.raises(ConfigError, match="is not in UTF-8; save it as UTF-8$"):
        load_hints(file)


@pytest.mark.parametrize(
    ("palette", "message"),
    [
        ({"a": "reed"}, "the colour 'a': 'reed' is not a colour"),
        ({3: "red"}, "the name of a colour must be a text"),
        (3, "colors must be a dict or the path of a JSON file, got 3"),
        ("gone.json", "gone.json cannot be read (No such file or directory)"),
    ],
)
def test_a_palette_that_is_wrong(file, palette, message):
    for call in (load_hints, lambda path, **how: save_hints([], path, **how)):
        write(file)
        with pytest.raises(ConfigError) as caught:
            call(file, colors=palette)
        assert message in str(caught.value)


def test_what_cannot_be_saved_changes_nothing(file, tmp_path):
    save_hints(HINTS[:2], file)
    before = file.read_bytes()
    with pytest.raises(ConfigError, match=r"hints must be a list of colorzoo.Hint"):
        save_hints(["red"], file)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="at most 1,000 hints, got 1,001"):
        save_hints(HINTS[:1] * 1001, file)
    with pytest.raises(ConfigError, match=r"size must be .* got \(0, 3\)"):
        save_hints([], file, size=(0, 3))
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]
    with pytest.raises(ConfigError, match="cannot be written .No such file"):
        save_hints([], tmp_path / "gone" / "a.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        save_hints([], tmp_path)


def test_a_pipe_is_not_waited_for(file):
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="is a named pipe"):
        load_hints(file)
