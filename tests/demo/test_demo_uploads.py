"""Photos on their way into the demo: which file is read, and what the page makes of it."""

import gradio as gr
import numpy as np
import pytest

import colorzoo
from webapp import uploads


def test_the_original_of_a_colour_photo_is_black_and_white(coffee):
    photo = colorzoo.read_photo(coffee)
    original = np.asarray(uploads.original(photo, "colour"))
    expected = np.asarray(colorzoo.load().colorize(coffee, saturation=0))
    assert (original == expected).all() and np.ptp(original, axis=2).max() == 0
    assert (np.asarray(uploads.original(photo, "toned")) == coffee).all()


def test_a_reduced_photo_keeps_its_shape_and_alpha():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 500, 4), dtype=np.uint8)
    photo = colorzoo.read_photo(pixels)
    small = uploads.reduce(photo, 100)
    assert small.rgb.shape == (60, 100, 3) and small.alpha.shape == (60, 100)
    assert uploads.reduce(photo, 500) is photo


@pytest.mark.parametrize("place", ["/etc/hostname", "../outside.png", "", None])
def test_only_uploads_are_read(upload_folder, place):
    (upload_folder.parent / "outside.png").write_bytes(b"")
    path = place and (place if place.startswith("/") else str(upload_folder / place))
    with pytest.raises(gr.Error, match="There is no photo"):
        uploads.read({"path": path})


def test_a_link_out_of_the_uploads_is_not_followed(upload_folder):
    (upload_folder / "link.png").symlink_to("/etc/hostname")
    with pytest.raises(gr.Error, match="There is no photo"):
        uploads.read({"path": str(upload_folder / "link.png")})
