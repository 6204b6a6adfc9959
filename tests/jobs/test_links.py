"""Output folders in which somebody else put links, pipes and devices."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run_colorzoo
from helpers.jobs import Tint, colorize, names, statuses
from PIL import Image

from colorzoo.jobs.dataset import Colorize
from colorzoo.jobs.films import colorize_film_job
from colorzoo.jobs.pipeline import colorize_jobs
from colorzoo.jobs.plan import How, Job, plan
from colorzoo.jobs.record import RECORD

pytestmark = [
    pytest.mark.usefixtures("two_threads"),
    pytest.mark.skipif(os.name == "nt", reason="POSIX links, pipes and devices"),
]
HOWS = [How(), How(overwrite=True), How(resume=True), How(overwrite=True, resume=True)]


@pytest.fixture
def photos(tmp_path, gray) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png", "pipe.png", "folder.png", "loop.png", "sub/d.png"):
        Image.fromarray(gray).save(folder / name)
    return folder


@pytest.fixture
def outside(tmp_path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"precious")
    (folder / ".colorzoo-0123456789abcdef.tmp").write_bytes(b"of another program")
    return folder


@pytest.fixture
def out(tmp_path, outside) -> Path:
    folder = tmp_path / "out"
    (folder / "folder.png").mkdir(parents=True)
    (folder / "a.png").symlink_to(outside / "new.png")
    (folder / "b.png").symlink_to(outside / "old.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "sub").symlink_to(outside)
    os.mkfifo(folder / "pipe.png")
    return folder


def held(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names(folder)}


@pytest.mark.parametrize("how", HOWS)
def test_a_link_costs_its_photo_and_nothing_outside_changes(photos, out, outside, how):
    before = held(outside)
    outcomes = list(colorize_jobs(Tint(), plan([photos], out), how))
    found = statuses(outcomes)
    assert found.pop("c.png") == "done" and set(found.values()) == {"failed"} and len(found) == 6
    reasons = {outcome.job.source.name: str(outcome.reason) for outcome in outcomes}
    assert f"{out / 'sub'} is a link" in reasons["d.png"]
    assert all("is a link" in reasons[name] for name in ("a.png", "b.png", "loop.png"))
    assert "is a named pipe, not a regular file" in reasons["pipe.png"]
    assert "is a folder, not a regular file" in reasons["folder.png"]
    assert held(outside) == before


def test_a_link_that_appears_while_a_photo_is_coloured(photos, tmp_path, outside):
    out, before = tmp_path / "out", held(outside)

    class Attacked(Tint):
        def forward(self, lightness):
            for name in ("a.png", "sub"):
                if not os.path.lexists(out / name):
                    out.mkdir(exist_ok=True)
                    (out / name).symlink_to(outside / "old.png" if "." in name else outside)
            return super().forward(lightness)

    jobs = plan([photos / "a.png", photos / "sub" / "d.png", photos / "c.png"], out)
    jobs = [Job(job.source, out / job.source.relative_to(photos), within=out) for job in jobs]
    found = statuses(list(colorize_jobs(Attacked(), jobs, How(overwrite=True))))
    assert found["c.png"] == "done" and "done" not in (found["a.png"], found["d.png"])
    assert held(outside) == before


def test_an_output_folder_may_be_a_link_itself(photos, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    outcomes = list(colorize_jobs(Tint(), plan([photos], tmp_path / "link"), How()))
    assert set(statuses(outcomes).values()) == {"done"}
    assert names(tmp_path / "real") == names(photos)


def test_hard_links_keep_what_they_have(photos, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    out.mkdir()
    other.write_bytes(b"precious")
    os.link(other, out / "c.png")
    found = list(colorize_jobs(Tint(), plan([photos / "c.png"], out), How(overwrite=True)))
    assert statuses(found) == {"c.png": "done"} and other.read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
def test_a_record_that_is_no_file_costs_a_line(photos, model, tmp_path, outside, kind):
    out = tmp_path / "out"
    out.mkdir()
    if kind == "pipe":
        os.mkfifo(out / RECORD)
    else:
        (out / RECORD).symlink_to(outside / ("old.png" if kind == "link" else "new.png"))
    before = held(outside)
    result = colorize(photos / "c.png", "-o", out, "--model", model)
    assert (
        result.code == 1
        and len(result.err) == 1
        and "cannot be written to (it is a" in str(result.err)
    )
    assert held(outside) == before and not names(out)


def test_rows_do_not_follow_links_either(model, gray, out, outside):
    before = held(outside)
    rows = {"image": [gray] * 4, "path": ["a.png", "b.png", "c.png", "sub/d.png"]}
    result = Colorize(model, output=out, overwrite=True)(rows)
    assert result["status"] == ["failed", "failed", "done", "failed"]
    assert held(outside) == before


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("place", ["new.mp4", "old.png"])
def test_a_film_does_not_replace_what_a_link_leads_to(tmp_path, outside, how, place):
    source, target = tmp_path / "a.mp4", tmp_path / "out" / "a.mp4"
    source.write_bytes(b"no film, but that does not matter")
    target.parent.mkdir()
    target.symlink_to(outside / place)
    before = held(outside)
    outcome = colorize_film_job(Tint(), Job(source, target), how)
    assert outcome.status == "failed" and "is a link" in str(outcome.reason)
    assert held(outside) == before and target.is_symlink()


@pytest.mark.parametrize(
    "command",
    [
        ("colorize", "photos/c.png", "-o", "sheet.png", "--model", "./model"),
        ("compare", "photos/c.png", "-o", "sheet.png", "--model", "./model"),
        ("compare", "photos/c.png", "-o", "sheet.png", "--model", "./model", "--overwrite"),
    ],
)
def test_a_single_output_is_no_way_out_either(photos, model, tmp_path, outside, command):
    (tmp_path / "sheet.png").symlink_to(outside / "new.png")
    before = held(outside)
    done = run_colorzoo(*command, cwd=tmp_path)
    assert done.returncode == 1 and "sheet.png is a link" in done.stderr
    assert held(outside) == before


@pytest.mark.parametrize("output", [os.devnull, "file", "nowhere"])
def test_an_output_that_can_be_no_folder_is_told(photos, model, tmp_path, output):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to("missing")
    done = run_colorzoo("colorize", photos, "-o", output, "--model", model, cwd=tmp_path)
    assert done.returncode == 1 and "expected a folder for the results" in done.stderr
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("name", ["pipe.png", "zero.png", "pipe.mp4"])
@pytest.mark.parametrize(
    "words",
    [
        ("colorize", "{}", "-o", "o.png", "--model", "./model"),
        ("compare", "{}", "-o", "o.png", "--model", "./model"),
        ("evaluate", "./model", "{}"),
        ("push", "./model", "ann/model", "--card", "{}"),
    ],
)
def test_inputs_that_would_never_end_cost_a_line(model, tmp_path, words, name):
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    output = "o.mp4" if name.endswith(".mp4") else "o.png"
    words = [word.replace("o.png", output).format(name) for word in words]
    done = run_colorzoo(*words, cwd=tmp_path)
    assert done.returncode == 1 and "expected a regular file" in done.stderr


def test_a_pipe_that_takes_the_place_of_a_photo_holds_nobody_up(photos, tmp_path):
    """It appears after the folder was searched."""
    jobs = plan([photos], tmp_path / "out")
    (photos / "a.png").unlink()
    os.mkfifo(photos / "a.png")
    (photos / "b.png").unlink()
    shutil.rmtree(photos / "sub")
    found = statuses(list(colorize_jobs(Tint(), jobs, How())))
    assert [found[name] for name in ("a.png", "b.png", "d.png")] == ["failed"] * 3
    assert found["c.png"] == "done"


def test_links_that_lead_in_a_circle_are_no_reason_to_stop(photos, model, tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    result = colorize(photos / "c.png", tmp_path / "circle", "-o", tmp_path / "o", "--model", model)
    assert result.code == 1 and "1 coloured, 1 failed" in result.out


def test_a_private_picture_that_is_replaced_stays_private(photos, tmp_path):
    jobs = plan([photos / "c.png"], tmp_path)
    (tmp_path / "c.png").touch(mode=0o600)
    assert statuses(list(colorize_jobs(Tint(), jobs, How(overwrite=True)))) == {"c.png": "done"}
    assert (tmp_path / "c.png").stat().st_mode & 0o777 == 0o600
    assert np.asarray(Image.open(tmp_path / "c.png")).shape == (40, 48, 3)
