"""Files and folders that are opened without following links or waiting for pipes."""

import os
import socket
from pathlib import Path

import pytest

from colorzoo.errors import ImageError, printable
from colorzoo.files import open_folder, refusal, regular_only

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX links, pipes and devices")


@pytest.fixture
def out(tmp_path) -> Path:
    """An output folder with what others may have put there."""
    folder, outside = tmp_path / "out", tmp_path / "outside"
    for each in (folder, outside, folder / "real", folder / "folder.png"):
        each.mkdir()
    (outside / "old.png").write_bytes(b"precious")
    (folder / "file.png").write_bytes(b"old")
    (folder / "old.png").symlink_to(outside / "old.png")
    (folder / "new.png").symlink_to("../outside/new.png")
    (folder / "inside.png").symlink_to("file.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "sub").symlink_to(outside)
    (folder / "near").symlink_to("real")
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "socket.png"))
    return folder


LINKS = ["old.png", "new.png", "inside.png", "loop.png", "sub/a.png", "near/a.png", "sub/x/a.png"]
OTHERS = {"pipe.png": "a named pipe", "socket.png": "a socket", "folder.png": "a folder"}


@pytest.mark.parametrize("name", LINKS)
def test_links_below_an_output_folder_are_refused(out, name):
    assert "is a link, and links in an output folder are not followed" in str(
        refusal(out / name, out)
    )


@pytest.mark.parametrize(("name", "kind"), OTHERS.items())
def test_what_is_no_regular_file_is_refused(out, name, kind):
    assert f"{name} is {kind}, not a regular file" in str(refusal(out / name, out))
    with open_folder(out) as folder, pytest.raises(OSError):
        folder.open(name, "a+b")


def test_files_and_what_is_missing_may_be_written(out):
    for name in ("file.png", "real/a.png", "missing/too/a.png"):
        assert refusal(out / name, out) is None


def test_links_above_the_output_folder_are_followed(out, tmp_path):
    (tmp_path / "link").symlink_to(out)
    output = tmp_path / "link"
    assert refusal(output / "file.png", output) is None
    with open_folder(output / "a" / "b", within=output, create=True) as folder:
        folder.open("c", "xb").close()
    assert (out / "a" / "b" / "c").is_file()


@pytest.mark.parametrize("name", ["sub", "sub/x", "near", "near/x"])
def test_no_folder_is_made_behind_a_link(out, tmp_path, name):
    with pytest.raises(OSError, match="it is a link"):
        open_folder(out / name, within=out, create=True)
    assert os.listdir(tmp_path / "outside") == ["old.png"] and not os.listdir(out / "real")


def test_a_folder_that_is_replaced_by_a_link_meanwhile_leads_nowhere(out, tmp_path):
    """Others win every race between a check and the use of a path, but not of an open folder."""
    with open_folder(out / "real", within=out) as folder:
        (out / "real").rename(out / "away")
        (out / "real").symlink_to(tmp_path / "outside")
        with folder.open("old.png", "xb") as stream:
            stream.write(b"new")
        folder.replace("old.png", "a.png")
    assert (out / "away" / "a.png").read_bytes() == b"new"
    assert os.listdir(tmp_path / "outside") == ["old.png"]


@pytest.mark.parametrize("mode", ["rb", "wb", "a+b", "xb"])
@pytest.mark.parametrize("name", ["old.png", "new.png", "loop.png"])
def test_a_link_in_the_place_of_a_file_is_never_opened(out, tmp_path, name, mode):
    with open_folder(out) as folder, pytest.raises(OSError):
        folder.open(name, mode)
    assert (tmp_path / "outside" / "old.png").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["pipe.png", "folder.png", "/dev/zero"])
def test_inputs_that_are_no_files_are_refused_at_once(out, name):
    with pytest.raises(ImageError, match="expected a regular file"):
        open(out / name, "rb", opener=regular_only)


def test_inputs_may_be_links_and_inherited_pipes(out):
    with open(out / "old.png", "rb", opener=regular_only) as stream:
        assert stream.read() == b"precious"
    reading, writing = os.pipe()
    os.write(writing, b"photo")
    os.close(writing)
    with open(f"/dev/fd/{reading}", "rb", opener=regular_only) as stream:
        assert stream.read() == b"photo"
    os.close(reading)


HOSTILE = [
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "\u202egnp.exe",
    "\u2067",
    "\r",
    "\n",
    "\udcff",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_could_control_a_terminal_is_escaped(text):
    shown = printable(f"a{text}b.png")
    assert shown.isprintable() and shown.startswith("a\\") and shown.endswith("b.png")
    assert "\n" not in str(ImageError(f"a{text}b.png"))


def test_letters_of_all_languages_are_kept():
    for text in ("Müller", "照片.png", "\u0645\u06cc\u200c\u062e", "👩\u200d🚀", "a b"):
        assert printable(text) == text
