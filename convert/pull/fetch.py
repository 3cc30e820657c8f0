"""A file from a public address, going on where an earlier try was cut off."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from faceguard.convert.files import writing
from faceguard.engines.errors import FetchError

TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16


def fetch_url(url: str, part: Path, *, size: int, name: str, timeout_s: float = TIMEOUT_S) -> None:
    """Downloads to a `.part` file, which is left in place when the download breaks off.

    Whoever calls checks the hash: a part that was begun from another version of the file shows
    there, and must then be removed.

    Args:
        url: An http or https address.
        part: Where to write; bytes that stand there are kept, and only the rest is asked for.
        size: How many bytes the whole file has; no more than these are taken.
        name: What is fetched, for the progress bar.
        timeout_s: How long to wait for a connection, or for the next bytes of one.

    Raises:
        FetchError: The server cannot be reached, refuses, or stops before the end.
        OutputError: The part cannot be written.
    """
    have = part.stat().st_size if part.exists() else 0
    if have == size:
        return
    if have > size:
        part.unlink()
        have = 0
    # The scheme was checked when the catalogue was read.
    request = urllib.request.Request(url)  # noqa: S310
    request.add_header("User-Agent", "faceguard")
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            start = _start(answer, have)
            if start is None:
                part.unlink(missing_ok=True)
                raise FetchError("the server sent another part than was asked for; pull again")
            got = _store(answer, part, start=start, size=size, name=name)
    except urllib.error.HTTPError as error:
        error.close()
        # The server's file ends before our part does, so ours is of another file.
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        raise FetchError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(_reason(error, timeout_s)) from error
    if got < size:
        raise FetchError(f"cut off after {got} of {size} bytes; pulling again goes on from there")


def _start(answer: http.client.HTTPResponse, have: int) -> int | None:
    """Where in the file the answer begins, or None where it is not what was asked for."""
    if answer.status != http.client.PARTIAL_CONTENT:
        return 0
    content_range = answer.headers.get("Content-Range") or ""
    return have if content_range.startswith(f"bytes {have}-") else None


def _store(
    answer: http.client.HTTPResponse, part: Path, *, start: int, size: int, name: str
) -> int:
    """Writes the answer from `start` on and returns how many bytes the part then has."""
    with writing(part.parent):
        file: BinaryIO = part.open("r+b" if start else "wb")
    with (
        file,
        tqdm(
            total=size, initial=start, desc=name, unit="B", unit_scale=True, disable=None
        ) as progress,
    ):
        file.seek(start)
        got = start
        while got < size and (chunk := answer.read(min(_CHUNK_BYTES, size - got))):
            with writing(part.parent):
                file.write(chunk)
                file.flush()
            got += len(chunk)
            progress.update(len(chunk))
    return got


def _reason(error: Exception, timeout_s: float) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    text = getattr(inner, "strerror", None) or " ".join(str(inner).split())
    return text or type(inner).__name__
