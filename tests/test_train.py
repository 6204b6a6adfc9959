"""Training for real, on a handful of photos."""

import io
import json
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import colorzoo
from colorzoo.color import rgb_to_lab
from train.data import PhotoData, Tally, find_sources, iter_photos, random_crops, read_lab
from train.fit import read_log
from train.recipe import Recipe
from train.recipes import find_recipe


def photo(seed: int, side: int = 80) -> Image.Image:
    """Sky over grass: bright is blue, dark is green, so that colour can be learnt from L."""
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


def write_shard(path, contents: list[bytes]) -> None:
    with tarfile.open(path, "w") as shard:
        for i, content in enumerate(contents):
            entry = tarfile.TarInfo(f"{i:06d}.jpg")
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Shards as the zoo's: training, validation and test, with an unreadable and a gray photo."""
    folder = tmp_path_factory.mktemp("shards")
    gray = jpeg_of(Image.new("L", (80, 80), 99).convert("RGB"))
    good = [jpeg_of(photo(seed)) for seed in range(44)]
    write_shard(folder / "train-00.tar", [*good[:20], b"no photo", gray])
    write_shard(folder / "train-01.tar", good[20:32])
    write_shard(folder / "val.tar", good[32:38])
    write_shard(folder / "test.tar", good[38:])
    return folder


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "train", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def fit(name: str, data, run, *more: object) -> subprocess.CompletedProcess[str]:
    return train(
        "fit", name, "--data", data, "--folder", run, "--export", run / "weights",
        "--device", "cpu", *more,
    )  # fmt: skip


def test_every_registered_recipe_names_a_model():
    for name in colorzoo.list_models(pretrained=True):
        assert find_recipe(name).model == name
    with pytest.raises(LookupError, match="no recipe for 'nothing'.*unet: add a file"):
        find_recipe("nothing")


def test_shards_are_split_by_their_names(shards):
    training, validation = find_sources(shards)
    assert [path.name for path in training] == ["train-00.tar", "train-01.tar"]
    assert [path.name for path in validation] == ["val.tar"]
    assert find_sources(shards / "train-00.tar")[0] == [shards / "train-00.tar"]
    with pytest.raises(FileNotFoundError, match="none to train on"):
        find_sources(shards / "test.tar")


def test_a_folder_is_walked_and_split(tmp_path):
    (tmp_path / "deep").mkdir()
    for seed in range(20):
        photo(seed).save(tmp_path / "deep" / f"{seed}.png")
    data = PhotoData(tmp_path, Recipe("unet", torch.nn.functional.l1_loss, validation_share=0.25))
    data.setup("fit")
    assert (len(data.train_lab), len(data.val_lab)) == (15, 5)
    pairs = (data.train_lab[:, None] == data.val_lab[None]).flatten(2).all(dim=2)
    assert not pairs.any()
    with pytest.raises(FileNotFoundError, match="neither tar shards nor photos"):
        find_sources(tmp_path / "deep" / "nothing")


def test_unreadable_and_gray_photos_are_counted(shards):
    lab, tally = read_lab(find_sources(shards)[0], side=64)
    assert (tally.used, tally.unreadable, tally.gray) == (32, 1, 1)
    assert lab.shape == (32, 64, 64, 3) and lab.dtype == torch.float16
    limited, tally = read_lab(find_sources(shards)[0], side=64, limit=5)
    assert len(limited) == tally.used == 5


def test_what_is_read_is_the_photo(shards):
    lab, _ = read_lab([shards / "val.tar"], side=80)
    first = next(iter_photos([shards / "val.tar"], Tally()))
    expected = rgb_to_lab(torch.tensor(first).permute(2, 0, 1) / 255)
    assert (lab[0].permute(2, 0, 1).float() - expected).abs().max() < 0.05


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


def test_schedule_rises_falls_and_grows():
    recipe = Recipe("unet", torch.nn.functional.l1_loss, warmup=0.1)
    rates = [recipe.rate_at(i / 100) for i in range(101)]
    assert rates[0] < 0.02 and rates[10] == pytest.approx(1) and rates[100] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in zip(rates[10:], rates[11:], strict=False))
    sides = [recipe.side_at(i / 100) for i in range(101)]
    assert sides == sorted(sides) and set(sides) == {side for _, side in recipe.sides}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet", "autoencoder"])
def test_training_learns_and_exports(name, shards, tmp_path):
    run = fit(name, shards, tmp_path, "--epochs", 6, "--batch-size", 2)
    assert run.returncode == 0, run.stderr
    assert "32 photos, 1 unreadable, 1 gray" in run.stdout
    for file in ("config.json", "curves.png", "sheet.png", "best.ckpt", "last.ckpt"):
        assert (tmp_path / file).is_file(), file
    assert json.loads((tmp_path / "config.json").read_text())["epochs"] == 6
    state = load_file(tmp_path / "weights" / "model.safetensors")
    assert {value.dtype for value in state.values()} <= {torch.float16, torch.int64}

    model = colorzoo.load(tmp_path / "weights")
    assert model.architecture == name
    lab = rgb_to_lab(torch.tensor(np.asarray(photo(1000))).permute(2, 0, 1) / 255)
    with torch.inference_mode():
        ab = model.predict_ab(lab[None, :1])
    assert (ab - lab[None, 1:]).abs().mean() < 0.7 * lab[1:].abs().mean()


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(shards, tmp_path):
    def steps() -> int:
        checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
        return checkpoint["global_step"]

    missing = fit("unet", shards, tmp_path, "--epochs", 1, "--resume")
    assert missing.returncode == 1 and "nothing to resume" in missing.stderr
    assert fit("unet", shards, tmp_path, "--epochs", 2).returncode == 0
    first = steps()
    refused = fit("unet", shards, tmp_path, "--epochs", 5, "--resume")
    assert refused.returncode == 1 and "--overwrite" in refused.stderr
    again = fit("unet", shards, tmp_path, "--epochs", 5, "--resume", "--overwrite")
    assert again.returncode == 0, again.stderr
    assert steps() * 2 == first * 5
    epochs = [int(row["epoch"]) for row in read_log(tmp_path) if row["val_loss"]]
    assert epochs == list(range(5))


@pytest.mark.slow
def test_a_limit_in_seconds_ends_the_run(shards, tmp_path):
    run = fit("unet", shards, tmp_path, "--epochs", 100_000, "--limit-seconds", 5)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "weights" / "model.safetensors").is_file()


def test_bad_input_is_explained_in_a_line(tmp_path):
    for arguments in (("unet", tmp_path), ("nothing", tmp_path)):
        run = fit(*arguments, tmp_path / "run")
        assert run.returncode == 1
        assert run.stderr.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in run.stderr
