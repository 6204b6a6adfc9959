"""Colours that hold still: what a network says of each frame of a film, stabilised over time.

A network that sees one frame at a time is of another mind at each: grain, and where a thing lies in
the picture, are enough to change its answer. So the colours of the frames before are carried along
with what moves, and the network's new ones are mixed in a little at a time; but where the picture
is not what was carried there (things that appear, what a pan reveals) the new ones are taken as
they are. All of it happens at the network's working size, where it costs a few milliseconds.

Motion is the dense optical flow of Lucas & Kanade 1981 ("An Iterative Image Registration Technique
with an Application to Stereo Vision"), coarse to fine, with the slopes of the new frame, so that a
step is a warp and a few box filters. It starts from the one shift of the whole picture that fits
best, for the motion of the camera may be large.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

# The share of the network's new colours where the old ones are trusted fully: ten frames' memory.
_NEW = 0.1
# Answers that differ in hue have a paler mean: it gets back their mean chroma, up to so much more.
_REVIVAL = 1.3
# L that may differ between what was carried along and what is there; grain adds to it.
_TOLERANCE = 2.0
# Another scene is one that has neither the details nor, as soft and grainy frames do, the large
# forms of the last: both are correlations below these.
_SAME_DETAILS, _SAME_FORMS = 0.5, 0.9
# Forms are larger than windows that reach so far, in pixels of the working size.
_FORMS = 15
# Frames that share less of the picture than this are not compared.
_SHARED = 0.3
# The scene before a cut may come back within so many frames, as it does after a flash.
_FLASH = 4
# Deviation of L over a frame with nothing in it to compare, such as black leader.
_FLAT = 1.0

# Windows in which the flow is alike reach so far from their middle, in pixels of the working size.
_RADIUS = 5
# The smallest picture of the pyramid has at least so many pixels on its short side, ...
_COARSEST = 12
# ... is shifted so far to find the motion of the camera, ...
_REACH = 5
# ... and so often every picture improves the flow, by so many of its own pixels at most.
_STEPS, _STEP = 2, 2.0
# Added to the squared slopes of L in a window: where there are none, the flow stays what it was.
_STIFFNESS = 4.0


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame: (1, 1, h, w) L, and (1, 3, h, w) a, b and chroma, each a mean over time."""

    lightness: Tensor
    colour: Tensor


class Stabilizer:
    """Steadies the colours of one film, frame by frame in order.

    The same frames give the same colours. Memory does not grow with the film.

    Attributes:
        cuts: How often the colours have begun anew, because the picture did.
    """

    def __init__(self) -> None:
        """Know no frame yet."""
        self.cuts = 0
        self._last: _Seen | None = None
        self._before_cut: _Seen | None = None
        self._since_cut = 0

    def reset(self) -> None:
        """Forget the frames so far: the next one keeps the network's colours."""
        self._last = self._before_cut = None

    def __call__(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Steady a frame's colours.

        Args:
            lightness: (1, 1, h, w) float32, L in [0, 100], the frame as the network saw it.
            ab: (1, 2, h, w) float32, what it said, in L*a*b* units.

        Returns:
            (1, 2, h, w), ab; in the first frame of a scene what the network said, unchanged.
        """
        colour = torch.cat((ab, ab.norm(dim=1, keepdim=True)), dim=1)
        stabilised = self._carried_on(lightness, colour)
        self._last = _Seen(lightness, colour if stabilised is None else stabilised)
        if stabilised is None:
            return ab
        mean, chroma = stabilised[:, :2], stabilised[:, 2:]
        revival = chroma / mean.norm(dim=1, keepdim=True).clamp(min=1e-3)
        return mean * revival.clamp(1, _REVIVAL)

    def _carried_on(self, lightness: Tensor, colour: Tensor) -> Tensor | None:
        """Mix with the colours of the scene so far, or of the one before; None in a new one."""
        self._since_cut += 1
        if self._since_cut > _FLASH:
            self._before_cut = None
        for seen in (self._last, self._before_cut):
            if seen is not None and seen.lightness.shape == lightness.shape:
                stabilised = _mixed(seen, lightness, colour)
                if stabilised is not None:
                    if seen is self._before_cut:
                        self._before_cut = None
                    return stabilised
        if self._last is not None:
            self.cuts += 1
            self._before_cut, self._since_cut = self._last, 0
        return None


def optical_flow(before: Tensor, after: Tensor) -> Tensor:
    """Find where every pixel was a frame before.

    Args:
        before: (1, 1, h, w), L of a frame.
        after: (1, 1, h, w), L of the next one.

    Returns:
        (1, 2, h, w): how many pixels to the right, and how many down, from a pixel of ``after``,
        the same thing lies in ``before``.
    """
    pyramid = [(before, after)]
    while min(pyramid[-1][0].shape[-2:]) >= 2 * _COARSEST:
        size = [side // 2 for side in pyramid[-1][0].shape[-2:]]
        old, new = (F.interpolate(each, size, mode="area") for each in pyramid[-1])
        pyramid.append((old, new))
    old, new = pyramid[-1]
    flow = before.new_tensor(_shift(old, new))[None, :, None, None].expand(1, 2, *new.shape[-2:])
    for old, new in reversed(pyramid):
        height, width = new.shape[-2:]
        growth = flow.new_tensor([width / flow.shape[-1], height / flow.shape[-2]])
        flow = F.interpolate(flow, (height, width), mode="bilinear") * growth[:, None, None]
        flow = _improved(flow, old, new)
    return flow


def _shift(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Find the whole pixels, right and down, by which the frame before fits this one best."""
    height, width = after.shape[-2:]

    def misfit(right: int, down: int) -> float:
        old = _part(before, right, width, down, height)
        new = _part(after, -right, width, -down, height)
        # Of shifts that fit alike, the smallest.
        return float((old - new).square().mean()) * (1 + 0.02 * (right**2 + down**2) ** 0.5)

    reach = min(_REACH, (min(height, width) - 1) // 2)
    shifts = product(range(-reach, reach + 1), repeat=2)
    right, down = min(shifts, key=lambda each: misfit(*each))
    return float(right), float(down)


def _part(picture: Tensor, right: int, width: int, down: int, height: int) -> Tensor:
    """Cut out what a shifted picture shares with one that is not."""
    rows = slice(max(down, 0), height + min(down, 0))
    return picture[..., rows, max(right, 0) : width + min(right, 0)]


def _improved(flow: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Take Lucas and Kanade's steps: in every window, least squares for what is still wrong."""
    dx = F.pad(after, (1, 1, 0, 0), mode="replicate")
    dy = F.pad(after, (0, 0, 1, 1), mode="replicate")
    dx, dy = (dx[..., 2:] - dx[..., :-2]) / 2, (dy[..., 2:, :] - dy[..., :-2, :]) / 2
    xx, xy, yy = _box(torch.cat((dx * dx, dx * dy, dy * dy), dim=1), _RADIUS).split(1, dim=1)
    xx, yy = xx + _STIFFNESS, yy + _STIFFNESS
    determinant = xx * yy - xy * xy
    for _ in range(_STEPS):
        wrong = (after - _warped(before, flow)) * _is_inside(flow)
        x, y = _box(torch.cat((dx * wrong, dy * wrong), dim=1), _RADIUS).split(1, dim=1)
        step = torch.cat((yy * x - xy * y, xx * y - xy * x), dim=1) / determinant
        flow = flow + step.clamp(-_STEP, _STEP)
    return _box(flow, 2)


def _mixed(seen: _Seen, lightness: Tensor, colour: Tensor) -> Tensor | None:
    """Mix a frame's colours with those of one that was seen; None if that is another scene."""
    before = _as_bright_as(seen.lightness, lightness)
    flow = optical_flow(before, lightness)
    carried = _warped(torch.cat((before, seen.colour), dim=1), flow)
    carried_lightness, carried_colour = carried[:, :1], carried[:, 1:]
    inside = _is_inside(flow)
    if not _is_same_scene(carried_lightness, lightness, inside):
        return None
    difference = _box((carried_lightness - lightness).abs(), 2)
    # Most of a frame is carried well, so what differs there is grain.
    tolerance = _TOLERANCE + 2 * difference.median()
    trust = torch.exp(-((difference / tolerance) ** 2)) * inside
    return torch.lerp(colour, carried_colour, (1 - _NEW) * trust)


def _as_bright_as(before: Tensor, after: Tensor) -> Tensor:
    """Undo a change of exposure, or a fade, between two frames."""
    spread, spread_now = before.std(correction=0), after.std(correction=0)
    gain = (spread_now / spread).clamp(0.5, 2) if min(spread, spread_now) > _FLAT else 1
    return (before - before.mean()) * gain + after.mean()


def _is_same_scene(one: Tensor, other: Tensor, inside: Tensor) -> bool:
    shared = inside > 0
    if shared.float().mean() < _SHARED:
        return False
    one, other = _box(one, 1), _box(other, 1)  # without the grain
    if _correlation(one[shared], other[shared]) >= _SAME_FORMS:
        return True
    one, other = one - _box(one, _FORMS), other - _box(other, _FORMS)
    return _correlation(one[shared], other[shared]) >= _SAME_DETAILS


def _correlation(one: Tensor, other: Tensor) -> float:
    """Give Pearson's r; two frames with nothing in them are alike, one of them and another not."""
    one, other = one - one.mean(), other - other.mean()
    variances = [float(each.square().mean()) for each in (one, other)]
    flat = [variance < _FLAT**2 for variance in variances]
    if any(flat):
        return float(all(flat))
    return float((one * other).mean()) / (variances[0] * variances[1]) ** 0.5


def _box(x: Tensor, radius: int) -> Tensor:
    """Average over windows, which are smaller at the picture's edge."""
    side = 2 * radius + 1  # rows and columns in turn: PyTorch would add up every pixel of a window
    rows = F.avg_pool2d(x, (1, side), 1, (0, radius), count_include_pad=False)
    return F.avg_pool2d(rows, (side, 1), 1, (radius, 0), count_include_pad=False)


def _warped(picture: Tensor, flow: Tensor) -> Tensor:
    return F.grid_sample(
        picture, _grid(flow), mode="bilinear", padding_mode="border", align_corners=False
    )


def _is_inside(flow: Tensor) -> Tensor:
    """Tell for which pixels the flow stays within the picture: (1, 1, h, w), 1 or 0."""
    return (_grid(flow).abs() <= 1).all(dim=-1)[:, None].to(flow.dtype)


def _grid(flow: Tensor) -> Tensor:
    """Turn a flow into what grid_sample takes: (1, h, w, 2), the picture from -1 to 1."""
    height, width = flow.shape[-2:]
    x = torch.arange(width, dtype=flow.dtype, device=flow.device) + 0.5 + flow[:, 0]
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + 0.5 + flow[:, 1]
    return torch.stack((x * (2 / width) - 1, y * (2 / height) - 1), dim=-1)
