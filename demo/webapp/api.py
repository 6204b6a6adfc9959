"""The API endpoints for programs. The events of the page are private."""

from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

import colorzoo
from colorzoo.evaluation.metrics import colorfulness
from colorzoo.guided.hints import check_places
from colorzoo.imaging.kind import kind_of
from webapp import jobs, uploads
from webapp import models as zoo
from webapp import session as sessions
from webapp.tabs import compare_layout, queues
from webapp.theme import problem


def add(adjust: compare_layout.Adjust) -> None:
    """Add the endpoints; types and defaults of their parameters are those of the page."""
    names = zoo.model_names()
    photo = _photo("Photo")
    model = gr.Dropdown(names, value=names[0], label="Model", visible=False)
    picture = gr.Image(label="Result", format="png", visible=False)
    pictures = gr.Gallery(label="Results", format="png", visible=False)
    report = gr.JSON(label="Report", visible=False)
    seed = gr.Number(zoo.NOT_SAMPLED, precision=0, label="Seed", visible=False)
    steps = gr.Number(0, precision=0, label="Steps", visible=False)
    hints = gr.JSON([], label="Hints", visible=False)
    reference = _photo("Reference")
    settings = [adjust.saturation, adjust.strength, adjust.work_size, adjust.vividness]
    # Without preprocessing, uploaded files arrive unchanged (uploads.read() checks their paths).
    options: dict[str, Any] = {
        "preprocess": False, "concurrency_id": queues.WORK,
        "concurrency_limit": queues.AT_ONCE,
    }  # fmt: skip
    gr.Button(visible=False).click(
        jobs.as_job(colorize),
        [photo, model, *settings, seed, steps, hints, reference], picture,
        api_name="colorize", **options,
    )  # fmt: skip
    gr.Button(visible=False).click(
        jobs.as_job(compare),
        [photo, adjust.models, *settings, adjust.samples, steps, hints, reference],
        [pictures, report], api_name="compare", **options,
    )  # fmt: skip
    gr.Button(visible=False).click(models, None, report, api_name="models", queue=False)


def _photo(label: str) -> gr.Image:
    """Make the input for a program's photo, which ``uploads`` checks.

    Gradio itself refuses what is no file without words.
    """
    photo = gr.Image(label=label, type="filepath", visible=False)
    known = photo.api_info()
    vars(photo).update(data_model=None, api_info=lambda: known)
    return photo


def models() -> list[dict[str, Any]]:
    """List the models: name, summary, year, parameters, and which options they support."""
    return [
        {
            "name": name,
            "summary": (info := colorzoo.model_info(name)).summary,
            "year": info.year,
            "parameters": (model := zoo.get_model(name)).parameter_count,
            "options": sorted(model.options),
        }
        for name in zoo.model_names()
    ]


def colorize(
    image: uploads.Upload,
    model: str,
    saturation: float,
    strength: float,
    work_size: int,
    vividness: float,
    seed: int,
    steps: int,
    hints: Any,
    reference: uploads.Upload = None,
) -> str:
    """Colour a photo with one model; returns a PNG of the photo's size.

    Args:
        image: The photo, a JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF or JPEG 2000.
        model: The model's name.
        saturation: Factor on the colours: 0 is gray, 1 is what the model predicts.
        strength: Share of the result, from 0 to 1; the rest is the original.
        work_size: Short side of the network's input, pixels; 0 means the model's default.
        vividness: For models that support it: from 0, careful, to 1, vivid; 0.5 means the model's
            default.
        seed: For models that support it: which plausible result to sample; -1 means the default
            result.
        steps: For models that support it: number of sampling steps; 0 means the model's default.
        hints: A list of [x, y, color] or [x, y, color, radius], in pixels of the photo, with
            "#rrggbb", a CSS name or null for gray.
        reference: For models that support one: a colour photo whose colours to use.
    """
    settings = _settings(saturation, strength, work_size, vividness, seed, steps, hints, reference)
    (result,) = _run(image, [model], settings, samples=0)
    _, path, report = result
    if path is None:
        raise problem(f"{model} failed: {report['error']}")
    return path


def compare(
    image: uploads.Upload,
    models: list[str],
    saturation: float,
    strength: float,
    work_size: int,
    vividness: float,
    samples: int,
    steps: int,
    hints: Any,
    reference: uploads.Upload = None,
) -> tuple[list[tuple[str, str]], dict[str, dict[str, Any]]]:
    """Colour a photo with several models; returns PNGs, and a report on each model.

    Models that do not support an option ignore it.

    Args:
        image: The photo, a JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF or JPEG 2000.
        models: The models' names.
        saturation: Factor on the colours: 0 is gray, 1 is what the models predict.
        strength: Share of the result, from 0 to 1; the rest is the original.
        work_size: Short side of the networks' input, pixels; 0 means each model's default.
        vividness: From 0, careful, to 1, vivid; 0.5 means each model's default.
        samples: How many more plausible results to sample from each model that supports seeds, 0 to
            6; the report has the seed of each.
        steps: Number of sampling steps; 0 means each model's default.
        hints: A list of [x, y, color] or [x, y, color, radius], see /colorize.
        reference: A colour photo whose colours to use.
    """
    settings = _settings(
        saturation, strength, work_size, vividness, zoo.NOT_SAMPLED, steps, hints, reference
    )
    results = _run(image, models, settings, samples=samples)
    pictures = [(path, name) for name, path, _ in results if path is not None]
    return pictures, {name: report for name, _, report in results}


def _settings(
    saturation: float,
    strength: float,
    work_size: int,
    vividness: float,
    seed: int,
    steps: int,
    hints: Any,
    reference: uploads.Upload,
) -> zoo.Settings:
    """Check the settings that a program sent.

    Raises:
        gr.Error: If something is out of range; the message is for the author of the program.
    """
    path = str(uploads.checked_path(reference)) if reference else None
    try:
        size = int(work_size) if str(work_size).isdecimal() else work_size  # the page has texts
        return zoo.Settings(
            saturation, strength, size, vividness, seed, steps, zoo.hints_of(hints), path
        )
    except (colorzoo.ColorzooError, TypeError, ValueError) as error:
        raise problem(str(error)) from error


def _run(
    image: uploads.Upload, names: list[str], settings: zoo.Settings, *, samples: int
) -> list[tuple[str, str | None, dict[str, Any]]]:
    """Return the name, path and report of each picture; the path is None if the model failed."""
    photo = uploads.read(image)
    try:
        check_places(settings.hints, photo.rgb.shape[1], photo.rgb.shape[0])
        sampled = [replace(settings, seed=each) for each in zoo.seeds(samples)[1:]]
        if not isinstance(names or [], list):
            raise colorzoo.ConfigError(f"models must be a list of names, got {names!r:.80}.")
        if not names:
            raise colorzoo.ConfigError("Choose at least one model; /models lists them.")
        known = zoo.model_names()
        for name in names:  # no folders, Hub ids or models that visitors added
            if name not in known:
                raise colorzoo.ConfigError(
                    f"There is no model named {name!r} here, only {', '.join(known)}."
                )
        if len(names) == 1:  # with several models, each ignores what it does not support
            zoo.get_model(names[0]).check(**settings.options)
    except (colorzoo.ColorzooError, TypeError, ValueError) as error:
        raise problem(str(error)) from error
    original = uploads.original(photo, kind_of(photo.rgb))
    key, results = str((image or {})["path"]), []
    for answer in zoo.predict(names, key, photo, settings):
        if answer.prediction is None:
            results.append((answer.name, None, {"error": answer.error}))
            continue
        for each in [settings, *sampled] if zoo.takes(answer.name, "seed") else [settings]:
            (said,) = [answer] if each is settings else zoo.predict([answer.name], key, photo, each)
            if said.prediction is None:
                continue
            picture = zoo.render(answer.name, photo, said.prediction, each, original)
            name = zoo.picture_name(answer.name, each.seed)
            path = sessions.save(picture, photo, name, ".png")
            report: dict[str, Any] = {"colourfulness": round(_colorfulness(picture), 2)}
            if each is settings:
                report["seconds"] = round(answer.seconds, 3)
            else:
                report |= {"model": answer.name, "seed": each.seed}
            results.append((name, path, report))
    return results


def _colorfulness(picture: Image.Image) -> float:
    """Measure at the size of the page's tiles: a large scan in float64 would take gigabytes."""
    small = picture.convert("RGB")
    small.thumbnail((sessions.TILE_SIDE, sessions.TILE_SIDE))
    return colorfulness(np.asarray(small))
