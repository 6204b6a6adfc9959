"""Objectives, against their papers' formulas and other implementations."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage.metrics import structural_similarity

import colorzoo
from colorzoo.ab_bins import COUNT, bin_centres, nearest_bin
from colorzoo.color import lab_to_rgb, rgb_to_lab, to_uint8
from colorzoo.errors import WeightsError
from colorzoo.evaluation.metrics import colorfulness
from colorzoo.models._timm import build_encoder
from train.gan_module import (
    PatchDiscriminator,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from train.losses import (
    LOSSES,
    BinsLoss,
    ColorfulnessLoss,
    GradientLoss,
    PerceptualLoss,
    SSIMLoss,
    build_term,
)


def test_ssim_agrees_with_scikit_image(rng):
    truth = rng.uniform(-60, 60, (2, 48, 40)).astype(np.float32)
    predicted = truth + rng.normal(0, 10, truth.shape).astype(np.float32)
    expected = structural_similarity(
        truth,
        predicted,
        channel_axis=0,
        data_range=256,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    loss = SSIMLoss()(torch.tensor(predicted)[None], torch.tensor(truth)[None])
    assert loss.item() == pytest.approx(1 - float(expected), abs=2e-3)
    assert SSIMLoss()(torch.tensor(truth)[None], torch.tensor(truth)[None]).item() < 1e-6
    both = SSIMLoss(mse_weight=0.01)(torch.tensor(predicted)[None], torch.tensor(truth)[None])
    error = float(np.square(predicted - truth).mean())
    assert (both - loss).item() == pytest.approx(0.01 * error, rel=1e-3)


def test_huber_is_squared_near_and_linear_far():
    loss, zero = LOSSES["huber"](), torch.zeros(1, 2, 4, 4)
    near, far = (loss(zero + error, zero).item() for error in (10.0, 60.0))
    assert near == pytest.approx(0.5 * 10**2)
    assert far == pytest.approx(20 * (60 - 10))


def test_soft_encoding_is_the_papers():
    """By brute force over all 313 bins, for colours inside and outside of them."""
    generator = torch.Generator().manual_seed(0)
    ab = (torch.rand(5_000, 2, generator=generator) - 0.5) * 230
    nearest, shares = BinsLoss().encode(ab)
    distance = (bin_centres()[None].double() - ab[:, None].double()).norm(dim=2)
    closest, _ = distance.topk(5, largest=False)
    assert torch.allclose(distance.gather(1, nearest), closest)
    weights = torch.exp(-(closest.square() - closest[:, :1].square()) / 50)
    assert torch.allclose(shares.double(), weights / weights.sum(1, keepdim=True), atol=1e-4)


def test_hard_encoding_is_one_hot():
    ab = torch.tensor([[0.0, 0.0], [98.0, -3.0], [-41.0, 31.0]])
    nearest, shares = BinsLoss(neighbours=1).encode(ab)
    assert shares.eq(1).all() and shares.shape == (3, 1)
    assert torch.equal(bin_centres()[nearest[:, 0]], torch.tensor([[0.0, 0], [100, 0], [-40, 30]]))


def test_weights_follow_the_prior():
    """Rare colours weigh more, and the mean weight over the prior is 1."""
    torch.manual_seed(0)
    ab = torch.randn(4, 2, 64, 64) * 12
    even, rebalanced, raw = BinsLoss(mix=1.0), BinsLoss(mix=0.5), BinsLoss(mix=0.0)
    for loss in (even, rebalanced, raw):
        assert loss.weights.eq(1).all()
        loss.measure_prior(ab.split(2))
    assert torch.allclose(even.weights, torch.ones(COUNT))
    gray, red = 120, int(nearest_bin(torch.tensor([70.0, 50.0]).reshape(1, 2, 1, 1)))
    assert rebalanced.weights[gray] < 1 < rebalanced.weights[red]
    assert raw.weights[red] / raw.weights[gray] > rebalanced.weights[red] / rebalanced.weights[gray]
    # The ratio of two weights, worked out from the formula by hand.
    counts = torch.bincount(nearest_bin(ab).flatten(), minlength=COUNT).double()
    kernel = torch.exp(-(torch.cdist(bin_centres().double(), bin_centres().double()) ** 2) / 50)
    prior = (kernel / kernel.sum(0)) @ (counts / counts.sum())
    expected = (0.5 * prior[gray] + 0.5 / 313) / (0.5 * prior[red] + 0.5 / 313)
    measured = rebalanced.weights[red] / rebalanced.weights[gray]
    assert measured.item() == pytest.approx(expected.item(), rel=1e-4)
    assert (prior.float() * rebalanced.weights).sum().item() == pytest.approx(1, rel=1e-4)


def test_cross_entropy_of_certain_and_of_even_answers():
    ab = torch.zeros(1, 2, 8, 8)
    ab[:, 0] = 40.0
    certain = torch.full((1, COUNT, 2, 2), -30.0)
    certain[:, int(nearest_bin(ab)[0, 0, 0])] = 30.0
    hard = BinsLoss(neighbours=1)
    assert hard(certain, ab).item() == pytest.approx(0, abs=1e-4)
    even = torch.zeros(1, COUNT, 2, 2)
    assert hard(even, ab).item() == pytest.approx(np.log(313), rel=1e-5)
    assert BinsLoss()(even, ab).item() == pytest.approx(np.log(313), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_pulls_towards_the_truth(name):
    torch.manual_seed(0)
    model = colorzoo.create_model("unet-bins" if name.startswith("bins") else "unet", width=8)
    model.train()
    loss, optimizer = LOSSES[name](), torch.optim.Adam(model.parameters(), 3e-3)
    lightness = torch.rand(2, 1, 32, 32) * 100
    truth = torch.full((2, 2, 32, 32), 20.0)
    values = []
    for _ in range(20):
        value = loss(model(lightness), truth)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert min(values) < 0.8 * values[0]


@pytest.fixture
def pictures(coffee) -> torch.Tensor:
    """Two colour photos, (2, 3, 96, 96) L*a*b*."""
    rgb = torch.tensor(coffee).permute(2, 0, 1).float()[None] / 255
    lab = rgb_to_lab(torch.nn.functional.interpolate(rgb, (96, 192), mode="area"))
    return torch.cat(lab.split(96, dim=3))


def faded(lab: torch.Tensor, factor: float) -> torch.Tensor:
    return torch.cat((lab[:, :1], lab[:, 1:] * factor), dim=1)


def test_the_colorfulness_term_is_the_metric(pictures):
    dull = faded(pictures, 0.4)
    rgb = [to_uint8(lab_to_rgb(lab, gamut="desaturate")) for lab in (pictures, dull)]
    bright, pale = ([colorfulness(p.permute(1, 2, 0).numpy()) for p in each] for each in rgb)
    expected = np.abs(np.subtract(bright, pale)).mean() / 100
    assert ColorfulnessLoss()(dull, pictures).item() == pytest.approx(expected, rel=0.01)
    assert ColorfulnessLoss()(pictures, pictures).item() == 0


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory) -> str:
    torch.manual_seed(0)
    encoder, _ = build_encoder("mobilenetv2_100", (2, 4, 8, 16, 32), same_padding=True)
    path = tmp_path_factory.mktemp("encoder") / "random.safetensors"
    save_file(encoder.get_submodule("model").state_dict(), path)
    return str(path)


def test_the_perceptual_term_grows_with_the_loss_of_colour(pictures, encoder_file):
    term = PerceptualLoss(encoder_file).train()
    before = {key: value.clone() for key, value in term.state_dict().items()}
    values = [term(faded(pictures, factor), pictures).item() for factor in (1.0, 0.7, 0.0)]
    assert values[0] < 1e-6 < values[1] < values[2] <= 4
    assert all(torch.equal(value, before[key]) for key, value in term.state_dict().items())
    with pytest.raises(WeightsError, match="nowhere.safetensors does not exist"):
        PerceptualLoss("nowhere.safetensors")


def test_the_gradient_term_ignores_a_shift_and_penalises_an_edge_by_its_height():
    """One edge of 10 ab over one of 7 columns, in one of the two channels."""
    truth = torch.zeros(1, 3, 4, 8)
    edge = truth.clone()
    edge[:, 1, :, 4:] = 10
    assert GradientLoss()(truth + 5, truth).item() == 0
    assert GradientLoss()(edge, truth).item() == pytest.approx(1 / 7 / 2)


@pytest.mark.parametrize("name", ["colorfulness", "gradient", "perceptual"])
def test_every_term_pulls_gray_towards_colour(name, pictures, encoder_file):
    term = build_term(name, encoder_file)
    ab = torch.zeros_like(pictures[:, 1:]).requires_grad_()  # where a root has no slope
    optimizer = torch.optim.Adam([ab], 1.0)
    values = []
    for _ in range(8):
        value = term(torch.cat((pictures[:, :1], ab), dim=1), pictures)
        optimizer.zero_grad()
        value.backward()
        assert ab.grad is not None and ab.grad.isfinite().all()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.95 * values[0]


def test_the_gradient_penalty_is_that_of_a_slope_known_by_hand():
    """Two patches of a judge that adds up 3 a / 110: its mean has the slope 3 / 2 a pixel."""
    ab = torch.zeros(4, 2, 1, 2, requires_grad=True)
    verdict = 3 * ab[:, :1] / 110
    assert gradient_penalty(verdict, ab).item() == pytest.approx(2 * (3 / 2) ** 2)


@pytest.mark.parametrize("spectral", [False, True])
def test_the_discriminator_sees_patches_of_70_pixels(spectral):
    """Measured: the input pixels that one of its answers depends on."""
    torch.manual_seed(0)
    judge = PatchDiscriminator(width=8, spectral=spectral).eval()
    ab = torch.zeros(1, 2, 160, 160, requires_grad=True)
    verdict = judge.judge(torch.full((1, 1, 160, 160), 50.0), ab)
    assert verdict.shape == (1, 1, 18, 18)
    verdict[0, 0, 9, 9].backward()
    assert ab.grad is not None
    touched = ab.grad.abs().sum(dim=(0, 1)) > 0
    assert (int(touched.any(0).sum()), int(touched.any(1).sum())) == (70, 70)


def test_the_discriminator_is_conditional():
    judge = PatchDiscriminator(width=8).eval()
    ab = torch.rand(1, 2, 64, 64) * 20
    dark, bright = (judge.judge(torch.full((1, 1, 64, 64), level), ab) for level in (10.0, 90.0))
    assert not torch.allclose(dark, bright)


def test_spectral_norm_bounds_every_layer():
    judge = PatchDiscriminator(width=8, spectral=True).train()
    with torch.no_grad():
        for _ in range(30):  # the power iteration takes a step each time it is called
            judge(torch.rand(1, 3, 64, 64))
    for layer in judge:
        if isinstance(layer, torch.nn.Conv2d):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.05


def test_adversarial_losses_are_the_published_ones():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = (bce(real, torch.ones(2)) + bce(fake, torch.zeros(2))) / 2
    assert discriminator_loss(real, fake, objective="bce").item() == pytest.approx(expected.item())
    assert generator_loss(fake, objective="bce").item() == pytest.approx(
        bce(fake, torch.ones(2)).item()
    )
    # max(0, 1 - D(real)) is 0 and 2; max(0, 1 + D(fake)) is 1.5 and 0.
    assert discriminator_loss(real, fake, objective="hinge").item() == pytest.approx(1.75)
    assert generator_loss(fake, objective="hinge").item() == pytest.approx(1.25)
