"""Threads: as many as there are cores to use, which wait without keeping them busy."""

import os
import subprocess
import sys

import pytest

import colorzoo
from colorzoo import threads

VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
TOLD = """
import json, os, sys
{code}
import torch
print(json.dumps([torch.get_num_threads(), os.environ.get("OMP_WAIT_POLICY")]))
"""


@pytest.fixture
def variables(monkeypatch):
    """The environment without the variables; what is set is taken back."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def written(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, []),
        ({"": "max 100000"}, []),
        ({"": "150000 100000"}, [1.5]),
        ({"": "max 100000", "a": "400000 100000", "a/b": "50000 100000"}, [4, 0.5]),
        ({"": "0 100000"}, []),
        ({"": "nonsense"}, []),
    ],
)
def test_limits_of_control_groups(tmp_path, limits, cores):
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    for path, text in limits.items():
        written(tmp_path / "groups" / path if path else tmp_path / "groups", cpu__max=text)
    assert list(threads._quotas(tmp_path / "groups", own)) == cores


def test_limits_of_older_control_groups(tmp_path):
    own, place = tmp_path / "own", tmp_path / "groups" / "cpu" / "a"
    own.write_text("5:memory:/b\n4:cpu,cpuacct:/a\n0::/\n")
    written(place, **{"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000"})
    assert list(threads._quotas(tmp_path / "groups", own)) == [2]
    (place / "cpu.cfs_quota_us").write_text("-1")
    assert list(threads._quotas(tmp_path / "groups", own)) == []


def test_a_part_of_a_core_is_one(monkeypatch):
    monkeypatch.setattr(threads, "_quotas", lambda: iter([0.5]))
    assert threads.available_cores() == 1


def test_variables_of_the_user_are_kept(variables):
    variables.setenv("OMP_WAIT_POLICY", "active")
    variables.setenv("OMP_NUM_THREADS", "3")
    threads.share_cores()
    assert os.environ["OMP_WAIT_POLICY"] == "active" and not threads.is_considerate()
    assert os.environ["OMP_NUM_THREADS"] == "3" and threads.threads_in_use() == 3


def test_otherwise_there_is_a_thread_a_core(variables):
    variables.setattr(threads, "available_cores", lambda: 7)
    assert threads.threads_in_use() == 7
    threads.share_cores()
    assert os.environ["OMP_NUM_THREADS"] == "7" and threads.is_considerate()


def test_no_threads_are_refused():
    with pytest.raises(colorzoo.ConfigError, match="threads must be a whole number from 1, got 0"):
        threads.share_cores(0)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("from colorzoo.threads import share_cores; share_cores(1)", '[1, "PASSIVE"]'),
        ("import colorzoo; colorzoo.Colorizer", "null]"),
    ],
    ids=["a program", "import alone"],
)
def test_what_pytorch_is_told(code, told):
    clean = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    run = subprocess.run(
        [sys.executable, "-c", TOLD.format(code=code)],
        capture_output=True, text=True, check=True, env=clean,
    )  # fmt: skip
    assert run.stdout.strip().endswith(told)
