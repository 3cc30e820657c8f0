"""A log record as what may be said of it: cleaned of secrets, of one form for all outputs."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from faceguard.edge.atomic import one_line
from faceguard.edge.events import Value
from faceguard.edge.service.scrub import Scrubber

_LONGEST = 1000
_LONGEST_TRACE = 20_000
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_FIELD = re.compile(r"[^A-Z0-9_]")


@dataclass(frozen=True)
class Line:
    """What is said.

    Attributes:
        level: Of `logging`.
        message: One line.
        trace: A traceback of several lines, or empty.
        logger: Whose line it is.
        thread: In which thread.
        file: Source file.
        number: Line in it.
        function: Function in it.
        at_s: Seconds since 1970.
        fields: What else there is to say.
    """

    level: int
    message: str
    trace: str
    logger: str
    thread: str
    file: str
    number: int
    function: str
    at_s: float
    fields: Mapping[str, Value] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The level in lower case."""
        return logging.getLevelName(self.level).lower()


def own_line(level: int, message: str) -> Line:
    """A line that the logging itself has to say."""
    now_s = datetime.now(timezone.utc).timestamp()
    return Line(level, message, "", __name__, "log", __file__, 0, "", now_s)


def line_of(record: logging.LogRecord, scrubber: Scrubber, *, traces: bool) -> Line:
    """Makes a line; whatever is wrong with the record, there is one.

    Args:
        record: As `logging` has it; its attribute `fields` may hold a mapping.
        scrubber: Takes out secrets.
        traces: Whether tracebacks are told; else an error's kind and first line stand behind the
            message.
    """
    try:
        message = scrubber.scrub(record.getMessage()).strip()
    except Exception:  # noqa: BLE001 - arguments that do not fit, or whose own code fails
        message = f"{scrubber.scrub(str(record.msg))} (its values could not be put in)"
    trace = ""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and traces:
        told = "".join(traceback.format_exception(error))
        trace = "\n".join(map(one_line, scrubber.scrub(told)[:_LONGEST_TRACE].splitlines()))
    elif error is not None:
        message = f"{message} ({scrubber.scrub(_kind_and_words(error))})"
    fields = getattr(record, "fields", None)
    return Line(
        record.levelno,
        _short(message),
        trace,
        record.name,
        record.threadName or "",
        record.pathname,
        record.lineno,
        record.funcName or "",
        record.created,
        {str(key): _clean(value, scrubber) for key, value in fields.items()}
        if isinstance(fields, Mapping)
        else {},
    )


def as_text(line: Line) -> bytes:
    """One line for people, and the traceback's lines if there is one."""
    word = f"{line.word}: " if line.level >= logging.WARNING else ""
    trace = f"\n{line.trace}" if line.trace else ""
    return f"faceguard: {word}{line.message}{trace}\n".encode("utf-8", "backslashreplace")


def as_json(line: Line, camera: str | None) -> bytes:
    """One object on one line."""
    at = datetime.fromtimestamp(line.at_s, timezone.utc)
    told = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": line.word,
        "message": line.message,
        "camera": camera,
        "logger": line.logger,
        "thread": line.thread,
        "fields": dict(line.fields) or None,
        "trace": line.trace or None,
    }
    kept = {key: value for key, value in told.items() if value is not None}
    return json.dumps(kept, default=str).encode() + b"\n"


def as_journal(line: Line, camera: str | None) -> list[tuple[str, bytes]]:
    """Fields of the journal, by name."""
    told: dict[str, str] = {
        "MESSAGE": f"{line.message}\n{line.trace}" if line.trace else line.message,
        "PRIORITY": str(next((told for least, told in _PRIORITIES if line.level >= least), 7)),
        "SYSLOG_IDENTIFIER": "faceguard",
        "LOGGER": line.logger,
        "THREAD_NAME": line.thread,
        "CODE_FILE": line.file,
        "CODE_LINE": str(line.number),
        "CODE_FUNC": line.function,
    }
    if camera is not None:
        told["CAMERA"] = camera
    for key, value in line.fields.items():
        name = _FIELD.sub("_", key.upper()).lstrip("_0123456789")[:64]
        # What journald knows by itself, or we said above, is not for others to say.
        if name and name not in told and value is not None:
            told[name] = value if isinstance(value, str) else json.dumps(value, default=str)
    return [(name, value.encode("utf-8", "backslashreplace")) for name, value in told.items()]


def _kind_and_words(error: BaseException) -> str:
    try:
        words = (str(error).splitlines() or [""])[0]
    except Exception:  # noqa: BLE001 - an error that cannot even be told
        words = ""
    return f"{type(error).__name__}: {words}".rstrip(": ")


def _clean(value: object, scrubber: Scrubber) -> Value:
    """A value that cannot hold a secret, a picture or a line break."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(n, (int, float)) for n in value):
        return list(value[:64])
    return _short(scrubber.scrub(str(value)).strip())


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
