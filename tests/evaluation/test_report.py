"""Reports on folders and archives, and what `python -m train evaluate` makes of them."""

import dataclasses
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import colorzoo
from colorzoo import registry
from colorzoo.errors import ImageError
from colorzoo.evaluation.metrics import PROTOCOL
from colorzoo.evaluation.report import evaluate_model, hardware, read_photos, scores_table
from train.commands import app, evaluate, readme
from train.upkeep.readme import END, START


@pytest.fixture
def folder(tmp_path, coffee):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for i in range(3):
        Image.fromarray(coffee[:, i * 100 :]).save(folder / "sub" / f"{i}.png")
    (folder / "bad.jpg").write_text("no photo")
    (folder / ".DS_Store.jpg").write_text("hidden")
    return folder


@pytest.fixture
def archive(folder, tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        tar.add(folder, ".")
    return tmp_path / "photos.tar"


def test_an_archive_reads_like_its_folder(folder, archive):
    first, second = [], []
    pairs = zip(read_photos(folder, first), read_photos(archive, second), strict=True)
    assert sum((one == other).all() for one, other in pairs) == 3
    assert len(first) == len(second) == 1 and second[0].startswith("bad.jpg: is not a JPEG")
    (bad,) = folder.rglob("bad.jpg")
    assert first[0] == f"{bad.parent}/{second[0]}"  # a file is named by its path


def test_results_in_the_folder_are_left_out(folder):
    assert len(list(read_photos(folder, [], skip=folder / "sub"))) == 0
    assert len(list(read_photos(folder, [], skip=folder.parent))) == 3
    assert len(list(read_photos(folder / "sub" / "1.png", []))) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such folder or file"),
        (lambda path: path.write_text("text"), "is not an intact tar archive"),
        (lambda path: path.mkdir(), "has no photos"),
        (lambda path: tarfile.open(path, "w").close(), "has no photos"),
    ],
)
def test_nothing_to_measure_on(tmp_path, make, message):
    path = tmp_path / "photos.tar"
    make(path)
    with pytest.raises(ImageError, match=message):
        evaluate_model(colorzoo.create_model("unet", width=2), "mine", path)


def test_a_cut_archive_is_refused(archive):
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=r"photos\.tar: is not an intact tar archive"):
        list(read_photos(archive, []))


def test_the_report_and_its_sheet(archive):
    model = colorzoo.create_model("unet", width=2)
    report = evaluate_model(model, "mine", archive)
    found = report.as_json()
    assert found["model"] == "mine" and found["data"] == "photos.tar"
    assert (found["photos"], found["unreadable"]) == (3, 1)
    assert found["parameters"] == model.parameter_count
    assert found["protocol"] == PROTOCOL
    assert found["scores"].keys() == found["gray"].keys()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    # Three photos, two a row, three pictures each; both columns are labelled at their end.
    assert report.sheet.size[0] == 6 * 198 + 6
    assert 2 * 192 < report.sheet.size[1] < 2 * 192 + 80


def test_the_sheet_has_no_more_than_its_photos(folder):
    model = colorzoo.create_model("unet", width=2)
    one = evaluate_model(model, "mine", folder / "sub" / "0.png")
    assert one.sheet.width == 3 * 198 + 6
    for i in range(3, 27):
        (folder / "sub" / f"{i}.png").write_bytes((folder / "sub" / "0.png").read_bytes())
    report = evaluate_model(model, "mine", folder)
    assert report.evaluation.photos == 27
    assert 12 * 192 < report.sheet.height < 13 * 192 + 60


def test_the_table_shows_what_there_is():
    out = io.StringIO()
    rows = {"gray": {"psnr": 21.0}, "a[b]": {"psnr": 22.5, "fid": 30.125}}
    Console(file=out, width=80, markup=False).print(scores_table(rows))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert lines == [["PSNR", "dB", "FID"], ["gray", "21.00", "-"], ["a[b]", "22.50", "30.12"]]


def test_hardware_is_a_processor():
    assert f"{torch.get_num_threads()} thread" in hardware(torch.device("cpu"))
    assert hardware(torch.device("meta")).startswith("meta, ")


def test_train_evaluate_writes_metrics_sheet_and_readme(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "unet"
    colorzoo.create_model("unet", width=2).save_pretrained(weights)
    info = dataclasses.replace(colorzoo.model_info("unet"), folder=weights)
    monkeypatch.setitem(registry._REGISTRY, "unet", info)
    Path("README.md").write_text(f"head\n{START}{END}\n")
    drawn: list[Path] = []
    monkeypatch.setattr(readme, "draw_grid", drawn.append)
    monkeypatch.setattr(readme, "update_guides", lambda: [Path("docs") / "guided.md"])
    monkeypatch.setattr(readme, "renew_cards", lambda: ["unet"])
    monkeypatch.setattr(evaluate, "measurable_models", lambda: ["unet"])
    result = CliRunner().invoke(app, ["evaluate", "all", "--data", str(folder)])
    assert result.exit_code == 0, result.output
    report = json.loads((weights / "metrics.json").read_text())
    assert report["model"] == "unet" and report["photos"] == 3 and report["unreadable"] == 1
    assert report["commit"] and report["protocol"] == PROTOCOL
    assert PROTOCOL in result.output and f"skipped: {folder / 'bad.jpg'}: " in result.output
    assert "cards updated: unet" in result.output
    assert f"guides written: {Path('docs', 'guided.md')};" in result.output
    with Image.open("runs/unet/evaluation.png") as sheet:
        assert np.asarray(sheet).std() > 10
    assert "| gray (ab = 0) |" in Path("README.md").read_text() and drawn

    weights.joinpath("model.safetensors").write_bytes(b"damaged")
    failed = CliRunner().invoke(app, ["evaluate", "unet", "--data", str(folder)])
    assert failed.exit_code == 1 and failed.output.startswith("error: ")


def test_black_and_white_photos_are_not_measured_but_told(tmp_path, coffee, camera):
    Image.fromarray(coffee).save(tmp_path / "coffee.png")
    Image.fromarray(camera).save(tmp_path / "camera.jpg")
    report = evaluate_model(colorzoo.create_model("unet", width=2), "mine", tmp_path)
    assert report.evaluation.photos == 1
    (line,) = report.unreadable
    name = tmp_path / "camera.jpg"
    assert line == f"{name}: is black and white, without colours to compare with"
