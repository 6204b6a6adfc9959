"""The third tab: every model's card."""

import inspect
import json
import re

import gradio as gr

import colorzoo
from webapp import models as zoo

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\s*$", re.MULTILINE)


def build() -> None:
    """Lay the tab out."""
    names = zoo.model_names()
    name = gr.Radio(names, value=names[0], label="Model", elem_id="card-of")
    text = gr.Markdown(card(names[0]), elem_id="card", container=True)
    name.input(
        card, name, text, queue=False, show_progress="hidden", api_visibility="private"
    )  # fmt: skip


def card(name: str) -> str:
    """Give a model's card as Markdown.

    Its pictures are left out: they are on the Hub, and this page asks no other machine.
    """
    info = colorzoo.model_info(name)
    text = info.card or _generated(info)
    return _PICTURE.sub("", _FRONT_MATTER.sub("", text)).strip()


def _generated(info: colorzoo.ModelInfo) -> str:
    """Write what the registry and the measurements tell, for a model without a card."""
    about = inspect.getdoc(info.family) or ""
    parts = [f"# {info.name}", f"{info.summary} ({info.year}).", about.partition("\n\nArgs:")[0]]
    if info.config:
        parts.append(f"```json\n{json.dumps(dict(info.config), indent=2)}\n```")
    if info.metrics:
        scores = {key: value for key, value in info.metrics["scores"].items() if value is not None}
        parts.append(
            f"{info.metrics['parameters']:,} parameters. On {info.metrics['photos']} photos of "
            f"{info.metrics['data']}: "
            + ", ".join(f"{key} {value:.4g}" for key, value in scores.items())
            + "."
        )
    return "\n\n".join(parts)
