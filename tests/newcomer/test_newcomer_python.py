"""Calls that a newcomer tries, without reading the source; with the commands, over forty."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import colorzoo
from colorzoo.cli import app


def same(one: Image.Image, other: Image.Image) -> bool:
    return (np.asarray(one) == np.asarray(other)).all()


def test_one_photo_in_every_form(here, model):
    colorizer = model[0]
    pixels = np.asarray(here)
    expected = colorizer.colorize(pixels)
    stream = io.BytesIO()
    here.save(stream, "PNG")  # its position is at the end now
    planes = torch.tensor(pixels).permute(2, 0, 1)
    for form in (here, stream, stream.getvalue(), planes, planes.float() / 255, planes.to("cpu")):
        assert same(colorizer.colorize(form), expected)
    stream.seek(0)
    assert same(colorizer.colorize(stream), expected)
    gray = torch.rand(1, 20, 30)
    assert colorizer.colorize(gray).size == colorizer.colorize(gray[0]).size == (30, 20)
    assert colorizer.colorize(gray.to(torch.bfloat16)).size == (30, 20)
    for path in ("photo.jpg", Path("photo.jpg")):
        assert colorzoo.colorize(path, model="./mine").size == here.size


def test_many_photos_lazily(here, model):
    colorizer = model[0]
    paths = ["photo.jpg", Path("album/a.jpg")]
    images = list(colorizer.colorize_batch(paths))
    assert [image.info["source"] for image in images] == ["photo.jpg", "album/a.jpg"]
    assert same(images[0], colorizer.colorize("photo.jpg"))
    asked = []

    def endless():
        while True:
            asked.append("photo.jpg")
            yield asked[-1]

    results = colorizer.colorize_batch(endless(), seed=3)
    assert not asked
    assert same(next(results), colorizer.colorize("photo.jpg", seed=3)) and len(asked) == 1
    Path("album/letter.jpg").write_text("Dear aunt,")
    with pytest.warns(UserWarning, match="skipped: album/letter.jpg: is not a JPEG"):
        found = [each.info["source"] for each in colorzoo.colorize_batch("album", model="./mine")]
    assert found == ["album/a.jpg", "album/sub/b.png"]
    batch = torch.rand(3, 3, 20, 30)
    assert [each.size for each in colorizer.colorize_batch(batch, batch_size=2)] == [(30, 20)] * 3
    assert len(list(colorizer.colorize_batch([np.zeros((2, 9, 9, 3)), "photo.jpg"]))) == 3
    assert len(list(colorizer.colorize_batch("photo.jpg"))) == 1


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (["photo.jpg"], r"expected one picture, got several \(list\): colorize_batch\(\) takes"),
        ("album", "expected one picture, got a folder: colorize_batch"),
        (torch.rand(2, 3, 9, 9), "got several .Tensor.: colorize_batch"),
        (torch.rand(9, 20, 3), r"tensor: has shape \(9, 20, 3\).*tensor.permute\(2, 0, 1\)"),
        (torch.rand(3, 9, 9) * 255, "float values from .*expected 0 to 1"),
        (torch.zeros(3, 9, 9, dtype=torch.int64), "dtype torch.int64, expected .*uint8"),
        (7, "cannot read a picture from builtins.int; pass a path.* or a PyTorch tensor"),
    ],
)
def test_what_is_no_photo_is_told(here, model, source, told):
    with pytest.raises(colorzoo.ImageError, match=told):
        model[0].colorize(source)


def test_wrong_batches_are_told_at_once(here, model):
    with pytest.raises(colorzoo.ConfigError, match="batch_size must be a whole number from 1"):
        model[0].colorize_batch(["photo.jpg"], batch_size=0)
    with pytest.raises(colorzoo.ConfigError, match="does not support steps"):
        model[0].colorize_batch(["photo.jpg"], steps=3)
    with pytest.raises(colorzoo.ImageError, match="got a dict; pass its values"):
        list(model[0].colorize_batch({"a": "photo.jpg"}))
    with pytest.raises(colorzoo.ImageError, match="gone.jpg: there is no such file"):
        list(model[0].colorize_batch(["gone.jpg"]))


def test_load_takes_what_calls_take(here, model):
    plain, folder = model
    ready = colorzoo.load(
        folder, work_size=48, temperature=0.9, seed=5, device="auto", dtype="float32"
    )
    expected = plain.colorize("photo.jpg", work_size=48, temperature=0.9, seed=5)
    assert same(ready.colorize("photo.jpg"), expected)
    assert not same(plain.colorize("photo.jpg"), expected)
    other = ready.colorize("photo.jpg", seed=6)  # the call decides
    assert same(other, plain.colorize("photo.jpg", work_size=48, temperature=0.9, seed=6))
    said = ready.predict("photo.jpg")
    assert same(ready.render("photo.jpg", said), expected)
    assert colorzoo.load(folder, dtype="float16").dtype == torch.float16
    for wrong, told in (
        ({"dtype": "half"}, "dtype must be float32, float16 or bfloat16, got 'half'"),
        ({"work_size": 7}, "work_size must be"),
        ({"temperature": -1}, "temperature must be above 0"),
        ({"steps": 3}, "does not support steps"),
    ):
        with pytest.raises(colorzoo.ConfigError, match=told):
            colorzoo.load(folder, **wrong)


def test_the_base_class_finds_the_family(here, model):
    found = colorzoo.Colorizer.from_pretrained("mine")
    assert type(found) is type(model[0])
    assert type(colorzoo.Colorizer.from_pretrained("unet")).__name__ == "UNet"
    with pytest.raises(colorzoo.UnknownModelError, match="Did you mean unet"):
        colorzoo.Colorizer.from_pretrained("unte")


def test_predict_batch_and_compare_take_what_colorize_takes(here, model):
    said = model[0].predict_batch(["photo.jpg", here, torch.rand(3, 20, 30)])
    assert len(said) == 3
    assert same(model[0].render("photo.jpg", said[0]), model[0].colorize("photo.jpg"))
    assert list(colorzoo.compare("photo.jpg", models="./mine")) == ["./mine"]
    assert list(colorzoo.compare("photo.jpg", models=[Path("mine")])) == ["mine"]


def test_saving_tells_what_is_wrong(here):
    with pytest.raises(colorzoo.ImageError, match=r"the image comes first, as in save_image"):
        colorzoo.save_image("out.png", here)  # pyright: ignore[reportArgumentType]
    with pytest.raises(colorzoo.ImageError, match="got a NumPy array .Image.fromarray makes"):
        colorzoo.save_image(np.asarray(here), "out.png")  # pyright: ignore[reportArgumentType]
    with pytest.raises(colorzoo.ImageError, match="got the path 'photo.jpg'"):
        colorzoo.save_image("photo.jpg", "out.png")  # pyright: ignore[reportArgumentType]


def test_warnings_point_to_the_line_of_the_caller(here, model):
    frames = [Image.new("L", (20, 20), value) for value in (10, 200)]
    frames[0].save("two.gif", save_all=True, append_images=frames[1:])
    here.info["photoshop"] = {0x0404: b"iptc"}
    calls = (
        lambda: model[0].colorize("two.gif"),
        lambda: colorzoo.colorize("two.gif", model="./mine"),
        lambda: list(model[0].colorize_batch(["two.gif"])),
        lambda: model[0].predict_batch(["two.gif"]),
        lambda: colorzoo.compare("two.gif", models="./mine"),
        lambda: colorzoo.model_info("mobilenetv2-bins"),
    )
    for call in calls:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        assert caught and {each.filename for each in caught} == {__file__}


CELL = """
@colorzoo.register_model("notebook", summary="Nothing", year=2026)
class Nothing(colorzoo.Colorizer):
    def __init__(self, *, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)

    def forward(self, lightness):
        return {factor} * lightness.expand(-1, 2, -1, -1)
"""


def test_a_cell_of_a_notebook_can_be_run_again(here, scratch_registry):
    names = {"__name__": "__main__", "colorzoo": colorzoo}
    for factor in (0, 1):
        exec(CELL.format(factor=factor), names)
        assert colorzoo.model_info("notebook").family is names["Nothing"]
    assert np.ptp(np.asarray(colorzoo.create_model("notebook").colorize(here)), axis=-1).max() > 0
    with pytest.raises(ValueError, match="two models are named 'notebook'"):
        exec(CELL.format(factor=0), {**names, "__name__": "elsewhere"})
    with pytest.raises(ValueError, match="two models are named 'unet'"):
        exec(CELL.replace("notebook", "unet").format(factor=0), names)


def test_a_family_without_parameters_works_everywhere(here, scratch_registry, tmp_path):
    """It has no docstring either."""
    names = {"__name__": "__main__", "colorzoo": colorzoo}
    exec(CELL.format(factor=0), names)
    made = colorzoo.create_model("notebook")
    made.save_pretrained("none")
    assert made.parameter_count == 0
    for each in (made, colorzoo.load("./none", dtype="bfloat16")):
        assert each.colorize("photo.jpg").size == here.size
    for words in (["info", "notebook"], ["evaluate", "./none", "album"]):
        told = CliRunner().invoke(app, words)
        assert told.exit_code == 0, told.output
