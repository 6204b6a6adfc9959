"""The page on a phone, in the dark, on every tab, and for people who do not see it."""

import pytest
from helpers.demo_page import PHONE, WIDE, compare, go_to, upload, wait_for_result

import colorzoo
from webapp import models as zoo

pytestmark = pytest.mark.browser
NAMES = sorted(zoo.model_names())
slow = pytest.mark.slow  # the other scheme of the same page


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=slow)])
def test_a_phone_shows_all_tabs_without_scrolling_sideways(visit, scheme):
    page = visit(viewport=PHONE, color_scheme=scheme)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) <= 390
    assert page.evaluate("document.body.classList.contains('dark')") is (scheme == "dark")
    page.locator("#examples button").first.click()
    compare(page)
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
    page.locator("pre", has_text="one call, the default model").wait_for(state="visible")


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


@pytest.mark.parametrize(
    "look",
    [
        pytest.param((WIDE, "light"), id="wide"),
        pytest.param((PHONE, "dark"), id="phone", marks=slow),
    ],
)
def test_axe_finds_no_serious_fault(visit, look, tmp_path, grandma):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(viewport=look[0], color_scheme=look[1])

    def check(state: str) -> None:
        found = axe.run(page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        told = [(each["id"], node["html"][:200]) for each in serious for node in each["nodes"]]
        assert not told, (state, told)

    check("empty")
    (tmp_path / "letter.jpg").write_text("no photo")
    upload(page, tmp_path / "letter.jpg")
    page.locator(".cz .note.problem").wait_for()
    check("a bad file")
    page.locator("#examples button").first.click()
    wait_for_result(page)
    check("result")
    upload(page, grandma)
    page.locator(".cz .film button").nth(1).wait_for()
    wait_for_result(page)
    check("several")
    page.locator(".cz .fix-colour").click()
    page.locator("#photo .points").click(position={"x": 99, "y": 99})
    page.locator(".cz .swatch:enabled").first.wait_for()
    check("a colour")
    page.locator(".cz .done").click()
    compare(page)
    page.get_by_role("button", name="Models").last.click()
    page.locator("#repo-id").locator("input, textarea").fill("no such model")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_test_id("toast-body").wait_for()
    check("results, with a message over them")
    for tab, shown in (
        ("Leaderboard", "#chart"),
        ("Models", "#card"),
        ("Developers", "pre:visible"),
    ):
        go_to(page, tab)
        page.locator(shown).first.wait_for(state="visible")
        check(tab)
