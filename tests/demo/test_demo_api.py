"""The running demo as programs use it: what is offered, and what it returns."""

import socket
from pathlib import Path

import gradio_client
import numpy as np
import pytest
from helpers.demo_server import DemoServer
from PIL import Image

import app
import colorzoo
from webapp import models as zoo
from webapp.tabs import developers

NAMES = sorted(zoo.model_names())


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_endpoints_are_documented(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert sorted(endpoints) == ["/colorize", "/compare", "/models"]
    found = {each["parameter_name"]: each for each in endpoints["/colorize"]["parameters"]}
    assert list(found) == [
        "image", "model", "saturation", "strength", "work_size", "vividness", "seed", "steps",
        "hints", "reference",
    ]  # fmt: skip
    assert found["seed"]["python_type"]["type"] == "int"
    assert found["saturation"]["python_type"]["type"] == "float"
    assert f"Literal['{colorzoo.DEFAULT_MODEL}'" in found["model"]["python_type"]["type"]
    assert "Literal['0', '96'" in found["work_size"]["python_type"]["type"]
    assert all(each["parameter_has_default"] for each in list(found.values())[1:])
    assert "Colour a photo" in endpoints["/colorize"]["description"]
    found = {each["parameter_name"]: each for each in endpoints["/compare"]["parameters"]}
    assert list(found)[6:] == ["samples", "steps", "hints", "reference"]
    samples = found["samples"]
    assert samples["parameter_default"] == 0
    assert samples["python_type"]["type"] == "int"
    assert "between 0 and 6" in samples["type"]["description"]


def test_models_lists_the_zoo(client):
    models = client.predict(api_name="/models")
    assert sorted(each["name"] for each in models) == NAMES
    for each in models:
        info = colorzoo.model_info(each["name"])
        assert (each["summary"], each["year"]) == (info.summary, info.year)
        assert each["parameters"] == info.metrics["parameters"]
        assert each["options"] == sorted(colorzoo.load(each["name"]).options)
    dialled = {each["name"] for each in models if "vividness" in each["options"]}
    assert dialled == {"unet-bins", "efficientnet-bins"}


def test_colorize_returns_the_pixels_of_the_model(client, deep_photo):
    for saturation in (1.0, 0.5):
        result = client.predict(
            gradio_client.handle_file(deep_photo), NAMES[0], saturation, api_name="/colorize"
        )
        expected = colorzoo.load(NAMES[0]).colorize(deep_photo, saturation=saturation)
        assert Image.open(result).size == (97, 61)
        # Another number of threads may round differently; a lossy file differs by far more.
        assert np.abs(pixels(result) - np.asarray(expected).astype(int)).max() <= 1


def test_colorize_has_defaults(client, deep_photo):
    result = client.predict(gradio_client.handle_file(deep_photo), api_name="/colorize")
    expected = colorzoo.load(colorzoo.DEFAULT_MODEL).colorize(deep_photo)
    assert np.abs(pixels(result) - np.asarray(expected).astype(int)).max() <= 1


def test_colorize_takes_every_setting(client, deep_photo):
    result = client.predict(
        gradio_client.handle_file(deep_photo), "unet-bins", 1.2, 0.5, 96, 0.8, api_name="/colorize"
    )
    colours = colorzoo.load("unet-bins").colorize(
        deep_photo, saturation=1.2, work_size=96, vividness=0.8
    )
    full = np.asarray(colours).astype(int)
    expected = (full + colorzoo.read_photo(deep_photo).rgb) / 2
    assert np.abs(pixels(result) - expected).max() <= 1.5


def test_compare_returns_every_model(client, deep_photo):
    pictures, report = client.predict(gradio_client.handle_file(deep_photo), api_name="/compare")
    assert sorted(picture["caption"] for picture in pictures) == NAMES
    assert sorted(report) == NAMES
    assert all(row["seconds"] > 0 and row["colourfulness"] > 0 for row in report.values())
    assert all(pixels(picture["image"]).shape == (61, 97, 3) for picture in pictures)


def test_compare_runs_the_models_asked_for(client, deep_photo):
    names = ["unet-bins", "unet"]
    pictures, report = client.predict(
        gradio_client.handle_file(deep_photo), names, api_name="/compare"
    )
    assert [picture["caption"] for picture in pictures] == list(report) == names


def test_a_sample_can_be_had_alone(client, deep_photo):
    file = gradio_client.handle_file(deep_photo)
    pictures, report = client.predict(file, ["unet", "unet-bins"], samples=2, api_name="/compare")
    assert [each["caption"] for each in pictures] == list(report)
    assert list(report) == ["unet", "unet-bins", "unet-bins 1", "unet-bins 2"]
    sampled = report["unet-bins 2"]
    assert (sampled["model"], sampled["seed"]) == ("unet-bins", 2)
    assert sampled["colourfulness"] > 0
    alone = client.predict(file, sampled["model"], seed=sampled["seed"], api_name="/colorize")
    assert (pixels(alone) == pixels(pictures[3]["image"])).all()
    assert (pixels(alone) != pixels(pictures[1]["image"])).any()


def test_the_example_of_the_developers_tab_runs(demo, tmp_path, monkeypatch, jpeg):
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    monkeypatch.chdir(tmp_path)
    address = "https://address-of-this-page"
    assert address in developers.CLIENT
    names: dict = {}
    exec(compile(developers.CLIENT.replace(address, demo.url), "developers.py", "exec"), names)
    assert pixels(names["png"]).shape == (400, 600, 3)
    assert list(names["report"]) == [each["caption"] for each in names["pictures"]]


@pytest.mark.slow
@pytest.mark.release  # the session's own server is checked in the same way when it ends
def test_temporary_files_go_with_the_server(tmp_path, deep_photo):
    with DemoServer(tmp_path) as server:
        client = gradio_client.Client(server.url, verbose=False, download_files=False)
        client.predict(gradio_client.handle_file(deep_photo), api_name="/compare")
        names = [path.name for path in server.files()]
        assert deep_photo.name.replace(" ", "-") not in names and len(names) > len(NAMES)
    server.check_leftovers()
    assert "Traceback" not in server.log.read_text()


def test_a_port_that_is_taken_is_told_in_a_line(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("HOST", "127.0.0.1")
        monkeypatch.setenv("PORT", str(port))
        with pytest.raises(SystemExit) as stopped:
            app.main()
    assert stopped.value.code == f"Port {port} is in use: set PORT={port + 1} to use another one."


@pytest.mark.parametrize("port", ["abc", "0", "99999", "-1", "８０"])
def test_a_port_that_is_none_is_told_in_a_line(monkeypatch, port):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SystemExit) as stopped:
        app.main()
    assert stopped.value.code == f"PORT must be a whole number from 1 to 65535, got {port!r}."
