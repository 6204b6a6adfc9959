"""What the commands that colour many photos print and report of a run."""

from collections import Counter
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, get_args

from colorzoo.cli._console import ERR, note
from colorzoo.cli._words import in_words
from colorzoo.errors import as_given

if TYPE_CHECKING:
    from colorzoo.jobs.left_out import LeftOut
    from colorzoo.jobs.plan import Outcome, Status
    from colorzoo.jobs.report import RunReport

_WORDS = {"done": "coloured", "left": "not attempted"}  # on the screen


class Run:
    """Prints and reports the outcomes so far.

    Args:
        left_out: What the run leaves out; it is noted at once and summed up at the end.
        always: The counts that are printed even if they are 0.
    """

    def __init__(self, left_out: "LeftOut", *, always: "Collection[Status]") -> None:
        """Print the notes."""
        from colorzoo.jobs.plan import STOPPED

        note(left_out.notes())
        self.report: RunReport | None = None  # closed by ``close``
        self.is_good = True
        self._left_out, self._always = left_out, always
        self._counts: Counter[Status] = Counter()
        self._told: set[str | None] = {STOPPED}  # this reason is printed at the end

    def add(self, outcome: "Outcome") -> None:
        """Print what went wrong and what is to be noted, and write the report's line."""
        self._counts[outcome.status] += 1
        if outcome.status in ("failed", "left"):
            self.is_good = False
            if outcome.reason not in self._told:
                word = _WORDS.get(outcome.status, outcome.status)
                reason = as_given(in_words(outcome.reason or ""), outcome.job.source)
                ERR.print(f"{word}: {reason}", style="red", soft_wrap=True)
        if outcome.status == "left":  # print a shared reason only once
            self._told.add(outcome.reason)
        if outcome.status in ("done", "skipped"):
            note(f"{outcome.job.source}: {each}" for each in outcome.notes)
        self._write(lambda report: report.add(outcome))

    def finish(self, place: object) -> str:
        """Finish the report and return the summary as text.

        Args:
            place: Where the outputs are.
        """
        from colorzoo.jobs.plan import Status

        self._write(lambda report: report.finish(self._left_out.kinds))
        counts = ", ".join(
            f"{self._counts[status]} {_WORDS.get(status, status)}"
            for status in get_args(Status)
            if self._counts[status] or status in self._always
        )
        return f"{counts}, in {place}{self._left_out.in_words()}"

    def close(self) -> None:
        """Close the report, and remove it if the run began it and ended before the first line."""
        if self.report is not None:
            self.report.close()

    def _write(self, what: "Callable[[RunReport], None]") -> None:
        try:
            if self.report is not None:
                what(self.report)
        except OSError as error:  # colour the remaining photos without a report
            self.report, self.is_good = None, False
            message = f"failed: the report cannot be continued ({error.strerror})"
            ERR.print(message, style="red", soft_wrap=True)
