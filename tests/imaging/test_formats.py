"""Which files are photos, by their names."""

from colorzoo.imaging.formats import SUFFIXES


def test_suffixes():
    assert {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"} <= SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
