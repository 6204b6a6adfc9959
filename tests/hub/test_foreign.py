"""Checkpoints of other code: what is read, and what is refused before it can do anything."""

import argparse
import ast
import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from helpers.limits import used_by
from helpers.published import saved, toy_state
from safetensors.torch import save

import colorzoo
from colorzoo.hub.foreign import read_checkpoint, read_safetensors

STATE = toy_state()


def under(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": value for name, value in STATE.items()}


@pytest.mark.parametrize(
    "value",
    [
        STATE,
        {"params": STATE},
        {"params": toy_state(seed=1), "params_ema": STATE},
        {"state_dict": under("module."), "epoch": 3, "best": 0.5},
        {"model": under("module._orig_mod.")},
        {"model": {"state_dict": STATE}},
        {"pytorch-lightning_version": "2.6", "state_dict": {
            **under("model."), "loss.weights": torch.ones(313)}},
        {name: torch.nn.Parameter(value) for name, value in STATE.items()},
    ],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [True, False])
def test_wrappers_and_prefixes_are_removed(tmp_path, value, zipped):
    file = tmp_path / "x.pth"
    file.write_bytes(saved(value, _use_new_zipfile_serialization=zipped))
    found = read_checkpoint(file)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], each) for name, each in STATE.items())
    assert not any(each.requires_grad for each in found.values())


@pytest.mark.parametrize("name", ["x.safetensors", "x.bin", "x.pth"])
def test_safetensors_are_read_under_any_name(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(save(STATE))
    assert read_checkpoint(file).keys() == STATE.keys()


class Runs:
    """A pickle of it calls a function when it is opened."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touch(_: object = None) -> None:
    raise AssertionError("code of the file ran")


def archive(program: bytes, **options) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as file:
        for name, data in (("data.pkl", program), ("version", b"3\n"), ("byteorder", b"little")):
            file.writestr(f"x/{name}", data)
    return stream.getvalue()


def doubled() -> bytes:
    """A tuple that contains another twice, and so on, as a key: hashing it never ends."""
    program = b"\x80\x02}(K\x01tq\x01"
    for i in range(1, 60):
        program += b"0h%ch%c\x86q%c" % (i, i, i + 1)
    return program + b"K\x01s."


HOSTILE = {
    "system": saved({"a": Runs(os.system, "false")}),
    "system-old": saved({"a": Runs(os.system, "false")}, _use_new_zipfile_serialization=False),
    "own": saved({"a": Runs(touch)}),
    "eval": saved({"a": Runs(eval, "1")}),
    "memory": saved({"a": Runs(bytearray, 10**12)}),
    "time": saved({"a": Runs(set, Runs(bytearray, 10**11))}),
    "huge": saved({"a": Runs(torch.FloatTensor, 10**12)}),
    "namespace": saved({"params": STATE, "arguments": argparse.Namespace(a=1)}),
    "module": saved(torch.nn.Conv2d(1, 1, 1)),
    "plain": pickle.dumps(Runs(os.system, "false")),
    "plain-2": pickle.dumps(STATE["net.0.bias"].tolist(), 2),
    "plain-0": pickle.dumps(Runs(os.system, "false"), 0),
    "compressed": archive(b"\x80\x02}." + b"0" * 10**7, compression=zipfile.ZIP_DEFLATED),
    "archive": archive(b"").replace(b"data.pkl", b"data.txt"),
    "doubled": archive(doubled()),
    "empty": archive(b""),
    "not-a-dict": saved([STATE]),
    "numbers": saved({3: STATE["net.0.bias"]}),
    "wide": saved({"a": torch.ones(1).expand(10**7, 10**7)}),
    "sparse": saved({"a": torch.eye(3).to_sparse()}),
    "meta": saved({"a": torch.empty(3, device="meta")}),
    "complex": saved({"a": torch.zeros(3, dtype=torch.complex64)}),
    "cut": saved(STATE)[:1500],
    "cut-old": saved(STATE, _use_new_zipfile_serialization=False)[:900],
    "cut-tensors": saved(STATE, _use_new_zipfile_serialization=False)[:-9],
    "html": b"<html>Not found</html>",
    "nothing": b"",
    "zero": b"\0" * 1000,
    "safetensors": save(STATE)[:-5],
}


def _read(path: Path) -> object:
    return read_checkpoint(path)


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_hostile_or_damaged_is_refused_in_a_sentence(tmp_path, kind):
    file = tmp_path / "x.pth"
    file.write_bytes(HOSTILE[kind])
    outcome = used_by(_read, file).check(peak=500_000_000)
    assert outcome.startswith(f"WeightsError: {file} "), outcome
    assert "\n" not in outcome and outcome.endswith((".", ")"))


def test_code_of_a_file_is_named_and_does_not_run(tmp_path):
    file = tmp_path / "x.pth"
    file.write_bytes(saved({"params": STATE, "more": Runs(touch)}))
    with pytest.raises(colorzoo.WeightsError, match=r"was not opened: .*test_foreign\.touch"):
        read_checkpoint(file)


def test_under_the_name_of_safetensors_no_pickle_is_opened(tmp_path):
    file = tmp_path / "x.safetensors"
    file.write_bytes(saved(STATE))
    for read in (read_safetensors, read_checkpoint):
        with pytest.raises(colorzoo.WeightsError, match="not a safetensors file"):
            read(file)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(colorzoo.WeightsError, match=r"cannot be read \(No such file"):
        read_checkpoint(tmp_path / "x.pth")
    with pytest.raises(colorzoo.WeightsError, match=r"cannot be read \(Is a directory"):
        read_checkpoint(tmp_path)


def test_one_module_opens_pickles(root):
    """Everything else takes safetensors, or asks that module."""
    opens: set[str] = set()
    for folder in ("colorzoo", "train", "demo"):
        for path in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                imported = (
                    [alias.name for alias in node.names] if isinstance(node, ast.Import)
                    else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                )  # fmt: skip
                loads = isinstance(node, ast.Attribute) and ast.unparse(node) in (
                    "torch.load", "torch.jit.load", "torch.hub.load_state_dict_from_url"
                )  # fmt: skip
                allows = isinstance(node, ast.keyword) and node.arg == "allow_pickle"
                unpicklers = {"pickle", "pickletools", "dill", "cloudpickle", "joblib", "shelve"}
                if loads or allows or unpicklers & {each.partition(".")[0] for each in imported}:
                    opens.add(path.relative_to(root).as_posix())
    assert opens == {"colorzoo/hub/foreign.py"}
