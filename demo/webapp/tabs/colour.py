"""The first tab: a photo, the best model's result, other versions of it, and downloads."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from webapp import examples, jobs, packing, page, pictures, uploads
from webapp.session import Visit
from webapp.tabs.queues import AT_ONCE, START_DOWNLOAD, WORK
from webapp.theme import problem, status, words_of

PACK = "pack"  # the queue for ZIPs, so that the page can be used meanwhile
# What the page's script wants to have done goes along as the value of the stage.
_ASKED = "() => [window.colorzoo.next('{}'), null]"
_FAILED = "() => { window.colorzoo.failed(); }"
_PACKING = "() => [window.colorzoo.packing, null]"

Told = dict[str, Any]


@dataclass(frozen=True)
class Colour:
    """The components of the tab that others use.

    Attributes:
        stage: The picture and the controls around it.
    """

    stage: gr.HTML


def build(visit: gr.State) -> Colour:
    """Build the tab and connect its events."""
    found = examples.place()
    start = {
        "examples": found.shown, "hero": found.hero,
        "max_bytes": uploads.MAX_BYTES, "max_photos": packing.MAX_PHOTOS,
    }  # fmt: skip
    stage = gr.HTML(
        start, html_template=page.text("stage.html"), apply_default_css=False, elem_id="photo",
        js_on_load=page.text("viewer.js", "fix.js", "files.js", "camera.js", "stage.js"),
    )  # fmt: skip
    stage.keep_in_cache = found.files
    with gr.Row(elem_id="packing", visible=False) as row:
        line = gr.HTML(elem_id="packed")
        cancel = gr.Button("Cancel", elem_id="cancel", min_width=100)
    file = gr.DownloadButton("Download", visible="hidden")

    light: dict[str, Any] = {
        "queue": False, "show_progress": "hidden", "api_visibility": "private",
        "preprocess": False, "trigger_mode": "multiple",
    }  # fmt: skip
    heavy = light | {"queue": True, "concurrency_id": WORK, "concurrency_limit": AT_ONCE}
    asked = [stage, visit]
    packer = _Packer(row, line, cancel, file)

    def on(name: str, handler: Callable[..., Any], outputs: Any, queue: str = WORK) -> Any:
        options: dict[str, Any] = heavy | {"js": _ASKED.format(name), "concurrency_id": queue}
        return getattr(stage, name)(jobs.as_job(handler), asked, outputs, **options)

    quick = (("show", show), ("pick", pick), ("look", look), ("suggest", suggest))
    runs = [on(name, handler, stage) for name, handler in quick]
    makers = [
        on("save", save, [stage, file]),
        on("post", post, [stage, file]),
        on("pack", packer.pack, [row, line, cancel, file], PACK),
    ]
    for made in makers:
        made.success(None, file, None, js=START_DOWNLOAD)
    for done in (*runs, *makers):
        done.failure(None, None, None, js=_FAILED)
    cancel.click(packer.cancel, asked, line, js=_PACKING, **light)
    return Colour(stage)


def show(asked: Any, visit: Visit) -> Iterator[Told]:
    """Colour a photo."""
    visit.owner = jobs.owner() or visit.owner
    try:
        yield from pictures.show(pictures.asked(asked))
    except gr.Error as error:  # the page shows the words: a popup would cover it, and disappear
        yield _failed(asked, error)


def pick(asked: Any, visit: Visit) -> Iterator[Told]:
    """Show another version."""
    try:
        yield pictures.pick(pictures.asked(asked))
    except gr.Error as error:
        yield _failed(asked, error)


def look(asked: Any, visit: Visit) -> Iterator[Told]:
    """Make a small picture of a photo that the browser cannot show."""
    try:
        yield pictures.look(pictures.asked(asked))
    except gr.Error as error:
        yield _failed(asked, error)


def suggest(asked: Any, visit: Visit) -> Iterator[Told]:
    """Suggest colours for a point of a photo."""
    try:
        yield pictures.suggest(asked)
    except gr.Error as error:
        yield {"said": words_of(error), "at": time.time()}


def _failed(asked: Any, error: gr.Error) -> Told:
    path = asked.get("path") if isinstance(asked, dict) else None
    return {"photo": path, "error": words_of(error), "at": time.time()}


def save(asked: Any, visit: Visit) -> Iterator[tuple[Told, Any]]:
    """Write the result for the visitor."""
    wanted = asked.get("format") if isinstance(asked, dict) else None
    suffix = pictures.FORMATS.get(str(wanted))
    if suffix is None:
        raise problem(f"The format must be one of {', '.join(pictures.FORMATS)}.")
    yield from _hand_out(lambda: pictures.save(pictures.asked(asked), suffix))


def post(asked: Any, visit: Visit) -> Iterator[tuple[Told, Any]]:
    """Write a picture of before and after."""
    is_split = bool(isinstance(asked, dict) and asked.get("split"))
    yield from _hand_out(lambda: pictures.post(pictures.asked(asked), is_split=is_split))


def _hand_out(write: Callable[[], str]) -> Iterator[tuple[Told, Any]]:
    yield {"said": "Preparing the download …", "at": time.time()}, gr.skip()
    path = Path(write())
    words = f"{path.name} is ready: {_size(path)}."
    yield {"said": words, "at": time.time()}, str(path)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


@dataclass(frozen=True)
class _Packer:
    """The handlers of the ZIP; ``cancel`` and ``pack`` know it by an id of the page's."""

    row: gr.Row
    line: gr.HTML
    cancel_button: gr.Button
    file: gr.DownloadButton

    def pack(self, asked: Any, visit: Visit) -> Iterator[dict[Any, Any]]:
        """Write a ZIP, and tell how far it is."""
        sent = asked if isinstance(asked, dict) else {}
        suffix, wanted = pictures.FORMATS.get(str(sent.get("format"))), sent.get("photos")
        if suffix is None or not isinstance(wanted, list) or len(wanted) > packing.MAX_PHOTOS:
            raise problem(
                f"A ZIP needs from 1 to {packing.MAX_PHOTOS} photos and a format, one of "
                f"{', '.join(pictures.FORMATS)}."
            )
        pack = str(sent.get("id"))
        asks = [pictures.asked(each) for each in wanted]
        told = packing.Packed(0, len(asks))
        try:
            for told in packing.archive(asks, suffix, lambda: pack in visit.cancelled):
                yield self._tell(told)
        except gr.Error as error:  # the popup disappears
            yield self._end(words_of(error))
            raise
        finally:
            visit.cancelled.discard(pack)
        if told.path is None:
            yield self._end("The ZIP was cancelled.")

    def _end(self, *lines: str) -> dict[Any, Any]:
        return {
            self.line: status(*lines), self.cancel_button: gr.Button(visible=False),
            self.row: gr.Row(visible=True),
        }  # fmt: skip

    def _tell(self, told: packing.Packed) -> dict[Any, Any]:
        if told.path is not None:
            words = f"{Path(told.path).name} is ready: {_size(Path(told.path))}."
            return {self.file: told.path, **self._end(words, *told.failed)}
        words = f"Colouring {min(told.done + 1, told.total)} of {told.total} photos"
        if told.seconds_left is not None:
            words += f", about {max(1, round(told.seconds_left))} s left"
        shown = status(f"{words} …", *told.failed, done=told.done, total=told.total, of="Photos")
        return {
            self.line: shown, self.cancel_button: gr.Button(visible=True),
            self.row: gr.Row(visible=True),
        }  # fmt: skip

    def cancel(self, asked: Any, visit: Visit) -> str:
        """Stop a ZIP at its next photo."""
        if len(visit.cancelled) < 16:  # a page has one at a time
            visit.cancelled.add(str(asked)[:100])
        return status("Stopping …")
