"""The record of how outputs were made: no run takes those of other settings for its own."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run_colorzoo, start_colorzoo
from helpers.jobs import Tint, colorize, lines_of, names, statuses
from PIL import Image

import colorzoo
from colorzoo.jobs import record as recording
from colorzoo.jobs.dataset import Colorize
from colorzoo.jobs.pipeline import colorize_jobs
from colorzoo.jobs.plan import How, Job, Outcome, plan
from colorzoo.jobs.record import RECORD, Records, fingerprint
from colorzoo.jobs.settings import find_difference

pytestmark = pytest.mark.usefixtures("two_threads")

WAYS = ("Pass --overwrite to make", "choose another output folder", "use the same settings")


@pytest.fixture
def other(tmp_path) -> Path:
    """A model of other weights."""
    colorzoo.create_model("unet", width=2, work_size=32).save_pretrained(tmp_path / "other")
    return tmp_path / "other"


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names(folder)}


def test_what_differs_and_how_to_go_on_is_said(album, model, other, tmp_path):
    out = tmp_path / "out"
    command = (album, "-o", out, "--resume", "--model")
    assert "12 coloured" in colorize(*command, model).out
    made = contents(out)
    for changed, said in [
        ((model, "--saturation", "2"), "saturation 1.0, not 2.0"),
        ((model, "--work-size", "48"), "--work-size 32, not 48"),
        ((other,), f"model {model}, not {other}"),
        (("unet-bins", "--seed", "3"), f"model {model}, not unet-bins"),
        (("unet-bins", "--seed", "3"), "the default seed, not 3"),
    ]:
        result = colorize(*command, *changed)
        assert result.code == 1 and result.out == ""
        (line,) = result.err
        assert line.startswith(f"error: {out}/00.png and 11 more were made with ") and said in line
        assert all(way in line for way in WAYS)
        assert contents(out) == made
    assert "12 skipped" in colorize(*command, model).out
    result = colorize(*command, model, "--saturation", "2", "--overwrite")
    assert result.code == 0 and "12 coloured" in result.out and contents(out) != made
    assert "12 skipped" in colorize(*command, model, "--saturation", "2").out
    result = colorize(*command, model)  # the record knows both, and which ones are there now
    assert result.code == 1 and "and 11 more were made with saturation 2.0" in result.err[0]


def test_the_weights_count_and_not_the_models_name(album, model, other, tmp_path):
    out = tmp_path / "out"
    command = (album / "00.png", "-o", out, "--resume", "--model")
    assert colorize(*command, model).code == 0
    renamed = shutil.copytree(model, tmp_path / "renamed")
    assert "1 skipped" in colorize(*command, renamed).out
    shutil.copytree(other, renamed, dirs_exist_ok=True)
    result = colorize(*command, renamed)
    assert result.code == 1 and f"model {model}, not {renamed}" in result.err[0]
    shutil.copytree(other, model, dirs_exist_ok=True)
    result = colorize(*command, model)
    assert result.code == 1 and "was made with weights " in result.err[0]


@pytest.mark.slow
def test_an_exported_graph_is_known_by_its_content(model, other, tmp_path, album):
    pytest.importorskip("onnxruntime", reason="needs colorzoo[onnx]")
    from colorzoo.exporting.graph import export

    graph, out = tmp_path / "graph.onnx", tmp_path / "out"
    command = (album / "00.png", "-o", out, "--resume", "--model", graph)
    export(colorzoo.load(model), graph)
    assert colorize(*command).code == 0 and "1 skipped" in colorize(*command).out
    graph.unlink()
    export(colorzoo.load(other), graph)
    result = colorize(*command)
    assert result.code == 1 and "was made with weights " in result.err[0]


def test_a_single_file_and_a_folder_below_are_known_too(nested, model, tmp_path):
    out, more = tmp_path / "out", ("--model", model, "--saturation", "2", "--resume")
    assert colorize(nested, "-o", out, "--model", model).code == 0
    result = colorize(nested / "sub", "-o", out / "sub", *more)
    assert result.code == 1 and f"{out}/sub/b.png and 1 more were made with" in result.err[0]
    result = colorize(nested / "a.jpg", "-o", out / "a.jpg", *more)
    assert result.code == 1 and f"{out}/a.jpg was made with saturation" in result.err[0]
    moved = out.rename(tmp_path / "moved")
    assert "3 skipped" in colorize(nested, "-o", moved, "--model", model, "--resume").out


def test_runs_of_several_settings_may_share_a_folder(album, model, tmp_path):
    out = tmp_path / "out"
    for i in range(3):
        photo = album / f"{i:02}.png"
        assert colorize(photo, "-o", out, "--model", model, "--saturation", i).code == 0
    for i in range(3):
        command = ("-o", out, "--model", model, "--saturation", i, "--resume")
        assert "1 skipped" in colorize(album / f"{i:02}.png", *command).out
        result = colorize(album, *command)  # the two others are not its own
        assert result.code == 1 and " and 1 more were made with saturation" in result.err[0]
    assert names(out) == ["00.png", "01.png", "02.png"]
    settings = [line for line in lines_of(out / RECORD) if "output" not in line]
    assert [line["saturation"] for line in settings] == [0, 1, 2]


def test_outputs_without_a_record_are_told_of_once(album, model, tmp_path):
    out = tmp_path / "out"
    command = (album, "-o", out, "--model", model, "--resume")
    assert colorize(*command).code == 0
    (out / RECORD).unlink()
    (out / "00.png").unlink()
    result = colorize(*command, "--saturation", "2")
    assert result.code == 0 and "1 coloured, 11 skipped" in result.out
    (note,) = result.err
    assert note.startswith(f"note: no record tells how {out}/01.png and 10 more were made")
    assert colorize(*command).code == 1  # what was made now is known


def test_a_file_that_was_changed_is_no_longer_that_of_the_record(album, model, tmp_path):
    out = tmp_path / "out"
    command = (album / "00.png", "-o", out, "--model", model, "--resume")
    assert colorize(*command).code == 0
    retouched = np.asarray(Image.open(out / "00.png")) // 2
    Image.fromarray(retouched).save(out / "00.png")
    made = contents(out)
    result = colorize(*command, "--saturation", "2")
    assert result.code == 0 and "1 skipped" in result.out and "no record tells" in result.err[0]
    assert contents(out) == made


def test_a_photo_of_the_same_name_and_size(album, model, tmp_path):
    namesake = tmp_path / "00.png"
    pixels = np.asarray(Image.open(album / "00.png"))
    Image.fromarray(255 - pixels).save(namesake)
    os.utime(namesake, (1e9, 1e9))
    command = ("-o", tmp_path / "out", "--model", model, "--resume")
    assert colorize(album / "00.png", *command).code == 0
    result = colorize(namesake, *command)
    assert result.code == 1 and "is the result of another photo" in result.err[0]
    copied = shutil.copytree(album, tmp_path / "copied")  # another place and time, the same photo
    assert "1 skipped" in colorize(copied / "00.png", *command).out


def test_incomplete_and_foreign_lines_do_no_harm(album, model, tmp_path):
    out = tmp_path / "out"
    command = (album, "-o", out, "--model", model, "--resume")
    assert colorize(*command).code == 0
    whole = (out / RECORD).read_bytes()
    foreign = b'[1]\n7\n{"output": []}\n{"settings": {}}\n\xff\n{"output": "a", "made": "b"}\n'
    (out / RECORD).write_bytes(whole + foreign + whole.splitlines()[-1][:50])
    for i in range(3):
        (out / f"0{i}.png").unlink()
    assert "3 coloured, 9 skipped" in colorize(*command).out
    result = colorize(*command, "--saturation", "2")
    assert result.code == 1 and f"{out}/00.png and 11 more were made" in result.err[0]


def test_a_record_that_is_deleted_meanwhile_is_begun_again(nested, model, tmp_path):
    out, batch = tmp_path / "out", {"path": [str(nested / "a.jpg")]}
    worker = Colorize(model, output=out, root=nested)
    assert worker(batch)["status"] == ["done"]
    shutil.rmtree(out)
    assert worker(batch)["status"] == ["done"]
    other = Colorize(model, output=out, root=nested, saturation=2)(batch)
    assert other["status"] == ["failed"] and "was made with saturation" in other["error"][0]


def test_two_runs_record_all_that_they_make(many, model, tmp_path):
    out = tmp_path / "out"
    command = ("colorize", many, "-o", out, "--model", model, "--resume")
    runs = [start_colorzoo(*command) for _ in range(2)]
    for run in runs:
        run.join()
        assert run.exitcode == 0
    known = {line.get("output"): line.get("content") for line in lines_of(out / RECORD)}
    assert {name: known[name] for name in names(out)} == {
        name: fingerprint(out / name) for name in names(many)
    }


def test_an_output_of_other_settings_that_appears_meanwhile_is_not_skipped(album, tmp_path):
    """Another run writes it after this one has looked."""
    jobs = plan([album / "00.png"], tmp_path / "out")
    others, own = Records({"saturation": 2.0}), Records({"saturation": 1.0})

    class Meanwhile(Tint):
        def forward(self, lightness):
            if not jobs[0].target.exists():
                list(colorize_jobs(Tint(), jobs, How(saturation=2.0), records=others))
            return super().forward(lightness)

    outcomes = list(colorize_jobs(Meanwhile(), jobs, How(resume=True), records=own))
    assert statuses(outcomes) == {"00.png": "failed"}
    assert "was made with saturation 2.0, not 1.0. Pass --overwrite" in str(outcomes[0].reason)


def test_a_record_that_cannot_be_written_leaves_the_photos(album, model, tmp_path):
    out = tmp_path / "out"
    (out / RECORD).mkdir(parents=True)
    result = colorize(album, "-o", out, "--model", model)
    assert result.code == 1 and "0 coloured, 0 failed, 12 not attempted" in result.out
    (line,) = result.err
    assert line.startswith(f"not attempted: {out}/{RECORD} cannot be written to (Is a directory)")
    assert names(out) == []
    result = colorize(album, "-o", out, "--model", model, "--resume")
    assert result.code == 1 and names(out) == []


def test_on_a_full_disk_no_photo_remains_unrecorded(album, model, tmp_path, monkeypatch):
    out, written = tmp_path / "out", []

    def append(path, line, **options):
        written.append(line)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, line, **options)

    real = recording.append_line
    monkeypatch.setattr(recording, "append_line", append)
    result = colorize(album, "-o", out, "--model", model)
    assert result.code == 1 and "3 coloured, 0 failed, 9 not attempted" in result.out
    assert len(result.err) == 1 and "there is no space left to write to" in result.err[0]
    assert sorted(names(out)) == sorted(line["output"] for line in lines_of(out / RECORD)[1:])
    monkeypatch.undo()
    result = colorize(album, "-o", out, "--model", model, "--resume")
    assert result.code == 0 and "9 coloured, 3 skipped" in result.out and not result.err


def test_a_record_that_cannot_be_read_ends_the_run(album, model, tmp_path, monkeypatch):
    out = tmp_path / "out"
    command = (album, "-o", out, "--model", model, "--resume")
    assert colorize(*command).code == 0
    (out / RECORD).unlink()
    (out / RECORD).mkdir()
    result = colorize(*command)
    assert result.code == 1 and f"the record {out}/{RECORD} cannot be read" in result.err[0]


def test_a_film_that_cannot_be_recorded_is_kept_and_failed(tmp_path):
    job = Job(tmp_path / "a.mp4", tmp_path / "out" / "a.mp4")
    (job.target.parent / RECORD).mkdir(parents=True)
    job.target.write_bytes(b"a film")
    records = Records({"saturation": 1.0})
    outcome = records.add_film(Outcome(job, "done", None))
    assert outcome.status == "failed" and "is complete, but the record" in str(outcome.reason)
    assert job.target.read_bytes() == b"a film"
    (job.target.parent / RECORD).rmdir()
    assert records.add_film(Outcome(job, "done", None)).status == "done" and records.knows(job)
    assert records.add_film(Outcome(job, "left", "stopped")).status == "left"


def test_the_report_does_not_take_the_records_place(album, model, tmp_path):
    out = tmp_path / "out"
    result = colorize(album, "-o", out, "--model", model, "--report", out / RECORD, "--overwrite")
    assert result.code == 1 and "choose another path" in result.err[0]


def test_batches_keep_to_the_record(nested, model, tmp_path):
    out, batch = tmp_path / "out", {"path": sorted(map(str, nested.rglob("*.*")))}
    assert Colorize(model, output=out, root=nested)(batch)["status"] == ["done"] * 3
    assert Colorize(model, output=out, root=nested)(batch)["status"] == ["skipped"] * 3
    made = contents(out)
    more = Colorize(model, output=out, root=nested, saturation=2)
    result = more(batch)
    assert result["status"] == ["failed"] * 3 and contents(out) == made
    assert "a.jpg was made with saturation 1.0, not 2.0" in result["error"][0]
    more = Colorize(model, output=out, root=nested, saturation=2, overwrite=True)
    assert more(batch)["status"] == ["done"] * 3 and contents(out) != made
    # The same photos in memory, and the command line, which reads the same record.
    held = {"bytes": [Path(path).read_bytes() for path in batch["path"]], **batch}
    assert more(held)["status"] == ["skipped"] * 3
    result = colorize(nested, "-o", out, "--model", model, "--resume")
    assert result.code == 1 and "saturation 2.0, not 1.0" in result.err[0]


def test_a_cluster_is_not_started_for_outputs_of_other_settings(nested, model, tmp_path):
    out = tmp_path / "out"
    assert colorize(nested, "-o", out, "--model", model).code == 0
    result = run_colorzoo("batch", nested, out, "--model", model, "--saturation", "2")
    assert result.returncode == 1 and "and 2 more were made with saturation" in result.stderr


def test_a_reference_is_known_by_its_pixels():
    made = {"weights": "a", "reference": "sky.jpg (123)", "config": {"width": 2}}
    assert find_difference(made, made | {"config": {"width": 2, "new": 1}}) is None
    assert find_difference(made, made | {"config": {"width": 4}}) == "width 2, not 4"
    other = made | {"reference": "sky.jpg (456)"}
    assert find_difference(made, other) == "reference sky.jpg (123), not sky.jpg (456)"


def test_a_record_of_many_outputs_is_small(tmp_path):
    records = Records({"saturation": 1.0})
    (tmp_path / "photo.jpg").write_bytes(bytes(1000))
    (job,) = plan([tmp_path / "photo.jpg"], tmp_path / "IMG_20240101_123456.jpg")
    job.target.write_bytes(bytes(2000))
    records.begin(tmp_path)
    before = (tmp_path / RECORD).stat().st_size
    records.add(job)
    assert (tmp_path / RECORD).stat().st_size - before < 150
    assert json.loads((tmp_path / RECORD).read_text().splitlines()[-1])["output"] == job.target.name
