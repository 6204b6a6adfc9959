"""What is in the folders of a run and is not coloured: it is said, or it is nobody's photo."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run_colorzoo
from helpers.jobs import colorize, lines_of, names
from PIL import Image

from colorzoo.imaging import formats
from colorzoo.imaging.formats import is_photo_name, photos_below
from colorzoo.jobs.left_out import LeftOut, find_left_out
from colorzoo.jobs.plan import plan

pytestmark = pytest.mark.usefixtures("two_threads")


@pytest.fixture
def mixed(tmp_path, gray) -> Path:
    """One photo beside pictures of kinds that are not read, a film, and other files."""
    folder = tmp_path / "album"
    (folder / "sub" / ".hidden").mkdir(parents=True)
    Image.fromarray(gray).save(folder / "a.jpg")
    others = ["1.pdf", "2.PDF", "sub/3.pdf", "4.tga", "sub/5.TGA", "6.pgm", "7.CR2", "8.mp4"]
    unsaid = ["notes.txt", "README", "index.html", ".9.pdf", "sub/.hidden/10.pdf", "sub/11.xmp"]
    for name in [*others, *unsaid]:
        (folder / name).write_bytes(b"data")
    return folder


def test_kinds_are_counted_in_the_note_the_summary_and_the_report(mixed, model, tmp_path):
    report = tmp_path / "run.jsonl"
    result = colorize(mixed, "-o", tmp_path / "out", "--model", model, "--report", report)
    assert result.code == 0
    films, pictures = result.err
    assert films.startswith(f"note: films inside folders are skipped ({mixed}/8.mp4)")
    assert pictures.startswith("note: left out: 3 PDF, 2 TGA, 1 CR2, 1 PGM, which colorzoo cannot")
    place = tmp_path / "out"
    kinds = "3 PDF, 2 TGA, 1 CR2, 1 MP4, 1 PGM"
    assert result.out == f"1 coloured, 0 failed, in {place}; left out: {kinds}\n"
    *_, summary = lines_of(report)
    assert summary["left_out"] == {"PDF": 3, "TGA": 2, "CR2": 1, "MP4": 1, "PGM": 1}
    assert names(tmp_path / "out") == ["a.jpg"]


def test_without_a_photo_it_is_said_what_there_is(mixed, model, tmp_path):
    (mixed / "a.jpg").unlink()
    for command in (
        ("colorize", mixed, "-o", tmp_path / "out"),
        ("batch", mixed, tmp_path / "out"),
    ):
        result = run_colorzoo(*command, "--model", model)
        assert result.returncode == 1 and "there is no photo in" in result.stderr
        assert "left out: 3 PDF, 2 TGA, 1 CR2, 1 PGM" in result.stderr


def test_nothing_is_said_where_nothing_is_left_out(album, tmp_path):
    assert find_left_out([album, album / "00.png"], tmp_path / "out") == LeftOut()
    assert LeftOut().notes() == [] and LeftOut().in_words() == ""


def test_outputs_and_inputs_by_name_are_not_left_out(mixed):
    out = mixed / "out"
    out.mkdir()
    (out / "x.pdf").touch()
    found = find_left_out([mixed, mixed / "8.mp4", mixed / "4.tga"], out)
    assert found.kinds == {"PDF": 3, "CR2": 1, "PGM": 1, "TGA": 1} and not found.films


def test_no_kind_is_both_read_and_left_out():
    assert not formats.UNREADABLE & formats.SUFFIXES
    assert {".nef", ".arw", ".dng", ".psd", ".svg", ".exr", ".ico", ".eps"} <= formats.UNREADABLE
    assert all(each == each.lower() and each.startswith(".") for each in formats.UNREADABLE)


def test_newer_formats_are_read_and_become_png(tmp_path, model, gray):
    folder = tmp_path / "phone"
    folder.mkdir()
    read_only = ("heic", "HEIF", "hif", "avif", "jp2", "j2k", "jpx", "j2c", "jxl")
    stream = io.BytesIO()
    Image.fromarray(gray).save(stream, "JPEG")
    for name in read_only:  # as Google Photos exports them: JPEG files with another suffix
        (folder / f"{name}.{name}").write_bytes(stream.getvalue())
    result = colorize(folder, "-o", tmp_path / "out", "--model", model)
    assert result.code == 0, result.err
    assert names(tmp_path / "out") == sorted(f"{name}.png" for name in read_only)
    with Image.open(tmp_path / "out" / "heic.png") as photo:
        assert photo.format == "PNG" and photo.size == gray.shape[::-1]


SYSTEMS = [
    *("@eaDir", "#recycle", "#snapshot", "Thumbs", ".Trashes", "$RECYCLE.BIN"),
    *("System Volume Information", "__MACOSX", "lost+found", "@Recycle", ".thumbnails"),
]


@pytest.mark.parametrize("name", SYSTEMS)
def test_folders_of_systems_are_passed_over(album, tmp_path, name):
    for below in (album / name, album / "sub" / name.upper() / "a.jpg"):
        shutil.copytree(album, below, ignore=lambda *_: (name, "sub"))
    (album / name / "x.pdf").touch()
    jobs = plan([album], tmp_path / "out")
    assert [job.source for job in jobs] == [album / f"{i:02}.png" for i in range(12)]
    assert find_left_out([album], tmp_path / "out") == LeftOut()
    assert not is_photo_name(Path(name) / "00.png")
    # Who names such a folder means it, as with a hidden one.
    assert len(plan([album / name], tmp_path / "out")) == 12
    assert len(plan([album / name / "00.png"], tmp_path / "out")) == 1


def test_links_to_folders_are_told_of_and_links_to_files_followed(album, model, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(album, elsewhere)
    inner = album / "sub"
    inner.mkdir()
    (album / "more").symlink_to(elsewhere)
    (inner / "up").symlink_to(album)  # round in circles; the folder itself is coloured anyway
    (inner / "round").symlink_to(inner)
    (inner / "self").symlink_to("self")
    (inner / "linked.png").symlink_to(elsewhere / "00.png")
    (inner / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (inner / "circle.png").symlink_to("circle.png")
    os.mkfifo(inner / "pipe.png")
    out = tmp_path / "out"
    result = colorize(album, "-o", out, "--model", model)
    assert result.code == 0 and result.out.startswith("13 coloured")
    (line,) = result.err
    assert line.startswith(f"note: links to folders are not followed ({album}/more and 1 more)")
    assert "sub/linked.png" in names(out)
    # Named, a link is followed, and nothing remains to be said of it.
    result = colorize(album / "more", "-o", tmp_path / "other", "--model", model)
    assert result.code == 0 and result.out.startswith("12 coloured") and not result.err
    (inner / "round").unlink()
    assert find_left_out([album, album / "more"], out) == LeftOut()


def test_a_link_to_the_output_is_not_told_of(album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (album / "coloured").symlink_to(out)
    assert find_left_out([album], album / "coloured") == LeftOut()


def test_a_folder_that_cannot_be_opened_is_told_of(album, model, tmp_path, monkeypatch):
    (album / "closed").mkdir()
    real = os.scandir

    def scandir(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = colorize(album, "-o", tmp_path / "out", "--model", model)
    assert result.out.startswith("12 coloured")
    assert f"folders that cannot be opened are skipped ({album}/closed)" in result.err[0]


def test_photos_come_in_the_order_of_their_paths(tmp_path):
    wanted = ["a/b/2.png", "a/c.png", "a.png", "b.png"]
    for name in reversed(wanted):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / name)
    found = [path.relative_to(tmp_path).as_posix() for path in photos_below(tmp_path)]
    assert found == wanted
