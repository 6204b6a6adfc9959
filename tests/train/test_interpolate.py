"""``python -m train interpolate``: a network between two others."""

import pytest
import torch
from helpers.training import train
from safetensors.torch import load_file

import colorzoo


@pytest.fixture
def two(tmp_path):
    """Folders of two U-Nets of the same size, of which one has counted batches."""
    folders = []
    for seed, name in enumerate(("unet", "unet-gan")):
        torch.manual_seed(seed)
        model = colorzoo.create_model(name, width=2, work_size=32)
        for key, buffer in model.named_buffers():
            if key.endswith("num_batches_tracked"):
                buffer.fill_(10 * seed)
        folders.append(tmp_path / name)
        model.save_pretrained(folders[-1])
    return folders


def test_the_weights_are_the_weighted_mean(two, tmp_path):
    done = train("interpolate", *two, tmp_path / "between", "--share", 0.7)
    assert done.returncode == 0, done.stderr
    assert "70% " in done.stdout and "30% " in done.stdout
    first, second, found = (
        load_file(folder / "model.safetensors") for folder in (*two, tmp_path / "between")
    )
    for name, tensor in found.items():
        mean = 0.3 * first[name].double() + 0.7 * second[name].double()
        assert torch.allclose(tensor.double(), mean, atol=1e-3), name
    model = colorzoo.load(tmp_path / "between")
    assert model.architecture == "unet-gan"
    assert model.config == colorzoo.load(two[1]).config


@pytest.mark.parametrize(("share", "same"), [(0, 0), (1, 1)])
def test_at_the_ends_are_the_two_networks(share, same, two, tmp_path):
    assert train("interpolate", *two, tmp_path / "end", "--share", share).returncode == 0
    lightness = torch.rand(1, 1, 32, 32) * 100
    ab, expected = (
        colorzoo.load(folder).predict_ab(lightness) for folder in (tmp_path / "end", two[same])
    )
    assert (ab - expected).abs().max() < 0.1  # half precision


def test_what_is_wrong_is_said_in_a_sentence(two, tmp_path):
    other, bins = tmp_path / "other", tmp_path / "bins"
    colorzoo.create_model("unet", width=4, work_size=32).save_pretrained(other)
    colorzoo.create_model("unet-bins", work_size=32).save_pretrained(bins)
    for second in (other, bins):
        wrong = train("interpolate", two[0], second, tmp_path / "out")
        assert wrong.returncode == 1
        assert "not the same network with the same keywords" in wrong.stderr
    assert not (tmp_path / "out").exists()
    wrong = train("interpolate", *two, two[0])
    assert wrong.returncode == 1 and "has weights: pass --overwrite" in wrong.stderr
    assert train("interpolate", *two, two[0], "--overwrite").returncode == 0
    assert train("interpolate", *two, tmp_path / "out", "--share", 1.5).returncode == 2
    wrong = train("interpolate", two[0], tmp_path / "gone", tmp_path / "out")
    assert wrong.returncode == 1 and "Traceback" not in wrong.stderr
