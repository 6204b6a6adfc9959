"""Hints in films: a colour holds for what moves with it, until the scene ends."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from helpers.jobs import Tint, colorize, lines_of
from PIL import Image
from scipy.ndimage import gaussian_filter

import colorzoo
from colorzoo import Area, ConfigError, Hint
from colorzoo.color import rgb_to_lab
from colorzoo.film.follow import Follower
from colorzoo.film.stabilize import Motion, Stabilizer
from colorzoo.guided.hints import ab_of

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from helpers.films import frames_of, left_in, write_film  # noqa: E402

HEIGHT, WIDTH, SIDE = 72, 128, 24
RED, BLUE, GREEN = "#b03020", "#a5a4de", "#7bb57b"  # the last two as bright as the square


def place(i: int) -> tuple[int, int]:
    """Left and top of the square in a frame."""
    return 12 + 4 * i, 16 + i


def texture(shape: tuple[int, int], seed: int, level: float, contrast: float) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return level + contrast * noise / noise.std()


def moving_square(count: int, *, seed: int = 0, side: int = SIDE) -> list[np.ndarray]:
    """Gray frames of a bright square that moves over a dark ground, with new grain in each."""
    rng = np.random.default_rng(seed)
    ground = texture((HEIGHT, WIDTH), seed, 80, 8)
    thing = texture((side, side), seed + 1, 170, 6)
    frames = []
    for i in range(count):
        picture = ground.copy()
        left, top = place(i)
        inside = picture[top : top + side, left : left + side]
        inside[:] = thing[: inside.shape[0], : inside.shape[1]]
        picture += rng.normal(0, 2, picture.shape)
        frames.append(np.repeat(picture.clip(0, 255).round().astype(np.uint8)[..., None], 3, 2))
    return frames


def ab(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 2) of an (H, W, 3) frame."""
    lab = rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1) / 255)
    return lab[1:].permute(1, 2, 0).numpy()


def on_square(rgb: np.ndarray, i: int) -> np.ndarray:
    """Mean ab of the inner half of the square."""
    left, top = place(i)
    quarter = SIDE // 4
    return ab(rgb)[
        top + quarter : top + SIDE - quarter, left + quarter : left + SIDE - quarter
    ].mean(axis=(0, 1))


def on_ground(rgb: np.ndarray) -> np.ndarray:
    """Mean ab of the corner that the square never reaches."""
    return ab(rgb)[58:, :40].mean(axis=(0, 1))


def coloured(tmp_path: Path, frames: list[np.ndarray], **options) -> list[np.ndarray]:
    source = write_film(tmp_path / "in.mkv", frames, sound=())
    model = Tint(work_size=HEIGHT)
    colorzoo.colorize_film(model, source, tmp_path / "out.mkv", **options)
    return frames_of(tmp_path / "out.mkv")


CENTRE = (place(0)[0] + SIDE / 2, place(0)[1] + SIDE / 2)
OWN = np.array([30.0, 20.0])  # of the model


@pytest.mark.parametrize("stabilize", [True, False])
def test_a_moving_thing_keeps_the_colour_that_was_asked_until_the_cut(tmp_path, stabilize):
    frames = moving_square(22) + moving_square(14, seed=7)[6:]
    late = 22 + 3  # in the second scene, where the square is at place(9)
    x, y = (each + SIDE / 2 for each in place(9))
    hints = [Hint(*CENTRE, BLUE, radius=2), Hint(x, y, GREEN, radius=2, frame=late)]
    found = coloured(tmp_path, frames, hints=hints, stabilize=stabilize)
    for i in range(22):
        assert np.abs(on_square(found[i], i) - ab_of(BLUE)).max() < 6, i
        assert np.abs(on_ground(found[i]) - OWN).max() < 6, i
    for i in range(22, late):
        assert np.abs(on_square(found[i], i - 16) - OWN).max() < 6, i
    for i in range(late, len(found)):
        assert np.abs(on_square(found[i], i - 16) - ab_of(GREEN)).max() < 6, i
        assert np.abs(on_ground(found[i]) - OWN).max() < 6, i


def test_colours_that_were_asked_do_not_flicker(tmp_path):
    found = coloured(tmp_path, moving_square(20), hints=[Hint(*CENTRE, BLUE, radius=2)])
    squares = np.array([on_square(frame, i) for i, frame in enumerate(found)])
    grounds = np.array([on_ground(frame) for frame in found])
    for each in (squares, grounds):
        assert np.abs(np.diff(each, axis=0)).mean() < 0.5
    parts = np.array([ab(frame)[60:70, 2:38] for frame in found])
    assert np.linalg.norm(np.diff(parts, axis=0), axis=-1).mean() < 1.5


def followed(frames: list[np.ndarray], hints: list[Hint]) -> list[dict[str, tuple[float, float]]]:
    """Where the hints of each colour are in each frame."""
    stabilizer, follower, found = Stabilizer(), Follower(hints), []
    for i, frame in enumerate(frames):
        lightness = rgb_to_lab(torch.from_numpy(frame.copy()).permute(2, 0, 1)[None] / 255)[:, :1]
        stabilizer(lightness, torch.zeros(1, 2, *lightness.shape[-2:]))
        size = (2 * WIDTH, 2 * HEIGHT)  # the film is twice as large as the working size
        now = follower(i, lightness, stabilizer.motion, size)
        found.append({str(hint.color): (hint.x / 2, hint.y / 2) for hint in now})
    return found


def test_points_move_with_what_they_are_on():
    hints = [Hint(2 * CENTRE[0] + 8, 2 * CENTRE[1] - 6, RED), Hint(2 * 20, 2 * 64, BLUE)]
    for i, now in enumerate(followed(moving_square(24), hints)):
        left, top = place(i)
        assert np.hypot(now[RED][0] - left - 16, now[RED][1] - top - 9) < 2, i
        assert np.hypot(now[BLUE][0] - 20, now[BLUE][1] - 64) < 1, i  # of the ground, which rests


def test_points_are_followed_whatever_pytorch_s_default_device_is():
    with torch.device("meta"):
        lightness = torch.zeros(1, 1, HEIGHT, WIDTH, device="cpu")
        motion = Motion(torch.zeros(1, 2, HEIGHT, WIDTH, device="cpu"), 1.0, 0.0, lightness, 2.0)
        follower = Follower([Hint(7, 8, RED)])
        for number, each in enumerate((None, motion)):
            (hint,) = follower(number, lightness, each, (WIDTH, HEIGHT))
    assert (hint.x, hint.y) == pytest.approx((7, 8))


def test_a_point_that_is_covered_is_dropped():
    hints = [Hint(2 * 80, 2 * 42, RED), Hint(2 * 20, 2 * 64, BLUE)]  # the square passes the first
    found = followed(moving_square(24), hints)
    assert all(RED in now for now in found[:10]) and not any(RED in now for now in found[16:])
    assert all(BLUE in now for now in found)


def test_a_point_that_leaves_the_frame_is_dropped():
    found = followed(moving_square(40), [Hint(2 * CENTRE[0], 2 * CENTRE[1], RED)])
    assert all(RED in now for now in found[:22]) and RED not in found[-1]


def test_points_are_kept_through_a_flash_and_a_fade():
    frames = moving_square(24)
    white = np.full_like(frames[0], 250)
    fading = [(frame * (1 - 0.04 * i)).astype(np.uint8) for i, frame in enumerate(frames[:12])]
    for shown in (frames[:6] + [white, white] + frames[6:], fading):
        found = followed(shown, [Hint(2 * CENTRE[0], 2 * CENTRE[1], RED)])
        assert RED in found[-1] and all(RED in now for now in found[:6])
    assert (
        RED
        not in followed(
            frames[:6] + [white] * 8 + frames[6:], [Hint(2 * CENTRE[0], 2 * CENTRE[1], RED)]
        )[-1]
    )


def test_what_cannot_be_followed_is_said(tmp_path):
    frames = moving_square(3)
    for hints, message in (
        ([Hint(1, 1, RED), Hint(128, 5, RED, frame=2)], "in.mkv: hint 2 is at .128, 5., outside "),
        ([Area(np.ones((72, 128), bool), None)], "in.mkv: areas and masks are for single photos"),
        (["red"], "hints must be a list of colorzoo.Hint"),
    ):
        with pytest.raises(ConfigError, match=message):
            coloured(tmp_path, frames, hints=hints)
        assert left_in(tmp_path) == {"in.mkv"}
    model = Tint(work_size=HEIGHT)
    dark = [frame // 8 for frame in frames]
    source = write_film(tmp_path / "dark.mkv", dark, sound=())
    hints = [Hint(1, 1, None), Hint(5, 5, "yellow", frame=1), Hint(5, 5, "yellow", frame=3)]
    film = colorzoo.colorize_film(model, source, tmp_path / "out.mkv", hints=hints)
    gamut, late = sorted(film.notes)
    assert late == "hint 3 is on frame 3, but the film has only the frames 0 to 2"
    assert gamut.startswith("hint 2: sRGB has no yellow that is as dark")


def test_hints_that_load_was_given_are_followed_too(tmp_path):
    """They were taken for those of every frame, in every scene."""
    source = write_film(tmp_path / "in.mkv", moving_square(8), sound=())
    model, hints = Tint(work_size=HEIGHT), [Hint(*CENTRE, BLUE, radius=2)]
    for name, defaults, options in (("a", {"hints": hints}, {}), ("b", {}, {"hints": hints})):
        model.defaults = defaults
        colorzoo.colorize_film(model, source, tmp_path / f"{name}.mkv", **options)
    both = (frames_of(tmp_path / f"{name}.mkv") for name in "ab")
    for i, (one, other) in enumerate(zip(*both, strict=True)):
        assert (one == other).all() and np.abs(on_square(one, i) - ab_of(BLUE)).max() < 6
    model.defaults = {"hints": [Area(np.ones((72, 128), bool), None)]}
    with pytest.raises(ConfigError, match="areas and masks are for single photos"):
        colorzoo.colorize_film(model, source, tmp_path / "c.mkv")


class Told(Tint):
    """A network that is trained with hints: it remembers where they were, and ignores them."""

    network_options: ClassVar[frozenset[str]] = frozenset({"hints"})

    def __init__(self, *, work_size: int = HEIGHT) -> None:
        super().__init__(work_size=work_size)
        self.places: list[tuple[float, float] | None] = []

    def forward(self, lightness: torch.Tensor, hints: torch.Tensor | None = None) -> torch.Tensor:
        place = None
        if hints is not None:
            rows, columns = hints[0, 2].nonzero().float().mean(dim=0).tolist()
            place = (columns + 0.5, rows + 0.5)
        self.places.append(place)
        own = super().forward(lightness)
        return own if hints is None else own + 12 * hints[:, 2:].amax(dim=(2, 3), keepdim=True)


@pytest.mark.parametrize("stabilize", [True, False])
def test_a_network_that_takes_hints_gets_them_where_they_are(tmp_path, stabilize):
    frames = moving_square(10) + [255 - frame for frame in moving_square(2, seed=7)]
    x, y = (each + SIDE / 2 for each in place(3))
    source, model = write_film(tmp_path / "in.mkv", frames, sound=()), Told()
    hint = Hint(x, y, BLUE, radius=2, frame=3)
    colorzoo.colorize_film(model, source, tmp_path / "out.mkv", hints=[hint], stabilize=stabilize)
    assert model.places[:3] == [None] * 3 and model.places[10:] == [None] * 2
    for i, where in enumerate(model.places[3:10], start=3):
        assert where is not None
        assert np.hypot(*np.subtract(where, place(i)) - SIDE / 2) < 2, i
    found = frames_of(tmp_path / "out.mkv")
    for i in range(3, 10):  # what is still off is made right, too
        assert np.abs(on_square(found[i], i) - ab_of(BLUE)).max() < 6, i
    # Elsewhere it is the network's answer to the hint, which the stabiliser mixes in slowly.
    answers = [(on_ground(found[i]) - OWN).mean() for i in (2, 9, 10)]
    assert np.abs(answers - np.array([0, 6 if stabilize else 12, 0])).max() < 3


@pytest.mark.parametrize("stabilize", [True, False])
def test_an_empty_list_changes_nothing(tmp_path, stabilize):
    (tmp_path / "other").mkdir()
    plain = coloured(tmp_path, moving_square(4), stabilize=stabilize)
    empty = coloured(tmp_path / "other", moving_square(4), stabilize=stabilize, hints=[])
    assert all(map(np.array_equal, plain, empty))


def test_the_command_takes_hints_with_frames_and_the_film_s_own_file(tmp_path):
    source = write_film(tmp_path / "clip.mkv", moving_square(8), sound=())
    colorzoo.create_model("unet", width=2, work_size=48).save_pretrained(tmp_path / "model")
    x, y = place(4)[0] + 12, place(4)[1] + 12
    points = ("--hint", f"{x},{y},2@4={BLUE}", "--hint", "1,1@90=red")
    command = ("--model", tmp_path / "model", *points)
    result = colorize(source, "-o", tmp_path / "out.mkv", *command)
    assert result.code == 0
    assert result.err == [
        f"note: {source}: hint 2 is on frame 90, but the film has only the frames 0 to 7"
    ]
    found = frames_of(tmp_path / "out.mkv")
    far = [np.abs(on_square(frame, i) - ab_of(BLUE)).max() for i, frame in enumerate(found)]
    assert max(far[4:]) < 6 < min(far[:4])
    # Its own file, which was made for a copy of half the size.
    half = Hint(x / 2, y / 2, BLUE, radius=1, frame=4)
    colorzoo.save_hints([half], tmp_path / "clip.hints.json", size=(WIDTH // 2, HEIGHT // 2))
    report = tmp_path / "run.jsonl"
    command = (source, "-o", tmp_path / "own.mkv", *command[:2], "--hints", "auto", "--resume",
               "--report", report)  # fmt: skip
    assert "1 coloured" in colorize(*command).out and "1 skipped" in colorize(*command).out
    assert all(map(np.array_equal, frames_of(tmp_path / "own.mkv"), found))
    assert lines_of(report)[0]["own_hints"].startswith("clip.hints.json (")
    content = json.loads((tmp_path / "clip.hints.json").read_text())
    content["hints"][0]["color"] = RED
    (tmp_path / "clip.hints.json").write_text(json.dumps(content))
    assert "1 coloured" in colorize(*command).out and "1 skipped" in colorize(*command).out
    mask = tmp_path / "mask.png"
    Image.new("L", (128, 72), 255).save(mask)
    result = colorize(source, "-o", tmp_path / "no.mkv", *command[3:5], "--keep-gray", mask)
    assert result.code == 1 and result.err[0].startswith(f"failed: {source}: areas and masks are")
