"""``colorzoo convert`` and ``load`` of a single file: checkpoints that people have on disk."""

import hashlib
import json

import numpy as np
import pytest
import torch
from helpers.commands import run_colorzoo
from helpers.published import ToyPublished, pinned, register_toy, saved, toy_state
from PIL import Image
from safetensors.torch import load_file, save, save_file

import colorzoo
from colorzoo.hub.convert import convert_file

BASES = [name for name in colorzoo.list_models() if not colorzoo.model_info(name).weights_of]


@pytest.fixture(autouse=True)
def toy(scratch_registry):
    register_toy(pinned(saved(toy_state()), url="https://example.org/toy.pth"))


def same(model: colorzoo.Colorizer, state: dict[str, torch.Tensor]) -> bool:
    found, want = model.state_dict(), ToyPublished.convert_state(dict(state))
    return found.keys() == want.keys() and all(
        torch.equal(each, want[name].float()) for name, each in found.items()
    )


@pytest.mark.parametrize("width", [4, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".pth", ".bin", ".pt", ".safetensors"])
def test_a_checkpoint_becomes_a_folder(tmp_path, camera, width, dtype, suffix):
    state = {name: each.to(dtype) for name, each in toy_state(width).items()}
    file = tmp_path / f"theirs{suffix}"
    file.write_bytes(save(state) if suffix == ".safetensors" else saved({"params": state}))
    run = run_colorzoo("convert", file, tmp_path / "out")
    assert run.returncode == 0, run.stderr
    assert "toy-published" in run.stdout
    model = colorzoo.load(tmp_path / "out")
    assert same(model, state) and model.config["width"] == width
    kept = load_file(tmp_path / "out" / "model.safetensors")
    assert {each.dtype for each in kept.values()} == {dtype}
    if suffix == ".safetensors":
        alone = colorzoo.load(file)
        assert alone.config == model.config and not alone.training
        small = camera[::8, ::8]
        assert (np.asarray(alone.colorize(small)) == np.asarray(model.colorize(small))).all()


def test_its_hash_is_told_and_compared_with_the_published_one(tmp_path):
    for name, content, told in (
        ("a.pth", saved(toy_state()), "the authors of toy-published published"),
        ("b.pth", saved(toy_state(seed=1)), "not a file that colorzoo pins"),
    ):
        (tmp_path / name).write_bytes(content)
        run = run_colorzoo("convert", tmp_path / name, tmp_path / f"{name}.out")
        digest = hashlib.sha256(content).hexdigest()
        assert digest in run.stdout and told in run.stdout
        note = json.loads((tmp_path / f"{name}.out" / "source.json").read_text())
        assert note["sha256"] == digest and note["file"] == name
        assert note.get("licence") == ("Apache-2.0" if name == "a.pth" else None)


@pytest.mark.parametrize("name", BASES)
def test_the_networks_of_the_zoo_are_recognised_from_their_tensors_alone(name, tmp_path):
    """``unet-gan`` is the network of ``unet``; which of them it is cannot be seen."""
    info = colorzoo.model_info(name)
    if info.weights is None:
        pytest.skip("its weights are not bundled")
    file = tmp_path / "weights.safetensors"
    file.write_bytes((info.weights / "model.safetensors").read_bytes())
    model, own = colorzoo.load(file), colorzoo.load(name)
    assert type(model) is type(own)
    state = own.state_dict()
    assert all(torch.equal(each, state[key]) for key, each in model.state_dict().items())
    assert {**model.config, "architecture": name} == own.config
    prefixed = {f"module.net.{key}": each for key, each in load_file(file).items()}
    (tmp_path / "x.pth").write_bytes(saved({"state_dict": prefixed}))
    assert convert_file(tmp_path / "x.pth").model.family is info.family


def test_the_weights_of_a_folder_are_loaded_with_its_config(saved, tmp_path):
    """Which tells more than the tensors: the width of this one is not the registered one."""
    model = colorzoo.load(saved / "model.safetensors")
    assert model.config == colorzoo.load(saved).config and model.config["width"] == 2
    (saved / "config.json").unlink()
    with pytest.raises(colorzoo.WeightsError, match="The nearest is unet.* tensors in common"):
        colorzoo.load(saved / "model.safetensors")


def test_what_is_nearly_a_network_is_told_where_it_differs(tmp_path):
    state = toy_state()
    state["net.3.weight"] = state.pop("net.0.weight")
    (tmp_path / "x.pth").write_bytes(saved(state))
    run = run_colorzoo("convert", tmp_path / "x.pth", tmp_path / "out")
    assert run.returncode == 1 and not (tmp_path / "out").exists()
    for word in (
        "is not a checkpoint of a network that colorzoo has. The nearest is toy-published",
        "first.weight is missing", "net.3.weight is not in that network", "--family toy-published",
    ):  # fmt: skip
        assert word in run.stderr
    told = run_colorzoo("convert", tmp_path / "x.pth", tmp_path / "out", "--family", "unet")
    assert "is not a checkpoint of unet: encoder.0.0.weight is missing" in told.stderr
    assert "--family" not in told.stderr
    wrong = run_colorzoo("convert", tmp_path / "x.pth", tmp_path / "out", "--family", "unte")
    assert "Did you mean unet" in wrong.stderr


def test_what_is_of_no_network_at_all_is_told(tmp_path):
    save_file({"a.b": torch.ones(3), "c": torch.ones(2, 2)}, tmp_path / "x.safetensors")
    told = r"no tensor is as in any of them. Its first tensors are a.b \(3,\), c \(2, 2\)"
    with pytest.raises(colorzoo.WeightsError, match=told):
        colorzoo.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["./x.pth", "x.pth", "./x.bin", "x.ckpt"])
def test_load_refuses_pickles_and_names_the_command(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(saved(toy_state()))
    with pytest.raises(colorzoo.WeightsError, match=r"is a pickle.*`colorzoo convert x.* FOLDER`"):
        colorzoo.load(name)


def test_files_that_are_not_there_or_of_the_hub_are_told(tmp_path):
    for name in (tmp_path / "no.safetensors", f"{tmp_path}/no.pth", "no.safetensors"):
        with pytest.raises(colorzoo.WeightsError, match="There is no file"):
            colorzoo.load(name)
    with pytest.raises(colorzoo.ConfigError, match="is a file: leave out revision"):
        colorzoo.load("./x.safetensors", revision="main")
    with pytest.raises(colorzoo.HubError, match="not in the cache"):
        colorzoo.load("ann/model.bin")  # a repository may be called so
    run = run_colorzoo("convert", tmp_path / "no.pth", tmp_path / "out")
    assert run.returncode == 1 and "cannot be read" in run.stderr


def test_outputs_are_replaced_only_on_request(tmp_path, saved):
    file = saved.parent / "x.safetensors"
    save_file(toy_state(), file)
    run = run_colorzoo("convert", file, saved)
    assert run.returncode == 1 and "exists. Pass --overwrite" in run.stderr
    assert colorzoo.load(saved).architecture == "unet"
    assert run_colorzoo("convert", file, saved, "--overwrite").returncode == 0
    assert colorzoo.load(saved).architecture == "toy-published"
    assert run_colorzoo("convert", file, file).returncode == 1


def test_tensors_that_share_memory_are_saved_apart(tmp_path):
    state = toy_state()
    whole = torch.arange(6.0)
    state["net.0.bias"], state["net.1.bias"] = whole[:4], whole[2:4]
    (tmp_path / "x.pth").write_bytes(saved(state))
    assert run_colorzoo("convert", tmp_path / "x.pth", tmp_path / "out").returncode == 0
    assert same(colorzoo.load(tmp_path / "out"), state)
    size = (tmp_path / "out" / "model.safetensors").stat().st_size
    assert size < 1500


def test_how_to_use_the_folder_is_said(tmp_path, camera):
    (tmp_path / "x.pth").write_bytes(saved(toy_state()))
    Image.fromarray(camera[::8, ::8]).save(tmp_path / "photo.png")
    for output in ("out", "some/out", tmp_path / "whole"):
        said = run_colorzoo("convert", "x.pth", output, cwd=tmp_path).stdout
        *_, model = said.split(f"wrote {output}: use it with ")[1].split()
        words = ("photo.png", "-o", "o.png", "--overwrite", "--model", model)
        assert run_colorzoo("colorize", *words, cwd=tmp_path).returncode == 0, said
