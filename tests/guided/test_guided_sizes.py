"""Hints at every working size: also where a smaller copy is guided."""

import pytest
import torch

from colorzoo import Hint
from colorzoo.guided.apply import Region, guide


@pytest.mark.parametrize("size", [(256, 384), (182, 181), (256, 257), (5, 9000), (3, 3)])
def test_hints_hold_at_any_working_size(size):
    """Rounded up, a smaller copy can still be too large: it was made smaller for ever."""
    height, width = size
    region = Region(width, height, 0, 0, width, height)
    hint = Hint(width / 2, height / 2, (20.0, -10.0), radius=max(size) / 8)
    ab, lightness = torch.zeros(1, 2, *size), torch.full((1, 1, *size), 50.0)
    found = guide(ab, lightness, [hint], region)
    assert found.shape == ab.shape
    assert found[0, :, height // 2, width // 2].tolist() == pytest.approx([20, -10], abs=1)
