"""The files that are mutated: python -m fuzzing.make_corpus writes them anew into corpus/.

They are committed, so that a case stays the same when an encoder changes. Nothing in them is a
photo: pixels are gradients and noise, weights are random.
"""

import io
import itertools
import struct

import imagecodecs
import numpy as np
import tifffile
import torch
from helpers.heic import encode_heic
from PIL import Image, ImageCms, TiffImagePlugin

import colorzoo
from colorzoo.hub.mixin import save_weights
from fuzzing import CORPUS


def pixels(width: int = 24, height: int = 16) -> np.ndarray:
    """A gradient with some noise: it compresses, and no two rows are the same."""
    ramp = np.linspace(0, 230, width)[None, :] + np.linspace(0, 20, height)[:, None]
    noise = np.random.default_rng(0).integers(0, 6, (height, width, 3))
    return (ramp[..., None] * (1.0, 0.8, 0.6) + noise).astype(np.uint8)


def exif() -> bytes:
    block = Image.Exif()
    block[0x0112], block[0x010F], block[0x0132] = 6, "Maker", "1931:05:06 07:08:09"
    block[0x011A], block[0x011B], block[0x0128] = 300.0, 300.0, 2
    block[0x8769] = {0x9003: "1931:05:06 07:08:10", 0xA001: 65535, 0xA002: 24, 0xA003: 16}
    block[0x8825] = {1: "N", 2: (51.0, 28.0, 38.0)}
    return block.tobytes()


def pictures() -> dict[str, bytes]:
    """File name -> its bytes, one for each way through the decoders."""
    rgb = Image.fromarray(pixels())
    gray = rgb.convert("L")
    alpha = rgb.copy()
    alpha.putalpha(gray)
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    floats = Image.fromarray(np.asarray(gray).astype(np.float32) / 255)
    frames = [rgb, rgb.rotate(180), rgb.rotate(180).convert("L").convert("RGB")]
    several = {"save_all": True}
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    page_tags = TiffImagePlugin.ImageFileDirectory_v2()
    page_tags[0x0112], page_tags[0x013B] = 8, "Ada"

    def saved(image: Image.Image, kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        if options.get("save_all"):
            options["append_images"] = [frame.copy() for frame in frames[1:]]
        image.copy().save(buffer, kind, **options)  # a copy: Pillow leaves settings in an image
        return buffer.getvalue()

    return {
        "baseline.jpg": saved(rgb, "JPEG"),
        "progressive.jpg": saved(rgb, "JPEG", progressive=True),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG"),
        "gray-restarts.jpg": saved(gray, "JPEG", restart_marker_blocks=1),
        "exif-icc.jpg": saved(rgb, "JPEG", exif=exif(), icc_profile=srgb, dpi=(300, 300)),
        "two-pictures.mpo": saved(rgb, "MPO", **several),
        "rgb.png": saved(rgb, "PNG", dpi=(300, 300)),
        "gray-16bit.png": saved(deep, "PNG"),
        "palette-transparent.png": saved(rgb.quantize(16), "PNG", transparency=3),
        "one-bit.png": saved(gray.convert("1"), "PNG"),
        "alpha-exif-icc.png": saved(alpha, "PNG", exif=exif(), icc_profile=srgb),
        "interlaced.png": interlaced(pixels(9, 7)),
        "animated.png": saved(rgb, "PNG", **several),
        "lossy.webp": saved(rgb, "WEBP"),
        "lossless-alpha-exif.webp": saved(alpha, "WEBP", lossless=True, exif=exif()),
        "animated.webp": saved(rgb, "WEBP", **several),
        "plain.tif": saved(rgb, "TIFF", tiffinfo=page_tags),
        "lzw-predictor.tif": saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}),
        "deflate-alpha-icc.tif": saved(
            alpha, "TIFF", compression="tiff_adobe_deflate", icc_profile=srgb
        ),
        "jpeg.tif": saved(rgb, "TIFF", compression="jpeg"),
        "fax.tif": saved(gray.convert("1"), "TIFF", compression="group4"),
        "packbits-palette.tif": saved(rgb.quantize(8), "TIFF", compression="packbits"),
        "gray-16bit.tif": saved(deep, "TIFF"),
        "float.tif": saved(floats, "TIFF"),
        "lab.tif": saved(Image.new("LAB", (24, 16), (138, 209, 198)), "TIFF"),
        "cmyk-big-endian.tif": big_endian(saved(rgb.convert("CMYK"), "TIFF")),
        "big.tif": saved(rgb, "TIFF", big_tiff=True),
        "three-pages.tif": saved(rgb, "TIFF", **several),
        "rgb.bmp": saved(rgb, "BMP"),
        "palette.bmp": saved(rgb.quantize(16), "BMP"),
        "animated.gif": saved(rgb.quantize(16), "GIF", transparency=2, **several),
        "still.gif": saved(rgb.quantize(16), "GIF", interlace=1),
        "photo.avif": saved(rgb, "AVIF", exif=exif()),
        "photo.jp2": saved(rgb, "JPEG2000"),
        "photo.heic": encode_heic(pixels(64, 64), turns=1, exif=exif()),
        "gamma.png": colour_managed(saved(rgb, "PNG")),
        "deep.png": imagecodecs.png_encode(pixels().astype(np.uint16) * 257),
        "rle4.bmp": run_lengths(),
        **tiffs(),
    }


def tiffs() -> dict[str, bytes]:
    """The kinds that tifffile decodes."""
    deep, floats = pixels().astype(np.uint16) * 257, pixels().astype(np.float32) / 255
    inks = np.dstack((pixels(), pixels()[..., :2]))
    kinds: dict[str, tuple[np.ndarray, dict[str, object]]] = {
        "planes.tif": (
            deep.transpose(2, 0, 1),
            {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"},
        ),
        "float-colour.tif": (floats, {"photometric": "rgb", "byteorder": ">"}),
        "lab-16.tif": (deep, {"photometric": "cielab", "tile": (16, 16)}),
        "cmyk-alpha.tif": (inks, {"photometric": "separated", "extrasamples": ["unassalpha"]}),
        "big-big-endian.tif": (pixels(), {"photometric": "rgb", "bigtiff": True, "byteorder": ">"}),
    }
    found = {}
    for name, (array, options) in kinds.items():
        stream = io.BytesIO()
        tifffile.imwrite(stream, array, metadata=None, **options)  # pyright: ignore
        found[name] = stream.getvalue()
    return found


def colour_managed(png: bytes) -> bytes:
    """The PNG with gamma and primaries."""
    from fuzzing.formats import join_png, split_png

    head, *rest = split_png(png)
    places = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    return join_png([head, gamma, (b"cHRM", struct.pack(">8I", *places)), *rest])


def run_lengths() -> bytes:
    """A BMP with runs and literals of 4 bits."""
    rows = b"".join(
        bytes((10, 16 * i + i % 7, 0, 6, 1, 35, 69, 0, 8, 0x5A, 0, 0)) for i in range(9)
    )
    palette = b"".join(bytes((9 * i, 14 * i, 17 * i, 0)) for i in range(16))
    start, data = 54 + len(palette), rows + b"\0\1"
    head = struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, 24, 9, 1, 4, 2, len(data), 0, 0, 16, 0)
    return head + info + palette + data


def interlaced(rgb: np.ndarray) -> bytes:
    """A PNG in Adam7's seven passes, which Pillow reads and does not write."""
    from fuzzing.formats import join_png, zip_idat

    height, width, _ = rgb.shape
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    rows = b"".join(
        b"\0" + row.tobytes()
        for x, y, across, down in (*passes, (0, 1, 1, 2))
        for row in rgb[y::down, x::across]
        if row.size
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return join_png([(b"IHDR", header), (b"IDAT", zip_idat(rows)), (b"IEND", b"")])


def big_endian(data: bytes) -> bytes:
    """The same uncompressed 8-bit TIFF with its numbers turned round."""
    start, turned = struct.unpack_from("<I", data, 4)[0], bytearray(b"MM\0*") + data[4:]
    count = struct.unpack_from("<H", data, start)[0]
    struct.pack_into(">I", turned, 4, start)
    struct.pack_into(">H", turned, start, count)
    sizes = {3: "H", 4: "I"}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from("<HHII", data, at)
        struct.pack_into(">HHII", turned, at, tag, kind, number, value)
        unit = sizes.get(kind)
        if unit:
            place = at + 8 if number * struct.calcsize(unit) <= 4 else value
            values = struct.unpack_from(f"<{number}{unit}", data, place)
            struct.pack_into(f">{number}{unit}", turned, place, *values)
    struct.pack_into(">I", turned, start + 2 + 12 * count, 0)
    return bytes(turned)


def main() -> None:
    """Write all of them."""
    for name, data in pictures().items():
        (CORPUS / name).write_bytes(data)
    torch.manual_seed(0)
    folder = CORPUS / "model"
    model = colorzoo.create_model("unet-bins", width=1, work_size=16)
    save_weights(model, folder, dtype=torch.float16)
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    sizes = itertools.accumulate(path.stat().st_size for path in files)
    print(f"{len(files)} files, {list(sizes)[-1]:,} bytes")


if __name__ == "__main__":
    main()
