"""``colorzoo list``, ``colorzoo info`` and the installed command."""

import shutil
import subprocess
import sys
from pathlib import Path

from helpers.commands import run_colorzoo

import colorzoo


def test_list_and_info():
    listed = run_colorzoo("list")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in colorzoo.list_models())
    for name in ("unet", colorzoo.DEFAULT_MODEL):  # each start takes seconds
        shown = run_colorzoo("info", name)
        assert shown.returncode == 0 and "work_size" in shown.stdout
    assert run_colorzoo("info", "unte").returncode == 1


def test_the_command_is_installed():
    entry = shutil.which("colorzoo", path=str(Path(sys.executable).parent))
    assert entry, "the colorzoo command is not installed"
    told = subprocess.run([entry, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == colorzoo.__version__
