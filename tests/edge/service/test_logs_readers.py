"""Whoever reads the log may stop, leave or never have been: it holds nobody up."""

from __future__ import annotations

import logging
import os
import re
import select
import subprocess
import sys

import pytest

from faceguard.edge.service.handlers import StreamHandler
from faceguard.edge.service.lines import as_text
from faceguard.edge.service.scrub import Scrubber

pytestmark = pytest.mark.usefixtures("logs_put_back")


def run(code: str, **options) -> subprocess.CompletedProcess[str]:
    head = (
        "import logging, os, sys\n"
        "from faceguard.edge.config.service import LogConfig\n"
        "from faceguard.edge.service import logs\n"
        "log = logging.getLogger('faceguard.x')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", head + code], text=True, timeout=60, check=False, **options
    )


def test_a_reader_that_stopped_makes_nobody_wait():
    code = """
logs.set_up(LogConfig(format="text"))
for number in range(20_000):
    log.error("line %d", number)
print("not held up", logging.getLogger().handlers[0].lost > 0, flush=True)
"""
    read_end, write_end = os.pipe()
    try:
        done = run(code, stderr=write_end, stdout=subprocess.PIPE)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert (done.returncode, done.stdout) == (0, "not held up True\n")


def test_a_reader_that_left_is_no_trouble():
    code = """
logs.set_up(LogConfig(format="text"))
for number in range(100):
    log.error("line %d", number)
logging.getLogger().handlers[0].flush()
print("goes on", flush=True)
"""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = run(code, stderr=write_end, stdout=subprocess.PIPE)
    finally:
        os.close(write_end)
    assert (done.returncode, done.stdout) == (0, "goes on\n")


def test_a_closed_standard_error_is_never_a_recordings_place(tmp_path):
    code = """
os.close(2)
os.close(0)
logs.set_up(LogConfig(format="text"))
recording = open(sys.argv[1], "wb")
print(recording.fileno() > 2, flush=True)
log.error("where does this go?")
os.write(2, b"or this?")
logging.getLogger().handlers[0].flush()
"""
    place = tmp_path / "recording"
    done = run(f"import sys; sys.argv.append({str(place)!r})\n" + code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert place.read_bytes() == b""


def test_what_was_lost_is_told_when_the_reader_comes_back():
    read_end, write_end = os.pipe()
    handler = StreamHandler(Scrubber(), as_text, traces=False, fd=write_end)
    logger = logging.Logger("faceguard.lossy")
    logger.addHandler(handler)
    for number in range(5000):
        logger.info("%s", f"{number} " + "x" * 200)
    lost = handler.lost
    assert lost > 0
    os.set_blocking(read_end, False)
    told = b""
    with os.fdopen(read_end, "rb", buffering=0) as reader:
        for last in ("the last", "the very last"):
            # All of it, or the queue may have no room yet for what comes next.
            while handler.waiting:
                select.select([reader], [], [], 0.05)
                told += reader.read(65536) or b""
            logger.info(last)
        handler.close()
        os.close(write_end)
        while rest := reader.read(65536):
            told += rest
    assert b"the last" in told
    # Told at once, whenever the writer gets on: so it may be in several parts.
    notes = re.findall(rb"warning: (\d+) log lines were lost", told)
    assert sum(map(int, notes)) == lost
    assert re.match(rb"(faceguard: warning: \d+ log lines were lost\n)?faceguard: 0 xxx", told)
    logger.info("after the end")
    assert handler.lost == lost + 1
