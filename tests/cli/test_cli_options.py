"""Options of models on the command line: some models take them, others refuse in a line."""

import numpy as np
import pytest
from helpers.commands import run_colorzoo
from PIL import Image

import colorzoo


def test_a_sample_of_a_model_over_bins(album, tmp_path):
    photo, out = album / "sub" / "camera.png", tmp_path / "sample.png"
    result = run_colorzoo(
        "colorize", photo, "-o", out, "--model", "unet-bins", "--seed", "3", "--temperature", "0.5",
        "--vividness", "0.8", "--device", "cpu",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    model = colorzoo.load("unet-bins")
    assert model.options == {"seed", "temperature", "vividness", "hints"}
    expected = np.asarray(model.colorize(photo, seed=3, temperature=0.5, vividness=0.8))
    expected = expected.astype(int)
    assert np.abs(np.asarray(Image.open(out)) - expected).max() <= 1
    assert np.abs(np.asarray(model.colorize(photo)) - expected).max() > 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "unte"), "Did you mean unet"),
        (("--model", "./nowhere"), "There is no folder"),
        (("--device", "abacus"), "there is no device 'abacus'"),
        (("--model", "unet", "--seed", "1"), "unet does not support --seed; "),
        (("--model", "unet-bins", "--seed", "-1"), "--seed must be a whole number from 0"),
        (("--vividness", "1.5"), "--vividness must be between 0 and 1, got 1.5"),
        (("--model", "unet", "--vividness", "0.5"), "unet does not support --vividness; "),
        (("--work-size", "20", "--max-pixels", "100"), "raise the limit with --max-pixels 240000"),
    ],
)
def test_bad_options_are_explained_in_a_line(album, tmp_path, options, message):
    result = run_colorzoo("colorize", album / "coffee.jpg", "-o", tmp_path / "out", *options)
    assert result.returncode == 1
    assert message in result.stderr
    assert result.stderr.count("error: ") + result.stderr.count("failed: ") == 1
    assert not (tmp_path / "out").exists()


ASKED = {
    "seed": ("--seed", "3"),
    "vividness": ("--vividness", "0.8"),
    "temperature": ("--temperature", "0.5"),
    "steps": ("--steps", "5"),
    "reference": ("--reference", "red.png"),
}


@pytest.mark.parametrize("option", ASKED)
@pytest.mark.parametrize("command", ["colorize", "compare"])
def test_what_a_model_does_not_take_is_refused_in_a_line(album, tmp_path, command, option):
    Image.new("RGB", (40, 30), (200, 40, 30)).save(tmp_path / "red.png")
    out = tmp_path / "out.png"
    words = (command, album / "coffee.jpg", "-o", out, "--model", "unet", *ASKED[option])
    result = run_colorzoo(*words, cwd=tmp_path)
    assert result.returncode == 1 and not result.stdout and not out.exists()
    (line,) = result.stderr.splitlines()
    name = ASKED[option][0]  # as the user wrote it
    assert line.startswith(f"error: unet does not support {name}; ")
    # A family with several names is named once.
    able = {
        colorzoo.model_info(name).family.architecture
        for name in colorzoo.list_models()
        if takes(name, option)
    }
    # Families that are not registered, of other tests, may be named too.
    told = line.partition("; ")[2].partition(". ")[0]
    if able:
        assert able <= set(told.removesuffix(" do").removesuffix(" does").split(", "))
    else:
        assert told == "no registered model does" or told.endswith((" do", " does"))
    assert line.endswith(f"Choose another model or omit {name}.")


def takes(name: str, option: str) -> bool:
    family = colorzoo.model_info(name).family
    return option in family.network_options | family.render_options


def test_batch_refuses_what_a_model_does_not_take(album, tmp_path):
    result = run_colorzoo("batch", album, tmp_path / "out", "--model", "unet", "--steps", "5")
    assert result.returncode == 1 and not (tmp_path / "out").exists()
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: unet does not support --steps; ")


@pytest.mark.parametrize(
    "hint",
    [
        *("20,10", "20,ten,red", "1,2,red,3,4", "", "1=red", "1,2=", "1,2,3,4=red", "1,b=red"),
        *("1,2@=red", "1,2@x=red", "1,2@-1=red", "1,2@1.5=red", "@1=red", f"1,2@{'9' * 5000}=red"),
    ],
)
def test_a_hint_that_cannot_be_read_is_explained_in_a_line(album, tmp_path, hint):
    result = run_colorzoo(
        "colorize", album / "coffee.jpg", "-o", tmp_path / "a.png", "--hint", hint
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "error: --hint must be X,Y=COLOR, X,Y,RADIUS=COLOR or, in films, X,Y@FRAME=COLOR, such as "
        "120,80=#b03020; got "
    )
    assert line.endswith(f"{hint!r:.100}")


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        ("20,10,beige-ish", "'beige-ish' is not a colour"),
        ("-1,10,red", "a hint's x must be"),
        ("1,nan,red", "a hint's y must be"),
        ("1,2,red,-3", "a hint's radius must be"),
        ("20,10=beige-ish", "'beige-ish' is not a colour"),
        ("-1,10=red", "a hint's x must be"),
        ("1,inf=red", "a hint's y must be"),
        ("1,2,-3=red", "a hint's radius must be"),
    ],
)
def test_a_hint_that_means_nothing_is_explained_in_a_line(album, tmp_path, hint, message):
    result = run_colorzoo(
        "colorize", album / "coffee.jpg", "-o", tmp_path / "a.png", "--hint", hint
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and message in line
