"""The README's section on speed is written from timings."""

import pytest

from colorzoo.evaluation.benchmark import FLOOR, LOADS, Timing
from train.upkeep.speed import END, START, speed_text, update_page

FOUND = [
    Timing(FLOOR, 1.0, 1155, 866, 14.0, 14.0, 1.0, 71.0, 200.0),
    Timing("unet", 1.0, 1155, 866, 70.0, 14.0, 5.0, 14.0, 400.0, 21.4),
    Timing("unet", 1.0, 1155, 866, 90.0, 14.0, 6.4, 11.0, 401.0, 30.0, LOADS[1]),
]


def test_every_model_has_a_row_and_the_floor_none(tmp_path):
    text = speed_text(FOUND, "abacus, 2 threads")
    assert "| 1 | unet |  | 70 | 21 | 5.0 | 400 |" in text
    assert f"| 1 | unet | {LOADS[1]} | 90 | 30 | 6.4 | 401 |" in text
    assert FLOOR not in text and "abacus, 2 threads" in text and "grain" in text
    page = tmp_path / "README.md"
    page.write_text(f"before\n{START}old\n{END}\nafter\n")
    assert update_page(text, page) and not update_page(text, page)
    assert page.read_text() == f"before\n{START}{text}{END}\nafter\n"


def test_the_readme_has_the_markers(root):
    text = (root / "README.md").read_text()
    assert text.count(START) == text.count(END) == 1


def test_a_page_without_markers_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("no markers\n")
    with pytest.raises(ValueError, match="speed"):
        update_page(speed_text(FOUND, "abacus"), tmp_path / "README.md")
