"""Which result goes where, and what cannot be done because two photos share a name."""

import shutil

import pytest
from helpers.jobs import colorize, names
from PIL import Image

from colorzoo.jobs import plan as planning
from colorzoo.jobs.plan import plan

pytestmark = pytest.mark.usefixtures("two_threads")


def test_two_photos_of_one_output_name(album, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(album / "00.png", other / "00.png")
    Image.open(album / "01.png").save(other / "01.gif")  # GIF becomes PNG
    inputs = [album / "00.png", album / "01.png", other / "00.png", other / "01.gif"]
    result = colorize(*inputs, "-o", tmp_path / "out")
    assert result.code == 1 and "2 coloured, 2 failed" in result.out
    assert sorted(result.err) == [
        f"failed: {second}: {tmp_path}/out/{name} is already the output for {first}. Colour this "
        "one in a separate run, with another output, or name the folder above both."
        for first, second, name in zip(inputs[:2], inputs[2:], ["00.png", "01.png"], strict=True)
    ]
    assert names(tmp_path / "out") == ["00.png", "01.png"]


@pytest.mark.parametrize("tells_apart", [True, False])
def test_names_that_differ_in_letters_only(album, tmp_path, monkeypatch, tells_apart):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(album / "00.png", other / "00.PNG")
    monkeypatch.setattr(planning, "_tells_letters_apart", lambda target: tells_apart)
    first, second = plan([album / "00.png", other / "00.PNG"], tmp_path / "out")
    assert first.clash is None
    assert (second.clash is None) == tells_apart
    # A result that has such a name in common with an input.
    third = plan([other / "00.PNG", album], album)[0]
    assert third.target == album / "00.PNG" and (third.clash is None) == tells_apart


def test_whether_the_disk_tells_letters_apart_is_tried_out(tmp_path):
    (tmp_path / "a").touch()
    expected = not (tmp_path / "A").exists()
    assert planning._tells_letters_apart(tmp_path / "new" / "x.png") == expected
    assert names(tmp_path) == ["a"]
