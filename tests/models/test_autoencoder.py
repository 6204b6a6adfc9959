"""The encoder-decoder, with and without skip connections."""

import torch

import colorzoo


def test_autoencoder_with_skips_sees_more():
    plain, skips = (colorzoo.create_model("autoencoder", skips=skips) for skips in (False, True))
    assert len(skips.state_dict()) == len(plain.state_dict())
    assert sum(p.numel() for p in skips.parameters()) > sum(p.numel() for p in plain.parameters())
    with torch.inference_mode():
        assert skips.predict_ab(torch.rand(1, 1, 40, 24) * 100).shape == (1, 2, 40, 24)
