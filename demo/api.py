"""The endpoints for programs. The page's own events are not among them."""

from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

import colorzoo
import compare_layout
import compare_tab
import engine
import photos
import visit
from colorzoo.metrics import colorfulness
from look import problem


def add(choose: compare_layout.Choose, adjust: compare_layout.Adjust) -> None:
    """Add the endpoints; their parameters' types and defaults are those of the page."""
    names = engine.model_names()
    model = gr.Dropdown(names, value=names[0], label="Model", visible=False)
    picture = gr.Image(label="Result", format="png", visible=False)
    pictures = gr.Gallery(label="Results", format="png", visible=False)
    report = gr.JSON(label="Report", visible=False)
    settings = [adjust.saturation, adjust.strength, adjust.work_size, adjust.temperature]
    # Without preprocessing, the file arrives as it was sent (photos.read() checks from where).
    options: dict[str, Any] = {
        "preprocess": False, "concurrency_id": compare_tab.WORK,
        "concurrency_limit": compare_tab.AT_ONCE,
    }  # fmt: skip
    gr.Button(visible=False).click(
        colorize, [choose.photo, model, *settings], picture, api_name="colorize", **options
    )
    gr.Button(visible=False).click(
        compare, [choose.photo, adjust.models, *settings], [pictures, report],
        api_name="compare", **options,
    )  # fmt: skip
    gr.Button(visible=False).click(models, None, report, api_name="models", queue=False)


def models() -> list[dict[str, Any]]:
    """List the models: name, summary, year, parameters, whether temperature changes anything."""
    return [
        {
            "name": name,
            "summary": (info := colorzoo.model_info(name)).summary,
            "year": info.year,
            "parameters": engine.get_model(name).parameter_count,
            "takes_temperature": engine.takes_temperature(name),
        }
        for name in engine.model_names()
    ]


def colorize(
    image: photos.Upload,
    model: str,
    saturation: float,
    strength: float,
    work_size: int,
    temperature: float,
) -> str:
    """Colour a photo with one model; returns a PNG of the photo's size.

    Args:
        image: The photo, a JPEG, PNG, WebP, TIFF, BMP or GIF.
        model: The model's name.
        saturation: Factor on the colour, 0 is gray and 1 is what the model says.
        strength: Share of the result, the rest is the original.
        work_size: Short side at which the model looks, pixels; 0 is the model's own.
        temperature: Of models over colour bins, low is bold; 0 is the model's own.
    """
    (result,) = _run(image, [model], saturation, strength, work_size, temperature)
    _, path, report = result
    if path is None:
        raise problem(f"{model} failed: {report['error']}")
    return path


def compare(
    image: photos.Upload,
    models: list[str],
    saturation: float,
    strength: float,
    work_size: int,
    temperature: float,
) -> tuple[list[tuple[str, str]], dict[str, dict[str, Any]]]:
    """Colour a photo with several models; returns PNGs, and a report on each model.

    Args:
        image: The photo, a JPEG, PNG, WebP, TIFF, BMP or GIF.
        models: The models' names.
        saturation: Factor on the colour, 0 is gray and 1 is what the models say.
        strength: Share of the result, the rest is the original.
        work_size: Short side at which the models look, pixels; 0 is each model's own.
        temperature: Of models over colour bins, low is bold; 0 is each model's own.
    """
    results = _run(image, models, saturation, strength, work_size, temperature)
    pictures = [(path, name) for name, path, _ in results if path is not None]
    return pictures, {name: report for name, _, report in results}


def _run(
    image: photos.Upload,
    names: list[str],
    saturation: float,
    strength: float,
    work_size: int,
    temperature: float,
) -> list[tuple[str, str | None, dict[str, Any]]]:
    """Give each model's name, its picture's path and the report on it."""
    photo = photos.read(image)
    try:
        settings = engine.Settings(saturation, strength, int(work_size), temperature)
        for name in names:
            colorzoo.model_info(name)  # no folders, no Hub ids, nothing that a visitor brought
    except (colorzoo.ColorzooError, TypeError, ValueError) as error:
        raise problem(str(error)) from error
    original = photos.original(photo, photos.kind_of(photo))
    key, results = str((image or {})["path"]), []
    for answer in engine.predict(names, key, photo, settings.work_size):
        if answer.prediction is None:
            results.append((answer.name, None, {"error": answer.error}))
            continue
        picture = engine.render(answer.name, photo, answer.prediction, settings, original)
        path = visit.save(picture, photo, answer.name, ".png")
        cf = round(_colorfulness(picture), 2)
        report = {"seconds": round(answer.seconds, 3), "colourfulness": cf}
        results.append((answer.name, path, report))
    return results


def _colorfulness(picture: Image.Image) -> float:
    """Measure on the size that the page's tiles have: float64 of a large scan takes gigabytes."""
    small = picture.convert("RGB")
    small.thumbnail((visit.TILE_SIDE, visit.TILE_SIDE))
    return colorfulness(np.asarray(small))
