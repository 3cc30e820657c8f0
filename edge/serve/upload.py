"""Reading what a client sends: raw or as a form, never more than allowed, never on a disk.

Starlette's own form reader keeps large files in a temporary file; an uncovered picture must not lie
there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers

from faceguard.edge.serve.held import Share
from faceguard.edge.serve.refusal import Refusal, Stopping
from faceguard.engines.memory import show_bytes

if TYPE_CHECKING:
    from starlette.types import Receive

# It logs bytes of the body that it did not expect.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

FIELD = "image"
FORM_TYPE = "multipart/form-data"
# The last is what curl says of --data-binary where it is not told otherwise.
RAW_TYPES = ("application/octet-stream", "image/", "application/x-www-form-urlencoded")
# Around the picture in a form: boundaries, and the headers of its part.
_FORM_BYTES = 16 * 1024
_BYTES_A_SECOND = 64 * 1024
# A multiple of what one read of a socket gives.
_STEP = 1 << 20


class ClientGone(Exception):
    """Nobody is there to be answered any more."""


class Limits:
    """What a body must keep to."""

    def __init__(self, most_bytes: int, base_s: float, is_stopping: Callable[[], bool]) -> None:
        """Keeps them.

        Args:
            most_bytes: Of the picture.
            base_s: It must be here after so long, and a second more for each 64 KiB.
            is_stopping: Whether the service ends, and no more is to be read.
        """
        self.most_bytes = most_bytes
        self.base_s = base_s
        self.is_stopping = is_stopping

    def too_large(self) -> Refusal:
        """What is said of a larger one."""
        return Refusal(
            413, f"the picture is over the limit of {show_bytes(self.most_bytes)}; send a smaller"
        )


async def read_picture(
    headers: Headers, receive: Receive, share: Share, limits: Limits
) -> bytearray:
    """The picture's bytes as they were sent.

    Args:
        headers: Of the request.
        receive: Gives its body.
        share: Grows with what is read.
        limits: What it must keep to.

    Raises:
        Refusal: 400, 413, 415 or 422 for what was sent, 408 where it takes too long, 429 where
            there is no room for it now.
        ClientGone: The client went away.
    """
    kind, boundary = _kind(headers)
    form = kind == FORM_TYPE
    most = limits.most_bytes + (_FORM_BYTES if form else 0)
    if _length(headers) > most:
        raise limits.too_large()
    body = _Form(boundary, share, limits) if form else _Raw(share, limits)
    begun_s, count = time.monotonic(), 0
    while True:
        left_s = limits.base_s + count / _BYTES_A_SECOND - (time.monotonic() - begun_s)
        if left_s <= 0:
            raise _too_slow()
        try:
            message = await asyncio.wait_for(receive(), left_s)
        except asyncio.TimeoutError:
            raise _too_slow() from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        if limits.is_stopping():
            raise Stopping
        data = message.get("body", b"")
        # What was announced is no more than a promise.
        count += len(data)
        if count > most:
            raise limits.too_large()
        body.feed(data)
        if not message.get("more_body", False):
            return body.picture()


class _Raw:
    """The picture is the body."""

    def __init__(self, share: Share, limits: Limits) -> None:
        self._share = share
        self._limits = limits
        self._held = 0
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        if len(self._data) + len(data) > self._limits.most_bytes:
            raise self._limits.too_large()
        while self._held < len(self._data) + len(data):
            self._share.grow(_STEP)
            self._held += _STEP
        self._data += data

    def picture(self) -> bytearray:
        if not self._data:
            raise Refusal(400, "the picture: is empty (0 bytes); send a whole one")
        return self._data


class _Form:
    """The picture is the field `image` of a form, the only one that it has."""

    def __init__(self, boundary: bytes, share: Share, limits: Limits) -> None:
        self._raw = _Raw(share, limits)
        self._fields = 0
        self._is_whole = False
        self._name = bytearray()
        self._value = bytearray()
        self._header_bytes = 0
        self._headers: dict[str, bytes] = {}
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._part_data,
                "on_end": self._ends,
            },
        )

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError:
            raise _bad_form() from None

    def picture(self) -> bytearray:
        if not self._is_whole:
            raise _bad_form()
        if not self._fields:
            raise Refusal(422, f"the form has no field {FIELD}; put the picture there")
        return self._raw.picture()

    def _part_begins(self) -> None:
        self._fields += 1
        self._headers = {}
        if self._fields > 1:
            raise Refusal(
                422, f"the form may have one field only, {FIELD}; options stand in the address"
            )

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += self._counted(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._counted(data[start:end])

    def _header_ends(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        # Its file name is nobody's business, and is not looked at.
        if options.get(b"name") != FIELD.encode():
            raise Refusal(422, f"the form has another field than {FIELD}; put the picture there")
        coding = self._headers.get("content-transfer-encoding", b"binary").strip().lower()
        if coding not in (b"binary", b"8bit", b"7bit"):
            raise Refusal(415, f"the field {FIELD} is encoded; send it as it is")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._raw.feed(data[start:end])

    def _ends(self) -> None:
        self._is_whole = True

    def _counted(self, data: bytes) -> bytes:
        self._header_bytes += len(data)
        if self._header_bytes > _FORM_BYTES:
            raise _bad_form()
        return data


def _kind(headers: Headers) -> tuple[str, bytes]:
    """The media type of a body, and the boundary of a form.

    Raises:
        Refusal: It is none that is read.
    """
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refusal(415, "a body with Content-Encoding is not read; send the picture as it is")
    given, options = parse_options_header(headers.get("content-type", ""))
    kind = given.decode("latin-1").strip().lower()
    if kind == FORM_TYPE:
        boundary = options.get(b"boundary", b"")
        # RFC 2046, 5.1.1
        if not 1 <= len(boundary) <= 70:
            raise Refusal(400, "the form's Content-Type names no boundary; let your client make it")
        return kind, boundary
    # What it really is shows in its first bytes; a name that is missing is no reason to refuse it.
    if kind and not kind.startswith(RAW_TYPES):
        raise Refusal(
            415,
            f"a body of this Content-Type is not read; send the picture as image/jpeg or the like, "
            f"application/octet-stream, or in the field {FIELD} of a form ({FORM_TYPE})",
        )
    return kind, b""


def _length(headers: Headers) -> int:
    """How much the client says that it will send; 0 where it does not."""
    said = headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0


def _too_slow() -> Refusal:
    return Refusal(
        408, "the picture came too slowly; send it at once", headers={"Connection": "close"}
    )


def _bad_form() -> Refusal:
    return Refusal(400, "the form is damaged or not whole; let your client make it")
