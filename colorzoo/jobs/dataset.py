"""A callable that colours batches of rows, for Ray Data and Hugging Face datasets.

It needs neither of them. ``colorzoo batch`` colours a folder on a Ray cluster.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image
from typing_extensions import Unpack

from colorzoo.atomic import remove_leftovers
from colorzoo.colorizer import Colorizer
from colorzoo.conditions import with_reference
from colorzoo.defaults import DEFAULT_MODEL, MAX_PIXELS
from colorzoo.errors import FAILURES, ConfigError, ImageError, one_line
from colorzoo.guided.hint_file import HintFile, read_hint_file
from colorzoo.guided.palette import Colors, read_colors
from colorzoo.imaging.formats import WRITABLE
from colorzoo.imaging.read import read_photo
from colorzoo.imaging.write import image_bytes
from colorzoo.jobs.hints import options_for, own_hints
from colorzoo.jobs.pipeline import colorize_jobs
from colorzoo.jobs.plan import How, Job, result_name
from colorzoo.jobs.record import Records
from colorzoo.jobs.settings import config_of, settings_of
from colorzoo.loading import load
from colorzoo.options import Options, check_saturation

__all__ = ["Colorize"]

_COLUMNS = ("bytes", "image", "path")
# Initial values of a row of the results. Never None: datasets infers the type of a column from its
# first values.
_FAILED = {"output": "", "status": "failed", "error": "", "seconds": 0.0, "width": 0, "height": 0}

_Photo = tuple[Any, str | None]  # a photo in any of the accepted forms, and its path


class Colorize:
    """Colours a batch of photos: for ``ray.data.Dataset.map_batches`` and ``datasets`` ``map``.

    The model is loaded with the first batch, once in each worker. Until then, and when pickled, the
    object contains only its arguments.

    A photo is encoded bytes, a path, a PIL image, an array as for :func:`colorzoo.read_photo`, or a
    dict with "bytes" and "path", as ``datasets`` returns it without decoding. Its name is taken
    from the column "path" if there is one, otherwise from the photo itself.

    Args:
        model: A registered name, a folder or "user/repo"; see :func:`colorzoo.load`.
        output: Folder to write results to. Must be absolute if workers have their own working
            folders, as with Ray. If None, results are returned as bytes.
        root: The folder that all paths start with, which ``output`` replaces; None if the paths are
            relative.
        column: The column with the photos; the first of "bytes", "image" and "path" if None.
        keep: Columns to copy to the result, such as an id. "path" is always copied.
        suffix: Format of the returned bytes, as a file suffix.
        revision: Branch, tag or commit on the Hub.
        local_files_only: Never access the network to load the model.
        device: "auto" (CUDA if the worker has it, otherwise the CPU), "cpu", "cuda" or "mps".
        saturation: Factor on ab, 0 to 10: 0 is gray, 1 is what the network predicts.
        work_size: Short side of the network's input, pixels; the model's default if None.
        max_pixels: Largest width * height to accept.
        overwrite: Also replace outputs that have another size, are older than their photo or were
            made with another model or other options, by the record in their folder.
        hint_file: Hints for every photo: a JSON file, see :func:`colorzoo.load_hints`. With "auto",
            the file beside each photo that is given by its path, if there is one: photo.hints.json
            for photo.jpg.
        colors: Named colours for these files, see :func:`colorzoo.load_hints`.
        options: The :class:`colorzoo.Options` that the model supports, such as ``seed=3``.

    Raises:
        ConfigError: If arguments contradict each other, or the file of hints is not valid.
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        *,
        output: str | os.PathLike[str] | None = None,
        root: str | os.PathLike[str] | None = None,
        column: str | None = None,
        keep: Sequence[str] = (),
        suffix: str = ".png",
        revision: str | None = None,
        local_files_only: bool = False,
        device: str = "auto",
        saturation: float = 1.0,
        work_size: int | None = None,
        max_pixels: int = MAX_PIXELS,
        overwrite: bool = False,
        hint_file: str | os.PathLike[str] | HintFile | None = None,
        colors: Colors = None,
        **options: Unpack[Options],
    ) -> None:
        """Store the arguments; nothing is loaded yet."""
        if output is None and (root is not None or overwrite):
            raise ConfigError("root and overwrite need output: pass it, or leave them out")
        if suffix.lower() not in WRITABLE:
            raise ConfigError(f"suffix must be one of {', '.join(sorted(WRITABLE))}, got {suffix}")
        self._name, self._revision, self._device = model, revision, device
        self._local_files_only = local_files_only
        self._output = None if output is None else Path(output).expanduser()
        self._root = None if root is None else PurePath(os.path.expanduser(root))
        self._column, self._keep, self._suffix = column, tuple(keep), suffix
        # Always resume: existing outputs may be from a worker that died while doing this batch.
        is_own = hint_file == "auto"
        if isinstance(hint_file, str | os.PathLike):
            hint_file = None if is_own else read_hint_file(hint_file, colors=colors)
        self._how = How(
            saturation,
            work_size,
            max_pixels,
            overwrite=overwrite,
            resume=True,
            options=options,
            hints=hint_file,
            own_hints=read_colors(colors) if is_own else None,
        )
        self._tidied: set[Path] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Return only the arguments: each worker loads the weights itself."""
        state = {**self.__dict__, "_tidied": set()}
        state.pop("model", None)
        state.pop("_records", None)
        state.pop("_known", None)
        return state

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Colour a batch. If a photo fails, its row says why; the others are still coloured.

        Args:
            batch: Columns by name, lists or arrays of N values.

        Returns:
            Columns by name, with N rows in the order of the batch: the columns of ``keep``; "path"
            if the batch has it; and "error", one line that says why the photo failed, or "".
            Without ``output``, also "coloured", the encoded picture, of the photo's size and with
            its EXIF; empty if it failed. With ``output``, also "output", the file; "status", which
            is "done", "skipped" (a complete output existed), "failed", or "left" (the disk is full
            or the folder cannot be written to); "seconds"; and "width" and "height" of the result,
            0 if unknown.

        Raises:
            ConfigError: If the batch has no column of photos, or the model does not support an
                option.
            ValueError: If saturation or work_size is out of range.
            ColorzooError: If the model cannot be loaded, see :func:`colorzoo.load`.
        """
        column = self._column or next((each for each in _COLUMNS if each in batch), None)
        if column is None or column not in batch:
            raise ConfigError(
                f"the batch has the columns {', '.join(map(repr, batch)) or 'none'}, expected "
                f"{' or '.join(map(repr, [column] if column else _COLUMNS))}; pass the name of the "
                "column with the photos as column="
            )
        kept = {name: batch[name] for name in dict.fromkeys(self._keep)}
        if "path" in batch:
            kept["path"] = batch["path"]
        values = list(batch[column])
        names = list(batch["path"]) if "path" in batch else [None] * len(values)
        colour = self._hand_back if self._output is None else self._write
        return {**kept, **colour(self.model, list(zip(values, names, strict=True)))}

    @cached_property
    def model(self) -> Colorizer:
        """The model, loaded at first access; the settings are tested at the same time."""
        model = load(
            self._name,
            revision=self._revision,
            local_files_only=self._local_files_only,
            device=self._device,
        )
        # Invalid settings should fail now, not for every photo.
        model.check(**self._how.options)
        model.predict(read_photo(np.zeros((8, 8), np.uint8)), work_size=self._how.work_size)
        check_saturation(self._how.saturation)
        return model

    @cached_property
    def _records(self) -> Records:
        settings = settings_of(str(self._name), self.model, self._how)
        return Records({**settings, "config": config_of(self.model)})

    @cached_property
    def _known(self) -> How:
        """The settings, with a reference that was read."""
        return replace(self._how, options=with_reference(self._how.options))

    def _colour(self, model: Colorizer, job: Job) -> Image.Image:
        how = self._known
        photo = job.read(max_pixels=how.max_pixels)
        height, width = photo.rgb.shape[:2]
        options = options_for(photo.name, how, own_hints(job, how), width, height)
        return model.colorize_photo(
            photo, saturation=how.saturation, work_size=how.work_size, **options
        )

    def _hand_back(self, model: Colorizer, photos: list[_Photo]) -> dict[str, list[Any]]:
        coloured, errors = [b""] * len(photos), [""] * len(photos)
        for i, (value, name) in enumerate(photos):
            try:
                coloured[i] = image_bytes(self._colour(model, _job(value, name)), self._suffix)
            except FAILURES as error:
                errors[i] = one_line(error)
        return {"coloured": coloured, "error": errors}

    def _write(self, model: Colorizer, photos: list[_Photo]) -> dict[str, list[Any]]:
        rows = [dict(_FAILED) for _ in photos]
        by_job: dict[int, dict[str, Any]] = {}  # by id(): two rows may be the same photo
        jobs: list[Job] = []
        for row, (value, name) in zip(rows, photos, strict=True):
            try:
                job = _job(value, name)
                job = replace(job, target=self._target(job.target), within=self._output)
            except ImageError as error:
                row["error"] = one_line(error)
                continue
            jobs.append(job)
            by_job[id(job)] = row
        for folder in {job.target.parent for job in jobs} - self._tidied:
            # Only once: listing a folder of a million files takes long.
            remove_leftovers(folder, within=self._output)
            self._tidied.add(folder)
        outcomes = colorize_jobs(model, jobs, self._known, records=self._records, tidy=False)
        with closing(outcomes):
            for outcome in outcomes:
                is_there = outcome.status in ("done", "skipped")
                width, height = outcome.size or (0, 0)
                by_job[id(outcome.job)].update(
                    output=str(outcome.job.target) if is_there else "",
                    status=outcome.status,
                    error="" if is_there else outcome.reason or "",
                    seconds=outcome.seconds,
                    width=width,
                    height=height,
                )
        return {name: [row[name] for row in rows] for name in _FAILED}

    def _target(self, path: PurePath) -> Path:
        """Return the path in the output folder for a photo's path."""
        assert self._output is not None
        inside = path
        if self._root is not None:
            try:
                inside = path.relative_to(self._root)
            except ValueError:
                raise ImageError(
                    f"{path} does not start with {self._root}; pass root=, the folder that all "
                    "paths start with"
                ) from None
        if inside.is_absolute() or ".." in inside.parts or not inside.name:
            raise ImageError(
                f"{path} can't be mapped into {self._output}; pass root=, the folder that all "
                "paths start with"
            )
        return self._output / result_name(Path(inside))


def _job(value: Any, path: str | None) -> Job:
    """Turn the value of a row into a job; its target is the photo's path, or "" if unknown.

    Raises:
        ImageError: If the value is not a photo.
    """
    if isinstance(value, Mapping):
        path = path or value.get("path")
        data = value.get("bytes")
        value = value.get("path") if data is None else data
    if isinstance(value, str | os.PathLike):
        return Job(Path(value), Path(path or os.fspath(value)))
    path = str(path or getattr(value, "filename", ""))  # PIL images may have one
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if isinstance(value, bytes | Image.Image | np.ndarray):
        return Job(Path(path or "photo"), Path(path), data=value)
    raise ImageError(
        f"{path or 'photo'}: the row contains {type(value).__name__}, expected bytes, a path, a "
        'PIL image, an array or a dict with "bytes" and "path"'
    )
