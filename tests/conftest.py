"""What all tests share. Nothing here may reach the network."""

import os

# Tests start many processes. Where Python may not keep bytecode, each of them would compile again
# what it imports of PyTorch, Lightning and Gradio, which is half of its time.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes with a thread for every core each mostly wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import io
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent

sys.dont_write_bytecode = False  # here, too


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def coffee() -> np.ndarray:
    """A colour photo, (400, 600, 3) uint8."""
    from skimage import data

    return data.coffee()


@pytest.fixture(scope="session")
def camera() -> np.ndarray:
    """A gray photo, (512, 512) uint8."""
    from skimage import data

    return data.camera()


@pytest.fixture(scope="session")
def jpeg(coffee: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(coffee).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with a small untrained U-Net."""
    import colorzoo

    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def scratch_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registrations made in a test end with it."""
    from colorzoo import registry

    registry.list_models()
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setattr(registry, "_ALIASES", dict(registry._ALIASES))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights of torchvision at hand, and a way to the network that ends on this machine."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-weights"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    # urllib keeps the proxies of its first request for the life of the process.
    monkeypatch.setattr(urllib.request, "_opener", None)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory):
    """The demo, served by a process of its own for all tests."""
    pytest.importorskip("gradio", reason="the demo needs colorzoo[demo]")
    from helpers.demo_server import DemoServer

    with DemoServer(tmp_path_factory.mktemp("demo")) as server:
        yield server
    server.check_leftovers()
