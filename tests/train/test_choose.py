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
from train.choose_settings import Answer, Outcome, age, choose, combine, dial_of


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
    answers = combine([64, 96], [0.3, 1.0], saturations=[1.0, 0.0])
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


def test_the_numbers_of_the_dial_are_those_of_a_model_that_has_them(album):
    """What is not asked for stays as it is in the middle of the model's own dial."""
    model = colorzoo.load("efficientnet-bins")
    middle = model.dial_at(model.vividness)  # pyright: ignore
    answers = combine([64], (), [0.9], [0.5, 2.0], [3.0])
    outcomes = choose(model, album, answers, limit=1)
    truth = metrics.prepare(np.asarray(Image.open(album / "0.png").convert("RGB")))
    for outcome, gain in zip(outcomes, (0.5, 2.0), strict=True):
        other = colorzoo.create_model(
            "efficientnet-bins", dial=[middle._replace(mix=0.9, gain=gain, lift=3.0)]
        )
        other.load_state_dict(model.state_dict())
        coloured = np.asarray(other.colorize(metrics.gray(truth), work_size=64))
        assert outcome.cf == pytest.approx(metrics.colorfulness(coloured), rel=0.01)
    assert str(outcomes[0].answer) == "size 64, lambda 0.9, gain 0.5, lift 3"
    assert outcomes[0].cf < outcomes[1].cf


def outcome_of(mix: float, psnr: float, auc: float, cf: float) -> Outcome:
    return Outcome(Answer(mix=mix), psnr=psnr, auc=auc, cf=cf, truth_cf=40.0)


def test_a_dial_is_the_most_accurate_setting_at_each_level():
    """Levels of 50 to 90 % of 40: 20, 24, 28, 32 and 36."""
    outcomes = [
        outcome_of(0.1, 0.1, 0.0, 50.0),
        outcome_of(0.2, 0.2, 0.1, 36.0),
        outcome_of(0.3, 0.5, 0.5, 35.9),
        outcome_of(0.4, 0.9, 0.0, 30.0),
        outcome_of(0.5, 0.4, 0.7, 29.0),  # the sum counts
        outcome_of(0.6, 2.0, 2.0, 20.0),
        outcome_of(0.7, 9.0, 9.0, 19.9),  # not colourful enough
    ]
    chosen = [each.answer.mix for each in dial_of(outcomes)]
    assert chosen == [0.6, 0.5, 0.5, 0.3, 0.2]
    assert [each.answer.mix for each in dial_of(outcomes[::-1], points=2)] == [0.6, 0.2]
    with pytest.raises(ConfigError, match="no setting reaches 80% of the originals' colourf"):
        dial_of(outcomes[4:])


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
    for answers, words in (
        (combine(temperatures=[1.0]), "temperature"),
        (combine(mixes=[0.5], gains=[1.0]), "mix or gain"),
    ):
        with pytest.raises(ConfigError, match=f"unet has no {words} to choose; only the -bins"):
            choose(colorzoo.load("unet"), album, answers)
    for wrong in (combine(mixes=[0.0]), combine(temperatures=[0.0]), combine(gains=[5.0])):
        with pytest.raises(ConfigError, match="a point of the dial must be"):
            choose(colorzoo.load("unet-bins"), album, wrong)
    with pytest.raises(ImageError, match="no readable colour photo"):
        choose(colorzoo.load("unet"), tmp_path, combine())


def test_the_command(album):
    def run(*arguments):
        return train("choose", "unet", album, *arguments)

    done = run("--saturation", "1", "--saturation", "1.5", "--aged")
    assert done.returncode == 0, done.stderr
    assert "saturation 1.5" in done.stdout and "defaults" in done.stdout
    wrong = run("--temperature", "1")
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: unet has no temperature")


def test_the_command_chooses_a_dial(album, monkeypatch):
    arguments = ("choose", "unet-bins", album, "--dial", "--limit-photos", "1", "--mix", "1")
    more = ("--temperature", "0.5", "--gain", "3", "--gain", "4")
    done = train(*arguments, *more)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "gain" in line]
    assert len(rows) == 5 and all("T 0.5, lambda 1, gain" in row for row in rows)
    muted = train(*arguments, "--gain", "0")
    assert muted.returncode == 1 and "no setting reaches 50%" in muted.stderr
