"""Convert tensors of PyTorch to arrays that ``read_photo`` knows."""

import numpy as np
import torch

from colorzoo.errors import ImageError


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """Convert a picture to an array.

    Args:
        tensor: (H, W) or (C, H, W) with 1 to 4 channels, bool, uint8, uint16 or float in [0, 1], on
            any device. Half precision is accepted.

    Returns:
        (H, W) or (H, W, C), in the same type, except that half precision becomes float32.

    Raises:
        ImageError: If it has another shape or type.
    """
    shape = tuple(tensor.shape)
    if tensor.ndim == 4:
        raise ImageError(
            f"tensor: has shape {shape}, which is {shape[0]} pictures; colorize_batch() colours "
            "all of them, colorize() takes one, such as tensor[0]"
        )
    is_image = tensor.ndim == 2 or (tensor.ndim == 3 and shape[0] in (1, 2, 3, 4))
    whole = (torch.bool, torch.uint8, torch.uint16)
    if not (is_image and (tensor.is_floating_point() or tensor.dtype in whole)):
        is_last = tensor.ndim == 3 and shape[-1] in (1, 2, 3, 4) and not is_image
        advice = "tensor.permute(2, 0, 1)" if is_last else "one picture, converted,"
        raise ImageError(
            f"tensor: has shape {shape} and dtype {tensor.dtype}, expected (C, H, W) with 1 to 4 "
            f"channels and bool, uint8, uint16 or float in [0, 1]; pass {advice} instead"
        )
    here = tensor.detach().cpu()
    if here.dtype in (torch.float16, torch.bfloat16):
        here = here.float()
    return (here if here.ndim == 2 else here.permute(1, 2, 0)).numpy()
