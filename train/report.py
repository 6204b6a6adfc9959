"""Draw the curves and the contact sheet of a run."""

import csv
import io
from collections import defaultdict
from pathlib import Path

import matplotlib
import torch
from PIL import Image
from torch import Tensor

from colorzoo.atomic import write_whole
from colorzoo.colorizer import Colorizer
from colorzoo.gallery import contact_sheet
from train.lightning_module import to_bytes

_PANELS = {
    "loss": ("train_loss", "val_loss"),
    "PSNR, dB": ("val_psnr", "val_psnr_with_hints"),
    "SSIM": ("val_ssim",),
}


def read_log(folder: Path) -> list[dict[str, str]]:
    """Read a run's log in order, including all times it was resumed."""
    files = (folder / "log").glob("version_*/metrics.csv")
    rows = []
    for path in sorted(files, key=lambda path: int(path.parent.name.removeprefix("version_"))):
        with path.open(newline="") as file:
            rows += csv.DictReader(file)
    return rows


def draw_curves(folder: Path) -> Path:
    """Plot a run's loss, PSNR and SSIM per epoch from its log; return the path of the picture."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in read_log(folder):
        for key in sum(_PANELS.values(), ()):
            if row.get(key):
                series[key].append((int(row["epoch"]) + 1, float(row[key])))
    figure, axes = plt.subplots(1, len(_PANELS), figsize=(15, 4), layout="constrained")
    for axis, (title, keys) in zip(axes, _PANELS.items(), strict=True):
        for key in (key for key in keys if key in series):
            axis.plot(*zip(*series[key], strict=True), marker="o", markersize=3, label=key)
        axis.set(xlabel="epoch", title=title)
        axis.legend()
    path = folder / "curves.png"
    picture = io.BytesIO()
    figure.savefig(picture, dpi=120, format="png")
    write_whole(path, picture.getbuffer())
    plt.close(figure)
    return path


def draw_sheet(model: Colorizer, photos: Tensor, *, count: int = 12) -> Image.Image:
    """Draw original, gray, predicted a and b, and result of (N, S, S, 3) L*a*b* photos."""
    lab = photos[:count].permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        ab = model.predict_ab(lab[:, :1])
    level = torch.full_like(ab[:, :1], 70.0)
    none = torch.zeros_like(level)
    columns = {
        "truth": lab,
        "gray": torch.cat((lab[:, :1], none, none), dim=1),
        "a": torch.cat((level, ab[:, :1], none), dim=1),
        "b": torch.cat((level, none, ab[:, 1:]), dim=1),
        "result": torch.cat((lab[:, :1], ab), dim=1),
    }
    pictures = {name: to_bytes(value).permute(0, 2, 3, 1) for name, value in columns.items()}
    tiles = [
        (name if i == len(lab) - 1 else "", picture[i].numpy())
        for i in range(len(lab))
        for name, picture in pictures.items()
    ]
    return contact_sheet(tiles, columns=len(columns), tile=lab.shape[-1])
