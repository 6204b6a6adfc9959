"""Find the device and the floating-point type that a caller names."""

import torch

from colorzoo.errors import ConfigError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def find_device(device: str | torch.device) -> str | torch.device:
    """Return the device; "auto" is the GPU if there is one that CUDA can use, else the CPU."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def find_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Return a type by its name, such as "float16", or itself.

    Raises:
        ConfigError: If models cannot run in it.
    """
    found = DTYPES.get(dtype.removeprefix("torch.")) if isinstance(dtype, str) else dtype
    if found is None or found not in DTYPES.values():
        raise ConfigError(f"dtype must be float32, float16 or bfloat16, got {dtype!r}")
    return found
