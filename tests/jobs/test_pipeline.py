"""Many photos at once: read, coloured and written side by side, and none is lost."""

import os
import threading
import time
from contextlib import closing

import numpy as np
import pytest
import torch
from helpers.jobs import Tint, names, statuses
from PIL import Image
from torch import Tensor

import colorzoo
from colorzoo.imaging.read import read_photo
from colorzoo.imaging.write import write_image
from colorzoo.jobs import pipeline
from colorzoo.jobs import plan as planning
from colorzoo.jobs.pipeline import colorize_jobs
from colorzoo.jobs.plan import How, plan

pytestmark = pytest.mark.usefixtures("two_threads")


def test_every_photo_is_coloured_and_one_thread_runs_the_network(album, tmp_path):
    tint, out = Tint(), tmp_path / "out"
    threads = torch.get_num_threads()
    outcomes = list(colorize_jobs(tint, plan([album], out), How()))
    assert statuses(outcomes) == dict.fromkeys(names(album), "done")
    assert names(out) == names(album)
    assert tint.threads == {threading.get_ident()}
    assert torch.get_num_threads() == threads
    for outcome in outcomes:
        assert outcome.seconds > 0 and outcome.size == (48, 40) and outcome.reason is None
        expected = np.asarray(tint.colorize(outcome.job.source))
        assert (np.asarray(Image.open(outcome.job.target)) == expected).all()


def test_reading_the_network_and_writing_overlap(album, tmp_path, monkeypatch):
    meeting = threading.Barrier(3)  # fails the test unless all three are under way at once
    saved = []

    def read(path, **options):
        if path.name == "04.png":
            meeting.wait(timeout=30)
        return read_photo(path, **options)

    def save(image, path, **options):
        saved.append(path)
        if len(saved) == 1:
            meeting.wait(timeout=30)
        return write_image(image, path, **options)

    class Waiting(Tint):
        def forward(self, lightness: Tensor) -> Tensor:
            calls.append(lightness)
            if len(calls) == 2:
                meeting.wait(timeout=30)
            return super().forward(lightness)

    calls: list[Tensor] = []
    monkeypatch.setattr(planning, "read_file", read)
    monkeypatch.setattr(pipeline, "write_image", save)
    outcomes = list(colorize_jobs(Waiting(), plan([album], tmp_path / "out"), How()))
    assert {outcome.status for outcome in outcomes} == {"done"} and len(calls) == 12


def test_pixels_in_flight_are_bounded(album, tmp_path, monkeypatch):
    Image.new("L", (400, 400)).save(album / "05-large.png")
    monkeypatch.setattr(pipeline, "_PIXELS_IN_FLIGHT", 3 * 40 * 48)
    lock, held, most, beside_large = threading.Lock(), [], 0, []

    def read(path, **options):
        nonlocal most
        with lock:
            held.append(path.name)
            most = max(most, len(held))
        return read_photo(path, **options)

    def save(image, path, **options):
        with lock:
            if path.name == "05-large.png":
                beside_large.extend(held)
        notes = write_image(image, path, **options)
        with lock:
            held.remove(path.name)
        return notes

    monkeypatch.setattr(planning, "read_file", read)
    monkeypatch.setattr(pipeline, "write_image", save)
    torch.set_num_threads(4)
    outcomes = list(colorize_jobs(Tint(), plan([album], tmp_path / "out"), How()))
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert 1 < most <= 3
    assert beside_large == ["05-large.png"]


def test_metadata_that_the_output_lacks_is_noted(tmp_path):
    photo = tmp_path / "photo.jpg"
    Image.new("L", (40, 48)).save(photo, comment="box 4")
    for suffix, notes in ((".webp", 1), (".jpg", 0)):
        (outcome,) = colorize_jobs(Tint(), plan([photo], tmp_path / f"out{suffix}"), How())
        assert (outcome.status, len(outcome.notes)) == ("done", notes)
        assert all("no place for it: comment" in note for note in outcome.notes)


def test_a_photo_that_vanishes_or_fails_costs_itself_only(album, tmp_path):
    jobs = plan([album], tmp_path / "out")
    (album / "03.png").unlink()
    (album / "04.png").write_bytes((album / "04.png").read_bytes()[:500])
    outcomes = list(colorize_jobs(Tint(), jobs, How()))
    failed = {o.job.source.name: o.reason for o in outcomes if o.status == "failed"}
    assert failed.keys() == {"03.png", "04.png"}
    assert failed["03.png"] == "03.png: there is no such file; check the path"
    assert len(names(tmp_path / "out")) == 10


def test_an_output_that_appears_meanwhile_is_kept(album, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def read(path, **options):
        (out / path.name).write_bytes(b"by another run")
        return read_photo(path, **options)

    out.mkdir()
    monkeypatch.setattr(planning, "read_file", read)
    outcomes = list(colorize_jobs(Tint(), plan([album / "00.png"], out), How()))
    assert statuses(outcomes) == {"00.png": "failed"} and "exists" in str(outcomes[0].reason)
    assert (out / "00.png").read_bytes() == b"by another run"


def test_stopping_leaves_whole_files_and_no_threads(album, tmp_path):
    out, before = tmp_path / "out", threading.active_count()
    with closing(colorize_jobs(Tint(), plan([album], out), How())) as outcomes:
        next(outcomes)
    assert threading.active_count() == before
    assert 1 <= len(names(out)) < 12
    for name in names(out):
        read_photo(out / name)


@pytest.mark.timing
def test_eight_photos_of_1024_pixels_a_second(tmp_path, coffee, rng):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("the figure is for two cores")
    (tmp_path / "in").mkdir()
    photo = np.asarray(Image.fromarray(coffee).convert("L").resize((1024, 768))).astype(float)
    for i in range(40):
        grain = rng.normal(0, 4, photo.shape)
        scan = Image.fromarray((photo + grain).clip(0, 255).astype(np.uint8))
        scan.save(tmp_path / "in" / f"{i}.jpg", quality=90)
    model, jobs = colorzoo.load(), plan([tmp_path / "in"], tmp_path / "out")
    list(colorize_jobs(model, jobs[:4], How()))  # tables, caches
    start, cpu = time.perf_counter(), time.process_time()
    outcomes = list(colorize_jobs(model, jobs[4:], How()))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    assert {outcome.status for outcome in outcomes} == {"done"}
    rate = len(outcomes) / seconds
    told = f"{rate:.1f} photos a second, {cpu / len(outcomes):.3f} s of a core each"
    assert cpu / len(outcomes) < 2 / 8, told  # even where other work has the cores
    assert rate >= 8, f"{told}; this run had {cpu / seconds:.1f} cores"
