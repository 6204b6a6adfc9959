import subprocess
import sys
import zipfile

import pytest

import colorzoo


def python(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_import_loads_neither_timm_nor_gradio_nor_training():
    loaded = python("import sys, colorzoo; print(*sys.modules)").split()
    heavy = {"av", "timm", "gradio", "lightning", "matplotlib", "torchvision", "typer", "train"}
    assert not heavy & set(loaded)


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
    for model in colorzoo.list_models(pretrained=True):
        assert f"colorzoo/weights/{model}/model.safetensors" in names
