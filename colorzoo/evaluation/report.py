"""Measure a model on a folder or an archive of photos: the report, its table and its sheet."""

import io
import platform
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from rich.table import Table

from colorzoo.colorizer import Colorizer
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ImageError
from colorzoo.evaluation import metrics
from colorzoo.gallery import contact_sheet
from colorzoo.imaging.formats import SUFFIXES, is_photo_name, photos_below
from colorzoo.imaging.kind import kind_of
from colorzoo.imaging.read import read_photo

SHEET_PHOTOS = 24


class Column(NamedTuple):
    """How a score is shown.

    Attributes:
        heading: Over a column of a table.
        digits: After the decimal point.
        name: Its name in full.
        better: An arrow towards better values; empty where neither direction is better.
    """

    heading: str
    digits: int
    name: str
    better: str = ""


# By the field of Scores.
COLUMNS = {
    "psnr": Column("PSNR dB", 2, "PSNR, dB", "↑"),
    "ssim": Column("SSIM", 4, "SSIM", "↑"),
    "cf": Column("CF", 1, "Colourfulness"),
    "delta_cf": Column("ΔCF", 1, "Distance of colourfulness from the truth", "↓"),
    "auc": Column("AuC %", 2, "AuC, %", "↑"),
    "auc_rebalanced": Column("rebalanced AuC %", 2, "Rebalanced AuC, %", "↑"),
    "mse_ab": Column("MSE ab", 1, "Mean squared error of ab", "↓"),
    "lpips": Column("LPIPS", 4, "LPIPS", "↓"),
    "fid": Column("FID", 2, "FID", "↓"),
}


@dataclass(frozen=True, eq=False)
class Report:
    """What was measured, of which model, on what.

    Attributes:
        name: What the model was called by.
        model: The model.
        data: The folder or archive of photos.
        evaluation: The numbers.
        unreadable: A line for each file that was left out: damaged, or black and white.
        sheet: The first photos: black and white, result, truth.
    """

    name: str
    model: Colorizer
    data: Path
    evaluation: metrics.Evaluation
    unreadable: tuple[str, ...]
    sheet: Image.Image

    def as_json(self) -> dict[str, Any]:
        """Give what metrics.json holds."""
        return {
            "model": self.name,
            "parameters": self.model.parameter_count,
            "work_size": self.model.work_size,
            "data": self.data.resolve().name,
            "photos": self.evaluation.photos,
            "unreadable": len(self.unreadable),
            "protocol": metrics.PROTOCOL,
            "scores": _rounded(self.evaluation.scores),
            "gray": _rounded(self.evaluation.gray),
            "milliseconds": round(self.evaluation.milliseconds, 2),
            "hardware": hardware(next(self.model.parameters()).device),
        }


def evaluate_model(
    model: Colorizer,
    name: str,
    data: Path,
    *,
    measures: Mapping[str, metrics.Measure] | None = None,
    skip: Path | None = None,
    max_pixels: int = MAX_PIXELS,
    track: Callable[[Iterable[np.ndarray]], Iterable[np.ndarray]] = iter,
) -> Report:
    """Measure a model and the gray baseline on the same photos.

    Args:
        model: The model, on the device where it shall run.
        name: What to call it.
        data: A folder of colour photos, a photo, or a tar archive of photos.
        measures: LPIPS and FID from :func:`colorzoo.perceptual.find_measures`.
        skip: A folder inside ``data`` that is left out.
        max_pixels: Largest width * height of a photo to accept.
        track: Wraps the photos, to show progress.

    Returns:
        The report.

    Raises:
        ImageError: If there is no such folder or file, it is no intact archive, or none of its
            photos can be read. One that cannot is named in the report and costs no other.
    """
    unreadable: list[str] = []
    sheet = _Sheet()
    photos = read_photos(data, unreadable, skip=skip, max_pixels=max_pixels, coloured=True)
    first = next(photos, None)
    if first is None:
        raise ImageError(_nothing_to_read(data, unreadable))
    evaluation = metrics.evaluate(
        lambda picture: np.asarray(model.colorize(picture)),
        track(chain([first], photos)),
        measures=measures,
        watch=sheet.add,
    )
    return Report(name, model, data, evaluation, tuple(unreadable), sheet.draw())


def read_photos(
    data: Path,
    unreadable: list[str],
    *,
    skip: Path | None = None,
    max_pixels: int = MAX_PIXELS,
    coloured: bool = False,
) -> Iterator[np.ndarray]:
    """Yield photos one at a time, in the order of their names or of the archive.

    Args:
        data: A folder, a photo, or a tar archive; other files in them are passed over.
        unreadable: A line is added for each photo that cannot be read.
        skip: A folder inside ``data`` that is left out.
        max_pixels: Largest width * height of a photo to accept.
        coloured: Leave black-and-white photos out, with a line too: they have no colours to
            compare with.

    Yields:
        (H, W, 3) uint8 sRGB.

    Raises:
        ImageError: If there is no such folder or file, or it is no intact archive.
    """
    if data.is_dir():
        sources: Iterable[Path | _Member] = photos_below(data, skip=skip)
    elif not data.exists():
        raise ImageError(f"{data}: there is no such folder or file; check the path")
    elif data.suffix.lower() in SUFFIXES:
        sources = [data]
    else:
        sources = _tar_members(data)
    for source in sources:
        try:
            photo = read_photo(source, max_pixels=max_pixels)
        except ImageError as error:
            unreadable.append(" ".join(str(error).split()))
            continue
        if coloured and kind_of(photo.rgb) == "gray":
            unreadable.append(f"{photo.name}: is black and white, so it has no colours to find")
        else:
            yield photo.rgb


def short_count(count: int) -> str:
    """Shorten a number of parameters: 1.9M, 9.5K, 12."""
    for unit, letter in ((1e6, "M"), (1e3, "K")):
        if count >= unit:
            return f"{count / unit:.1f}{letter}"
    return str(count)


def scores_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """Lay scores out for the terminal, a row each; columns that no row has are left out.

    Args:
        rows: The scores of metrics.json by what to call them.
    """
    shown = [key for key in COLUMNS if any(key in scores for scores in rows.values())]
    table = Table("", box=None)
    for key in shown:
        table.add_column(COLUMNS[key].heading, justify="right")
    for name, scores in rows.items():
        cells = (
            f"{scores[key]:.{COLUMNS[key].digits}f}" if scores.get(key) is not None else "-"
            for key in shown
        )
        table.add_row(name, *cells)
    return table


def hardware(device: torch.device) -> str:
    """Name the processor that a time was taken on, and how many threads torch uses."""
    name = platform.processor() or platform.machine() or "CPU"
    if device.type != "cpu":
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


class _Sheet:
    """The first photos of an evaluation, two a row."""

    def __init__(self) -> None:
        self._rows: list[dict[str, np.ndarray]] = []

    def add(self, gray: np.ndarray, result: np.ndarray, truth: np.ndarray) -> None:
        if len(self._rows) < SHEET_PHOTOS:
            self._rows.append({"black and white": gray, "result": result, "truth": truth})

    def draw(self) -> Image.Image:
        abreast = min(len(self._rows), 2)
        labelled = len(self._rows) - abreast  # the lowest of each column
        tiles = [
            (label if i >= labelled else "", picture)
            for i, row in enumerate(self._rows)
            for label, picture in row.items()
        ]
        return contact_sheet(tiles, columns=3 * abreast, tile=192)


def _rounded(scores: metrics.Scores) -> dict[str, float]:
    return {key: round(value, 4) for key, value in asdict(scores).items() if value is not None}


def _nothing_to_read(data: Path, unreadable: list[str]) -> str:
    if not unreadable:
        return (
            f"{data} holds no photo ({', '.join(sorted(SUFFIXES))}); name a folder or tar of some"
        )
    return f"none of the {len(unreadable)} photos of {data} can be measured: {unreadable[0]}"


class _Member(io.BytesIO):
    """A file of an archive, with the name that messages about it shall give."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _tar_members(path: Path) -> Iterator[_Member]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file and is_photo_name(PurePath(member.name)):
                    yield _Member(file.read(), member.name)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ImageError(
            f"{path.name}: is no intact tar archive ({error}), expected a folder or a tar of "
            "photos; fetch it again"
        ) from error
