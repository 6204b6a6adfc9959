"""Simulate the hints of a person for training, as in Zhang et al. 2017, section 3.1.

"Real-Time User-Guided Image Colorization with Learned Deep Priors",
https://arxiv.org/abs/1705.02999. All that is random is drawn on the CPU; the photos stay where they
are.
"""

import numpy as np
import torch
from torch import Tensor

_ENOUGH = 1 / 8  # chance that there is no further hint; the number is geometric, and may be 0
_LARGEST = 9  # side of a patch, pixels
_REVEALED = 0.01  # share of the photos whose colours are all given, so that hints are copied


def simulate_hints(lab: Tensor, random: np.random.Generator, *, count: int | None = None) -> Tensor:
    """Draw hints for each photo of a batch, from its colours.

    A hint is a square patch with its mean colour. Its side is uniform from 1 to 9 pixels, and its
    place Gaussian around the photo's centre, with a quarter of the photo's sides as standard
    deviation.

    Args:
        lab: (N, 3, H, W) L*a*b*, with sides of at least 9 pixels.
        random: What is drawn from.
        count: Number of hints of each photo. If None, it is random, with a mean of 7, and one photo
            in a hundred has hints everywhere.

    Returns:
        (N, 3, H, W) on the same device: a, b, and a mask that is 1 where there is a hint; 0
        elsewhere. Later hints cover earlier ones.
    """
    photos, _, height, width = lab.shape
    counts = random.geometric(_ENOUGH, photos) - 1 if count is None else np.full(photos, count)
    photo = np.repeat(np.arange(photos), counts)
    side = random.integers(1, _LARGEST, len(photo), endpoint=True)
    room = np.array([height, width]) - side[:, None]
    corner = random.normal(room / 2, (room + 1) / 4).round().clip(0, room).astype(np.int64)
    revealed = random.random(photos) < (_REVEALED if count is None else 0)

    def there(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(lab.device)

    # The pixels of all patches: (hints, 81), of which the first side * side are used.
    step, sides = np.arange(_LARGEST * _LARGEST), side[:, None]
    rows, columns = corner[:, :1] + step // sides, corner[:, 1:] + step % sides
    used = there(step < sides * sides)
    pixel = (photo[:, None] * height + rows.clip(max=height - 1)) * width + columns
    flat = there(pixel)
    colours = lab[:, 1:].permute(0, 2, 3, 1).reshape(-1, 2)
    means = (colours[flat] * used[..., None]).sum(dim=1) / used.sum(dim=1, keepdim=True)
    known = torch.cat((means, torch.ones_like(means[:, :1])), dim=1)
    # The number of the last hint at each pixel, from 1; 0 if there is none.
    number = there(np.arange(1, len(photo) + 1))[:, None] * used
    last = torch.zeros(len(colours), dtype=torch.int64, device=lab.device)
    last = last.scatter_reduce(0, flat.flatten(), number.flatten(), "amax")
    drawn = torch.cat((known.new_zeros(1, 3), known))[last]
    hints = drawn.reshape(photos, height, width, 3).permute(0, 3, 1, 2)
    everything = torch.cat((lab[:, 1:], torch.ones_like(lab[:, :1])), dim=1)
    return torch.where(there(revealed)[:, None, None, None], everything, hints)
