"""colorzoo works with the lowest versions that pyproject.toml declares, and on newer Pythons."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# In a folder without the sources, so that the installed package is used.
SMOKE = """
import sys, tempfile
import numpy as np, torch
import colorzoo

names = [name for name in colorzoo.list_models() if colorzoo.model_info(name).weights]
assert len(names) >= 6, names
for name in names:
    model = colorzoo.load(name)
    options = {"seed": 3} if "seed" in model.options else {}
    result = model.colorize("photo.png", **options)
    assert result.size == (150, 100) and np.asarray(result).std() > 1
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        again = colorzoo.load(folder).colorize("photo.png", **options)
    assert (np.asarray(again) == np.asarray(result)).all(), name
colorzoo.save_image(result, "coloured.jpg")
torch.set_default_device("meta")
torch.set_default_dtype(torch.float64)
again = colorzoo.load(name).colorize("photo.png", **options)
assert (np.asarray(again) == np.asarray(result)).all()
print("fine:", *names)
"""
# A model with a timm encoder is loaded before anything else has imported timm.
FIRST = "import colorzoo; colorzoo.load('resnet34').colorize('photo.png')"


def find_python(version: str) -> str | None:
    """Find an interpreter of that version on this machine."""
    candidates = [shutil.which(f"python{version}"), sys.executable]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python")))
    for python in filter(None, candidates):
        tell = (python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        told = subprocess.run(tell, capture_output=True, text=True)
        if told.stdout.strip() == version:
            return python
    return None


def install(folder: Path, python: str, root: Path, *options: str) -> "subprocess.CompletedProcess":
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin")))
    if uv is None:
        pytest.skip("uv is not installed")
    subprocess.run([uv, "venv", "--quiet", "--python", python, folder], check=True)
    command = [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *options]
    return subprocess.run([*command, root], capture_output=True, text=True)


def check(venv: Path, folder: Path, photo: Image.Image) -> None:
    folder.mkdir()
    photo.save(folder / "photo.png")

    def run(*command: object) -> str:
        done = subprocess.run(
            list(map(str, command)), cwd=folder, capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run(venv / "bin" / "python", "-c", FIRST)
    assert "fine: " in run(venv / "bin" / "python", "-c", SMOKE)
    command = venv / "bin" / "colorzoo"
    assert "unet" in run(command, "list")
    assert "parameters" in run(command, "info", "unet-bins")
    run(command, "colorize", "photo.png", "-o", "out", "--report", "run.jsonl")
    run(command, "compare", "photo.png", "-o", "sheet.png")
    run(command, "evaluate", "unet", "photo.png", "-o", "report")
    for name in ("out/photo.png", "sheet.png", "report/metrics.json", "report/sheet.png"):
        assert (folder / name).is_file(), name


@pytest.fixture
def photo(coffee):
    return Image.fromarray(coffee[::4, ::4])


def test_the_lowest_declared_versions(tmp_path, root, photo):
    python = find_python("3.10") or sys.executable
    done = install(tmp_path / "venv", python, root, "--resolution", "lowest-direct")
    assert done.returncode == 0, done.stderr
    check(tmp_path / "venv", tmp_path / "folder", photo)


@pytest.mark.release
@pytest.mark.parametrize("version", ["3.13"])
def test_newer_pythons(version, tmp_path, root, photo):
    python = find_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    done = install(tmp_path / "venv", python, root)
    if done.returncode and ("request" in done.stderr or "fetch" in done.stderr):
        pytest.skip(f"the packages for Python {version} cannot be downloaded: {done.stderr[:200]}")
    assert done.returncode == 0, done.stderr
    check(tmp_path / "venv", tmp_path / "folder", photo)
