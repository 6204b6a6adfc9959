"""Command lines that a newcomer tries, without reading the source."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from colorzoo.cli import app


def cli(*words: object, given: bytes | None = None):
    told = CliRunner().invoke(app, list(map(str, words)), input=given, prog_name="colorzoo")
    if told.exception is not None and not isinstance(told.exception, SystemExit):
        raise told.exception
    return told


def test_pipes(here):
    photo = Path("photo.jpg").read_bytes()
    told = cli("colorize", "-", "-o", "-", "-m", "./mine", given=photo)
    assert told.exit_code == 0 and told.stderr == ""
    with Image.open(io.BytesIO(told.stdout_bytes)) as image:
        assert (image.format, image.size) == ("JPEG", here.size)
    assert cli("colorize", "-", "-o", "x.png", "-m", "./mine", given=photo).exit_code == 0
    assert cli("colorize", "-", "-o", "folder", "-m", "./mine", given=photo).exit_code == 0
    assert Image.open("x.png").format == "PNG" and Path("folder/stdin.jpg").is_file()
    told = cli("colorize", "album/sub/b.png", "-o", "-", "-m", "./mine")
    assert Image.open(io.BytesIO(told.stdout_bytes)).format == "PNG"
    told = cli("compare", "-", "-o", "-", "-m", "./mine", given=photo)
    assert Image.open(io.BytesIO(told.stdout_bytes)).format == "PNG"
    assert not Path("-").exists()


def test_a_note_does_not_get_into_a_pipe(here):
    frames = [Image.new("L", (20, 20), value) for value in (10, 200)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    told = cli("colorize", "-", "-o", "-", "-m", "./mine", given=stream.getvalue())
    assert "note: stdin.png: it has 2 frames" in told.stderr
    assert Image.open(io.BytesIO(told.stdout_bytes)).format == "PNG"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["photo.jpg", "album", "-o", "-"], "one picture to standard output, and the input is 2"),
        (["album", "-o", "-"], "and the input is the folder album: give a folder"),
        (["photo.jpg", "album/a.jpg", "-o", "one.jpg"], "one.jpg is the name of one file, and"),
        (["album", "-o", "one.mp4"], "one.mp4 is the name of one file, and the input is the fol"),
        (["-", "-o", "-"], "standard input is empty; pipe a photo into it"),
    ],
)
def test_wrong_outputs_are_one_sentence_and_make_no_folder(here, words, told):
    before = sorted(Path().iterdir())
    result = cli("colorize", *words, "-m", "./mine")
    assert result.exit_code == 1 and result.stdout == "" and told in result.stderr
    assert len(result.stderr.splitlines()) == 1 and sorted(Path().iterdir()) == before


def test_a_broken_picture_leaves_a_pipe_empty(here):
    told = cli("colorize", "-", "-o", "-", "-m", "./mine", given=b"Dear aunt,")
    assert told.exit_code == 1 and told.stdout_bytes == b"" and "failed: stdin" in told.stderr


def test_a_pipe_of_a_shell(here, root):
    """In a process of its own, with real pipes."""
    told = subprocess.run(
        [sys.executable, "-m", "colorzoo", "colorize", "-", "-o", "-", "-m", "./mine"],
        input=Path("photo.jpg").read_bytes(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert told.returncode == 0, told.stderr
    with Image.open(io.BytesIO(told.stdout)) as image:
        image.load()
        assert image.size == here.size


def test_the_layout_does_not_depend_on_how_many_inputs_there_are(here):
    for i, inputs in enumerate((["album"], ["album", "photo.jpg"], ["photo.jpg", "album"])):
        assert cli("colorize", *inputs, "-o", f"out{i}", "-m", "./mine").exit_code == 0
        found = {path.relative_to(f"out{i}").as_posix() for path in Path(f"out{i}").rglob("*.*g")}
        assert {"a.jpg", "sub/b.png"} <= found <= {"a.jpg", "sub/b.png", "photo.jpg"}
    again = cli("colorize", "album", "photo.jpg", "-o", "out0", "-m", "./mine", "--resume")
    assert "1 coloured, 2 skipped" in again.stdout


def test_lists_for_people_and_for_programs(here, monkeypatch):
    names = ["efficientnet-bins.careful", "unet"]  # to look at all of them takes seconds
    monkeypatch.setattr("colorzoo.registry.list_models", lambda: names)
    told = cli("list").stdout
    row = next(line for line in told.splitlines() if line.startswith(" efficientnet-bins.careful"))
    assert row.endswith("careful end of the dial")  # whole, as it is piped
    assert not any(line.endswith(" ") for line in told.splitlines())
    listed = json.loads(cli("list", "--json").stdout)
    assert [each["name"] for each in listed] == names
    info = json.loads(cli("info", "unet", "--json").stdout)
    assert info == next(each for each in listed if each["name"] == "unet")
    assert info["config"]["work_size"] and info["metrics"]["scores"]["psnr"]


def test_short_options_quiet_and_quality(here):
    assert cli("-h").output == cli("--help").output and "--install-completion" in cli("-h").output
    assert "Usage: colorzoo colorize" in cli("colorize", "-h").output
    sizes = []
    for quality in (95, 30):
        words = ("photo.jpg", "-o", f"{quality}.jpg", "-m", "./mine", "--quality", quality, "-q")
        told = cli("colorize", *words)
        assert (told.exit_code, told.output) == (0, "")
        sizes.append(Path(f"{quality}.jpg").stat().st_size)
    assert sizes[1] < sizes[0] * 0.6
    told = cli("colorize", "gone.jpg", "-o", "x.jpg", "-m", "./mine", "--quiet")
    assert told.exit_code == 1 and told.stderr.startswith("failed: gone.jpg: there is no such")
    assert cli("compare", "photo.jpg", "-o", "sheet.png", "-m", "./mine", "-q").output == ""
    told = cli("colorize", "photo.jpg", "-o", "y.jpg", "-m", "./mine")
    assert "1 coloured" in told.stdout  # the next command is not quiet


@pytest.mark.parametrize("more", [["--dtype", "bfloat16"], ["--backend", "onnx"]])
def test_types_and_backends(here, more, monkeypatch, tmp_path):
    if "onnx" in more:
        pytest.importorskip("onnxruntime")
        monkeypatch.setenv("HF_ASSETS_CACHE", str(tmp_path / "cache"))
    told = cli("colorize", "photo.jpg", "-o", "x.png", "-m", "./mine", *more)
    assert told.exit_code == 0, told.output
    told = cli("colorize", "photo.jpg", "-o", "y.png", more[0], "other")
    assert told.exit_code == 2 and "'other' is not one of" in " ".join(told.stderr.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["album/a.jpg", "--max-pixels", "9"], "album/a.jpg: has 75 x 50 pixels"),
        (["album/a.jpg", "--max-pixels", "9"], "raise the limit with --max-pixels 3750"),
        (["album/../gone.jpg"], "album/../gone.jpg: there is no such file"),
        (["photo.jpg", "--vividness", "3"], "--vividness must be between 0 and 1, got 3.0"),
        (["photo.jpg", "--temperature", "0"], "--temperature must be above 0"),
        (["photo.jpg", "--steps", "3"], "does not support --steps"),
        (["photo.jpg", "--steps", "3"], "or omit --steps."),
        (["photo.jpg", "--work-size", "4096", "--revision", "v1"], "leave out --revision"),
        (["photo.jpg", "--reference", "album/no.jpg"], "does not support --reference"),
    ],
)
def test_errors_are_in_the_words_of_the_command_line(here, words, told):
    result = cli("colorize", *words, "-o", "x.png", "-m", "./mine")
    assert result.exit_code == 1 and told in result.stderr, result.stderr
    for python in ("max_pixels", "work_size=", "source=", "colorzoo."):
        assert python not in result.stderr


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("There is no 'x'. See colorzoo.list_models().", "There is no 'x'. See `colorzoo list`."),
        ("x is a folder: leave out revision and source='hub', which are for the Hub.",
         "x is a folder: leave out --revision."),
        ("Train it with `y`, or build it untrained with create_model('x').", "Train it with `y`."),
        ("leave out branch='v1' or create_pr=True.", "leave out --branch 'v1' or --create-pr."),
        ("not in the cache, and local_files_only is set", "not in the cache, and --no-download is "
         "set"),
        ("Choose a smaller work_size, or load it", "Choose a smaller --work-size, or load it"),
        ("Leave hints out.", "Leave --hint out."),
    ],
)  # fmt: skip
def test_what_python_says_is_said_in_options(python, words):
    from colorzoo.cli._words import in_words

    assert in_words(python) == words


def test_names_of_files_are_not_taken_for_options():
    from colorzoo.cli._words import in_words
    from colorzoo.errors import as_given

    for text in ("max_pixels.jpg: is empty", "album/work_size: is a folder", "'seed' is no folder"):
        assert in_words(text) == text
    assert as_given("a.jpg: is empty", Path("x/a.jpg")) == "x/a.jpg: is empty"
    assert as_given("other: is empty", Path("x/a.jpg")) == "other: is empty"


def test_progress_is_a_line_where_there_is_no_terminal(here, monkeypatch):
    from colorzoo.cli import _console

    told = cli("colorize", "album", "photo.jpg", "-o", "out", "-m", "./mine")
    assert told.stderr == ""  # a short run
    monkeypatch.setattr(_console, "SECONDS_BETWEEN_LINES", 0.0)
    told = cli("colorize", "album", "photo.jpg", "-o", "more", "-m", "./mine")
    lines = told.stderr.splitlines()
    assert "Colouring with ./mine: 3 of 3" in lines[-1] and "1 of 3" in lines[0]
    assert cli("colorize", "album", "-o", "last", "-m", "./mine", "-q").stderr == ""


def test_shells_complete_commands_and_models():
    def complete(words: str) -> str:
        env = {"_COLORZOO_COMPLETE": "complete_bash", "COMP_WORDS": words}
        env["COMP_CWORD"] = str(words.count(" "))
        return CliRunner().invoke(app, [], prog_name="colorzoo", env=env).output

    assert complete("colorzoo col").split() == ["colorize"]
    assert complete("colorzoo colorize -m unet-").split() == ["unet-bins", "unet-gan"]
