import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.colorizer import Colorizer
from colorzoo.imaging.recombine import lightness_of, merge_ab


class Painter(Colorizer):
    """Paints all of a photo in one colour, so that what is around the network can be measured."""

    stride = 8

    def __init__(self, *, a: float = 20.0, b: float = -15.0, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.ab = torch.nn.Parameter(torch.tensor([a, b]))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, lightness: Tensor) -> Tensor:
        self.seen.append(tuple(lightness.shape))
        return self.ab.view(1, 2, 1, 1).expand(len(lightness), 2, *lightness.shape[-2:])


def lab_of(image: Image.Image | np.ndarray) -> np.ndarray:
    rgb = np.array(image)[..., :3]
    return rgb_to_lab(torch.tensor(rgb).permute(2, 0, 1) / 255).permute(1, 2, 0).numpy()


def test_lightness_is_kept(coffee):
    result = colorzoo.create_model("unet").colorize(coffee)
    assert np.abs(lab_of(result)[..., 0] - lab_of(coffee)[..., 0]).max() < 0.5


def test_lightness_is_kept_even_where_colours_leave_the_gamut(coffee):
    result = Painter(a=110.0, b=-110.0).colorize(coffee)
    assert np.abs(lab_of(result)[..., 0] - lab_of(coffee)[..., 0]).max() < 0.5


def test_colour_is_what_the_network_says():
    gray = np.full((40, 60), 120, np.uint8)
    lab = lab_of(Painter().colorize(gray))
    assert np.abs(lab[..., 1:] - [20, -15]).max() < 1


def test_a_colour_photo_is_taken_by_its_lightness(coffee):
    from colorzoo.evaluation.metrics import gray

    model = colorzoo.create_model("unet")
    coloured, without = (lab_of(model.colorize(image)) for image in (coffee, gray(coffee)))
    assert np.abs(coloured - without).max() < 6  # 8-bit rounding of the gray version
    assert np.abs(coloured - without).mean() < 0.5


def test_the_network_sees_lightness(rng):
    rgb = rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)
    found = lightness_of(rgb, torch.device("cpu"))
    assert np.abs(found[0, 0].numpy() - lab_of(rgb)[..., 0]).max() < 1e-3


@pytest.mark.parametrize(("saturation", "expected"), [(0.0, 0), (0.5, 12.5), (1.0, 25), (2.0, 50)])
def test_saturation_scales_chroma(saturation, expected):
    gray = np.full((16, 16), 128, np.uint8)
    lab = lab_of(Painter().colorize(gray, saturation=saturation))
    assert np.hypot(lab[..., 1], lab[..., 2]).mean() == pytest.approx(expected, abs=0.6)


def test_saturation_zero_is_neutral(coffee):
    assert np.ptp(np.asarray(Painter().colorize(coffee, saturation=0)), axis=-1).max() == 0


@pytest.mark.parametrize("saturation", [-0.1, float("nan"), float("inf"), 11])
def test_absurd_saturation_is_refused(camera, saturation):
    with pytest.raises(ValueError, match="saturation must be between 0 and 10"):
        Painter().colorize(camera, saturation=saturation)


@pytest.mark.parametrize("work_size", [0, -1, 7, 5000, 12.5, "128", np.float32(64)])
def test_absurd_work_size_is_refused(camera, work_size):
    with pytest.raises(colorzoo.ConfigError, match="work_size must be a whole number"):
        Painter().colorize(camera, work_size=work_size)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (7, 3), (3, 7), (100, 101)])
def test_any_shape_gives_its_own_size(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    result = Painter().colorize(image)
    assert result.size == shape[::-1]
    assert np.abs(lab_of(result)[..., 0] - lab_of(np.stack((image,) * 3, -1))[..., 0]).max() < 0.5


def test_the_network_sees_the_photo_at_work_size(camera):
    model = Painter()
    model.colorize(camera[:300])
    model.colorize(camera[:, :256], work_size=100)
    model.colorize(camera[:2])
    # 300x512 at 32 px; 512x256 at 100 px, padded to 104x200; 2x512 with its aspect ratio bounded.
    assert [shape[-2:] for shape in model.seen] == [(32, 56), (200, 104), (32, 128)]


def test_alpha_is_given_back(rng):
    pixels = rng.integers(0, 256, (30, 20, 4), dtype=np.uint8)
    result = Painter().colorize(pixels)
    assert result.mode == "RGBA"
    assert (np.asarray(result)[..., 3] == pixels[..., 3]).all()


def test_colouring_in_training_mode_leaves_no_trace(camera):
    model = colorzoo.create_model("unet", width=2)
    expected = np.asarray(model.colorize(camera))
    before = {key: value.clone() for key, value in model.train().state_dict().items()}
    assert (np.asarray(model.colorize(camera)) == expected).all()
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_limit_on_pixels_can_be_raised(camera):
    with pytest.raises(colorzoo.ImageError, match="max_pixels=262144"):
        Painter().colorize(camera, max_pixels=262143)
    assert Painter().colorize(camera, max_pixels=262144).size == (512, 512)


def test_compare_runs_every_model_and_warns(tmp_path, camera):
    frames = [Image.fromarray(camera[::8, ::8])] * 2
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=[frames[1].rotate(90)])
    with pytest.warns(UserWarning, match="two.gif: .*first"):
        results = colorzoo.compare(tmp_path / "two.gif")
    assert list(results) == colorzoo.list_models(local=True)
    model = colorzoo.load("unet")
    alone = np.asarray(model.colorize(frames[0]))
    assert (np.asarray(results["unet"]) == alone).all()


def test_one_network_with_several_names_runs_once(camera, monkeypatch):
    names = ["unet", "efficientnet-bins", "efficientnet-bins.careful", "efficientnet-bins.vivid"]
    runs = []
    predict = colorzoo.Colorizer.predict
    monkeypatch.setattr(
        colorzoo.Colorizer,
        "predict",
        lambda model, *photo, **how: runs.append(model) or predict(model, *photo, **how),
    )
    results = colorzoo.compare(camera[::4, ::4], models=names, saturation=1.5)
    assert [model.architecture for model in runs] == names[:2]
    for name in names:
        alone = colorzoo.load(name).colorize(camera[::4, ::4], saturation=1.5)
        assert np.array_equal(np.asarray(results[name]), np.asarray(alone))
    assert len({image.tobytes() for image in results.values()}) == len(names)


def test_the_input_is_left_alone(coffee):
    before = coffee.copy()
    Painter().colorize(coffee)
    image = Image.fromarray(coffee)
    Painter().colorize(image)
    assert (coffee == before).all() and (np.asarray(image) == before).all()


def test_strips_do_not_show(coffee, monkeypatch):
    small = torch.rand(1, 1, 20, 30) * 100
    ab = torch.randn(1, 2, 20, 30) * 20
    whole = merge_ab(coffee, small, ab)
    monkeypatch.setattr("colorzoo.imaging.recombine._STRIP_PIXELS", 7 * coffee.shape[1])
    strips = merge_ab(coffee, small, ab)
    assert np.abs(whole.astype(int) - strips).max() <= 1


def test_an_animation_says_that_only_its_first_frame_is_used(tmp_path):
    frames = [Image.new("L", (8, 8), value) for value in (30, 200)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match="two.gif: .*first"):
        result = Painter().colorize(tmp_path / "two.gif")
    assert lab_of(result)[..., 0].mean() < 20


@pytest.mark.slow
def test_fifty_megapixels_stay_under_three_gigabytes(tmp_path):
    """Peak memory of the whole process, torch included, from file to file."""
    code = """
import resource, sys
import colorzoo
photo, out = sys.argv[1:]
colorzoo.save_image(colorzoo.create_model("unet").colorize(photo), out)
if sys.platform == "linux":  # where ru_maxrss counts the parent's memory, too
    lines = open("/proc/self/status").read().splitlines()
    print(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
    Image.linear_gradient("L").resize((8192, 6144)).save(tmp_path / "big.jpg")
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "big.jpg", tmp_path / "out.jpg"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(run.stdout) < 3000, f"{run.stdout} MB"
    with Image.open(tmp_path / "out.jpg") as result:
        assert result.size == (8192, 6144)
