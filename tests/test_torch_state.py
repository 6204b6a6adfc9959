"""PyTorch's global settings, the mode of a model, threads and forks do not change results."""

import contextlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import colorzoo
from colorzoo.colorizer import Colorizer
from colorzoo.evaluation.report import evaluate_model
from colorzoo.torch_state import building, in_eval_mode


@contextlib.contextmanager
def default_device(name: str):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
        assert torch.get_default_dtype() == dtype  # as it was found
    finally:
        torch.set_default_dtype(torch.float32)


SETTINGS = {
    "default device": lambda: default_device("meta"),
    "device context": lambda: torch.device("meta"),
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
}


@pytest.fixture(params=SETTINGS)
def setting(request):
    return SETTINGS[request.param]


@pytest.fixture
def small(coffee):
    return coffee[::4, ::4]


def values_of(model: nn.Module) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


# Global settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["unet-bins", "resnet34"])
def test_loading_and_colouring_do_not_depend_on_settings(name, setting, small):
    options = {"seed": 3} if name == "unet-bins" else {}
    model = colorzoo.load(name)
    expected = np.asarray(model.colorize(small, **options))
    with setting():
        again = colorzoo.load(name)
        found = np.asarray(again.colorize(small, **options))
        later = np.asarray(model.colorize(small, **options))
    assert (found == expected).all() and (later == expected).all()
    assert (np.asarray(again.colorize(small, **options)) == expected).all()
    assert again.device.type == "cpu" and again.dtype == torch.float32
    for key, value in again.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key
        assert not value.is_inference() and value.dtype == model.state_dict()[key].dtype


def test_large_and_small_photos_do_not_depend_on_settings(setting, coffee):
    """Both ways to merge: by a table, which is for large photos, and exactly."""
    model = colorzoo.load("unet")
    large, tiny = np.tile(coffee, (2, 2, 1)), coffee[::3, ::3]
    expected = [np.asarray(model.colorize(each)) for each in (large, tiny)]
    with setting():
        found = [np.asarray(model.colorize(each)) for each in (large, tiny)]
    assert all((a == b).all() for a, b in zip(expected, found, strict=True))


def test_a_model_built_under_a_setting_is_the_same_and_can_be_trained(setting):
    torch.manual_seed(3)
    expected = colorzoo.create_model("autoencoder", width=4).state_dict()
    torch.manual_seed(3)
    with setting():
        model = colorzoo.create_model("autoencoder", width=4)
    for key, value in model.state_dict().items():
        assert value.device.type == "cpu" and torch.equal(value, expected[key]), key
    assert all(each.requires_grad for each in model.parameters())
    model.train()(torch.rand(2, 1, 16, 16)).square().mean().backward()
    assert all(each.grad is not None for each in model.parameters())


def test_a_loaded_model_can_be_trained(saved, setting):
    with setting():
        models = colorzoo.load(saved), type(colorzoo.load(saved)).from_pretrained(saved)
    for model in models:
        model.train()(torch.rand(2, 1, 32, 32)).square().mean().backward()
        assert all(each.grad is not None for each in model.parameters())


def test_saving_comparing_and_rendering_do_not_depend_on_settings(setting, small, tmp_path):
    model = colorzoo.load("unet-bins")
    model.save_pretrained(tmp_path / "before")
    photo = colorzoo.read_photo(small)
    said = model.predict(photo)
    expected = np.asarray(model.render(photo, said, vividness=0.9))
    sheet = colorzoo.compare(small, models=["unet-bins", "autoencoder"], vividness=0.2)
    with setting():
        model.save_pretrained(tmp_path / "after")
        found = np.asarray(model.render(photo, said, vividness=0.9))
        other = colorzoo.compare(small, models=["unet-bins", "autoencoder"], vividness=0.2)
        said_again = model.predict(photo)
    assert (found == expected).all()
    assert torch.equal(said_again.output, said.output)
    assert (np.asarray(model.render(photo, said_again, vividness=0.9)) == expected).all()
    for name, image in sheet.items():
        assert (np.asarray(image) == np.asarray(other[name])).all(), name
    for file in ("config.json", "model.safetensors"):
        before, after = ((tmp_path / each / file).read_bytes() for each in ("before", "after"))
        assert before == after, file


def test_measuring_does_not_depend_on_settings(setting, coffee, tmp_path):
    colorzoo.save_image(Image.fromarray(coffee[::2, ::2]), tmp_path / "photo.png")
    model = colorzoo.load("unet")
    expected = evaluate_model(model, "unet", tmp_path).evaluation
    with setting():
        found = evaluate_model(model, "unet", tmp_path).evaluation
    assert (found.scores, found.gray) == (expected.scores, expected.gray)


class Painter(Colorizer):
    """Paints hints and, elsewhere, the mean colour of the reference."""

    stride = 8
    network_options = frozenset({"hints", "reference"})

    def __init__(self, *, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, lightness, hints, reference):
        mean = reference[:, 1:].mean(dim=(2, 3), keepdim=True)
        return self.scale * (hints[:, 2:] * hints[:, :2] + (1 - hints[:, 2:]) * mean)


def test_hints_and_references_do_not_depend_on_settings(setting, small):
    model = Painter().eval()
    options = {"hints": [colorzoo.Hint(20, 30, "#b03020", 9)], "reference": small}
    expected = model.predict(colorzoo.read_photo(small), **options).output
    with setting():
        found = model.predict(colorzoo.read_photo(small), **options).output
    assert torch.equal(found, expected)


def test_float32_stays_the_default_until_the_last_thread_has_built():
    with default_dtype(torch.float64), ThreadPoolExecutor(4) as pool:
        sizes = [4, 8, 12, 16] * 5
        models = list(pool.map(lambda n: colorzoo.create_model("unet", width=n), sizes))
        with building():
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float64
    assert {each.dtype for model in models for each in model.parameters()} == {torch.float32}


# The mode of the model ----------------------------------------------------------------------------


def test_a_model_in_eval_mode_is_used_as_it_is():
    model = colorzoo.create_model("unet", width=2)
    assert in_eval_mode(model) is model


def test_frozen_layers_stay_frozen(small):
    model = colorzoo.create_model("unet", width=2)
    expected = np.asarray(model.colorize(small))
    model.train()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    flags, before = [part.training for part in model.modules()], values_of(model)
    assert True in flags and False in flags
    assert (np.asarray(model.colorize(small)) == expected).all()
    assert [part.training for part in model.modules()] == flags
    assert all(map(torch.equal, values_of(model), before))


def test_a_layer_in_training_mode_inside_a_model_in_eval_mode_changes_nothing(small):
    model = colorzoo.create_model("unet", width=2)
    expected = np.asarray(model.colorize(small))
    model.get_submodule("encoder.0").train()
    flags, before = [part.training for part in model.modules()], values_of(model)
    assert (np.asarray(model.colorize(small)) == expected).all()
    assert [part.training for part in model.modules()] == flags
    assert all(map(torch.equal, values_of(model), before))


@pytest.mark.parametrize("is_training", [False, True])
def test_threads_share_a_model(is_training, camera):
    model = colorzoo.create_model("unet", width=4)
    photos = [camera[i : i + 120, : 90 + i] for i in range(24)]
    expected = [np.asarray(model.colorize(photo)) for photo in photos]
    model.train(is_training)
    before = values_of(model)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda photo: np.asarray(model.colorize(photo)), photos))
    assert sum(bool((a != b).any()) for a, b in zip(found, expected, strict=True)) == 0
    assert {part.training for part in model.modules()} == {is_training}
    assert all(map(torch.equal, values_of(model), before))


class Watched(Colorizer):
    """Notes the mode of the model that was asked, and of the modules that run, meanwhile."""

    stride = 4

    def __init__(self, *, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.norm = nn.BatchNorm2d(1)
        self.head = parametrizations.spectral_norm(nn.Conv2d(1, 2, 1))
        self.notes: list[tuple[bool, ...]] = []
        self.asked = [self]  # not a submodule
        self.step = self.paint  # bound to this object

    def forward(self, lightness):
        return self.step(lightness)

    def paint(self, lightness):
        self.notes.append((self.asked[0].training, self.training, self.norm.training))
        return self.head(self.norm(lightness / 100))


def test_a_model_that_trains_in_another_thread_is_not_switched(small):
    model = Watched().train()
    hooked: list[bool] = []
    model.norm.register_forward_hook(lambda part, *_: hooked.append(part.training))
    before = values_of(model)
    model.colorize(small)
    assert model.notes == [(True, False, False)] and hooked == [False]
    assert all(map(torch.equal, values_of(model), before))
    model(torch.rand(1, 1, 8, 8))  # it still trains itself
    assert model.notes[1] == (True, True, True)
    assert not all(map(torch.equal, values_of(model), before))


def test_a_compiled_model_in_training_mode_is_coloured_with_eagerly(small):
    model = colorzoo.create_model("unet", width=2)
    expected = np.asarray(model.colorize(small))
    model.train().compile(backend="eager")
    before = values_of(model)
    assert (np.asarray(model.colorize(small)) == expected).all()
    assert all(map(torch.equal, values_of(model), before))


# Processes ----------------------------------------------------------------------------------------

FORK = """
import os, signal, sys
import numpy as np, torch
import colorzoo

torch.set_num_threads(2)
photo = np.random.default_rng(0).integers(0, 256, (300, 400), dtype=np.uint8)
model = colorzoo.load("unet", backend=sys.argv[1])
expected = np.asarray(model.colorize(photo)).astype(int)
child = os.fork()
if not child:
    signal.alarm(60)  # ends the child if it waits forever
    try:
        found = np.asarray(model.colorize(photo)).astype(int)
        print("apart by", abs(found - expected).max(), flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
print("ended", os.waitpid(child, 0)[1])
print("threads", torch.get_num_threads())
"""

needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="forks in another way")


def forked(backend: str) -> list[str]:
    return subprocess.run(
        [sys.executable, "-c", FORK, backend], capture_output=True, text=True, check=True
    ).stdout.splitlines()


@needs_fork
def test_a_model_can_be_used_in_a_forked_process():
    apart, ended, threads = forked("torch")
    assert apart in ("apart by 0", "apart by 1") and ended == "ended 0"
    assert threads == "threads 2"  # of the parent: nothing changed there


@needs_fork
def test_onnxruntime_in_a_forked_process_is_refused():
    pytest.importorskip("onnxruntime", reason="needs colorzoo[onnx]")
    refused, ended, _ = forked("onnx")
    assert refused.startswith("ConfigError") and "'spawn'" in refused and ended == "ended 0"
