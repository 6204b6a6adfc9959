import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from colorzoo import metrics


def test_psnr_agrees_with_scikit_image(coffee, rng):
    noisy = np.clip(coffee + rng.normal(0, 12, coffee.shape), 0, 255).astype(np.uint8)
    expected = peak_signal_noise_ratio(coffee, noisy, data_range=255)
    assert metrics.psnr(noisy, coffee) == pytest.approx(expected, abs=1e-9)


def test_psnr_worked_example():
    truth = np.zeros((4, 4, 3), np.uint8)
    one_channel_off = truth.copy()
    one_channel_off[..., 0] = 30  # MSE 900 / 3 = 300
    assert metrics.psnr(one_channel_off, truth) == pytest.approx(10 * np.log10(255**2 / 300))
    assert metrics.psnr(truth, truth) == 100


def test_ssim_window_is_eleven_wide():
    """A lone dot 6 pixels from a corner region must not reach what an 11-wide window excludes."""
    truth = np.full((23, 23, 3), 100, np.uint8)
    assert metrics.ssim(truth, truth) == pytest.approx(1)
    dotted = truth.copy()
    dotted[0, 0] = 255  # within 5 pixels of the border, so only the window of (5, 5) sees it
    assert metrics.ssim(dotted, truth) < 1
    assert metrics.ssim(dotted[1:, 1:], truth[1:, 1:]) == pytest.approx(1)


def test_ssim_agrees_with_torchmetrics_like_formula(coffee, rng):
    """Wang et al. 2004 written out with SciPy's Gaussian, over the valid region."""
    from scipy.ndimage import gaussian_filter

    first = coffee[:64, :64]
    second = np.clip(first + rng.normal(0, 20, first.shape), 0, 255).astype(np.uint8)
    values = []
    for channel in range(3):
        x, y = first[..., channel].astype(float), second[..., channel].astype(float)

        def blur(image):
            return gaussian_filter(image, 1.5, radius=5)

        mx, my = blur(x), blur(y)
        vx, vy, vxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        ratio = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        values.append(ratio[5:-5, 5:-5].mean())
    assert metrics.ssim(second, first) == pytest.approx(np.mean(values), abs=1e-6)


def test_colorfulness_worked_examples():
    gray = np.full((8, 8, 3), 77, np.uint8)
    assert metrics.colorfulness(gray) == 0
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200  # rg = 200, yb = 100 everywhere: no deviation, mean length 223.6
    assert metrics.colorfulness(red) == pytest.approx(0.3 * np.hypot(200, 100))
    both = red.copy()
    both[:, 4:] = (0, 200, 0)  # rg = +-200, yb = 100: deviation 200, mean (0, 100)
    assert metrics.colorfulness(both) == pytest.approx(200 + 0.3 * 100)


def test_auc_is_the_area_under_the_curve(coffee):
    from skimage.color import rgb2lab

    predicted = metrics.gray(coffee)
    error = np.linalg.norm(rgb2lab(predicted)[..., 1:] - rgb2lab(coffee)[..., 1:], axis=-1)
    thresholds = np.linspace(0, 150, 3001)
    share = [(error <= threshold).mean() for threshold in thresholds]
    expected = 100 * np.trapezoid(share, thresholds) / 150
    assert metrics.auc(predicted, coffee) == pytest.approx(expected, abs=0.02)
    assert metrics.auc(coffee, coffee) == pytest.approx(100)


def test_gray_keeps_lightness(coffee):
    from skimage.color import rgb2lab

    without = metrics.gray(coffee)
    assert np.ptp(without, axis=-1).max() == 0
    assert np.abs(rgb2lab(without)[..., 0] - rgb2lab(coffee)[..., 0]).max() < 0.5


def test_prepare_crops_the_centre():
    photo = np.zeros((300, 500, 3), np.uint8)
    photo[:, 100:400] = 255
    assert (metrics.prepare(photo) == 255).all()
    assert metrics.prepare(photo).shape == (256, 256, 3)


def test_evaluate_orders_truth_gray_and_nonsense(coffee):
    photos = [coffee, coffee[:, ::-1], coffee[::-1]]
    gray_scores, gray_row, count = metrics.evaluate(lambda picture: picture, photos)
    assert count == 3
    assert gray_scores == gray_row
    assert gray_row.cf == 0 and gray_row.delta_cf > 20
    blue, row, _ = metrics.evaluate(lambda picture: picture // 2 + np.uint8([0, 0, 100]), photos)
    assert row == gray_row
    assert blue.psnr < row.psnr and blue.auc < row.auc and blue.cf > row.cf


def test_evaluate_needs_photos():
    with pytest.raises(ValueError, match="no photo"):
        metrics.evaluate(lambda picture: picture, [])
