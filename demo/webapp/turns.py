"""Whose turn it is: a queue of jobs in which nobody can push others aside."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, EventQueue, Queue

from webapp import jobs
from webapp.clients import ANONYMOUS, Client, client_of
from webapp.stock import STOCK, Claim, claim_of

MAX_WAITING = 256  # jobs in the queue; further visitors are asked to come back later
MAX_OF_SESSION = 16  # jobs of one page, waiting or running; moving sliders makes several
MAX_OF_ADDRESS = 48  # an office or a school may share one
UNREAD = 5  # messages; who has more of them is not there to see the results
FORGET_SECONDS = 900  # messages that nobody has fetched for so long are dropped


class FairQueue(Queue):
    """Gradio's queue, with a limit for each client; those with the fewest jobs have their turn.

    Gradio's own runs jobs in the order in which they come, so that a client with many of them holds
    up all others.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take the same arguments as Gradio's queue."""
        super().__init__(*args, **options)
        self._clients = WeakKeyDictionary[Event, Client]()
        self._claims = WeakKeyDictionary[Event, Claim]()
        self._joined: dict[str, float] = {}  # by session: when its last job came
        self._stuck: dict[str, object] = {}  # by queue: a state in which no job could start

    async def push(
        self, body: PredictBodyInternal, request: Any, username: str | None
    ) -> tuple[bool, Any, Any]:
        """Accept a job, unless its client has too many of them already."""
        client = client_of(request, body.session_hash)
        mine = [each for each in map(self.client, self._jobs()) if each.owner == client.owner]
        in_session = sum(each.session == client.session for each in mine)
        # Jobs outside a session are all in one, so they are limited by the larger number, too.
        limit = MAX_OF_ADDRESS if client.session == ANONYMOUS else MAX_OF_SESSION
        if in_session >= limit or len(mine) >= MAX_OF_ADDRESS:
            words = f"You have {len(mine)} jobs here already: wait until some are done."
            return False, words, "queue_full"
        claim = claim_of(client, body.data)
        words = STOCK.refuse_job(claim, self.claims())
        if words:
            return False, words, "queue_full"
        self._forget()
        if self.max_size is not None and len(self) >= self.max_size:
            await self._drop_unread()
        accepted = await super().push(body, request, username)
        self._joined[body.session_hash or ""] = time.monotonic()
        if accepted[0]:
            STOCK.name(claim)
        return accepted

    def claims(self) -> list[Claim]:
        """List the uploads that the jobs need that wait or run."""
        return [self._claim(event) for event in self._jobs()]

    def _claim(self, event: Event) -> Claim:
        if event not in self._claims:
            values = event.data.data if event.data else []
            self._claims[event] = claim_of(self.client(event), values)
        return self._claims[event]

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """Choose the next job; Gradio calls this all the time, and expects a list."""
        running = list(self._running())
        for name, queue in self.event_queue_per_concurrency_id.items():
            limit = queue.concurrency_limit or len(running) + 1
            if not queue.queue or queue.current_concurrency >= limit:
                continue
            state = len(queue.queue), tuple(event._id for event in running)
            if self._stuck.get(name) == state:
                continue
            self._sort(queue, running)
            event = self._next(queue, running, max(1, limit - 1))
            if event is not None:
                queue.queue.remove(event)
                return [event], False, name
            self._stuck[name] = state
        return None

    def _next(self, queue: EventQueue, running: list[Event], most: int) -> Event | None:
        """Return the first job of a client with fewer than ``most`` running ones.

        A job cannot be interrupted, so one client may not occupy everything even if nobody else is
        waiting at the moment.
        """
        owners = Counter(
            self.client(event).owner
            for event in running
            if event.concurrency_id == queue.concurrency_id
        )
        return next((e for e in queue.queue if owners[self.client(e).owner] < most), None)

    async def process_events(self, events: list[Event], *args: Any, **options: Any) -> None:
        """Run jobs; those whose clients hang up end at their next step, and make room."""
        jobs.wanted.set(lambda: any(event.alive for event in events))
        await super().process_events(events, *args, **options)

    def client(self, event: Event) -> Client:
        """Return whose job it is."""
        if event not in self._clients:
            session = None if event.session_hash == event._id else event.session_hash
            self._clients[event] = client_of(event.request, session)
        return self._clients[event]

    def _jobs(self) -> Iterator[Event]:
        yield from self._running()
        for queue in self.event_queue_per_concurrency_id.values():
            yield from list(queue.queue)

    def _running(self) -> Iterator[Event]:
        for events in self.active_jobs:
            yield from events or ()

    def _sort(self, queue: EventQueue, jobs: list[Event]) -> None:
        """Sort by how many jobs of the same client and session are running or come first."""
        running = [self.client(event) for event in jobs]
        owners = Counter(client.owner for client in running)
        sessions = Counter(running)
        rank = {}
        for event in sorted(queue.queue, key=lambda event: event.enqueue_time):
            client = self.client(event)
            rank[event] = self._is_unread(event), owners[client.owner], sessions[client]
            owners[client.owner] += 1
            sessions[client] += 1
        queue.queue.sort(key=lambda event: (*rank[event], event.enqueue_time))

    def _is_unread(self, event: Event) -> bool:
        messages = self.pending_messages_per_session.get(event.session_hash)
        return messages is not None and messages.qsize() > UNREAD

    async def _drop_unread(self) -> None:
        """Make room in a full queue: drop jobs whose clients do not listen."""
        async with self.delete_lock:
            for queue in self.event_queue_per_concurrency_id.values():
                for event in filter(self._is_unread, list(queue.queue)):
                    queue.queue.remove(event)
                    self.event_ids_to_events.pop(event._id, None)

    def _forget(self) -> None:
        """Drop the messages of sessions that have not been here for long; they name results."""
        busy = {event.session_hash for event in self._jobs()}
        for session, joined in list(self._joined.items()):
            if time.monotonic() - joined > FORGET_SECONDS and session not in busy:
                del self._joined[session]
                self.pending_messages_per_session.pop(session, None)
                self.pending_event_ids_session.pop(session, None)


def queue_fairly(app: gr.Blocks, **options: Any) -> gr.Blocks:
    """Give an app a fair queue, in place of Gradio's own.

    Args:
        app: The app.
        options: For Gradio's ``queue``, such as api_open.
    """
    app.queue(max_size=MAX_WAITING, **options)
    own = app._queue
    app._queue = FairQueue(
        live_updates=own.live_updates,
        concurrency_count=own.max_thread_count,
        update_intervals=own.update_intervals,
        max_size=own.max_size,
        blocks=app,
        default_concurrency_limit=own.default_concurrency_limit,
    )
    return app
