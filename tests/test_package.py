import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers.bundled import BUNDLED

import colorzoo


def python(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


HEAVY = {
    "av", "timm", "gradio", "lightning", "matplotlib", "torchvision", "train", "ray", "datasets",
    "onnx", "onnxruntime",
}  # fmt: skip
PUBLIC = {
    "Area", "ColorzooError", "Colorizer", "ConfigError", "DEFAULT_MODEL", "FilmError", "Hint",
    "HubError", "ImageError", "ModelInfo", "Options", "Photo", "Prediction", "UnknownModelError",
    "WeightsError", "__version__", "colorize", "colorize_batch", "colorize_film", "compare",
    "contact_sheet", "create_model", "list_models", "load", "load_hints", "model_info",
    "read_photo", "register_model", "render_deep", "save_deep", "save_hints", "save_image",
    "suggest_colors",
}  # fmt: skip


def test_import_loads_nothing_heavy():
    """Not even PyTorch, so that ``colorzoo --help`` and an import answer at once."""
    loaded = python("import sys, colorzoo; print(*sys.modules)").split()
    assert not {*HEAVY, "torch", "numpy", "PIL", "typer"} & set(loaded)


def test_a_model_without_an_encoder_loads_neither_timm_nor_gradio_nor_training():
    code = "import sys, colorzoo; colorzoo.create_model('unet', width=2); print(*sys.modules)"
    assert not HEAVY & set(python(code).split())


def test_what_is_public_is_this_list_and_the_stub_is_its_type():
    assert set(dir(colorzoo)) == set(colorzoo.__all__) == PUBLIC
    stub = Path(colorzoo.__file__).with_suffix(".pyi").read_text()
    nodes = (node for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom))
    named = {alias.asname for node in nodes for alias in node.names}
    assert named == PUBLIC


def test_every_public_name_can_be_had():
    code = (
        "import colorzoo\nfor name in dir(colorzoo): print(name, getattr(colorzoo, name) is None)"
    )
    assert python(code).splitlines() == [f"{name} False" for name in sorted(PUBLIC)]
    with pytest.raises(AttributeError, match="colorise"):
        colorzoo.colorise  # noqa: B018


def test_import_has_no_side_effects():
    code = """
import logging, os, warnings
import torch
before = (dict(os.environ), torch.get_num_threads(), logging.root.level, logging.root.handlers[:],
          torch.is_grad_enabled(), warnings.filters[:])
import colorzoo
after = (dict(os.environ), torch.get_num_threads(), logging.root.level, logging.root.handlers[:],
         torch.is_grad_enabled(), warnings.filters[:])
print(before == after)
"""
    assert python(code) == "True"


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path, root):
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "-w", tmp_path, root),
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "colorzoo",
        f"colorzoo-{colorzoo.__version__}.dist-info",
    }
    assert "colorzoo/py.typed" in names
    for model in BUNDLED:
        model = colorzoo.model_info(model).weights_of or model
        assert f"colorzoo/weights/{model}/model.safetensors" in names
