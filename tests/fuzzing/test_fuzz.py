"""Damaged files by the thousand: nothing but colorzoo's own errors may come of them.

``make fuzz`` runs more of them, with another seed if asked.
"""

import os
import sys

import pytest

from fuzzing import CORPUS
from fuzzing.cases import TARGETS, Planted
from fuzzing.watchdog import fuzz
from fuzzing.worker import make_case

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory in /proc")


# A tenth of the cases, and the others in the slow tier.
CASES = [("pictures", 16_000), ("weights", 2_000), ("configs", 2_000)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("target", "start", "stop"),
    [
        *((target, 0, cases // 10) for target, cases in CASES),
        *(
            pytest.param(target, cases // 10, cases, marks=pytest.mark.slow)
            for target, cases in CASES
        ),
    ],
)
def test_nothing_but_our_own_errors(target, start, stop, root):
    report, cases = fuzz(target, 0, start, stop, root / "runs" / "fuzz"), stop - start
    print(f"{target}: {report}")
    assert report.outcomes.total() == cases
    assert not report.finds, str(report)
    # Damage that is always, or never, fatal would only try the first lines of a reader.
    assert 0.03 < report.outcomes["accepted"] / cases < 0.7, report.outcomes


def test_the_watchdog_sees_all_that_it_is_there_for(tmp_path):
    slow = Planted.KINDS.index("loop")
    report = fuzz("planted", 0, 0, slow, tmp_path)
    waited = fuzz("planted", 0, slow, len(Planted.KINDS), tmp_path, seconds=0.5)
    finds = report.finds + waited.finds
    expected = {
        "crash": "crash: the process ended with -11: SIGSEGV",
        "swallowed": "memory: an allocation failed",
        "foreign": "foreign exception:\nTraceback",
        "unprintable": "message: a message that cannot be printed",
        "noise": "warning: RuntimeWarning of __init__.py",
        "memory": "memory: 1,1",
        "exit": "crash: the process ended with 0",
        "loop": "hang: more than 0.5 s",
        "hang": "hang: more than 0.5 s",
    }
    assert [Planted.KINDS[find.number] for find in finds] == list(expected)
    for find, (kind, what) in zip(finds, expected.items(), strict=True):
        assert find.what.startswith(what)
        assert find.file.read_text() == kind
        assert f"--case {find.number}" in str(find) and str(find.file) in str(find)
    assert report.outcomes["accepted"] == 3  # the fine one, the warning, and the large one
    assert report.outcomes.total() + waited.outcomes.total() == len(Planted.KINDS)


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"planted"}))
def test_a_case_is_the_same_file_every_time(name):
    first, again, other = (
        [make_case(target, seed, number) for number in range(20)]
        for target, seed in ((TARGETS[name](), 1), (TARGETS[name](), 1), (TARGETS[name](), 2))
    )
    assert first == again != other
    assert len({data for data, _ in first}) > 15


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"planted"}))
def test_what_is_mutated_is_accepted_whole(name):
    target = TARGETS[name]()
    whole = getattr(target, "corpus", None) or {name: getattr(target, "original", b"")}
    for data in whole.values():
        target.run(data)


def test_the_corpus_stays_small():
    sizes = [path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()]
    assert len(sizes) > 30 and sum(sizes) < 100_000 and os.fspath(CORPUS)
