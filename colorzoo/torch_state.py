"""Make results independent of PyTorch's global settings and of the mode of a model."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def on_cpu() -> Iterator[None]:
    """Create tensors on the CPU, whatever ``torch.set_default_device`` says, in this thread.

    Like ``building``, it can also decorate a function.
    """
    global _may_have_threads
    _may_have_threads = True
    if torch.get_default_device().type == "cpu":  # the mode below makes every call a bit slower
        yield
    else:
        with torch.device("cpu"):
            yield


class _Float32:
    """Context manager that makes float32 the default type.

    The type is one for the whole process, so that it is changed as briefly as possible, and only
    restored when the last of several threads is done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = torch.float32

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._before = torch.get_default_dtype()
            if self._before != torch.float32:
                torch.set_default_dtype(torch.float32)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._before != torch.float32:
                torch.set_default_dtype(self._before)


_float32 = _Float32()


@contextmanager
def building() -> Iterator[None]:
    """Build models on the CPU, in float32, as trainable as outside ``torch.inference_mode``."""
    with on_cpu(), _float32, torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def building_shapes() -> Iterator[None]:
    """Build models on PyTorch's meta device, where tensors have shapes and types, but no values."""
    with building(), torch.device("meta"), _NothingDrawn():
        yield


# Of those of torch.nn.init, the ones that do not come down to the methods of tensors.
_DRAWING = frozenset(
    (nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, Tensor.uniform_, Tensor.normal_)
)


class _NothingDrawn(TorchFunctionMode):
    """Leaves out drawing random values, for which PyTorch imports its compiler on the meta device.

    That takes longer than everything else that colouring a photo does.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def in_eval_mode(model: Module) -> Module:
    """Return the model if it is in eval mode, otherwise a twin that is, with the same tensors.

    A model that is training must not change, because other threads may use it at the same time:
    its batch norm would get other statistics, and frozen layers would be thawed afterwards. So
    nothing of the model is switched: the modules of the twin are shallow copies.

    Args:
        model: The model. If any of its modules is in training mode, it counts as training.
    """
    if not any(part.training for part in model.modules()):
        return model
    twins: dict[int, Any] = {}
    for part in model.modules():
        # Not copy.copy(): parametrized modules refuse to be copied.
        twin = twins[id(part)] = object.__new__(type(part))
        twin.__dict__.update(part.__dict__)
        twin.__dict__["training"] = False
        twin.__dict__["_compiled_call_impl"] = None  # it would call the original
    for twin in twins.values():
        for name, value in twin.__dict__.items():
            if name == "_modules":
                children = value.items()
                twin.__dict__[name] = {key: twins.get(id(child)) for key, child in children}
            elif isinstance(value, MethodType) and id(value.__self__) in twins:
                twin.__dict__[name] = MethodType(value.__func__, twins[id(value.__self__)])
    return twins[id(model)]


_may_have_threads = False


def _use_one_thread() -> None:
    # A forked process has no other threads, and PyTorch would wait forever for those of the parent.
    if _may_have_threads:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_use_one_thread)
