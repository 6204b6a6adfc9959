"""Best of several samples, how far they lie apart, and what more steps give."""

import json
from itertools import combinations

import numpy as np
import pytest
from helpers import toy_families
from PIL import Image
from typer.testing import CliRunner

import colorzoo
from colorzoo.cli import app
from colorzoo.evaluation import samples
from colorzoo.evaluation.metrics import colorfulness, gray, prepare, psnr


@pytest.fixture(autouse=True)
def registered(scratch_registry):
    toy_families.register()


@pytest.mark.parametrize("name", ["toy-flow", "toy-bins"])
def test_samples_are_measured_against_the_original(name, coffee):
    model = colorzoo.create_model(name)
    photos = [coffee[::2, ::2]]
    found = samples.measure_samples(model, photos, steps=(1, 2))
    truths = [prepare(photo) for photo in photos]
    drawn = [
        [np.asarray(model.colorize(gray(truth), seed=seed)) for seed in range(10)]
        for truth in truths
    ]
    quality = np.array(
        [[psnr(one, truth) for one in row] for row, truth in zip(drawn, truths, strict=True)]
    )
    best = [quality[:, :count].max(axis=1).mean() for count in samples.COUNTS]
    np.testing.assert_allclose(found.psnr, best, atol=0.01)
    assert found.psnr[0] <= found.psnr[1] <= found.psnr[2] and found.auc[0] <= found.auc[2]
    colours = [colorfulness(row[0]) for row in drawn]
    assert found.cf == pytest.approx(np.mean(colours), abs=0.1)
    apart = [
        float((samples._ab(one) - samples._ab(other)).norm(dim=0).mean())
        for row in drawn
        for one, other in combinations(row[:5], 2)
    ]
    assert found.ab_distance == pytest.approx(np.mean(apart), abs=0.1) and found.ab_distance > 1
    assert found.lpips_distance is None and found.photos == len(photos)
    assert list(found.steps) == ([1, 2] if name == "toy-flow" else [])
    for steps, each in found.steps.items():
        results = [np.asarray(model.colorize(gray(t), seed=0, steps=steps)) for t in truths]
        expected = np.mean([psnr(*pair) for pair in zip(results, truths, strict=True)])
        assert each.psnr == pytest.approx(expected, abs=0.01) and each.milliseconds > 0
    report = found.as_json()
    assert report["counts"] == [1, 5, 10] and ("steps" in report) == (name == "toy-flow")
    assert found.sheet.width > 8 * 160 and found.sheet.height > len(photos) * 160
    assert len(samples.samples_tables(name, found)) == 2 + (name == "toy-flow")


def test_the_command_writes_numbers_and_a_sheet(tmp_path, coffee):
    colorzoo.create_model("toy-flow").save_pretrained(tmp_path / "mine")
    (tmp_path / "photos").mkdir()
    Image.fromarray(coffee[::4, ::4]).save(tmp_path / "photos" / "coffee.png")
    out = tmp_path / "out"
    words = ["evaluate", tmp_path / "mine", tmp_path / "photos", "-o", out, "--device", "cpu"]
    run = CliRunner().invoke(app, [*map(str, words), "--samples"])
    assert run.exit_code == 0, run.output
    report = json.loads((out / "metrics.json").read_text())["samples"]
    assert report["protocol"] == samples.PROTOCOL and list(report["steps"]) == list(
        map(str, samples.STEPS)
    )
    assert f"{report['psnr'][2]:.2f}" in run.output and "best of 10" in run.output
    with Image.open(out / "samples.png") as sheet:
        assert sheet.width > 8 * 160
    again = CliRunner().invoke(app, [*map(str, words), "--samples"])
    assert again.exit_code == 1 and "--overwrite" in again.output
    colorzoo.create_model("toy-hints").save_pretrained(tmp_path / "mine")
    refused = CliRunner().invoke(app, [*map(str, words), "--samples", "--overwrite"])
    assert refused.exit_code == 1 and "does not support --seed" in refused.output


def test_pairs_of_samples_are_compared_by_lpips(coffee):
    class Differences:
        """Counts pairs; stands for LPIPS, whose weights are downloaded."""

        pairs = 0

        def add(self, predicted, truth):
            self.pairs += 1
            assert (predicted != truth).any()

        def value(self):
            return self.pairs / 10

    measure = Differences()
    model = colorzoo.create_model("toy-flow")
    found = samples.measure_samples(model, [coffee[::4, ::4]], lpips=measure, steps=())
    assert found.lpips_distance == 1.0 and measure.pairs == 0  # 10 pairs of 5, in a copy
    assert found.as_json()["lpips_distance"] == 1.0


def test_what_cannot_be_sampled_is_refused(coffee):
    with pytest.raises(colorzoo.ConfigError, match="does not support seed"):
        samples.measure_samples(colorzoo.create_model("toy-hints"), [coffee])
    with pytest.raises(ValueError, match="no photo"):
        samples.measure_samples(colorzoo.create_model("toy-bins"), [])
