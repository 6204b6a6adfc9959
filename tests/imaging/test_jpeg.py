"""JPEG files whose end is missing."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFile

from colorzoo.errors import ImageError
from colorzoo.imaging import jpeg
from colorzoo.imaging.read import read_photo


@pytest.fixture(scope="module")
def files(coffee) -> dict[str, bytes]:
    found = {}
    picture = Image.fromarray(coffee).resize((320, 240))
    for name, mode, options in (
        ("baseline", "RGB", {}),
        ("progressive", "RGB", {"progressive": True}),
        ("gray", "L", {}),
        ("gray progressive", "L", {"progressive": True}),
        ("4:4:4", "RGB", {"subsampling": 0, "restart_marker_rows": 1}),
        ("cmyk", "CMYK", {}),
    ):
        stream = io.BytesIO()
        picture.convert(mode).save(stream, "JPEG", quality=90, **options)
        found[name] = stream.getvalue()
    return found


KINDS = ["baseline", "progressive", "gray", "gray progressive", "4:4:4", "cmyk"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["1 byte", "no end", "10 bytes", "100 bytes", "zeros", "junk"])
def test_a_missing_end_gives_a_note(files, kind, damage):
    whole = files[kind]
    data = {
        "1 byte": whole[:-1],
        "no end": whole[:-2],
        "10 bytes": whole[:-10],
        "100 bytes": whole[:-100],
        "zeros": whole[:-40] + bytes(40),
        "junk": whole + b"\xff\xd8 and so on" * 9,
    }[damage]
    photo, right = read_photo(data), read_photo(whole).rgb.astype(int)
    assert np.abs(photo.rgb - right)[:-32].mean() < 1
    if damage == "junk":
        assert photo.notes == ()
    else:
        assert any("cut short" in note for note in photo.notes)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_half_a_file_is_refused(files, kind, share):
    with pytest.raises(ImageError, match="cut short"):
        read_photo(files[kind][: int(len(files[kind]) * share)])


def test_only_files_without_an_end_are_repaired(files):
    for data in files.values():
        assert not jpeg.lacks_end(data) and jpeg.lacks_end(data[:-2])
    nothing = files["baseline"][:300]
    assert jpeg.completed(nothing) is None
    with pytest.raises(ImageError):
        read_photo(nothing)
