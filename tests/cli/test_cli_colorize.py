"""``colorzoo colorize``: what is written where, and what is said."""

import shutil

import imagecodecs
import numpy as np
import pytest
from helpers.commands import run_colorzoo
from helpers.jobs import names
from PIL import Image
from skimage.color import rgb2lab

import colorzoo


def test_a_folder_with_bad_files_among_good_ones(album, tmp_path, camera):
    result = run_colorzoo("colorize", album, "-o", tmp_path / "out")
    assert result.returncode == 1
    written = names(tmp_path / "out")
    assert written == ["coffee.jpg", "scan.tif", "sub/camera.png"]
    complaints = [line for line in result.stderr.splitlines() if "failed" in line]
    assert len(complaints) == 2
    assert any("letter.jpg" in line for line in complaints)
    assert any("cut.jpg" in line for line in complaints)
    assert "3 coloured, 2 failed" in result.stdout

    with Image.open(tmp_path / "out" / "coffee.jpg") as photo:
        assert photo.size == (400, 600)  # upright now
        assert photo.getexif().get(0x0112, 1) == 1
        assert photo.getexif()[0x013B] == "Ada"
        assert photo.info["dpi"] == (300, 300)
        assert photo.info["icc_profile"]
    with Image.open(tmp_path / "out" / "scan.tif") as scan:
        assert scan.size == camera.shape[::-1]
        given = rgb2lab(np.dstack([camera] * 3))[..., 0]
        assert np.abs(rgb2lab(np.asarray(scan))[..., 0] - given).max() < 0.5


def test_outputs_are_replaced_only_when_asked(album, tmp_path):
    out, photo = tmp_path / "out", album / "sub"
    assert run_colorzoo("colorize", photo, "-o", out, "--saturation", "0").returncode == 0
    before = (out / "camera.png").read_bytes()
    again = run_colorzoo("colorize", photo, "-o", out, "--saturation", "2")
    assert again.returncode == 1 and "--overwrite" in again.stderr
    assert (out / "camera.png").read_bytes() == before
    assert (
        run_colorzoo("colorize", photo, "-o", out, "--saturation", "2", "--overwrite").returncode
        == 0
    )
    assert (out / "camera.png").read_bytes() != before


def test_an_input_is_never_overwritten(album):
    photo = album / "coffee.jpg"
    before = photo.read_bytes()
    for output in (album, photo, album / "sub" / ".." / "coffee.jpg"):
        result = run_colorzoo("colorize", photo, "-o", output, "--overwrite")
        assert result.returncode == 1 and "is an input" in result.stderr
        assert photo.read_bytes() == before


def test_results_inside_the_input_folder_are_not_coloured_again(album):
    (album / "cut.jpg").unlink()
    (album / "letter.jpg").unlink()
    out = album / "coloured"
    assert run_colorzoo("colorize", album, "-o", out).returncode == 0
    assert "3 coloured" in run_colorzoo("colorize", album, "-o", out, "--overwrite").stdout
    assert not (out / "coloured").exists()


def test_the_output_may_be_above_the_input(album):
    result = run_colorzoo("colorize", album / "sub", "-o", album)
    assert result.returncode == 0, result.stderr
    assert (album / "camera.png").is_file()


def test_several_folders_have_the_layout_of_one(album, tmp_path):
    shutil.copytree(album / "sub", tmp_path / "other" / "deep")
    shutil.copy(album / "sub" / "camera.png", tmp_path / "other" / "more.png")
    out = tmp_path / "out"
    again = album / "sub" / "camera.png"  # named twice, coloured once
    told = run_colorzoo("colorize", album / "sub", tmp_path / "other", again, "-o", out)
    assert told.returncode == 0
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    assert found == ["camera.png", "deep/camera.png", "more.png"]
    shutil.copytree(album / "sub", tmp_path / "twin")
    told = run_colorzoo(
        "colorize", album / "sub", tmp_path / "twin", "-o", tmp_path / "new", "--model", "unet"
    )
    assert told.returncode == 1 and "1 coloured, 1 failed" in told.stdout
    assert "is already the output for" in told.stderr and "the folder above both" in told.stderr


def test_brackets_in_a_name_are_no_markup(tmp_path):
    (tmp_path / "scan[bad][b].jpg").write_bytes(b"")
    result = run_colorzoo("colorize", tmp_path / "scan[bad][b].jpg", "-o", tmp_path / "out")
    assert result.returncode == 1
    assert f"failed: {tmp_path / 'scan[bad][b].jpg'}: is empty" in result.stderr
    assert (
        "x[/b]"
        in run_colorzoo("colorize", tmp_path, "-o", tmp_path / "o", "--model", "./x[/b]").stderr
    )


def test_two_inputs_of_one_name_do_not_overwrite_each_other(album, tmp_path):
    shutil.copy(album / "sub" / "camera.png", album / "camera.png")
    result = run_colorzoo(
        "colorize", album / "camera.png", album / "sub" / "camera.png", "-o", tmp_path / "o"
    )
    assert result.returncode == 1
    assert "1 coloured, 1 failed" in result.stdout and "already the output for" in result.stderr


def test_one_photo_to_one_file_with_every_option(album, tmp_path):
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "mine")
    out = tmp_path / "new" / "deep" / "photo.webp"
    result = run_colorzoo(
        "colorize", album / "coffee.jpg", "-o", out, "--model", tmp_path / "mine",
        "--saturation", "1.5", "--work-size", "64", "--device", "cpu",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    with Image.open(out) as photo:
        assert photo.format == "WEBP" and photo.size == (400, 600)


def test_a_gif_is_written_as_png_and_noted(tmp_path):
    frames = [Image.new("L", (20, 20), value) for value in (10, 200)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    result = run_colorzoo("colorize", tmp_path / "two.gif", "-o", tmp_path / "out")
    assert result.returncode == 0 and f"note: {tmp_path}/two.gif: " in result.stderr
    assert (tmp_path / "out" / "two.png").is_file()


@pytest.mark.parametrize("missing", ["gone.jpg", "empty"])
def test_nothing_to_colour(tmp_path, missing):
    (tmp_path / "empty").mkdir()
    result = run_colorzoo("colorize", tmp_path / missing, "-o", tmp_path / "out")
    assert result.returncode == 1 and missing in result.stderr


def test_16_bit_scans_keep_their_depth_unless_told_otherwise(tmp_path):
    codes = np.linspace(0, 65535, 40 * 50).astype(np.uint16).reshape(40, 50)
    scans = tmp_path / "scans"
    scans.mkdir()
    for name in ("a.tif", "b.png"):
        Image.fromarray(codes).save(scans / name)
    Image.fromarray((codes >> 8).astype(np.uint8)).save(scans / "c.png")
    for depth, found in ((None, (16, 16, 8)), (8, (8, 8, 8))):
        out = tmp_path / f"out-{depth}"
        asked = () if depth is None else ("--depth", depth)
        done = run_colorzoo("colorize", scans, "-o", out, "--model", "unet", *asked)
        assert done.returncode == 0, done.stderr
        pictures = [imagecodecs.imread(str(out / name)) for name in ("a.tif", "b.png", "c.png")]
        assert tuple(8 * picture.itemsize for picture in pictures) == found
    wrong = run_colorzoo("colorize", scans, "-o", tmp_path / "x", "--depth", 12)
    assert wrong.returncode == 1 and "--depth must be 8 or 16, got 12" in wrong.stderr
