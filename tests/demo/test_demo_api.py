"""The running demo as programs meet it, the well-behaved and the others."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from helpers.demo_server import DEMO, ROOT, WAIT, DemoServer
from PIL import Image

import colorzoo

pytest.importorskip("gradio", reason="the demo needs colorzoo[demo]")
gradio_client = pytest.importorskip("gradio_client")

NAMES = colorzoo.list_models(pretrained=True)


@pytest.fixture(scope="module")
def client(demo, tmp_path_factory):
    downloads = tmp_path_factory.mktemp("downloads")
    return gradio_client.Client(demo.url, verbose=False, download_files=str(downloads))


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    """A 16-bit gray PNG of odd size with grain, which lossy formats and 8-bit readers spoil."""
    y, x = np.mgrid[:61, :97]
    grain = np.random.default_rng(0).normal(0, 2000, (61, 97))
    values = (20_000 + 300 * x + 150 * y + grain).astype(np.uint16)
    path = tmp_path_factory.mktemp("photos") / "old photo.png"
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def text_as_jpeg(tmp_path: Path) -> Path:
    path = tmp_path / "letter.jpg"
    path.write_text("Dear visitor, this is not a photo.\n" * 50)
    return path


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def call(server: DemoServer, endpoint: str, *data: object) -> str:
    """Call an endpoint without the client's politeness; the events as text."""
    request = urllib.request.Request(
        server.url + f"gradio_api/call/{endpoint}",
        data=json.dumps({"data": data}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{request.full_url}/{event}", timeout=WAIT) as answer:
        return answer.read().decode()


# What is offered ----------------------------------------------------------------------------------


def test_the_endpoints_are_documented(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert sorted(endpoints) == ["/colorize", "/compare", "/models"]
    found = {each["parameter_name"]: each for each in endpoints["/colorize"]["parameters"]}
    assert list(found) == [
        "image", "model", "saturation", "strength", "work_size", "temperature", "seed"
    ]  # fmt: skip
    assert found["seed"]["python_type"]["type"] == "int"
    assert found["saturation"]["python_type"]["type"] == "float"
    assert f"Literal['{colorzoo.DEFAULT_MODEL}'" in found["model"]["python_type"]["type"]
    assert "Literal['0', '96'" in found["work_size"]["python_type"]["type"]
    assert all(each["parameter_has_default"] for each in list(found.values())[1:])
    assert "Colour a photo" in endpoints["/colorize"]["description"]
    samples = endpoints["/compare"]["parameters"][-1]
    assert (samples["parameter_name"], samples["parameter_default"]) == ("samples", 0)
    assert samples["python_type"]["type"] == "int"
    assert "between 0 and 6" in samples["type"]["description"]


def test_models_lists_the_zoo(client):
    models = client.predict(api_name="/models")
    assert sorted(each["name"] for each in models) == NAMES
    for each in models:
        info = colorzoo.model_info(each["name"])
        assert (each["summary"], each["year"]) == (info.summary, info.year)
        assert each["parameters"] == info.metrics["parameters"]
        assert each["takes_temperature"] == each["takes_samples"]
    assert {each["name"] for each in models if each["takes_samples"]} >= {"unet-bins"}


def test_colorize_returns_the_pixels_of_the_model(client, photo):
    for saturation in (1.0, 0.5):
        result = client.predict(
            gradio_client.handle_file(photo), NAMES[0], saturation, api_name="/colorize"
        )
        expected = colorzoo.load(NAMES[0]).colorize(photo, saturation=saturation)
        assert Image.open(result).size == (97, 61)
        # Another number of threads may round differently; a lossy file differs by far more.
        assert np.abs(pixels(result) - np.asarray(expected).astype(int)).max() <= 1


def test_colorize_has_defaults(client, photo):
    result = client.predict(gradio_client.handle_file(photo), api_name="/colorize")
    expected = colorzoo.load(colorzoo.DEFAULT_MODEL).colorize(photo)
    assert np.abs(pixels(result) - np.asarray(expected).astype(int)).max() <= 1


def test_colorize_takes_every_setting(client, photo):
    result = client.predict(
        gradio_client.handle_file(photo), "unet-bins", 1.2, 0.5, 96, 0.4, api_name="/colorize"
    )
    model = colorzoo.load("unet-bins").at_temperature(0.4)
    full = np.asarray(model.colorize(photo, saturation=1.2, work_size=96)).astype(int)
    expected = (full + colorzoo.read_photo(photo).rgb) / 2
    assert np.abs(pixels(result) - expected).max() <= 1.5


def test_compare_returns_every_model(client, photo):
    pictures, report = client.predict(gradio_client.handle_file(photo), api_name="/compare")
    assert sorted(picture["caption"] for picture in pictures) == NAMES
    assert sorted(report) == NAMES
    assert all(row["seconds"] > 0 and row["colourfulness"] > 0 for row in report.values())
    assert all(pixels(picture["image"]).shape == (61, 97, 3) for picture in pictures)


def test_compare_runs_the_models_asked_for(client, photo):
    names = ["unet-bins", "unet"]
    pictures, report = client.predict(gradio_client.handle_file(photo), names, api_name="/compare")
    assert [picture["caption"] for picture in pictures] == list(report) == names


def test_a_sample_can_be_had_alone(client, photo):
    file = gradio_client.handle_file(photo)
    pictures, report = client.predict(file, ["unet", "unet-bins"], samples=2, api_name="/compare")
    assert [each["caption"] for each in pictures] == list(report)
    assert list(report) == ["unet", "unet-bins", "unet-bins 1", "unet-bins 2"]
    drawn = report["unet-bins 2"]
    assert (drawn["model"], drawn["seed"]) == ("unet-bins", 1) and drawn["colourfulness"] > 0
    alone = client.predict(file, drawn["model"], seed=drawn["seed"], api_name="/colorize")
    assert (pixels(alone) == pixels(pictures[3]["image"])).all()
    assert (pixels(alone) != pixels(pictures[1]["image"])).any()


def test_the_readme_shows_the_api_as_it_is(demo, root, tmp_path, monkeypatch, jpeg):
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(
        r"```python\n(from gradio_client.*?)```", (root / "README.md").read_text(), re.DOTALL
    )
    assert example in (root / "demo" / "developers_tab.py").read_text()
    address = "https://address-of-this-page"
    assert address in example
    names: dict = {}
    exec(compile(example.replace(address, demo.url), "README.md", "exec"), names)
    assert pixels(names["png"]).shape == (400, 600, 3)
    assert list(names["report"]) == [each["caption"] for each in names["pictures"]]


# What goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["/colorize", "/compare"])
def test_a_bad_file_is_told_in_words(client, demo, text_as_jpeg, endpoint):
    before = len(demo.log.read_text())
    with pytest.raises(Exception, match=r"letter\.jpg: is no picture that colorzoo reads"):
        client.predict(gradio_client.handle_file(text_as_jpeg), api_name=endpoint)
    assert "Traceback" not in demo.log.read_text()[before:]


def test_a_truncated_file_is_told_in_words(client, photo, tmp_path):
    path = tmp_path / "half.png"
    path.write_bytes(photo.read_bytes()[:3000])
    with pytest.raises(Exception, match=r"half\.png: cannot be decoded .*cut short"):
        client.predict(gradio_client.handle_file(path), api_name="/colorize")


def test_too_many_pixels_are_told_to_visitors_and_not_to_programmers(client, tmp_path):
    path = tmp_path / "huge.png"
    Image.new("1", (8000, 7000)).save(path)
    with pytest.raises(Exception, match=r"limit of 50,000,000; make it smaller$"):
        client.predict(gradio_client.handle_file(path), api_name="/colorize")


def test_too_many_bytes_are_told(client, tmp_path):
    path = tmp_path / "huge.bmp"
    path.write_bytes(bytes(43_000_000))
    with pytest.raises(Exception, match="(?i)exceeds.*40"):
        client.predict(gradio_client.handle_file(path), api_name="/colorize")


@pytest.mark.parametrize(
    "name", ["no-such-model", str(ROOT / "colorzoo" / "weights" / "unet"), "ann/model", "../unet"]
)
def test_only_registered_models_run(client, photo, name):
    for call, value in (("/colorize", name), ("/compare", [name])):
        with pytest.raises(Exception, match="No colorizer is called"):
            client.predict(gradio_client.handle_file(photo), value, 1.0, api_name=call)


@pytest.mark.parametrize(
    "settings", [[9, 1, 0, 0], [1, "much", 0, 0], [1, 1, 100, 0], [1, 1, 0, 0, -2]]
)
def test_wrong_settings_are_told(client, demo, photo, settings):
    with pytest.raises(Exception, match="must be"):
        client.predict(gradio_client.handle_file(photo), "unet", *settings, api_name="/colorize")


def test_wrong_samples_are_told(client, photo):
    file = gradio_client.handle_file(photo)
    with pytest.raises(Exception, match="unet takes no seed, got 3: send -1, or choose one of"):
        client.predict(file, "unet", seed=3, api_name="/colorize")
    with pytest.raises(Exception, match="samples must be a whole number from 0 to 6, got 7"):
        client.predict(file, ["unet-bins"], samples=7, api_name="/compare")


# What is not offered ------------------------------------------------------------------------------


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
@pytest.mark.parametrize("where", ["photo", "/etc/hostname", "http://127.0.0.1:1/x.png", "../../x"])
def test_a_client_cannot_name_a_file_of_the_server(demo, photo, meta, where):
    path = str(photo) if where == "photo" else where
    text = call(demo, "colorize", {"path": path, **meta}, NAMES[0], 1, 1, 0, 0, -1)
    assert "event: error" in text and "event: complete" not in text
    assert "root:" not in text and "hostname" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/etc/hostname",
        "../../../../etc/hostname",
        "..%2f..%2f..%2fetc/hostname",
        str(ROOT / "pyproject.toml"),
        str(ROOT / "demo" / "app.py"),
        "app.py",
        "/proc/self/environ",
        "file:///etc/hostname",
        "//etc/hostname",
        "{shelf}/../log.txt",
        "{shelf}",
        "{uploads}",
        "{uploads}/../../log.txt",
    ],
)
def test_the_file_route_gives_nothing_else_away(demo, client, photo, path):
    client.predict(gradio_client.handle_file(photo), api_name="/colorize")  # both folders are there
    (shelf,) = demo.temporary.glob("colorzoo-demo-*")
    path = path.format(shelf=shelf, uploads=demo.temporary / "gradio")
    for route in (path, quote(path, safe=""), path.replace("/", "%2f")):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{demo.url}gradio_api/file={route}", timeout=WAIT)
        assert error.value.code in (403, 404)


def test_the_page_s_own_events_are_not_for_programs(demo, client):
    with urllib.request.urlopen(demo.url + "config", timeout=WAIT) as answer:
        dependencies = json.load(answer)["dependencies"]
    private = {each["api_name"] for each in dependencies if each["api_visibility"] == "private"}
    private = sorted(filter(None, private))
    assert {"begin", "run", "bring"} <= set(private)
    for name in private:
        with pytest.raises(ValueError, match="Cannot find a function"):
            client.predict(api_name=f"/{name}")


def test_temporary_files_go_with_the_server(tmp_path, photo):
    with DemoServer(tmp_path) as server:
        client = gradio_client.Client(server.url, verbose=False, download_files=False)
        client.predict(gradio_client.handle_file(photo), api_name="/compare")
        names = [path.name for path in server.files()]
        assert photo.name.replace(" ", "-") not in names and len(names) > len(NAMES)
    # The examples are the page's own.
    assert {path.stem for path in server.files()} <= {
        "coffee", "astronaut", "chelsea", "rocket", "camera"
    }  # fmt: skip
    assert "Traceback" not in server.log.read_text()


def test_a_port_that_is_taken_is_told_in_a_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, str(DEMO / "app.py")], capture_output=True, text=True,
            env={**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert run.returncode == 1
    assert f"Port {port} is taken: PORT={port + 1} chooses another one." in run.stderr
    assert "Traceback" not in run.stderr
