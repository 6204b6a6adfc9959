"""Fix a colour in a real browser: what is clicked is what changes, however it is shown."""

import io
import json

import numpy as np
import pytest
from helpers.demo_page import PHONE, upload, wait_for_result
from PIL import Image

from colorzoo.color import rgb_to_lab

pytestmark = pytest.mark.browser
LAPTOP = {"width": 1366, "height": 768}
RED, BLUE, GREEN = "#b03020", "#2848c0", "#208030"
WIDTH, HEIGHT = 600, 400


@pytest.fixture
def small(grandma):
    with Image.open(grandma) as image:
        image.resize((WIDTH, HEIGHT)).save(grandma, quality=95)
    return grandma


def client_of(page, x: int, y: int) -> tuple[float, float]:
    """Where in the window a pixel of the photo is, scrolled into view."""
    return tuple(
        page.locator("#photo .frame").evaluate(
            """(frame, [x, y]) => {
              const room = frame.parentElement, at = () => {
                const box = frame.getBoundingClientRect();
                return [box.left + x * box.width, box.top + y * box.height];
              };
              const box = room.getBoundingClientRect(), [left, top] = at();
              if (room.closest("[data-zoom]"))
                room.scrollBy(left - box.left - box.width / 2, top - box.top - box.height / 2);
              return at();
            }""",
            [(x + 0.5) / WIDTH, (y + 0.5) / HEIGHT],
        )
    )


def hints(page) -> list:
    kept = json.loads(page.evaluate("localStorage.getItem('colorzoo')"))
    return kept["photos"][kept["current"]]["hints"]


def shown(page) -> np.ndarray:
    """a and b of the picture that the page shows now, (2, H, W), at the photo's size."""
    page.locator(".cz:not([data-busy])").wait_for()
    source = page.locator("#photo img").nth(1).evaluate("image => image.src")
    with Image.open(io.BytesIO(page.request.get(source).body())) as image:
        return ab_of(image)


def ab_of(image: Image.Image) -> np.ndarray:
    import torch

    pixels = np.asarray(image.convert("RGB").resize((WIDTH, HEIGHT))).copy()
    return rgb_to_lab(torch.from_numpy(pixels).permute(2, 0, 1) / 255)[1:].numpy()


def is_like(ab: np.ndarray, x: int, y: int, colour: str) -> bool:
    """Whether the picture has this hue at a pixel, and clearly."""
    asked = ab_of(Image.new("RGB", (WIDTH, HEIGHT), colour))[:, 0, 0]
    here = ab[:, y - 2 : y + 3, x - 2 : x + 3].mean(axis=(1, 2))
    size = np.hypot(*here)
    return bool(size > 8 and here @ asked > 0.9 * size * np.hypot(*asked))


def pick(page, colour: str) -> None:
    """Choose a colour freely for the point."""
    page.locator(".cz .swatch:enabled").first.wait_for()
    page.locator(".cz .own input").fill(colour)


def start(page, photo) -> np.ndarray:
    upload(page, photo)
    wait_for_result(page)
    before = shown(page)
    page.locator(".cz .fix-colour").click()
    return before


def off(row: list, x: int, y: int) -> float:
    return max(abs(row[0] - x), abs(row[1] - y))


def test_what_is_clicked_changes_and_can_be_moved_undone_and_kept(visit, small):
    page = visit(viewport=LAPTOP)
    before = start(page, small)
    assert not page.locator("#photo .line").is_visible()  # it takes no clicks
    # A click, a suggestion.
    page.mouse.click(*client_of(page, 100, 60))
    swatch = page.locator(".cz .swatch:enabled")
    swatch.nth(2).wait_for()
    colours = [each.get_attribute("data-colour") for each in swatch.all()]
    assert len(colours) >= 4 and len(set(colours)) == len(colours)
    sizes = [each.bounding_box()["width"] for each in swatch.all()]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] >= 44
    pick(page, BLUE)
    after = shown(page)
    assert off(hints(page)[0], 100, 60) <= 1 and hints(page)[0][2] == BLUE
    assert is_like(after, 100, 60, BLUE) and not is_like(before, 100, 60, BLUE)
    # Zoomed in.
    page.locator("#photo .zoom").click()
    page.mouse.click(*client_of(page, 500, 345))
    pick(page, GREEN)
    after = shown(page)
    assert off(hints(page)[1], 500, 345) <= 1 and is_like(after, 500, 345, GREEN)
    assert is_like(after, 100, 60, BLUE)
    right = page.locator("#photo img").nth(1)
    assert right.evaluate("image => image.style.clipPath").endswith(" 0%)")
    page.locator("#photo .zoom").click()
    # In full screen, where the palette comes along.
    page.locator("#photo .whole").click()
    page.wait_for_function("document.fullscreenElement?.querySelector('.fix')")
    page.wait_for_timeout(300)
    page.mouse.click(*client_of(page, 320, 150))
    pick(page, RED)
    assert off(hints(page)[2], 320, 150) <= 1 and is_like(shown(page), 320, 150, RED)
    page.locator("#photo .whole").click()
    page.wait_for_function("!document.fullscreenElement")
    page.wait_for_timeout(300)

    # A point is dragged; where it was, the colour goes.
    x, y = client_of(page, 320, 150)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(*client_of(page, 250, 310), steps=4)
    page.mouse.up()
    after = shown(page)
    assert off(hints(page)[2], 250, 310) <= 2 and is_like(after, 250, 310, RED)
    page.locator(".cz .undo").click()
    after = shown(page)
    assert off(hints(page)[2], 320, 150) <= 1 and is_like(after, 320, 150, RED)
    # It is chosen, stays gray, and is removed.
    page.mouse.click(*client_of(page, 320, 150))
    page.locator(".cz .stays-gray").click()
    assert np.abs(shown(page)[:, 149:152, 319:322]).mean() < 3 and hints(page)[2][2] is None
    page.locator(".cz .remove").click()
    shown(page)
    assert len(hints(page)) == 2 and page.locator("#photo .dot").count() == 2

    # By keyboard: 8 px a key, or one pixel of the photo with Shift.
    page.locator("#photo .aim").focus()
    for key in ("ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.locator(".cz .swatch:focus").wait_for()
    page.keyboard.press("Enter")
    shown(page)
    width = page.locator("#photo .frame").bounding_box()["width"]
    assert off(hints(page)[2], 300 + 8 * WIDTH / width, 201) <= 2
    there = hints(page)[2]
    page.locator("#photo .dot").last.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    shown(page)
    assert off(hints(page)[2], there[0] - 24 * WIDTH / width, there[1]) <= 2
    page.locator(".cz .undo").click()  # of all three
    assert hints(page)[2] == there
    page.locator("#photo .dot").last.focus()
    page.keyboard.press("Delete")
    kept = hints(page)
    assert len(kept) == 2

    # Points go to a file and come back.
    with page.expect_download() as found:
        page.locator(".cz .save-points").click()
    saved = json.loads(open(found.value.path()).read())
    assert found.value.suggested_filename == "grandma.hints.json" and saved["version"] == 1
    assert [[each[name] for name in ("x", "y", "color")] for each in saved["hints"]] == kept
    page.locator(".cz .clear").click()
    assert np.abs(shown(page) - before).mean() < 0.5 and hints(page) == []
    bad = {"version": 1, "hints": [{"x": 5000, "y": 1, "color": RED}]}
    for content, words in ((b"PNG", "not a file of points"), (json.dumps(bad), "point 1 lies")):
        content = content if isinstance(content, bytes) else content.encode()
        file = {"name": "a.json", "mimeType": "application/json", "buffer": content}
        page.locator(".cz .points-file").set_input_files(file)
        page.locator(".cz .note").get_by_text(words).wait_for()
    page.locator(".cz .points-file").set_input_files(found.value.path())
    page.locator("#photo .dot").nth(1).wait_for()
    assert hints(page) == kept and is_like(shown(page), 100, 60, BLUE)

    # They hold for other versions, downloads and after a reload.
    page.locator(".cz .done").click()
    wait_for_result(page)
    page.locator(".cz .version", has_text="Vivid").click()
    wait_for_result(page, "Vivid")
    assert is_like(shown(page), 100, 60, BLUE)
    with page.expect_download() as found:
        page.locator(".cz .download").click()
    assert is_like(ab_of(Image.open(found.value.path())), 100, 60, BLUE)
    page.reload()
    wait_for_result(page, "Vivid")
    assert hints(page) == kept and is_like(shown(page), 100, 60, BLUE)
    page.get_by_role("button", name="Fix a colour (2)").wait_for()


def test_a_finger_on_a_sharp_screen(visit, small):
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    exif = Image.Exif()
    exif[0x0112] = 6  # the pixels lie on their side
    with Image.open(small) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(small, exif=exif, quality=92)
    start(page, small)
    page.touchscreen.tap(*client_of(page, 100, 60))
    pick(page, BLUE)
    assert off(hints(page)[0], 100, 60) <= 3 and is_like(shown(page), 100, 60, BLUE)
    page.locator("#photo .zoom").tap()
    page.touchscreen.tap(*client_of(page, 500, 345))
    pick(page, GREEN)
    assert off(hints(page)[1], 500, 345) <= 2 and is_like(shown(page), 500, 345, GREEN)
    page.locator("#photo .zoom").tap()
    for each in ("#photo .frame", ".cz .done", ".cz .swatch >> nth=0", ".cz .stays-gray"):
        box = page.locator(each).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= PHONE["height"], each
    small = page.evaluate("""() => [...document.querySelectorAll(
      "#photo :is(button, label, input)")].filter((each) => each.getClientRects().length)
      .filter((each) => Math.min(each.getBoundingClientRect().width,
        each.getBoundingClientRect().height) < 44).map((each) => each.className)""")
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    # A finger drags a point, and does not scroll the page with it.
    x, y = client_of(page, 100, 60)
    to_x, to_y = client_of(page, 250, 310)
    touch = page.context.new_cdp_session(page)
    moves = [("touchStart", x, y), ("touchMove", (x + to_x) / 2, (y + to_y) / 2),
             ("touchMove", to_x, to_y)]  # fmt: skip
    for kind, left, top in moves:
        points = [{"x": left, "y": top}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert is_like(shown(page), 250, 310, BLUE)
    assert off(hints(page)[0], 250, 310) <= 4 and page.evaluate("window.scrollY") == 0
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
