"""Strict type checkers accept the documents' Python: every public name has a known type."""

import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

PAGES = ("README.md", "docs/photos.md", "docs/index.md")
# What the documents do not show, of what the public names take and give.
USE = """
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import colorzoo
from colorzoo import Hint, Options, Photo, Prediction


def use(folder: Path) -> None:
    options: Options = {"seed": 3}
    image: Image.Image = colorzoo.colorize(np.zeros((9, 9), np.uint8), **options)
    for source in (torch.zeros(3, 9, 9), io.BytesIO(b""), folder / "a.jpg", "a.jpg", image):
        image = colorzoo.colorize(source)
    for image in colorzoo.colorize_batch([folder / "a.jpg", "b.jpg", image]):
        image.save("x.png")
    model = colorzoo.load(folder, device="auto", dtype="float16", work_size=256, temperature=0.4)
    photo: Photo = colorzoo.read_photo(folder / "photo.jpg")
    said: list[Prediction] = model.predict_batch(["a.jpg", photo])
    image = model.render(photo, said[0], vividness=0.2)
    print(photo.rgb.shape, photo.alpha, model.options, model.config, model.device, said[0].nbytes)
    mine = colorzoo.Colorizer.from_pretrained(folder)
    mine.save_pretrained(folder / "b")
    mine.colorize("x.jpg", hints=[Hint(1, 2, "red")])
    info = colorzoo.model_info("unet")
    print(info.summary, info.metrics, info.licence, info.config)
    results = colorzoo.compare(photo.rgb, models="unet")
    colorzoo.save_image(colorzoo.contact_sheet(list(results.items()), columns=2), "x.png")
    colorzoo.save_deep(colorzoo.render_deep(model, photo, said[0]), "x.tif", like=photo)
    try:
        colorzoo.colorize_film(model, "a.mp4", "b.mp4")
    except (colorzoo.ColorzooError, colorzoo.FilmError, colorzoo.HubError) as error:
        print(error)


@colorzoo.register_model("gray", summary="No colour", year=2026)
class Gray(colorzoo.Colorizer):
    def __init__(self, *, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)

    def forward(self, lightness: torch.Tensor) -> torch.Tensor:
        return 0 * lightness.expand(-1, 2, -1, -1)
"""


def test_the_documents_are_typed_strictly(root, tmp_path):
    pytest.importorskip("basedpyright")
    for page in PAGES:
        text = (root / page).read_text(encoding="utf-8")
        # Each block in a function of its own, after what it may use of the blocks before.
        blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        code = "".join(
            f"def part_{i}(model: colorzoo.Colorizer) -> None:\n{indent(block, '    ')}\n\n"
            for i, block in enumerate(blocks)
        )
        (tmp_path / f"{Path(page).stem}_.py").write_text(f"import colorzoo\n\n\n{code}")
    (tmp_path / "use.py").write_text(USE)
    settings = {
        "typeCheckingMode": "strict",
        "extraPaths": [str(root)],
        "reportUnusedImport": "none",
        "reportUnusedVariable": "none",
        "reportRedeclaration": "none",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
