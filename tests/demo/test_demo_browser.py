"""The running demo in a real browser."""

import io
import re
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.demo_server import DemoServer, open_browser, open_page, wait_for_all
from helpers.hub_server import HubServer
from PIL import Image

import colorzoo
from colorzoo.evaluation import metrics

pytest.importorskip("gradio", reason="the demo needs colorzoo[demo]")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium on the path"),
]

NAMES = colorzoo.list_models(pretrained=True)
PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser, demo):
    """Open pages; afterwards, they must not have had errors nor asked other machines."""
    pages, errors, outside = [], [], []

    def note(request):
        if not request.url.startswith((demo.url, "data:", "blob:")):
            outside.append(request.url)

    def visit(**options):
        page = open_page(browser, demo, **{"viewport": WIDE, **options}, watch=(errors, note))
        pages.append(page)
        return page

    yield visit
    for page in pages:
        page.context.close()
    assert errors == [] and outside == []


@pytest.fixture
def page(visit):
    return visit()


@pytest.fixture
def photo(tmp_path, coffee) -> Path:
    """A gray JPEG with EXIF, larger than what the tiles show."""
    exif = Image.Exif()
    exif[0x013B] = "Ann"
    path = tmp_path / "grandma.jpg"
    Image.fromarray(coffee).convert("L").resize((1200, 800)).save(path, exif=exif, quality=92)
    return path


def upload(page, path) -> None:
    page.locator("#photo input[type=file]").first.set_input_files(path)


def download(page, button: str) -> tuple[str, bytes]:
    with page.expect_download() as found:
        page.get_by_role("button", name=button).click()
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def sides(page) -> list[str]:
    """The names of the two pictures in the slider."""
    page.locator("#slider img").nth(1).wait_for(state="visible")
    return [each.get_attribute("src").split("/")[-1] for each in page.locator("#slider img").all()]


def wait_for_right(page, name: str) -> None:
    page.locator(f'#slider img[src$="-{name}.jpg"]').wait_for()


def tile_names(page) -> list[str]:
    captions = page.locator("#gallery .caption-label").all_inner_texts()
    return [caption.split(" · ")[0] for caption in captions]


def line(page) -> str:
    """Where the slider's line is."""
    return page.locator("#slider img").nth(1).evaluate("image => image.style.clipPath")


# A visit ------------------------------------------------------------------------------------------


def test_from_upload_to_download(page, photo):
    upload(page, photo)
    wait_for_all(page)
    assert tile_names(page)[0] == "before" and sorted(tile_names(page)[1:]) == NAMES
    captions = page.locator("#gallery .caption-label").all_inner_texts()[1:]
    assert all(re.search(r" · [\d.]+ s · CF\s\d+$", caption) for caption in captions)
    assert "The photo is black and white" in page.locator("#status").inner_text()
    page.locator("#gallery .thumbnail-item").nth(3).click()
    name = tile_names(page)[3]
    wait_for_right(page, name)
    assert sides(page) == ["grandma-before.jpg", f"grandma-{name}.jpg"]
    size = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    assert page.locator("#slider img").nth(1).evaluate(size) == [1200, 800]
    file_name, content = download(page, "Download PNG")
    assert file_name == f"grandma-{name}.png"
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size, image.getexif()[0x013B]) == ("PNG", (1200, 800), "Ann")
        expected = colorzoo.load(name).colorize(photo)
        assert np.abs(np.asarray(image).astype(int) - np.asarray(expected)).max() <= 1
    file_name, content = download(page, "All of them")
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file_name == "grandma-colorzoo.zip" and len(file.namelist()) == len(NAMES)
        assert Image.open(file.open(file.namelist()[0])).size == (1200, 800)
    file_name, content = download(page, "Contact sheet")
    assert file_name == "grandma-sheet.jpg" and Image.open(io.BytesIO(content)).width > 1400


def test_a_photo_in_colour_is_the_truth(page):
    page.locator("#examples button").first.click()
    wait_for_all(page)
    rows = page.locator("#numbers tbody tr").all_inner_texts()
    assert len(rows) == len(NAMES) + 1 and rows[0].startswith("before")
    assert "real colours" in tile_names(page)
    page.locator("#truth input").uncheck()
    page.locator("#numbers table").wait_for(state="detached")
    page.locator("#gallery").get_by_text("real colours").wait_for(state="detached")
    page.locator("#truth input").check()
    page.locator("#gallery .thumbnail-item").nth(1).click()
    page.locator('#slider img[src$="-real-colours.jpg"]').wait_for()


def test_two_models_slide_against_each_other(page, photo):
    upload(page, photo)
    wait_for_all(page)
    for side, name in (("left", NAMES[0]), ("right", NAMES[1])):
        page.locator(f"#{side} input").click()
        page.get_by_role("option", name=name, exact=True).click()
        wait_for_right(page, name)
    assert sides(page) == [f"grandma-{name}.jpg" for name in NAMES[:2]]


def test_one_of_several_samples_is_chosen(page, photo):
    upload(page, photo)
    wait_for_all(page)
    amount = page.locator("#samples input[type=number]")
    amount.fill("2")
    amount.press("Tab")
    drawn = ["unet-bins 1", "unet-bins 2"]
    page.locator("#gallery").get_by_text(drawn[1]).wait_for()
    wait_for_all(page)
    at = tile_names(page).index("unet-bins") + 1
    assert tile_names(page)[at : at + 2] == drawn
    page.locator("#gallery .thumbnail-item").nth(at + 1).click()
    wait_for_right(page, "unet-bins-2")
    page.locator("#about").get_by_text("Drawn with seed 1.").wait_for()
    file_name, content = download(page, "Download PNG")
    assert file_name == "grandma-unet-bins-2.png"
    model = colorzoo.load("unet-bins")
    assert isinstance(model, colorzoo.BinsColorizer)
    expected = np.asarray(model.colorize(photo, seed=1)).astype(int)
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size) == ("PNG", (1200, 800))
        assert np.abs(np.asarray(image) - expected).max() <= 1


def test_a_setting_changes_every_result(page, photo):
    upload(page, photo)
    wait_for_all(page)
    before = page.locator("#gallery img").last.get_attribute("src")
    amount = page.locator("#saturation input[type=number]")
    amount.fill("0")
    amount.press("Tab")
    page.wait_for_function(
        "old => [...document.querySelectorAll('#gallery img')].at(-1).src !== old", arg=before
    )
    wait_for_all(page)
    _, content = download(page, "Download PNG")
    assert np.ptp(np.asarray(Image.open(io.BytesIO(content))).astype(int), axis=2).max() <= 1


def test_everything_works_by_keyboard(page, photo):
    upload(page, photo)
    wait_for_all(page)
    page.locator("#share input[type=range]").focus()
    start = line(page)
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "old => document.querySelectorAll('#slider img')[1].style.clipPath !== old", arg=start
    )
    page.locator("#gallery .thumbnail-item").nth(2).focus()
    page.keyboard.press("Enter")
    wait_for_right(page, tile_names(page)[2])
    captions = page.locator("#gallery .caption-label").all_inner_texts()
    page.locator("#saturation input[type=range]").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "old => [...document.querySelectorAll('#gallery .caption-label')].at(-1).innerText !== old",
        arg=captions[-1],
    )
    wait_for_all(page)
    page.get_by_role("button", name="Download PNG").focus()
    with page.expect_download():
        page.keyboard.press("Enter")
    page.get_by_role("tab", name="Leaderboard").focus()
    page.keyboard.press("Enter")
    page.locator("#leaderboard").wait_for(state="visible")


@pytest.mark.timing
def test_the_first_result_comes_soon(visit):
    page = visit()
    page.locator("#examples button").nth(1).click()
    wait_for_all(page)  # once warm
    start = time.monotonic()
    page = visit()
    ready = time.monotonic() - start
    start = time.monotonic()
    page.locator("#examples button").nth(3).click()
    page.locator("#gallery .thumbnail-item").nth(2).wait_for()
    first = time.monotonic() - start
    assert ready < 3 and first < 2
    wait_for_all(page)


def test_two_visits_at_once_keep_apart(visit, tmp_path):
    pages, shades = [visit(), visit()], [60, 200]
    for page, shade in zip(pages, shades, strict=True):
        path = tmp_path / f"shade-{shade}.png"
        Image.new("L", (320, 240), shade).save(path)
        upload(page, path)
    for page, shade in zip(pages, shades, strict=True):
        wait_for_all(page)
        assert sides(page)[0] == f"shade-{shade}-before.jpg"
        sources = [each.get_attribute("src") for each in page.locator("#gallery img").all()]
        assert len(sources) == len(NAMES) + 1 and all(f"/shade-{shade}-" in s for s in sources)
        file_name, content = download(page, "Download PNG")
        assert file_name.startswith(f"shade-{shade}-")
        lightness = metrics.gray(np.asarray(Image.open(io.BytesIO(content))))
        assert abs(lightness.mean() - shade) < 3


def test_a_model_of_the_visitor_s_own_joins(browser, tmp_path):
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "tiny")
    files = {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir()}
    config = files["config.json"]
    refused = {
        "ann/pickle": ({"config.json": config, "pytorch_model.bin": b"x"}, "as a pickle only"),
        "ann/odd": ({**files, "config.json": config.replace(b"2", b"3", 1)}, "does not fit"),
        "ann/large": ({**files, "config.json": b" " * 2_000_000}, "more than the 1 MB"),
        "ann/nothing": ({"config.json": config}, "holds no model.safetensors"),
        "ann/missing": (None, "has no repository ann/missing"),
        "../../etc": (None, "is no Hub id"),
    }
    environment = {
        "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": "hf_ann",
    }  # fmt: skip
    with HubServer() as hub:
        hub.add("ann/tiny", files)
        hub.add("ann/private", files, private=True)
        refused["ann/private"] = (None, "or it is private")  # the server's token is not used
        for repo_id, (content, _) in refused.items():
            if content is not None:
                hub.add(repo_id, content)
        with DemoServer(tmp_path / "demo", HF_ENDPOINT=hub.url, **environment) as server:
            page, other = (open_page(browser, server, viewport=WIDE) for _ in range(2))
            page.get_by_role("button", name="Models").last.click()
            for repo_id, (_, words) in refused.items():
                page.locator("#repo-id").locator("input, textarea").fill(repo_id)
                page.get_by_role("button", name="Add", exact=True).click()
                toast = page.get_by_test_id("toast-body").filter(has_text=words)
                toast.wait_for()
                assert str(tmp_path) not in toast.inner_text()
                page.get_by_test_id("toast-close").last.click()
                toast.wait_for(state="detached")
            page.locator("#examples button").first.click()
            wait_for_all(page)
            page.locator("#repo-id").locator("input, textarea").fill("ann/tiny")
            page.get_by_role("button", name="Add", exact=True).click()
            page.locator("#gallery").get_by_text("ann/tiny").wait_for()
            assert not hub.leaked
            other.locator("#examples button").first.click()
            wait_for_all(other)
            assert "ann/tiny" in tile_names(page) and "ann/tiny" not in tile_names(other)
            page.context.close()
            other.context.close()
        assert "Traceback" not in server.log.read_text()


# What goes wrong ----------------------------------------------------------------------------------


def test_a_bad_upload_is_told_in_words(page, tmp_path):
    path = tmp_path / "letter.jpg"
    path.write_text("Dear visitor, this is not a photo.\n" * 50)
    upload(page, path)
    message = page.get_by_test_id("toast-body").get_by_text("is no picture that colorzoo reads")
    message.wait_for(state="visible")
    page.locator("#status").get_by_text("letter.jpg: is no picture").wait_for()


# Looks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_tabs_without_scrolling_sideways(visit, scheme):
    page = visit(viewport=PHONE, color_scheme=scheme)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) <= 390
    assert page.evaluate("document.body.classList.contains('dark')") is (scheme == "dark")
    page.locator("#examples button").first.click()
    wait_for_all(page)
    assert page.evaluate(width) <= 390
    box = page.locator("#slider").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    for tab, shown in (
        ("Leaderboard", "#leaderboard"),
        ("Models", "#card"),
        ("Developers", "pre:visible"),
    ):
        go_to(page, tab)
        page.locator(shown).first.wait_for(state="visible")
        assert page.evaluate(width) <= 390, tab


def go_to(page, tab: str) -> None:
    """Open a tab, in the overflow menu if need be."""
    shown = page.get_by_role("tab", name=tab)
    if not shown.is_visible():
        page.locator(".overflow-menu > button").click()
        shown = page.locator(".overflow-dropdown button", has_text=tab)
    shown.click()


def test_the_other_tabs(page):
    go_to(page, "Leaderboard")
    cells = page.locator("#leaderboard").inner_text()
    assert all(name in cells for name in (*NAMES, "gray (ab = 0)"))
    title = page.locator("#chart title").first
    assert title.text_content() == "PSNR dB against colourfulness"
    page.get_by_role("radio", name="rebalanced AuC %").check()
    page.wait_for_function(
        "document.querySelector('#chart title').textContent.startsWith('rebalanced')"
    )
    go_to(page, "Models")
    page.locator("#card-of").get_by_role("radio", name="unet-bins", exact=True).check()
    page.locator("#card").get_by_role("heading", name="unet-bins").wait_for()
    go_to(page, "Developers")
    page.locator("pre", has_text="colorzoo.load()").wait_for(state="visible")


def test_the_leaderboard_can_be_sorted(page):
    go_to(page, "Leaderboard")
    names = page.locator("#leaderboard tbody th")
    assert names.first.inner_text() == "gray (ab = 0)"
    head = page.locator("#leaderboard thead th", has_text="PSNR")
    scores = {name: colorzoo.model_info(name).metrics["scores"]["psnr"] for name in NAMES}
    scores["gray (ab = 0)"] = colorzoo.model_info(NAMES[0]).metrics["gray"]["psnr"]
    best = sorted(scores, key=lambda name: -scores[name])
    head.get_by_role("button").click()
    assert (names.all_inner_texts(), head.get_attribute("aria-sort")) == (best, "descending")
    page.keyboard.press("Enter")  # the button has the focus
    assert (names.all_inner_texts(), head.get_attribute("aria-sort")) == (best[::-1], "ascending")
    page.get_by_role("button", name="ms a photo").click()
    assert names.last.inner_text() == "gray (ab = 0)"  # it has no time


@pytest.mark.parametrize("look", [(WIDE, "light"), (PHONE, "dark")], ids=["wide", "phone"])
def test_axe_finds_no_serious_fault(visit, look):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(viewport=look[0], color_scheme=look[1])

    def check(state: str) -> None:
        found = axe.run(page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        told = [(each["id"], node["html"][:200]) for each in serious for node in each["nodes"]]
        assert not told, (state, told)

    check("empty")
    page.locator("#examples button").first.click()
    wait_for_all(page)
    page.get_by_role("button", name="Models").last.click()
    page.locator("#repo-id").wait_for(state="visible")
    check("results")
    for tab, shown in (
        ("Leaderboard", "#chart"),
        ("Models", "#card"),
        ("Developers", "pre:visible"),
    ):
        go_to(page, tab)
        page.locator(shown).first.wait_for(state="visible")
        check(tab)
