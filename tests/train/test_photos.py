"""What becomes of photos on the way to the network: read, kept, cropped, streamed."""

from dataclasses import replace

import pytest
import torch
from datasets.distributed import split_dataset_by_node
from helpers.synthetic import jpeg_of, photo

from colorzoo.color import rgb_to_lab
from train.data.loaders import MemoryData, PhotoData, PhotoStream
from train.data.photos import Photos, random_crops, read_photos
from train.data.sources import Tally, iter_photos, open_data
from train.recipe import Objective, Recipe

RECIPE = Recipe("unet", Objective("l1"))


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
    files = list(open_data(str(shards), RECIPE)[1].files())
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


def test_each_worker_shuffles_in_its_own_order(shards):
    """PyTorch gives every worker another seed, and a stream shuffles by that of its process."""
    train, orders = open_data(str(shards), RECIPE)[0], []
    for seed in (5, 6, 5):
        torch.manual_seed(seed)
        orders.append([float(lab.float().mean()) for lab in PhotoStream(train, side=48, length=30)])
    assert orders[0] == orders[2] != orders[1]


def test_what_does_not_fit_is_streamed(shards, monkeypatch):
    monkeypatch.setattr("train.data.loaders._SHARE", 0.0)
    data = PhotoData(str(shards), RECIPE, workers=0)
    data.setup("fit")
    assert data.stream is not None and len(data.validation) == 6
    batch = next(iter(data.train_dataloader()))
    assert batch.shape[1:] == (128, 128, 3) and batch.dtype == torch.float16
    monkeypatch.setattr("train.data.loaders._SHARE", 0.9)
    data = PhotoData(str(shards), RECIPE)
    data.setup("fit")
    assert data.stream is None and len(data.photos) == 32


def test_a_few_photos_still_leave_one_to_validate_on(tmp_path):
    for seed in range(3):
        photo(seed).save(tmp_path / f"{seed}.png")
    recipe = Recipe("unet", Objective("l1"), split=(1.0, 0.0, 0.0))
    data = PhotoData(str(tmp_path), recipe)
    data.setup("fit")
    assert (len(data.photos), len(data.validation)) == (2, 1)
    photo(0).save(tmp_path / "0.png")
    for name in ("1.png", "2.png"):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="at least two"):
        PhotoData(str(tmp_path), Recipe("unet", Objective("l1"), split=(1.0, 0.0, 0.0))).setup(
            "fit"
        )


def test_memory_data_gives_photos_in_order_for_validation():
    held_out = torch.rand(5, 16, 16, 3).half()
    data = MemoryData(Photos([held_out]), held_out, RECIPE)
    batch = data.on_after_batch_transfer(torch.tensor([3, 1]), 0)
    assert torch.equal(batch.permute(0, 2, 3, 1).half(), held_out[[3, 1]])
