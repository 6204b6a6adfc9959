"""Where training photos come from, and what becomes of them on the way."""

import io
import json
import tarfile
import zipfile
from dataclasses import replace

import datasets
import numpy as np
import pytest
import torch
from datasets.distributed import split_dataset_by_node
from helpers.synthetic import jpeg_of, photo, write_shard, write_shards
from PIL import Image

from colorzoo.color import rgb_to_lab
from train.data.loaders import MemoryData, PhotoData, PhotoStream
from train.data.photos import Photos, random_crops, read_photos
from train.data.sources import Tally, _content, iter_photos, open_data
from train.recipe import Recipe, parse_split

RECIPE = Recipe("unet", "l1")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"))


def contents(source) -> list[bytes]:
    return [] if source is None else list(source.files())


def test_shards_are_split_by_their_names(shards):
    train, validation, test = open_data(str(shards), RECIPE)
    assert (len(contents(train)), len(contents(validation)), test) == (34, 6, None)
    assert train.size == 34
    with pytest.raises(FileNotFoundError, match="test photos only, none to train on"):
        write_shard(shards.parent / "test-00.tar", [])
        (shards.parent / "tests").mkdir(exist_ok=True)
        for i in range(2):
            write_shard(shards.parent / "tests" / f"test-{i}.tar", [jpeg_of(photo(i))])
        open_data(str(shards.parent / "tests"), RECIPE)


def test_a_single_shard_is_trained_on_whatever_its_name(shards):
    train, validation, _ = open_data(str(shards / "test.tar"), RECIPE)
    assert len(contents(train)) + len(contents(validation)) == 6


def test_splits_are_disjoint_complete_and_of_their_shares(tmp_path):
    """A split depends on a photo's content and the seed, not on order or place."""
    write_shard(tmp_path / "all.tar", [jpeg_of(photo(seed, 24)) for seed in range(300)])
    recipe = Recipe("unet", "l1", split=(0.7, 0.15, 0.15))
    parts = [contents(source) for source in open_data(str(tmp_path), recipe)]
    assert sum(map(len, parts)) == 300 == len(set().union(*parts))
    for part, share in zip(parts, recipe.split, strict=True):
        assert abs(len(part) / 300 - share) < 0.08
    (tmp_path / "other").mkdir()
    write_shard(tmp_path / "other" / "reversed.tar", [c for part in parts for c in part][::-1])
    again = [contents(s) for s in open_data(str(tmp_path / "other"), recipe)]
    assert [set(part) for part in again] == [set(part) for part in parts]
    other = Recipe("unet", "l1", split=(0.7, 0.15, 0.15), seed=1)
    assert set(contents(open_data(str(tmp_path), other)[1])) != set(parts[1])


def test_splits_can_be_written_in_percent():
    assert parse_split("70/15/15") == pytest.approx((0.7, 0.15, 0.15))
    assert parse_split("0.8/0.1/0.1") == pytest.approx((0.8, 0.1, 0.1))
    for wrong in ("70/30", "a/b/c", "70/-10/40"):
        with pytest.raises(ValueError, match="a split looks like"):
            parse_split(wrong)
    with pytest.raises(ValueError, match="add up to 1"):
        Recipe("unet", "l1", split=parse_split("70/15/10"))


def test_a_folder_is_walked(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for seed in range(6):
        photo(seed).save(tmp_path / "deep" / f"{seed}.png")
        photo(seed + 10).save(tmp_path / "deep" / "er" / f"{seed}.jpg")
    (tmp_path / "notes.txt").write_text("not a photo")
    train, validation, _ = open_data(str(tmp_path), RECIPE)
    assert len(contents(train)) + len(contents(validation)) == 12
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="neither tar shards nor photos"):
        open_data(str(tmp_path / "empty"), RECIPE)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_data(str(tmp_path / "nowhere"), RECIPE)


def test_names_do_not_decide_what_is_read(tmp_path):
    """Brackets and words such as "train" in the names of photos and folders are only names."""
    folder = tmp_path / "a [b] test"
    folder.mkdir()
    for i, name in enumerate(("steam train", "beach-test", "x[1]", "validation")):
        photo(i).save(folder / f"{name}.png")
    recipe = Recipe("unet", "l1", split=(1.0, 0.0, 0.0))
    assert len(contents(open_data(str(folder), recipe)[0])) == 4
    for name in ("tesla-0.tar", "values.tar"):
        write_shard(folder / name, [jpeg_of(photo(i)) for i in range(3)])
    assert len(contents(open_data(str(folder), recipe)[0])) == 3
    assert len(contents(open_data(str(folder), recipe)[1])) == 3  # val*.tar


def test_shards_that_would_lose_photos_are_refused(tmp_path):
    with tarfile.open(tmp_path / "dots.tar", "w") as shard:
        for i in range(3):
            content = jpeg_of(photo(i))
            entry = tarfile.TarInfo(f"photo.{i}.jpg")
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))
    with pytest.raises(ValueError, match="3 photos but 1 WebDataset keys"):
        open_data(str(tmp_path), RECIPE)


def test_photos_inside_archives_are_read(tmp_path):
    """As the Hub gives data sets of plain or zipped files: a path that no disk has."""
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("0.jpg", jpeg_of(photo(0)))
    row = {"image": {"bytes": None, "path": f"zip://0.jpg::{tmp_path / 'photos.zip'}"}}
    assert _content(row) == jpeg_of(photo(0))
    assert _content({"image": None}) == b""


def test_a_folder_that_is_split_already_stays_so(tmp_path):
    for split, count in (("train", 5), ("validation", 3)):
        (tmp_path / split).mkdir()
        for seed in range(count):
            photo(seed).save(tmp_path / split / f"{seed}.png")
    train, validation, test = open_data(str(tmp_path), RECIPE)
    assert (len(contents(train)), len(contents(validation)), test) == (5, 3, None)


def test_a_data_set_that_cannot_be_had_is_explained():
    with pytest.raises(FileNotFoundError, match="someone/photos is no folder here, and the Hub"):
        open_data("someone/photos", RECIPE)


def test_a_hub_data_set_is_read_by_its_image_column(monkeypatch):
    """As the library gives one: encoded images without a path, other columns, its own splits."""
    rows = {
        "label": [0, 1, 2],
        "picture": [{"bytes": jpeg_of(photo(i)), "path": None} for i in range(3)],
    }
    whole = datasets.Dataset.from_dict(rows).cast_column("picture", datasets.Image())
    parts = {"train": whole.to_iterable_dataset(), "validation": whole.to_iterable_dataset()}
    asked = []

    def load_dataset(name: str, *, streaming: bool) -> datasets.IterableDatasetDict:
        asked.append((name, streaming))
        return datasets.IterableDatasetDict(parts)

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    train, validation, test = open_data("someone/photos", RECIPE)
    assert asked == [("someone/photos", True)] and test is None
    assert contents(train) == contents(validation) == [each["bytes"] for each in rows["picture"]]
    parts["train"] = parts["train"].select_columns(["label"])
    with pytest.raises(FileNotFoundError, match="no image column, only label"):
        open_data("someone/photos", RECIPE)


def test_unreadable_and_gray_photos_are_counted(shards):
    train = open_data(str(shards), RECIPE)[0]
    photos, tally = read_photos(train.files(), resolutions=[64])
    assert (tally.used, tally.unreadable, tally.gray) == (32, 1, 1)
    assert [(pool.shape, pool.dtype) for pool in photos.pools] == [((32, 64, 64, 3), torch.float16)]
    limited, tally = read_photos(train.files(), resolutions=[64], limit=5)
    assert len(limited) == tally.used == 5
    with pytest.raises(ValueError, match="no colour photo was found: 0 photos, 1 unreadable"):
        read_photos(iter([b"nothing"]), resolutions=[64])


def test_what_is_read_is_the_photo(shards):
    files = contents(open_data(str(shards), RECIPE)[1])
    photos, _ = read_photos(iter(files), resolutions=[80])
    first = next(iter_photos(iter(files), Tally()))
    expected = rgb_to_lab(torch.tensor(first).permute(2, 0, 1) / 255)
    assert (photos.pools[0][0].permute(2, 0, 1).float() - expected).abs().max() < 0.05


def test_photos_are_kept_at_the_resolution_they_fill():
    files = [jpeg_of(photo(i, side)) for i, side in enumerate((30, 70, 70, 200, 130))]
    photos, _ = read_photos(iter(files), resolutions=[64, 96, 128])
    assert [tuple(pool.shape[:2]) for pool in photos.pools] == [(3, 64), (2, 128)]
    assert len(photos) == 5 and photos.squares(96).shape == (5, 96, 96, 3)
    picked = photos.subset(torch.tensor([0, 4]))
    assert [len(pool) for pool in picked.pools] == [1, 1]
    assert torch.equal(picked.pools[1][0], photos.pools[1][1])


def test_large_crops_come_from_large_photos():
    """Where only some photos have the resolution, the others give way to them."""
    small, large = torch.zeros(6, 16, 16, 3).half(), torch.ones(2, 32, 32, 3).half()
    photos = Photos([small, large])
    which = torch.arange(8)
    assert photos.crops(which, side=32, smallest=0.9).eq(1).all()
    low = photos.crops(which, side=16, smallest=0.9)
    assert low.shape == (8, 3, 16, 16) and low.flatten(1).mean(dim=1).sum() == 2


def test_crops_are_windows_of_their_photo():
    """With the size unchanged, a crop equals a window of its photo or that window mirrored."""
    torch.manual_seed(0)
    photos = torch.rand(5, 40, 40, 3).half()
    which = torch.tensor([3, 0, 4, 1])
    for _ in range(10):
        crops = random_crops(photos, which, side=40, smallest=1.0).permute(0, 2, 3, 1)
        for crop, index in zip(crops, which, strict=True):
            whole = photos[index].float()
            assert torch.equal(crop, whole) or torch.equal(crop, whole.flip(1))
    sizes = {random_crops(photos, which, side=16, smallest=0.5).shape for _ in range(5)}
    assert sizes == {(4, 3, 16, 16)}


def test_a_stream_goes_on_and_shares_its_photos(shards):
    train = open_data(str(shards), RECIPE)[0]
    torch.manual_seed(0)
    stream = PhotoStream(train, side=48, length=40)
    seen = []
    for _ in range(2):
        epoch = [tuple(lab[0, 0].tolist()) + (float(lab.float().mean()),) for lab in stream]
        assert len(epoch) == len(stream) == 40
        seen += epoch
    assert len(set(seen)) == 32
    shares = [split_dataset_by_node(train.dataset, rank=rank, world_size=2) for rank in range(2)]
    first, second = (set(replace(train, dataset=share).files()) for share in shares)
    assert first and second and not first & second


def test_what_does_not_fit_is_streamed(shards, monkeypatch):
    monkeypatch.setattr("train.data._SHARE", 0.0)
    data = PhotoData(str(shards), RECIPE, workers=0)
    data.setup("fit")
    assert data.stream is not None and len(data.validation) == 6
    batch = next(iter(data.train_dataloader()))
    assert batch.shape[1:] == (128, 128, 3) and batch.dtype == torch.float16
    monkeypatch.setattr("train.data._SHARE", 0.9)
    data = PhotoData(str(shards), RECIPE)
    data.setup("fit")
    assert data.stream is None and len(data.photos) == 32


def test_a_few_photos_still_leave_one_to_validate_on(tmp_path):
    for seed in range(3):
        photo(seed).save(tmp_path / f"{seed}.png")
    data = PhotoData(str(tmp_path), Recipe("unet", "l1", split=(1.0, 0.0, 0.0)))
    data.setup("fit")
    assert (len(data.photos), len(data.validation)) == (2, 1)
    photo(0).save(tmp_path / "0.png")
    for name in ("1.png", "2.png"):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="at least two"):
        PhotoData(str(tmp_path), Recipe("unet", "l1", split=(1.0, 0.0, 0.0))).setup("fit")


def test_schedule_rises_falls_and_grows():
    recipe = Recipe("unet", "l1", warmup=0.1)
    rates = [recipe.rate_at(i / 100) for i in range(101)]
    assert rates[0] < 0.02 and rates[10] == pytest.approx(1) and rates[100] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in zip(rates[10:], rates[11:], strict=False))
    sides = [recipe.side_at(i / 100) for i in range(101)]
    assert sides == sorted(sides) and set(sides) == {side for _, side in recipe.sides}
    assert json.loads(json.dumps(recipe.describe()))["loss"] == "l1"


def test_photos_of_other_formats_are_read(tmp_path):
    buffer = io.BytesIO()
    photo(0).save(buffer, "WEBP", quality=90)
    (tmp_path / "a.webp").write_bytes(buffer.getvalue())
    Image.fromarray(np.asarray(photo(1))).save(tmp_path / "b.tif")
    recipe = Recipe("unet", "l1", split=(1.0, 0.0, 0.0))
    assert len(contents(open_data(str(tmp_path), recipe)[0])) == 2


def test_memory_data_gives_photos_in_order_for_validation():
    held_out = torch.rand(5, 16, 16, 3).half()
    data = MemoryData(Photos([held_out]), held_out, RECIPE)
    batch = data.on_after_batch_transfer(torch.tensor([3, 1]), 0)
    assert torch.equal(batch.permute(0, 2, 3, 1).half(), held_out[[3, 1]])
