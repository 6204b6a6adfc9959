"""The running demo refuses what is not for it, in words, and gives away nothing."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import gradio_client
import numpy as np
import pytest
from helpers.demo_server import ROOT, WAIT, DemoServer
from PIL import Image

from webapp import models as zoo

NAMES = zoo.model_names()


@pytest.fixture
def text_as_jpeg(tmp_path: Path) -> Path:
    path = tmp_path / "letter.jpg"
    path.write_text("Dear visitor, this is not a photo.\n" * 50)
    return path


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


@pytest.mark.parametrize("endpoint", ["/colorize", "/compare"])
def test_a_bad_file_is_told_in_words(client, demo, text_as_jpeg, endpoint):
    before = len(demo.log.read_text())
    with pytest.raises(Exception, match=r"letter\.jpg: is not a JPEG, PNG, WebP, TIFF"):
        client.predict(gradio_client.handle_file(text_as_jpeg), api_name=endpoint)
    assert "Traceback" not in demo.log.read_text()[before:]


@pytest.mark.parametrize("photo", ["photo.jpg", 5, ["photo.jpg"]])
def test_what_is_no_upload_is_told_in_words(client, demo, deep_photo, photo):
    before = len(demo.log.read_text())
    for endpoint in ("/colorize", "/compare"):
        with pytest.raises(Exception, match="A photo has to be uploaded, got .*handle_file"):
            client.predict(photo, api_name=endpoint)
    with pytest.raises(Exception, match="A photo has to be uploaded, got .*handle_file"):
        client.predict(gradio_client.handle_file(deep_photo), reference=photo, api_name="/colorize")
    for name, value in (("models", 5), ("models", "unet"), ("work_size", "x"), ("work_size", None)):
        with pytest.raises(Exception, match=f"{name} must be"):
            client.predict(
                gradio_client.handle_file(deep_photo), **{name: value}, api_name="/compare"
            )
    assert "Traceback" not in demo.log.read_text()[before:]


def test_a_link_to_the_page_shows_our_words_and_picture_once(demo):
    with urllib.request.urlopen(demo.url, timeout=WAIT) as answer:
        page = answer.read().decode()
    for name in ("og:title", "og:description", "og:image", "description"):
        (content,) = re.findall(rf'(?:property|name)="{name}"\s+content="([^"]*)"', page)
        assert "radio" not in content.replace("gradio_api", "") and content
    address = re.search(r'og:image"\s+content="([^"]*)"', page)[1]
    with urllib.request.urlopen(address, timeout=WAIT) as answer:
        assert answer.headers["content-type"] == "image/jpeg"


def test_a_truncated_file_is_told_in_words(client, deep_photo, tmp_path):
    path = tmp_path / "half.png"
    path.write_bytes(deep_photo.read_bytes()[:3000])
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
def test_only_registered_models_run(client, deep_photo, name):
    for call, value in (("/colorize", name), ("/compare", [name])):
        with pytest.raises(Exception, match="There is no model named"):
            client.predict(gradio_client.handle_file(deep_photo), value, 1.0, api_name=call)


def test_an_empty_list_of_models_is_refused(client, deep_photo):
    with pytest.raises(Exception, match="Choose at least one model"):
        client.predict(gradio_client.handle_file(deep_photo), [], api_name="/compare")


@pytest.mark.parametrize(
    "settings",
    [
        [9, 1, 0, 0.5],
        [1, "much", 0, 0.5],
        [1, 1, 100, 0.5],
        [1, 1, 0, 1.5],
        [1, 1, 0, 0.5, -2],
        [1, 1, 0, 0.5, -1, 101],
        [1, 1, 0, 0.5, -1, 0, [[1, 2]]],
        [1, 1, 0, 0.5, -1, 0, "red"],
        [1, 1, 0, 0.5, -1, 0, [["x", 2, "red"]]],
    ],
)
def test_wrong_settings_are_told(client, demo, deep_photo, settings):
    with pytest.raises(Exception, match="must be"):
        client.predict(
            gradio_client.handle_file(deep_photo), "unet", *settings, api_name="/colorize"
        )


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ([[5, 5, "red"], [5, 1e5, "red"]], r"hint 2 is at \(5, 100000\), outside the photo of "),
        ([[5, 5, "reed"]], "'reed' is not a colour"),
        ([[5, 5, "red"]] * 10_000, "there can be at most 1,000 hints, got 10,000"),
        ("[[NaN, 5, null]]", "a hint's x must be a number of pixels from 0, got nan"),
    ],
)
@pytest.mark.parametrize("endpoint", ["colorize", "compare"])
def test_wrong_hints_are_told_in_a_sentence(client, deep_photo, endpoint, hints, message):
    models = "unet" if endpoint == "colorize" else ["unet", "unet-bins"]
    with pytest.raises(Exception, match=message) as caught:
        client.predict(
            gradio_client.handle_file(deep_photo), models, hints=hints, api_name=f"/{endpoint}"
        )
    assert "\n" not in str(caught.value)


def test_wrong_samples_are_told(client, deep_photo):
    file = gradio_client.handle_file(deep_photo)
    with pytest.raises(
        Exception, match="unet does not support seed; eccv16, efficientnet-bins, flow, unet-bins do"
    ):
        client.predict(file, "unet", seed=3, api_name="/colorize")
    with pytest.raises(
        Exception, match="unet does not support vividness; efficientnet-bins, unet-bins do"
    ):
        client.predict(file, "unet", vividness=0.8, api_name="/colorize")
    with pytest.raises(Exception, match="samples must be a whole number from 0 to 6, got 7"):
        client.predict(file, ["unet-bins"], samples=7, api_name="/compare")


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
@pytest.mark.parametrize("where", ["photo", "/etc/hostname", "../../x"])
def test_a_client_cannot_name_a_file_of_the_server(demo, deep_photo, meta, where):
    path = str(deep_photo) if where == "photo" else where
    text = call(demo, "colorize", {"path": path, **meta}, NAMES[0], 1, 1, 0, 0.5, -1, 0, [], None)
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
def test_the_file_route_gives_nothing_else_away(demo, client, deep_photo, path):
    client.predict(
        gradio_client.handle_file(deep_photo), api_name="/colorize"
    )  # both folders are there
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


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
@pytest.mark.parametrize("where", ["/etc/hostname", "../../x"])
def test_a_reference_is_an_upload_too(demo, client, deep_photo, meta, where):
    upload = gradio_client.handle_file(deep_photo)
    able = "efficientnet-bins, resnet34 do"
    with pytest.raises(Exception, match=f"unet does not support reference; {able}"):
        client.predict(upload, "unet", reference=upload, api_name="/colorize")
    sent = {"path": where, **meta}
    text = call(demo, "compare", sent, ["unet"], 1, 1, 0, 0, 0, 0, [], sent)
    assert "event: error" in text and "event: complete" not in text


def test_options_go_to_the_models_that_take_them(client, deep_photo):
    """And no model fails for those of others."""
    hints = [[5, 5, "#b03020"]]
    pictures, report = client.predict(
        gradio_client.handle_file(deep_photo), ["unet", "unet-bins"], hints=hints, steps=4,
        api_name="/compare",
    )  # fmt: skip
    assert [each["caption"] for each in pictures] == list(report) == ["unet", "unet-bins"]
    with pytest.raises(Exception, match="unet does not support steps"):
        client.predict(
            gradio_client.handle_file(deep_photo), "unet", hints=hints, steps=4,
            api_name="/colorize",
        )  # fmt: skip
    asked, plain = (
        np.asarray(Image.open(client.predict(
            gradio_client.handle_file(deep_photo), "unet", hints=each, api_name="/colorize"
        )))
        for each in (hints, [])
    )  # fmt: skip
    assert not np.array_equal(asked, plain)  # every model follows hints
