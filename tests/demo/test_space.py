"""The demo as a Space: its front matter, what is pushed, and that a clean machine can run it."""

import io
import re
import subprocess
import sys
import urllib.request
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from helpers.demo_server import DemoServer
from helpers.hub_server import Client, HubServer, Raised

import colorzoo
from webapp import models as zoo

SPACE = "ann/colorzoo"


def front_matter(text: str) -> dict:
    return yaml.safe_load(text.split("---")[1])


@pytest.fixture(scope="module")
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(hub, tmp_path_factory):
    client = Client(hub.url, tmp_path_factory.mktemp("home"), HF_TOKEN="hf_ann")
    yield client
    client.close()


@pytest.fixture(scope="module")
def space(hub, client) -> dict[str, bytes]:
    """The files of a Space that was published from this checkout."""
    client.run(
        "from train.upkeep.publish import publish_space\n"
        f"publish_space({SPACE!r}, from_checkout=True).repo_id"
    )
    return hub.repos[f"spaces/{SPACE}"].files()


def test_the_front_matter_is_one_that_spaces_take(root):
    head = front_matter((root / "demo" / "README.md").read_text(encoding="utf-8"))
    assert head["sdk"] == "gradio" and (root / "demo" / head["app_file"]).is_file()
    assert len(head["short_description"]) <= 60  # the Hub refuses longer ones
    assert head["python_version"] in ("3.10", "3.12")  # those of ZeroGPU
    assert head["suggested_hardware"] in ("cpu-basic", "zero-a10g")
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {head["colorFrom"], head["colorTo"]} <= colours


def test_the_sdk_is_the_one_that_the_requirements_lock(root):
    head = front_matter((root / "demo" / "README.md").read_text(encoding="utf-8"))
    lines = (root / "demo" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert f"gradio=={head['sdk_version']}" in lines
    assert f"colorzoo[demo]=={colorzoo.__version__}" in lines


def test_the_tests_of_the_demo_run_on_that_sdk_or_a_later_one(root):
    head = front_matter((root / "demo" / "README.md").read_text(encoding="utf-8"))
    installed = [int(part) for part in version("gradio").split(".")[:2]]
    assert installed >= [int(part) for part in head["sdk_version"].split(".")[:2]]


def test_a_space_is_the_demo_and_its_address(hub, space, root):
    for path in (root / "demo").rglob("*.py"):
        assert space[path.relative_to(root / "demo").as_posix()] == path.read_bytes()
    head = front_matter(space["README.md"].decode())
    given = front_matter((root / "demo" / "README.md").read_text(encoding="utf-8"))
    thumbnail = f"{hub.url}/spaces/{SPACE}/resolve/main/zoo.jpg"
    assert head == given | {"thumbnail": thumbnail}  # no model is on the Hub yet
    assert space["zoo.jpg"] == (root / "demo" / "zoo.jpg").read_bytes()
    assert not any("__pycache__" in name for name in space)
    (wheel,) = (name for name in space if name.endswith(".whl"))
    with zipfile.ZipFile(io.BytesIO(space[wheel])) as file:
        names = file.namelist()
    assert {name.split("/")[0] for name in names} == {
        "colorzoo", f"colorzoo-{colorzoo.__version__}.dist-info"
    }  # fmt: skip
    for model in zoo.model_names():
        assert f"colorzoo/weights/{model}/model.safetensors" in names
    (line,) = (
        line for line in space["requirements.txt"].decode().splitlines() if "colorzoo[" in line
    )
    address = f"{hub.url}/spaces/{SPACE}/resolve/main/{wheel}"
    assert re.fullmatch(rf"colorzoo\[demo\] @ {re.escape(address)}#sha256=[0-9a-f]{{64}}", line), (
        line
    )


def test_without_the_checkout_the_release_is_installed(hub, client, root):
    client.run("from train.upkeep.publish import publish_space\npublish_space('ann/released')")
    files = hub.repos["spaces/ann/released"].files()
    assert files["requirements.txt"] == (root / "demo" / "requirements.txt").read_bytes()
    assert not any(name.endswith(".whl") for name in files)


def test_what_an_older_demo_had_goes_and_what_a_person_added_stays(hub, client):
    repo = hub.add(
        "spaces/ann/older", {"old.py": b"1", "old-0.0-py3-none-any.whl": b"2", "n": b"3"}
    )
    client.run("from train.upkeep.publish import publish_space\npublish_space('ann/older')")
    files = repo.files()
    assert "app.py" in files and files["n"] == b"3"
    assert "old.py" not in files and "old-0.0-py3-none-any.whl" not in files


def test_a_private_space_cannot_install_from_itself(client, hub):
    with pytest.raises(Raised, match="ConfigError: A private Space cannot install a wheel"):
        client.run(
            "from colorzoo.hub.push import PushOptions\n"
            "from train.upkeep.publish import publish_space\n"
            "publish_space('ann/hidden', PushOptions(private=True), from_checkout=True)"
        )
    assert "spaces/ann/hidden" not in hub.repos


def test_publish_on_the_command_line(hub, client):
    def publish(*arguments):
        return client.run(
            "from typer.testing import CliRunner\n"
            "from train.commands import app\n"
            "done = CliRunner().invoke(app, ['publish', *arguments])\n"
            "result = done.exit_code, done.stdout, done.stderr\n",
            arguments=arguments,
        )

    code, out, err = publish("--space", "ann/by-hand")
    assert code == 0, err
    assert f"published the demo: {hub.url}/spaces/ann/by-hand/commit/" in out
    assert "app.py" in hub.repos["spaces/ann/by-hand"].files()
    for wrong in (["unet"], ["unet", "ann/unet", "--space", "ann/x"], []):
        code, _, err = publish(*wrong)
        assert code == 1 and "or --space user/space" in err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_clean_machine_runs_the_space(hub, space, tmp_path):
    """As a Space is built: a bare environment, requirements.txt, and `python app.py`."""
    folder = tmp_path / "app"
    for name, content in space.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")  # a third of the time, where it is
    install = (
        [uv, "pip", "install", "--python", python]
        if uv.exists()
        else [python, "-m", "pip", "install"]
    )
    done = subprocess.run(
        [*install, "--quiet", "-r", folder / "requirements.txt"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    server = DemoServer(
        tmp_path / "server",
        app=folder / "app.py",
        python=python,
        patience=400,  # nothing there is compiled to bytecode yet
        PYTHONPATH="",
    )
    with server, urllib.request.urlopen(server.url + "config", timeout=20) as page:
        shown = page.read().decode()
    assert all(name in shown for name in zoo.model_names())
