"""Which uploads are kept: a photo that somebody needs does not make room for others."""

import os
import time

import pytest
from helpers.guards import FILE, Behind, form, make, upload

from webapp import stock, uploads
from webapp.clients import ANONYMOUS, Client
from webapp.stock import FRESH_SECONDS, Stock, StockLimits, claim_of

LONG = FRESH_SECONDS + 10
SMALL = StockLimits(kept=1000, new=500, new_of_one=200, needed=500, needed_of_one=200)


@pytest.fixture
def clock(monkeypatch):
    """Lets time pass: ``clock.now += 60``."""

    class Clock:
        now = time.time()

    monkeypatch.setattr(stock.time, "time", lambda: Clock.now)
    return Clock


@pytest.fixture
def put(upload_folder, clock):
    """Writes an upload and returns its path."""

    def put(name, size, age=0.0):
        path = upload_folder / name / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
        os.utime(path, (clock.now - age,) * 2)
        return str(path)

    return put


def claim(owner, *paths):
    """What a job of a visitor names; owners with a dot are addresses."""
    client = Client(owner, f"{owner} page") if "." in owner else Client(None, owner)
    return claim_of(client, [[{"path": path} for path in paths], "unet", None, 1])


def left(folder):
    return sorted(path.stem for path in folder.rglob("*") if path.is_file())


def test_uploads_are_found_in_a_job_however_they_are_sent(tmp_path):
    one, two = f"{tmp_path}/1.png", f"{tmp_path}/2.png"
    values = [{"path": one}, "unet", [[{"image": {"path": f"{tmp_path}/x/.././2.png"}}]], one, None]
    assert claim_of(Client(None, "ann"), values).paths == (one, two)
    assert claim_of(Client(None, "ann"), None).paths == ()


# What goes ----------------------------------------------------------------------------------------


def test_who_has_the_most_loses_first_and_the_oldest_of_it(upload_folder, put, clock):
    kept = Stock(StockLimits(kept=200))
    kept.name(claim("ann", put("mine", 30, age=900)))
    for number in range(5):
        kept.name(claim("bob", put(f"bob{number}", 40, age=600 - number)))
        clock.now += 1
    for number in range(9):
        put(f"nobody{number}", 41, age=500 - number)
    example = put("example", 500, age=9000)
    clock.now += LONG
    put("fresh", 40)
    kept.tidy({example})
    assert left(upload_folder) == ["bob3", "bob4", "example", "fresh", "mine", "nobody8"]


def test_what_a_job_needs_stays_however_long_it_waits(upload_folder, put, clock):
    kept, page, program = Stock(StockLimits(kept=100)), claim("ann", put("page", 40)), None
    program = claim_of(Client(None, ANONYMOUS), [{"path": put("program", 40)}])
    for each in (page, program):
        kept.name(each)
    kept.name(claim("bob", put("heavy", 400)))
    for _ in range(10):
        clock.now += LONG
        kept.tidy(jobs=lambda: [page, program])
        assert left(upload_folder) == ["page", "program"]
    kept.tidy()  # both were named just now, by jobs that have ended
    clock.now += 2 * LONG
    put("new", 90)
    kept.tidy()
    assert left(upload_folder) == ["new"]


def test_the_photo_of_a_page_stays_while_its_other_jobs_wait(upload_folder, put, clock):
    kept, photo = Stock(StockLimits(kept=100)), put("photo", 90)
    kept.name(claim("ann", photo))
    download = claim_of(Client(None, "ann"), [None])  # of the result; it names no photo
    for _ in range(3):
        clock.now += FRESH_SECONDS - 1
        put("loose", 90, age=LONG)
        kept.tidy(jobs=lambda: [download])
        assert left(upload_folder) == ["photo"]
    clock.now += FRESH_SECONDS - 1
    put("loose", 90, age=LONG)
    kept.tidy()
    assert left(upload_folder) == ["photo"]  # for some time after its last job, too


def test_only_the_last_photo_of_a_page_is_needed(upload_folder, put, clock):
    kept = Stock(StockLimits(kept=100))
    for number in range(5):
        kept.name(claim("ann", put(f"ann{number}", 40)))
        clock.now += 1
    kept.tidy()
    assert left(upload_folder) == ["ann3", "ann4"]


def test_bytes_that_cannot_be_deleted_do_not_drive_out_what_others_use(upload_folder, put, clock):
    kept = Stock(StockLimits(kept=200))
    for name in ("ann", "bob"):
        kept.name(claim(name, put(name, 10)))
    for number in range(30):
        put(f"new{number:02}", 40, age=30 - number)
    kept.tidy()
    assert {"ann", "bob"} < {*left(upload_folder)} and len(left(upload_folder)) == 6


def test_a_photo_that_two_have_is_not_lost_because_one_of_them_has_many(upload_folder, put, clock):
    kept, shared = Stock(StockLimits(kept=100)), put("shared", 40)
    for owner in ("ann", "bob"):
        kept.name(claim(owner, shared))
    for number in range(4):
        clock.now += 1
        kept.name(claim("bob", put(f"bob{number}", 30)))
    clock.now += LONG
    kept.tidy()
    assert left(upload_folder) == ["bob2", "bob3", "shared"]


def test_new_uploads_of_an_address_count_with_what_it_has_named(upload_folder, put, clock):
    kept, old = Stock(StockLimits(kept=100)), put("old", 30)
    kept.arrived([old], "1.1.1.1/32")
    kept.name(claim("1.1.1.1/32", put("named", 30)))
    kept.name(claim("2.2.2.2/32", put("other", 50)))
    clock.now += LONG
    assert not kept.refuse_upload(10, None)  # which does not forget where the old one came from
    put("more", 10)
    kept.tidy()
    assert left(upload_folder) == ["more", "named", "other"]
    kept.tidy()
    assert not kept._new and len(kept._holders) == 2


def test_nothing_is_known_of_files_that_are_gone(upload_folder, put, clock):
    kept, path = Stock(), put("gone", 10)
    kept.name(claim("ann", path, "/etc/hostname", f"{upload_folder}/never.png"))
    kept.arrived([path], None)
    assert [*kept._holders] == [*kept._new] == [path]
    os.remove(path)
    clock.now += LONG
    kept.tidy()
    assert not kept._holders and not kept._last and not kept._new


# What is let in -----------------------------------------------------------------------------------


def test_a_photo_and_a_reference_of_the_largest_size_find_room():
    limits = StockLimits()
    assert limits.new + limits.needed <= limits.kept
    of_one = min(limits.new, limits.new_of_one, limits.needed, limits.needed_of_one)
    assert 2 * uploads.MAX_BYTES * stock.SHARE < of_one


def test_new_uploads_of_one_address_are_limited_and_small_ones_of_others_find_room(put, clock):
    kept = Stock(SMALL)
    accepted = 0
    for number in range(20):
        words = kept.refuse_upload(40, "1.1.1.1/32")
        if not words:
            kept.arrived([put(f"a{number}", 40)], "1.1.1.1/32")
            accepted += 1
    assert accepted == 4 and words.startswith("You have uploaded 0 MB of photos")
    assert not kept.refuse_upload(40, "2.2.2.2/32") and not kept.refuse_upload(15, "1.1.1.1/32")
    for number in range(20):  # nobody can tell these apart
        if not kept.refuse_upload(40, None):
            kept.arrived([put(f"n{number}", 40)], None)
    assert kept.refuse_upload(40, None).startswith("Too many photos are being uploaded")
    assert kept.refuse_upload(40, "3.3.3.3/32") and not kept.refuse_upload(10, "3.3.3.3/32")
    clock.now += LONG
    assert not kept.refuse_upload(40, "1.1.1.1/32") and not kept.refuse_upload(40, None)


def test_uploads_under_way_count_until_they_end_and_named_ones_do_not(put, clock):
    kept = Stock(SMALL)
    with kept.coming(150, "1.1.1.1/32"):
        assert kept.refuse_upload(40, "1.1.1.1/32")
    assert not kept.refuse_upload(40, "1.1.1.1/32") and not kept._coming
    for number in range(20):
        assert not kept.refuse_upload(40, "1.1.1.1/32"), number
        path = put(f"a{number}", 40)
        kept.arrived([path], "1.1.1.1/32")
        kept.name(claim("1.1.1.1/32", path))


def test_photos_of_waiting_jobs_are_limited_for_one_and_for_all(put, clock):
    kept, waiting = Stock(SMALL), []

    def join(owner, path):
        claimed = claim(owner, path)
        words = kept.refuse_job(claimed, waiting)
        if not words:
            kept.name(claimed)
            waiting.append(claimed)
        return words

    same = put("same", 40)
    assert not any(join("1.1.1.1", same) for _ in range(20))  # the same photo counts once
    told = [join("1.1.1.1", put(f"a{number}", 40)) for number in range(9)]
    assert told.count("") == 3 and told[-1].startswith("Your jobs use photos of 0 MB already")
    assert not join("ann", put("ann", 40))
    told = [join(f"eve{number}", put(f"e{number}", 40)) for number in range(20)]
    assert told.count("") == 6 and told[-1].startswith("Too many photos are waiting")
    assert not join("cleo", put("cleo", 10))  # a small one finds room
    assert not kept.refuse_job(claim("dan"), waiting)  # and so does a job without one
    waiting.clear()
    clock.now += LONG
    assert not join("1.1.1.1", put("later", 40))


def test_the_guard_counts_uploads_as_new_and_tells_who_sends_too_many(upload_folder):
    kept = Stock(StockLimits(new=3000))
    path = upload_folder / "a.png"
    path.write_bytes(bytes(1500))
    guard, behind = make(upload_folder, Behind(said=f'["{path}"]'.encode()), stock=kept)
    assert upload(guard, form(FILE)).status == 200
    told = upload(guard, form((FILE[0], bytes(900))))
    assert (told.status, len(behind.bodies)) == (429, 1)
    assert told.body.startswith(b"Too many photos are being uploaded to take one of 0.0 MB")
    assert not kept._coming and [*kept._new] == [str(path)]
    for said in (b"1", b"nonsense", b'[{"path": 1}]', b'{"detail": "no"}'):
        behind.said = said
        assert upload(guard, form(FILE)).status == 200
    assert [*kept._new] == [str(path)]
