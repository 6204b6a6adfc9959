"""What is deleted after some time: files, predictions, models, and the state of visits."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

from webapp import hub_models, memory
from webapp import models as zoo
from webapp.place import PLACE
from webapp.session import KEPT_SECONDS, SHELF, Visit
from webapp.stock import STOCK, Claim
from webapp.turns import FairQueue

EVERY = 5  # seconds
# Frequency and age, seconds; before PLACE.sweep: Gradio only forgets what it deletes itself.
DELETE_CACHE = (30, KEPT_SECONDS - 60)
MAX_VISITS = 500  # sessions whose state is kept; each has about 160 kB
MOST_VISITS = 2500  # until the next round of tidying


def run(app: gr.Blocks) -> None:
    """Tidy up from time to time; never returns."""
    rounds = tasks(app)
    while True:
        time.sleep(EVERY)
        tidy(rounds)


def tasks(app: gr.Blocks) -> dict[str, Callable[[], object]]:
    """List what there is to do for an app, by name."""
    return {
        "results": SHELF.tidy,
        "predictions": partial(zoo.PREDICTIONS.tidy, KEPT_SECONDS),
        "added models": partial(hub_models.tidy, KEPT_SECONDS),
        "files": lambda: PLACE.sweep(KEPT_SECONDS, own_files(app)),
        "uploads": lambda: STOCK.tidy(own_files(app), lambda: _claims(app)),
        "visits": lambda: tidy_visits(app.app.state_holder),
        "memory": memory.trim,
    }


def tidy(rounds: dict[str, Callable[[], object]]) -> None:
    """Do each task, also if another one fails."""
    for name, task in rounds.items():
        try:
            task()
        except Exception:
            logging.getLogger("colorzoo.demo").exception("Tidying up %s failed", name)


def _claims(app: gr.Blocks) -> list[Claim]:
    return app._queue.claims() if isinstance(app._queue, FairQueue) else []


def own_files(app: gr.Blocks) -> set[str]:
    """Return the files of the page itself, such as its examples."""
    kept: set[str] = set()
    for block in list(app.blocks.values()):
        kept |= getattr(block, "keep_in_cache", set())
    return kept


# Visits -------------------------------------------------------------------------------------------


def tidy_visits(
    holder: StateHolder, *, most: int = MAX_VISITS, max_age: float = KEPT_SECONDS
) -> None:
    """Drop the state of visits that were not used for long, and the least valuable if too many.

    Sessions without results go first, then those of the visitor who has the most, and of these the
    least recently used ones.

    Args:
        holder: Gradio's states, by session.
        most: Number of sessions to keep.
        max_age: Seconds since the last use.
    """
    now = time.time()
    used = {session: each.timestamp() for session, each in list(holder.time_last_used.items())}
    for session in [each for each, last in used.items() if now - last > max_age]:
        _drop(holder, session)
        del used[session]
    excess = len(used) - most
    if excess <= 0:
        return
    owners = {session: _owner(holder, session) for session in used}
    counts = Counter(owners.values())

    def worth(session: str) -> tuple[bool, int, float]:
        owner = owners[session]
        return bool(owner), -counts[owner], used[session]

    for session in sorted(used, key=worth)[:excess]:
        _drop(holder, session)


def _owner(holder: StateHolder, session: str) -> str:
    """Return whose results a session has; "" if it has none."""
    state: SessionState | None = holder.session_data.get(session)
    visits = list(state.state_data.values()) if state is not None else []
    return next((each.owner for each in visits if isinstance(each, Visit) and each.tiles), "")


def _drop(holder: StateHolder, session: str) -> None:
    with holder.lock:
        holder.session_data.pop(session, None)
        holder.time_last_used.pop(session, None)
