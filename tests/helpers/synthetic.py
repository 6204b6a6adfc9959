"""Photos that tests make: colour can be learnt from lightness on them."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed: int, side: int = 80) -> Image.Image:
    """Sky over grass: bright is blue, dark is green."""
    rng = np.random.default_rng(seed)
    horizon = int(rng.integers(side // 4, 3 * side // 4))
    pixels = np.empty((side, side, 3), np.uint8)
    pixels[:horizon], pixels[horizon:] = (150, 190, 240), (50, 110, 40)
    noise = rng.normal(0, 6, (side, side, 1))
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def jpeg_of(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def write_shard(path: Path, contents: list[bytes]) -> None:
    with tarfile.open(path, "w") as shard:
        for i, content in enumerate(contents):
            entry = tarfile.TarInfo(f"{i:06d}.jpg")
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))


def write_shards(folder: Path) -> Path:
    """Shards as the zoo's: training, validation and test, with an unreadable and a gray photo."""
    folder.mkdir(exist_ok=True)
    gray = jpeg_of(Image.new("L", (80, 80), 99).convert("RGB"))
    good = [jpeg_of(photo(seed)) for seed in range(44)]
    write_shard(folder / "train-00.tar", [*good[:20], b"no photo", gray])
    write_shard(folder / "train-01.tar", good[20:32])
    write_shard(folder / "val.tar", good[32:38])
    write_shard(folder / "test.tar", good[38:])
    return folder
