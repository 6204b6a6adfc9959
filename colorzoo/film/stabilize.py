"""Stabilise the colours that a network predicts for each frame of a film.

A network that sees one frame at a time predicts different colours each time: grain, or a slight
shift of an object, is enough to change them. So the colours of earlier frames are moved along with
the picture, and new predictions are mixed in slowly. Where the moved picture does not match the new
frame (objects that appear, areas that a pan reveals), the new predictions are used unchanged. All
this happens at the network's working size, where it takes a few milliseconds.

Motion is estimated as dense optical flow by the method of Lucas & Kanade 1981 ("An Iterative Image
Registration Technique with an Application to Stereo Vision"), coarse to fine, with the gradients of
the new frame, so each step is one warp and a few box filters. It starts from the best shift of the
whole picture, because the camera may move fast.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

# Weight of the new prediction where the old colours match fully: averages over about ten frames.
_NEW = 0.1
# The mean of predictions with different hues is paler than each of them. Its chroma is raised to
# their mean chroma, by at most this factor.
_REVIVAL = 1.3
# If the old colours match almost everywhere, every second frame needs no prediction: if less than
# this share of its pixels is trusted by less than a half, because something else is there.
_CHANGED = 0.02
# Tolerated difference in L between the moved picture and the new frame; grain is added to it.
_TOLERANCE = 2.0
# Two frames show different scenes if the correlation of their details and that of their large
# shapes are both below these limits. Soft or grainy frames only match in their large shapes.
_SAME_DETAILS, _SAME_FORMS = 0.5, 0.9
# Radius of the window that separates details from large shapes, pixels of the working size.
_FORMS = 15
# Frames that overlap by less than this share are not compared.
_SHARED = 0.3
# The scene before a cut may return within this many frames, for example after a flash.
_FLASH = 4
# Frames with a smaller standard deviation of L, such as black leader, have nothing to compare.
_FLAT = 1.0

# Radius of the windows in which the flow is assumed constant, pixels of the working size.
_RADIUS = 5
# Smallest short side of the coarsest level of the pyramid, pixels.
_COARSEST = 12
# Largest shift of that level that is tried to find the motion of the camera, pixels.
_REACH = 5
# Mean squared difference in L that is only rounding
_EQUAL = 1e-6
# Number of steps at each level, and the largest step, pixels of the level.
_STEPS, _STEP = 2, 2.0
# Added to the squared gradients of L in a window, so that the flow stays as it is in flat windows.
_STIFFNESS = 4.0


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame: (1, 1, h, w) L, and (1, 3, h, w) a, b and chroma, averaged over time."""

    lightness: Tensor
    colour: Tensor


@dataclass(frozen=True, eq=False)
class Motion:
    """How a frame follows from an earlier one of its scene, at the working size.

    Attributes:
        flow: (1, 2, h, w), from the earlier frame; see ``optical_flow``.
        gain: By which L of the earlier frame is multiplied to be as bright as this one.
        offset: What is added then, in L.
        trust: (1, 1, h, w), from 0 to 1: how well the moved picture matches this frame.
        tolerance: Difference in L that is still a match; grain is less.
        is_return: Whether the scene before a flash is back: the earlier frame is its last.
    """

    flow: Tensor
    gain: float
    offset: float
    trust: Tensor
    tolerance: float
    is_return: bool = False


class Stabilizer:
    """Stabilises the colours of one film, frame by frame in order.

    The same frames always give the same colours. Memory use does not grow with the film.

    Attributes:
        cuts: How often colours were chosen anew, because the scene changed.
        motion: How the latest frame follows from an earlier one; None if it begins a scene.
    """

    def __init__(self) -> None:
        """Start without any frame."""
        self.cuts = 0
        self.motion: Motion | None = None
        self._last: _Seen | None = None
        self._before_cut: _Seen | None = None
        self._since_cut = 0
        self._is_carried = False  # whether the latest frame had no prediction
        # The frame that was looked at last, and the one that it follows from.
        self._looked: Tensor | None = None
        self._followed: _Seen | None = None

    def reset(self) -> None:
        """Forget the frames so far: the next one keeps the network's colours."""
        self._last = self._before_cut = self.motion = self._looked = self._followed = None
        self._is_carried = False

    def look(self, lightness: Tensor) -> Motion | None:
        """Find the motion of a frame before its colours are known, for which it is then called.

        Args:
            lightness: See ``__call__``.

        Returns:
            What is then also ``motion``.
        """
        self._since_cut += 1
        self._looked, self._followed, self.motion = lightness, None, None
        if self._since_cut > _FLASH:
            self._before_cut = None
        for seen in (self._last, self._before_cut):
            if seen is not None and seen.lightness.shape == lightness.shape:
                motion = _follow(seen.lightness, lightness, is_return=seen is self._before_cut)
                if motion is not None:
                    self._followed, self.motion = seen, motion
                    if motion.is_return:
                        self._before_cut = None
                    return motion
        if self._last is not None:
            self.cuts += 1
            self._before_cut, self._since_cut = self._last, 0
        return None

    def needs(self, lightness: Tensor) -> bool:
        """Tell whether a frame needs a prediction. If not, it can be called without one.

        Args:
            lightness: See ``__call__``.
        """
        motion = self.look(lightness)
        if motion is None or self._is_carried:
            return True
        return float((motion.trust < 0.5).float().mean()) >= _CHANGED

    def __call__(self, lightness: Tensor, ab: Tensor | None) -> Tensor:
        """Stabilise a frame's colours.

        Args:
            lightness: (1, 1, h, w) float32, L in [0, 100], the frame at the working size.
            ab: (1, 2, h, w) float32, the network's prediction, in L*a*b* units; None to carry on
                the colours of the frame before, if ``needs`` says that this is enough.

        Returns:
            (1, 2, h, w), ab; in the first frame of a scene, the prediction unchanged.
        """
        if self._looked is not lightness:
            self.look(lightness)
        self._looked = None  # the next frame may be the same
        was_carried, self._is_carried = self._is_carried, ab is None
        if ab is None:
            assert self.motion is not None and self._followed is not None
            return self._shown(lightness, warp(self._followed.colour, self.motion.flow))
        colour = torch.cat((ab, _chroma(ab)), dim=1)
        motion, followed = self.motion, self._followed
        if motion is None or followed is None:  # a new scene
            self._last = _Seen(lightness, colour)
            return ab
        carried = warp(followed.colour, motion.flow)
        old = (1 - _NEW) ** (2 if was_carried else 1)  # as if the last frame had had the same
        return self._shown(lightness, torch.lerp(colour, carried, old * motion.trust))

    def _shown(self, lightness: Tensor, stabilised: Tensor) -> Tensor:
        """Keep a frame for the next one, and return the colours to show."""
        self._last = _Seen(lightness, stabilised)
        mean, chroma = stabilised[:, :2], stabilised[:, 2:]
        revival = chroma / _chroma(mean).clamp(min=1e-3)
        return mean * revival.clamp(1, _REVIVAL)


def _chroma(ab: Tensor) -> Tensor:
    """Compute (1, 1, h, w) chroma of ab; ``norm`` takes ten times as long."""
    return torch.hypot(ab[:, :1], ab[:, 1:])


def optical_flow(before: Tensor, after: Tensor) -> Tensor:
    """Find where every pixel was in the previous frame.

    Args:
        before: (1, 1, h, w), L of a frame.
        after: (1, 1, h, w), L of the next frame.

    Returns:
        (1, 2, h, w): for each pixel of ``after``, the offset of its match in ``before``, pixels to
        the right and down.
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
    """Find the shift in whole pixels, right and down, that aligns ``before`` best."""
    height, width = after.shape[-2:]
    reach = min(_REACH, (min(height, width) - 1) // 2)
    mean = after.mean()  # small numbers, of which differences are more exact
    old, new = (each.double() - mean for each in (before, after))
    around, ones = F.pad(old, (reach,) * 4), torch.ones_like(old)
    there = F.pad(ones, (reach,) * 4)
    # The sum of squared differences of the parts that are shared, for all shifts at once
    squares = F.conv2d(around.square(), ones) + F.conv2d(there, new.square())
    misfits = squares - 2 * F.conv2d(around, new)
    misfits = (misfits / F.conv2d(there, ones)).clamp(min=0)[0, 0] + _EQUAL
    # Prefer small shifts if several fit equally well.
    steps = torch.arange(-reach, reach + 1, dtype=old.dtype, device=old.device)
    misfits = misfits * (1 + 0.02 * torch.hypot(steps[:, None], steps))
    down, right = divmod(int(misfits.argmin()), 2 * reach + 1)
    return float(right - reach), float(down - reach)


def _improved(flow: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Refine the flow by steps of Lucas and Kanade: least squares of the residual per window."""
    dx = F.pad(after, (1, 1, 0, 0), mode="replicate")
    dy = F.pad(after, (0, 0, 1, 1), mode="replicate")
    dx, dy = (dx[..., 2:] - dx[..., :-2]) / 2, (dy[..., 2:, :] - dy[..., :-2, :]) / 2
    xx, xy, yy = _box(torch.cat((dx * dx, dx * dy, dy * dy), dim=1), _RADIUS).split(1, dim=1)
    xx, yy = xx + _STIFFNESS, yy + _STIFFNESS
    determinant = xx * yy - xy * xy
    for _ in range(_STEPS):
        warped, inside = _warped(before, flow)
        wrong = (after - warped) * inside
        x, y = _box(torch.cat((dx * wrong, dy * wrong), dim=1), _RADIUS).split(1, dim=1)
        step = torch.cat((yy * x - xy * y, xx * y - xy * x), dim=1) / determinant
        flow = flow + step.clamp(-_STEP, _STEP)
    return _box(flow, 2)


def _follow(seen: Tensor, lightness: Tensor, *, is_return: bool) -> Motion | None:
    """Find how a frame follows from an earlier frame; None if the scenes differ."""
    gain, offset = _exposure(seen, lightness)
    before = (seen - seen.mean()) * gain + lightness.mean()
    flow = optical_flow(before, lightness)
    carried, inside = _warped(before, flow)
    if not _is_same_scene(carried, lightness, inside):
        return None
    difference = _box((carried - lightness).abs(), 2)
    # Most of a frame is aligned well, so the median difference is grain.
    tolerance = _TOLERANCE + 2 * difference.median()
    trust = torch.exp(-((difference / tolerance) ** 2)) * inside
    return Motion(flow, gain, offset, trust, float(tolerance), is_return)


def _exposure(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Return gain and offset, in L, that compensate a change of exposure, or a fade."""
    spread, spread_now = before.std(correction=0), after.std(correction=0)
    is_flat = min(spread, spread_now) <= _FLAT
    gain = 1.0 if is_flat else float((spread_now / spread).clamp(0.5, 2))
    return gain, float(after.mean() - before.mean() * gain)


def _is_same_scene(one: Tensor, other: Tensor, inside: Tensor) -> bool:
    if inside.mean() < _SHARED:
        return False
    one, other = _box(one, 1), _box(other, 1)  # without the grain
    if _correlation(one, other, inside) >= _SAME_FORMS:
        return True
    one, other = one - _box(one, _FORMS), other - _box(other, _FORMS)
    return _correlation(one, other, inside) >= _SAME_DETAILS


def _correlation(one: Tensor, other: Tensor, inside: Tensor) -> float:
    """Compute Pearson's r where ``inside`` is 1; 1 if both are flat, 0 if only one of them is."""
    weight = inside / inside.sum()
    one, other = (each - (each * weight).sum() for each in (one, other))
    variances = [float((each.square() * weight).sum()) for each in (one, other)]
    flat = [variance < _FLAT**2 for variance in variances]
    if any(flat):
        return float(all(flat))
    return float((one * other * weight).sum()) / (variances[0] * variances[1]) ** 0.5


def _box(x: Tensor, radius: int) -> Tensor:
    """Average over windows, which are smaller at the edges of the picture."""
    # Adding shifted pictures takes a fifth of the time of avg_pool2d.
    height, width = x.shape[-2:]
    padded = F.pad(x, (radius,) * 4)
    rows = padded[..., :height, :].clone()
    for start in range(1, 2 * radius + 1):
        rows += padded[..., start : start + height, :]
    sums = rows[..., :width].clone()
    for start in range(1, 2 * radius + 1):
        sums += rows[..., start : start + width]
    return sums.mul_(_shares(height, width, radius).to(x))


@lru_cache(maxsize=64)  # more than two sizes of films need
def _shares(height: int, width: int, radius: int) -> Tensor:
    """Return 1 / the number of pixels in the window around each pixel: (height, width)."""
    counts = []
    for side in (height, width):
        places = torch.arange(side, dtype=torch.float32, device="cpu")
        counts.append((places + radius).clamp(max=side - 1) - (places - radius).clamp(min=0) + 1)
    return 1 / (counts[0][:, None] * counts[1])


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Move a picture, (1, C, h, w), along a flow: the frame before becomes the one after."""
    return _warped(picture, flow)[0]


def _warped(picture: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Warp a picture; also return (1, 1, h, w): 1 where the flow points into it, 0 elsewhere."""
    grid = _grid(flow)
    moved = F.grid_sample(
        picture, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    x, y = grid.abs().unbind(dim=-1)
    return moved, (torch.maximum(x, y) <= 1)[:, None].to(flow.dtype)


def _grid(flow: Tensor) -> Tensor:
    """Convert a flow to the input of grid_sample: (1, h, w, 2), with the picture from -1 to 1."""
    height, width = flow.shape[-2:]
    x = torch.arange(width, dtype=flow.dtype, device=flow.device) + 0.5 + flow[:, 0]
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + 0.5 + flow[:, 1]
    return torch.stack((x * (2 / width) - 1, y * (2 / height) - 1), dim=-1)
