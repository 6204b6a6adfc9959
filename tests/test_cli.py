"""The command line, in processes of its own."""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run_command
from PIL import Image
from skimage.color import rgb2lab

import colorzoo
from colorzoo.evaluation.metrics import PROTOCOL


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    result = run_command("colorzoo", *arguments, cwd=cwd)
    assert "Traceback" not in result.stderr + result.stdout
    return result


@pytest.fixture
def album(tmp_path, coffee, camera, jpeg):
    """Two good photos, a 16-bit scan, a text file named .jpg and a truncated JPEG."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Ada"  # orientation, artist
    Image.fromarray(coffee).save(folder / "coffee.jpg", exif=exif, dpi=(300, 300))
    Image.fromarray(camera).save(folder / "sub" / "camera.png")
    Image.fromarray(camera.astype(np.uint16) * 257).save(folder / "scan.tif")
    (folder / "letter.jpg").write_text("Dear aunt,")
    (folder / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "notes.txt").write_text("not a photo, and not named like one")
    return folder


def test_a_folder_with_bad_files_among_good_ones(album, tmp_path, camera):
    result = run("colorize", album, "-o", tmp_path / "out")
    assert result.returncode == 1
    written = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
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
    assert run("colorize", photo, "-o", out, "--saturation", "0").returncode == 0
    before = (out / "camera.png").read_bytes()
    again = run("colorize", photo, "-o", out, "--saturation", "2")
    assert again.returncode == 1 and "--overwrite" in again.stderr
    assert (out / "camera.png").read_bytes() == before
    assert run("colorize", photo, "-o", out, "--saturation", "2", "--overwrite").returncode == 0
    assert (out / "camera.png").read_bytes() != before


def test_an_input_is_never_overwritten(album):
    photo = album / "coffee.jpg"
    before = photo.read_bytes()
    for output in (album, photo, album / "sub" / ".." / "coffee.jpg"):
        result = run("colorize", photo, "-o", output, "--overwrite")
        assert result.returncode == 1 and "is an input" in result.stderr
        assert photo.read_bytes() == before


def test_results_inside_the_input_folder_are_not_coloured_again(album):
    (album / "cut.jpg").unlink()
    (album / "letter.jpg").unlink()
    out = album / "coloured"
    assert run("colorize", album, "-o", out).returncode == 0
    assert "3 coloured" in run("colorize", album, "-o", out, "--overwrite").stdout
    assert not (out / "coloured").exists()


def test_the_output_may_be_above_the_input(album):
    result = run("colorize", album / "sub", "-o", album)
    assert result.returncode == 0, result.stderr
    assert (album / "camera.png").is_file()


def test_several_folders_keep_their_names(album, tmp_path):
    shutil.copytree(album / "sub", tmp_path / "other")
    out = tmp_path / "out"
    again = album / "sub" / "camera.png"  # named twice, coloured once
    assert run("colorize", album / "sub", tmp_path / "other", again, "-o", out).returncode == 0
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.png")) == [
        "other/camera.png",
        "sub/camera.png",
    ]


def test_brackets_in_a_name_are_no_markup(tmp_path):
    (tmp_path / "scan[bad][b].jpg").write_bytes(b"")
    result = run("colorize", tmp_path / "scan[bad][b].jpg", "-o", tmp_path / "out")
    assert result.returncode == 1 and "failed: scan[bad][b].jpg: is empty" in result.stderr
    assert "x[/b]" in run("colorize", tmp_path, "-o", tmp_path / "o", "--model", "./x[/b]").stderr


def test_two_inputs_of_one_name_do_not_overwrite_each_other(album, tmp_path):
    shutil.copy(album / "sub" / "camera.png", album / "camera.png")
    result = run(
        "colorize", album / "camera.png", album / "sub" / "camera.png", "-o", tmp_path / "o"
    )
    assert result.returncode == 1
    assert "1 coloured, 1 failed" in result.stdout and "result of another" in result.stderr


def test_one_photo_to_one_file_with_every_option(album, tmp_path):
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "mine")
    out = tmp_path / "new" / "deep" / "photo.webp"
    result = run(
        "colorize", album / "coffee.jpg", "-o", out, "--model", tmp_path / "mine",
        "--saturation", "1.5", "--work-size", "64", "--device", "cpu",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    with Image.open(out) as photo:
        assert photo.format == "WEBP" and photo.size == (400, 600)


def test_a_sample_of_a_model_over_bins(album, tmp_path):
    photo, out = album / "sub" / "camera.png", tmp_path / "sample.png"
    result = run(
        "colorize", photo, "-o", out, "--model", "unet-bins", "--seed", "3", "--temperature", "0.5",
        "--device", "cpu",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    model = colorzoo.load("unet-bins")
    assert isinstance(model, colorzoo.BinsColorizer)
    expected = np.asarray(model.colorize(photo, seed=3, temperature=0.5)).astype(int)
    assert np.abs(np.asarray(Image.open(out)) - expected).max() <= 1
    assert np.abs(np.asarray(model.colorize(photo)) - expected).max() > 20


def test_a_gif_is_written_as_png_and_noted(tmp_path):
    frames = [Image.new("L", (20, 20), value) for value in (10, 200)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    result = run("colorize", tmp_path / "two.gif", "-o", tmp_path / "out")
    assert result.returncode == 0 and "note: two.gif" in result.stderr
    assert (tmp_path / "out" / "two.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "unte"), "Did you mean unet"),
        (("--model", "./nowhere"), "There is no folder"),
        (("--device", "abacus"), "the device 'abacus' is not there"),
        (("--model", "unet", "--seed", "1"), "unet is no model over colour bins"),
        (("--model", "unet-bins", "--seed", "-1"), "seed must be a whole number from 0"),
        (("--work-size", "20", "--max-pixels", "100"), "(on the command line, --max-pixels"),
    ],
)
def test_bad_options_are_explained_in_a_line(album, tmp_path, options, message):
    result = run("colorize", album / "coffee.jpg", "-o", tmp_path / "out", *options)
    assert result.returncode == 1
    assert message in result.stderr
    assert result.stderr.count("error: ") + result.stderr.count("failed: ") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["gone.jpg", "empty"])
def test_nothing_to_colour(tmp_path, missing):
    (tmp_path / "empty").mkdir()
    result = run("colorize", tmp_path / missing, "-o", tmp_path / "out")
    assert result.returncode == 1 and missing in result.stderr


def test_list_and_info():
    listed = run("list")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in colorzoo.list_models())
    for name in ("unet", colorzoo.DEFAULT_MODEL):  # each start takes seconds
        shown = run("info", name)
        assert shown.returncode == 0 and "work_size" in shown.stdout
    assert run("info", "unte").returncode == 1


def test_the_command_is_installed():
    entry = shutil.which("colorzoo", path=str(Path(sys.executable).parent))
    assert entry, "the colorzoo command is not installed"
    told = subprocess.run([entry, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == colorzoo.__version__


def test_compare_writes_a_sheet_of_every_model(album, tmp_path):
    sheet = tmp_path / "sheet.png"
    assert run("compare", album / "coffee.jpg", "-o", sheet).returncode == 0
    count = 1 + len(colorzoo.list_models(pretrained=True))
    with Image.open(sheet) as picture:
        assert picture.width > min(4, count) * 384
    again = run("compare", album / "coffee.jpg", "-o", sheet)
    assert again.returncode == 1 and "--overwrite" in again.stderr
    lost = run("compare", album / "coffee.jpg", "-o", tmp_path / "a.png", "--device", "abacus")
    assert lost.returncode == 1 and lost.stderr.count("error: ") == 1
    bad = run("compare", album / "letter.jpg", "-o", tmp_path / "other.png")
    assert bad.returncode == 1 and "letter.jpg" in bad.stderr


def test_evaluate_measures_a_model_of_ones_own(album, tmp_path, coffee, monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")  # the model's name is a long path
    for i, turned in enumerate((coffee[::-1], coffee[:, ::-1], coffee[::-1, ::-1])):
        Image.fromarray(turned).save(album / f"turned-{i}.png")
    (album / ".hidden.jpg").write_bytes(b"")
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "mine")
    out = album / "report"  # inside: its sheet is no photo to measure
    command = ("evaluate", tmp_path / "mine", album, "-o", out, "--device", "cpu")
    result = run(*command)
    assert result.returncode == 0, result.stderr
    skipped = [line for line in result.stderr.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 4  # two that cannot be read, two that are black and white
    assert all(any(name in line for line in skipped) for name in ("letter.jpg", "cut.jpg"))
    assert sum("black and white" in line for line in skipped) == 2
    shown = " ".join(result.stdout.split())
    assert "4 photos of album, 4 left out." in shown
    assert "PSNR dB SSIM CF ΔCF AuC % rebalanced AuC % MSE ab" in shown
    assert " ".join(PROTOCOL.split()) in shown
    report = json.loads((out / "metrics.json").read_text())
    assert report["photos"] == 4 and report["unreadable"] == 4
    assert report["scores"].keys() == report["gray"].keys() and "fid" not in report["scores"]
    assert f"gray {report['gray']['psnr']:.2f} " in shown
    assert f"{report['parameters']:,} parameters" in shown
    assert report["milliseconds"] > 0 and "thread" in report["hardware"]
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.width > 6 * 192 and sheet.height > 2 * 192

    again = run(*command)
    assert again.returncode == 1 and "--overwrite" in again.stderr
    renewed = run(*command, "--overwrite")
    assert renewed.returncode == 0 and "4 photos of album" in renewed.stdout
    within = run("evaluate", "unet", album, "-o", album)
    assert within.returncode == 1 and "Choose another" in within.stderr


def test_evaluate_says_which_measures_cannot_be_had(album, tmp_path, no_network):
    archive = tmp_path / "photos.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(album / "coffee.jpg", "photos/coffee.jpg")
        tar.add(album / "letter.jpg", "photos/letter.jpg")
        tar.add(album / "notes.txt", "photos/notes.txt")
    result = run("evaluate", "unet", archive, "--device", "cpu", "--lpips", "--fid")
    assert result.returncode == 0, result.stderr
    for measure in ("LPIPS", "FID"):
        (line,) = [x for x in result.stderr.splitlines() if x.startswith(f"note: {measure} was")]
        assert "cannot be had here" in line
    assert "skipped: letter.jpg" in result.stderr
    assert "1 photos of photos.tar, 1 left out" in result.stdout


def test_evaluate_without_photos(album, tmp_path):
    (album / "coffee.jpg").unlink()
    (album / "scan.tif").unlink()
    shutil.rmtree(album / "sub")
    result = run("evaluate", "unet", album)
    assert result.returncode == 1 and result.stderr.count("error: ") == 1
    assert "none of the 2 photos" in result.stderr and "cut.jpg" in result.stderr


def test_export_writes_a_graph_that_colours(album, tmp_path):
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "mine")
    graph = tmp_path / "new" / "mine.onnx"
    result = run("export", tmp_path / "mine", graph)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"wrote {graph}: ab differs by ") and not result.stderr
    again = run("export", tmp_path / "mine", graph)
    assert again.returncode == 1 and "--overwrite" in again.stderr

    out = tmp_path / "out.png"
    assert run("colorize", album / "coffee.jpg", "-o", out, "--model", graph).returncode == 0
    expected = colorzoo.load(tmp_path / "mine").colorize(album / "coffee.jpg")
    with Image.open(out) as photo:
        assert np.abs(np.asarray(photo).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unte", "a.onnx"), "Did you mean unet"),
        (("unet", "a.pt"), "must end in .onnx"),
        (("unet", "a.onnx", "--int8", "nowhere"), "nowhere: there is no such folder"),
    ],
)
def test_what_cannot_be_exported_is_explained_in_a_line(tmp_path, arguments, message):
    result = run("export", *arguments, cwd=tmp_path)
    assert result.returncode == 1 and message in result.stderr
    assert result.stderr.count("error: ") == 1 and not list(tmp_path.iterdir())
