"""The size of a JPEG XL, which its decoders tell only together with the pixels.

Boxes: ISO/IEC 18181-2. Headers: ISO/IEC 18181-1, annexes A and D.
"""

from colorzoo.imaging.boxes import boxes_of, renamed

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIZES = ((1, 9), (1, 13), (1, 18), (1, 30))
_PREVIEWS, _PREVIEW_BLOCKS = (
    ((1, 6), (65, 8), (321, 10), (1345, 12)),
    ((16, 0), (32, 0), (1, 5), (33, 9)),
)
_TICKS, _PER = ((100, 0), (1000, 0), (1, 10), (1, 30)), ((1, 0), (1001, 0), (1, 8), (1, 10))
_LOOPS = ((0, 0), (0, 3), (0, 16), (0, 32))
_INTEGER_BITS, _FLOAT_BITS = ((8, 0), (10, 0), (12, 0), (1, 6)), ((32, 0), (16, 0), (24, 0), (1, 6))
_EXTRA = ((0, 0), (1, 0), (2, 4), (1, 12))


def size_of(data: bytes) -> tuple[int, int, int] | None:
    """Return width, height and number of channels as stored; None if they cannot be read."""
    try:
        codestream = _codestream(data)
        if not codestream.startswith(CODESTREAM):
            return None
        bits = _Bits(codestream[2:66])
        width, height = bits.size(_SIZES, 8, 5)
        return width, height, 3 + _extra_channels(bits)
    except ValueError:
        return None


def without_parts(data: bytes) -> bytes:
    """Rename the boxes that decoders unpack without a limit, or restore a JPEG file from.

    Raises:
        ValueError: If there are too many boxes.
    """
    return renamed(data, (b"jbrd", b"brob")) if data.startswith(CONTAINER) else data


def _codestream(data: bytes) -> bytes:
    """Return the beginning of the codestream."""
    if not data.startswith(CONTAINER):
        return data[:128]
    found = b""
    for box in boxes_of(data):
        if box.kind == b"jxlc":
            return data[box.start : box.end][:128]
        if box.kind == b"jxlp":  # a part, after its number
            found += data[box.start + 4 : box.end][:128]
        if len(found) >= 66:
            break
    return found


class _Bits:
    """A reader of numbers of some bits, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next bits.

        Raises:
            ValueError: If there are fewer.
        """
        if count > self._left:
            raise ValueError("cut short")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def choice(self, kinds: tuple[tuple[int, int], ...]) -> int:
        """Return a number that is stored with one of four offsets and numbers of bits."""
        offset, count = kinds[self.take(2)]
        return offset + self.take(count)

    def size(self, kinds: tuple[tuple[int, int], ...], block: int, small: int) -> tuple[int, int]:
        """Return a width and height."""
        is_small = self.take(1)

        def side() -> int:
            if not is_small:
                return self.choice(kinds)
            return block * (1 + self.take(small) if small else self.choice(_PREVIEW_BLOCKS))

        height = side()
        ratio = self.take(3)
        if not ratio:
            return side(), height
        across, down = _RATIOS[ratio]
        return height * across // down, height


def _extra_channels(bits: _Bits) -> int:
    """Return the number of channels besides colour, from the header after the size."""
    if bits.take(1):  # all as usual
        return 0
    if bits.take(1):
        bits.take(3)  # orientation
        if bits.take(1):
            bits.size(_SIZES, 8, 5)
        if bits.take(1):
            bits.size(_PREVIEWS, 8, 0)
        if bits.take(1):
            for kinds in (_TICKS, _PER, _LOOPS):
                bits.choice(kinds)
            bits.take(1)
    is_float = bits.take(1)
    bits.choice(_FLOAT_BITS if is_float else _INTEGER_BITS)
    bits.take(4 * is_float + 1)
    return bits.choice(_EXTRA)
