"""The endpoints for programs. The page's own events are not among them."""

from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

import colorzoo
from colorzoo.evaluation.metrics import colorfulness
from webapp import models as zoo
from webapp import session as sessions
from webapp import uploads
from webapp.tabs import compare, compare_layout
from webapp.theme import problem


def add(choose: compare_layout.Choose, adjust: compare_layout.Adjust) -> None:
    """Add the endpoints; their parameters' types and defaults are those of the page."""
    names = zoo.model_names()
    model = gr.Dropdown(names, value=names[0], label="Model", visible=False)
    picture = gr.Image(label="Result", format="png", visible=False)
    pictures = gr.Gallery(label="Results", format="png", visible=False)
    report = gr.JSON(label="Report", visible=False)
    seed = gr.Number(zoo.NOT_DRAWN, precision=0, label="Seed", visible=False)
    settings = [adjust.saturation, adjust.strength, adjust.work_size, adjust.temperature]
    # Without preprocessing, the file arrives as it was sent (uploads.read() checks from where).
    options: dict[str, Any] = {
        "preprocess": False, "concurrency_id": compare.WORK,
        "concurrency_limit": compare.AT_ONCE,
    }  # fmt: skip
    gr.Button(visible=False).click(
        colorize, [choose.photo, model, *settings, seed], picture,
        api_name="colorize", **options,
    )  # fmt: skip
    gr.Button(visible=False).click(
        compare, [choose.photo, adjust.models, *settings, adjust.samples], [pictures, report],
        api_name="compare", **options,
    )  # fmt: skip
    gr.Button(visible=False).click(models, None, report, api_name="models", queue=False)


def models() -> list[dict[str, Any]]:
    """List the models: name, summary, year, parameters; whether they take temperature, samples."""
    return [
        {
            "name": name,
            "summary": (info := colorzoo.model_info(name)).summary,
            "year": info.year,
            "parameters": zoo.get_model(name).parameter_count,
            "takes_temperature": zoo.has_bins(name),
            "takes_samples": zoo.has_bins(name),
        }
        for name in zoo.model_names()
    ]


def colorize(
    image: uploads.Upload,
    model: str,
    saturation: float,
    strength: float,
    work_size: int,
    temperature: float,
    seed: int,
) -> str:
    """Colour a photo with one model; returns a PNG of the photo's size.

    Args:
        image: The photo, a JPEG, PNG, WebP, TIFF, BMP or GIF.
        model: The model's name.
        saturation: Factor on the colour, 0 is gray and 1 is what the model says.
        strength: Share of the result, the rest is the original.
        work_size: Short side at which the model looks, pixels; 0 is the model's own.
        temperature: Of models over colour bins, low is bold; 0 is the model's own.
        seed: Of models over colour bins, which of the possible colourings to draw; -1 draws none.
    """
    (result,) = _run(image, [model], saturation, strength, work_size, temperature, seed=seed)
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
    temperature: float,
    samples: int,
) -> tuple[list[tuple[str, str]], dict[str, dict[str, Any]]]:
    """Colour a photo with several models; returns PNGs, and a report on each model.

    Args:
        image: The photo, a JPEG, PNG, WebP, TIFF, BMP or GIF.
        models: The models' names.
        saturation: Factor on the colour, 0 is gray and 1 is what the models say.
        strength: Share of the result, the rest is the original.
        work_size: Short side at which the models look, pixels; 0 is each model's own.
        temperature: Of models over colour bins, low is bold; 0 is each model's own.
        samples: How many colourings to draw besides from each model over colour bins, 0 to 6; the
            report tells the seed of each.
    """
    results = _run(image, models, saturation, strength, work_size, temperature, samples=samples)
    pictures = [(path, name) for name, path, _ in results if path is not None]
    return pictures, {name: report for name, _, report in results}


def _run(
    image: uploads.Upload,
    names: list[str],
    saturation: float,
    strength: float,
    work_size: int,
    temperature: float,
    *,
    seed: int = zoo.NOT_DRAWN,
    samples: int = 0,
) -> list[tuple[str, str | None, dict[str, Any]]]:
    """Give each picture's name, its path and the report on it."""
    photo = uploads.read(image)
    try:
        settings = zoo.Settings(saturation, strength, int(work_size), temperature, seed)
        drawn = [replace(settings, seed=each) for each in zoo.seeds(samples)[1:]]
        for name in names:
            draws = zoo.has_bins(name)  # no folders, no Hub ids, nothing that a visitor brought
            if seed != zoo.NOT_DRAWN and not draws:
                fitting = ", ".join(filter(zoo.has_bins, zoo.model_names()))
                raise colorzoo.ConfigError(
                    f"{name} takes no seed, got {seed}: send -1, or choose one of {fitting}."
                )
    except (colorzoo.ColorzooError, TypeError, ValueError) as error:
        raise problem(str(error)) from error
    original = uploads.original(photo, uploads.kind_of(photo))
    key, results = str((image or {})["path"]), []
    for answer in zoo.predict(names, key, photo, settings.work_size):
        if answer.prediction is None:
            results.append((answer.name, None, {"error": answer.error}))
            continue
        for each in [settings, *drawn] if answer.draws else [settings]:
            picture = zoo.render(answer.name, photo, answer.prediction, each, original)
            name = zoo.picture_name(answer.name, each.seed)
            path = sessions.save(picture, photo, name, ".png")
            report: dict[str, Any] = {"colourfulness": round(_colorfulness(picture), 2)}
            if each.seed == zoo.NOT_DRAWN:
                report["seconds"] = round(answer.seconds, 3)
            else:
                report |= {"model": answer.name, "seed": each.seed}
            results.append((name, path, report))
    return results


def _colorfulness(picture: Image.Image) -> float:
    """Measure on the size that the page's tiles have: float64 of a large scan takes gigabytes."""
    small = picture.convert("RGB")
    small.thumbnail((sessions.TILE_SIDE, sessions.TILE_SIDE))
    return colorfulness(np.asarray(small))
