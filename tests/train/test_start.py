"""First weights: of ImageNet, of a file, of another model."""

import pytest
import timm
import torch
from safetensors.torch import save_file

import colorzoo
from colorzoo.errors import WeightsError
from train.initial_weights import initialise


def test_encoders_start_from_a_file(tmp_path):
    """A sister with fewer blocks serves: the blocks it lacks start as the identity."""
    source = timm.create_model("resnet18", pretrained=False)
    state = {k: v for k, v in source.state_dict().items() if not k.startswith(("layer4", "fc"))}
    save_file(state, tmp_path / "resnet18.safetensors")
    model = colorzoo.create_model("resnet34")
    note = initialise(model, str(tmp_path / "resnet18.safetensors"))
    assert "layer1.2, layer2.2, layer2.3 are new" in note
    own = model.state_dict()
    assert torch.equal(own["encoder.model.conv1.weight"], state["conv1.weight"])
    assert torch.equal(own["encoder.model.layer2.1.bn1.bias"], state["layer2.1.bn1.bias"])
    assert own["encoder.model.layer2.3.bn2.weight"].eq(0).all()
    (tmp_path / "broken.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(WeightsError, match="not a complete safetensors file"):
        initialise(model, str(tmp_path / "broken.safetensors"))
    save_file({"conv1.weight": state["conv1.weight"]}, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match="bn1.bias.* are missing or have another shape"):
        initialise(model, str(tmp_path / "part.safetensors"))
    with pytest.raises(WeightsError, match="does not exist"):
        initialise(model, str(tmp_path / "none.safetensors"))
    with pytest.raises(WeightsError, match="has none. Use --start random"):
        initialise(colorzoo.create_model("unet"), "imagenet")


def test_models_start_from_their_family():
    trained, model = colorzoo.load("unet"), colorzoo.create_model("unet-bins")
    initialise(model, "unet")
    key = "decoder.1.0.weight"
    assert torch.equal(model.state_dict()[key], trained.state_dict()[key])
    with pytest.raises(WeightsError, match="the models are too different"):
        initialise(colorzoo.create_model("autoencoder"), "unet")
