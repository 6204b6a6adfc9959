"""Going on with a run: what is done and whole is skipped."""

import os
import time
from pathlib import Path

import pytest
from helpers.jobs import Tint, colorize, names, statuses
from PIL import Image

from colorzoo.atomic import whole_file
from colorzoo.imaging.read import read_photo
from colorzoo.jobs.pipeline import colorize_jobs
from colorzoo.jobs.plan import How, plan

pytestmark = pytest.mark.usefixtures("two_threads")


def test_resume_skips_what_is_done_and_whole(album, tmp_path):
    out, tint = tmp_path / "out", Tint()
    jobs = plan([album], out)
    list(colorize_jobs(tint, jobs, How()))
    now = time.time()
    (out / "00.png").unlink()
    (out / "01.png").write_bytes((out / "01.png").read_bytes()[:-200])  # say, half copied
    (out / "02.png").write_bytes(b"")  # say, after a power failure
    os.utime(album / "03.png", (now + 60, now + 60))
    Image.new("RGB", (7, 7)).save(out / "04.png")
    kept = {name: (out / name).read_bytes() for name in names(out)}

    outcomes = list(colorize_jobs(tint, jobs, How(resume=True)))
    found = statuses(outcomes)
    assert sorted(name for name in found if found[name] == "done") == ["00.png", "01.png", "02.png"]
    reasons = {o.job.source.name: str(o.reason) for o in outcomes if o.status == "failed"}
    assert "is older than the photo. Pass --overwrite" in reasons.pop("03.png")
    assert "has 7 x 7 pixels, unlike the photo" in reasons.pop("04.png")
    assert not reasons
    for name in ["03.png", "04.png", "05.png", "11.png"]:
        assert (out / name).read_bytes() == kept[name]
    assert read_photo(out / "01.png").rgb.shape == (40, 48, 3)

    found = statuses(list(colorize_jobs(tint, jobs, How(resume=True, overwrite=True))))
    assert sorted(name for name in found if found[name] == "done") == ["03.png", "04.png"]
    assert set(found.values()) == {"done", "skipped"}


def test_resume_knows_a_turned_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    Image.new("L", (40, 20), 90).save(tmp_path / "in" / "x.jpg", exif=exif)
    jobs = plan([tmp_path / "in"], tmp_path / "out")
    assert statuses(list(colorize_jobs(Tint(), jobs, How()))) == {"x.jpg": "done"}
    assert statuses(list(colorize_jobs(Tint(), jobs, How(resume=True)))) == {"x.jpg": "skipped"}


def test_resume_never_takes_an_input_for_a_result(album):
    result = colorize(album / "00.png", "-o", album, "--resume", "--overwrite")
    assert result.code == 1 and "is an input" in result.err[0]


def test_leftovers_of_killed_runs_go_and_those_in_use_stay(album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".colorzoo-0123456789abcdef.tmp").write_bytes(b"half a photo")
    with whole_file(out / "x.png") as stream:
        list(colorize_jobs(Tint(), plan([album], out), How()))
        hidden = Path(stream.name).name
        in_use = [name for name in names(out) if name.startswith(".")]
        assert in_use == [hidden, f"{hidden}.lock"]
        stream.write(b"whole")
    assert (out / "x.png").read_bytes() == b"whole"
    assert names(out) == [*names(album), "x.png"]
