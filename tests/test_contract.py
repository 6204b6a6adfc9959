"""Every kind of colorizer, from Python to the app, with no edit anywhere but in its own family."""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import toy_families
from helpers.hub_server import Client, HubServer
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

import colorzoo
from colorzoo import Hint, registry
from colorzoo.cli import app as cli
from colorzoo.exporting.graph import export
from colorzoo.jobs.dataset import Colorize

TESTS = Path(__file__).parent
# What each kind takes, as a keyword and on the command line.
ASKED = {
    "toy-bins": ({"seed": 3, "vividness": 0.8}, ["--seed", "3", "--vividness", "0.8"]),
    "toy-flow": ({"seed": 3, "steps": 5}, ["--seed", "3", "--steps", "5"]),
    "toy-diffusion": ({"seed": 3, "steps": 5}, ["--seed", "3", "--steps", "5"]),
    "toy-hints": ({"hints": [Hint(20, 10, "#c03020", 6)]}, ["--hint", "20,10,#c03020,6"]),
    "toy-exemplar": ({"reference": "red.png"}, ["--reference", "red.png"]),
}
every_kind = pytest.mark.parametrize("name", toy_families.NAMES)
every_asked = pytest.mark.parametrize("name", ASKED)


@pytest.fixture(autouse=True)
def toys(tmp_path, monkeypatch):
    """The families registered, their weights in folders, and a photo in the working folder."""
    registry.list_models()
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setattr(registry, "_WEIGHTS", tmp_path / "weights")
    toy_families.register()
    for name in toy_families.NAMES:
        torch.manual_seed(0)
        colorzoo.create_model(name).save_pretrained(tmp_path / "weights" / name)
    gradient = np.tile(np.linspace(40, 220, 64, dtype=np.uint8), (48, 1))
    Image.fromarray(gradient).save(tmp_path / "photo.png")
    Image.new("RGB", (40, 30), (200, 40, 30)).save(tmp_path / "red.png")
    monkeypatch.chdir(tmp_path)


def pixels(image):
    return np.asarray(Image.open(image) if isinstance(image, str | Path) else image).astype(int)


@every_asked
def test_colorize_does_what_is_asked(name):
    model = colorzoo.load(name)
    plain, asked = (pixels(model.colorize("photo.png", **each)) for each in ({}, ASKED[name][0]))
    assert plain.shape == asked.shape == (48, 64, 3)
    assert (plain != asked).any()
    again = pixels(colorzoo.colorize("photo.png", model=name, **ASKED[name][0]))
    assert (again == asked).all()
    assert (pixels(model.colorize("photo.png")) == plain).all()  # nothing was left behind


@every_asked
def test_predict_once_and_render_often(name):
    model, options = colorzoo.load(name), ASKED[name][0]
    photo = colorzoo.read_photo("photo.png")
    said = model.predict(photo, **options)
    assert (pixels(model.render(photo, said, **options)) == pixels(
        model.colorize("photo.png", **options)
    )).all()  # fmt: skip
    assert said.to("cpu").nbytes == said.nbytes > 0


@every_kind
def test_a_batch_says_what_each_photo_would(name):
    model, options = colorzoo.load(name), ASKED.get(name, ({}, []))[0]
    wide = colorzoo.read_photo(np.full((40, 90), 130, np.uint8))
    photos = [colorzoo.read_photo("photo.png"), wide, colorzoo.read_photo("photo.png")]
    for photo, said in zip(photos, model.predict_batch(photos, **options), strict=True):
        alone = model.ab_of(model.predict(photo, **options), **options)
        assert torch.allclose(model.ab_of(said, **options), alone, atol=0.01)


def test_a_hint_colours_its_place_and_no_other():
    result = pixels(colorzoo.load("toy-hints").colorize("photo.png", **ASKED["toy-hints"][0]))
    assert result[10, 20, 0] > result[10, 20, 2] + 40
    assert np.ptp(result[40, 50]) <= 1


def test_hints_are_pixels_of_the_photo_with_its_mount():
    rng = np.random.default_rng(0)
    sheet = np.full((88, 104), 200, np.uint8)
    sheet[20:68, 20:84] = rng.integers(0, 200, (48, 64))
    hints = [Hint(40, 30, "#c03020", 6), Hint(2, 2, "#c03020", 1)]  # the second is on the mount
    result = pixels(colorzoo.load("toy-hints").colorize(sheet, hints=hints))
    red = result[..., 0] - result[..., 2] > 40
    rows, columns = np.nonzero(red)
    assert abs(rows.mean() - 30) < 2 and abs(columns.mean() - 40) < 2
    with pytest.raises(colorzoo.ConfigError, match="hint 1 is at .104, 5., outside the photo"):
        colorzoo.load("toy-hints").colorize(sheet, hints=[Hint(104, 5, "red")])


def test_a_reference_lends_its_colour():
    result = pixels(colorzoo.load("toy-exemplar").colorize("photo.png", reference="red.png"))
    assert (result[..., 0] > result[..., 2] + 20).all()


@every_kind
def test_what_a_model_cannot_do_is_one_sentence(name):
    model = colorzoo.load(name)
    for other, (options, _) in ASKED.items():
        for option, value in options.items():
            if option in model.options:
                continue
            with pytest.raises(colorzoo.ConfigError) as error:
                model.colorize("photo.png", **{option: value})
            words = str(error.value)
            assert words.startswith(f"{name} does not support {option}; ")
            assert other in words or words.count(", ") == 5  # it names six models at most
    with pytest.raises(TypeError, match="no option sed; the options are hints, reference, seed"):
        model.colorize("photo.png", sed=3)


def test_compare_gives_each_option_to_those_that_take_it():
    asked = {"seed": 3, "hints": ASKED["toy-hints"][0]["hints"]}
    results = colorzoo.compare("photo.png", models=toy_families.NAMES, **asked)
    assert list(results) == list(toy_families.NAMES)
    for name, result in results.items():
        model = colorzoo.load(name)
        expected = model.colorize("photo.png", **model.taken(**asked))
        assert (pixels(result) == pixels(expected)).all()
    with pytest.raises(
        colorzoo.ConfigError, match="toy-bins does not support steps; flow, toy-diffusion"
    ):
        colorzoo.compare("photo.png", models=["toy-bins", "toy-hints"], steps=3)


@every_asked
def test_command_line(name):
    options, arguments = ASKED[name]
    run = CliRunner().invoke(
        cli, ["colorize", "photo.png", "-o", "out.png", "--model", name, *arguments]
    )
    assert run.exit_code == 0, run.output
    expected = pixels(colorzoo.load(name).colorize("photo.png", **options))
    assert (pixels("out.png") == expected).all()
    sheet = ["compare", "photo.png", "-o", "sheet.png", "--model", name, *arguments]
    assert CliRunner().invoke(cli, sheet).exit_code == 0 and Path("sheet.png").is_file()
    if "hints" in options:  # every model follows them
        return
    refused = CliRunner().invoke(
        cli, ["colorize", "photo.png", "-o", "no.png", "--model", "unet", *arguments]
    )
    assert refused.exit_code == 1 and not Path("no.png").exists()
    assert "unet does not support" in refused.output and name in refused.output


@every_asked
def test_resuming_tells_options_apart(name):
    options, arguments = ASKED[name]
    command = ["colorize", "photo.png", "-o", "out.png", "--model", name, "--report", "r.jsonl"]
    assert CliRunner().invoke(cli, [*command, *arguments]).exit_code == 0
    again = CliRunner().invoke(cli, [*command, *arguments, "--resume"])
    assert again.exit_code == 0 and "1 skipped" in again.output
    other = CliRunner().invoke(cli, [*command, "--resume"])
    assert other.exit_code == 1 and f"was made with {sorted(options)[0]}" in other.output
    assert json.loads(Path("r.jsonl").read_text().splitlines()[0])["model"] == name


@every_kind
def test_batches_of_rows(name):
    options = ASKED.get(name, ({}, []))[0]
    sent = pickle.dumps(Colorize(name, **options))  # as it reaches a worker
    colorize = pickle.loads(sent)  # noqa: S301
    rows = colorize({"path": ["photo.png", "missing.png"]})
    assert rows["error"][0] == "" and "no such file" in rows["error"][1]
    Path("row.png").write_bytes(rows["coloured"][0])
    expected = colorzoo.load(name).colorize("photo.png", **options)
    assert (pixels("row.png") == pixels(expected)).all()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("toy-flow", "its network needs seed, steps besides lightness"),
    ],
)
def test_what_onnx_cannot_hold_is_refused(name, reason):
    with pytest.raises(colorzoo.ConfigError, match=f"{name} cannot be exported to ONNX: {reason}"):
        export(colorzoo.load(name), "toy.onnx")
    assert not Path("toy.onnx").exists()


@pytest.mark.parametrize("name", ["toy-bins", "toy-foreign"])
def test_onnx(name):
    pytest.importorskip("onnxruntime", reason="needs colorzoo[onnx]")
    model = colorzoo.load(name)
    export(model, "toy.onnx")
    plain = pixels(model.colorize("photo.png"))
    assert np.abs(pixels(colorzoo.load("toy.onnx").colorize("photo.png")) - plain).max() <= 1


@every_kind
def test_save_and_load(name, tmp_path):
    model = colorzoo.load(name)
    model.save_pretrained(tmp_path / "saved")
    options = ASKED.get(name, ({}, []))[0]
    expected = pixels(model.colorize("photo.png", **options))
    for again in (
        colorzoo.load(tmp_path / "saved"), type(model).from_pretrained(tmp_path / "saved")
    ):  # fmt: skip
        assert again.options == model.options
        assert (pixels(again.colorize("photo.png", **options)) == expected).all()


def test_foreign_names_are_converted(tmp_path):
    model = colorzoo.load("toy-foreign")
    model.save_pretrained(tmp_path / "foreign")
    weights = tmp_path / "foreign" / "model.safetensors"
    save_file({f"params.net.{key}": value for key, value in model.state_dict().items()}, weights)
    again = colorzoo.load(tmp_path / "foreign")
    assert (pixels(again.colorize("photo.png")) == pixels(model.colorize("photo.png"))).all()
    save_file({"params.net.layer.weight": model.layer.weight.detach().clone()}, weights)
    with pytest.raises(colorzoo.WeightsError, match="layer.bias is missing"):
        colorzoo.load(tmp_path / "foreign")


def test_push_and_load_from_the_hub(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from helpers import toy_families
toy_families.register()
gray = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
same = []
for name in toy_families.NAMES:
    model = colorzoo.create_model(name)
    commit = model.push_to_hub(f"ann/{{name}}", token="hf_ann")
    again = colorzoo.load(f"ann/{{name}}", revision=commit.oid, cache_dir=cache)
    pictures = [np.asarray(each.colorize(gray)).astype(int) for each in (model, again)]
    same.append(int(np.abs(pictures[0] - pictures[1]).max()) <= 1)
result = same
"""
    with HubServer() as server:
        client = Client(server.url, tmp_path / "home")
        try:
            assert client.run(code, cache=str(tmp_path / "cache")) == [True] * len(
                toy_families.NAMES
            )
        finally:
            client.close()


@every_kind
def test_the_app_s_api(name, tmp_path, monkeypatch):
    pytest.importorskip("gradio", reason="the demo needs colorzoo[demo]")
    from webapp import api, uploads
    from webapp import models as zoo

    monkeypatch.setattr(uploads, "get_upload_folder", lambda: str(tmp_path))
    monkeypatch.setattr(zoo, "_loaded", {})
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    asked, options = ASKED.get(name, ({}, []))[0], {}
    sent = {
        "seed": asked.get("seed", zoo.NOT_SAMPLED),
        "vividness": asked.get("vividness", zoo.VIVIDNESS),
        "steps": asked.get("steps", 0),
        "hints": [[20, 10, "#c03020", 6]] if "hints" in asked else [],
        "reference": {"path": str(tmp_path / "red.png")} if "reference" in asked else None,
    }
    photo = {"path": str(tmp_path / "photo.png")}
    fixed = {"saturation": 1, "strength": 1, "work_size": 0}
    options = asked | ({"reference": str(tmp_path / "red.png")} if "reference" in asked else {})
    for _ in range(2):  # the second time, from the predictions that are kept
        result = api.colorize(photo, name, **fixed, **sent)
        expected = colorzoo.load(name).colorize("photo.png", **options)
        assert np.abs(pixels(result) - pixels(expected)).max() <= 1
    listed = {each["name"]: each["options"] for each in api.models()}
    assert listed[name] == sorted(colorzoo.load(name).options)
    sent.pop("seed")
    pictures, report = api.compare(photo, [name, "toy-foreign"], **fixed, samples=2, **sent)
    samples = [label for _, label in pictures if label.startswith(f"{name} ")]
    assert len(samples) == (2 if "seed" in colorzoo.load(name).options else 0)
    different = {tuple(pixels(path).ravel()) for path, label in pictures if label in samples}
    assert len(different) == len(samples) and "toy-foreign" in report


def test_options_are_part_of_the_signature():
    """What a type checker reads: ``colorize`` takes what Options lists."""
    hints = colorzoo.Colorizer.colorize.__annotations__["options"]
    assert SimpleNamespace(args=hints.__args__).args == (colorzoo.Options,)
