"""What the tests of the demo share. Without colorzoo[demo], none of them runs."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

if find_spec("gradio") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def upload_folder(tmp_path, monkeypatch) -> Path:
    """The folder in which Gradio puts uploads."""
    from webapp import stock, uploads

    for module in (stock, uploads):
        monkeypatch.setattr(module, "get_upload_folder", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def upload(upload_folder, coffee) -> dict[str, str]:
    """A colour photo with EXIF and DPI, as gr.Image sends it."""
    exif = Image.Exif()
    exif[0x013B] = "Ann"
    path = upload_folder / "my photo.jpg"
    Image.fromarray(coffee).save(path, quality=95, exif=exif, dpi=(300, 300))
    return {"path": str(path)}


@pytest.fixture(scope="module")
def client(demo, tmp_path_factory):
    import gradio_client

    downloads = tmp_path_factory.mktemp("downloads")
    return gradio_client.Client(demo.url, verbose=False, download_files=str(downloads))


@pytest.fixture(scope="module")
def deep_photo(tmp_path_factory) -> Path:
    """A 16-bit gray PNG of odd size with grain, which lossy formats and 8-bit readers spoil."""
    y, x = np.mgrid[:61, :97]
    grain = np.random.default_rng(0).normal(0, 2000, (61, 97))
    values = (20_000 + 300 * x + 150 * y + grain).astype(np.uint16)
    path = tmp_path_factory.mktemp("photos") / "old photo.png"
    Image.fromarray(values).save(path)
    return path


@pytest.fixture(scope="session")
def browser():
    """Chromium; without it, or playwright, the test is skipped."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from helpers.demo_page import open_browser

    if shutil.which("chromium") is None:
        pytest.skip("there is no chromium on the path")
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser, demo):
    """Open pages; afterwards, they must not have had errors nor asked other machines."""
    from helpers.demo_page import WIDE, open_page

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
def grandma(tmp_path, coffee) -> Path:
    """A gray JPEG with EXIF, larger than what the tiles show."""
    exif = Image.Exif()
    exif[0x013B] = "Ann"
    path = tmp_path / "grandma.jpg"
    Image.fromarray(coffee).convert("L").resize((1200, 800)).save(path, exif=exif, quality=92)
    return path
