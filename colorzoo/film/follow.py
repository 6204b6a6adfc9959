"""Follow the hints of a film: a colour holds for what moves with its point, until the scene ends.

Each point is moved along with the optical flow that the stabiliser has computed anyway. It is
dropped once the picture around it no longer matches: something covers it, or it leaves the frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.film.stabilize import Motion
from colorzoo.guided.hints import Hint

# Radius of the patch around a point by which it is found again, pixels of the working size, and of
# the part of it that must match.
_PATCH, _CORE = 9, 3
# Steps by which its place is corrected, the largest one, pixels, and what is added to the squared
# gradients of L, so that it stays where the flow says if the patch is flat.
_STEPS, _STEP, _STIFFNESS = 3, 1.0, 4.0
# Share of the new patch in the one that is looked for: things turn, and light changes.
_RENEWAL = 0.2
# A patch does not match if its mean difference in L is beyond this many tolerances of the
# stabiliser, or is suddenly much more than it usually is: something begins to cover it.
_MATCH = 1.5
_SUDDEN, _SLACK = 2.0, 1.0
# Pixels from where the flow says that a point was, beyond which it has been covered.
_NEAR = 1.0


@dataclass(frozen=True, eq=False)
class _Point:
    """A hint and where it is now, in pixels of the working size."""

    hint: Hint
    x: float
    y: float
    patch: Tensor  # (1, 1, side, side), L, the picture around it
    step: tuple[float, float] = (0.0, 0.0)  # how it moved to here
    misfit: float | None = None  # how well its patch usually matches, in L


class Follower:
    """Follows the hints of one film, frame by frame in order.

    Args:
        hints: All hints of the film.
    """

    def __init__(self, hints: Sequence[Hint]) -> None:
        """Start before the first frame."""
        self._waiting: dict[int, list[Hint]] = {}
        for hint in hints:
            self._waiting.setdefault(hint.frame, []).append(hint)
        self._points: list[_Point] = []
        self._before_cut: list[_Point] = []

    def __call__(
        self, number: int, lightness: Tensor, motion: Motion | None, size: tuple[int, int]
    ) -> list[Hint]:
        """Return the hints that hold in a frame, where they are now.

        Args:
            number: Of the frame, from 0.
            lightness: (1, 1, h, w), L in [0, 100], the frame at the working size.
            motion: How the frame follows from an earlier one; None if it begins a scene.
            size: Width and height of the frame, pixels, which hints refer to.
        """
        if motion is None:
            self._before_cut, self._points = self._points, []
        else:
            points = self._before_cut if motion.is_return else self._points
            moved = [_moved(point, lightness, motion) for point in points]
            self._points = [point for point in moved if point is not None]
        height, width = lightness.shape[-2:]
        across, down = width / size[0], height / size[1]
        for hint in self._waiting.pop(number, ()):
            x, y = hint.x * across, hint.y * down
            self._points.append(_Point(hint, x, y, _patch(lightness, x, y)))
        return [replace(point.hint, x=point.x / across, y=point.y / down) for point in self._points]


def _moved(point: _Point, lightness: Tensor, motion: Motion) -> _Point | None:
    """Move a point to the next frame; None if it is covered or outside.

    It moves with the flow, or as it moved before: next to something else that moves, the flow is
    that of the other thing.
    """
    height, width = lightness.shape[-2:]
    # The flow says where each pixel was: look for the one that was here.
    flow = motion.flow[0]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device) + 0.5
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + 0.5
    right, down = columns + flow[0] - point.x, rows + flow[1] - point.y
    distance = right.square() + down.square()
    row, column = divmod(int(distance.argmin()), width)
    starts = [(point.x + point.step[0], point.y + point.step[1])]
    if float(distance[row, column]) <= _NEAR**2:
        over = float(right[row, column]), float(down[row, column])
        starts.append((column + 0.5 - over[0], row + 0.5 - over[1]))
    before = point.patch * motion.gain + motion.offset
    core = slice(_PATCH - _CORE, _PATCH + _CORE + 1)
    ends = [_corrected(lightness, before, *start, motion.tolerance) for start in starts]
    misfits = [float((end[2] - before)[..., core, core].abs().mean()) for end in ends]
    misfit, (x, y, now) = min(zip(misfits, ends, strict=True), key=lambda each: each[0])
    usual = misfit if point.misfit is None else point.misfit
    limit = min(_MATCH * motion.tolerance, _SUDDEN * usual + _SLACK)
    if misfit > limit or not (0 <= x < width and 0 <= y < height):
        return None
    return replace(
        point,
        x=x,
        y=y,
        patch=torch.lerp(before, now, _RENEWAL),
        step=(x - point.x, y - point.y),
        misfit=usual + _RENEWAL * (misfit - usual),
    )


def _corrected(
    lightness: Tensor, before: Tensor, x: float, y: float, tolerance: float
) -> tuple[float, float, Tensor]:
    """Move a point so that its patch fits best, by steps of Lucas and Kanade: flow drifts.

    Pixels that do not fit at all, such as the background of a thing that moves, do not count.
    """
    now = _patch(lightness, x, y)
    for _ in range(_STEPS):
        down, across = torch.gradient(now[0, 0])
        wrong = (before - now)[0, 0]
        weight = torch.exp(-((wrong / (2 * tolerance)) ** 2))
        xx, xy, yy = (
            float((weight * each).mean()) for each in (across * across, across * down, down * down)
        )
        right, below = (float((weight * each * wrong).mean()) for each in (across, down))
        xx, yy = xx + _STIFFNESS / 100, yy + _STIFFNESS / 100
        size = xx * yy - xy * xy
        x += min(_STEP, max(-_STEP, (yy * right - xy * below) / size))
        y += min(_STEP, max(-_STEP, (xx * below - xy * right) / size))
        now = _patch(lightness, x, y)
    return x, y, now


def _patch(lightness: Tensor, x: float, y: float) -> Tensor:
    """Cut out the picture around a point; beyond the frame's edge, its last pixels are repeated."""
    height, width = lightness.shape[-2:]
    offsets = torch.arange(-_PATCH, _PATCH + 1, dtype=lightness.dtype, device=lightness.device)
    columns, rows = torch.meshgrid(offsets + x, offsets + y, indexing="xy")
    grid = torch.stack((columns * (2 / width) - 1, rows * (2 / height) - 1), dim=-1)[None]
    return F.grid_sample(
        lightness, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
