"""What the README shows is what the code does."""

import re

import numpy as np
from PIL import Image

import colorzoo
from colorzoo.metrics import PROTOCOL
from train.readme import END, GRID, START, draw_grid, results_table, update_readme


def test_the_table_is_that_of_the_bundled_weights(root):
    shown = (root / "README.md").read_text().partition(START)[2].partition(END)[0]
    assert shown == results_table()
    for name in colorzoo.list_models(pretrained=True):
        metrics = colorzoo.model_info(name).metrics
        assert metrics is not None
        assert metrics["protocol"] == PROTOCOL
        assert f"| `{name}` |" in shown and f"{metrics['scores']['psnr']:.2f}" in shown


def test_update_readme_replaces_what_is_between_the_marks(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{START}old\n{END}\nafter\n")
    assert update_readme(path)
    assert path.read_text() == f"before\n{START}{results_table()}{END}\nafter\n"
    assert not update_readme(path)


def test_the_grid_is_what_the_weights_draw(root, tmp_path):
    draw_grid(tmp_path / "grid.jpg")
    with Image.open(tmp_path / "grid.jpg") as drawn, Image.open(root / GRID) as shown:
        assert drawn.size == shown.size
        difference = np.asarray(drawn).astype(int) - np.asarray(shown)
        assert np.abs(difference).mean() < 1.5  # other hardware rounds otherwise
    assert (root / GRID).stat().st_size < 400_000


def test_the_python_example_runs_as_shown(root, tmp_path, monkeypatch, jpeg):
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    with Image.open("coloured.jpg") as result, Image.open("photo.jpg") as photo:
        assert result.size == photo.size
    promised = re.search(r"list_models\(pretrained=True\) +# (\[.*\])", example)
    assert promised and set(eval(promised[1])) <= set(colorzoo.list_models(pretrained=True))
