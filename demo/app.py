"""colorzoo's demo: drop in a photo, see it coloured by every model that has weights.

The page is built from the registry, so a model that is added there shows up here.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import time

import gradio as gr

from webapp import api
from webapp import models as zoo
from webapp.session import KEPT_SECONDS, SHELF
from webapp.tabs import cards, compare, developers, leaderboard
from webapp.theme import CSS, JS, THEME
from webapp.uploads import MAX_FILE_SIZE, MAX_PIXELS

INTRO = """# colorzoo
Drop in a black-and-white photo and compare what every model of the zoo makes of it.
The colours are a guess, not history. Of a colour photo, only the lightness is used."""
PRIVACY = "Photos stay on the machine that runs this page and are deleted after about an hour."

MAX_WAITING = 64  # jobs in the queue; who comes later is told to come back
MAX_VISITS = 500  # whose page state is kept


def build() -> gr.Blocks:
    """Build the page and its API endpoints; nothing is loaded or served yet."""
    with gr.Blocks(
        title="colorzoo", delete_cache=(600, KEPT_SECONDS), analytics_enabled=False
    ) as app:
        gr.Markdown(INTRO)
        with gr.Tabs():
            with gr.Tab("Compare"):
                choose, adjust = compare.build()
            with gr.Tab("Leaderboard"):
                leaderboard.build()
            with gr.Tab("Models"):
                cards.build()
            with gr.Tab("Developers"):
                developers.build(max_file_size=MAX_FILE_SIZE, max_pixels=MAX_PIXELS)
        api.add(choose, adjust)
        gr.Markdown(PRIVACY, elem_classes="quiet")
    return app.queue(max_size=MAX_WAITING)


def tidy_up(every: float = 5) -> None:
    """Delete what is older than promised, and give freed memory back to the system."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    while True:
        time.sleep(every)
        SHELF.tidy()
        zoo.PREDICTIONS.tidy(KEPT_SECONDS)
        if trim is not None:  # glibc alone: it keeps hundreds of MB for threads that worked once
            trim(0)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def main() -> None:
    """Serve the page at HOST and PORT; where they are not set, Gradio's own variables count."""
    port = os.environ.get("PORT")
    if port and not _is_free(os.environ.get("HOST") or "127.0.0.1", int(port)):
        sys.exit(f"Port {port} is taken: PORT={int(port) + 1} chooses another one.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    zoo.warm()
    threading.Thread(target=tidy_up, daemon=True).start()
    app = build()
    try:
        app.launch(
            server_name=os.environ.get("HOST"),
            server_port=int(port) if port else None,
            max_file_size=MAX_FILE_SIZE,
            state_session_capacity=MAX_VISITS,
            theme=THEME,
            css=CSS,
            js=JS,
            ssr_mode=False,
            prevent_thread_lock=True,
        )
        threading.Event().wait()
    except KeyboardInterrupt:
        app.close()  # Gradio's own way out leaves pages connected and their uploads behind


if __name__ == "__main__":
    main()
