"""What all models with weights of others share: the authors' own protocol, and how they are pinned.

The protocol is computed once more with scikit-image and Pillow.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.layouts import NAMES, layout
from helpers.model_tester import create_vivid
from PIL import Image
from skimage import color, transform

import colorzoo
from colorzoo import Hint
from colorzoo.models._published import renamed

every_name = pytest.mark.parametrize("name", NAMES)


def original(name, model, rgb, side):
    """What the authors' code does around the network."""
    if name.startswith("ddcolor"):
        whole = rgb.astype(np.float32) / 255
        square = transform.resize(whole, (side, side), order=1, mode="edge", anti_aliasing=False)
    else:
        square = np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC))
    small = torch.from_numpy(color.rgb2lab(square)[..., 0]).float()[None, None]
    with torch.inference_mode():
        ab = model.predict_ab(small)[0].permute(1, 2, 0).numpy()
    if name.startswith("ddcolor"):
        rows, columns = (np.arange(each) * side // each for each in rgb.shape[:2])
        ab = ab[rows][:, columns]
    else:
        ab = transform.resize(ab, rgb.shape[:2], order=1, mode="edge", anti_aliasing=False)
    lab = np.concatenate((color.rgb2lab(rgb)[..., :1], ab), axis=2)
    return np.round(color.lab2rgb(lab) * 255).astype(int)


@every_name
def test_exact_is_the_authors_protocol(name, coffee):
    bordered = np.full((190, 300, 3), 255, np.uint8)  # the authors do not look for borders
    bordered[10:-10, 20:-20] = coffee[50:220, :260]
    model = create_vivid(name, exact=True)
    expected = original(name, model, bordered, 64)
    found = np.asarray(model.colorize(bordered)).astype(int)
    assert np.ptp(expected, axis=2).mean() > 5
    assert np.abs(found - expected).mean() < 0.05 and np.abs(found - expected).max() <= 2
    larger = np.asarray(model.colorize(bordered, work_size=96)).astype(int)
    assert np.abs(larger - original(name, model, bordered, 96)).mean() < 0.05
    assert model.config["exact"] is True
    ours = np.asarray(create_vivid(name).colorize(bordered)).astype(int)
    assert np.abs(ours - found).mean() > 0.5
    assert np.ptp(ours[:5], axis=-1).max() == 0  # the border stays gray


@every_name
def test_exact_takes_a_batch_and_a_saturation(name, coffee, tmp_path):
    create_vivid(name).save_pretrained(tmp_path)
    family = colorzoo.model_info(name).family
    model = family.from_pretrained(tmp_path, exact=True)  # as the cards say
    photos = [colorzoo.read_photo(each) for each in (coffee, coffee[:100], coffee)]
    together = model.predict_batch(photos)
    assert {said.lightness.shape for said in together} == {(1, 1, 64, 64)}
    for photo, said in zip(photos, together, strict=True):
        one = np.asarray(model.render(photo, said)).astype(int)
        assert np.abs(one - np.asarray(model.colorize_photo(photo)).astype(int)).max() <= 1
    gray = np.asarray(model.render(photos[0], together[0], saturation=0.0)).astype(int)
    assert np.ptp(gray, axis=2).max() <= 1
    with pytest.raises(ValueError, match="saturation"):
        model.render(photos[0], together[0], saturation=-1)
    model.save_pretrained(tmp_path)
    assert colorzoo.load(tmp_path).config["exact"] is True


def test_hints_are_placed_in_the_square(coffee):
    model = create_vivid("siggraph17", exact=True)
    plain, hinted = (
        model.ab_of(model.predict(colorzoo.read_photo(coffee), hints=hints))
        for hints in (None, [Hint(450, 100, "#c03020", 40)])
    )
    difference = (plain - hinted).abs().sum(dim=(0, 1))
    row, column = divmod(int(difference.argmax()), 64)
    assert abs(row - 16) < 6 and abs(column - 48) < 6


@every_name
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_says_nearly_the_same(name, dtype, camera):
    photo = colorzoo.read_photo(camera[::4, ::4])
    model = create_vivid(name)
    whole = model.ab_of(model.predict(photo))
    half = model.to(dtype)
    rounded = half.ab_of(half.predict(photo))
    assert rounded.isfinite().all() and whole.std() > 0.1
    tolerance = 0.02 if dtype == torch.float16 else 0.15
    assert (rounded - whole).abs().mean() < tolerance * whole.abs().mean()


@every_name
def test_weights_are_pinned(name):
    published = colorzoo.model_info(name).published
    assert published is not None
    assert published.licence in ("Apache-2.0", "BSD-2-Clause")
    assert published.page.startswith("https://github.com/")
    assert published.numbers and published.numbers_source
    # Half a kilobyte per tensor is names and padding.
    tensors = layout(name)
    stored = sum(4 * int(np.prod(shape)) for shape in tensors.values())
    assert 0 < published.size - stored < 512 * len(tensors)
    if published.url:  # the last part starts with the hash, by which torch.hub checks such files
        assert published.sha256[:8] in published.file


def test_rules_apply_in_order_and_clashes_are_errors():
    state = {"a.b.weight": torch.zeros(1), "a.c": torch.ones(1), "other": torch.ones(2)}
    found = renamed(state, [(r"a\.b\.", "x."), (r"a\.", "y.")], dropped=["oth"])
    assert list(found) == ["x.weight", "y.c"]
    assert renamed(state, []) == state
    with pytest.raises(ValueError, match="two tensors of the checkpoint are named a.c, one as"):
        renamed(state, [(r"other", "a.c")])


def test_recognizing_does_not_import_pytorch_s_compiler(root):
    """It takes seconds, and a file is compared with every family."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "import colorzoo; from helpers.layouts import NAMES, layout\n"
        "found = [colorzoo.model_info(name).family.recognize(layout(name)) for name in NAMES]\n"
        "print(None not in found, 'torch._dynamo' in sys.modules, 'timm' in sys.modules)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert told.stdout.split() == ["True", "False", "False"]
