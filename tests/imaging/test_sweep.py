"""Hundreds of odd files: each is right, judged by its own pixels or a second decoder, or refused.

No result may be wrong without a note: that is the only thing that every file here is tested for.
"""

import io
import struct
import warnings
from collections import Counter
from collections.abc import Iterator

import imagecodecs
import numpy as np
import pytest
import tifffile
from helpers.pictures import encode
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.imaging.read import read_photo

HEIGHT, WIDTH = 21, 34


def ramp(dtype: str, channels: int) -> np.ndarray:
    """Smooth colours over the whole range, so that rounding is told from damage."""
    rows, columns = np.linspace(0, 1, HEIGHT)[:, None], np.linspace(0, 1, WIDTH)[None]
    planes = [rows * np.ones_like(columns), columns * np.ones_like(rows), rows * columns]
    shares = np.stack([planes[i % 3] for i in range(channels)], axis=2)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return shares.astype(kind)
    return np.rint(shares * np.iinfo(kind).max).astype(kind)


def expected(pixels: np.ndarray, *, inverted: bool = False) -> np.ndarray:
    """(H, W, 3) floats from 0 to 255."""
    top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    shares = pixels.astype(np.float64) / top
    shares = 1 - shares if inverted else shares
    colour = shares[..., :3] if shares.shape[2] >= 3 else shares[..., :1]
    return np.broadcast_to(colour, (HEIGHT, WIDTH, 3)) * 255


def tiffs() -> Iterator[tuple[str, bytes, np.ndarray]]:
    """Byte order x BigTIFF x planes x tiles x compression x kind of pixels."""
    kinds = [
        ("minisblack", 1, "u1"), ("minisblack", 1, "u2"), ("miniswhite", 1, "u1"),
        ("miniswhite", 1, "u2"), ("minisblack", 1, "f4"), ("rgb", 3, "u1"), ("rgb", 3, "u2"),
        ("rgb", 3, "f4"), ("rgb", 3, "f2"), ("rgb", 4, "u1"), ("rgb", 4, "u2"), ("rgb", 3, "u4"),
    ]  # fmt: skip
    packings = [(None, False), ("zlib", False), ("lzw", True), ("packbits", False), ("zstd", True)]
    for photometric, channels, dtype in kinds:
        for order in "<>":
            for big in (False, True):
                for planes in ("contig", "separate") if channels > 1 else ("contig",):
                    for (packing, predicted), tile in zip(
                        packings * 2, [None] * 5 + [(16, 16)] * 5, strict=True
                    ):
                        pixels = ramp(dtype, channels)
                        predictor = predicted and dtype in ("u1", "u2")
                        data = pixels.transpose(2, 0, 1) if planes == "separate" else pixels
                        stream = io.BytesIO()
                        tifffile.imwrite(
                            stream, data if channels > 1 else data[..., 0], metadata=None,
                            photometric=photometric, byteorder=order, bigtiff=big, tile=tile,
                            planarconfig=planes if channels > 1 else None, compression=packing,
                            predictor=predictor,
                            extrasamples=["unassalpha"] if channels == 4 else None,
                        )  # fmt: skip
                        words = (photometric, channels, dtype, order, big, planes, packing, tile)
                        right = expected(pixels, inverted=photometric == "miniswhite")
                        yield f"tiff {words}", stream.getvalue(), right


def pngs() -> Iterator[tuple[str, bytes, np.ndarray]]:
    """Colour types and depths, judged by libpng through imagecodecs."""
    for dtype in ("u1", "u2"):
        for channels in (1, 2, 3, 4):
            for level in (0, 9):
                pixels = ramp(dtype, channels)
                data = imagecodecs.png_encode(np.squeeze(pixels), level=level)
                yield f"png {dtype} {channels} {level}", data, expected(pixels)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = Image.fromarray(ramp("u1", 3))
        image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
        data = encode(image, "PNG")
        decoded = np.atleast_3d(imagecodecs.png_decode(data))
        right = expected(decoded) if decoded.dtype != bool else decoded * 255.0
        yield f"png {mode}", data, np.broadcast_to(right, (HEIGHT, WIDTH, 3))


def bmps() -> Iterator[tuple[str, bytes, np.ndarray]]:
    """Depths, row orders and run lengths, judged by FFmpeg or by the pixels."""
    import av

    def bmp(bits: int, rows: bytes, palette: bytes, height: int, compression: int = 0) -> bytes:
        start = 54 + len(palette)
        head = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
        colours = len(palette) // 4
        info = struct.pack(
            "<IiiHHIIiiII", 40, WIDTH, height, 1, bits, compression, len(rows), 0, 0, colours, 0
        )
        return head + info + palette + rows

    rng = np.random.default_rng(0)
    for bits in (1, 4, 8):
        table = rng.integers(0, 256, (2**bits, 3), np.uint8)
        palette = np.pad(table[:, ::-1], ((0, 0), (0, 1))).tobytes()
        indices = rng.integers(0, 2**bits, (HEIGHT, WIDTH), np.uint8)
        planes = np.unpackbits(indices[..., None], axis=2)[..., 8 - bits :]
        packed = np.packbits(planes.reshape(HEIGHT, -1), axis=1)
        packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4)))
        for down in (False, True):
            rows = (packed if down else packed[::-1]).tobytes()
            data = bmp(bits, rows, palette, -HEIGHT if down else HEIGHT)
            yield f"bmp {bits} {down}", data, table[indices].astype(float)
    for bits, code in ((4, 2), (8, 1)):
        table = rng.integers(0, 256, (2**bits, 3), np.uint8)
        palette = np.pad(table[:, ::-1], ((0, 0), (0, 1))).tobytes()
        for seed in range(12):
            data = bmp(bits, _runs(bits, seed), palette, HEIGHT, code)
            with av.open(io.BytesIO(data), format="bmp_pipe") as file:
                frame = next(file.decode(video=0))
            yield f"bmp rle{bits} {seed}", data, frame.to_ndarray(format="rgb24").astype(float)


def test_run_lengths_that_skip_pixels_and_end_early():
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    runs = bytes((5, 7, 0, 0, 0, 2, 3, 1, 4, 9, 0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 1))
    head = struct.pack("<2sIHHI", b"BM", 1078 + len(runs), 0, 0, 1078)
    info = struct.pack("<IiiHHIIiiII", 40, 10, 4, 1, 8, 1, len(runs), 0, 0, 0, 0)
    rows = np.zeros((4, 10), np.uint8)
    rows[3, :5], rows[1, 3:7], rows[0, :5] = 7, 9, (1, 2, 3, 4, 5)
    assert np.array_equal(read_photo(head + info + palette + runs).rgb[..., 0], rows)


def _runs(bits: int, seed: int) -> bytes:
    """Fill every row with runs and literals of random lengths."""
    rng, out = np.random.default_rng(seed), bytearray()
    for _ in range(HEIGHT):
        left = WIDTH
        while left:
            count = min(left, int(rng.integers(1, 12)))
            if count > 2 and rng.random() < 0.5:
                size = (count + 1) // 2 if bits == 4 else count
                out += bytes((0, count)) + rng.bytes(size) + bytes(size % 2)
            else:
                out += bytes((count,)) + rng.bytes(1)
            left -= count
        out += b"\0\0"
    return bytes(out + b"\0\1")


@pytest.mark.parametrize("make", [tiffs, pngs, bmps])
def test_every_result_is_right_or_refused(make):
    counts: Counter[str] = Counter()
    for name, data, right in make():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                photo = read_photo(data)
            except ImageError:
                counts["refused"] += 1
                continue
        error = np.abs(photo.rgb - right).max()
        assert error <= 1.01 or photo.notes, f"{name}: off by {error:.0f} without a note"
        counts["right"] += 1
    assert counts["right"] > 20 and counts["refused"] <= 0.02 * counts["right"], counts


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000"])
def test_no_damage_goes_unnoticed_at_the_end_of_a_file(kind):
    """A file that is cut short is refused, or its first half is right and there is a note."""
    picture = Image.fromarray(ramp("u1", 3)).resize((64, 64))
    data = encode(picture.quantize() if kind == "GIF" else picture, kind)
    whole = read_photo(data).rgb.astype(int)
    for cut in (*range(1, 40, 3), *range(40, len(data), max(1, len(data) // 25))):
        try:
            photo = read_photo(data[:-cut])
        except ImageError:
            continue
        if not np.array_equal(photo.rgb, whole):
            assert photo.notes, f"{kind} without its last {cut} bytes"
            assert np.abs(photo.rgb[:20] - whole[:20]).mean() < 12


def test_the_sweep_is_large_enough():
    assert sum(1 for make in (tiffs, pngs, bmps) for _ in make()) >= 500
