"""sRGB and CIE L*a*b* in pure, differentiable PyTorch.

Ranges: RGB is gamma-encoded sRGB in [0, 1]; L is in [0, 100]; a and b are within about
[-110, 110]. The white point is D65 with the 2 degree observer. The constants are those of
scikit-image, which the tests compare with. Sources: IEC 61966-2-1 (sRGB), CIE 15:2004 (L*a*b*).
"""

from typing import Any, Literal

import torch
from torch import Tensor

from colorzoo.srgb import XYZ_FROM_RGB

_WHITE = (0.95047, 1.0, 1.08883)
_DELTA = 0.008856  # below this ratio to the white point, L*a*b* is linear
_SLOPE = 7.787
_OFFSET = 16.0 / 116.0
_LINEAR_KNEE = _SLOPE * _DELTA + _OFFSET

Gamut = Literal["clip", "desaturate", "none"]


def _matrix(rows: Tensor, like: Tensor) -> Tensor:
    return rows.to(device=like.device, dtype=like.dtype)


def _constant(values: Any, dtype: torch.dtype = torch.float32) -> Tensor:
    # Whatever PyTorch's default type and device are.
    return torch.tensor(values, dtype=dtype, device="cpu")


def _mix(matrix: Tensor, image: Tensor) -> Tensor:
    """Apply a (3, 3) matrix to the channel axis of a (..., 3, H, W) tensor."""
    return torch.einsum("ij,...jhw->...ihw", matrix, image)


def _check(image: Tensor, what: str) -> None:
    if image.ndim < 3 or image.shape[-3] != 3 or not image.is_floating_point():
        raise ValueError(
            f"{what} must be a floating-point tensor of shape (..., 3, H, W), "
            f"got {image.dtype} of shape {tuple(image.shape)}"
        )


def rgb_to_linear(rgb: Tensor) -> Tensor:
    """Undo the sRGB transfer curve, elementwise: encoded [0, 1] to linear light [0, 1]."""
    # The clamp avoids NaN gradients in the unused branch of torch.where.
    curve = ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(rgb > 0.04045, curve, rgb / 12.92)


def linear_to_rgb(linear: Tensor) -> Tensor:
    """Apply the sRGB transfer curve, elementwise: linear light [0, 1] to encoded [0, 1]."""
    curve = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curve, linear * 12.92)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to L*a*b*.

    Args:
        rgb: (..., 3, H, W), floating point, in [0, 1].

    Returns:
        (..., 3, H, W): L in [0, 100], a and b in L*a*b* units.

    Raises:
        ValueError: If the tensor is not floating point or has no channel axis of 3.
    """
    _check(rgb, "rgb")
    xyz = _mix(_matrix(_constant(XYZ_FROM_RGB), rgb), rgb_to_linear(rgb))
    x, y, z = _cube_root(xyz / _matrix(_constant(_WHITE), rgb)[:, None, None]).unbind(-3)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), dim=-3)


def lab_to_rgb(lab: Tensor, *, gamut: Gamut = "clip") -> Tensor:
    """Convert L*a*b* to sRGB.

    Args:
        lab: (..., 3, H, W), floating point: L in [0, 100], a and b in L*a*b* units.
        gamut: What to do with colours outside sRGB. "clip" clips each channel to [0, 1], as
            scikit-image does, which shifts lightness and hue; "desaturate" mixes them with gray of
            the same luminance until they just fit, which keeps L exactly; "none" returns values
            outside [0, 1].

    Returns:
        (..., 3, H, W) sRGB, in [0, 1] unless ``gamut="none"``.

    Raises:
        ValueError: If the tensor is not floating point or has no channel axis of 3, or ``gamut``
            is not one of the three.
    """
    _check(lab, "lab")
    if gamut not in ("clip", "desaturate", "none"):
        raise ValueError(f"gamut must be 'clip', 'desaturate' or 'none', got {gamut!r}")
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    f = torch.stack((y + a / 500, y, y - b / 200), dim=-3)
    xyz = _ratio_to_white(f) * _matrix(_constant(_WHITE), lab)[:, None, None]
    inverse = torch.linalg.inv(_constant(XYZ_FROM_RGB, torch.float64))
    linear = _mix(_matrix(inverse, lab), xyz)
    if gamut == "desaturate":
        linear = _desaturate(linear, xyz[..., 1:2, :, :])
    rgb = linear_to_rgb(linear)
    return rgb if gamut == "none" else rgb.clamp(0, 1)


def lightness_to_rgb(lightness: Tensor) -> Tensor:
    """Convert L to neutral gray, with three equal channels.

    ``lab_to_rgb`` with ab = 0 differs from this by up to one 8-bit level, because the rounded
    constants above place white at ab = (-0.002, 0.005).

    Args:
        lightness: (..., 1, H, W), L in [0, 100].

    Returns:
        (..., 3, H, W) sRGB in [0, 1].
    """
    gray = linear_to_rgb(_ratio_to_white((lightness + 16) / 116)).clamp(0, 1)
    return torch.cat((gray, gray, gray), dim=-3)


def luminance_to_lightness(luminance: Tensor) -> Tensor:
    """Convert relative luminance Y to L, elementwise: [0, 1] to [0, 100]."""
    return 116 * _cube_root(luminance) - 16


def to_uint8(rgb: Tensor) -> Tensor:
    """Round sRGB in [0, 1] to the nearest of 256 levels, elementwise."""
    return (rgb * 255).round().to(torch.uint8)


def _cube_root(ratio: Tensor) -> Tensor:
    """Apply the cube root of L*a*b* to a ratio to the white point; linear near black."""
    return torch.where(ratio > _DELTA, ratio.clamp(min=_DELTA) ** (1 / 3), _SLOPE * ratio + _OFFSET)


def _ratio_to_white(f: Tensor) -> Tensor:
    """Undo ``_cube_root``."""
    return torch.where(f > _LINEAR_KNEE, f.clamp(min=_LINEAR_KNEE) ** 3, (f - _OFFSET) / _SLOPE)


def _desaturate(linear: Tensor, luminance: Tensor) -> Tensor:
    """Mix out-of-gamut colours with gray of their luminance, which therefore stays the same."""
    luminance = luminance.clamp(0, 1)
    chroma = linear - luminance
    tiny = torch.finfo(linear.dtype).tiny
    room = torch.where(chroma > 0, 1 - luminance, luminance)
    keep = (room / chroma.abs().clamp(min=tiny)).amin(dim=-3, keepdim=True)
    # Colours on the surface of the gamut are only outside it by rounding: clamping is enough.
    return torch.where(keep > 1 - 1e-4, linear, luminance + keep * chroma)
