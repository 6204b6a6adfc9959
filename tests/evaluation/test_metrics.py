"""The numbers of the protocol, each against its formula or another implementation."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from colorzoo.ab_bins import bin_centres
from colorzoo.evaluation import metrics


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


def test_ssim_agrees_with_torchmetrics(coffee, rng):
    from torchmetrics.functional.image import structural_similarity_index_measure

    photo = coffee[:90, :120]
    noisy = np.clip(photo + rng.normal(0, 20, photo.shape), 0, 255).astype(np.uint8)
    pair = (torch.tensor(x).permute(2, 0, 1)[None].double() for x in (noisy, photo))
    _, full = structural_similarity_index_measure(*pair, data_range=255.0, return_full_image=True)
    # Its own mean counts windows that reach over the border too.
    expected = float(full[..., 5:-5, 5:-5].mean())
    assert metrics.ssim(noisy, photo) == pytest.approx(expected, abs=1e-6)


def test_ssim_agrees_with_the_formula(coffee, rng):
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
    predicted = metrics.gray(coffee)
    error = np.linalg.norm(rgb2lab(predicted)[..., 1:] - rgb2lab(coffee)[..., 1:], axis=-1)
    thresholds = np.linspace(0, 150, 3001)
    share = [(error <= threshold).mean() for threshold in thresholds]
    expected = 100 * np.trapezoid(share, thresholds) / 150
    assert metrics.auc(predicted, coffee) == pytest.approx(expected, abs=0.02)
    assert metrics.auc(coffee, coffee) == pytest.approx(100)


def test_gray_keeps_lightness(coffee):
    without = metrics.gray(coffee)
    assert np.ptp(without, axis=-1).max() == 0
    assert np.abs(rgb2lab(without)[..., 0] - rgb2lab(coffee)[..., 0]).max() < 0.5


def test_prepare_crops_the_centre():
    photo = np.zeros((300, 500, 3), np.uint8)
    photo[:, 100:400] = 255
    assert (metrics.prepare(photo) == 255).all()
    assert metrics.prepare(photo).shape == (256, 256, 3)


def test_mse_ab_agrees_with_scikit_image(coffee):
    predicted = metrics.gray(coffee)
    difference = (rgb2lab(predicted) - rgb2lab(coffee))[..., 1:]
    assert metrics.mse_ab(predicted, coffee) == pytest.approx(np.mean(difference**2), rel=1e-4)
    assert metrics.mse_ab(coffee, coffee) == 0


def test_rebalanced_auc_worked_example():
    """Two colours, far apart: after smoothing, each weighs the inverse of its own count."""
    centres = bin_centres().tolist()
    first, second = centres.index([-60.0, 40.0]), centres.index([60.0, -60.0])
    counts, errors = torch.zeros(2, 313, dtype=torch.float64)
    counts[first], counts[second] = 900, 100
    errors[first], errors[second] = 900 * 15, 100 * 90
    # Both keep the same share of themselves, so the mean error is that of (15 + 90) / 2.
    assert metrics.auc_rebalanced(errors, counts) == pytest.approx(100 * (1 - 52.5 / 150))


def test_rebalanced_auc_agrees_with_weights_for_each_pixel(coffee):
    """Equation 4 of Zhang et al. 2016 written out in NumPy, over the pixels of two photos."""
    photos = [coffee, coffee[:200, ::-1, ::-1]]

    def half_right(picture):
        return np.where(np.arange(256)[:, None] < 128, picture, picture // 2 + np.uint8([9, 70, 0]))

    found = metrics.evaluate(half_right, photos).scores

    truths = [metrics.prepare(photo) for photo in photos]
    pairs = [(rgb2lab(half_right(metrics.gray(t)))[..., 1:], rgb2lab(t)[..., 1:]) for t in truths]
    errors = np.concatenate([np.linalg.norm(p - t, axis=-1).ravel() for p, t in pairs])
    ab = np.concatenate([t.reshape(-1, 2) for _, t in pairs])
    centres = bin_centres().numpy().astype(float)
    bins = np.array([np.argmin(((centres - colour) ** 2).sum(axis=1)) for colour in ab])
    frequency = np.bincount(bins, minlength=313) / len(bins)
    smoothed = np.zeros(313)
    for centre, share in zip(centres, frequency, strict=True):
        spread = np.exp(-((centres - centre) ** 2).sum(axis=1) / (2 * 5.0**2))
        smoothed += share * spread / spread.sum()
    weights = 1 / smoothed[bins]
    expected = 100 * (1 - np.average(np.minimum(errors, 150), weights=weights) / 150)
    assert found.auc_rebalanced == pytest.approx(expected, abs=0.02)
    assert abs(found.auc - expected) > 1  # the weights do matter here


def test_evaluate_takes_the_mean_of_each_photo_s_scores(coffee):
    photos = [coffee, coffee[:200]]
    found = metrics.evaluate(lambda picture: picture, photos)
    truths = [metrics.prepare(photo) for photo in photos]
    pairs = [(metrics.gray(truth), truth) for truth in truths]
    for name in ("psnr", "ssim", "auc", "mse_ab"):
        expected = np.mean([getattr(metrics, name)(*pair) for pair in pairs])
        assert getattr(found.scores, name) == pytest.approx(expected)
    colour = np.mean([metrics.colorfulness(truth) for truth in truths])
    assert found.scores.delta_cf == pytest.approx(colour)


def test_evaluate_orders_truth_gray_and_nonsense(coffee):
    photos = [coffee, coffee[:, ::-1], coffee[::-1]]
    same = metrics.evaluate(lambda picture: picture, photos)
    assert same.photos == 3
    assert same.scores == same.gray
    assert same.gray.cf == 0 and same.gray.delta_cf > 20
    blue = metrics.evaluate(lambda picture: picture // 2 + np.uint8([0, 0, 100]), photos)
    assert blue.gray == same.gray
    for name in ("psnr", "auc", "auc_rebalanced"):
        assert getattr(blue.scores, name) < getattr(blue.gray, name)
    assert blue.scores.cf > blue.gray.cf and blue.scores.mse_ab > blue.gray.mse_ab
    truths = iter([metrics.prepare(photos[0]), *map(metrics.prepare, photos)])
    right = metrics.evaluate(lambda _: next(truths), photos).scores
    assert right == metrics.Scores(
        psnr=100, ssim=pytest.approx(1), cf=right.cf, delta_cf=0, auc=100, auc_rebalanced=100,
        mse_ab=0,
    )  # fmt: skip


def test_evaluate_times_every_call_but_the_first(coffee, monkeypatch):
    now = 0.0
    monkeypatch.setattr(metrics.time, "perf_counter", lambda: now)
    durations = iter([9.0, 0.1, 0.2, 0.3])

    def slow(picture):
        nonlocal now
        now += next(durations)
        return picture

    found = metrics.evaluate(slow, [coffee] * 3)
    assert found.milliseconds == pytest.approx(200)
    assert next(durations, None) is None


def test_evaluate_takes_measures_and_shows_the_pictures(coffee):
    class Difference:
        def __init__(self):
            self.values = []

        def add(self, predicted, truth):
            self.values.append(np.abs(predicted.astype(float) - truth).mean())

        def value(self):
            return float(np.mean(self.values)) if len(self.values) > 1 else None

    measure, seen = Difference(), []
    found = metrics.evaluate(
        lambda picture: 255 - picture,
        [coffee, coffee[::-1]],
        measures={"lpips": measure},
        watch=lambda *pictures: seen.append(pictures),
    )
    assert not measure.values  # each row has a copy of its own
    for row, which in ((found.gray, 0), (found.scores, 1)):
        differences = [np.abs(p[which].astype(float) - p[2]).mean() for p in seen]
        assert row.lpips == pytest.approx(np.mean(differences)) and row.fid is None
    assert (seen[0][2] == metrics.prepare(coffee)).all()
    single = metrics.evaluate(lambda p: p, [coffee], measures={"fid": Difference()})
    assert single.scores.fid is None


def test_evaluate_needs_photos():
    with pytest.raises(ValueError, match="no photo"):
        metrics.evaluate(lambda picture: picture, [])
