"""Other answers of the same weights, measured beside gray."""

import numpy as np
import pytest
import torch
from helpers.synthetic import photo
from helpers.training import train
from PIL import Image

import colorzoo
from colorzoo.errors import ConfigError, ImageError
from colorzoo.evaluation import metrics
from colorzoo.evaluation.report import evaluate_model
from train.choose_settings import Answer, age, choose, combine


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    for i in range(3):
        photo(i).save(folder / f"{i}.png")
    photo(9).convert("L").save(folder / "gray.png")
    return folder


def test_the_model_as_it_is_measures_as_in_the_evaluation(album):
    model = colorzoo.load("unet")
    (outcome,) = choose(model, album, combine())
    report = evaluate_model(model, "unet", album).evaluation
    assert outcome.psnr == pytest.approx(report.scores.psnr - report.gray.psnr)
    assert outcome.auc == pytest.approx(report.scores.auc - report.gray.auc, abs=1e-4)
    assert outcome.cf == pytest.approx(report.scores.cf)
    assert abs(outcome.cf - outcome.truth_cf) == pytest.approx(report.scores.delta_cf)


def test_every_combination_is_what_colorize_gives(album):
    model = colorzoo.load("unet-bins")
    answers = combine([64, 96], [0.3, 1.0], (), [1.0, 0.0])
    assert len(answers) == 8 and len({*answers}) == 8
    outcomes = choose(model, album, answers, limit=1)
    truth = metrics.prepare(np.asarray(Image.open(album / "0.png").convert("RGB")))
    for answer, outcome in zip(answers, outcomes, strict=True):
        assert outcome.answer == answer
        coloured = model.colorize(  # pyright: ignore
            metrics.gray(truth), work_size=answer.work_size, temperature=answer.temperature,
            saturation=answer.saturation,
        )  # fmt: skip
        assert outcome.cf == pytest.approx(metrics.colorfulness(np.asarray(coloured)))
        assert answer.saturation or outcome.psnr == pytest.approx(0, abs=1e-6)
    assert str(answers[0]) == "size 64, T 0.3" and str(Answer()) == "defaults"


def test_an_old_photo_keeps_its_colours_and_is_always_the_same_one(coffee):
    square = metrics.prepare(coffee)
    state = torch.random.get_rng_state()
    old = [age(square, seed=seed) for seed in range(4)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(metrics.psnr(each, square) < 35 for each in old[:3])
    assert np.array_equal(age(square, seed=2), old[2])
    assert not np.array_equal(old[1], old[2])
    assert all(
        metrics.auc(each, square) > 97 > metrics.auc(metrics.gray(each), square) for each in old
    )


def test_what_does_not_suit_the_model_is_told(album, tmp_path):
    with pytest.raises(ConfigError, match="unet does not support temperature; mobilenetv2-bins"):
        choose(colorzoo.load("unet"), album, combine(temperatures=[1.0]))
    with pytest.raises(ConfigError, match="unet-bins has no lambda"):
        choose(colorzoo.load("unet-bins"), album, combine(mixes=[0.5]))
    with pytest.raises(ImageError, match="no readable colour photo"):
        choose(colorzoo.load("unet"), tmp_path, combine())


def test_the_command(album):
    def run(*arguments):
        return train("choose", "unet", album, *arguments)

    done = run("--saturation", "1", "--saturation", "1.5", "--aged")
    assert done.returncode == 0, done.stderr
    assert "saturation 1.5" in done.stdout and "defaults" in done.stdout
    wrong = run("--temperature", "1")
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: unet does not support temp")
