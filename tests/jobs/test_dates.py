"""Photos with the dates of wrong clocks, and disks that round dates."""

import os
import time

import pytest
from helpers.jobs import colorize

from colorzoo.jobs.dates import older

YEAR = 365 * 86_400


@pytest.fixture
def pair(tmp_path):
    """Give a function that dates a result and its photo, and compares them."""

    def compare(made: float, taken: float, **options):
        for name, date in (("result", made), ("photo", taken)):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, ns=(0, round(date * 1e9)))
        return older(tmp_path / "result", tmp_path / "photo", "photo", **options)

    return compare


def test_dates_before_1970_and_after(pair):
    assert pair(-30 * YEAR, -40 * YEAR) is None
    assert pair(-40 * YEAR, -30 * YEAR) == pair(0.5, 9.5) == "is older than the photo"


def test_disks_that_round_dates_down(pair):
    assert pair(1_000_000, 1_000_001.9) is None  # FAT
    assert pair(1_000_001, 1_000_001.9) is None
    assert pair(1_000_001, 1_000_002.1) == pair(1_000_001.5, 1_000_001.6)
    assert pair(1_000_000, 1_000_002.1) == "is older than the photo"


def test_a_date_in_the_future_says_nothing(pair):
    now = time.time()
    assert "dated in the future" in str(pair(now, now + YEAR))
    assert pair(now, now + YEAR, is_recorded=lambda: True) is None
    assert pair(now, now + 60, is_recorded=lambda: True) == "is older than the photo"


def test_photos_dated_in_the_future_are_coloured_once(album, model, tmp_path):
    os.utime(album / "03.png", (time.time() + 9 * YEAR,) * 2)
    os.utime(album / "04.png", (-9 * YEAR,) * 2)
    command = (album, "-o", tmp_path / "out", "--model", model, "--resume")
    assert colorize(*command).code == 0
    result = colorize(*command)
    assert result.code == 0 and "12 skipped" in result.out
    assert len(result.err) == 1 and "03.png: it is dated in the future" in result.err[0]
