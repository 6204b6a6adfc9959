"""Files that appear whole or not at all, and what killed runs leave behind."""

import sys
from pathlib import Path

from helpers.jobs import Tint, names

from colorzoo.atomic import remove_leftovers, whole_file
from colorzoo.jobs.pipeline import colorize_jobs
from colorzoo.jobs.plan import How, plan


def test_leftovers_of_killed_runs_go_and_those_in_use_stay(album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".colorzoo-0123456789abcdef.tmp").write_bytes(b"half a photo")
    with whole_file(out / "x.png") as stream:
        list(colorize_jobs(Tint(), plan([album], out), How()))
        assert [name for name in names(out) if name.startswith(".")] == [Path(stream.name).name]
        stream.write(b"whole")
    assert (out / "x.png").read_bytes() == b"whole"
    assert names(out) == [*names(album), "x.png"]


def test_tidying_up_before_the_lock_is_there_loses_nothing(tmp_path, monkeypatch):
    lock = sys.modules["colorzoo._partial"]._lock
    calls = []

    def late(stream):
        calls.append(stream)
        if len(calls) == 1:
            remove_leftovers(tmp_path)
        lock(stream)

    monkeypatch.setattr("colorzoo._partial._lock", late)
    with whole_file(tmp_path / "x") as stream:
        stream.write(b"whole")
    assert len(calls) > 2 and names(tmp_path) == ["x"]
