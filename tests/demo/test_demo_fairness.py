"""One visitor cannot starve the others of time, space or models."""

import errno
import threading
import time
import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import gradio as gr
import pytest

import colorzoo
from webapp import downloads, hub_models, jobs, theme
from webapp import models as zoo
from webapp import session as sessions
from webapp.downloads import Shelf
from webapp.place import DISK_FULL


@contextmanager
def job(owner):
    """Run as a job of a visitor, as after ``jobs.as_job``."""
    current = jobs.Job(owner)
    token = jobs._current.set(current)
    yield current
    jobs._current.reset(token)
    current.ended = time.monotonic()


def put(shelf, name, size):
    return shelf.add(name, lambda path: path.write_bytes(bytes(size)))


def names(shelf):
    return sorted(path.name for path in shelf.folder.rglob("*") if path.is_file())


# Space --------------------------------------------------------------------------------------------


def test_a_full_shelf_loses_the_oldest_file_of_the_heaviest_visitor(monkeypatch):
    monkeypatch.setattr(jobs, "FETCH_SECONDS", 0)
    shelf = Shelf(max_bytes=1000, max_age=60)
    with job("ann"):
        put(shelf, "victim.png", 100)
    for number in range(12):
        with job("bob"):
            put(shelf, f"bob{number:02}.png", 200)
    with job("cleo"):
        put(shelf, "cleo.png", 50)
    kept = ["bob08.png", "bob09.png", "bob10.png", "bob11.png", "cleo.png", "victim.png"]
    assert names(shelf) == kept


def test_the_results_of_a_job_stay_while_it_runs_and_some_time_to_fetch_them(monkeypatch):
    shelf = Shelf(max_bytes=1000, max_age=60)
    with job("ann"):
        put(shelf, "ann.png", 10)
    with job("bob") as running:
        paths = [put(shelf, f"bob{number}.png", 100) for number in range(5)]
        for number in range(30):
            with job(f"visitor {number}"):
                put(shelf, f"other{number:02}.png", 100)
            jobs._current.set(running)
        assert names(shelf)[:6] == ["ann.png", *(f"bob{number}.png" for number in range(5))]
    put(shelf, "more.png", 500)
    assert set(paths) <= {str(path) for path in shelf.folder.rglob("*.png")}
    monkeypatch.setattr(jobs, "FETCH_SECONDS", 0)
    shelf.tidy()
    assert sum(path.stat().st_size for path in shelf.folder.rglob("*.png")) <= 1000


def test_one_job_cannot_fill_the_shelf():
    shelf = Shelf(max_bytes=1000, max_age=60)
    with job("ann"):
        put(shelf, "victim.png", 100)
    with job("bob"), pytest.raises(gr.Error, match="fewer models or samples, or a smaller photo"):
        for number in range(9):
            put(shelf, f"bob{number}.png", 100)
    assert names(shelf) == [*(f"bob{number}.png" for number in range(5)), "victim.png"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_file_that_cannot_be_written_leaves_no_part(number):
    shelf = Shelf(max_bytes=1000, max_age=60)

    def fail(path):
        path.write_bytes(b"half")
        path.with_name("member.png").write_bytes(b"half")
        try:
            raise OSError(number, "as the system says")
        except OSError as error:
            raise colorzoo.ImageError("cannot be written") from error

    expected = gr.Error if number != errno.EIO else colorzoo.ImageError
    with pytest.raises(expected) as caught:
        shelf.add("x.zip", fail)
    assert (theme.words_of(caught.value) == DISK_FULL) if number != errno.EIO else True
    assert list(shelf.folder.iterdir()) == []


def test_a_failed_archive_leaves_no_part_and_the_disk_is_told(upload, monkeypatch):
    visit = sessions.Visit()
    wish = sessions.Wish(upload["path"], ("unet",), zoo.Settings())
    visit.begin(wish)
    list(sessions.colour(visit, wish, upload))
    before = names(sessions.SHELF)

    def fail(image, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(sessions.colorzoo, "save_image", fail)
    for make in (sessions.archive, sessions.sheet, lambda visit: sessions.png(visit, "unet")):
        with pytest.raises(gr.Error, match="disk .* is full"):
            make(visit)
    assert names(sessions.SHELF) == before


def test_the_shelf_goes_on_when_files_or_folders_are_gone():
    shelf = Shelf(max_bytes=100, max_age=60)
    first, second = downloads.Path(put(shelf, "1.png", 60)), downloads.Path(put(shelf, "2.png", 30))
    downloads.shutil.rmtree(first.parent)
    second.unlink()
    (second.parent / "strange.txt").write_bytes(b"")
    put(shelf, "3.png", 90)
    assert names(shelf) == ["3.png"] and len(list(shelf.folder.iterdir())) == 1


def test_the_predictions_of_the_heaviest_visitor_are_dropped_first(monkeypatch):
    kept = zoo._Kept()
    monkeypatch.setattr(zoo, "KEPT_BYTES", 100)
    monkeypatch.setattr(zoo, "_size", lambda answer: 10)
    with job("ann"):
        kept.add(("victim",), zoo.Answer("unet"))
    with job("bob"):
        for number in range(20):
            kept.add((number,), zoo.Answer("unet"))
    assert kept.get(("victim",)) and kept.bytes == 100
    kept.tidy(max_age=0)
    assert kept.bytes == 0 and not kept._shares and not kept._made


def test_a_prediction_does_not_stay_longer_because_it_is_used(monkeypatch):
    kept, now = zoo._Kept(), time.monotonic()
    kept.add(("photo",), zoo.Answer("unet"))
    monkeypatch.setattr(zoo.time, "monotonic", lambda: now + 100)
    assert kept.get(("photo",))
    kept.tidy(max_age=60)
    assert not kept.get(("photo",))


# Models -------------------------------------------------------------------------------------------


@pytest.fixture
def guests(monkeypatch):
    """Models of the Hub whose loading can be held up, by key."""
    held, loaded = {}, []

    def load(key):
        loaded.append(key)
        if key in held:
            assert held[key].wait(10)
        return SimpleNamespace()

    monkeypatch.setattr(hub_models, "_load", load)
    monkeypatch.setattr(hub_models, "_models", type(hub_models._models)())
    monkeypatch.setattr(hub_models, "_uses", {})
    return SimpleNamespace(held=held, loaded=loaded)


@pytest.mark.parametrize("kind", ["added", "registered"])
def test_a_model_that_is_being_loaded_does_not_hold_up_others(guests, monkeypatch, kind):
    keys = ("ann/slow@c", "ann/quick@c") if kind == "added" else ("unet", "unet-bins")
    monkeypatch.setattr(zoo, "_loaded", {})
    monkeypatch.setattr(zoo.colorzoo, "load", lambda name, **_: hub_models._load(name))
    guests.held[keys[0]] = threading.Event()
    slow = [threading.Thread(target=zoo.get_model, args=keys[:1]) for _ in range(2)]
    for thread in slow:
        thread.start()
    while not guests.loaded:
        time.sleep(0.001)
    quick = threading.Thread(target=zoo.get_model, args=keys[1:])
    quick.start()
    quick.join(5)
    assert not quick.is_alive() and all(thread.is_alive() for thread in slow)
    guests.held[keys[0]].set()
    for thread in slow:
        thread.join(5)
    assert guests.loaded == list(keys)  # each of them once
    assert not hub_models._loading._locks and not zoo._loading._locks


def test_the_models_of_the_heaviest_visitor_make_room(guests):
    with job("ann"):
        hub_models.get("ann/own@c")
    with job("bob"):
        for number in range(2 * hub_models.MAX_KEPT):
            hub_models.get(f"bob/{number}@c")
    assert len(hub_models._models) == hub_models.MAX_KEPT and "ann/own@c" in hub_models._models
    hub_models.tidy(60)
    assert "ann/own@c" in hub_models._models
    hub_models.tidy(0)
    assert not hub_models._models and not hub_models._uses


def test_a_download_to_a_full_disk_is_told_and_leaves_nothing(monkeypatch):
    def load(repo_id, *, cache_dir, **options):
        cache_dir.mkdir()
        (cache_dir / "part").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(cache_dir))

    monkeypatch.setattr(hub_models.colorzoo, "load", load)
    with pytest.raises(colorzoo.HubError, match="disk .* is full"):
        hub_models.get("ann/large@c")
    assert not hub_models._place("ann/large@c").exists()


# Time ---------------------------------------------------------------------------------------------


def test_a_job_that_takes_too_long_is_ended_between_models(upload, monkeypatch):
    ran = []
    predict = colorzoo.Colorizer.predict

    def slow(self, photo, **options):
        ran.append(self.architecture)
        current = jobs.current()
        current.started -= jobs.JOB_SECONDS  # so long did it take
        return predict(self, photo, **options)

    monkeypatch.setattr(colorzoo.Colorizer, "predict", slow)
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    visit = sessions.Visit()
    wish = sessions.Wish(upload["path"], ("unet", "unet-bins"), zoo.Settings())
    visit.begin(wish)
    steps = jobs.as_job(lambda: (yield from sessions.colour(visit, wish, upload)))
    with pytest.raises(gr.Error, match="longer than 3 minutes and was stopped"):
        list(steps(gr.Request(session_hash="ann")))
    assert len(ran) == 1 and jobs.current() is None


def test_a_job_ends_between_models_when_nobody_waits_for_it_any_more(upload, monkeypatch):
    ran, predict = [], colorzoo.Colorizer.predict

    def run(self, photo, **options):
        ran.append(self.architecture)
        return predict(self, photo, **options)

    monkeypatch.setattr(colorzoo.Colorizer, "predict", run)
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    photo = colorzoo.read_photo(upload["path"])
    names = ("unet", "unet-bins")

    def handler():
        return [answer.name for answer in zoo.predict(names, "photo", photo, zoo.Settings())]

    token = jobs.wanted.set(lambda: not ran)
    try:
        with pytest.raises(gr.Error, match="program that wanted it is gone"):
            jobs.as_job(handler)(gr.Request())
    finally:
        jobs.wanted.reset(token)
    assert len(ran) == 1
    assert jobs.as_job(handler)(gr.Request()) == [*names]


def test_any_failure_of_a_job_is_told_in_words(caplog):
    def unexpected():
        raise KeyError("/secret/path")

    def full():
        yield 1
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/path")

    with pytest.raises(gr.Error, match="Something went wrong") as caught:
        jobs.as_job(unexpected)(gr.Request())
    assert "secret" not in str(caught.value) and "/secret/path" in caplog.text
    with pytest.raises(gr.Error, match="disk .* is full"):
        list(jobs.as_job(full)(gr.Request()))


@pytest.mark.parametrize("kind", ["refused", "unexpected", "in steps"])
def test_the_error_of_a_job_does_not_keep_its_photo(kind):
    class Photo:
        """Can be referred to weakly."""

    alive = []

    def read():
        photo = Photo()
        alive.append(weakref.ref(photo))
        raise KeyError("damaged") if kind == "unexpected" else colorzoo.ImageError("damaged")

    def handler():
        try:
            read()
        except colorzoo.ImageError as error:
            raise theme.problem("damaged") from error

    def steps():
        yield alive
        handler()

    def serve():  # like Gradio, which keeps the error in the frame that it leads to
        try:
            if kind == "in steps":
                list(jobs.as_job(steps)(gr.Request()))
            else:
                jobs.as_job(handler)(gr.Request())
        except gr.Error as error:
            kept.append(error)

    kept = []
    serve()
    assert kept and alive[0]() is None


def test_a_job_ends_with_its_handler_however_that_ends():
    seen = []

    def handler():
        """Yield for ever."""
        try:
            while True:
                seen.append(jobs.current())
                yield jobs.owner()
        finally:
            seen.append("closed")

    steps = jobs.as_job(handler)(gr.Request(session_hash="ann"))
    assert next(steps) == next(steps) == "ann" and jobs.current() is None
    assert seen[0] is seen[1] and seen[0].ended is None
    steps.close()
    assert seen[2:] == ["closed"] and seen[0].ended is not None
