"""Signals: deferred during a run, obeyed at once before it and when they repeat."""

import os
import signal

import pytest
from helpers.jobs import colorize

from colorzoo import loading
from colorzoo.jobs.signals import Interrupts

pytestmark = pytest.mark.usefixtures("two_threads")


def test_a_second_interrupt_does_not_wait(monkeypatch):
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    with Interrupts() as interrupts:
        is_stopped = interrupts.defer()
        assert not is_stopped()
        signal.raise_signal(signal.SIGTERM)
        assert is_stopped() and not ends
        signal.raise_signal(signal.SIGINT)
    assert ends == [130]


def test_an_interrupt_before_the_run_ends_the_command_at_once(album, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "load", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    result = colorize(album, "-o", tmp_path / "out")
    assert result.code == 143 and result.err == ["stopped: by a signal"]
