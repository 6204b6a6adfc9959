"""Range, brightness, orientation and transparency of the pictures of a film."""

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from av.codec.codec import UnknownCodecError  # noqa: E402
from helpers.films import colorize, frames_of, moving, write_film  # noqa: E402

from colorzoo.srgb import LUMINANCE  # noqa: E402

GRAYS = ["gray", "gray9le", "gray10le", "gray12le", "gray14le", "gray16le", "ya8"]
LEVELS = (0, 64, 128, 255)


def write_planes(path: Path, pixels: str, planes: list[np.ndarray], codec="ffv1", **tags) -> Path:
    """A film of three equal frames, of which the planes are given as they are stored."""
    options = tags.pop("options", {})
    with av.open(path, "w") as out:
        try:
            video = out.add_stream(codec, rate=25, options=options)
        except UnknownCodecError:
            pytest.skip(f"this FFmpeg has no {codec}")
        height, width = planes[0].shape[:2]
        video.width, video.height, video.pix_fmt = width, height, pixels
        context = video.codec_context
        for key, tag in tags.items():
            setattr(context, key, tag)
        for i in range(3):
            frame = av.VideoFrame(width, height, pixels)
            for plane, array in zip(frame.planes, planes, strict=True):
                rows = np.zeros((array.shape[0], plane.line_size), np.uint8)
                data = np.ascontiguousarray(array).view(np.uint8).reshape(array.shape[0], -1)
                rows[:, : data.shape[1]] = data
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = i, Fraction(1, 25)
            for key in tags.keys() & set(dir(frame)):  # older PyAVs know fewer
                setattr(frame, key, tags[key])
            out.mux(video.encode(frame))
        out.mux(video.encode())
    return path


def strips(levels, kind=np.uint8, height: int = 32) -> np.ndarray:
    """A picture with a strip of 32 columns for each level."""
    return np.tile(np.repeat(np.array(levels, kind), 32), (height, 1))


def seen(path: Path, count: int = 4) -> list[int]:
    """The gray of each strip in the first frame."""
    rgb = frames_of(path)[0].astype(int)
    assert np.ptp(rgb, axis=2).max() <= 2
    return [int(rgb[16, 16 + 32 * i, 1]) for i in range(count)]


def gray_planes(pixels: str, *, limited: bool) -> list[np.ndarray]:
    bits = int("".join(filter(str.isdigit, pixels)) or 8)
    low, span = (16 << bits - 8, 219 << bits - 8) if limited else (0, (1 << bits) - 1)
    luma = strips([round(low + span * level / 255) for level in LEVELS], np.uint16)
    if pixels == "ya8":
        return [np.dstack([luma, np.full_like(luma, 255)]).astype(np.uint8)]
    return [luma.astype(np.uint8) if bits == 8 else luma]


@pytest.mark.parametrize("colour_range", [1, 2])  # 16 to 235, and 0 to 255
@pytest.mark.parametrize("pixels", GRAYS)
def test_gray_without_colour_keeps_black_and_white(model, tmp_path, pixels, colour_range):
    planes = gray_planes(pixels, limited=colour_range == 1)
    try:
        write_planes(tmp_path / "a.mkv", pixels, planes, color_range=colour_range)
    except av.error.ArgumentError:
        pytest.skip(f"this FFmpeg cannot write {pixels}")
    with av.open(tmp_path / "a.mkv") as film:
        frame = next(film.decode(video=0))
        assert (frame.format.name, frame.color_range) == (pixels, colour_range)
    assert colorize(model, tmp_path / "a.mkv", "out.mkv", saturation=0).notes == ()
    assert seen(tmp_path / "out.mkv") == pytest.approx(LEVELS, abs=2)


@pytest.mark.parametrize("pixels", ["gray", "gray10le", "gray12le"])
@pytest.mark.parametrize("told", [":range=limited", ""])  # limited is what the standard assumes
def test_hevc_without_colour(model, tmp_path, pixels, told):
    options = {"x265-params": f"log-level=none{told}"}
    planes = gray_planes(pixels, limited=True)
    source = tmp_path / "a.mp4"
    write_planes(source, pixels, planes, "libx265", options=options, color_range=1 if told else 0)
    colorize(model, source, "out.mp4", saturation=0)
    assert seen(tmp_path / "out.mp4") == pytest.approx(LEVELS, abs=3)


# ITU-R BT.2408: black, 18 % gray, and diffuse white, as signals; then twice and four times white
HDR = {
    "hlg": (18, (0, 0.38, 0.75, 0.887)),
    "pq": (16, (0, 0.38, 0.58, 0.67)),
}


def hdr_planes(levels, *, bits: int = 10) -> list[np.ndarray]:
    low, span, middle = 16 << bits - 8, 219 << bits - 8, 128 << bits - 8
    luma = strips([round(low + span * level) for level in levels], np.uint16)
    chroma = np.full((16, luma.shape[1] // 2), middle, np.uint16)
    return [luma, chroma, chroma]


@pytest.mark.parametrize("name", HDR)
@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv420p12le", "gray10le"])
def test_hdr_becomes_as_bright_as_a_normal_film(model, tmp_path, name, pixels):
    transfer, levels = HDR[name]
    planes = hdr_planes(levels, bits=12 if "12" in pixels else 10)
    tags = {"color_trc": transfer, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    source = tmp_path / "a.mkv"
    write_planes(source, pixels, planes[:1] if "gray" in pixels else planes, **tags)
    (note,) = colorize(model, source, "out.mp4", saturation=0).notes
    assert "HDR" in note and name.upper() in note
    black, gray, white, bright = seen(tmp_path / "out.mp4")
    assert black <= 1 and abs(gray - 118) <= 4 and 230 <= white <= 245
    assert white + 3 < bright <= 255
    with av.open(tmp_path / "out.mp4") as out:
        assert out.streams.video[0].codec_context.color_trc == 1


def test_highlights_of_hdr_stay_apart(model, tmp_path):
    levels = (0.6, 0.65, 0.7, 0.75)  # 250, 420, 660 and 1000 cd/m2
    tags = {"color_trc": 16, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    write_planes(tmp_path / "a.mkv", "yuv420p10le", hdr_planes(levels), **tags)
    colorize(model, tmp_path / "a.mkv", "out.mkv", saturation=0)
    found = seen(tmp_path / "out.mkv")
    assert all(one < other for one, other in zip(found, found[1:], strict=False))


def test_wide_gamut_colours_keep_their_lightness(model, tmp_path):
    # A red and a green of sRGB, as signals of BT.2020: matrix of ITU-R BT.2087
    to_2020 = np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.088, 0.8956]]
    )
    colours = np.array([[200, 30, 30], [40, 180, 60]]) / 255
    linear = ((colours + 0.055) / 1.055) ** 2.4
    wide = 1.055 * np.maximum(linear @ to_2020.T, 0) ** (1 / 2.4) - 0.055
    blue, green, red = (strips(np.rint(wide[:, i] * 255), np.uint8) for i in (2, 1, 0))
    planes = [np.dstack([blue, green, red, np.full_like(red, 255)])]
    source = write_planes(tmp_path / "a.mkv", "bgr0", planes, color_primaries=9, color_trc=1)
    colorize(model, source, "out.mkv", saturation=0)
    luminance = linear @ np.array(LUMINANCE)
    expected = (1.055 * luminance ** (1 / 2.4) - 0.055) * 255
    assert seen(tmp_path / "out.mkv", 2) == pytest.approx(list(expected), abs=2.5)


@pytest.mark.parametrize(("transfer", "name"), [(8, "linear"), (9, "logarithmic"), (17, "428")])
def test_unknown_brightness_curves_get_a_note(model, tmp_path, transfer, name):
    tags = {"color_trc": transfer, "color_range": 1}
    source = write_planes(tmp_path / "a.mkv", "yuv420p10le", hdr_planes((0, 0.5, 1)), **tags)
    (note,) = colorize(model, source, "out.mkv").notes
    assert "brightness curve" in note and name in note


def test_dolby_vision_gets_a_note(model, clip, tmp_path, monkeypatch):
    # No encoder writes it without a film that has it.
    monkeypatch.setattr(
        "colorzoo.film.pixels._side_data", lambda frame: {"DOVI_METADATA": b"of a frame"}
    )
    source = Path(shutil.copy(clip, tmp_path))
    (note,) = colorize(model, source, "out.mkv").notes
    assert "Dolby Vision" in note


# Where a pixel (x, y) is shown: (a x + c y, b x + d y), and what that does to a picture
ORIENTATIONS = {
    (1, 0, 0, 1): lambda rgb: rgb,
    (-1, 0, 0, 1): np.fliplr,
    (-1, 0, 0, -1): lambda rgb: np.rot90(rgb, 2),
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): lambda rgb: rgb.transpose(1, 0, 2),
    (0, 1, -1, 0): lambda rgb: np.rot90(rgb, -1),
    (0, -1, -1, 0): lambda rgb: np.rot90(rgb, 2).transpose(1, 0, 2),
    (0, -1, 1, 0): lambda rgb: np.rot90(rgb),
}


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_all_orientations(model, tmp_path, matrix):
    source = write_film(tmp_path / "a.mp4", moving(3), pixel_aspect=Fraction(4, 3))
    stored = frames_of(source)[0]
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 44
    assert data[at : at + 4] == (1 << 16).to_bytes(4, "big")
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    source.write_bytes(data)
    film = colorize(model, source, "out.mp4", saturation=0)
    upright = ORIENTATIONS[matrix](stored)
    assert film.size == upright.shape[1::-1] and film.notes == ()
    assert np.abs(frames_of(tmp_path / "out.mp4")[0].astype(int) - upright).mean() < 2
    with av.open(tmp_path / "out.mp4") as out:
        assert next(out.decode(video=0)).rotation == 0
        aspect = Fraction(3, 4) if film.size == (48, 64) else Fraction(4, 3)
        assert out.streams.video[0].sample_aspect_ratio == aspect


@pytest.mark.parametrize("pixels", ["yuva420p", "bgra", "ya8"])
@pytest.mark.parametrize("opaque", [True, False])
def test_lost_transparency_gets_a_note(model, tmp_path, pixels, opaque):
    gray = strips(LEVELS)
    alpha = np.full_like(gray, 255)
    alpha[:4] = 255 if opaque else 90
    chroma = np.full((16, gray.shape[1] // 2), 128, np.uint8)
    planes = {
        "yuva420p": [gray, chroma, chroma, alpha],
        "bgra": [np.dstack([gray, gray, gray, alpha])],
        "ya8": [np.dstack([gray, alpha])],
    }[pixels]
    notes = colorize(model, write_planes(tmp_path / "a.mkv", pixels, planes), "out.mkv").notes
    assert any("transparen" in note for note in notes) == (not opaque)


def test_hidden_transparency_gets_a_note(model, tmp_path):
    source = tmp_path / "a.webm"
    try:
        write_film(source, moving(3), codec="libvpx-vp9", sound=())
    except UnknownCodecError:
        pytest.skip("this FFmpeg has no libvpx-vp9")
    with av.open(source) as film, av.open(tmp_path / "b.webm", "w") as out:
        copy = out.add_stream_from_template(film.streams.video[0], opaque=True)
        copy.metadata["alpha_mode"] = "1"
        for packet in film.demux():
            if packet.size:
                packet.stream = copy
                out.mux(packet)
    assert colorize(model, source, "1.mkv").notes == ()
    (note,) = colorize(model, tmp_path / "b.webm", "2.mkv").notes
    assert "transparen" in note
