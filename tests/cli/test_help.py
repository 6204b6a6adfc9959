"""What is imported when: help and the version answer at once, extras wait until they are used."""

import json
import subprocess
import sys

import pytest
from helpers.commands import modules_after

import colorzoo
from colorzoo.cli import app

HEAVY = {
    *("torch", "numpy", "PIL", "timm", "skimage", "scipy", "safetensors", "huggingface_hub"),
    *("gradio", "av", "onnx", "onnxruntime", "onnxscript", "ray", "datasets", "matplotlib"),
}
COMMANDS = [command.name for command in app.registered_commands]
CODE = """
import json, sys
from typer.testing import CliRunner
from colorzoo.cli import app
told = {}
for words in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, words, prog_name="colorzoo")
    told[" ".join(words)] = [result.exit_code, result.output, sorted(sys.modules)]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told():
    """What the commands print, their exit codes, and the modules that are imported after each."""
    calls = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]
    run = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(calls)], capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def test_there_is_a_command_for_everything():
    expected = "colorize compare batch evaluate benchmark export convert push list info"
    assert COMMANDS == expected.split()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(told, name):
    code, output, modules = told[f"{name} --help"]
    assert code == 0 and f"Usage: colorzoo {name} " in output
    assert not HEAVY & set(modules)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(told, option):
    code, output, modules = told[option]
    assert code == 0 and not HEAVY & set(modules)
    if option == "--version":
        assert output.strip() == colorzoo.__version__
    else:
        assert all(f" {name} " in output for name in COMMANDS)


def test_the_module_is_the_command():
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "colorzoo", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == colorzoo.__version__
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "typer" in imported and not HEAVY & imported


def test_import_alone_loads_nothing_heavy():
    assert not HEAVY & modules_after("import colorzoo")
