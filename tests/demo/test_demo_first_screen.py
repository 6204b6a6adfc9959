"""The first screen in a real browser: a photo in, the best result at once, and the way home."""

import io
import zipfile

import numpy as np
import pytest
from helpers.demo_page import PHONE, compare, upload, wait_for_result
from helpers.heic import encode_heic
from PIL import Image

import colorzoo

pytestmark = pytest.mark.browser
LAPTOP = {"width": 1366, "height": 768}
# What moves in the large view, once the page has made room for it.
SHIFT = """() => {
  window.moved = [];
  let since = Infinity;
  const root = document.querySelector(".cz");
  new MutationObserver(() => {
    if (root.dataset.state === "result") since = Math.min(since, performance.now() + 50);
  }).observe(root, { attributes: true });
  new PerformanceObserver((list) => {
    for (const each of list.getEntries())
      for (const { node } of each.sources ?? [])
        if (each.startTime > since && node?.closest?.(".cz > .view")) window.moved.push(each.value);
  }).observe({ type: "layout-shift", buffered: true });
}"""
SEEN = "element => { const box = element.getBoundingClientRect();"
SEEN += " return box.top >= -1 && box.bottom <= window.innerHeight + 1; }"
# However short it is there: a run may be over before a look at the page.
WATCH_PROGRESS = """() => new MutationObserver(() => {
  if (document.querySelector("#status progress")) window.hadProgress = true;
}).observe(document.body, { childList: true, subtree: true })"""


def take(page, selector: str) -> tuple[str, bytes]:
    with page.expect_download() as found:
        page.locator(selector).click()
    with open(found.value.path(), "rb") as file:
        return found.value.suggested_filename, file.read()


def share(page, at: str = "#photo") -> int:
    return int(page.locator(f"{at} .grip").get_attribute("aria-valuenow"))


def names(page) -> list[str]:
    return page.locator(".cz .version span").all_inner_texts()


def test_a_photo_becomes_the_result_without_a_click(visit, grandma):
    page = visit(viewport=LAPTOP)
    # The empty page shows what it does, and nothing that does nothing yet.
    page.locator("#photo .frame").wait_for(state="visible")
    assert share(page) == 50
    assert not page.locator(".cz .download").is_visible()
    assert page.locator("#examples button").count() >= 6
    page.evaluate(SHIFT)
    upload(page, grandma)
    wait_for_result(page)
    assert share(page) == 10
    right = page.locator("#photo img").nth(1)
    assert right.get_attribute("alt") == "grandma.jpg in colour"
    assert right.evaluate("image => image.style.clipPath") == "inset(0px 0px 0px 10%)"
    box, window = page.locator("#photo .frame").bounding_box(), LAPTOP
    assert box["height"] > 0.6 * window["height"] and box["y"] + box["height"] < window["height"]
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.01)
    for button in (".download", ".version >> nth=0", ".compare"):
        assert page.locator(f".cz {button}").evaluate(SEEN), button
    words = page.locator("#photo").inner_text()
    assert not [name for name in colorzoo.list_models() if name in words] and " s" not in names(
        page
    )
    assert page.evaluate("window.moved") == []

    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    assert share(page) == pytest.approx(70, abs=1)
    page.keyboard.press("ArrowLeft")  # the grip has the focus
    assert share(page) == pytest.approx(69, abs=1)
    page.evaluate("window.scrollTo(0, 0)")
    page.mouse.wheel(0, 200)
    page.wait_for_function("window.scrollY > 20")

    name, content = take(page, ".cz .download")
    page.locator(".cz .note").get_by_text("grandma-natural.jpg is ready").wait_for()
    with Image.open(io.BytesIO(content)) as image:
        assert (name, image.format, image.size) == ("grandma-natural.jpg", "JPEG", (1200, 800))
        assert image.getexif()[0x013B] == "Ann"
        expected = np.asarray(colorzoo.colorize(grandma)).astype(int)
        assert np.abs(np.asarray(image) - expected).mean() < 2


def test_other_versions_and_formats(visit, grandma):
    page = visit(viewport=LAPTOP)
    upload(page, grandma)
    wait_for_result(page)
    found = names(page)
    assert found[:3] == ["Natural", "Vivid", "Careful"] and 4 <= len(found) <= 6
    assert found[3:] == [f"Variant {number}" for number in range(1, len(found) - 2)]
    before = page.locator("#photo img").nth(1).get_attribute("src")
    page.locator(".cz .version", has_text="Variant 1").click()
    wait_for_result(page, "Variant 1")
    assert page.locator("#photo img").nth(1).get_attribute("src") != before
    assert page.locator(".cz .version[aria-pressed=true]").inner_text().strip() == "Variant 1"
    page.locator(".cz .format").select_option("tif")
    name, content = take(page, ".cz .download")
    assert name == "grandma-variant-1.tif"
    import tifffile

    assert tifffile.imread(io.BytesIO(content)).dtype == np.uint16
    name, content = take(page, ".cz .post.split")
    with Image.open(io.BytesIO(content)) as image:
        assert (name, image.size) == ("grandma-before-and-after.jpg", (1200, 800))
        left, right = (np.asarray(image.crop(box)).astype(int) for box in
                       ((0, 0, 590, 800), (610, 0, 1200, 800)))  # fmt: skip
        assert np.ptp(left, axis=2).mean() < 3 < np.ptp(right, axis=2).mean()

    # A reload finds everything as it was, until it is to be forgotten.
    page.reload()
    wait_for_result(page, "Variant 1")
    assert page.locator(".cz .format").input_value() == "tif"
    page.locator(".cz .forget").click()
    page.locator('.cz[data-state="empty"]').wait_for()
    page.reload()
    page.locator("#examples button").first.wait_for()
    assert page.locator(".cz").get_attribute("data-state") == "empty"


def test_several_photos_arrive_and_go_home_in_one_zip(visit, grandma, coffee, tmp_path):
    page = visit(viewport=LAPTOP)
    strange = tmp_path / "scan"  # neither suffix nor type
    strange.write_bytes(grandma.read_bytes() + b"\0")
    deep = tmp_path / "deep.tif"
    Image.fromarray(
        np.asarray(Image.open(grandma).resize((300, 200))).astype(np.uint16) * 257
    ).save(deep)
    phone = tmp_path / "phone.heic"
    phone.write_bytes(encode_heic(coffee[:64, :96]))
    bad = tmp_path / "letter.jpg"
    bad.write_text("Dear visitor, this is not a photo.\n" * 50)
    upload(page, [grandma, strange, deep, phone])
    wait_for_result(page)
    page.locator(".cz .film button").nth(3).wait_for()
    assert page.locator(".cz .film button").count() == 4
    # The server decodes what no browser shows.
    page.locator(".cz .film button").nth(3).click()
    page.locator('#photo img[alt="phone.heic in colour"]').wait_for()
    wait_for_result(page)
    page.locator(".cz .film button").nth(2).click()
    page.locator('#photo img[alt="deep.tif in colour"]').wait_for()
    page.locator(".cz .version", has_text="Vivid").click()
    wait_for_result(page, "Vivid")
    # Another photo that cannot be read is told, and the result stays.
    upload(page, bad)
    page.locator(".cz .note").get_by_text("letter.jpg: is not a JPEG").wait_for()
    assert page.locator('#photo img[alt="deep.tif in colour"]').count() == 1
    assert page.locator(".cz .film button").count() == 4
    page.locator(".cz .film button").nth(2).click()
    page.locator(".cz .all").click()
    name, content = take(page, ".cz .zip")
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert name == "colorzoo.zip"
        assert sorted(file.namelist()) == [
            f"{name}-vivid.jpg" for name in ("deep", "grandma", "phone", "scan")
        ]
        assert Image.open(file.open("deep-vivid.jpg")).size == (300, 200)
    page.locator("#packed").get_by_text("colorzoo.zip is ready").wait_for()


def test_a_phone_keeps_the_picture_in_view(visit, grandma):
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    upload(page, grandma)
    wait_for_result(page)
    for each in ("#photo .frame", ".cz .download", ".cz .version >> nth=0"):
        assert page.locator(each).evaluate(SEEN), each
    small = page.evaluate("""() => [...document.querySelectorAll(
      "#photo button, #photo select, #photo .grip")].filter((each) => each.getClientRects().length)
      .filter((each) => Math.min(each.getBoundingClientRect().width,
        each.getBoundingClientRect().height) < 44).map((each) => each.className)""")
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    # A swipe over the picture scrolls the page.
    page.set_viewport_size({"width": 390, "height": 640})
    box = page.locator("#photo .frame").bounding_box()
    x, y = box["x"] + 0.6 * box["width"], box["y"] + 0.8 * box["height"]
    session = page.context.new_cdp_session(page)
    session.send("Input.synthesizeScrollGesture", {"x": x, "y": y, "yDistance": -120})
    page.wait_for_function("window.scrollY > 60")
    assert share(page) == 10


def test_the_comparison_shows_what_is_chosen_and_says_what_is_typed(visit, grandma):
    page = visit(viewport={"width": 1366, "height": 600})
    upload(page, grandma)
    compare(page)
    tiles = page.locator("#gallery .thumbnail-item")
    tiles.last.scroll_into_view_if_needed()
    assert not page.locator("#slider .frame").evaluate(SEEN)
    tiles.last.click()
    name = page.locator("#gallery .caption-label").last.inner_text().split(" · ")[0]
    page.locator(f'#slider img[src$="-{name}.jpg"]').wait_for()
    assert page.locator("#slider .frame").evaluate(
        "element => element.getBoundingClientRect().bottom > 200"
    )
    page.locator("#gallery .thumbnail-item.selected", has_text=name).wait_for()

    page.locator("#right input").click()
    page.get_by_role("option", name="unet-bins", exact=True).click()
    page.locator("#gallery .thumbnail-item.selected", has_text="unet-bins").wait_for()
    page.locator("#left input").focus()
    page.keyboard.press("Tab")
    page.wait_for_timeout(200)
    assert page.locator("ul.options").count() == 0

    page.locator("#slider .grip").focus()
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('#share input[type=number]').value === '100'")

    page.evaluate(WATCH_PROGRESS)
    box = page.locator("#saturation input[type=number]")
    for typed, kept, words in (("5", "2", "5 became 2"), ("", "2", "nothing became 2"),
                               ("1.5", "1.5", None)):  # fmt: skip
        box.fill(typed)
        box.press("Enter")
        page.wait_for_function(
            "kept => ['number', 'range'].every((kind) => document.querySelector("
            "`#saturation input[type=${kind}]`).value === kept)", arg=kept,
        )  # fmt: skip
        told = page.locator("#saturation .told")
        assert told.count() == (words is not None)
        assert words is None or words in told.inner_text()
    page.wait_for_function("window.hadProgress")
    page.locator("#status").get_by_text("models in").wait_for()

    page.get_by_role("button", name="Models").last.click()
    for box in page.locator("#models input").all():
        box.uncheck()
    page.locator("#status").get_by_text("No model is ticked").wait_for()
    page.locator("#downloads").wait_for(state="hidden")
    assert not page.locator("#slider .frame").is_visible()
