"""RGB and gray colour spaces that are described by curves and a matrix, with 16-bit precision.

Pillow's colour management works with 8 bits. That is enough for what the networks see, but not for
16-bit scans. ICC profiles: https://www.color.org/specification/ICC.1-2022-05.pdf, section 8.3.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from colorzoo.srgb import LUMINANCE

# White point and primaries of sRGB, as x and y.
SRGB_PLACES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PLACE_TOLERANCE = 0.003
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array((0.9642, 1.0, 0.8249))  # white of the profile connection space
_TOP = 65535
_TAG_BYTES = 12 + 2 * 65536  # of a profile: the longest curve


@dataclass(frozen=True, eq=False)
class Space:
    """How codes become linear sRGB.

    Attributes:
        curves: For gray or for each channel, (65536,) float32: linear light of each 16-bit code.
        matrix: (3, 3), linear RGB to linear sRGB; None if the primaries are those of sRGB.
    """

    curves: tuple[np.ndarray, ...]
    matrix: np.ndarray | None = None

    def levels(self, codes: np.ndarray) -> np.ndarray:
        """Convert (..., 3) or (..., 1) uint8 codes to uint8 sRGB of the same shape."""
        return np.rint(_encoded(self._linear(codes.astype(np.uint16) * 257)) * 255).astype(np.uint8)

    def gray16(self, codes: np.ndarray) -> np.ndarray:
        """Convert (h, w, 3) or (h, w, 1) uint16 codes to (h, w) uint16 gray of the same lightness.

        Returns:
            sRGB gray levels, 0 to 65535.
        """
        linear = self._linear(codes)
        luminance = (
            linear[..., 0] if linear.shape[-1] == 1 else linear @ np.array(LUMINANCE, np.float32)
        )
        return np.rint(_encoded(luminance) * _TOP).astype(np.uint16)

    def _linear(self, codes: np.ndarray) -> np.ndarray:
        channels = codes.shape[-1]
        curves = self.curves if len(self.curves) == channels else self.curves[:1] * channels
        linear = np.stack([curve[codes[..., i]] for i, curve in enumerate(curves)], axis=-1)
        if self.matrix is not None and channels == 3:
            linear = (linear @ self.matrix.T.astype(np.float32)).clip(0, 1)
        return linear


def _encoded(linear: np.ndarray) -> np.ndarray:
    bright = 1.055 * np.maximum(linear, 1e-9) ** np.float32(1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, bright)


def _curve(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return function(np.arange(_TOP + 1) / _TOP).clip(0, 1).astype(np.float32)


@lru_cache(maxsize=1)
def srgb() -> Space:
    """Return sRGB."""

    def linear(codes: np.ndarray) -> np.ndarray:
        return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)

    return Space((_curve(linear),))


def with_gamma(exponent: float | None, places: tuple[float, ...]) -> Space | None:
    """Return the space of an exponent and of x and y of white, red, green and blue.

    Args:
        exponent: Of the conversion to linear light; None for that of sRGB.
        places: The 8 coordinates; implausible ones are ignored.

    Returns:
        The space; None if it is sRGB.
    """
    distance = max(abs(a - b) for a, b in zip(places, SRGB_PLACES, strict=True))
    matrix = None if distance < _PLACE_TOLERANCE else _between(places)
    if exponent is None:
        return None if matrix is None else Space(srgb().curves, matrix)
    return Space((_curve(lambda codes: codes**exponent),), matrix)


def _between(places: tuple[float, ...]) -> np.ndarray | None:
    """Compute linear RGB to linear sRGB from white point and primaries; None if implausible."""
    try:
        with np.errstate(all="raise"):
            return _plausible(np.linalg.inv(_to_d50(SRGB_PLACES)) @ _to_d50(places))
    except (ArithmeticError, np.linalg.LinAlgError):
        return None


def _to_d50(places: tuple[float, ...]) -> np.ndarray:
    """Return the (3, 3) matrix from linear RGB to XYZ, adapted to the white D50."""
    xy = np.array(places).reshape(4, 2)
    xyz = np.column_stack((xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(axis=1)) / xy[:, 1]))
    white, primaries = xyz[0], xyz[1:].T
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD
    return adapt @ (primaries * np.linalg.solve(primaries, white))


def _plausible(matrix: np.ndarray) -> np.ndarray | None:
    return matrix if np.abs(matrix).max() < 10 else None


def of_profile(icc: bytes) -> Space | None:
    """Return the space of an ICC profile; None if it needs tables, or is damaged."""
    try:
        return _of_profile(icc)
    except (struct.error, ValueError, KeyError, IndexError, ArithmeticError, np.linalg.LinAlgError):
        return None


def _of_profile(icc: bytes) -> Space | None:
    (count,) = struct.unpack_from(">I", icc, 128)
    entries = [struct.unpack_from(">4sII", icc, 132 + 12 * i) for i in range(min(count, 100))]
    tags = {  # only some bytes of each: they may share them
        name: icc[start : start + min(size, _TAG_BYTES)] for name, start, size in entries
    }
    if b"A2B0" in tags or icc[20:24] != b"XYZ ":  # colour management prefers the table
        return None
    if icc[16:20] == b"GRAY":
        return Space((_read_curve(tags[b"kTRC"]),))
    if icc[16:20] != b"RGB ":
        return None
    curves = tuple(_read_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    columns = [struct.unpack_from(">3i", tags[name], 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    to_d50 = np.array(columns, dtype=np.float64).T / 65536
    matrix = _plausible(np.linalg.inv(_to_d50(SRGB_PLACES)) @ to_d50)
    return None if matrix is None else Space(curves, matrix)


def _read_curve(tag: bytes) -> np.ndarray:
    """Read a curve ("curv") or parametric curve ("para").

    Raises:
        ValueError: If it is of another type.
    """
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return _curve(lambda codes: codes)
        values = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return _curve(lambda codes: codes ** (values[0] / 256))
        places = np.linspace(0, 1, count)
        return _curve(lambda codes: np.interp(codes, places, values / _TOP))
    kind = struct.unpack_from(">H", tag, 8)[0] if tag[:4] == b"para" else 9
    if kind > 4:
        raise ValueError("a rare type of curve")
    numbers = struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)
    g, *rest = (number / 65536 for number in numbers)
    if kind == 0:
        return _curve(lambda codes: codes**g)
    a, b, *more = rest
    # y = (a x + b)^g + e from x = d on, and c x + f below.
    c, d, e, f = {
        1: lambda: (0.0, -b / a, 0.0, 0.0),
        2: lambda: (0.0, -b / a, more[0], more[0]),
        3: lambda: (more[0], more[1], 0.0, 0.0),
        4: lambda: (more[0], more[1], more[2], more[3]),
    }[kind]()
    return _curve(
        lambda codes: np.where(codes >= d, (a * codes + b).clip(min=0) ** g + e, c * codes + f)
    )
