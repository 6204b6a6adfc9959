"""Further models that a Space offers: they are downloaded before the page is built."""

import logging
import os
import threading
from collections.abc import Sequence

import colorzoo

# Spaces set SPACE_ID. There, README.md has the checkpoint of this model put into the cache.
_ON_SPACES = "ddcolor-tiny"
_WAIT = 120.0  # s; a model that takes longer is offered after the next start


def wanted() -> list[str]:
    """List the models to download: COLORZOO_FETCH, with commas; on Spaces, one if it is not set."""
    default = _ON_SPACES if "SPACE_ID" in os.environ else ""
    names = os.environ.get("COLORZOO_FETCH", default).split(",")
    return [name.strip() for name in names if name.strip()]


def fetch(names: Sequence[str], *, wait: float = _WAIT) -> threading.Thread:
    """Download models that are not on this machine; one that cannot be had is only logged.

    Args:
        names: Registered names.
        wait: Seconds to wait for them; the rest goes on in the background.

    Returns:
        What goes on.
    """
    thread = threading.Thread(target=_fetch, args=(names,), daemon=True)
    thread.start()
    thread.join(wait)
    return thread


def _fetch(names: Sequence[str]) -> None:
    for name in names:
        try:
            if not colorzoo.model_info(name).is_local:
                colorzoo.load(name)
        except colorzoo.ColorzooError:  # the page works without it
            logging.getLogger("colorzoo.demo").warning("%s is not offered", name, exc_info=True)
