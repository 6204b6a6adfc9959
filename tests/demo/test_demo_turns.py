"""One visitor cannot starve the others of turns in the queue."""

import time
from types import SimpleNamespace

import anyio.to_thread
import gradio as gr
import gradio_client
import httpx
import pytest
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Queue
from helpers.guards import alone

from webapp import clients, jobs, stock, turns
from webapp import models as zoo
from webapp.stock import Stock, StockLimits


def peer(host, **headers):
    return SimpleNamespace(client=SimpleNamespace(host=host, port=1), headers=headers)


@pytest.mark.parametrize(
    ("host", "forwarded", "address"),
    [
        ("127.0.0.1", None, None),
        ("::1", None, None),
        ("192.168.1.7", None, "192.168.1.7/32"),
        ("192.168.1.7", "8.8.8.8", "192.168.1.7/32"),  # a claim of the visitor
        ("::ffff:1.1.1.1", None, "1.1.1.1/32"),
        ("2a00:1450:4001::7", None, "2a00:1450:4001::/64"),
        ("testclient", None, None),
    ],
)
def test_a_client_is_known_by_its_address(host, forwarded, address):
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert clients.client_of(peer(host, **headers), "s") == (address, "s")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("9.9.9.9", "9.9.9.9/32"),
        ("8.8.8.8, 9.9.9.9", "9.9.9.9/32"),  # what the visitor sent comes first
        ("8.8.8.8, 9.9.9.9, 10.0.0.3, 127.0.0.1", "9.9.9.9/32"),
        ("x, ,9.9.9.9 , 172.16.0.1", "9.9.9.9/32"),
        ("10.0.0.3", None),
        ("", None),
    ],
)
def test_on_a_space_the_last_proxy_tells_the_address(monkeypatch, forwarded, address):
    monkeypatch.setenv("SPACE_ID", "ann/colorzoo")
    client = clients.client_of(peer("10.1.2.3", **{"x-forwarded-for": forwarded}), "s")
    assert client.address == address and client.owner == (address or "s")


@pytest.fixture
def queue():
    """A fair queue that nobody works on; ``join`` adds jobs, ``start`` begins the next one."""
    with gr.Blocks() as app:
        gr.Button().click(lambda: None, concurrency_id="work", concurrency_limit=2)
    queue = turns.queue_fairly(app)._queue
    queue.active_jobs = [None] * 10

    def join(session, host="127.0.0.1", data=()):
        body = PredictBodyInternal(data=[*data], fn_index=0, session_hash=session)
        return alone(queue.push(body, peer(host), None))

    def start():
        events = queue.get_events()
        if events is None:
            return None
        (event,) = events[0]
        queue.active_jobs[queue.active_jobs.index(None)] = [event]
        queue.event_queue_per_concurrency_id["work"].current_concurrency += 1
        return event

    def end(event):
        queue.active_jobs[queue.active_jobs.index([event])] = None
        queue.event_queue_per_concurrency_id["work"].current_concurrency -= 1

    queue.join, queue.begin, queue.end = join, start, end
    return queue


def test_one_client_cannot_fill_the_queue(queue):
    accepted = [queue.join("bob")[0] for _ in range(50)]
    assert accepted == [True] * turns.MAX_OF_SESSION + [False] * (50 - turns.MAX_OF_SESSION)
    _, words, state = queue.join("bob")
    assert "You have 16 jobs here already" in words and state == "queue_full"
    assert queue.join("ann")[0]
    several = [queue.join(f"eve {number}", "1.1.1.1")[0] for number in range(60)]
    assert sum(several) == turns.MAX_OF_ADDRESS  # however many sessions it opens
    without = [queue.join(None)[0] for _ in range(60)]  # as from a script, outside a session
    assert sum(without) == turns.MAX_OF_ADDRESS
    assert queue.join("cleo")[0]


def test_those_with_the_fewest_jobs_have_their_turn(queue):
    for _ in range(5):
        queue.join("bob")
    first = queue.begin()
    assert first.session_hash == "bob"
    assert queue.begin() is None  # the other place stays free for others
    assert queue.begin() is None
    queue.join("ann")
    queue.join("ann")
    queue.join("cleo")
    second = queue.begin()
    assert second.session_hash == "ann" and queue.begin() is None
    for expected in ("ann", "cleo"):
        queue.end(second)
        second = queue.begin()
        assert second.session_hash == expected
    queue.end(second)
    assert queue.begin() is None
    queue.end(first)
    assert queue.begin().session_hash == "bob"


def test_sessions_of_one_address_share_its_turns(queue):
    for number in range(6):
        queue.join(f"eve {number}", "1.1.1.1")
    queue.join("ann", "2.2.2.2")
    first, second = queue.begin(), queue.begin()
    assert {first.session_hash, second.session_hash} == {"eve 0", "ann"}


def test_what_jobs_need_is_kept_from_when_they_come_until_they_end(
    queue, upload_folder, monkeypatch
):
    kept = Stock(StockLimits(kept=100, needed=200))
    monkeypatch.setattr(turns, "STOCK", kept)

    def photo(name):
        path = upload_folder / f"{name}.png"
        path.write_bytes(bytes(60))
        return {"path": str(path)}

    for session in ("ann", None):
        assert queue.join(session, data=[photo(session), "unet"])[0]
    accepted, words, state = queue.join("bob", data=[[photo("bob")]])
    assert not accepted and "photos are waiting" in words and state == "queue_full"
    assert queue.join("cleo")[0]  # without a photo
    now = time.time()
    monkeypatch.setattr(stock.time, "time", lambda: now + 2 * stock.FRESH_SECONDS)
    for events in ([queue.begin(), queue.begin()], []):
        kept.tidy(jobs=queue.claims)
        assert {path.stem for path in upload_folder.iterdir()} == {"ann", "None"}
        for event in events:
            queue.end(event)
            queue.event_ids_to_events.pop(event._id)
        photo("bob")


def test_a_job_whose_client_hangs_up_while_it_runs_is_not_wanted(queue, monkeypatch):
    seen = []

    async def process(own, events, *_):  # in threads, as Gradio runs handlers
        seen.append(await anyio.to_thread.run_sync(lambda: jobs.wanted.get()()))
        await own.clean_events(session_hash="ann")
        seen.append(await anyio.to_thread.run_sync(lambda: jobs.wanted.get()()))

    monkeypatch.setattr(Queue, "process_events", process)
    queue.join("ann")
    event = queue.begin()
    alone(queue.process_events([event], False, 0.0, event.fn))
    assert seen == [True, False] and jobs.wanted.get()()


def test_who_does_not_listen_comes_last_and_makes_room(queue):
    for number in range(turns.MAX_WAITING):
        assert queue.join(f"deaf {number}")[0]
    for event in queue.event_queue_per_concurrency_id["work"].queue:
        messages = queue.pending_messages_per_session[event.session_hash]
        while messages.qsize() <= turns.UNREAD:
            messages.put_nowait(None)
    assert queue.join("ann")[0] and len(queue) == 1
    assert set(queue.event_ids_to_events.values()) == set(
        queue.event_queue_per_concurrency_id["work"].queue
    )
    for number in range(2):
        queue.join(f"deaf {number}")
        for _ in range(turns.UNREAD + 1):
            queue.pending_messages_per_session[f"deaf {number}"].put_nowait(None)
    queue.join("cleo")
    assert [queue.begin().session_hash for _ in range(2)] == ["ann", "cleo"]


def test_messages_that_nobody_fetches_are_forgotten(queue, monkeypatch):
    queue.join("gone")
    queue.join("waiting")
    alone(queue.clean_events(session_hash="gone"))
    now = time.monotonic()
    monkeypatch.setattr(turns.time, "monotonic", lambda: now + 2 * turns.FORGET_SECONDS)
    queue.join("ann")
    assert set(queue.pending_messages_per_session) == {"waiting", "ann"}
    assert set(queue._joined) == {"waiting", "ann"}


def test_the_app_queues_fairly_and_its_handlers_are_jobs(monkeypatch):
    import app
    from webapp import examples

    none = examples.Examples([], {"before": "", "view": ""}, set())
    monkeypatch.setattr(examples, "place", lambda: none)
    monkeypatch.setattr(zoo, "takes", lambda name, option: False)  # loads no model
    built = app.build()
    assert isinstance(built._queue, turns.FairQueue)
    working = [fn for fn in built.fns.values() if fn.queue and fn.fn is not None and fn.inputs]
    assert {fn.api_name for fn in working} >= {
        "show", "pick", "save", "post", "pack", "pictures",
        "run", "view", "bring", "make_png", "colorize",
    }  # fmt: skip
    for fn in working:
        assert gr.Request in fn.fn.__annotations__.values(), fn.api_name


def test_who_floods_the_running_app_is_refused_in_words(demo, client, deep_photo):
    address = demo.url + "gradio_api/"
    with deep_photo.open("rb") as file:
        (path,) = httpx.post(address + "upload", files={"files": file}).json()
    dependencies = httpx.get(demo.url + "config").json()["dependencies"]
    number = next(each["id"] for each in dependencies if each["api_name"] == "compare")
    values = [{"path": path, "meta": {"_type": "gradio.FileData"}}, zoo.model_names()]
    settings = [1, 1, 512, 0.5, 6, 0, [], None]
    body = {"data": values + settings, "fn_index": number, "session_hash": "flood"}
    with httpx.Client() as flood:
        answers = [flood.post(address + "queue/join", json=body) for _ in range(40)]
    refused = [each.json()["detail"] for each in answers if each.status_code != 200]
    assert len(refused) > 10 and "jobs here already: wait until some are done" in refused[0]
    client.predict(gradio_client.handle_file(deep_photo), "unet", api_name="/colorize")
    with httpx.stream("GET", address + "queue/data", params={"session_hash": "flood"}) as stream:
        next(stream.iter_lines())  # and ends: what is still waiting is dropped
