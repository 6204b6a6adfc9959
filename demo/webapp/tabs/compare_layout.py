"""The layout of the second tab; compare.py has its event handlers."""

from dataclasses import dataclass

import gradio as gr

from webapp import hub_models, page
from webapp import models as zoo
from webapp.session import BEFORE
from webapp.theme import status

NOTHING = "No photo yet: choose one, or an example, under “Colour”."
NO_MODEL = "No model is ticked: tick at least one under “Models”."


@dataclass(frozen=True)
class Adjust:
    """The components for settings and models."""

    models: gr.CheckboxGroup
    saturation: gr.Slider
    strength: gr.Slider
    work_size: gr.Radio
    vividness: gr.Slider
    samples: gr.Slider
    repo_id: gr.Textbox
    bring: gr.Button
    brought: gr.HTML


@dataclass(frozen=True)
class Results:
    """The components for results."""

    line: gr.HTML
    slider: gr.HTML
    share: gr.Slider
    left: gr.Dropdown
    right: gr.Dropdown
    about: gr.Markdown
    png: gr.Button
    archive: gr.Button
    sheet: gr.Button
    file: gr.DownloadButton
    gallery: gr.Gallery
    truth: gr.Checkbox
    numbers: gr.HTML


def lay_out() -> tuple[Adjust, Results]:
    """Create the components of the tab."""
    with gr.Row(elem_id="bench"):
        with gr.Column(elem_id="results"):
            results = _lay_out_results()
        with gr.Column(elem_id="adjust"):
            adjust = _lay_out_controls()
    return adjust, results


def _lay_out_results() -> Results:
    line = gr.HTML(status(NOTHING), elem_id="status")
    slider = gr.HTML(
        None, html_template='<div class="cz-lab"><div class="view"></div></div>',
        apply_default_css=False, elem_id="slider", js_on_load=page.text("viewer.js", "pair.js"),
    )  # fmt: skip
    with gr.Row(elem_id="pair"):
        left = gr.Dropdown([BEFORE], value=BEFORE, label="Left", elem_id="left", min_width=140)
        share = gr.Slider(
            0, 100, 10, step=1, label="Dividing line, %", elem_id="share",
            buttons=[], min_width=160,
        )  # fmt: skip
        right = gr.Dropdown([BEFORE], value=BEFORE, label="Right", elem_id="right", min_width=140)
    about = gr.Markdown(elem_classes="quiet", elem_id="about")
    gallery = gr.Gallery(
        label="Every result: click one to see it large (CF is colourfulness)", columns=4,
        allow_preview=False, buttons=[], interactive=False, elem_id="gallery",
    )  # fmt: skip
    with gr.Row(elem_id="downloads"):
        png = gr.Button("Download PNG", variant="primary", min_width=120)
        archive = gr.Button("Download all (ZIP)", min_width=120)
        sheet = gr.Button("Contact sheet", min_width=120)
    file = gr.DownloadButton("Download", visible="hidden")
    truth = gr.Checkbox(
        True, label="Show the real colours and how close the results are", visible=False,
        elem_id="truth",
    )  # fmt: skip
    numbers = gr.HTML(elem_id="numbers")
    return Results(
        line, slider, share, left, right, about, png, archive, sheet, file, gallery, truth, numbers
    )


def _lay_out_controls() -> Adjust:
    names = zoo.model_names()
    with gr.Accordion("Colours", open=True):
        saturation = gr.Slider(
            0, 2, 1, step=0.05, label="Saturation", elem_id="saturation",
            info="How strong the colours are: 0 is gray, 1 is what the model chose.",
        )  # fmt: skip
        strength = gr.Slider(
            0, 1, 1, step=0.05, label="Strength", elem_id="strength",
            info="How much of the result is shown: lower values mix in the original.",
        )  # fmt: skip
        work_size = gr.Radio(
            [("default", 0), *((str(size), size) for size in zoo.WORK_SIZES if size)], value=0,
            label="Working size, px", elem_id="work-size",
            info="How closely the models look: a small size favours the scene as a whole, a large "
            "one favours details and is slower. The result always has the photo's size.",
        )  # fmt: skip
        dialled, sampled = (
            ", ".join(name for name in names if zoo.takes(name, option))
            for option in ("vividness", "seed")
        )
        vividness = gr.Slider(
            0, 1, zoo.VIVIDNESS, step=0.05, label="Vividness", elem_id="vividness",
            visible=bool(dialled),
            info=f"For {dialled}: 0 is careful and muted, 1 is vivid but more often wrong.",
        )  # fmt: skip
        samples = gr.Slider(
            0, zoo.MAX_SAMPLES, 0, step=1, precision=0, label="Samples", elem_id="samples",
            visible=bool(sampled),
            info=f"For {sampled}: how many other plausible results to show.",
        )  # fmt: skip
    with gr.Accordion("Models", open=False):
        models = gr.CheckboxGroup(names, value=names, label="Models to use", elem_id="models")
        repo_id = gr.Textbox(
            label="Add a model", placeholder="user/repo", max_lines=1, max_length=120,
            elem_id="repo-id",
            info="A colorzoo model on the Hugging Face Hub (safetensors, at most "
            f"{hub_models.MAX_BYTES / 1e6:.0f} MB). It is added for this visit only.",
        )  # fmt: skip
        bring = gr.Button("Add")
        brought = gr.HTML(elem_id="brought")
    return Adjust(
        models, saturation, strength, work_size, vividness, samples, repo_id, bring, brought
    )
