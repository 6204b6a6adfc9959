import itertools

import numpy as np
import pytest
import torch
from skimage import color as referee

from colorzoo.color import lab_to_rgb, lightness_to_rgb, linear_to_rgb, rgb_to_lab, rgb_to_linear

CORNERS = np.array(list(itertools.product((0.0, 1.0), repeat=3)))


def cube(count: int = 60_000) -> np.ndarray:
    """Corners, grays, dark colours near the linear part of the curves, and random colours."""
    rng = np.random.default_rng(1)
    grays = np.repeat(np.linspace(0, 1, 256)[:, None], 3, axis=1)
    return np.concatenate((CORNERS, grays, rng.random((2000, 3)) * 0.05, rng.random((count, 3))))


def as_image(colors: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(colors, dtype=dtype).T[None, :, None, :]


def as_colors(image: torch.Tensor) -> np.ndarray:
    return image[0, :, 0].T.numpy()


def test_lab_agrees_with_scikit_image():
    colors = cube()
    assert np.abs(as_colors(rgb_to_lab(as_image(colors))) - referee.rgb2lab(colors)).max() < 1e-3


def test_rgb_agrees_with_scikit_image():
    lab = referee.rgb2lab(cube())
    assert np.abs(as_colors(lab_to_rgb(as_image(lab))) - referee.lab2rgb(lab)).max() < 1e-5


@pytest.mark.parametrize("gamut", ["clip", "desaturate", "none"])
def test_round_trip(gamut):
    colors = as_image(cube())
    assert (lab_to_rgb(rgb_to_lab(colors), gamut=gamut) - colors).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("rgb", "lab"),  # worked values of IEC 61966-2-1 and CIE 15 for the sRGB primaries
    [
        ((1, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 1, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 1), (32.2970, 79.1875, -107.8602)),
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((0.5, 0.5, 0.5), (53.3890, 0, 0)),
    ],
)
def test_reference_values(rgb, lab):
    found = as_colors(rgb_to_lab(as_image(np.array([rgb], dtype=float))))[0]
    assert found == pytest.approx(lab, abs=0.02)


def test_transfer_curve_inverts_itself():
    values = torch.linspace(0, 1, 10_001)
    assert (linear_to_rgb(rgb_to_linear(values)) - values).abs().max() < 1e-6


def test_gradients_are_right_and_finite():
    colors = as_image(cube(30)[::7], torch.float64).clamp(0.001, 0.999).requires_grad_()
    assert torch.autograd.gradcheck(rgb_to_lab, colors)
    lab = rgb_to_lab(colors.detach()).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: lab_to_rgb(x, gamut="none"), lab)
    black = torch.zeros(1, 3, 1, 1, requires_grad=True)
    rgb_to_lab(black).sum().backward()
    assert black.grad is not None and black.grad.isfinite().all()


def test_desaturate_keeps_lightness_where_clip_loses_it():
    rng = np.random.default_rng(2)
    lab = np.stack((rng.uniform(1, 99, 5000), *rng.uniform(-120, 120, (2, 5000))), axis=1)
    target = as_image(lab)
    kept = rgb_to_lab(lab_to_rgb(target, gamut="desaturate"))
    assert (kept[:, 0] - target[:, 0]).abs().max() < 0.01
    clipped = rgb_to_lab(lab_to_rgb(target, gamut="clip"))
    assert (clipped[:, 0] - target[:, 0]).abs().max() > 5


def test_desaturate_leaves_colours_inside_the_gamut_alone():
    lab = rgb_to_lab(as_image(cube(2000)))
    difference = lab_to_rgb(lab, gamut="desaturate") - lab_to_rgb(lab, gamut="clip")
    assert difference.abs().max() < 1e-5


def test_neutral_gray_has_its_lightness():
    lightness = torch.linspace(0, 100, 1001).view(1, 1, 1, -1)
    gray = lightness_to_rgb(lightness)
    assert (gray == gray[:, :1]).all()
    assert (rgb_to_lab(gray)[:, :1] - lightness).abs().max() < 1e-3


def test_any_leading_shape():
    image = torch.rand(3, 4, 5)
    batch = image.expand(2, 6, 3, 4, 5)
    assert torch.allclose(rgb_to_lab(batch)[1, 5], rgb_to_lab(image), atol=1e-4)


@pytest.mark.parametrize(
    "image", [torch.rand(4, 5), torch.rand(1, 4, 5), torch.ones(3, 4, 5).int()]
)
@pytest.mark.parametrize("function", [rgb_to_lab, lab_to_rgb])
def test_wrong_tensors_are_refused(function, image):
    with pytest.raises(ValueError, match=r"\(\.\.\., 3, H, W\)"):
        function(image)


def test_unknown_gamut_is_refused():
    with pytest.raises(ValueError, match="gamut must be"):
        lab_to_rgb(torch.rand(3, 4, 5), gamut="squash")  # pyright: ignore[reportArgumentType]
