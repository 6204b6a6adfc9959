"""What several tests of commands use."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def album(tmp_path, coffee, camera, jpeg):
    """Two good photos, a 16-bit scan, a text file named .jpg and a truncated JPEG."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Ada"  # orientation, artist
    Image.fromarray(coffee).save(folder / "coffee.jpg", exif=exif, dpi=(300, 300))
    Image.fromarray(camera).save(folder / "sub" / "camera.png")
    Image.fromarray(camera.astype(np.uint16) * 257).save(folder / "scan.tif")
    (folder / "letter.jpg").write_text("Dear aunt,")
    (folder / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "notes.txt").write_text("not a photo, and not named like one")
    return folder
