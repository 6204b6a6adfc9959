"""Weights that authors published: downloaded once, checked, converted, and whatever goes wrong."""

import errno
import json
import multiprocessing
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import commands
from helpers.published import (
    CONTENT,
    PAGE,
    ToyPublished,
    pinned,
    register_toy,
    saved,
    toy_state,
)
from huggingface_hub import constants
from safetensors.torch import load_file

import colorzoo
from colorzoo.hub import download, foreign, obtain
from colorzoo.hub.published import converted_folder


@pytest.fixture
def load(tmp_path):
    def load(**options):
        return colorzoo.load("toy-published", cache_dir=tmp_path, **options)

    return load


def files_in(folder: Path) -> list[str]:
    """Everything but the lock, which is empty and stays."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    )


def test_it_is_downloaded_once_and_then_loads_without_a_request(answer, file_server, load, tmp_path,
                                                                monkeypatch, coffee):  # fmt: skip
    model = load()
    want = ToyPublished.convert_state(toy_state())
    assert all(torch.equal(value, want[name]) for name, value in model.state_dict().items())
    assert model.architecture == "toy-published" and not model.training
    assert file_server.requests == [("/toy.pth", None)]
    assert {"authorization", "cookie"}.isdisjoint(file_server.headers[-1])
    # The pickle is gone, and what is there is a folder as save_pretrained() writes it, with a note.
    folder = converted_folder(
        "toy-published", pinned(CONTENT, url=f"{file_server.url}/toy.pth"), tmp_path
    )
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["config.json", "model.safetensors", "source.json"]
    assert files_in(tmp_path) == [f"{folder.relative_to(tmp_path).as_posix()}/{x}" for x in names]
    note = json.loads((folder / "source.json").read_text())
    assert note["source"] == f"{file_server.url}/toy.pth" and note["licence"] == "Apache-2.0"
    assert note["sha256"] == pinned(CONTENT, url="x").sha256 and note["page"] == PAGE
    # Nothing opens a pickle or asks the network again.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(foreign.torch, "load", lambda *_, **__: pytest.fail("a pickle was opened"))
    again = load(local_files_only=True)
    assert (np.asarray(again.colorize(coffee)) == np.asarray(model.colorize(coffee))).all()
    assert len(file_server.requests) == 1
    assert colorzoo.load(folder).config == model.config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": 404}, r"cannot be downloaded .*HTTP 404.*example.org/toy.*colorzoo convert"),
        ({"status": 503}, r"cannot be downloaded .*HTTP 503"),
        ({"headers": {"Content-Type": "text/html; charset=utf-8"}}, "web page instead of the file"),
        ({"headers": {"Content-Length": "17"}}, f"another file now: 17 bytes instead of "
                                                f"{len(CONTENT):,}. Nothing was downloaded"),
        ({"headers": {"Content-Encoding": "gzip"}}, "has another file now"),
        ({"content": CONTENT + b"!", "headers": {"Content-Length": None}}, "sends more than"),
        ({"content": CONTENT[:-1] + b"!"}, "not the pinned one: its SHA-256 is .*not opened"),
        ({"status": 302, "headers": {"Location": "http://example.org/x"}}, "not an https address"),
        ({"status": 302, "headers": {"Location": "ftp://example.org/x"}}, "not an https address"),
        ({"status": 302, "headers": {"Location": "file:///etc/passwd"}}, "not an address"),
        ({"status": 302, "headers": {"Location": "https://[x"}}, "Invalid IPv6 URL"),
        ({"status": 302, "headers": {"Location": "/toy.pth"}}, "redirects too often"),
        ({"status": 302, "headers": {"Location": None}}, "redirects too often"),
    ],
)  # fmt: skip
def test_what_is_not_the_file_is_refused_and_nothing_stays(answer, load, tmp_path, monkeypatch,
                                                           changes, message):  # fmt: skip
    monkeypatch.setattr(foreign.torch, "load", lambda *_, **__: pytest.fail("a pickle was opened"))
    for name, value in changes.items():
        setattr(answer, name, value)
    with pytest.raises(colorzoo.HubError, match=message) as caught:
        load()
    assert "\n" not in str(caught.value)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_breaks_off_goes_on(answer, file_server, load, ranges):
    answer.cuts, answer.ranges = [1000, 1500 if ranges else 2000], ranges
    load()
    assert [asked for _, asked in file_server.requests][:2] == [None, "bytes=1000-"]


def test_a_download_that_always_breaks_off_is_kept_for_the_next_try(
    answer, file_server, load, tmp_path
):
    answer.cuts = [1000, 0, 0, 0]
    with pytest.raises(colorzoo.HubError, match=r"failed after 0.0 of 0.0 MB \(.*from there\.$"):
        load()
    (part,) = files_in(tmp_path)
    assert (tmp_path / part).stat().st_size == 1000
    file_server.requests.clear()
    load()
    assert file_server.requests == [("/toy.pth", "bytes=1000-")]
    assert not any(".part" in name for name in files_in(tmp_path))


@pytest.mark.parametrize("there", [b"x" * 1000, b"x" * 10 * len(CONTENT)])
def test_a_part_of_another_file_does_no_lasting_harm(answer, file_server, load, tmp_path, there):
    folder = converted_folder("toy-published", pinned(CONTENT, url=f"{file_server.url}/toy.pth"),
                              tmp_path)  # fmt: skip
    stage = folder.with_name(f".{folder.name}.part")
    stage.mkdir(parents=True)
    (stage / "toy.pth").write_bytes(there)
    if len(there) < len(CONTENT):
        with pytest.raises(colorzoo.HubError, match="not the pinned one"):
            load()
    load()


def test_a_slow_server_is_given_up(answer, load, monkeypatch):
    monkeypatch.setattr(download, "_SECONDS", 0.05)
    answer.pause = 0.01
    with pytest.raises(colorzoo.HubError, match=r"failed after .*only [\d,]+ bytes in 0 s"):
        load()


def test_a_server_that_says_nothing_is_given_up(answer, load, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    answer.pause = 0.2
    with pytest.raises(colorzoo.HubError, match=r"no answer in time.*check your network"):
        load()


def test_no_network_is_told_at_once(answer, scratch_registry, tmp_path):
    register_toy(pinned(CONTENT, url="http://127.0.0.1:9/toy.pth"), "toy-away")
    with pytest.raises(colorzoo.HubError, match=r"toy-away from 127.0.0.1 failed .*check your net"):
        colorzoo.load("toy-away", cache_dir=tmp_path)
    assert files_in(tmp_path) == []


def test_a_certificate_that_is_not_valid_is_told(answer, load, monkeypatch):
    error = next(each for each in download.HTTPError.__subclasses__() if "Request" in each.__name__)

    def stream(*_, **__):
        raise error("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed")

    monkeypatch.setattr(download.get_session(), "stream", stream)
    with pytest.raises(colorzoo.HubError, match=r"certificate of 127.0.0.1 cannot be verified"):
        load()


def test_permission_is_needed(answer, file_server, load, monkeypatch):
    told = r"toy-published is not on this machine: its weights \(\d+ kB, Apache-2.0\) have to be"
    with pytest.raises(colorzoo.HubError, match=f"{told}.*local_files_only.*--no-download"):
        load(local_files_only=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(colorzoo.HubError, match=f"{told}.*HF_HUB_OFFLINE is set"):
        load()
    with pytest.raises(colorzoo.WeightsError, match="There are no weights for toy-published"):
        load(source="bundled")
    with pytest.raises(colorzoo.ConfigError, match="pinned: leave out revision='main'"):
        load(revision="main")
    assert file_server.requests == []


def test_a_disk_without_room_is_told_before_the_download(answer, file_server, load, monkeypatch,
                                                         tmp_path):  # fmt: skip
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(obtain.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(colorzoo.HubError, match=r"no room .*it takes 20 MB .* and 1 MB are free"):
        load()
    assert file_server.requests == [] and files_in(tmp_path) == []


@pytest.mark.parametrize("module", [download, obtain])
def test_a_disk_that_fills_up_is_told_and_freed(answer, load, monkeypatch, tmp_path, module):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "_append" if module is download else "write", full)
    with pytest.raises(colorzoo.HubError, match="no space left"):
        load()
    assert files_in(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="permissions of Unix")
def test_a_cache_that_cannot_be_written_is_told(answer, scratch_registry, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(colorzoo.HubError, match=r"cannot be kept in .*another cache_dir"):
        colorzoo.load("toy-published", cache_dir=tmp_path / "file")


def test_threads_that_want_the_same_download_it_once(answer, file_server, load):
    models: list[colorzoo.Colorizer] = []
    threads = [threading.Thread(target=lambda: models.append(load())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 4 and len(file_server.requests) == 1


def _load_slowly(url: str, cache: Path) -> None:
    constants.HF_HUB_OFFLINE = False
    register_toy(pinned(CONTENT, url=url))
    colorzoo.load("toy-published", cache_dir=cache)


def test_after_a_kill_the_next_process_goes_on(answer, file_server, load, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(commands.PRELOADED)
    answer.pause = 0.05
    process = context.Process(target=_load_slowly, args=(f"{file_server.url}/toy.pth", tmp_path))
    process.start()
    parts: list[Path] = []
    while not (parts and parts[0].stat().st_size):
        time.sleep(0.01)
        assert process.is_alive(), "it was too fast"
        parts = list(tmp_path.rglob("toy.pth"))
    process.kill()
    process.join()
    got = parts[0].stat().st_size
    assert 0 < got < len(CONTENT)
    assert not list(tmp_path.rglob("model.safetensors"))
    answer.pause = 0.0
    load()
    assert file_server.requests[-1] == ("/toy.pth", f"bytes={got}-")
    assert not list(tmp_path.rglob("toy.pth"))


def test_what_somebody_deleted_in_the_cache_is_made_again(answer, load, tmp_path):
    load()
    (weights,) = tmp_path.rglob("model.safetensors")
    weights.unlink()
    load()
    assert weights.is_file()


class _Calls:
    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"params": {**toy_state(), "more": _Calls()}}, "was not opened: .*system"),
        ({**toy_state(), "net.2.weight": torch.ones(1)}, "net.2.weight is not in that network"),
        ({k: v for k, v in toy_state().items() if k != "net.0.bias"}, "first.bias is missing"),
        (toy_state(width=5), r"first.weight has the shape \(5, 1, 1, 1\) instead of \(4, 1"),
        ({**toy_state(), "net.0.bias": torch.full((4,), torch.nan)}, "NaN or infinity in first"),
        ({**toy_state(), "net.0.bias": torch.ones(1).expand(4)}, "fewer values than its shape"),
        ({**toy_state(), "net.0.bias": torch.ones(4).int()}, "has the type torch.int32, expected"),
        ({"epoch": 3}, "contains no tensors by name"),
    ],
)
def test_a_pinned_file_that_does_not_fit_is_refused(
    answer, file_server, load, tmp_path, value, message
):
    """A right hash says that the file is the authors', not that it is good."""
    answer.content = saved(value)
    register_toy(pinned(answer.content, url=f"{file_server.url}/toy.pth"), "toy-odd")
    with pytest.raises(colorzoo.WeightsError, match=message) as caught:
        colorzoo.load("toy-odd", cache_dir=tmp_path)
    assert f"{file_server.url}/toy.pth" in str(caught.value)
    assert files_in(tmp_path) == []


def test_half_precision_stays_half_on_disk_and_loads_as_float32(answer, file_server, tmp_path):
    answer.content = saved({name: value.half() for name, value in toy_state().items()})
    register_toy(pinned(answer.content, url=f"{file_server.url}/toy.pth"), "toy-half")
    assert colorzoo.load("toy-half", cache_dir=tmp_path).dtype == torch.float32
    (file,) = tmp_path.rglob("model.safetensors")
    assert {value.dtype for value in load_file(file).values()} == {torch.float16}


def test_a_terminal_is_told_the_size_of_a_large_download(answer, load, monkeypatch, capsys):
    monkeypatch.setattr(download, "are_progress_bars_disabled", lambda: False)
    monkeypatch.setattr(download.sys.stderr, "isatty", lambda: True, raising=False)
    load()
    assert capsys.readouterr().err == ""  # it is small


def test_of_a_large_download_a_terminal_shows_size_and_licence(answer, load, monkeypatch, capsys):
    monkeypatch.setattr(download, "LARGE", 100)
    load()
    assert capsys.readouterr().err == ""  # not a terminal
    shutil.rmtree(next(iter(load.__closure__[0].cell_contents.glob("colorzoo"))))
    monkeypatch.setattr(download.sys.stderr, "isatty", lambda: True, raising=False)
    load()
    assert "Downloading toy-published once: 3 kB from 127.0.0.1, licence Apache-2.0" in (
        capsys.readouterr().err
    )
