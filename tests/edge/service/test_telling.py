"""Errors become one line that may be logged."""

from __future__ import annotations

import pytest

from faceguard.edge.service import telling
from faceguard.edge.service.scrub import Scrubber
from faceguard.edge.service.telling import told
from faceguard.engines.errors import OutputError


def test_errors_are_told_in_one_line():
    assert told(RuntimeError("one\ntwo")) == "RuntimeError: one"
    assert told(RuntimeError()) == "RuntimeError"
    assert told(OutputError("what, where, what to do")) == "what, where, what to do"


@pytest.mark.parametrize("at", [0, 150, 193, 196, 250])
def test_not_even_half_a_secret_is_told(at, monkeypatch):
    scrubber = Scrubber()
    scrubber.add("correct-horse-battery")
    monkeypatch.setattr(telling, "SCRUBBER", scrubber)
    line = told(RuntimeError("x" * at + " correct-horse-battery " + "y" * 300))
    assert "corr" not in line
    assert len(line) < 230
