"""README, CONTRIBUTING and the guides: their Python runs, and their commands exist."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from colorzoo import registry
from colorzoo.cli import app as colorzoo_app

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", *(
    path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))
)]  # fmt: skip
# A block, with the comment above it that says why it cannot run here.
BLOCK = re.compile(
    r"(?:<!-- skip: (?P<why>[^>]+) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
PIPE = re.compile(r"(?:cat (?P<given>\S+) \| )?colorzoo (?P<words>.*?)(?: > (?P<result>\S+))?")
INLINE = re.compile(r"`([^`\n]+)`")


def blocks(page: str) -> list[tuple[int, str, str, str]]:
    """Line, language, code and the reason not to run it, of every block of a page."""
    text = (ROOT / page).read_text()
    return [
        (text[: found.start("code")].count("\n") + 1, found["language"], found["code"],
         found["why"] or "")
        for found in BLOCK.finditer(text)
    ]  # fmt: skip


def python_blocks():
    for page in PAGES:
        for line, language, code, why in blocks(page):
            if language == "python":
                marks = [pytest.mark.skip(reason=why)] if why else []
                yield pytest.param(page, line, code, id=f"{page}:{line}", marks=marks)


def commands(page: str) -> list[str]:
    """Every command of a page, in blocks and in the text."""
    text = (ROOT / page).read_text()
    lines = [
        line.split(" #")[0].strip()
        for _, language, code, _ in blocks(page)
        if language in ("", "shell", "bash", "console")
        for line in code.replace("\\\n", " ").splitlines()
    ]
    lines += INLINE.findall(BLOCK.sub("", text))
    wanted = re.compile(
        r"((cat \S+ \| )?colorzoo|python -m (train|colorzoo)|make) \S|PYTHON=\S+ make|HOST=\S+"
    )
    return [line for line in lines if wanted.match(line)]


@pytest.fixture
def album(tmp_path, monkeypatch, coffee):
    """A working folder with everything that the documents name; what they register goes again."""
    monkeypatch.chdir(tmp_path)
    registry.list_models()
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    small = Image.fromarray(coffee).resize((96, 64))
    for name in ("photo.jpg", "scan.tif", "coloured.jpg", "colour-photo.jpg", "reference.jpg"):
        small.save(name)
    deep = np.asarray(small.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save("scan.tif")
    for folder in ("album", "photos"):
        Path(folder).mkdir()
        for i in range(3):
            small.rotate(90 * i).save(f"{folder}/{i}.jpg")
    return tmp_path


@pytest.fixture
def film(album):
    pytest.importorskip("av", reason="films need colorzoo[video]")
    import av

    with av.open("clip.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = 64, 48
        for i in range(3):
            frame = np.full((48, 64, 3), 80 + 20 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())


@pytest.mark.parametrize(("page", "line", "code"), list(python_blocks()))
def test_python_runs(page, line, code, film, album):
    names = {"__name__": "document"}
    exec(compile("\n" * line + code, page, "exec"), names)


def test_the_readme_s_commands_run(film, album):
    lines = [line for line in commands("README.md") if "colorzoo " in line and "=" not in line]
    assert len(lines) >= 7 and any(line.startswith("cat ") for line in lines)
    for line in lines:
        found = PIPE.fullmatch(line)
        assert found is not None, line
        given = Path(found["given"]).read_bytes() if found["given"] else None
        run = CliRunner().invoke(colorzoo_app, shlex.split(found["words"]), input=given)
        assert run.exit_code == 0, f"{line}\n{run.output}"
        if found["result"]:
            Path(found["result"]).write_bytes(run.stdout_bytes)
    with Image.open("new.jpg") as image:
        assert image.size == (96, 64)
    for result in ("coloured/photo.jpg", "coloured/0.jpg", "out.png", "out.mp4"):
        assert Path(result).is_file(), result
    assert Path("sheet.png").is_file() and Path("report/metrics.json").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page, root):
    """Each is parsed by the real command line: unknown commands and options are refused."""
    for line in commands(page):
        line = line.rpartition("| ")[2].partition(" > ")[0]  # the last command of a pipe
        words = [word for word in shlex.split(line) if not re.match(r"[A-Z]+=", word)]
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", (root / "Makefile").read_text(), re.MULTILINE), line
            continue
        app, words = _app_of(words)
        words = [word for word in words if word not in ("...", "COMMAND")]
        # Options are parsed before the help is shown, so an unknown one is an error all the same.
        run = CliRunner().invoke(app, [*words, "--help"])
        assert run.exit_code == 0, f"{line}\n{run.output}"


def _app_of(words: list[str]) -> tuple[typer.Typer, list[str]]:
    if words[0] == "colorzoo":
        return colorzoo_app, words[1:]
    if words[2] == "colorzoo":
        return colorzoo_app, words[3:]
    from train.commands import app

    return app, words[3:]


def test_every_page_is_in_the_site(root):
    import yaml

    text = (root / "mkdocs.yml").read_text()
    nav = yaml.load(text.split("\ntheme:")[0], Loader=yaml.SafeLoader)["nav"]
    named = set(re.findall(r"[\w/-]+\.md", str(nav)))
    pages = {path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")}
    assert named == pages


def test_the_layout_is_that_of_the_disk(root):
    text = (root / "README.md").read_text().partition("## Layout")[2].partition("## Licence")[0]
    named = re.findall(r"^  (\w+)/", text, re.MULTILINE)
    folders = {path.parent.name for path in (root / "colorzoo").glob("*/__init__.py")} | {"weights"}
    assert set(named) == folders
    top = set(re.findall(r"^(\w+)/ ", text, re.MULTILINE))
    tracked = {path.name for path in root.iterdir() if path.is_dir() and path.name[0] != "."}
    assert top == tracked - {"runs", "site", "dist", "build", "shared", "tmp"}


def test_the_pictures_are_there(root):
    for page in PAGES:
        found = re.findall(
            r"!\[[^]]*\]\(([^)#]+)\)|<img src=\"([^\"]+)\"", (root / page).read_text()
        )
        for name in {a or b for a, b in found}:
            if not name.startswith("http"):
                assert (root / page).parent.joinpath(name).is_file(), f"{page}: {name}"
