"""Weights and config.json with one to three things wrong. All chance comes from the ``Random``."""

import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

from fuzzing.mutate import ANYWHERE, cut_short, flip_bits, overwrite_number

_DTYPES = ("BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0")
_DTYPES += ("F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64")
_DTYPES += ("F64", "I64", "U64", "F128", "", "f16", None, 3)
_BITS = {"F4": 4, "F6": 6, "F1": 16, "BF": 16, "I1": 16, "U1": 16, "I3": 32, "U3": 32, "F3": 32}
_BITS |= {"C6": 64, "F64": 64, "I6": 64, "U6": 64}
_NUMBERS: tuple[Any, ...] = (0, 1, -1, 2, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64)
_NUMBERS += (10**30, 0.5, 1e308, float("nan"), float("inf"), -float("inf"))
_OTHERS: tuple[Any, ...] = (None, True, False, "", "1", "\0", "\ud800", "\x1b[2J", "x" * 5000, [])
_OTHERS += ({}, [1], {"a": 1}, [[1, 2], [3]])
_KEYWORDS = ("architecture", "colorzoo_version", "width", "work_size", "dial", "vividness")
_KEYWORDS += ("logits_stride", "output_stride", "skips", "encoder", "attention", "same_padding")
_KEYWORDS += ("self", "name", "__class__", "_id", "", "a\nb", "\ud800", "k" * 5000)
_ARCHITECTURES = ("unet", "unet-gan", "autoencoder", "autoencoder-ssim", "resnet34", "unet-bins")
_ARCHITECTURES += ("efficientnet-bins", "os.system", "../unet", "UNET-BINS", "unet-bins\0")
_ENCODERS = ("resnet18", "vit_tiny_patch16_224", "hf-hub:user/repo", "../x", "resnet", "")

Header = list[tuple[str, Any]]  # pairs, since JSON may have a key twice


# Weights ------------------------------------------------------------------------------------------


def mutated_weights(rng: Random, data: bytes) -> tuple[bytes, str]:
    """A damaged model.safetensors, and what was done to it."""
    (size,) = struct.unpack_from("<Q", data)
    header: Header = list(json.loads(data[8 : 8 + size]).items())
    body, done = data[8 + size :], []
    for _ in range(rng.choice((1, 1, 2, 3))):
        change = rng.choice(_CHANGES)
        header, body = change(rng, header, body)
        done.append(change.__name__)
    text = _pairs_text(header)
    if rng.random() < 0.1:
        change = rng.choice(ANYWHERE[:-2])
        text = change(rng, text, [])
        done.append(f"{change.__name__} in the header")
    length = len(text)
    if rng.random() < 0.1:
        length = rng.choice((0, 1, length - 1, length + 1, *_NUMBERS[3:10]))
        done.append(f"header length {length}")
    data = struct.pack("<Q", length % (1 << 64)) + text + body
    if rng.random() < 0.1:
        change = rng.choice((flip_bits, overwrite_number, cut_short))
        data = change(rng, data, [])
        done.append(change.__name__)
    return data, ", ".join(done)


def _pairs_text(pairs: Header) -> bytes:
    inner = ",".join(
        f"{json.dumps(key)}: {value if isinstance(value, _Raw) else json.dumps(value)}"
        for key, value in pairs
    )
    return f"{{{inner}}}".encode()


def _tensor(rng: Random, header: Header) -> int:
    return rng.choice([i for i, (_, value) in enumerate(header) if _is_tensor(value)] or [0])


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and {"shape", "dtype", "data_offsets"} <= set(value)


def _field(rng: Random, header: Header, body: bytes, name: str, value: Any) -> tuple[Header, bytes]:
    if not header:
        return header, body
    at = _tensor(rng, header)
    key, old = header[at]
    new = {**old, name: value(old.get(name)) if callable(value) else value}
    return [*header[:at], (key, new), *header[at + 1 :]], body


def offsets(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    """Overlapping, backwards, negative, beyond the end, or no offsets at all."""

    def moved(old: Any) -> Any:
        if not isinstance(old, list) or len(old) != 2:
            return [0, 0]
        by = rng.choice((1, -1, 2, 4, -4, len(body), *_NUMBERS[:12]))
        return rng.choice(
            (
                [old[0] + by, old[1] + by],
                [old[0], old[1] + by],
                [old[0] - by, old[1]],
                old[::-1],
                old * 2,
                [],
                rng.choice(_OTHERS),
            )
        )

    return _field(rng, header, body, "data_offsets", moved)


def dtype(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    return _field(rng, header, body, "dtype", rng.choice(_DTYPES))


def dtype_that_fits(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    """Another type with as many bytes as it needs: all offsets are worked out anew."""
    tensors = [(key, value) for key, value in header if _is_tensor(value)]
    if not tensors:
        return header, body
    chosen, kind = rng.choice(tensors)[0], rng.choice([each for each in _DTYPES if each])
    whole = rng.random() < 0.3
    new: Header = [(key, value) for key, value in header if not _is_tensor(value)]
    parts, at = [], 0
    for key, value in tensors:
        start, stop = 0, 0
        try:
            start, stop = map(int, value["data_offsets"])
            part = body[max(0, start) : max(0, stop)]
            if whole or key == chosen:
                count = 1
                for side in value["shape"]:
                    count *= side
                name = str(kind)
                bits = _BITS.get(name, _BITS.get(name[:2], 8))
                part = rng.randbytes(min(count * bits // 8, 1 << 16))
                value = {**value, "dtype": kind}
        except (TypeError, ValueError, OverflowError):
            part = b""
        parts.append(part)
        new.append((key, {**value, "data_offsets": [at, at + len(part)]}))
        at += len(part)
    return new, b"".join(parts)


def shape(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    def changed(old: Any) -> Any:
        sides = list(old) if isinstance(old, list) else [1]
        return rng.choice(
            (
                [*sides, 1],
                sides[:-1],
                sides[::-1],
                [rng.choice(_NUMBERS), *sides[1:]],
                [2**32, 2**32, *sides],
                [0, 2**63],
                [1] * rng.choice((70, 5000)),
                rng.choice(_OTHERS),
            )
        )

    return _field(rng, header, body, "shape", changed)


def missing(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    if not header:
        return header, body
    at = rng.randrange(len(header))
    return header[:at] + header[at + 1 :], body


def extra(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    """A tensor more: empty, the same bytes again, behind the others, or one twice."""
    key = rng.choice(("extra", "", "head.bias", "\ud800", "a\x1b[2J", "x" * 3000, "__proto__"))
    start = rng.choice((0, len(body)))
    size = rng.choice((0, 4))
    value = {"dtype": "F16", "shape": [size // 2], "data_offsets": [start, start + size]}
    return [*header, (key, value)], body + bytes(size)


def renamed(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    if not header:
        return header, body
    at = rng.randrange(len(header))
    key = rng.choice((header[at][0] + "x", header[0][0], "__metadata__", "\n", "é" * 300))
    return [*header[:at], (key, header[at][1]), *header[at + 1 :]], body


def metadata(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    value = rng.choice(({"format": "tf"}, {"format": 3}, {"a": "b" * 10**5}, *_OTHERS))
    others = [pair for pair in header if pair[0] != "__metadata__"]
    return ([("__metadata__", value)] if rng.random() < 0.8 else []) + others, body


def any_field(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    name = rng.choice(("dtype", "shape", "data_offsets", "more"))
    return _field(rng, header, body, name, rng.choice(_OTHERS + _NUMBERS))


def numbers(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    """What a float16 can hold: NaN, infinities, the largest, or noise; in one place or in all."""
    value = rng.choice((b"\x00\x7e", b"\x00\x7c", b"\x00\xfc", b"\xff\x7b", b"\x01\x00", b""))
    value = value or rng.randbytes(2)
    if rng.random() < 0.3:
        return header, value * (len(body) // 2) + body[len(body) & ~1 :]
    at = 2 * rng.randrange(max(1, len(body) // 2))
    run = rng.choice((1, 1, 20))
    return header, body[:at] + value * run + body[at + 2 * run :]


def padded(rng: Random, header: Header, body: bytes) -> tuple[Header, bytes]:
    more = bytes(rng.choice((1, 8, 4096)))
    return header, rng.choice((body + more, more + body, body[: -len(more)]))


_CHANGES: tuple[Callable[[Random, Header, bytes], tuple[Header, bytes]], ...]
_CHANGES = (offsets, offsets, dtype, dtype_that_fits, dtype_that_fits, shape, shape, missing, extra)
_CHANGES += (renamed, metadata, any_field, numbers, numbers, padded)


# config.json --------------------------------------------------------------------------------------


def mutated_config(rng: Random, data: bytes) -> tuple[bytes, str]:
    """A damaged config.json, and what was done to it."""
    pairs, done = list(json.loads(data).items()), []
    for _ in range(rng.choice((1, 1, 2, 3))):
        key, value = rng.choice(_KEYWORDS), _value(rng)
        known = [each for each, _ in pairs]
        match rng.randrange(6):
            case 0:
                pairs = [pair for pair in pairs if pair[0] != rng.choice(known or [key])]
                done.append("a key less")
                continue
            case 1:
                key = "architecture"
                value = rng.choice((rng.choice(_ARCHITECTURES), value))
            case 2:
                key, value = rng.choice((("encoder", rng.choice(_ENCODERS)), (key, value)))
            case 3 | 4 if known:
                key = rng.choice(known)
        if rng.random() < 0.8:
            pairs = [pair for pair in pairs if pair[0] != key]
        pairs.insert(rng.randrange(len(pairs) + 1), (key, value))  # a key may be there twice
        done.append(f"{key!r:.40} = {_short(value)}")
    text = _pairs_text(pairs)
    match rng.randrange(12):
        case 0 | 1:
            change = rng.choice(ANYWHERE[:-2])
            text = change(rng, text, [])
            done.append(change.__name__)
        case 2:
            encoding = rng.choice(("utf-8-sig", "utf-16", "utf-32", "utf-7"))
            text = text.decode().encode(encoding)
            done.append(encoding)
        case 3:
            text = rng.choice((b"", b"null", b"[]", b"3", b'"unet"', b"\xff", text + text))
            done.append(f"{text[:9]!r}")
        case 4:
            text = text.replace(b'"width": 1', b'"width": ' + b"1" * rng.choice((50, 4301, 10**6)))
            text = text.replace(b": 1,", b": 1e400,")
            done.append("digits")
    return text, ", ".join(done)


def _value(rng: Random) -> Any:
    match rng.randrange(8):
        case 0 | 1 | 2:
            return rng.choice(_NUMBERS)
        case 3:
            depth = rng.choice((5, 100, 300, *range(400, 1000, 50)))
            return _Raw("[" * depth + "1" + "]" * depth)
        case 4:
            return rng.choice((1, 2, 4, 8, 16, 0.5, 4.0, 2.0, 1.0, 1e-310, 10**400))
        case _:
            return rng.choice(_OTHERS)


class _Raw(str):
    """JSON as it stands: json.dumps would not nest so deep."""


def _short(value: Any) -> str:
    return f"{str(value)[:30]!r}"
