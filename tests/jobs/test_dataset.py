"""Batches of photos by hand: rows in, rows out, or files written."""

import errno
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import modules_after
from helpers.jobs import names, pixels_of, png
from PIL import Image

import colorzoo
from colorzoo.imaging import write
from colorzoo.jobs.dataset import Colorize


def test_every_kind_of_photo_is_coloured_alike(model, gray, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png(gray))
    kinds = [
        *(png(gray), memoryview(png(gray)), str(path), path, gray, Image.fromarray(gray)),
        *({"bytes": png(gray), "path": None}, {"bytes": None, "path": str(path)}),
    ]
    expected = np.asarray(colorzoo.load(model).colorize(gray, saturation=1.5))
    result = Colorize(model, device="cpu", saturation=1.5)({"image": kinds})
    assert result.keys() == {"coloured", "error"}
    assert result["error"] == [""] * len(kinds)
    for encoded in result["coloured"]:
        assert (pixels_of(encoded) == expected).all()


def test_a_photo_that_fails_costs_its_row_only(model, gray):
    bad = [b"", b"no photo", png(gray)[:200], None, [1, 2], {"bytes": None, "path": None}, "no.png"]
    batch = {"image": [png(gray), *bad, png(gray)], "id": np.arange(9), "path": list("abcdefghi")}
    result = Colorize(model, keep=["id"], suffix=".jpg")(batch)
    assert list(result["id"]) == list(range(9)) and result["path"] == list("abcdefghi")
    first, *failed, last = result["coloured"]
    assert first == last and pixels_of(first).shape == (40, 48, 3) and failed == [b""] * 7
    assert result["error"][0] == result["error"][-1] == ""
    empty, other, cut, none, numbers, nothing, missing = result["error"][1:-1]
    assert empty.startswith("b: is empty") and other.startswith("c: is not a JPEG")
    assert cut.startswith("d: cannot be decoded") and none.startswith(
        "e: the row contains NoneType"
    )
    assert numbers.startswith("f: the row contains list, expected bytes, a path, a PIL image")
    assert nothing.startswith("g: the row contains NoneType")
    assert missing == "no.png: there is no such file; check the path"


@pytest.mark.parametrize(
    ("options", "batch", "error", "message"),
    [
        ({}, {"label": [1], "x": [2]}, colorzoo.ConfigError, "columns 'label', 'x', expected 'byt"),
        ({"column": "jpg"}, {"image": []}, colorzoo.ConfigError, "columns 'image', expected 'jpg'"),
        ({"seed": 1}, {"image": []}, colorzoo.ConfigError, "unet does not support seed; .*-bins"),
        ({"saturation": -1}, {"image": []}, ValueError, "saturation"),
        ({"work_size": 1}, {"image": []}, ValueError, "work_size"),
    ],
)
def test_what_would_fail_at_every_photo_fails_at_once(options, batch, error, message):
    with pytest.raises(error, match=message):
        Colorize("unet", device="cpu", **options)(batch)


def test_arguments_that_exclude_each_other():
    with pytest.raises(colorzoo.ConfigError, match="root and overwrite need output"):
        Colorize(root="photos")
    with pytest.raises(colorzoo.ConfigError, match=r"suffix must be one of .*, got \.gif"):
        Colorize(suffix=".gif")


def test_the_options_are_the_models(gray):
    result = Colorize("unet-bins", seed=3, vividness=0.8)({"image": [gray]})
    expected = colorzoo.load("unet-bins").colorize(gray, seed=3, vividness=0.8)
    assert (pixels_of(result["coloured"][0]) == np.asarray(expected)).all()


def test_no_weights_travel(model, gray):
    colorize = Colorize(model, keep=["id"])
    fresh = pickle.dumps(colorize)
    result = colorize({"image": [gray], "id": [7]})
    assert pickle.dumps(colorize) == fresh and len(fresh) < 2000
    again = pickle.loads(fresh)  # noqa: S301  (what it has just written)
    assert again({"image": [gray], "id": [7]}) == result


def test_import_loads_neither_ray_nor_datasets():
    eager, loaded = modules_after("import colorzoo"), modules_after("import colorzoo.jobs.dataset")
    assert "colorzoo.jobs.dataset" in loaded - eager
    assert not {"ray", "datasets", "pyarrow", "pandas"} & loaded


def test_results_are_named_like_their_photos(model, nested, tmp_path):
    paths = sorted(map(str, nested.rglob("*.*")))
    out = tmp_path / "out"
    result = Colorize(model, output=out, root=nested)({"path": np.array(paths)})
    assert names(out) == ["a.jpg", "sub/b.png", "sub/c.png"]
    assert result["output"] == [str(out / name) for name in names(out)]
    assert result["status"] == ["done"] * 3 and result["error"] == [""] * 3
    assert set(zip(result["width"], result["height"], strict=True)) == {(48, 40)}
    expected = colorzoo.load(model).colorize(nested / "sub" / "b.png")
    assert (np.asarray(Image.open(out / "sub" / "b.png")) == np.asarray(expected)).all()
    # As those write who hold the photos themselves.
    encoded = [Path(path).read_bytes() for path in paths]
    again = tmp_path / "again"
    Colorize(model, output=again, root=nested)({"bytes": encoded, "path": paths})
    decoded = {"image": [Image.open(path) for path in paths]}
    assert Colorize(model, output=again, root=nested)(decoded)["status"] == ["skipped"] * 3
    assert names(again) == names(out)
    for name in names(out):
        assert (again / name).read_bytes() == (out / name).read_bytes()


def test_what_is_there_and_whole_is_not_made_again(model, nested, tmp_path):
    out = tmp_path / "out"
    batch = {"path": sorted(map(str, nested.rglob("*.*")))}
    Colorize(model, output=out, root=nested)(batch)
    whole = {name: (out / name).read_bytes() for name in names(out)}
    kept = (out / "a.jpg").stat()
    (out / "sub" / "b.png").write_bytes(whole["sub/b.png"][:-100])
    (out / ".colorzoo-0123456789abcdef.tmp").write_bytes(b"half a photo")
    result = Colorize(model, output=out, root=nested)(batch)
    assert result["status"] == ["skipped", "done", "skipped"] and result["error"] == [""] * 3
    assert {name: (out / name).read_bytes() for name in names(out)} == whole
    assert (out / "a.jpg").stat() == kept

    os.utime(nested / "a.jpg", (time.time() + 60,) * 2)
    result = Colorize(model, output=out, root=nested)(batch)
    assert result["status"] == ["failed", "skipped", "skipped"]
    assert "a.jpg is older than the photo" in result["error"][0]
    result = Colorize(model, output=out, root=nested, overwrite=True)(batch)
    assert result["status"] == ["done", "skipped", "skipped"]


def test_no_photo_is_written_outside_the_output(model, gray, tmp_path):
    paths = ["../a.png", "/b.png", None, "c/d.png"]
    batch = {"image": [gray] * 4, "path": paths}
    out = tmp_path / "out"
    result = Colorize(model, output=out)(batch)
    assert result["status"] == ["failed"] * 3 + ["done"] and names(out) == ["c/d.png"]
    assert all("can't be mapped into" in reason for reason in result["error"][:3])
    result = Colorize(model, output=out, root="c")(batch)
    assert result["output"] == ["", "", "", str(out / "d.png")]
    assert (
        result["error"][0]
        == "../a.png does not start with c; pass root=, the folder that all paths start with"
    )


def test_a_full_disk_leaves_the_rest(model, gray, tmp_path, monkeypatch):
    def encode(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(write, "_encode", encode)
    batch = {"image": [gray] * 8, "path": [f"{i}.png" for i in range(8)]}
    result = Colorize(model, output=tmp_path / "out")(batch)
    assert result["status"] == ["left"] * 8
    assert all(reason.startswith("there is no space left to write") for reason in result["error"])
    assert all(reason.endswith("then run this again.") for reason in result["error"])
