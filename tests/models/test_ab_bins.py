import numpy as np
import pytest
import torch

from colorzoo.ab_bins import COUNT, bin_centres, nearest_bin, smoothed_prior
from colorzoo.color import rgb_to_lab


def test_the_bins_are_the_published_ones(root):
    centres = bin_centres()
    assert centres.shape == (COUNT, 2) == (313, 2)
    assert centres[0].tolist() == [-90, 50] and centres[-1].tolist() == [100, 0]
    assert centres[120].tolist() == [0, 0]
    path = root.parent / "shared" / "data" / "ab_bins_313.npy"
    if not path.is_file():
        pytest.skip(f"the table to compare with is not here: {path}")
    assert (centres.numpy() == np.load(path)).all()


def test_nearest_bin_is_the_nearest_for_all_colours_of_srgb():
    levels = torch.arange(0, 256, 5) / 255
    rgb = torch.cartesian_prod(levels, levels, levels).T[None, :, :, None]
    ab = rgb_to_lab(rgb)[:, 1:]
    distances = torch.cdist(ab[0, :, :, 0].T, bin_centres())
    found = distances.gather(1, nearest_bin(ab)[0])[:, 0]
    assert torch.allclose(found, distances.amin(dim=1), atol=1e-3)


def test_nearest_bin_keeps_shape_and_takes_any_colour():
    ab = torch.tensor([[0.0, 4.9], [5.1, 500.0]])[None, :, :, None]  # (0, 5.1) and (4.9, 500)
    bins = nearest_bin(ab)
    assert bins.shape == (1, 2, 1) and bins.dtype == torch.int64
    assert bin_centres()[bins[0, :, 0]].tolist() == [[0, 10], [0, 100]]
    centres = bin_centres().T[None, :, :, None]
    assert nearest_bin(centres)[0, :, 0].tolist() == list(range(313))
    assert nearest_bin(centres.half()).equal(nearest_bin(centres))


def test_smoothed_prior_is_a_distribution_that_spreads_to_neighbours():
    counts = torch.zeros(313)
    counts[120], counts[10] = 3, 1
    prior = smoothed_prior(counts)
    assert prior.dtype == torch.float64
    assert float(prior.sum()) == pytest.approx(1) and (prior >= 0).all()
    distance = (bin_centres() - bin_centres()[120]).norm(dim=1)
    by_distance = [float(prior[distance == d].mean()) for d in (0, 10, 20)]
    # A Gaussian of sigma 5 at 0, 10 and 20 units.
    assert by_distance[1] / by_distance[0] == pytest.approx(np.exp(-2), rel=1e-3)
    assert by_distance[2] / by_distance[0] == pytest.approx(np.exp(-8), rel=1e-2)
    assert smoothed_prior(counts, sigma=0.1).numpy() == pytest.approx(counts.double().numpy() / 4)
