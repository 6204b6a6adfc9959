"""Many visitors at once, for a short time; `python tests/demo_load.py` is the long version."""

import pytest

pytest.importorskip("gradio", reason="the demo needs colorzoo[demo]")
psutil = pytest.importorskip("psutil")

from demo_load import load  # noqa: E402


@pytest.mark.slow
@pytest.mark.timing
def test_twenty_visitors_at_once_lose_nothing(demo):
    report = load(demo, users=20, seconds=5, settle=7)
    told = "\n".join(report.lines())
    assert not report.lost and not report.foreign, told
    assert len(report.seconds) >= 20, told
    assert max(report.page_seconds) < 5, told
    assert report.megabytes[-1] - report.megabytes[0] < 150, told
