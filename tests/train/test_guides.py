"""Tables and plots of the guides are written from the metrics.json of the models."""

from types import SimpleNamespace

import pytest

from colorzoo.evaluation.guided import COUNTS
from train.upkeep import guides

HINTS = {
    "plain": {"photos": 9, "counts": list(COUNTS), "psnr": [23.0 + i / 2 for i in range(8)]},
    "trained": {"photos": 9, "counts": list(COUNTS), "psnr": [22.9 + i for i in range(8)]},
}
SAMPLES = {
    "plain": {
        "psnr": [20.1, 21.7, 22.9], "auc": [88.0, 89.0, 90.0], "cf": 53.4, "delta_cf": 9.8,
        "ab_distance": 11.74,
    }
}  # fmt: skip


def test_the_table_of_hints_shows_gains_best_first():
    rows = guides.hints_text(HINTS).splitlines()
    assert rows[2] == (
        "| `trained` | 22.90 dB | +1.00 | +2.00 | +3.00 | +4.00 | +5.00 | +6.00 | +7.00 |"
    )
    assert rows[3].startswith("| `plain` | 23.00 dB | +0.50 |")
    assert rows[4].startswith("| siggraph17, published | 24.43 dB | +0.94 |")
    assert "9 test photos" in rows[-1]


def test_the_table_of_samples_shows_all_scores():
    rows = guides.samples_text(SAMPLES).splitlines()
    assert rows[2] == "| `plain` | 20.10 | 21.70 | 22.90 | 53.4 | 9.8 | 11.7 |"
    assert "an oracle" in rows[-1] and "L2" in rows[-1]


def test_the_guides_are_those_of_the_models(monkeypatch, tmp_path):
    """Models that were not measured in this way are left out; without any, nothing is written."""
    pages = {}
    for kind in ("HINTS", "SAMPLES"):
        pages[kind] = tmp_path / f"{kind}.md"
        start, end = (getattr(guides, f"{kind}_{which}") for which in ("START", "END"))
        pages[kind].write_text(f"before\n{start}old\n{end}\nafter\n")
        monkeypatch.setattr(guides, f"{kind}_PAGE", pages[kind])
    monkeypatch.setattr(guides, "HINTS_PLOT", tmp_path / "hints.png")

    def update(**reports):
        infos = [SimpleNamespace(name=name, metrics=found) for name, found in reports.items()]
        monkeypatch.setattr(guides, "shown", lambda: infos)
        return guides.update_guides()

    assert update(none={}) == []
    written = update(plain={"hints": HINTS["plain"], "samples": SAMPLES["plain"]}, other={})
    assert written == [pages["HINTS"], tmp_path / "hints.png", pages["SAMPLES"]]
    assert update(plain={"hints": HINTS["plain"], "samples": SAMPLES["plain"]}) == []
    assert guides.hints_text({"plain": HINTS["plain"]}) in pages["HINTS"].read_text()
    assert guides.samples_text(SAMPLES) in pages["SAMPLES"].read_text()
    assert (tmp_path / "hints.png").read_bytes().startswith(b"\x89PNG")
    for page in pages.values():
        assert page.read_text().startswith("before\n") and page.read_text().endswith("after\n")
    pages["HINTS"].write_text("no markers\n")
    with pytest.raises(ValueError, match="hints"):
        update(plain={"hints": HINTS["plain"]})


@pytest.mark.parametrize("kind", ["hints", "samples"])
def test_the_pages_have_the_markers_and_the_tables_of_the_bundled_models(kind, root):
    page, start, end = (
        getattr(guides, f"{kind.upper()}_{which}") for which in ("PAGE", "START", "END")
    )
    _, first, rest = (root / page).read_text().partition(start)
    text, last, _ = rest.partition(end)
    assert first and last
    found = {info.name: info.metrics[kind] for info in guides.shown() if kind in info.metrics}
    assert found and text == getattr(guides, f"{kind}_text")(found)
