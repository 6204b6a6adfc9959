"""The report of a run: a line for each photo, and a summary."""

import os
import shutil
from pathlib import Path

import pytest
from helpers.jobs import colorize, lines_of, names

import colorzoo
from colorzoo.errors import ConfigError
from colorzoo.jobs.report import RunReport

pytestmark = pytest.mark.usefixtures("two_threads")


def test_the_report_tells_of_every_photo(album, model, tmp_path):
    (album / "05.png").write_bytes(b"no photo")
    report, out = tmp_path / "new" / "run.jsonl", tmp_path / "out"
    command = (album, "-o", out, "--model", model, "--report", report)
    assert colorize(*command).code == 1
    *photos, summary = lines_of(report)
    assert summary.pop("summary") == {"done": 11, "skipped": 0, "failed": 1, "left": 0}
    assert summary.pop("seconds") > 0
    assert summary["model"] == str(model) and summary["work_size"] == 32
    assert {line["source"] for line in photos} == {str(path) for path in album.iterdir()}
    for line in photos:
        assert {key: line[key] for key in summary} == summary
        assert line["target"] == str(out / Path(line["source"]).name)
        is_good = not line["source"].endswith("05.png")
        assert line["status"] == ("done" if is_good else "failed")
        assert line["seconds"] > 0 or not is_good
        assert (line["width"], line["height"]) == ((48, 40) if is_good else (None, None))
        assert line["reason"] is None if is_good else "is not a JPEG" in line["reason"]

    again = colorize(*command)
    assert again.code == 1 and "--resume to append to it" in again.err[0]
    assert len(lines_of(report)) == 13
    # A kill has torn the last line.
    report.write_bytes(report.read_bytes()[:-30])
    assert "0 coloured, 11 skipped, 1 failed" in colorize(*command, "--resume").out
    found = lines_of(report)
    assert len(found) == 12 + 13 and found[-1]["summary"]["skipped"] == 11
    assert colorize(*command, "--overwrite").code == 1
    assert len(lines_of(report)) == 13


def test_the_report_tells_what_an_output_was_made_with(album, model, tmp_path):
    report, out = tmp_path / "run.jsonl", tmp_path / "out"
    command = (album / "00.png", "-o", out, "--model", model, "--report", report, "--resume")
    assert colorize(*command).code == 0
    other = colorize(*command, "--saturation", "2")
    assert other.code == 1 and "was made with saturation 1.0, not 2.0" in other.err[0]
    colorzoo.create_model("unet", width=2, work_size=32).save_pretrained(model)
    other = colorize(*command)
    assert other.code == 1 and "was made with weights" in other.err[0]
    assert "1 coloured" in colorize(*command, "--overwrite").out
    assert "1 skipped" in colorize(*command).out
    # Same name, same size, not older: only the report knows.
    namesake = tmp_path / "00.png"
    shutil.copy2(album / "01.png", namesake)
    other = colorize(namesake, *command[1:])
    assert other.code == 1 and f"the result of another photo, {album}/00.png" in other.err[0]


@pytest.mark.parametrize("text", ["Dear aunt,", '{"a": 1}', '{"a": 1}\n', "{}\n{", "[1]\n"])
def test_nothing_but_a_report_is_appended_to(album, model, tmp_path, text):
    file = tmp_path / "notes.jsonl"
    file.write_text(text)
    result = colorize(
        *(album, "-o", tmp_path / "out", "--model", model, "--report", file, "--resume")
    )
    assert result.code == 1 and "is not a report" in result.err[0]
    assert file.read_text() == text and not (tmp_path / "out").exists()


def test_the_report_takes_no_photos_place(album, model, tmp_path):
    for report in (album / "00.png", tmp_path / "out" / "00.png", album):
        result = colorize(
            *(album, "-o", tmp_path / "out", "--model", model),
            *("--report", report, "--overwrite"),
        )
        assert result.code == 1 and result.err[0].startswith("error: the report ")
    assert not (tmp_path / "out").exists() and len(names(album)) == 12


def test_a_run_that_is_refused_leaves_no_report(album, model, tmp_path):
    out, new = tmp_path / "out", tmp_path / "reports" / "new.jsonl"
    assert colorize(album, "-o", out, "--model", model, "--saturation", 2).code == 0
    result = colorize(album, "-o", out, "--model", model, "--resume", "--report", new)
    assert result.code == 1 and "made with saturation 2.0" in result.err[0]
    assert not new.exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX links, pipes and devices")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pipe", "cannot be written"),  # nobody reads it
        ("link", "is a link"),
        ("dangling", "is a link"),
        ("folder", "is a folder"),
    ],
)
def test_a_report_that_is_no_file_is_refused(tmp_path, name, reason):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "dangling").symlink_to("missing")
    for append in (True, False):
        with pytest.raises(ConfigError, match=reason):
            RunReport(tmp_path / name, {}, append=append, overwrite=not append).open()
    assert (tmp_path / "other").read_bytes() == b"precious" and not (tmp_path / "missing").exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX links and devices")
@pytest.mark.parametrize("append", [True, False])
def test_other_names_of_a_report_keep_what_they_have(tmp_path, append):
    (tmp_path / "other").touch()
    os.link(tmp_path / "other", tmp_path / "hard")
    for path in (tmp_path / "hard", Path(os.devnull)):
        report = RunReport(path, {}, append=append, overwrite=not append)
        report.open()
        report.finish()
    assert len(lines_of(tmp_path / "hard")) == 1 and not (tmp_path / "other").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_report_that_is_replaced_keeps_its_permissions(album, model, tmp_path):
    report = tmp_path / "run.jsonl"
    report.touch(mode=0o600)
    command = (album / "00.png", "-o", tmp_path / "out", "--model", model, "--overwrite")
    assert colorize(*command, "--report", report).code == 0
    assert report.stat().st_mode & 0o777 == 0o600 and len(lines_of(report)) == 2


@pytest.mark.parametrize(
    "text",
    [
        '{"source": 1, "status": "done"}\n',
        '{"source": "a", "target": [], "status": "done"}\n',
        '{"source": ' + "[" * 100_000 + "\n",
    ],
)
def test_what_only_looks_like_a_report_is_refused(tmp_path, text):
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not a report"):
        RunReport(path, {}, append=True, overwrite=False)
    assert path.read_text() == text
