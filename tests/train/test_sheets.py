"""Sheets for the eye."""

import numpy as np
import pytest
from helpers.synthetic import photo
from helpers.training import train
from PIL import Image

from colorzoo.errors import ImageError
from train.upkeep.sheets import lay_out


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    for i in range(5):
        photo(i).save(folder / f"{i}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_a_row_a_photo_and_the_same_ones_again(album):
    sheet, unreadable = lay_out(album, models=["unet", "autoencoder"], photos=3, tile=64)
    assert len(unreadable) == 1 and "broken.jpg" in unreadable[0]
    assert sheet.width >= 4 * 64 and 3 * 64 <= sheet.height < 4 * 96
    again, _ = lay_out(album, models=["unet", "autoencoder"], photos=3, tile=64)
    assert np.array_equal(sheet, again)
    others, _ = lay_out(album, models=["unet", "autoencoder"], photos=3, tile=64, seed=1)
    assert not np.array_equal(sheet, others)
    whole, _ = lay_out(album, models=["unet"], photos=40, tile=64)
    assert whole.width < sheet.width and whole.height > sheet.height


def test_a_place_without_photos_is_told(tmp_path):
    with pytest.raises(ImageError, match="has no readable photo"):
        lay_out(tmp_path, models=["unet"])


def test_the_command(album, tmp_path):
    sheet = tmp_path / "a.jpg"
    run = train("look", album, "-o", sheet, "--photos", 2, "--model", "unet")
    assert run.returncode == 0, run.stderr
    assert "skipped: " in run.stdout and Image.open(sheet).width > 3 * 192
    run = train("look", album, "-o", sheet, "--model", "no")
    assert run.returncode == 1 and run.stderr.startswith("error: There is no model named 'no'")
