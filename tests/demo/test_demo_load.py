"""Many visitors at once, for a short time; `python tests/demo_load.py` is the long version."""

import pytest

psutil = pytest.importorskip("psutil")

from demo_load import load  # noqa: E402


def test_a_few_visitors_at_once_lose_nothing(demo):
    report = load(demo, users=4, seconds=1, settle=0)
    told = "\n".join(report.lines())
    assert not report.lost and not report.foreign, told
    assert len(report.seconds) >= 4, told


@pytest.mark.slow
@pytest.mark.timing
def test_twenty_visitors_at_once_lose_nothing(demo):
    report = load(demo, users=20, seconds=5, settle=7)
    told = "\n".join(report.lines())
    assert not report.lost and not report.foreign, told
    assert len(report.seconds) >= 20, told
    assert max(report.page_seconds) < 5, told
    assert report.megabytes[-1] - report.megabytes[0] < 150, told


@pytest.mark.slow
@pytest.mark.timing
def test_visitors_lose_nothing_while_one_misbehaves(demo):
    report = load(demo, users=19, seconds=5, settle=0, pest_side=1000)
    told = "\n".join(report.lines())
    assert not report.lost and not report.foreign, told
    assert len(report.seconds) >= 19, told
    assert max(report.page_seconds) < 5, told
    assert report.pestered["an aborted upload"] > 0, told
