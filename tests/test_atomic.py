"""Files that appear whole or not at all, and what killed runs leave behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.jobs import names

from colorzoo import atomic
from colorzoo.atomic import append_line, remove_leftovers, whole_file, write_whole

LEFT = ".colorzoo-0123456789abcdef.tmp"


def test_a_file_appears_whole_and_nothing_else_remains(tmp_path):
    target = tmp_path / "a.bin"
    with whole_file(target) as stream:
        stream.write(b"one")
        hidden = Path(stream.name)
        assert hidden.parent == tmp_path and hidden.name.startswith(".colorzoo-")
        assert not target.exists()
        stream.seek(0)
        assert stream.read() == b"one"
    assert target.read_bytes() == b"one" and names(tmp_path) == ["a.bin"]
    write_whole(target, b"two")
    assert target.read_bytes() == b"two" and names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path, error):
    target = tmp_path / "a.bin"
    for expected in ([], ["a.bin"]):
        with pytest.raises(error), whole_file(target) as stream:
            stream.write(b"half")
            raise error
        assert names(tmp_path) == expected
        target.write_bytes(b"old")
    assert target.read_bytes() == b"old"


def test_what_cannot_take_the_targets_place_remains_nowhere(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_whole(tmp_path / "folder", b"data")
    assert names(tmp_path) == []


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_no_folder_is_made(tmp_path, folder):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        write_whole(tmp_path / folder / "a.bin", b"data")
    assert sorted(os.listdir(tmp_path)) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_permissions_are_kept(tmp_path, mode):
    target = tmp_path / "a.bin"
    target.touch()
    target.chmod(mode)
    write_whole(target, b"new")
    assert target.stat().st_mode & 0o777 == mode and target.read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "other").touch()
    write_whole(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_only_leftovers_are_removed(tmp_path):
    kept = ["a.tmp", ".colorzoo-notes.txt", ".other.tmp", ".other.tmp.lock", "sub/" + LEFT]
    (tmp_path / "sub").mkdir()
    for name in [*kept, LEFT, f"{LEFT}.lock", ".colorzoo-fedcba9876543210.tmp.lock"]:
        (tmp_path / name).write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(kept)
    remove_leftovers(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


@pytest.mark.skipif(os.name == "nt", reason="sends SIGKILL")
def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from colorzoo.atomic import whole_file
with whole_file(Path({str(tmp_path)!r}) / "a.bin") as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    run = subprocess.run([sys.executable, "-c", code], check=False)
    assert run.returncode == -signal.SIGKILL
    hidden, lock = names(tmp_path)
    assert hidden.startswith(".colorzoo-") and lock == f"{hidden}.lock"
    assert (tmp_path / hidden).read_bytes() == b"half"
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_a_file_that_another_process_writes_is_left_alone(tmp_path):
    code = f"""
from pathlib import Path
from colorzoo.atomic import whole_file
with whole_file(Path({str(tmp_path)!r}) / "a.bin") as stream:
    stream.write(b"half, ")
    stream.flush()
    print("begun", flush=True)
    input()
    stream.write(b"whole")
"""
    run = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None and run.stdout.readline() == "begun\n"
    before = names(tmp_path)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == before and len(before) == 2
    run.communicate("\n", timeout=60)
    assert run.returncode == 0
    assert names(tmp_path) == ["a.bin"] and (tmp_path / "a.bin").read_bytes() == b"half, whole"


def test_tidying_up_while_a_file_is_begun_loses_nothing(tmp_path, monkeypatch):
    """Another run can come upon the lock after it is made and before it is held."""
    lock_of, begun, held = atomic._lock_of, [], []

    def late(path: Path) -> FileLock:
        lock = lock_of(path)
        begun.append(path)
        if len(begun) == 1:  # the other run holds it
            held.append(lock_of(path))
            held[0].acquire()
        elif len(begun) == 2:  # the other run has removed it
            acquire = lock.acquire
            monkeypatch.setattr(
                lock, "acquire", lambda **how: (acquire(**how), os.unlink(lock.lock_file))
            )
        return lock

    monkeypatch.setattr(atomic, "_lock_of", late)
    with whole_file(tmp_path / "x") as stream:
        stream.write(b"whole")
        assert len(begun) == 3 and Path(stream.name) == begun[2]
    held[0].release()
    monkeypatch.undo()
    remove_leftovers(tmp_path)  # the lock of the other run, which never made a file
    assert names(tmp_path) == ["x"]


def test_writers_lose_nothing_to_others_that_tidy_up(tmp_path):
    """Threads have locks of their own, as processes have."""
    failed, is_done = [], threading.Event()

    def write(number: int) -> None:
        try:
            for i in range(60):
                write_whole(tmp_path / f"{number}-{i}", bytes([i]) * 1000)
        except BaseException as error:
            failed.append(error)

    def tidy() -> None:
        while not is_done.is_set():
            remove_leftovers(tmp_path)

    tidiers = [threading.Thread(target=tidy) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in [*tidiers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    is_done.set()
    for thread in tidiers:
        thread.join()
    assert not failed
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(f"{n}-{i}" for n in range(4) for i in range(60))
    assert all(path.stat().st_size == 1000 for path in tmp_path.iterdir())


def test_lines_of_several_processes_are_all_there(tmp_path):
    code = f"""
import sys
from pathlib import Path
from colorzoo.atomic import append_line, remove_leftovers
for i in range(150):
    append_line(Path({str(tmp_path)!r}) / "lines", f"{{sys.argv[1]}} {{i}} {{'x' * 300}}".encode())
    if i % 20 == 0:
        remove_leftovers(Path({str(tmp_path)!r}))
"""
    runs = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(3)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0, 0]
    lines = (tmp_path / "lines").read_text().splitlines()
    assert sorted(lines) == sorted(f"{n} {i} {'x' * 300}" for n in range(3) for i in range(150))
    assert names(tmp_path) == ["lines"]


def test_an_incomplete_last_line_is_ended_first(tmp_path):
    path = tmp_path / "lines"
    append_line(path, b"one")
    assert path.read_bytes() == b"one\n"
    path.write_bytes(b"one\nhal")  # as a killed run left it
    append_line(path, b"two")
    assert path.read_bytes() == b"one\nhal\ntwo\n" and names(tmp_path) == ["lines"]


@pytest.mark.skipif(os.name == "nt", reason="sends SIGKILL")
def test_the_lock_of_a_killed_writer_of_lines_holds_up_nobody(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from colorzoo import atomic
with atomic.alone_in(Path({str(tmp_path)!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(names(tmp_path)) == 1
    append_line(tmp_path / "lines", b"one")
    assert names(tmp_path) == ["lines"]


def test_no_folder_is_made_for_a_line(tmp_path):
    with pytest.raises(OSError):
        append_line(tmp_path / "missing" / "lines", b"one")
    assert not (tmp_path / "missing").exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_hidden_file_shows_nothing_that_the_old_one_did_not(tmp_path):
    target = tmp_path / "a.bin"
    target.touch(mode=0o600)
    with whole_file(target) as stream:
        assert os.stat(stream.name).st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_are_kept(tmp_path):
    target = tmp_path / "a.bin"
    target.touch(mode=0o640)
    os.chown(target, 12345, 23456)
    write_whole(target, b"new")
    found = target.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 23456, 0o640)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_group_that_cannot_be_kept_loses_nothing_to_another(tmp_path, monkeypatch):
    target = tmp_path / "a.bin"
    target.touch()
    target.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(target, 12345, 23456)

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    write_whole(target, b"new")
    same = target.stat().st_gid == 23456 or os.geteuid() != 0
    assert target.stat().st_mode & 0o777 == (0o664 if same else 0o644)


@pytest.mark.skipif(os.name == "nt", reason="POSIX links and pipes")
def test_links_and_pipes_in_the_place_of_a_file(tmp_path):
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("other")
    os.link(tmp_path / "other", tmp_path / "hard")
    for name in ("link", "hard"):  # they are replaced
        write_whole(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new" and not (tmp_path / name).is_symlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a named pipe, not a regular file"):
        write_whole(tmp_path / "pipe", b"new")
    assert (tmp_path / "other").read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["hard", "link", "other", "pipe"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX links and pipes")
def test_no_line_is_appended_to_what_others_put_there(tmp_path):
    (tmp_path / "other").write_bytes(b"precious\n")
    (tmp_path / "link").symlink_to("other")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match="it is a (link|named pipe)"):
            append_line(tmp_path / name, b"line")
    os.link(tmp_path / "other", tmp_path / "hard")
    append_line(tmp_path / "hard", b"line")
    assert (tmp_path / "hard").read_bytes() == b"precious\nline\n"
    assert (tmp_path / "other").read_bytes() == b"precious\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX links")
def test_locks_that_are_links_are_removed_and_not_emptied(tmp_path):
    (tmp_path / "other").write_bytes(b"precious")
    for name in (f"{LEFT}.lock", ".colorzoo-append.tmp.lock"):
        (tmp_path / name).symlink_to("other")
    with pytest.raises(OSError):
        append_line(tmp_path / "lines", b"one")
    remove_leftovers(tmp_path)
    append_line(tmp_path / "lines", b"one")
    assert names(tmp_path) == ["lines", "other"]
    assert (tmp_path / "other").read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt", reason="POSIX links")
def test_nothing_is_tidied_up_behind_a_link(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / LEFT).touch()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "outside")
    remove_leftovers(tmp_path / "out" / "sub", within=tmp_path / "out")
    assert names(tmp_path / "outside") == [LEFT]
