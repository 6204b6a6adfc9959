"""The README's generated parts, table and grid, are those of the bundled weights."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.bundled import BUNDLED
from PIL import Image

import colorzoo
from colorzoo.evaluation.metrics import PROTOCOL
from train.upkeep import readme
from train.upkeep.readme import END, GRID, START, draw_grid, results_table, update_readme


def test_the_table_is_that_of_the_bundled_weights(root):
    shown = (root / "README.md").read_text().partition(START)[2].partition(END)[0]
    assert shown == results_table()
    for info in readme.shown():
        name, metrics = info.name, info.metrics
        assert name in BUNDLED and metrics is not None
        assert f"| `{name}` |" in shown and f"{metrics['scores']['psnr']:.2f}" in shown


@pytest.mark.parametrize("name", BUNDLED)
def test_the_models_were_measured_by_the_protocol_of_today(name):
    metrics = colorzoo.model_info(name).metrics
    assert metrics and metrics["protocol"] == PROTOCOL
    assert {"auc_rebalanced", "mse_ab"} <= metrics["scores"].keys()
    assert metrics["milliseconds"] > 0 and metrics["hardware"]


def test_what_a_report_does_not_tell_is_a_dash(monkeypatch, tmp_path):
    old = {"psnr": 22.914, "ssim": 0.93, "cf": 17.25, "delta_cf": 26.0, "auc": 89.0}
    new = old | {"psnr": 23.0, "auc_rebalanced": 73.255, "mse_ab": 190.04, "lpips": 0.12}
    common = {"parameters": 1_940_000, "photos": 9, "data": "d", "protocol": "p.", "gray": old}
    reports = {
        "old": common | {"model": "old", "scores": old},
        "new": common
        | {"model": "new", "scores": new, "milliseconds": 31.26, "hardware": "abacus, 1 thread"},
    }

    def table(*names):
        monkeypatch.setattr(readme, "list_models", lambda pretrained: names)
        monkeypatch.setattr(
            readme,
            "model_info",
            lambda name: SimpleNamespace(
                name=name,
                weights=tmp_path,
                folder=tmp_path,
                metrics=reports[name],
                published=None,
            ),
        )
        return results_table().splitlines()

    heading, rule, gray, first, second, _, note = table("old", "new")
    assert heading == (
        "| model | parameters | PSNR dB | SSIM | CF | ΔCF | AuC % | rebalanced AuC % | MSE ab | "
        "LPIPS | ms a photo |"
    )
    assert rule.count("|") == gray.count("|") == heading.count("|")
    assert first.endswith("| 89.00 | 73.25 | 190.0 | 0.1200 | 31.3 |")
    assert second.endswith("| 89.00 | – | – | – | – |")
    assert gray.startswith("| gray (ab = 0) |  | 22.91 | 0.9300 |")
    assert note == "9 photos of d, p. Times: abacus, 1 thread."
    assert table("old")[0].endswith("| AuC % |")
    assert table() == ["No model has been measured yet."]


def test_a_model_measured_on_photos_of_its_author_leaves_the_readme_as_it_is(monkeypatch, tmp_path):
    """So its pull request passes the tests without a change to README and its picture."""
    before = results_table()
    theirs = dict(colorzoo.model_info("unet").metrics or {})
    theirs |= {"model": "theirs", "data": "my-photos", "photos": 7}
    new = SimpleNamespace(
        name="theirs", weights=tmp_path, folder=tmp_path, metrics=theirs, published=None
    )
    names, find = colorzoo.list_models, colorzoo.model_info
    monkeypatch.setattr(readme, "list_models", lambda pretrained: ["theirs", *names()])
    monkeypatch.setattr(readme, "model_info", lambda name: new if name == "theirs" else find(name))
    assert results_table() == before and new not in readme.shown()
    theirs |= {key: (find("unet").metrics or {})[key] for key in ("data", "photos")}
    assert "| `theirs` |" in results_table()  # measured again by a maintainer


def test_other_sets_have_a_table_of_their_own(monkeypatch, tmp_path):
    scores = {"psnr": 23.0, "ssim": 0.93, "cf": 17.0, "delta_cf": 26.0, "auc": 89.0}
    people = {"data": "people.tar", "photos": 4, "scores": scores | {"psnr": 25.5}}
    people["gray"] = scores | {"psnr": 22.0}
    report = {
        "model": "unet", "parameters": 9_000, "photos": 9, "data": "d", "protocol": "p.",
        "gray": scores, "scores": scores, "other_sets": [people],
    }  # fmt: skip
    info = SimpleNamespace(
        name="unet", weights=tmp_path, folder=tmp_path, metrics=report, published=None
    )
    monkeypatch.setattr(readme, "list_models", lambda pretrained: ["unet"])
    monkeypatch.setattr(readme, "model_info", lambda name: info)
    text = results_table()
    first, second = text.split("| model |")[1:]
    assert "| `unet` | 9.0K | 23.00 |" in first and "9 photos of d, p." in first
    assert "| `unet` | 9.0K | 25.50 |" in second and "| gray (ab = 0) |  | 22.00 |" in second
    assert "4 photos of people.tar, measured in the same way." in second
    assert [each["data"] for each in readme.by_set(report)] == ["d", "people.tar"]


@pytest.mark.parametrize("name", ["resnet34-bin{}", "efficientnet-bins.careful{}"])
def test_the_grid_of_seven_models_can_be_read(monkeypatch, tmp_path, name):
    names = ["autoencoder", *(name.format(i) for i in range(6))]

    def tinted(models, photo):
        image = Image.fromarray((photo.rgb * (1, 0.9, 0.7)).astype(np.uint8))
        return dict.fromkeys(models, image)

    monkeypatch.setattr(readme, "list_models", lambda pretrained: names)
    info = {"weights": 1, "metrics": None}
    monkeypatch.setattr(readme, "model_info", lambda name: SimpleNamespace(name=name, **info))
    monkeypatch.setattr(readme, "load", lambda name: None)
    monkeypatch.setattr(readme, "colorize_with", tinted)
    draw_grid(tmp_path / "grid.jpg")
    with Image.open(tmp_path / "grid.jpg") as grid:
        assert 1400 < grid.width < 1600 and 0.4 < grid.height / grid.width < 0.6
        ink = np.asarray(grid.convert("L"))[-30:] < 120  # the strip with the labels
        # A README shows it at about half its size: the letters have to be high enough for that.
        assert np.ptp(np.flatnonzero(ink.any(axis=1))) >= 12
        borders = [round(grid.width * i / 9) for i in range(1, 9)]
        assert not any(ink[:, x - 3 : x + 3].any() for x in borders)  # no label meets the next
    assert (tmp_path / "grid.jpg").stat().st_size < 400_000


def test_update_readme_replaces_what_is_between_the_marks(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{START}old\n{END}\nafter\n")
    assert update_readme(path)
    assert path.read_text() == f"before\n{START}{results_table()}{END}\nafter\n"
    assert not update_readme(path)


def test_the_grid_is_what_the_weights_draw(root, tmp_path):
    draw_grid(tmp_path / "grid.jpg")
    with Image.open(tmp_path / "grid.jpg") as drawn, Image.open(root / GRID) as shown:
        assert drawn.size == shown.size
        difference = np.asarray(drawn).astype(int) - np.asarray(shown)
        assert np.abs(difference).mean() < 1.5  # other hardware rounds otherwise
    assert (root / GRID).stat().st_size < 400_000
