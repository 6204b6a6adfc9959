"""Measure a model on a folder or archive of photos: report, table and sheet of pictures."""

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
from colorzoo.errors import ImageError, as_given
from colorzoo.evaluation import metrics
from colorzoo.files import regular_only
from colorzoo.gallery import contact_sheet
from colorzoo.imaging.formats import SUFFIXES, is_photo_name, photos_below
from colorzoo.imaging.kind import kind_of
from colorzoo.imaging.read import read_file, read_photo

SHEET_PHOTOS = 24


class Column(NamedTuple):
    """How a score is shown.

    Attributes:
        heading: Heading of the column.
        digits: Digits after the decimal point.
        name: Full name.
        better: Arrow in the direction of better values; empty if neither is better.
    """

    heading: str
    digits: int
    name: str
    better: str = ""


# By the name of the field in Scores.
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


def in_words(numbers: Mapping[str, float]) -> str:
    """Return numbers with their headings, such as "FID 4.38, CF 37.7"; other names are kept."""
    return ", ".join(
        f"{COLUMNS[key].heading if key in COLUMNS else key} {value:g}"
        for key, value in numbers.items()
    )


@dataclass(frozen=True, eq=False)
class Report:
    """The measurement of one model.

    Attributes:
        name: The name under which the model was loaded.
        model: The model.
        data: The folder or archive of photos.
        evaluation: The scores.
        unreadable: One line per skipped file: damaged, or black and white.
        sheet: The first photos: black and white, result, original.
    """

    name: str
    model: Colorizer
    data: Path
    evaluation: metrics.Evaluation
    unreadable: tuple[str, ...]
    sheet: Image.Image

    def as_json(self) -> dict[str, Any]:
        """Return the content of metrics.json."""
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
            "hardware": hardware(self.model.device),
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
        model: The model, on the device where it should run.
        name: The name to show for it.
        data: A folder of colour photos, a photo, or a tar archive of photos.
        measures: LPIPS and FID from :func:`colorzoo.evaluation.perceptual.find_measures`.
        skip: A subfolder of ``data`` to skip.
        max_pixels: Largest width * height of a photo to accept.
        track: Wraps the photos, to show progress.

    Returns:
        The report. Unreadable photos are listed in it and skipped.

    Raises:
        ImageError: If the folder or file is missing, the archive is damaged, or none of the photos
            can be read.
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
        data: A folder, a photo, or a tar archive; other files inside it are ignored.
        unreadable: A line is appended for each photo that cannot be read.
        skip: A subfolder of ``data`` to skip.
        max_pixels: Largest width * height of a photo to accept.
        coloured: Also skip black-and-white photos, with a line for each: they have no colours to
            compare with.

    Yields:
        (H, W, 3) uint8 sRGB.

    Raises:
        ImageError: If the folder or file is missing, or the archive is damaged.
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
            if isinstance(source, Path):
                photo = read_file(source, max_pixels=max_pixels)
            else:
                photo = read_photo(source, max_pixels=max_pixels)
        except ImageError as error:
            message = " ".join(str(error).split())
            unreadable.append(as_given(message, source) if isinstance(source, Path) else message)
            continue
        if coloured and kind_of(photo.rgb) == "gray":
            name = source if isinstance(source, Path) else photo.name
            unreadable.append(f"{name}: is black and white, without colours to compare with")
        else:
            yield photo.rgb


def short_count(count: int) -> str:
    """Shorten a number of parameters: 1.9M, 9.5K, 12."""
    for unit, letter in ((1e6, "M"), (1e3, "K")):
        if count >= unit:
            return f"{count / unit:.1f}{letter}"
    return str(count)


def scores_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """Make a table of scores for the terminal, without columns that are empty in all rows.

    Args:
        rows: Scores as in metrics.json, by the label of the row.
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
    """Return the name of the processor or GPU, and the number of threads that torch uses."""
    name = platform.processor() or platform.machine() or "CPU"
    if device.type != "cpu":
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


class _Sheet:
    """The first photos of an evaluation, two per row."""

    def __init__(self) -> None:
        self._rows: list[dict[str, np.ndarray]] = []

    def add(self, gray: np.ndarray, result: np.ndarray, truth: np.ndarray) -> None:
        if len(self._rows) < SHEET_PHOTOS:
            self._rows.append({"black and white": gray, "result": result, "truth": truth})

    def draw(self) -> Image.Image:
        abreast = min(len(self._rows), 2)
        labelled = len(self._rows) - abreast  # only the lowest row has labels
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
            f"{data} has no photos ({', '.join(sorted(SUFFIXES))}); give a folder or tar of photos"
        )
    return f"none of the {len(unreadable)} photos in {data} can be measured: {unreadable[0]}"


class _Member(io.BytesIO):
    """A file from an archive, with its name for messages."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _tar_members(path: Path) -> Iterator[_Member]:
    try:
        with (
            open(path, "rb", opener=regular_only) as stream,
            tarfile.open(fileobj=stream) as archive,
        ):
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file and is_photo_name(PurePath(member.name)):
                    yield _Member(file.read(), member.name)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ImageError(
            f"{path.name}: is not an intact tar archive ({error}), expected a folder or a tar of "
            "photos; copy it again"
        ) from error
