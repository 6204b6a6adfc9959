"""Convert decoded pixels of any mode to upright 8-bit sRGB, for ``read_photo``.

Pixels are converted tile by tile, directly into the result. So memory is needed for the decoded
photo and the result, but not for a float copy of either.
"""

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from colorzoo.errors import ImageError
from colorzoo.imaging.space import Space, of_profile, srgb

_TILE = 1 << 18  # pixels converted at a time


class Pixels(NamedTuple):
    """The pixels of a photo, upright.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB.
        alpha: (H, W) uint8, or None.
        gray16: (H, W) uint16, sRGB gray levels of the same lightness; None if the source has 8
            bits, or if they were not asked for.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    gray16: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Extra:
    """What else is known about an image, apart from what Pillow keeps.

    Attributes:
        space: Its colour space if neither sRGB nor described by a profile.
        read_deep: Returns the 16-bit sRGB-like codes of the colours in a box, (h, w, 3), of an
            image in colour with more than 8 bits a channel; None for other images.
        wants_deep: Whether to compute ``gray16``.
        alpha: (H, W) uint8 as stored, if the image itself has none.
    """

    space: Space | None = None
    read_deep: Callable[[tuple[int, int, int, int]], np.ndarray] | None = None
    wants_deep: bool = False
    alpha: np.ndarray | None = None


def read_pixels(
    image: Image.Image,
    orientation: int,
    notes: list[str],
    extra: Extra = Extra(),  # noqa: B008  (frozen)
) -> Pixels:
    """Convert a loaded image.

    Args:
        image: An image of any mode, with pixels as stored.
        orientation: EXIF orientation of the stored pixels: 1 (upright) to 8.
        notes: Notes for the user are appended to it.
        extra: What else is known about the image.
    """
    width, height = image.size
    upright = (width, height) if orientation >= 5 else (height, width)
    rgb = np.empty((*upright, 3), np.uint8)
    has_alpha = extra.alpha is not None or _has_alpha(image)
    alpha = np.empty(upright, np.uint8) if has_alpha else None
    deep_range = _deep_range(image, notes) if _is_deep(image) else None
    to_rgb = _colour_converter(image, deep_range, extra.space, notes)
    to_gray16 = _gray16_converter(image, deep_range, extra) if extra.wants_deep else None
    gray16 = np.empty(upright, np.uint16) if to_gray16 is not None else None
    # Tiles are written through views with the orientation of the source: rotating needs no memory.
    rgb_as_stored = _as_stored(rgb, orientation)
    alpha_as_stored = None if alpha is None else _as_stored(alpha, orientation)
    gray16_as_stored = None if gray16 is None else _as_stored(gray16, orientation)
    for box in tiles(width, height):
        tile, place = cut(image, box), np.s_[box[1] : box[3], box[0] : box[2]]
        if alpha_as_stored is not None and extra.alpha is not None:
            alpha_as_stored[place] = extra.alpha[place]
        elif alpha_as_stored is not None:
            tile, alpha_as_stored[place] = _split_alpha(tile)
        rgb_as_stored[place] = to_rgb(tile)
        if to_gray16 is not None and gray16_as_stored is not None:
            gray16_as_stored[place] = to_gray16(tile, box)
    return Pixels(rgb, alpha, gray16)


def is_bilevel(rgb: np.ndarray) -> bool:
    """Tell whether (H, W, 3) uint8 has both black and white pixels, and no others."""
    height, width = rgb.shape[:2]
    found = set()
    for left, top, right, bottom in tiles(width, height):
        tile = rgb[top:bottom, left:right]
        found |= {*np.unique(tile[..., 0]).tolist()}
        if not (found <= {0, 255} and (tile == tile[..., :1]).all()):
            return False
    return found == {0, 255}


def tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the boxes (left, top, right, bottom) of the tiles of a picture."""
    columns = min(width, _TILE)
    rows = max(1, _TILE // columns)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield left, top, min(left + columns, width), min(top + rows, height)


def cut(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Copy a part of an image, in its own mode."""
    # Not crop(), which applies Pillow's pixel limit.
    size = (box[2] - box[0], box[3] - box[1])
    return image.transform(size, Image.Transform.EXTENT, box)


def _as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of an upright array in the pixel order of an EXIF orientation."""
    turn: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    return turn.get(orientation, lambda a: a)(upright)


def _has_alpha(image: Image.Image) -> bool:
    # In modes without transparency, a transparent colour in info has no meaning.
    return image.has_transparency_data and image.mode not in ("CMYK", "YCbCr", "LAB", "HSV", "F")


def _split_alpha(tile: Image.Image) -> tuple[Image.Image, np.ndarray]:
    """Split a tile with transparency into colour, not premultiplied, and alpha."""
    if _is_deep(tile):
        opaque = np.asarray(tile) != tile.info["transparency"]
        return tile, opaque * np.uint8(255)
    tile = tile.convert("LA" if tile.mode in ("1", "L", "La", "LA") else "RGBA")
    bands = tile.split()
    colour = bands[0] if tile.mode == "LA" else Image.merge("RGB", bands[:3])
    return colour, np.asarray(bands[-1])


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


# Colour -------------------------------------------------------------------------------------------


def _colour_converter(
    image: Image.Image,
    deep_range: tuple[float, float] | None,
    space: Space | None,
    notes: list[str],
) -> Callable[[Image.Image], np.ndarray]:
    """Return a function that converts tiles of this image, without alpha, to uint8 sRGB."""
    if space is not None:
        if deep_range is not None:
            table = to_uint8(space.gray16(np.arange(1 << 16, dtype=np.uint16)[None, :, None]))[0]
            return lambda tile: table[_deep_codes(_deep_values(tile, image), *deep_range)][
                ..., None
            ]
        return lambda tile: space.levels(np.asarray(_in_mode(tile, "RGB")))
    icc = image.info.get("icc_profile")
    if icc and image.mode != "LAB":
        try:
            return _converter(image, icc, deep_range)
        except Exception:
            notes.append(f"its colour profile is ignored: damaged, or not for {image.mode} pixels")
    return _converter(image, None, deep_range)


def _converter(
    image: Image.Image, icc: bytes | None, deep_range: tuple[float, float] | None
) -> Callable[[Image.Image], np.ndarray]:
    if deep_range is not None:
        deep_table = _gray_table(1 << 16, icc)
        return lambda tile: deep_table[_deep_codes(_deep_values(tile, image), *deep_range)]
    if image.mode in ("1", "L", "LA", "La"):
        if icc is None:
            return lambda tile: np.asarray(_in_mode(tile, "L").convert("RGB"))
        table = _gray_table(1 << 8, icc)
        return lambda tile: table[np.asarray(_in_mode(tile, "L"))]
    mode = image.mode if image.mode in ("CMYK", "LAB") else "RGB"
    transform = to_srgb(icc, mode) if icc or mode == "LAB" else None
    if transform is None or (mode == "RGB" and _is_identity(transform)):
        return lambda tile: np.asarray(_in_mode(tile, "RGB"))
    return lambda tile: np.asarray(transform.apply(_in_mode(tile, mode)))


def _gray16_converter(
    image: Image.Image,
    deep_range: tuple[float, float] | None,
    extra: Extra,
) -> Callable[[Image.Image, tuple[int, int, int, int]], np.ndarray] | None:
    """Return a function that computes ``gray16`` of a tile and its box; None for 8-bit images."""
    if deep_range is None and extra.read_deep is None:
        return None
    icc = image.info.get("icc_profile")
    space = extra.space or srgb()
    if icc:
        described = of_profile(icc)
        if described is None:
            return None  # tables: only Pillow's 8-bit colour management can apply them
        space = described
    if deep_range is not None:
        return lambda tile, _: space.gray16(
            _deep_codes(_deep_values(tile, image), *deep_range)[..., None]
        )
    read_deep = extra.read_deep
    assert read_deep is not None
    return lambda _, box: space.gray16(read_deep(box))


def _in_mode(tile: Image.Image, mode: str) -> Image.Image:
    return tile if tile.mode == mode else tile.convert(mode)  # convert() always copies


def to_srgb(icc: bytes | None, mode: str) -> ImageCms.ImageCmsTransform:
    """Build the transform to sRGB from a profile, or from standard L*a*b* if there is none."""
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if mode in ("L", "I;16", "LAB"):
        # Optimisation makes LittleCMS sample gray curves and Lab too coarsely in the shadows.
        flags |= ImageCms.Flags.NOOPTIMIZE
    source = io.BytesIO(icc) if icc else ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(source), srgb, mode, "RGB", intent, flags
    )


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tell whether the profile is sRGB under any name, so that pixels need no conversion."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(transform.apply(Image.fromarray(grid)))
    return int(np.abs(moved.astype(int) - grid).max()) <= 1


def _gray_table(levels: int, icc: bytes | None) -> np.ndarray:
    """Tabulate gray codes 0..levels-1 as (levels, 1) or (levels, 3) uint8 sRGB."""
    ramp = np.rint(np.linspace(0, 255, levels)).astype(np.uint8)[None, :]
    if icc is None:
        return ramp[0, :, None]
    if icc[16:20] == b"RGB ":  # the colour space in a profile's header
        transform, codes = to_srgb(icc, "RGB"), Image.fromarray(np.dstack([ramp] * 3))
    elif levels == 256:
        transform, codes = to_srgb(icc, "L"), Image.fromarray(ramp)
    else:
        codes = Image.fromarray(np.arange(levels, dtype=np.uint16)[None, :])
        transform = to_srgb(icc, "I;16")
    return np.asarray(transform.apply(codes))[0]


def _deep_values(tile: Image.Image, image: Image.Image) -> np.ndarray:
    values = np.asarray(tile)
    tags = getattr(image, "tag_v2", {})
    is_unsigned = image.mode == "I" and tags.get(258) == (32,) and tags.get(339, (1,)) == (1,)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return (values.view(np.uint32) if is_unsigned else values).astype(np.float64)


def _deep_codes(values: np.ndarray, black: float, white: float) -> np.ndarray:
    share = (values - black) / (white - black)
    return np.rint(np.nan_to_num(share.clip(0, 1)) * 65535).astype(np.uint16)


def _deep_range(image: Image.Image, notes: list[str]) -> tuple[float, float]:
    """Find the values of black and white; the docstring of read_photo states the rule."""
    tags = getattr(image, "tag_v2", {})
    low, high = _extremes(image)
    if image.mode.startswith("I;16"):
        # MaxSampleValue of TIFF is only a statistic, so it is used only if it is the full scale of
        # fewer bits.
        declared = (top for top in (1023, 4095, 16383) if tags.get(281) in (top, (top,)))
        tops = (4095 if tags.get(258) == (12,) else next(declared, 0), 65535)
        if 0 < high < 4096 and high > tops[0]:
            notes.append(f"16-bit, but its lightest value is {high:g}: it will look nearly black")
    elif image.mode == "I":
        tops = (65535,) if image.format == "PNG" else (255, 65535)
    else:
        tops = (1, 255, 65535)
    black, white = 0, next((top for top in tops if top and high <= top), None)
    if low < 0 or white is None:
        black, white = low, max(high, low + 1)
        notes.append(f"its gray values, from {low:g} to {high:g}, are scaled to black and white")
    return (white, black) if tags.get(262) == 0 else (black, white)


def _extremes(image: Image.Image) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for box in tiles(*image.size):
        values = _deep_values(cut(image, box), image)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Scale bool, uint8, uint16 or float values in [0, 1] to 0..255.

    Raises:
        ImageError: If floats are outside [0, 1] or not numbers.
    """
    if values.dtype.kind == "b":
        return values * np.uint8(255)
    if values.dtype.itemsize == 2 and values.dtype.kind == "u":
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if values.dtype.kind == "f":
        low, high = float(values.min()), float(values.max())
        # Resampling and half precision overshoot slightly, which rounding corrects. NaN is refused.
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise ImageError(
                f"array: has float values from {low:g} to {high:g}, expected 0 to 1 and no NaN; "
                "scale them, or convert them to uint8"
            )
        return np.rint(values.astype(np.float32) * 255).astype(np.uint8)
    return values
