"""The demo's page in a real browser, and what a visitor does there."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.demo_server import WAIT, DemoServer

PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
FLAGS = (
    "--no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking "
    "--use-fake-device-for-media-stream"
)


@contextmanager
def open_browser() -> Iterator[Any]:
    """Chromium as the system has it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS.split()
        )
        yield browser
        browser.close()


def open_page(
    browser: Any,
    server: DemoServer,
    *,
    watch: tuple[list[str], Callable[[Any], None]] | None = None,
    **options: Any,
) -> Any:
    """Open the demo and wait until it can be used.

    Args:
        browser: The browser.
        server: The demo.
        watch: A list for the page's errors, and what is called with every request.
        options: Of the browser's context.
    """
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(WAIT * 1000)
    if watch is not None:
        errors, note = watch
        page.on("console", lambda told: told.type == "error" and errors.append(told.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", note)
    page.goto(server.url)
    page.locator("#photo input[type=file]").first.wait_for(state="attached")
    page.locator("#examples button[aria-label]").first.wait_for()  # the page's own script has run
    return page


def wait_for_result(page: Any, version: str = "Natural") -> None:
    """Wait until the first tab shows a version of the photo, and all the others to choose from."""
    page.locator(f'.cz[data-version="{version}"]:not([data-busy]) .version').first.wait_for()


def compare(page: Any) -> None:
    """Open the comparison, as a visitor does who has a result, and wait for all models."""
    wait_for_result(page)
    page.get_by_role("button", name="Compare all models").click()
    wait_for_all(page)


def wait_for_all(page: Any) -> None:
    """Wait until every model has run on the photo, and the large view shows it."""
    page.locator("#status").get_by_text(re.compile(r"\d+ of \d+ models in")).wait_for()
    page.locator("#slider img").first.wait_for(state="visible")


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


def go_to(page, tab: str) -> None:
    """Open a tab, in the overflow menu if need be."""
    shown = page.get_by_role("tab", name=tab)
    if not shown.is_visible():
        page.locator(".overflow-menu > button").click()
        shown = page.locator(".overflow-dropdown button", has_text=tab)
    shown.click()
