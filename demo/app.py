"""The demo app: it colours a photo with every model that has weights.

The page is built from the registry, so new models appear without changes here.
"""

import os
import signal
import socket
import sys
import threading

from colorzoo.threads import share_cores

share_cores()  # before PyTorch is imported

import gradio as gr

from webapp import api, examples, fetching, memory, tidying, uploads
from webapp import models as zoo
from webapp.guard.launch import launch
from webapp.page import head
from webapp.place import PLACE
from webapp.session import SHELF, Visit
from webapp.tabs import cards, colour, compare, developers, leaderboard
from webapp.theme import CSS, JS, THEME
from webapp.turns import queue_fairly
from webapp.uploads import MAX_BYTES, MAX_PIXELS

INTRO = """# colorzoo
Old photos in colour: a plausible guess, not history."""
PRIVACY = """Photos and results stay on the machine that runs this page. They are deleted within an
hour, or, if the page crashes, when it is started again."""


def build() -> gr.Blocks:
    """Build the page and its API endpoints; nothing is loaded or served yet."""
    with gr.Blocks(
        title="colorzoo", delete_cache=tidying.DELETE_CACHE, analytics_enabled=False
    ) as app:
        gr.Markdown(INTRO, elem_id="intro")
        visit = gr.State(Visit())
        with gr.Tabs() as tabs:
            with gr.Tab("Colour"):
                first = colour.build(visit)
            with gr.Tab("Compare", id="compare") as tab:
                adjust = compare.build(tab, first.stage, visit)
            with gr.Tab("Leaderboard"):
                leaderboard.build()
            with gr.Tab("Models") as models:
                cards.build(models)
            with gr.Tab("Developers"):
                developers.build(max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)
        first.stage.compare(
            None, None, tabs, js="() => ({__type__: 'update', selected: 'compare'})",
            show_progress="hidden",
        )  # fmt: skip
        api.add(adjust)
        gr.Markdown(PRIVACY, elem_classes="quiet")
    return queue_fairly(app, api_open=False)  # no direct POST past the queue


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def main() -> None:
    """Serve the page at HOST and PORT, or else at the defaults of Gradio."""
    port = os.environ.get("PORT")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        sys.exit(f"PORT must be a whole number from 1 to 65535, got {port!r}.")
    if port and not _is_free(os.environ.get("HOST") or "127.0.0.1", int(port)):
        sys.exit(f"Port {port} is in use: set PORT={int(port) + 1} to use another one.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # handle it like Ctrl-C
    memory.keep_little()
    PLACE.take_over()
    fetching.fetch(fetching.wanted())
    zoo.warm()
    app = build()
    threading.Thread(target=tidying.run, args=(app,), daemon=True).start()
    try:
        launch(
            app,
            host=os.environ.get("HOST"),
            max_upload=MAX_BYTES,
            folders=[SHELF.folder],
            handlers=uploads.HANDLERS,
            rewrite=head.rewriter(examples.card()),
            server_port=int(port) if port else None,
            state_session_capacity=tidying.MOST_VISITS,
            theme=THEME,
            css=CSS,
            js=JS,
            ssr_mode=False,
        )
        threading.Event().wait()
    except KeyboardInterrupt:
        app.close()  # Gradio's own handler leaves pages connected and does not delete uploads


if __name__ == "__main__":
    main()
