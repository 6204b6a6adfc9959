"""``colorzoo evaluate``: the numbers, the report and the sheet."""

import json
import shutil
import tarfile

from helpers.commands import run_colorzoo
from PIL import Image

import colorzoo
from colorzoo.evaluation.metrics import PROTOCOL


def test_evaluate_measures_a_model_of_ones_own(album, tmp_path, coffee, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")  # the model's name is a long path
    for i, turned in enumerate((coffee[::-1], coffee[:, ::-1], coffee[::-1, ::-1])):
        Image.fromarray(turned).save(album / f"turned-{i}.png")
    (album / ".hidden.jpg").write_bytes(b"")
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "mine")
    out = album / "report"  # inside: its sheet is no photo to measure
    command = ("evaluate", tmp_path / "mine", album, "-o", out, "--device", "cpu")
    result = run_colorzoo(*command)
    assert result.returncode == 0, result.stderr
    skipped = [line for line in result.stderr.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 4  # two that cannot be read, two that are black and white
    assert all(any(name in line for line in skipped) for name in ("letter.jpg", "cut.jpg"))
    assert sum("black and white" in line for line in skipped) == 2
    shown = " ".join(result.stdout.split())
    assert "4 photos of album, 4 skipped." in shown
    # A long path of the model breaks the last headings into lines.
    assert all(word in shown for word in ("PSNR dB", "SSIM", "ΔCF", "AuC", "rebalanced", "MSE ab"))
    assert " ".join(PROTOCOL.split()) in shown
    report = json.loads((out / "metrics.json").read_text())
    assert report["photos"] == 4 and report["unreadable"] == 4
    assert report["scores"].keys() == report["gray"].keys() and "fid" not in report["scores"]
    assert f"gray {report['gray']['psnr']:.2f} " in shown
    assert f"{report['parameters']:,} parameters" in shown
    assert report["milliseconds"] > 0 and "thread" in report["hardware"]
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.width > 6 * 192 and sheet.height > 2 * 192

    again = run_colorzoo(*command)
    assert again.returncode == 1 and "--overwrite" in again.stderr
    renewed = run_colorzoo(*command, "--overwrite", "--hints")
    assert renewed.returncode == 0 and "4 photos of album" in renewed.stdout
    curve = json.loads((out / "metrics.json").read_text())["hints"]
    assert curve["photos"] == 4 and curve["psnr"][0] < curve["psnr"][-1]
    assert (
        f"{curve['psnr'][-1]:.2f}" in renewed.stdout and "siggraph17, published" in renewed.stdout
    )
    with Image.open(out / "hints.png") as plot:
        assert plot.width > 400
    within = run_colorzoo("evaluate", "unet", album, "-o", album)
    assert within.returncode == 1 and "choose another" in within.stderr


def test_evaluate_says_which_measures_cannot_be_had(album, tmp_path, no_network):
    archive = tmp_path / "photos.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(album / "coffee.jpg", "photos/coffee.jpg")
        tar.add(album / "letter.jpg", "photos/letter.jpg")
        tar.add(album / "notes.txt", "photos/notes.txt")
    result = run_colorzoo("evaluate", "unet", archive, "--device", "cpu", "--lpips", "--fid")
    assert result.returncode == 0, result.stderr
    for measure in ("LPIPS", "FID"):
        (line,) = [
            x for x in result.stderr.splitlines() if x.startswith(f"note: {measure} is left out")
        ]
        assert "could not be loaded" in line
    assert "letter.jpg: is not a JPEG" in result.stderr
    assert "1 photos of photos.tar, 1 skipped" in result.stdout


def test_evaluate_without_photos(album, tmp_path):
    (album / "coffee.jpg").unlink()
    (album / "scan.tif").unlink()
    shutil.rmtree(album / "sub")
    result = run_colorzoo("evaluate", "unet", album)
    assert result.returncode == 1 and result.stderr.count("error: ") == 1
    assert "none of the 2 photos" in result.stderr and "cut.jpg" in result.stderr
