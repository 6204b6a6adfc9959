"""The third tab: the model cards."""

import inspect
import json
import re

import gradio as gr

import colorzoo
from colorzoo.evaluation.report import in_words
from webapp import models as zoo

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\s*$", re.MULTILINE)


def build() -> None:
    """Build the tab."""
    names = zoo.model_names()
    name = gr.Radio(names, value=names[0], label="Model", elem_id="card-of")
    text = gr.Markdown(card(names[0]), elem_id="card", container=True)
    name.input(
        card, name, text, queue=False, show_progress="hidden", api_visibility="private"
    )  # fmt: skip


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
