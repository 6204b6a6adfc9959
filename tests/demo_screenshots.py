"""Pictures of the demo in its states: python tests/demo_screenshots.py FOLDER

Two of them are shown in the README: `make screenshots` puts those in place.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.demo_page import compare, open_browser, open_page, wait_for_all, wait_for_result
from helpers.demo_server import ROOT, DemoServer
from PIL import Image

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
README = {"result-wide-light": 1280, "several-phone-dark": 390}  # name: width to keep


def empty(page: Any) -> None:
    """Nothing chosen yet."""


def result(page: Any) -> None:
    """A photo, and the best result at once."""
    page.locator("#examples button").nth(3).click()
    wait_for_result(page)


def version(page: Any) -> None:
    """Another version."""
    page.locator("#examples button").nth(1).click()
    wait_for_result(page)
    page.locator(".cz .version").last.click()
    wait_for_result(page, page.locator(".cz .version").last.inner_text().strip())


def several(page: Any) -> None:
    """Several photos, one of them chosen."""
    folder = ROOT / "demo" / "examples"
    names = ("grace-hopper", "camera", "chelsea", "summer-palace")
    page.locator("#photo input[type=file]").first.set_input_files(
        [folder / f"{name}.jpg" for name in names]
    )
    wait_for_result(page)
    page.locator(".cz .film button").nth(len(names) - 1).click()
    wait_for_result(page)


def models(page: Any) -> None:
    """Every model, a bold one against the gray original."""
    page.locator("#examples button").nth(1).click()
    compare(page)
    page.locator("#gallery .thumbnail-item").filter(has_text="unet-gan").click()
    page.locator('#slider img[src$="-unet-gan.jpg"]').wait_for()


def bad_file(page: Any) -> None:
    """A file that is no photo."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "letter.jpg"
        path.write_text("Dear visitor, this is not a photo.\n" * 50)
        page.locator("#photo input[type=file]").first.set_input_files(path)
        page.locator(".cz .note.problem").wait_for()


def controls(page: Any) -> None:
    """Everything unfolded, settings changed, samples."""
    models(page)
    page.get_by_role("button", name="Models").last.click()
    page.locator("#samples input[type=number]").fill("2")
    page.keyboard.press("Tab")
    page.locator("#gallery").get_by_text("unet-bins 2").wait_for()
    wait_for_all(page)


def tab(name: str) -> Callable[[Any], None]:
    def show(page: Any) -> None:
        button = page.get_by_role("tab", name=name)
        if not button.is_visible():
            page.locator(".overflow-menu > button").click()
            button = page.locator(".overflow-dropdown button", has_text=name)
        button.click()
        if name == "Models":
            page.locator("#card-pictures img").first.wait_for()

    return show


STATES = {
    "empty": empty, "result": result, "version": version, "several": several,
    "bad-file": bad_file, "compare": models, "controls": controls,
    "leaderboard": tab("Leaderboard"), "models": tab("Models"), "developers": tab("Developers"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--readme", action="store_true", help="replace the README's two pictures")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        DemoServer(Path(folder) / "demo") as server,
        open_browser() as browser,
    ):
        for state, show in STATES.items():
            for size, viewport in (("wide", WIDE), ("phone", PHONE)):
                for scheme in ("light", "dark"):
                    page = open_page(browser, server, viewport=viewport, color_scheme=scheme)
                    show(page)
                    page.wait_for_timeout(700)  # transitions
                    path = options.folder / f"{state}-{size}-{scheme}.png"
                    page.screenshot(path=path, full_page=True)
                    page.context.close()
                    print(path)
    if options.readme:
        for name, width in README.items():
            with Image.open(options.folder / f"{name}.png") as image:
                top = image.crop((0, 0, width, min(image.height, 1060)))
                top.convert("RGB").save(
                    ROOT / "demo" / f"{name.split('-')[1]}.jpg", quality=78, optimize=True
                )


if __name__ == "__main__":
    main()
