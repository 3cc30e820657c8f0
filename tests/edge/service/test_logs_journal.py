"""The journal's log: fields and priorities, a journal that hangs or goes, and a real journald."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceguard.edge.service import logs
from faceguard.edge.service.handlers import JournalHandler
from faceguard.edge.service.scrub import SCRUBBER
from tests.edge.service.logged import PASSWORD, URL, fails

pytestmark = pytest.mark.usefixtures("logs_put_back")


@pytest.fixture
def journal(tmp_path) -> Iterator[socket.socket]:
    """A socket in the place of journald's."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "journal"))
    made.settimeout(10)
    yield made
    made.close()


def taken_apart(data: bytes) -> dict[str, str]:
    """Reads the journal's protocol as its documentation has it."""
    fields = {}
    while data:
        line, data = data.split(b"\n", 1)
        if b"=" in line:
            name, value = line.split(b"=", 1)
        else:
            name, size = line, int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[9 + size :]
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def journal_log(tmp_path, journal) -> Iterator[logging.Logger]:
    handler = JournalHandler(SCRUBBER, "front", traces=True, journal=tmp_path / "journal")
    logger = logging.Logger("faceguard.edge.test")
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_the_journals_fields(journal, journal_log):
    fields = {"track": 3, "_PID": 1, "where": URL, "9 lives": True, "message": "x", "box": [1, 2]}
    journal_log.error("lost %s", URL, extra={"fields": fields})
    told = taken_apart(journal.recv(65536))
    assert told.pop("CODE_FILE") == __file__
    assert told.pop("CODE_LINE").isdigit()
    assert told == {
        "MESSAGE": "lost rtsp://***",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "faceguard",
        "CAMERA": "front",
        "LOGGER": "faceguard.edge.test",
        "THREAD_NAME": "MainThread",
        "CODE_FUNC": "test_the_journals_fields",
        "TRACK": "3",
        "PID": "1",
        "WHERE": "rtsp://***",
        "LIVES": "true",
        "BOX": "[1, 2]",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, "7"),
        (logging.INFO, "6"),
        (logging.WARNING, "4"),
        (logging.ERROR, "3"),
        (logging.CRITICAL, "2"),
    ],
)
def test_the_journals_priorities(journal, journal_log, level, priority):
    journal_log.log(level, "x")
    assert taken_apart(journal.recv(65536))["PRIORITY"] == priority


def test_several_lines_and_far_too_many(journal, journal_log):
    try:
        fails()
    except ConnectionError:
        journal_log.exception("failed")
    message = taken_apart(journal.recv(65536))["MESSAGE"]
    assert message.startswith("failed\nTraceback")
    assert PASSWORD not in message
    journal_log.handlers[0]._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    many = {"fields": {f"field {n}": "x" * 900 for n in range(40)}}
    journal_log.error("large", extra=many)
    assert taken_apart(journal.recv(65536))["MESSAGE"] == "large"


def test_a_journal_that_hangs_or_went_or_came_back(tmp_path, journal, journal_log):
    handler = journal_log.handlers[0]
    for _ in range(5000):
        journal_log.info("nobody reads")
    assert handler.lost > 0
    journal.close()
    lost = handler.lost
    journal_log.info("nobody is there")
    assert handler.lost == lost + 1
    (tmp_path / "journal").unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(tmp_path / "journal"))
        again.settimeout(10)
        journal_log.info("back")
        assert taken_apart(again.recv(65536))["MESSAGE"] == "back"


def test_which_descriptor_is_the_journals(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        found = os.fstat(file.fileno())
        assert logs.is_journal(file.fileno(), f"{found.st_dev}:{found.st_ino}")
        assert not logs.is_journal(file.fileno(), f"{found.st_dev}:{found.st_ino + 1}")
        assert not logs.is_journal(file.fileno(), "")
    assert not logs.is_journal(9999, "1:2")


DRILL = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd /run/log/journal
/lib/systemd/systemd-journald 2>/dev/null & journald=$!
for i in $(seq 100); do [ -S /run/systemd/journal/stdout ] && break; sleep 0.1; done
systemd-cat {python} -c '{stream}{code}'
{python} -c '{code}' 2>&1 | sed s/^/piped:/
kill $journald; wait $journald
journalctl -D /run/log/journal -o json --no-pager -q CAMERA=front
"""
# systemd sets JOURNAL_STREAM; systemd-cat does so only from version 254 on.
STREAM = """
import os
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
"""
SAYS = """
import logging
from faceguard.edge.config.service import LogConfig
from faceguard.edge.service import logs
logs.set_up(LogConfig(), camera="front")
logging.getLogger("faceguard.x").warning("one\\ntwo", extra={"fields": {"track": 7}})
"""


def test_a_real_journald():
    """Started under it, lines have fields; piped, they are text."""
    tools = ("/lib/systemd/systemd-journald", "/usr/bin/journalctl", "/usr/bin/systemd-cat")
    if os.geteuid() != 0 or not all(Path(tool).exists() for tool in tools):
        pytest.skip("needs root and systemd's journald")
    script = DRILL.format(python=sys.executable, stream=STREAM, code=SAYS)
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip("this machine does not let tests make a mount namespace")
    piped = [line for line in done.stdout.splitlines() if line.startswith("piped:")]
    entries = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert piped == ["piped:faceguard: warning: one\\ntwo"], done.stderr
    assert [(e["MESSAGE"], e["PRIORITY"], e["TRACK"]) for e in entries] == [
        ("one\\ntwo", "4", "7")
    ], done.stderr
    assert entries[0]["SYSLOG_IDENTIFIER"] == "faceguard"
    assert entries[0]["_TRANSPORT"] == "journal"
