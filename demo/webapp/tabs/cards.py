"""The fourth tab: what each model makes of the examples, and its card."""

import html
import inspect
import json
import re

import gradio as gr

import colorzoo
from colorzoo.evaluation.report import in_words
from webapp import examples, jobs, uploads
from webapp import models as zoo
from webapp import session as sessions
from webapp.tabs.queues import AT_ONCE, WORK
from webapp.theme import problem

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\s*$", re.MULTILINE)


_SHOWN = ("grace-hopper", "astronaut", "summer-palace", "chelsea")
_SIDE = 480  # px


def build(tab: gr.Tab) -> None:
    """Build the tab.

    Args:
        tab: The tab; the pictures are made when it is opened.
    """
    names = zoo.model_names()
    name = gr.Radio(names, value=names[0], label="Model", elem_id="card-of")
    shown = gr.HTML(elem_id="card-pictures", min_height=200)
    text = gr.Markdown(card(names[0]), elem_id="card", container=True)
    name.input(
        card, name, text, queue=False, show_progress="hidden", api_visibility="private"
    )  # fmt: skip
    gr.on(
        [name.input, tab.select], jobs.as_job(pictures), name, shown, show_progress="hidden",
        api_visibility="private", concurrency_id=WORK, concurrency_limit=AT_ONCE,
        trigger_mode="always_last",
    )  # fmt: skip


def pictures(name: str) -> str:
    """Colour examples with a model; HTML."""
    if name not in zoo.model_names():
        raise problem(f"There is no model named {name!r:.80} here.")
    told = []
    for example in _SHOWN:
        upload = {"path": examples.path_of(example)}
        photo = uploads.read(upload)
        answer = next(zoo.predict([name], upload["path"], photo, zoo.Settings()))
        if answer.prediction is None:
            raise problem(f"{name} failed: {answer.error}")
        image = zoo.render(name, uploads.reduce(photo, _SIDE), answer.prediction, zoo.Settings())
        path = sessions.save(image, photo, name, ".jpg")
        alt = f"{examples.TITLES[example]}, coloured by {name}"
        told.append(f'<img src="gradio_api/file={html.escape(path)}" alt="{html.escape(alt)}">')
    return f'<div class="pictures">{"".join(told)}</div>'


def card(name: str) -> str:
    """Return a model's card as Markdown.

    Pictures are removed: they are on the Hub, and this page makes no requests to other machines.
    """
    info = colorzoo.model_info(name)
    text = info.card or _generated(info)
    return _PICTURE.sub("", _FRONT_MATTER.sub("", text)).strip()


def _generated(info: colorzoo.ModelInfo) -> str:
    """Write a card from the registry and the measurements, for a model without one."""
    about = inspect.getdoc(info.family) or ""
    parts = [f"# {info.name}", f"{info.summary} ({info.year}).", about.partition("\n\nArgs:")[0]]
    if info.config:
        parts.append(f"```json\n{json.dumps(dict(info.config), indent=2)}\n```")
    if (theirs := info.published) is not None:
        parts.append(f"Weights: [its authors]({theirs.page}), {theirs.licence}.")
        if theirs.numbers:
            parts.append(
                f"Published by them, not measured here: {in_words(theirs.numbers)} "
                f"({theirs.numbers_source})."
            )
    if info.metrics:
        scores = {key: value for key, value in info.metrics["scores"].items() if value is not None}
        parts.append(
            f"{info.metrics['parameters']:,} parameters. On {info.metrics['photos']} photos of "
            f"{info.metrics['data']}: "
            + ", ".join(f"{key} {value:.4g}" for key, value in scores.items())
            + "."
        )
    return "\n\n".join(parts)
