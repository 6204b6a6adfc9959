"""Reading pictures: every kind of source, arrays, and files of several frames."""

import io
import os
import threading

import numpy as np
import pytest
from helpers.pictures import ORIENTATION, PIXELS, encode, exif_block, noise
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.imaging.read import Photo, read_photo
from colorzoo.imaging.write import save_image, to_pil


class OnlyRead:
    """A stream that can neither seek nor tell, and has no name."""

    def __init__(self, data: bytes):
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda path: str(path), "cat.png"),
        (lambda path: path, "cat.png"),
        (lambda path: path.read_bytes(), "bytes"),
        (lambda path: bytearray(path.read_bytes()), "bytes"),
        (lambda path: memoryview(path.read_bytes()), "bytes"),
        (lambda path: io.BytesIO(path.read_bytes()), "image"),
        (lambda path: OnlyRead(path.read_bytes()), "image"),
        (lambda path: Image.open(path), "cat.png"),
        (lambda path: Image.fromarray(PIXELS), "image"),
        (lambda path: PIXELS, "array"),
    ],
)
def test_every_kind_of_source_gives_the_same_photo(photo_path, wrap, name):
    photo = read_photo(wrap(photo_path))
    assert isinstance(photo, Photo)
    assert photo.rgb.dtype == np.uint8
    np.testing.assert_array_equal(photo.rgb, PIXELS)
    assert photo.alpha is None
    assert photo.exif is None
    assert photo.dpi is None
    assert photo.notes == ()
    assert photo.name == name


def test_file_object_is_read_from_where_it_stands_and_left_open(photo_path):
    photo_path.write_bytes(b"header" + photo_path.read_bytes())
    with photo_path.open("rb") as stream:
        stream.seek(6)
        photo = read_photo(stream)
        assert not stream.closed
    np.testing.assert_array_equal(photo.rgb, PIXELS)
    assert photo.name == "cat.png"


def test_home_folder_is_expanded(photo_path, monkeypatch):
    monkeypatch.setenv("HOME", str(photo_path.parent))
    monkeypatch.setenv("USERPROFILE", str(photo_path.parent))
    np.testing.assert_array_equal(read_photo("~/cat.png").rgb, PIXELS)
    image = read_photo("~/cat.png")
    save_image(to_pil(image.rgb, image), "~/copy.png")
    assert (photo_path.parent / "copy.png").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_pipe(photo_path):
    pipe = photo_path.with_name("pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(photo_path.read_bytes(),))
    writer.start()
    np.testing.assert_array_equal(read_photo(pipe).rgb, PIXELS)
    writer.join()


def test_source_is_not_modified_and_no_memory_is_shared():
    for channels in (3, 4):
        array = noise(4, 5, channels)
        before = array.copy()
        photo = read_photo(array)
        photo.rgb[:] = 0
        if photo.alpha is not None:
            photo.alpha[:] = 0
        np.testing.assert_array_equal(array, before)

    image = Image.fromarray(noise(4, 5)).quantize(8)
    image.info |= {"transparency": 2, "exif": exif_block(6), "icc_profile": b"junk"}
    info, pixels, palette = dict(image.info), image.tobytes(), image.getpalette()
    photo = read_photo(image)
    assert photo.rgb.flags.owndata
    assert photo.rgb.flags.writeable
    assert photo.rgb.flags.c_contiguous
    assert (image.info, image.tobytes(), image.getpalette()) == (info, pixels, palette)
    assert image.getexif()[ORIENTATION] == 6


def test_current_frame_of_a_pil_image_is_used_and_kept():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        assert read_photo(image).rgb[0, 0].tolist() == [0, 255, 0]
        assert image.tell() == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 3), (3, 7)])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP", "WEBP"])
def test_odd_sizes(size, file_format):
    pixels = noise(size[1], size[0], 3)
    options = {"lossless": True} if file_format == "WEBP" else {}
    photo = read_photo(encode(Image.fromarray(pixels), file_format, **options))
    np.testing.assert_array_equal(photo.rgb, pixels)


@pytest.mark.parametrize(
    ("array", "rgb", "alpha"),
    [
        (np.array([[0, 200]], np.uint8), [[0] * 3, [200] * 3], None),
        (np.array([[[0], [200]]], np.uint8), [[0] * 3, [200] * 3], None),
        (np.array([[[9, 1], [8, 2]]], np.uint8), [[9] * 3, [8] * 3], [1, 2]),
        (np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), [[1, 2, 3], [4, 5, 6]], None),
        (np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]], np.uint8), [[1, 2, 3], [5, 6, 7]], [4, 8]),
        (np.array([[False, True]]), [[0] * 3, [255] * 3], None),
        (np.array([[25700, 65535]], np.uint16), [[100] * 3, [255] * 3], None),
        (np.array([[25700, 65535]], ">u2"), [[100] * 3, [255] * 3], None),
        (np.array([[0.2, 1.0]], np.float64), [[51] * 3, [255] * 3], None),
        (np.array([[0.2, 1.0]], np.float32), [[51] * 3, [255] * 3], None),
        (np.array([[0.2, 1.0]], np.float16), [[51] * 3, [255] * 3], None),
        (np.array([[-1e-6, 1 + 1e-6]]), [[0] * 3, [255] * 3], None),
        (np.array([[[0.2, 0.4], [1.0, 0.0]]]), [[51] * 3, [255] * 3], [102, 0]),
    ],
)
def test_arrays(array, rgb, alpha):
    photo = read_photo(array)
    assert photo.rgb[0].tolist() == rgb
    assert photo.rgb.dtype == np.uint8
    assert (None if photo.alpha is None else photo.alpha[0].tolist()) == alpha


def test_array_views():
    pixels = noise(6, 8, 3)
    for view in (pixels[::-1, ::2], pixels.transpose(1, 0, 2), pixels[..., ::-1]):
        np.testing.assert_array_equal(read_photo(view).rgb, view)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3, 4), np.int64), "int64"),
        (np.zeros((2, 3), np.int8), "int8"),
        (np.zeros((2, 3), complex), "complex"),
        (np.zeros((2, 3), object), "object"),
        (np.zeros(5, np.uint8), r"\(5,\)"),
        (np.zeros((1, 2, 3, 3), np.uint8), "one picture"),
        (np.zeros((2, 3, 5), np.uint8), r"\(2, 3, 5\)"),
        (np.zeros((3, 20, 30), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((0, 3), np.uint8), "no pixels"),
        (np.zeros((3, 0, 3), np.uint8), "no pixels"),
        (np.zeros((3, 3, 0), np.uint8), r"\(3, 3, 0\)"),
        (np.array([[0.0, 255.0]]), "from 0 to 255, expected 0 to 1"),
        (np.array([[-0.5, 0.5]]), "from -0.5 to 0.5"),
        (np.array([[np.nan, 0.5]]), "NaN"),
        (np.array([[np.inf, 0.5]]), "inf"),
    ],
)
def test_bad_arrays(array, words):
    with pytest.raises(ImageError, match=words) as info:
        read_photo(array)
    assert str(info.value).startswith("array: ")


@pytest.mark.parametrize(
    ("file_format", "note"),
    [
        ("GIF", "it has 3 frames: only the first one is used"),
        ("WEBP", "it has 3 frames: only the first one is used"),
        ("PNG", "it has 3 frames: only the first one is used"),
        ("TIFF", "it has 3 pages: only the first one is used"),
        ("MPO", None),
    ],
)
def test_first_frame_is_used(file_format, note, tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], file_format, save_all=True, append_images=frames[1:])
    path = tmp_path / "frames"
    path.write_bytes(data)
    for source in (data, path):
        photo = read_photo(source)
        np.testing.assert_allclose(photo.rgb[8, 8], (255, 0, 0), atol=6)
        assert photo.notes == (() if note is None else (note,))


def test_damage_after_the_first_frame_does_not_matter():
    frames = [Image.fromarray(noise(16, 16, seed=seed)) for seed in range(3)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    photo = read_photo(data[: len(data) * 2 // 3])
    np.testing.assert_array_equal(photo.rgb, read_photo(frames[0]).rgb)
    assert photo.notes[0].endswith("frames: only the first one is used")
