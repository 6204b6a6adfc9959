"""colorzoo's demo: drop in a photo, see it coloured by every model that has weights.

The page is built from the registry, so a model that is added there shows up here.
"""

import html
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.themes import Base
from gradio.utils import get_upload_folder
from PIL import Image
from skimage import data

import colorzoo
from colorzoo.images import Photo, to_pil

EXAMPLES = ("coffee", "astronaut", "chelsea", "rocket", "camera")  # all in scikit-image's wheel
MAX_PIXELS, MAX_FILE_SIZE = 50_000_000, "40mb"
SHOWN_SIDE = 1600  # px; the page shows no more of a result, the download is full size
KEPT = 3600  # s; uploads and results are deleted after that

INTRO = """# colorzoo
Drop in a black-and-white photo and compare what every model of the zoo makes of it.
The colours are a guess, not history. Of a colour photo, only the lightness is used."""
PRIVACY = "Photos stay on the machine that runs this page and are deleted after about an hour."

THEME = Base(
    primary_hue="stone",
    neutral_hue="stone",
    radius_size="sm",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    body_background_fill="*neutral_50",
    body_text_color_subdued="*neutral_600",
    block_label_text_color="*neutral_600",
    block_title_text_color="*neutral_600",
    button_large_text_weight="500",
    slider_color_dark="*neutral_300",
)
CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto; }
h1 { font-family: Georgia, serif; font-weight: 400; letter-spacing: .02em; }
.quiet p { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
#status { padding: 0 var(--size-2); min-height: 1.5em; }
#photo .upload-container, #photo .image-frame { width: 100% !important; }
.dark #saturation { --neutral-200: var(--neutral-600); }
#examples .gallery:not(.container) { display: grid; grid-template-columns: repeat(5, 1fr); }
#examples .gallery-item > span { display: block; }
#examples .container { width: 100%; height: auto; aspect-ratio: 1; }
#gallery .grid-wrap { min-height: 0; max-height: none; overflow: visible; }
#gallery .grid-container { grid-template-rows: none; grid-auto-rows: auto; align-items: start;
  grid-template-columns: repeat(3, minmax(0, 1fr));
  padding-top: var(--size-6); }
#gallery .thumbnail-item { aspect-ratio: auto; height: auto; filter: none; }
#gallery .thumbnail-item.selected { --ring-color: transparent;
  border-color: var(--border-color-primary); }
#gallery .thumbnail-item > img { height: auto; max-height: 320px; object-fit: contain; }
#gallery .caption-label { position: static; max-width: none; border: 0; opacity: 1;
  padding: var(--size-1); text-align: center; white-space: normal; overflow-wrap: anywhere; }
"""

Upload = dict[str, Any] | None  # what gr.Image sends: {"path": ..., ...}


class Tile(NamedTuple):
    """One model's result as the page needs it: files in Gradio's cache, and a caption."""

    before: str
    shown: str
    full: str
    caption: str


@dataclass
class Visit:
    """What one open page wants (photo and saturation) and what it has got; changed in place."""

    wanted: tuple[str | None, float] = (None, 1.0)
    tiles: dict[str, Tile] = field(default_factory=dict)

    def pictures(self) -> list[tuple[str, str]]:
        """Fill the gallery."""
        return [(tile.shown, tile.caption) for tile in self.tiles.values()]

    def show(self, name: str) -> tuple[Any, ...]:
        """Fill the before/after slider, the download button and the line about the model."""
        info, tile = colorzoo.model_info(name), self.tiles.get(name)
        return (
            tile and (tile.before, tile.shown),
            gr.DownloadButton(value=tile and tile.full, interactive=tile is not None),
            f"**{name}**: {info.summary} ({info.year}).",
        )


def model_names() -> list[str]:
    """Name the models that can run, the default one first so that it is seen first."""
    names = colorzoo.list_models(pretrained=True)
    if not names:
        raise colorzoo.WeightsError("The demo has nothing to show: no model has weights.")
    return sorted(names, key=lambda name: (name != colorzoo.DEFAULT_MODEL, name))


load = cache(colorzoo.load)


def read(upload: Upload) -> Photo:
    """Read the file that gr.Image got; its own decoding loses 16-bit gray and alpha."""
    path = Path((upload or {}).get("path") or "/").resolve()
    # Gradio itself lets a client name any file of this machine when "meta" is left out.
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise gr.Error("There is no photo: choose one first.", print_exception=False)
    try:
        return colorzoo.read_photo(path, max_pixels=MAX_PIXELS)
    except colorzoo.ImageError as error:
        # What follows in the message about the size is advice for programmers.
        words = html.escape(str(error).partition(" or, if you trust it")[0], quote=False)
        raise gr.Error(words, print_exception=False) from error


def run(name: str, photo: Photo, saturation: float) -> tuple[Image.Image | None, str]:
    """Run one model; give its result and its time, or None and in words what went wrong."""
    start = time.perf_counter()
    try:
        colorzoo.model_info(name)  # registered names only: load() takes folders and Hub ids too
        image = load(name).colorize_photo(photo, saturation=saturation)
    except Exception as error:  # one broken model must not take the others along
        logging.getLogger("colorzoo.demo").exception("%s failed", name)
        is_told = isinstance(error, colorzoo.ColorzooError | ValueError)
        return None, f"failed: {error if is_told else type(error).__name__}"
    return image, f"{time.perf_counter() - start:.1f} s"


def reduced(image: Image.Image) -> Image.Image:
    """Bring an image to the size in which the page shows it."""
    image = image.copy()
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return image


def keep(image: Image.Image, photo: Photo, suffix: str, block: gr.Gallery | gr.Image) -> str:
    """Write a PNG to Gradio's cache, on a component's account so that it is deleted in time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{Path(photo.name).stem}-{suffix}.png"
        colorzoo.save_image(image, path)
        return str(block.move_resource_to_block_cache(path))


def status(*lines: str) -> str:
    """Write the status line, which screen readers announce."""
    return f'<div role="status">{"<br>".join(map(html.escape, lines))}</div>'


def begin(upload: Upload, saturation: float, choice: str, visit: Visit) -> tuple:
    """Note what is wanted now, which ends the run before; a new photo empties the page at once."""
    path = upload["path"] if upload else None
    if path != visit.wanted[0]:
        visit.tiles = {}
    visit.wanted = (path, saturation)
    text = "Waiting for a turn …" if path else "No photo yet."
    return status(text), visit.pictures(), *visit.show(choice)


def colour_all(
    upload: Upload, saturation: float, choice: str, visit: Visit, *, block: gr.Gallery
) -> Iterator[tuple]:
    """Run every model and show each result at once; old ones of the same photo stay till then."""
    start, names, unchanged = time.perf_counter(), model_names(), [gr.skip()] * 4
    if upload is None:
        yield gr.skip(), *unchanged
        return
    try:
        photo = read(upload)
    except gr.Error as error:  # shown for some seconds on top of the page, and here to stay
        yield status(html.unescape(error.message)), *unchanged
        raise
    notes, before = list(photo.notes), ""
    for done, name in enumerate(names, start=1):
        yield status(f"Colouring with {name}, {done} of {len(names)} …", *notes), *unchanged
        image, words = run(name, photo, saturation)
        if visit.wanted != (upload["path"], saturation):
            return
        visit.tiles.pop(name, None)
        if image is None:
            notes.append(f"{name} {words}")
        else:
            if not before:  # without saturation, any model gives the photo's own lightness
                gray = load(name).colorize(reduced(to_pil(photo.rgb, photo)), saturation=0)
                before = keep(gray, photo, "before", block)
            full = shown = keep(image, photo, name, block)
            if max(image.size) > SHOWN_SIDE:
                shown = keep(reduced(image), photo, f"{name}-small", block)
            visit.tiles[name] = Tile(before, shown, full, f"{name} · {words}")
        visit.tiles = {key: visit.tiles[key] for key in names if key in visit.tiles}
        chosen = visit.show(name) if name == choice else unchanged[1:]
        yield gr.skip(), visit.pictures(), *chosen
    took = f"{len(visit.tiles)} of {len(names)} models in {time.perf_counter() - start:.1f} s."
    yield status(took, *notes), *unchanged


def add_examples(photo: gr.Image) -> None:
    """Offer scikit-image's pictures; Gradio copies the files into its cache and keeps them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.png" for name in EXAMPLES]
        for path in paths:
            Image.fromarray(getattr(data, path.stem)()).save(path)
        gr.Examples(
            [[str(path)] for path in paths], photo, cache_examples=False, elem_id="examples",
            api_visibility="private",
        )  # fmt: skip


def add_api(photo: gr.Image, model: gr.Radio, saturation: gr.Slider) -> None:
    """Add the endpoints for programs: the page's own events return pieces of the page."""
    picture = gr.Image(label="Result", visible=False)
    pictures = gr.Gallery(label="Results", visible=False)
    report = gr.JSON(label="Report", visible=False)

    def colorize(image: Upload, model: str, saturation: float) -> str:
        """Colour a photo with one model; returns a PNG of the photo's size.

        Args:
            image: The photo, a JPEG, PNG, WebP, TIFF, BMP or GIF.
            model: The model's name.
            saturation: Factor on the colour, 0 is gray and 1 is what the model says.
        """
        photo = read(image)
        result, words = run(model, photo, saturation)
        if result is None:
            raise gr.Error(html.escape(f"{model} {words}", quote=False), print_exception=False)
        return keep(result, photo, model, picture)

    def compare(image: Upload, saturation: float) -> tuple[list[Any], dict[str, str]]:
        """Colour a photo with every model; returns PNGs, and each model's time or failure.

        Args:
            image: The photo, a JPEG, PNG, WebP, TIFF, BMP or GIF.
            saturation: Factor on the colour, 0 is gray and 1 is what the models say.
        """
        photo, results, told = read(image), [], {}
        for name in model_names():
            result, told[name] = run(name, photo, saturation)
            if result is not None:
                results.append((keep(result, photo, name, pictures), name))
        return results, told

    # Without preprocessing, the file arrives as it was sent (read() checks from where).
    options: dict[str, Any] = {"preprocess": False, "concurrency_id": "models"}
    gr.Button(visible=False).click(colorize, [photo, model, saturation], picture, **options)
    gr.Button(visible=False).click(compare, [photo, saturation], [pictures, report], **options)


def build() -> gr.Blocks:
    """Build the page and its two API endpoints; nothing is loaded or served yet."""
    names = model_names()
    with gr.Blocks(title="colorzoo", delete_cache=(600, KEPT), analytics_enabled=False) as app:
        gr.Markdown(INTRO)
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                photo = gr.Image(label="Photo", type="filepath", height=280, elem_id="photo")
                add_examples(photo)
            with gr.Column(scale=3, min_width=300):
                slider = gr.ImageSlider(
                    label="Before and after",
                    format="png",
                    max_height=460,
                    buttons=["fullscreen"],
                    elem_id="slider",
                )
                line = gr.HTML(status("No photo yet."), elem_id="status")
                saturation = gr.Slider(0, 2, 1, step=0.05, label="Saturation", elem_id="saturation")
                gallery = gr.Gallery(
                    label="Every model", columns=3, allow_preview=False, buttons=[],
                    interactive=False, elem_id="gallery",
                )  # fmt: skip
                choice = gr.Radio(names, value=names[0], label="Model shown before and after")
                about = gr.Markdown(elem_classes="quiet")
                download = gr.DownloadButton("Download full size (PNG)", interactive=False)
        gr.Markdown(PRIVACY, elem_classes="quiet")
        visit, chosen = gr.State(Visit()), [slider, download, about]
        add_api(photo, choice, saturation)

        asked, page = [photo, saturation, choice, visit], [line, gallery, *chosen]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        raw = quiet | {"preprocess": False, "trigger_mode": "multiple"}
        triggers = [photo.change, saturation.release]
        # Not Gradio's cancels=: in 6.31 it does not reach a run that was started by then().
        started = gr.on(triggers, begin, asked, page, queue=False, **raw)
        run_all = partial(colour_all, block=gallery)
        done = started.then(run_all, asked, page, concurrency_id="models", **raw)
        done.then(Visit.show, [visit, choice], chosen, queue=False, **quiet)
        choice.input(Visit.show, [visit, choice], chosen, queue=False, **quiet)

        def pick(visit: Visit, event: gr.SelectData) -> tuple:
            name = list(visit.tiles)[event.index]
            return name, *visit.show(name)

        gallery.select(pick, visit, [choice, *chosen], queue=False, **quiet)
    return app.queue(max_size=32)


def main() -> None:
    """Serve the page at HOST and PORT; where they are not set, Gradio's own variables count."""
    port = os.environ.get("PORT")
    build().launch(
        server_name=os.environ.get("HOST"),
        server_port=int(port) if port else None,
        max_file_size=MAX_FILE_SIZE,
        theme=THEME,
        css=CSS,
        ssr_mode=False,
    )


if __name__ == "__main__":
    main()
