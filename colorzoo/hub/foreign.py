"""Read the tensors of checkpoints that other code wrote: the one module that opens pickles.

Opening a pickle can run any code. Three things stand before that here: only a fixed list of names
may occur in it, ``torch.load(weights_only=True)`` then builds nothing but tensors and plain
containers, and what is not a dense tensor of known size is refused.
"""

import io
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from colorzoo.errors import WeightsError, one_line
from colorzoo.hub.fetch import PICKLES

SAFETENSORS = ".safetensors"

# A program inside the file of a network of a thousand layers has about 200 kB.
_MAX_PROGRAM_BYTES = 20_000_000
_MAX_TUPLE = 100_000  # parts, those of its parts included
# The start of files of PyTorch before 1.6.
_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
_LEGACY_PROGRAMS = 5  # magic number, version, machine, the object itself, names of its storages
_ZIP = b"PK\x03\x04"

_NAMES = frozenset(
    {
        "collections OrderedDict",
        "torch Size",
        "torch device",
        "torch.nn.parameter Parameter",
        "torch._utils _rebuild_parameter",
        "torch._utils _rebuild_tensor",
        "torch._utils _rebuild_tensor_v2",
        "torch.serialization _get_layout",
    }
)
_KINDS = ("float", "double", "half", "bfloat", "int", "uint", "long", "short", "char", "byte")
_KINDS += ("bool", "complex")
_KEPT = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool)
_KEPT += (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)

# The tensors are often a part of what was saved; average weights come before the last ones.
_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "network", "net")
_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
_DEEPEST = 5
_LIGHTNING = "pytorch-lightning_version"


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name: a safetensors file, or a pickle of PyTorch.

    Dicts around the tensors (``params``, ``state_dict``...) and prefixes that tools add to all
    names (``module.``) are removed. Values of large files are read when they are used.

    Args:
        path: The file.

    Returns:
        The tensors, on the CPU, in the types that they have in the file.

    Raises:
        WeightsError: If the file cannot be read, is damaged, contains something else, or could
            run code.
    """
    start = _start_of(path)
    if path.suffix.lower() != SAFETENSORS and (start.startswith((_ZIP, b"\x80"))):
        return _tensors_in(read_pickle(path), path)
    return read_safetensors(path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name; never opens a pickle.

    Raises:
        WeightsError: If the file cannot be read, or is not a safetensors file.
    """
    _start_of(path)
    try:
        return _tensors_in(load_file(path), path)
    except (SafetensorError, OSError, ValueError, LookupError) as error:
        kinds = f"a safetensors file{'' if path.suffix == SAFETENSORS else ' or a checkpoint'}"
        raise WeightsError(
            f"{path} is damaged or not {kinds} ({one_line(error)}). Download or save it again."
        ) from error


def read_pickle(path: Path) -> Any:
    """Return the content of a file that ``torch.save`` wrote: tensors in plain containers.

    Raises:
        WeightsError: If it is damaged, or contains anything that is not data.
    """
    start = _start_of(path)
    try:
        is_zip = start.startswith(_ZIP)
        for program in _programs_of_zip(path) if is_zip else _programs_of_legacy(path, start):
            _check_program(program, path)
        # Files of PyTorch before 1.6 cannot be mapped into memory.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except WeightsError:
        raise
    except Exception as error:  # PyTorch raises many kinds for damaged files
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise WeightsError(
            f"{path} is damaged or not a checkpoint of PyTorch ({reason}). Download it again."
        ) from error


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}).") from error


def _programs_of_zip(path: Path) -> Iterator[BinaryIO]:
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        for record in records:
            # PyTorch does not compress, so what is small here cannot become large in memory.
            if record.compress_type != zipfile.ZIP_STORED:
                raise WeightsError(f"{path} is a compressed archive, not a checkpoint of PyTorch.")
        programs = [record for record in records if record.filename.endswith(".pkl")]
        if not any(record.filename.endswith("data.pkl") for record in programs):
            raise WeightsError(f"{path} is an archive, but not a checkpoint of PyTorch.")
        for record in programs:
            if record.file_size > _MAX_PROGRAM_BYTES:
                raise WeightsError(f"{path} is too complex: {record.filename} is too large.")
            yield io.BytesIO(archive.read(record))


def _programs_of_legacy(path: Path, start: bytes) -> Iterator[BinaryIO]:
    if not start.startswith(_LEGACY):
        raise WeightsError(
            f"{path} is a pickle, but not a checkpoint that torch.save() wrote. Ask its author for "
            "a safetensors file, or for the state_dict() saved with torch.save()."
        )
    with path.open("rb") as file:
        for _ in range(_LEGACY_PROGRAMS):
            yield file
            if file.tell() > _MAX_PROGRAM_BYTES:
                raise WeightsError(f"{path} is too complex: it has {file.tell():,} bytes of code.")


def _check_program(program: BinaryIO, path: Path) -> None:
    """Refuse every name that is not needed to build tensors, before anything is built.

    The sizes of tuples are added up as well: one that contains another twice, and so on, is small
    in the file, but as the key of a dict it would take for ever.
    """
    sizes: list[int | None] = []  # of what is on the stack of the program; None is a mark
    kept: dict[Any, int | None] = {}
    for operation, argument, _ in pickletools.genops(program):
        name = operation.name
        if name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):  # torch.save does not write it
            raise WeightsError(f"{path} is a pickle, but not one that torch.save() wrote.")
        if name == "GLOBAL" and not _is_harmless(str(argument)):
            called = str(argument).replace(" ", ".")
            raise WeightsError(
                f"{path} was not opened: besides tensors, it contains {called}, which could run "
                "code. Ask its author for a safetensors file, or for the state_dict() alone."
            )
        if name.endswith("PUT"):
            kept[argument] = sizes[-1]
            continue
        taken = [each.name for each in operation.stack_before]
        size = 0
        if "mark" in taken:
            while (last := sizes.pop()) is not None:
                size += last
            taken = taken[: taken.index("mark")]
        for _ in taken:
            size += sizes.pop() or 0
        if size > _MAX_TUPLE:
            raise WeightsError(f"{path} is too complex: it contains a tuple of {size:,} parts.")
        if name == "MARK":
            sizes.append(None)
        elif name.endswith("GET"):
            sizes.append(kept[argument])
        else:
            sizes += [size + 1 if "TUPLE" in name else 1] * len(operation.stack_after)


def _is_harmless(name: str) -> bool:
    module, _, kind = name.partition(" ")
    is_type = module in ("torch", "torch.storage") and kind.lower().startswith(_KINDS)
    # Types have no parts, and with "Tensor" they could be called for one of any size.
    return name in _NAMES or (is_type and kind.isidentifier() and not kind.endswith("Tensor"))


def _tensors_in(value: Any, path: Path) -> dict[str, Tensor]:
    """Find the dict of tensors in what was saved, and remove what was added to all names."""
    is_run = isinstance(value, Mapping) and _LIGHTNING in value
    for _ in range(_DEEPEST):
        if not isinstance(value, Mapping) or any(isinstance(x, Tensor) for x in value.values()):
            break
        inside = [key for key in _WRAPPERS if isinstance(value.get(key), Mapping)]
        value = value[inside[0]] if inside else None
    state = value.items() if isinstance(value, Mapping) else ()
    tensors = {name: each for name, each in state if isinstance(each, Tensor)}
    if not tensors:
        raise WeightsError(
            f"{path} contains no tensors by name. It should be a state_dict(), alone or in a dict "
            f"as {', '.join(map(repr, _WRAPPERS[:4]))}."
        )
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise WeightsError(f"{path} is damaged: it has a tensor named {name!r}.")
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise WeightsError(f"{path} is damaged: {name} has no values, or not all of them.")
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise WeightsError(f"{path} is damaged: {name} has fewer values than its shape says.")
        if tensor.dtype not in _KEPT:
            raise WeightsError(f"{path} has {name} in the type {tensor.dtype}, unlike weights.")
    if is_run:  # a run of `python -m train fit`: the rest belongs to its loss
        tensors = {name: each for name, each in tensors.items() if name.startswith("model.")}
        tensors = without_prefix(tensors, "model.")
    for prefix in (*_PREFIXES, *_PREFIXES):
        tensors = without_prefix(tensors, prefix)
    return {name: each.detach() for name, each in tensors.items()}


def without_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove a prefix from all names; if only some of them have it, change nothing."""
    if not all(name.startswith(prefix) and name != prefix for name in tensors):
        return tensors
    return {name.removeprefix(prefix): each for name, each in tensors.items()}


def is_pickle(path: Path) -> bool:
    """Tell from its name whether a file is a pickle."""
    return path.suffix.lower() in PICKLES
