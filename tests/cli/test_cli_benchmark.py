"""``colorzoo benchmark``: the table, the report and the plot."""

import json

import pytest
from helpers.commands import run_colorzoo
from PIL import Image

from colorzoo.evaluation import benchmark as bench
from colorzoo.evaluation.benchmark import FLOOR, Timing


def check_benchmark(folder) -> None:
    command = ("benchmark", "--model", "unet", "-o", folder, "--megapixels", "0.05")
    done = run_colorzoo(*command)
    assert done.returncode == 0, done.stderr
    assert FLOOR in done.stdout and "times the floor" in done.stdout
    report = json.loads((folder / "benchmark.json").read_text())
    assert [each["model"] for each in report["timings"]] == [FLOOR, "unet"]
    assert report["hardware"] and "grain" in report["photo"]
    assert Image.open(folder / "benchmark.png").width > 500
    again = run_colorzoo(*command)
    assert again.returncode == 1 and "--overwrite" in again.stderr


@pytest.mark.slow
def test_the_command(tmp_path):
    check_benchmark(tmp_path)


def test_what_is_measured_is_printed_written_and_drawn(tmp_path, monkeypatch):
    def measured(names, sizes, *, device, **_):
        for name, ms in ((FLOOR, 4.0), *((name, 10.0) for name in names)):
            yield Timing(name, sizes[0], 258, 194, ms, 4.0, ms / 4, 1000 / ms, 300.0)

    monkeypatch.setattr(bench, "measure", measured)
    check_benchmark(tmp_path)
    timings = json.loads((tmp_path / "benchmark.json").read_text())["timings"]
    assert timings[1]["ratio"] == 2.5 and timings[1]["photos_per_second"] == 100
