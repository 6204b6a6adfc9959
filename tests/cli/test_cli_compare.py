"""``colorzoo compare``: every model on one sheet."""

import numpy as np
import pytest
from helpers.bundled import BUNDLED
from helpers.commands import run_colorzoo
from PIL import Image

import colorzoo
from colorzoo import gallery

TRAINED = BUNDLED
QUICK = ("unet", "unet-bins")


def models(names) -> list[str]:
    return [word for name in names for word in ("--model", name)]


@pytest.mark.slow
def test_compare_writes_a_sheet_of_every_model(album, tmp_path):
    sheet = tmp_path / "sheet.png"
    assert run_colorzoo("compare", album / "coffee.jpg", "-o", sheet).returncode == 0
    with Image.open(sheet) as picture:
        assert picture.width > min(4, 1 + len(TRAINED)) * 384


def test_compare_writes_a_sheet(album, tmp_path):
    sheet = tmp_path / "sheet.png"
    command = ("compare", album / "coffee.jpg", *models(QUICK), "-o")
    assert run_colorzoo(*command, sheet).returncode == 0
    with Image.open(sheet) as picture:
        assert picture.width > 3 * 384
    again = run_colorzoo(*command, sheet)
    assert again.returncode == 1 and "--overwrite" in again.stderr
    lost = run_colorzoo(*command, tmp_path / "a.png", "--device", "abacus")
    assert lost.returncode == 1 and lost.stderr.count("error: ") == 1
    bad = run_colorzoo("compare", album / "letter.jpg", "-o", tmp_path / "other.png")
    assert bad.returncode == 1 and "letter.jpg" in bad.stderr


def test_without_names_every_trained_model_is_compared(album, tmp_path, monkeypatch):
    compared = []

    def load(name, **_):
        compared.append(name)
        return colorzoo.create_model("unet", width=2, work_size=32)

    monkeypatch.setattr(gallery, "load", load)
    result = run_colorzoo("compare", album / "coffee.jpg", "-o", tmp_path / "sheet.png")
    assert result.returncode == 0 and compared == TRAINED


def test_a_seed_goes_to_the_models_that_take_it(album, tmp_path):
    sheets = [tmp_path / f"{number}.png" for number in range(4)]
    for sheet, seed in zip(
        sheets, ((), ("--seed", "3"), ("--seed", "3"), ("--seed", "4")), strict=True
    ):
        result = run_colorzoo("compare", album / "coffee.jpg", *models(QUICK), "-o", sheet, *seed)
        assert result.returncode == 0, result.stderr
    plain, three, again, four = (np.asarray(Image.open(sheet)).astype(int) for sheet in sheets)
    assert (three == again).all()
    third = plain.shape[1] // 3
    for seeded in (three, four):  # the photo and unet are as without, unet-bins is not
        assert (seeded[:, : 2 * third] == plain[:, : 2 * third]).all()
        assert np.abs(seeded[:, 2 * third :] - plain[:, 2 * third :]).max() > 20
    assert (three != four).any()


def test_what_no_model_takes_is_named(album, tmp_path):
    """The seed is fine, since one of the two takes it."""
    result = run_colorzoo(
        "compare", album / "coffee.jpg", *models(QUICK), "-o", tmp_path / "sheet.png",
        "--seed", "3", "--steps", "5",
    )  # fmt: skip
    assert result.returncode == 1 and not (tmp_path / "sheet.png").exists()
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: unet does not support --steps; ")
