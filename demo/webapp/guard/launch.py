"""Serve an app of Gradio behind the guard."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from webapp.guard.headers import LOOPBACK
from webapp.guard.middleware import Guard, Policy
from webapp.guard.uploads import UploadLimits
from webapp.guard.wire import harden
from webapp.stock import STOCK

_FORM = 100_000  # bytes of an upload besides its file


def launch(
    app: gr.Blocks,
    *,
    host: str | None,
    max_upload: int,
    folders: Sequence[Path],
    handlers: Mapping[type[Exception], Any],
    rewrite: Callable[[bytes], bytes],
    **options: Any,
) -> None:
    """Start to serve, and return.

    Args:
        app: The app.
        host: The address to listen at; None means the default of Gradio.
        max_upload: Bytes of a file.
        folders: Folders besides Gradio's own whose files are served.
        handlers: What answers a request that ended in an exception, by its type.
        rewrite: Changes the HTML of the page.
        options: Of ``Blocks.launch``.
    """
    os.environ["GRADIO_RUN_HISTORY"] = "False"  # Gradio 6.0 has no run_history=
    uploads = Path(get_upload_folder())
    served = [place for folder in (uploads, *folders) for place in {folder, folder.resolve()}]
    policy = Policy(
        folders=served,
        uploads=uploads,
        limits=UploadLimits(one=max_upload + _FORM),
        events=frozenset(number for number, event in app.fns.items() if event.fn is not None),
        endpoints=frozenset(
            str(event.api_name) for event in app.fns.values() if event.api_visibility == "public"
        ),
        stock=STOCK,
        rewrite=rewrite,
        hosts=names(host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"),
    )
    app.launch(
        server_name=host,
        max_file_size=max_upload,
        app_kwargs={
            "middleware": [Middleware(Guard, policy=policy)],
            "exception_handlers": handlers,
        },
        enable_monitoring=False,
        mcp_server=False,
        prevent_thread_lock=True,
        **options,
    )
    policy.is_starting = False
    harden(app.server.config)


def names(host: str) -> frozenset[str] | None:
    """Return the names under which the server may be asked; None means any.

    On this machine only, that is this machine, and where GRADIO_ROOT_PATH says that it is public.
    Everywhere else, nobody knows all names of a server.

    Args:
        host: The address that the server listens at.
    """
    if host not in LOOPBACK or os.environ.get("GRADIO_SHARE", "").lower() == "true":
        return None
    public = urlsplit(os.environ.get("GRADIO_ROOT_PATH", "")).hostname
    return frozenset({*LOOPBACK, *([public] if public else [])})
