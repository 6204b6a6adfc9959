"""The demo as its visitors meet it: a running server, called by a program and by a browser."""

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import colorzoo

pytest.importorskip("gradio", reason="the demo needs colorzoo[demo]")
gradio_client = pytest.importorskip("gradio_client")

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "demo" / "app.py"
NAMES = colorzoo.list_models(pretrained=True)
WAIT = 60  # s; the cores may be shared
ALL_DONE = f"{len(NAMES)} of {len(NAMES)} models"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Start the app from a strange folder; give its address and its log."""
    folder = tmp_path_factory.mktemp("demo")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    url, log = f"http://127.0.0.1:{port}/", folder / "log.txt"
    with log.open("wb") as stream:
        command = [sys.executable, str(APP)]
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=stream, stderr=stream)
        try:
            _wait_until_ready(process, url, log)
            yield url, log
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + 2 * WAIT
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url + "config", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the demo did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    """A program that calls the demo."""
    downloads = tmp_path_factory.mktemp("downloads")
    return gradio_client.Client(server[0], verbose=False, download_files=str(downloads))


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


def _pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def _app():
    spec = importlib.util.spec_from_file_location("colorzoo_demo_app", APP)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# By program ---------------------------------------------------------------------------------------


def test_colorize_returns_the_pixels_of_the_model(client, photo):
    for saturation in (1.0, 0.5):
        result = client.predict(
            gradio_client.handle_file(photo), NAMES[0], saturation, api_name="/colorize"
        )
        expected = colorzoo.load(NAMES[0]).colorize(photo, saturation=saturation)
        assert Image.open(result).size == (97, 61)
        # Another number of threads may round differently; a lossy file differs by far more.
        assert np.abs(_pixels(result) - np.asarray(expected).astype(int)).max() <= 1


def test_colorize_has_defaults(client, photo):
    result = client.predict(gradio_client.handle_file(photo), api_name="/colorize")
    expected = colorzoo.load(colorzoo.DEFAULT_MODEL).colorize(photo)
    assert np.abs(_pixels(result) - np.asarray(expected).astype(int)).max() <= 1


def test_compare_returns_every_model(client, photo):
    pictures, report = client.predict(gradio_client.handle_file(photo), api_name="/compare")
    assert sorted(picture["caption"] for picture in pictures) == NAMES
    assert sorted(report) == NAMES and all(re.fullmatch(r"[\d.]+ s", s) for s in report.values())
    assert all(_pixels(picture["image"]).shape == (61, 97, 3) for picture in pictures)


@pytest.mark.parametrize("endpoint", ["/colorize", "/compare"])
def test_a_bad_file_is_told_in_words(client, server, text_as_jpeg, endpoint):
    with pytest.raises(Exception, match=r"letter\.jpg: is no picture that colorzoo reads"):
        client.predict(gradio_client.handle_file(text_as_jpeg), api_name=endpoint)
    assert "Traceback" not in server[1].read_text()


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


@pytest.mark.parametrize("name", ["no-such-model", str(ROOT / "colorzoo" / "weights" / "unet")])
def test_only_registered_models_run(client, photo, name):
    with pytest.raises(Exception, match="No colorizer is called"):
        client.predict(gradio_client.handle_file(photo), name, 1.0, api_name="/colorize")


def test_a_client_cannot_name_a_file_of_the_server(server, photo):
    request = urllib.request.Request(
        server[0] + "gradio_api/call/colorize",
        data=json.dumps({"data": [{"path": str(photo)}, NAMES[0], 1]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{request.full_url}/{event}", timeout=WAIT) as answer:
        text = answer.read().decode()
    assert "event: error" in text and "There is no photo" in text


def test_a_failing_model_does_not_stop_the_others(photo, monkeypatch):
    app = _app()

    class Block:  # stands for the component on whose account files are kept
        def move_resource_to_block_cache(self, path):
            return shutil.copy(path, photo.parent)

    def load(name):
        if name == colorzoo.DEFAULT_MODEL:
            raise colorzoo.WeightsError("its weights are <gone>")
        return colorzoo.load(name)

    monkeypatch.setattr(app, "load", load)
    monkeypatch.setattr(app, "get_upload_folder", lambda: str(photo.parent))
    upload, visit = {"path": str(photo)}, app.Visit()
    app.begin(upload, 1.0, colorzoo.DEFAULT_MODEL, visit)
    pages = list(app.colour_all(upload, 1.0, colorzoo.DEFAULT_MODEL, visit, block=Block()))
    assert sorted(visit.tiles) == [name for name in NAMES if name != colorzoo.DEFAULT_MODEL]
    assert f"{colorzoo.DEFAULT_MODEL} failed: its weights are &lt;gone&gt;" in pages[-1][0]


# By browser ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """Chromium as the system has it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on the path")
    flags = "--no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags.split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server, request):
    """The opened page; afterwards, it must not have had errors nor asked other machines."""
    width, height = getattr(request, "param", (1280, 900))
    context = browser.new_context(viewport={"width": width, "height": height})
    page, errors, outside = context.new_page(), [], []
    page.set_default_timeout(WAIT * 1000)
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda sent: sent.url.startswith((server[0], "data:", "blob:")) or outside.append(sent.url),
    )
    page.goto(server[0])
    page.locator("#photo input[type=file]").first.wait_for(state="attached")
    yield page
    context.close()
    assert errors == []
    assert outside == []


def _wait_for_all(page) -> None:
    page.locator("#status").get_by_text(ALL_DONE).wait_for()


def _sides(page):
    """The two pictures of the before/after slider."""
    return page.locator("#slider img")


@pytest.mark.browser
def test_an_example_is_coloured_by_every_model(page):
    page.locator("#examples button").first.click()
    _wait_for_all(page)
    assert page.locator("#gallery .thumbnail-item").count() == len(NAMES)
    images = _sides(page)
    images.first.wait_for(state="visible")
    assert images.count() == 2
    assert re.search(rf"-{colorzoo.DEFAULT_MODEL}\.png$", images.nth(1).get_attribute("src"))


@pytest.mark.browser
def test_the_model_chosen_is_shown_and_downloaded(page):
    page.locator("#examples button").nth(2).click()
    _wait_for_all(page)
    captions = page.locator("#gallery .caption-label").all_inner_texts()
    name = captions[-1].split(" · ")[0]
    page.locator("#gallery .thumbnail-item").last.click()
    page.locator(f'#slider img[src$="-{name}.png"]').wait_for()
    assert page.get_by_role("radio", name=name, exact=True).is_checked()
    page.get_by_role("radio", name=colorzoo.DEFAULT_MODEL, exact=True).focus()
    page.keyboard.press("Space")
    page.locator(f'#slider img[src$="-{colorzoo.DEFAULT_MODEL}.png"]').wait_for()
    with page.expect_download() as download:
        page.get_by_text("Download full size").click()
    assert download.value.suggested_filename == f"chelsea-{colorzoo.DEFAULT_MODEL}.png"
    assert _pixels(download.value.path()).shape == (300, 451, 3)


@pytest.mark.browser
def test_a_large_upload_is_shown_reduced_and_downloaded_whole(page, tmp_path):
    path = tmp_path / "large.jpg"
    Image.linear_gradient("L").resize((1800, 900)).save(path)
    page.locator("#photo input[type=file]").first.set_input_files(path)
    _wait_for_all(page)
    shown = _sides(page).nth(1)
    shown.wait_for(state="visible")
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1600
    with page.expect_download() as download:
        page.get_by_text("Download full size").click()
    assert _pixels(download.value.path()).shape == (900, 1800, 3)


@pytest.mark.browser
def test_saturation_zero_is_gray(page, photo):
    page.locator("#photo input[type=file]").first.set_input_files(photo)
    _wait_for_all(page)
    before = page.locator("#gallery img").first.get_attribute("src")
    amount = page.locator("#saturation input[type=number]")
    amount.fill("0")
    amount.press("Tab")
    page.wait_for_function("old => document.querySelector('#gallery img').src !== old", arg=before)
    _wait_for_all(page)
    with page.expect_download() as download:
        page.get_by_text("Download full size").click()
    assert np.ptp(_pixels(download.value.path()), axis=2).max() <= 1


@pytest.mark.browser
def test_a_bad_upload_is_told_in_words(page, text_as_jpeg):
    page.locator("#photo input[type=file]").first.set_input_files(text_as_jpeg)
    message = page.get_by_test_id("toast-body").get_by_text("is no picture that colorzoo reads")
    message.wait_for(state="visible")
    page.locator("#status").get_by_text("letter.jpg: is no picture").wait_for()


@pytest.mark.browser
@pytest.mark.parametrize("page", [(390, 844)], indirect=True)
def test_a_phone_does_not_scroll_sideways(page):
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) <= 390
    page.locator("#examples button").first.click()
    _wait_for_all(page)
    _sides(page).first.wait_for(state="visible")
    assert page.evaluate(width) <= 390
