"""How photos really come in: dropped, pasted, photographed; good ones beside damaged ones."""

import numpy as np
import pytest
from helpers.demo_page import PHONE, upload, wait_for_result
from helpers.heic import encode_heic
from PIL import Image

pytestmark = pytest.mark.browser
PASTE = """async (sources) => {
  const data = new DataTransfer();
  for (const [name, source] of sources)
    data.items.add(new File([await (await fetch(source)).blob()], name, { type: "image/png" }));
  document.body.dispatchEvent(new ClipboardEvent(
    "paste", { bubbles: true, cancelable: true, clipboardData: data }));
}"""
INSIDE = """(element) => {
  const box = element.getBoundingClientRect();
  const view = element.closest(".cz-view").getBoundingClientRect();
  return box.top >= view.top - 1 && box.bottom <= view.bottom + 1;
}"""


def drop(page, *paths) -> None:
    """Drag files or folders of this machine over the page, and drop them."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        if kind == "drop":
            page.locator(".cz.over").wait_for()
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 500, "y": 300, "data": data})
    assert page.locator(".cz.over").count() == 0


def forget(page) -> None:
    page.locator(".cz .forget").click()
    page.locator('.cz[data-state="empty"]').wait_for()


def test_dropped_pasted_and_photographed(visit, coffee, tmp_path):
    page = visit(permissions=["camera"])
    photo = Image.fromarray(coffee[:200, :300]).convert("L")
    album = tmp_path / "album"
    (album / "1952").mkdir(parents=True)
    for name in ("1952/scan.jp2", "phone.avif"):
        photo.rotate(len(name)).save(album / name)
    (album / "from a phone.heic").write_bytes(encode_heic(coffee[:64, :96]))
    for name in ("list.txt", ".hidden.jpg"):
        (album / name).write_text("no photo")
    cut = tmp_path / "cut.jpg"
    photo.save(cut)
    cut.write_bytes(cut.read_bytes()[:300])
    deep = tmp_path / "deep.tif"
    Image.fromarray(np.asarray(photo).astype(np.uint16) * 257).save(deep)
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear visitor")
    # The first one is damaged; a folder stands for its photos; none is chosen to find that out.
    drop(page, cut, letter, deep, album)
    wait_for_result(page)
    pictures = page.locator(".cz .film button img")
    pictures.nth(3).wait_for()
    note = page.locator(".cz .note")
    for name in ("cut.jpg: cannot be decoded", "letter.jpg: is not a JPEG"):
        note.get_by_text(name).wait_for()
    names = {each.get_attribute("aria-label") for each in page.locator(".cz .film button").all()}
    assert names == {"deep.tif", "scan.jp2", "phone.avif", "from a phone.heic"}
    for each in pictures.all():
        assert each.evaluate("image => image.decode().then(() => image.naturalWidth > 9)")
    assert "list.txt" not in note.inner_text()
    forget(page)
    assert note.inner_text().startswith("Forgotten")
    (tmp_path / "empty").mkdir()
    drop(page, tmp_path / "empty")
    note.get_by_text("no photo in this folder").wait_for()

    thumb = page.locator("#examples img")
    page.evaluate(PASTE, [[f"{i}.png", thumb.nth(i).get_attribute("src")] for i in (0, 1)])
    wait_for_result(page)
    page.locator(".cz .film button").nth(1).wait_for()
    forget(page)

    page.locator(".cz .shoot").click()
    page.wait_for_function("document.querySelector('.cz .shot video').videoWidth > 0")
    page.evaluate("window.tracks = document.querySelector('.cz .shot video').srcObject.getTracks()")
    page.locator(".cz .snap").click()
    wait_for_result(page)
    assert page.locator('#photo img[alt="camera.jpg in colour"]').count() == 1
    assert page.evaluate("window.tracks.map((each) => each.readyState)") == ["ended"]


def test_a_panorama_and_a_tiny_photo_on_a_phone(visit, coffee, tmp_path):
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    # Who has only a finger is asked for what a finger can do.
    asked = page.locator(".cz .invite").inner_text()
    assert "Choose a black-and-white photo" in asked
    assert not any(word in asked for word in ("Drop", "paste"))
    wide, tiny = tmp_path / "wide.jpg", tmp_path / "tiny.png"
    photo = Image.fromarray(coffee).convert("L")
    photo.resize((1000, 100)).save(wide)
    photo.resize((16, 16)).save(tiny)
    upload(page, wide)
    wait_for_result(page)
    frame, zoom = page.locator("#photo .frame"), page.locator("#photo .zoom")
    controls = [frame, zoom, page.locator("#photo .grip"), page.locator("#photo .whole")]
    for each in controls:
        assert each.evaluate(INSIDE), each
    height = page.locator("#photo .cz-view").bounding_box()["height"]
    zoom.tap()
    assert page.locator("#photo .cz-view").bounding_box()["height"] > height
    zoom.tap()
    for each in controls:  # it is where it was
        assert each.evaluate(INSIDE), each
    page.locator(".cz .fix-colour").tap()
    assert "Tap the picture" in page.locator(".cz .lead-in").inner_text()
    page.locator(".cz .done").tap()
    upload(page, tiny)
    page.locator('#photo img[alt="tiny.png in colour"]').wait_for()
    wait_for_result(page)
    assert page.locator(".cz .size").inner_text() == "16 × 16 px"
    box = frame.bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1) and box["width"] > 300
