"""Where training photos come from, and how they are split."""

import io
import tarfile
import zipfile

import datasets
import numpy as np
import pytest
from helpers.synthetic import jpeg_of, photo, write_shard
from PIL import Image

from train.data.sources import _content, open_data
from train.recipe import Objective, Recipe

RECIPE = Recipe("unet", Objective("l1"))


def contents(source) -> list[bytes]:
    return [] if source is None else list(source.files())


def test_shards_are_split_by_their_names(shards):
    train, validation, test = open_data(str(shards), RECIPE)
    assert (len(contents(train)), len(contents(validation)), test) == (34, 6, None)
    assert train.size == 34
    with pytest.raises(FileNotFoundError, match="has only test photos, none for training"):
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
    recipe = Recipe("unet", Objective("l1"), split=(0.7, 0.15, 0.15))
    parts = [contents(source) for source in open_data(str(tmp_path), recipe)]
    assert sum(map(len, parts)) == 300 == len(set().union(*parts))
    for part, share in zip(parts, recipe.split, strict=True):
        assert abs(len(part) / 300 - share) < 0.08
    (tmp_path / "other").mkdir()
    write_shard(tmp_path / "other" / "reversed.tar", [c for part in parts for c in part][::-1])
    again = [contents(s) for s in open_data(str(tmp_path / "other"), recipe)]
    assert [set(part) for part in again] == [set(part) for part in parts]
    other = Recipe("unet", Objective("l1"), split=(0.7, 0.15, 0.15), seed=1)
    assert set(contents(open_data(str(tmp_path), other)[1])) != set(parts[1])


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
    recipe = Recipe("unet", Objective("l1"), split=(1.0, 0.0, 0.0))
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
    with pytest.raises(ValueError, match="3 photos but only 1 WebDataset keys"):
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
    with pytest.raises(
        FileNotFoundError, match="someone/photos is not a folder, and cannot be loaded from the Hub"
    ):
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


def test_photos_of_other_formats_are_read(tmp_path):
    buffer = io.BytesIO()
    photo(0).save(buffer, "WEBP", quality=90)
    (tmp_path / "a.webp").write_bytes(buffer.getvalue())
    Image.fromarray(np.asarray(photo(1))).save(tmp_path / "b.tif")
    recipe = Recipe("unet", Objective("l1"), split=(1.0, 0.0, 0.0))
    assert len(contents(open_data(str(tmp_path), recipe)[0])) == 2
