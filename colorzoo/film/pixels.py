"""Convert decoded frames to upright sRGB pictures, whatever their range, brightness and turn.

Films in HDR are converted by scene light, as in ITU-R BT.2408: diffuse white and everything darker
become what an ordinary camera would have recorded, and highlights are compressed.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from colorzoo.srgb import LUMINANCE

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.codeccontext import VideoCodecContext


# Flags of FFmpeg's swscale: bilinear, full chroma, rounded. The default makes all slightly darker.
EXACTLY = 0x2 | 0x2000 | 0x40000

# Codes of ITU-T H.273: primaries, transfers, and (FFmpeg's) luma from 16 to 235, and 0 to 255.
BT709, _PQ, _HLG = 1, 16, 18
UNKNOWN_RANGE, LIMITED_RANGE, _FULL_RANGE = 0, 1, 2
# Transfers that are close enough to sRGB to be taken for it, and those that are not specified
_ORDINARY = {0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15}
_OTHER_TRANSFERS = {8: "linear", 9: "logarithmic", 10: "logarithmic", 17: "SMPTE ST 428-1"}
_NOT_RGB_BASED = {14, 15}  # ICtCp and IPT, whose first component is not luma
# Luminance of red, green and blue, by the code of primaries: BT.2020, DCI-P3 and Display P3
_WIDE = {
    9: (0.2627, 0.6780, 0.0593),
    11: (0.2095, 0.7216, 0.0689),
    12: (0.2290, 0.6917, 0.0793),
}
# The codecs whose specifications say that luma is limited if the file does not tell
_LIMITED_UNLESS_TOLD = ("hevc", "h264", "vvc")

# Alpha above which a pixel counts as opaque; conversion may lose a level or two
_OPAQUE = 250

# Diffuse white of HDR: in cd/m2 (PQ), and as a signal (HLG). Gamma of the display that was used.
_WHITE_PQ, _WHITE_HLG, _DISPLAY_GAMMA = 203.0, 0.75, 1.2
# sRGB value above which highlights of HDR are compressed: white then becomes about 236 of 255
_KNEE = 0.85


class PixelReader:
    """Converts frames, and collects what a user should know about them.

    Args:
        decoder: The decoder of the frames.

    Attributes:
        notes: Notes for the user; complete after all frames.
    """

    def __init__(self, decoder: "VideoCodecContext") -> None:
        """Start without notes."""
        self._decoder = decoder
        self._is_limited_unless_told = decoder.name.startswith(_LIMITED_UNLESS_TOLD)
        self._notes: dict[str, None] = {}  # in the order in which they were found
        self._has_lost_alpha = False

    @property
    def notes(self) -> list[str]:
        """Notes for the user, about all frames so far."""
        return list(self._notes)

    def rgb(self, frame: "VideoFrame", width: int, height: int) -> np.ndarray:
        """Convert a frame, not yet turned, to (height, width, 3) uint8 sRGB.

        Frames in HDR or with wide-gamut primaries become gray, because only their lightness is
        used: it is that of the original colours.
        """
        # Only newer PyAVs also have these in each frame.
        transfer, primaries = int(self._decoder.color_trc), int(self._decoder.color_primaries)
        self._note_colours(frame, transfer)
        self._note_alpha(frame)
        is_gray = frame.format.name.startswith(("gray", "ya"))
        if transfer in (_PQ, _HLG):
            weights = LUMINANCE if primaries == BT709 else _WIDE.get(primaries, _WIDE[9])
        elif primaries in _WIDE and not is_gray:
            weights, transfer = _WIDE[primaries], 0
        elif is_gray and self._is_limited(frame):
            gray = _gray16(frame, width, height, is_limited=True)
            return _threefold(np.rint(gray / 257).astype(np.uint8))
        else:
            return frame.to_ndarray(
                format="rgb24", width=width, height=height, interpolation=EXACTLY
            )
        if is_gray:
            signal = _gray16(frame, width, height, is_limited=self._is_limited(frame))
            weights = (1.0,)
        else:
            signal = frame.to_ndarray(
                format="rgb48le", width=width, height=height, interpolation=EXACTLY
            )
        return _threefold(_lightness_kept(signal.reshape(height, width, -1), weights, transfer))

    def _is_limited(self, frame: "VideoFrame") -> bool:
        if frame.color_range == UNKNOWN_RANGE:
            return self._is_limited_unless_told
        return frame.color_range == LIMITED_RANGE

    def _note_colours(self, frame: "VideoFrame", transfer: int) -> None:
        if transfer in (_PQ, _HLG):
            name = "PQ" if transfer == _PQ else "HLG"
            self._note(f"it is in HDR ({name}); brightness was converted to that of normal films")
        elif transfer not in _ORDINARY:
            name = _OTHER_TRANSFERS.get(transfer, f"code {transfer}")
            self._note(
                f"its brightness curve ({name}) is not supported, so it may look too dark or too "
                "bright"
            )
        if frame.colorspace in _NOT_RGB_BASED:
            self._note(
                "its colour space (ICtCp or IPT) is not supported, so its brightness may be wrong"
            )
        if _has_side_data(frame, "DOVI_METADATA", "DOVI_RPU_BUFFER"):
            self._note(
                "it is in Dolby Vision, of which only the base picture is used, so its brightness "
                "may differ"
            )

    def _note_alpha(self, frame: "VideoFrame") -> None:
        if self._has_lost_alpha:
            return
        form = frame.format
        if form.has_palette or any(each.is_alpha for each in form.components):
            alpha = frame.to_ndarray(format="rgba")[..., 3]
            self._has_lost_alpha = bool((alpha < _OPAQUE).any())
        if self._has_lost_alpha:
            self.note_alpha()

    def note_alpha(self) -> None:
        """Note that transparency is lost."""
        self._note("it is partly transparent: transparency cannot be kept")

    def _note(self, text: str) -> None:
        self._notes[text] = None


def upright(frame: "VideoFrame", rgb: np.ndarray) -> tuple[np.ndarray, bool]:
    """Turn and mirror a picture as the frame's display matrix says.

    Args:
        frame: The decoded frame.
        rgb: (H, W, 3), its pixels.

    Returns:
        The picture, contiguous, and whether its width and height were swapped.
    """
    across, flip_x, flip_y = _display_of(frame)
    if across:
        rgb = rgb.transpose(1, 0, 2)
    rgb = rgb[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return np.ascontiguousarray(rgb), across


def _display_of(frame: "VideoFrame") -> tuple[bool, bool, bool]:
    """Return whether to swap rows and columns, and then to mirror x and y."""
    side_data = _side_data(frame)
    if side_data is None:  # PyAV tells the rotation even then
        turns = round(frame.rotation / 90) % 4
        return turns % 2 == 1, turns in (2, 3), turns in (1, 2)
    found = side_data.get("DISPLAYMATRIX")
    if found is None:
        return False, False, False
    # A source pixel (x, y) is shown at (a x + c y, b x + d y).
    (a, b), (c, d) = np.frombuffer(bytes(found), np.int32)[:9].reshape(3, 3)[:2, :2].tolist()
    if a * d - b * c == 0:  # not a matrix at all
        return False, False, False
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def _side_data(frame: "VideoFrame"):  # noqa: ANN202  # PyAV does not export its type
    """Return a frame's side data; None if it has a kind that this PyAV does not know."""
    try:
        return frame.side_data
    except ValueError:
        return None


def _has_side_data(frame: "VideoFrame", *kinds: str) -> bool:
    side_data = _side_data(frame)
    return side_data is not None and any(side_data.get(kind) is not None for kind in kinds)


def _gray16(frame: "VideoFrame", width: int, height: int, *, is_limited: bool) -> np.ndarray:
    """Return the luma of a frame without colour, (H, W) uint16 from black to white."""
    told = frame.color_range
    frame.color_range = _FULL_RANGE  # swscale takes gray for full range, whatever is told
    gray = frame.to_ndarray(format="gray16le", width=width, height=height, interpolation=EXACTLY)
    frame.color_range = told
    bits = frame.format.components[0].bits
    if not is_limited or bits > 16:  # floating point is never limited
        return gray
    unit = 65535 / (2**bits - 1) * 2 ** (bits - 8)  # one of the 255 levels of 8 bits
    levels = (np.arange(65536) / unit - 16) * (65535 / 219)
    return np.rint(levels.clip(0, 65535)).astype(np.uint16)[gray]


def _threefold(gray: np.ndarray) -> np.ndarray:
    return gray[..., None].repeat(3, axis=2)


def _lightness_kept(signal: np.ndarray, weights: tuple[float, ...], transfer: int) -> np.ndarray:
    """Convert a signal to (H, W) uint8, gray sRGB of the same lightness.

    Args:
        signal: (H, W, C) uint16.
        weights: Luminance of each of its channels; they add up to 1.
        transfer: Code of its transfer; 0 for one that is taken for sRGB.
    """
    linear, encoded = _tables(transfer)
    luminance = np.zeros(signal.shape[:2], np.float32)
    for channel, weight in enumerate(weights):
        luminance += (linear * np.float32(weight))[signal[..., channel]]
    # Square roots spread the entries of the table nearly as evenly as they look.
    np.sqrt(luminance, out=luminance)
    luminance *= 65535
    return encoded[np.minimum(np.rint(luminance), 65535).astype(np.uint16)]


@lru_cache
def _tables(transfer: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two tables with 65536 entries for a transfer.

    Returns:
        Light by signal, float32, from 0 to 1; and sRGB, uint8, by the square root of luminance.
    """
    signal = np.linspace(0, 1, 65536)
    light = signal**2
    if transfer == _PQ:
        power = signal ** (32 / 2523)
        ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        linear = ratio ** (8192 / 1305)
        # What the display shows of the scene is brighter by a power of luminance.
        scene = (light * 10_000 / _WHITE_PQ) ** (1 / _DISPLAY_GAMMA)
    elif transfer == _HLG:
        linear = _hlg_light(signal)
        scene = light / _hlg_light(np.array(_WHITE_HLG))
    else:
        linear = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
        return linear.astype(np.float32), _as_uint8(_srgb(light))
    return linear.astype(np.float32), _as_uint8(_without_highlights(_srgb(scene)))


def _hlg_light(signal: np.ndarray) -> np.ndarray:
    """Return the scene light, from 0 to 1, of an HLG signal (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _srgb(light: np.ndarray) -> np.ndarray:
    """Encode light, in which 1 is white, as sRGB; both may be above 1."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _without_highlights(value: np.ndarray) -> np.ndarray:
    """Compress values above the knee, so that the largest becomes 1."""
    above = np.maximum(value - _KNEE, 0) / (1 - _KNEE)
    most = above.max()
    compressed = above * (1 + above / most**2) / (1 + above)
    return np.where(value <= _KNEE, value, _KNEE + (1 - _KNEE) * compressed)


def _as_uint8(value: np.ndarray) -> np.ndarray:
    return np.rint(value.clip(0, 1) * 255).astype(np.uint8)
