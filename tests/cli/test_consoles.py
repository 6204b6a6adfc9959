"""Consoles that lack letters, and Ctrl-C, never end in a traceback."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.commands import entry_point, run_colorzoo, start_colorzoo
from PIL import Image
from rich.table import Table

import colorzoo
from colorzoo.cli import _console, app
from train.commands import app as train_app

COMMANDS = [command.name for command in app.registered_commands]
TRAIN_COMMANDS = [command.name for command in train_app.registered_commands]
ENCODINGS = ["ascii", pytest.param("cp1252", marks=[pytest.mark.slow, pytest.mark.release])]
PHOTO = "é Δ.png"  # both letters are missing in ASCII, one in Windows' encodings

# Commands one after the other, because to import PyTorch takes seconds.
RUN = """
import importlib, json, sys
main = importlib.import_module(sys.argv[1]).main
for words in json.loads(sys.argv[2]):
    code = 0
    sys.argv = ["it", *words]
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    for stream in (sys.stdout, sys.stderr):
        print(f"<{code}>", file=stream, flush=True)
"""


def run(encoding: str, module: str, *commands: tuple[object, ...]) -> list[tuple[int, str]]:
    """Run commands with a console of that encoding; give exit codes and what was printed."""
    words = [list(map(str, command)) for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", RUN, module, json.dumps(words)],
        capture_output=True,
        cwd=Path(colorzoo.__file__).parents[1],
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    # click takes ASCII for a mistake and prints usage errors in UTF-8.
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding, "backslashreplace")
    assert "Traceback" not in out + err and "codec can't" not in out + err, out + err
    outs, errs = (re.split(r"<(\d+)>\n", each.replace("\r", "")) for each in (out, err))
    assert outs[1::2] == errs[1::2] and len(outs) == 2 * len(commands) + 1, out + err
    return [
        (int(code), f"{said}{told}")
        for code, said, told in zip(outs[1::2], outs[::2], errs[::2], strict=False)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, coffee):
    """Some letters that consoles lack, in names of folders and files."""
    path = tmp_path_factory.mktemp("é") / "Δ"
    path.mkdir()
    Image.fromarray(coffee[::4, ::4]).save(path / PHOTO)
    (path / f"cut {PHOTO}").write_bytes((path / PHOTO).read_bytes()[:300])
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_colorzoo_prints_can_be_printed_anywhere(encoding, folder, tmp_path):
    photo, again = folder / PHOTO, ("colorize", folder / PHOTO, "-o", tmp_path / PHOTO)
    found = run(
        encoding,
        "colorzoo.cli",
        ("colorize", folder, "-o", tmp_path / "Δé", "--report", tmp_path / "é"),
        again,
        again,
        ("compare", photo, "-o", tmp_path / "ΔΔ.png", "--model", "autoencoder"),
        ("evaluate", "autoencoder", folder, "-o", tmp_path / "report Δ"),
        ("info", "autoencoder"),
        ("list",),
        ("export", "autoencoder", "no Δ.png"),
        ("push", "no Δ", "ann/Δ"),
        ("Δ",),
    )
    assert [code for code, _ in found] == [1, 0, 1, 0, 0, 0, 0, 1, 1, 2]
    for i in (0, 1, 2):
        assert PHOTO.encode(encoding, "backslashreplace").decode(encoding) in found[i][1]
    assert "dCF" in found[4][1] and "ΔCF" not in found[4][1]
    assert json.loads((tmp_path / "report Δ" / "metrics.json").read_text())["photos"] == 1
    assert "autoencoder" in found[6][1]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_training_commands_can_print_anywhere(encoding, folder, tmp_path):
    there = ("--folder", tmp_path / "r", "--export", tmp_path / "e")
    found = run(
        encoding,
        "train.commands",
        ("fit", "unet", "--data", folder / "no Δ", *there),
        ("look", folder, "-o", tmp_path / "Δ.png", "--model", "autoencoder"),
        ("judge", "no Δ", "4 photos of Δ", "1", "2", "1"),
        ("publish", "Δ", "Δ/é"),
        ("evaluate", "Δ", "--data", folder),
    )
    assert [code for code, _ in found] == [1, 0, 1, 1, 1]
    assert " does not exist" in found[0][1] and "wrote " in found[1][1]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("module", "names"), [("colorzoo.cli", COMMANDS), ("train.commands", TRAIN_COMMANDS)]
)
def test_help_can_be_printed_anywhere(encoding, module, names):
    found = run(encoding, module, ("--help",), *((name, "--help") for name in names))
    assert all(code == 0 and "Usage: " in said for code, said in found)


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are no text")
def test_a_name_that_is_no_text_can_be_printed(tmp_path, coffee):
    name = os.fsdecode(b"\xff.png")
    Image.fromarray(coffee[::8, ::8]).save(tmp_path / "photo.png")
    (tmp_path / "photo.png").rename(tmp_path / name)
    made = tmp_path / os.fsdecode(b"o\xff.png")
    ((code, said),) = run(
        "utf-8", "colorzoo.cli", ("compare", tmp_path / name, "-o", made, "--model", "unet")
    )
    assert code == 0 and "o\\udcff.png" in said and made.is_file()


def test_results_of_a_measurement_are_written_although_nobody_reads_what_is_printed(
    folder, tmp_path
):
    output = tmp_path / "report"
    with open(os.devnull) as nowhere:  # cannot be written to
        done = subprocess.run(
            entry_point("evaluate", "autoencoder", folder, "-o", output),
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode and "Traceback" not in done.stderr, done.stderr
    assert (output / "metrics.json").is_file() and (output / "sheet.png").is_file()


# Nothing can be printed ---------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["colorzoo", "--version"], ["colorzoo", "--help"]])
def test_a_full_disk_behind_stdout_is_one_line(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", *words], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written (No space left on device)\n"


def test_a_pipe_that_nobody_reads_is_no_reason_to_say_so():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "colorzoo", "--version"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_a_closed_stdout_is_one_line():
    command = ["sh", "-c", f"{sys.executable} -m colorzoo --version >&-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written (it is closed)\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_run_goes_on_when_nothing_can_be_printed(folder, tmp_path):
    """A failure cannot be printed; the other photo is there, and the exit code tells."""
    for name in (PHOTO, f"cut {PHOTO}"):
        command = ("colorize", folder / name, "-o", tmp_path / "out", "--model", "autoencoder")
        process = start_colorzoo(*command, printing="/dev/full")
        process.join()
        assert process.exitcode == 1
    assert (tmp_path / "out" / PHOTO).is_file()


# Hostile names ------------------------------------------------------------------------------------

HOSTILE = "\x1b]0;x\x07\x1b[2J\u202e"


def test_names_cannot_control_the_terminal(tmp_path, coffee):
    """In notes, errors, tables, usage errors, and the last line."""
    model = tmp_path / f"model{HOSTILE}"
    colorzoo.create_model("unet", width=2, work_size=32).save_pretrained(model)
    album = tmp_path / f"in{HOSTILE}\nerror: forged"
    album.mkdir()
    Image.fromarray(coffee[::8, ::8, 0] // 128 * 255).save(album / f"note{HOSTILE}\nx.png")
    (album / f"cut{HOSTILE}.png").write_bytes(b"")
    (album / f"x{HOSTILE}.pdf").touch()
    out = tmp_path / f"out{HOSTILE}"
    for words in (
        ("colorize", album, "-o", out, "--model", model),
        ("colorize", album, "-o", out, "--model", model),
        ("compare", next(album.glob("note*")), "-o", out / "s.png", "--model", model),
        ("evaluate", model, album, "-o", out),
        ("info", HOSTILE),
        ("colorize", album, f"--{HOSTILE}"),
        (HOSTILE,),
    ):
        done = run_colorzoo(*words)
        said = done.stdout + done.stderr
        assert "\\x1b" in said and not set(said) & set(HOSTILE[:1] + "\x07\u202e"), words
        assert not any(line.startswith("error: forged") for line in said.splitlines())


def test_names_in_progress_bars_and_tables_are_escaped():
    stream = io.StringIO()
    screen = _console._Screen(file=stream, markup=False, highlight=False)
    table = Table("a", box=None)
    table.add_row(HOSTILE)
    screen.print(table)
    bar = _console.progress()
    bar.add_task(HOSTILE)
    screen.print(bar.get_renderable())
    assert stream.getvalue().count("\\x1b]0;x") == 2 and "\x1b]" not in stream.getvalue()


# Progress -----------------------------------------------------------------------------------------


def told_of_progress(capsys, unit: str, photos: int, seconds: float) -> list[str]:
    """Return the lines of progress in a log while photos take that many seconds each."""
    now = [1e6]
    with _console.progress(unit, clock=lambda: now[0]) as bar:
        for _ in bar.track(range(photos), description="Colouring"):
            now[0] += seconds
    out, err = capsys.readouterr()
    assert not out
    return err.splitlines()


def test_a_log_gets_a_line_of_progress_from_time_to_time(capsys):
    fast = told_of_progress(capsys, "photo", 2000, 1 / 12.5)
    assert len(fast) == 10  # in 160 seconds
    assert fast[0] == "Colouring: 188 of 2000, 12.5 photos/s, 2 min left"
    assert fast[-1] == "Colouring: 1880 of 2000, 12.5 photos/s, 10 s left"
    slow = told_of_progress(capsys, "photo", 6, 20.0)
    assert slow[:3] == [  # two photos are needed to know the rate
        "Colouring: 1 of 6",
        "Colouring: 2 of 6, 20 s per photo, 1 min left",
        "Colouring: 3 of 6, 20 s per photo, 1 min left",
    ]
    assert told_of_progress(capsys, "photo", 4, 3.6) == []
    assert told_of_progress(capsys, "frame", 60, 0.26) == [
        "Colouring: 58 of 60, 3.8 frames/s, 1 s left"
    ]
    assert told_of_progress(capsys, "", 4, 5.0) == ["Colouring: 3 of 4, 5 s left"]


def test_the_rate_follows_what_is_going_on(capsys):
    """Of a run that goes on, the first photos are there already."""
    now = [0.0]
    with _console.progress("photo", clock=lambda: now[0]) as bar:
        for i in bar.track(range(1100), description="Colouring"):
            now[0] += 0.001 if i < 1000 else 2.0
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].endswith(", 2 s per photo, 10 s left")


def test_a_bar_shows_rate_and_time_left(monkeypatch):
    stream, now = io.StringIO(), [0.0]
    screen = _console._Screen(file=stream, force_terminal=True, width=100, markup=False)
    monkeypatch.setattr(_console, "ERR", screen)
    bar = _console.progress("photo", clock=lambda: now[0])
    task = bar.add_task("Colouring", total=300)
    for _ in range(3):
        now[0] += 0.25
        bar.advance(task)
    screen.print(bar.get_renderable())
    shown = re.sub("\x1b[^m]*m", "", stream.getvalue())
    assert "3/300 4.0 photos/s 0:01:15" in shown


# Ctrl-C -------------------------------------------------------------------------------------------


def interrupted(command: list[str], after: float, cwd=None) -> tuple[int, str]:
    """Start a command in a group of its own, as a shell does, and press Ctrl-C."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
        # Shells start background jobs with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    time.sleep(after)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=100)
    return process.returncode, err


def test_ctrl_c_while_importing_is_one_line():
    for module in ("colorzoo.cli", "train.commands"):
        code = (
            "import os, signal, sys, threading, time\n"
            # A run in the background has Ctrl-C ignored, which is inherited.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "import colorzoo.__main__ as start\n"
            "class Press:\n"
            "    def find_spec(self, name, *_):\n"
            "        if name == 'rich.console': os.kill(os.getpid(), signal.SIGINT)\n"
            "sys.meta_path.insert(0, Press())\n"
            f"start.run({module!r})\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 130 and done.stderr == "stopped: by a signal\n"


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.parametrize("after", [0.5, 1, 2, 4])
@pytest.mark.parametrize("words", [["colorzoo", "list"], ["train", "look", "{}", "-o", "x.jpg"]])
def test_ctrl_c_at_any_time_is_one_line(words, after, folder, root):
    words = [word.format(folder) for word in words]
    code, err = interrupted([sys.executable, "-m", *words], after, cwd=root)
    assert "Traceback" not in err
    if code == 130:
        assert err == "stopped: by a signal\n"
    else:  # it was faster, or Python itself had not started
        assert code in (0, -signal.SIGINT), err


@pytest.mark.slow
@pytest.mark.parametrize("after", [6, pytest.param(20, marks=pytest.mark.release)])
def test_ctrl_c_in_a_batch_is_one_line(after, tmp_path, coffee):
    pytest.importorskip("ray", reason="needs colorzoo[distributed]")
    (tmp_path / "in").mkdir()
    for i in range(400):
        Image.fromarray(coffee[i % 40 :]).save(tmp_path / "in" / f"{i}.jpg")
    words = ("batch", tmp_path / "in", tmp_path / "out", "--workers", 1, "--model", "unet")
    code, err = interrupted(entry_point(*words), after)
    assert "Traceback" not in err
    # Ray's own log, which nobody can turn off, starts with a date.
    lines = [line for line in err.splitlines() if line and not line.startswith("[20")]
    assert code == 130 and len(lines) == 1 and lines[0].startswith("stopped: "), err
