"""A model is added with one file and one card here, or with an entry point from anywhere."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from helpers.demo_server import DemoServer
from PIL import Image
from skimage import data

FAMILY = '''
"""A network that looks at a pixel and its neighbours, and at nothing else."""

from typing import ClassVar

from torch import Tensor, nn

from colorzoo.colorizer import Colorizer
from colorzoo.registry import register_model


@register_model("{name}", summary="Two convolutions"{more}, year=2026)
class Neighbours(Colorizer):
    """Two convolutions.

    Args:
        width: Channels between them.
        work_size: Short side, in pixels, at which the network looks at a photo.
    """

    stride: ClassVar[int] = 1

    def __init__(self, *, width: int = 8, work_size: int = 64) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 2, 1)
        )

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict ab of (N, 1, H, W) L in [0, 100]: (N, 2, H, W)."""
        return self.body(lightness / 50 - 1) * 100
'''

RECIPE = """
\"\"\"neighbours: L1 on ab.\"\"\"

from train.recipe import Objective, Recipe

RECIPE = Recipe(model="neighbours", objective=Objective("l1"))
"""

CARD = """\
---
license: mit
datasets: [ann/pictures]
---
{% extends "_template.md" %}
{% block description %}
Sees a pixel and its neighbours.
{% endblock %}
{% block data %}
Five pictures of scikit-image.
{% endblock %}
{% block failures %}
Anything that it cannot tell by nine pixels.
{% endblock %}
{% block citation %}
None: it is an exercise.
{% endblock %}
"""

# As an author would train it elsewhere and bring the weights along.
TRAIN = """
import sys
import torch
from skimage import data
import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.hub.mixin import save_weights

torch.manual_seed(0)
model = colorzoo.create_model("neighbours").train()
photo = torch.tensor(data.coffee()[::4, ::4]).permute(2, 0, 1)[None] / 255
lab = rgb_to_lab(photo)
optimizer = torch.optim.Adam(model.parameters(), 1e-2)
for _ in range(30):
    optimizer.zero_grad()
    (model(lab[:, :1]) - lab[:, 1:]).abs().mean().backward()
    optimizer.step()
save_weights(model.eval(), sys.argv[1], dtype=torch.float16)
"""

PICTURES = ("coffee", "astronaut", "chelsea", "rocket")

CLI = ("-c", "from colorzoo.cli import main; main()")


def run_in(folder: Path, *command: str | Path, path: str | None = None) -> str:
    """Run a command of the copy in ``folder``; its output."""
    env = os.environ | {"PYTHONPATH": path or str(folder), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_one_file_and_one_card_are_a_model(root, tmp_path):
    """With weights, as CONTRIBUTING.md tells: nothing else is edited by hand."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("colorzoo", "demo", "docs", "train", "hub_cards", "tests"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy)
    (copy / "colorzoo" / "models" / "neighbours.py").write_text(
        FAMILY.format(name="neighbours", more="")
    )
    (copy / "train" / "recipes" / "neighbours.py").write_text(RECIPE)  # without options
    (copy / "hub_cards" / "neighbours.md").write_text(CARD)
    (tmp_path / "test.tar").mkdir()  # a folder does as well as an archive
    for name in PICTURES:
        Image.fromarray(getattr(data, name)()).save(tmp_path / "test.tar" / f"{name}.png")

    run_in(copy, "-c", TRAIN, copy / "colorzoo" / "weights" / "neighbours")
    run_in(copy, "-m", "train", "evaluate", "neighbours", "--data", tmp_path / "test.tar")

    suite = run_in(
        copy,
        # Those of README too, which stays as it is.
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k"),
        "neighbours or no_others or of_the_bundled_weights or what_the_weights_draw",
        *("tests/models/test_models.py", "tests/models/test_weights.py"),
        *("tests/train/test_cards.py", "tests/train/test_readme_table.py"),
        *("tests/test_registry.py", "tests/test_colorizer.py", "tests/train/test_recipe.py"),
    )  # fmt: skip
    passed = int(suite.split(" passed")[0].split()[-1])
    assert passed >= 20
    listed = run_in(copy, *CLI, "list")
    assert "neighbours" in listed and "Two convolutions" in listed
    # Measured on other photos than the zoo's, so README is a maintainer's to update.
    for page in ("README.md", "docs/guided.md", "docs/models.md"):
        assert (copy / page).read_text() == (root / page).read_text()
    card = (copy / "colorzoo" / "weights" / "neighbours" / "card.md").read_text()
    assert "4 photos of test.tar" in card and "train fit neighbours --data FOLDER\n" in card
    photo = tmp_path / "test.tar" / "chelsea.png"
    run_in(copy, *CLI, "compare", photo, "-o", tmp_path / "sheet.png")
    run_in(
        copy, *CLI, "compare", photo, "-o", tmp_path / "other.png",
        *("--model", "unet"),
    )  # fmt: skip
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "other.png") as other:
        assert sheet.height > other.height  # of seven and more models, and of one
    code = f'import colorzoo; print(list(colorzoo.compare(r"{photo}")))'
    assert "'neighbours'" in run_in(copy, "-c", code)
    gradio_client = pytest.importorskip("gradio_client")
    server = DemoServer(tmp_path / "server", app=copy / "demo" / "app.py", PYTHONPATH=str(copy))
    with server:
        client = gradio_client.Client(
            server.url, verbose=False, download_files=str(tmp_path / "got")
        )
        result = client.predict(
            image=gradio_client.handle_file(str(photo)), model="neighbours", api_name="/colorize"
        )
        with Image.open(result) as coloured, Image.open(photo) as given:
            assert coloured.size == given.size


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with a small package that brings a model and its weights, installed by pip."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    package = source / "ann_colors"
    package.mkdir()
    more = ', folder=__file__.replace("__init__.py", "weights")'
    (package / "__init__.py").write_text(FAMILY.format(name="ann-neighbours", more=more))
    (source / "broken.py").write_text("import a_module_that_is_not_there\n")
    (source / "twin.py").write_text(FAMILY.format(name="unet", more=""))
    (source / "pyproject.toml").write_text(
        dedent("""
            [build-system]
            requires = ["hatchling"]
            build-backend = "hatchling.build"

            [project]
            name = "ann-colors"
            version = "1.0"

            [project.entry-points."colorzoo.models"]
            ann = "ann_colors"
            broken = "broken"
            twin = "twin"

            [tool.hatch.build.targets.wheel]
            include = ["ann_colors", "broken.py", "twin.py"]
        """)
    )
    code = (
        "import sys; import ann_colors; from colorzoo.registry import create_model\n"
        "create_model('ann-neighbours').save_pretrained(sys.argv[1])\n"
    )
    root = Path(__file__).parent.parent
    path = os.pathsep.join((str(source), str(root)))
    run_in(source, "-c", code, package / "weights", path=path)
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    run_in(source, *install, "--target", target, source)
    return target


@pytest.mark.slow
def test_an_installed_package_brings_models(root, installed, tmp_path, jpeg):
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    path = os.pathsep.join((str(installed), str(root)))
    code = dedent("""
        import json, sys, warnings
        import colorzoo
        assert "ann_colors" not in sys.modules  # importing colorzoo imports nobody else's code
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            names = colorzoo.list_models(pretrained=True)
        size = colorzoo.load("ann-neighbours").colorize("photo.jpg").size
        colorzoo.create_model("ann-neighbours").save_pretrained("mine")
        again = colorzoo.load("./mine").architecture
        family = colorzoo.model_info("unet").family.__module__
        print(json.dumps([names, [str(each.message) for each in caught], size, again, family]))
    """)
    names, warned, size, again, family = json.loads(run_in(tmp_path, "-c", code, path=path))
    assert {"ann-neighbours", "unet"} <= set(names)
    assert (size, again, family) == ([600, 400], "ann-neighbours", "colorzoo.models.unet")
    assert len(warned) == 2 and all("package ann-colors" in line for line in warned)
    assert any("a_module_that_is_not_there" in line for line in warned)
    assert any("two models are named 'unet'" in line for line in warned)
    # Without asking for the list first, too.
    code = 'import colorzoo; print(colorzoo.load("./mine").architecture)'
    assert run_in(tmp_path, "-W", "ignore", "-c", code, path=path).strip() == "ann-neighbours"


def test_contributing_points_at_a_real_family(root):
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 90, "CONTRIBUTING.md is to stay short"
    assert "(colorzoo/models/unet.py)" in text and importlib.util.find_spec("colorzoo.models.unet")
    assert 'entry-points."colorzoo.models"' in text
