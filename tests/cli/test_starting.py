"""What `colorzoo colorize` of a photo imports, which is most of its time."""

import gc
import sys

import pytest
from helpers.commands import modules_after
from PIL import Image

from colorzoo.cli._importing import importing

# PyTorch's compiler, and what imports it or takes long itself.
HEAVY = {
    *("torch._dynamo", "torch._inductor", "torch.onnx", "sympy", "triton"),
    *("timm", "torchvision", "skimage", "scipy", "matplotlib", "pandas", "lightning"),
    *("av", "onnx", "onnxruntime", "onnxscript", "ray", "datasets", "gradio", "train"),
}
COLORIZE = """
import gc, sys
from colorzoo.cli import main
sys.argv = ["colorzoo", "colorize", {photo!r}, "-o", {result!r}]
try:
    main()
except SystemExit as end:
    assert not end.code
assert gc.isenabled() and gc.get_freeze_count() > 100_000
"""
AFTERWARDS = """
import timm, torch, torchvision
import colorzoo
from timm.models import FeatureGraphNet
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist() == [2, 2]
network = timm.create_model("resnet18", features_only=True, feature_cls="fx")
assert isinstance(network, FeatureGraphNet)
torchvision.ops.nms(torch.rand(3, 4), torch.rand(3), 0.5)
model = colorzoo.load()
ab = model.predict_ab(torch.full((1, 1, 32, 32), 50.0))
model.compile(backend="eager")
assert torch.allclose(model.predict_ab(torch.full((1, 1, 32, 32), 50.0)), ab, atol=1e-3)
colorzoo.create_model("resnet34").colorize({photo!r})
"""


@pytest.fixture
def colorized(tmp_path, camera):
    photo, result = tmp_path / "photo.jpg", tmp_path / "out.jpg"
    Image.fromarray(camera[::8, ::8]).save(photo)
    return {"photo": str(photo), "result": str(result)}


def test_colorizing_a_photo_imports_no_compiler(colorized):
    assert not HEAVY & modules_after(COLORIZE.format(**colorized))
    assert Image.open(colorized["result"]).size == (64, 64)


def test_a_wrong_folder_is_told_before_pytorch_is_imported(tmp_path):
    (tmp_path / "empty").mkdir()
    code = COLORIZE.format(photo=str(tmp_path / "empty"), result=str(tmp_path / "out"))
    code = code.replace("assert not end.code", "assert end.code == 1").replace("> 100_000", "== 0")
    assert not {"torch", "huggingface_hub", "safetensors"} & modules_after(code)


@pytest.mark.slow
def test_what_was_not_imported_works_afterwards(colorized):
    modules = modules_after((COLORIZE + AFTERWARDS).format(**colorized))
    assert {"torch._dynamo", "timm", "torchvision"} <= modules


@pytest.mark.parametrize("is_on", [True, False])
def test_garbage_is_collected_again_after_imports(monkeypatch, is_on):
    frozen = gc.get_freeze_count()
    (gc.enable if is_on else gc.disable)()
    try:
        with pytest.raises(KeyboardInterrupt), importing():
            assert not gc.isenabled()
            raise KeyboardInterrupt
        assert gc.isenabled() == is_on and gc.get_freeze_count() == frozen  # PyTorch was there
        monkeypatch.delitem(sys.modules, "torch")
        with importing():
            pass
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
        gc.enable()
