"""Downloads from a real server on this machine: whole, cut off, gone on with, refused."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from faceguard.convert.pull.fetch import fetch_url
from faceguard.engines.errors import FetchError, OutputError

BODY = bytes(range(256)) * 1000


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


def test_whole(site, part: Path) -> None:
    site.body = BODY
    fetch_url(site.url, part, size=len(BODY), name="x")
    assert part.read_bytes() == BODY
    fetch_url(site.url, part, size=len(BODY), name="x")
    assert site.ranges == [None], "what is whole must not be asked for again"


def test_cut_off_then_gone_on_with(site, part: Path) -> None:
    site.body = BODY
    site.send_only = 100_000
    with pytest.raises(FetchError, match=r"cut off after 100000 of 256000|IncompleteRead"):
        fetch_url(site.url, part, size=len(BODY), name="x")
    have = part.stat().st_size
    assert have
    site.send_only = None
    fetch_url(site.url, part, size=len(BODY), name="x")
    assert part.read_bytes() == BODY
    assert site.ranges == [None, f"bytes={have}-"]


def test_server_without_ranges_starts_over(site, part: Path) -> None:
    site.body = BODY
    site.keeps_ranges = False
    part.write_bytes(b"the beginning of something else")
    fetch_url(site.url, part, size=len(BODY), name="x")
    assert part.read_bytes() == BODY


def test_part_that_is_longer_than_the_file_starts_over(site, part: Path) -> None:
    site.body = BODY
    part.write_bytes(BODY + b"more")
    fetch_url(site.url, part, size=len(BODY), name="x")
    assert part.read_bytes() == BODY
    assert site.ranges == [None]


def test_no_more_is_taken_than_the_file_has(site, part: Path) -> None:
    site.body = BODY
    fetch_url(site.url, part, size=1000, name="x")
    assert part.stat().st_size == 1000


def test_shorter_file_on_the_server_drops_the_part(site, part: Path) -> None:
    site.body = BODY[:500]
    part.write_bytes(BODY[:600])
    with pytest.raises(FetchError, match="416"):
        fetch_url(site.url, part, size=len(BODY), name="x")
    assert not part.exists()


def test_refusal_keeps_the_part(site, part: Path) -> None:
    site.status = 503
    part.write_bytes(BODY[:600])
    with pytest.raises(FetchError, match="the server answers 503"):
        fetch_url(site.url, part, size=len(BODY), name="x")
    assert part.stat().st_size == 600


def test_silent_server_is_left_after_the_limit(site, part: Path) -> None:
    site.body = BODY
    site.pause_at = 70_000
    with pytest.raises(FetchError, match=r"no answer within 0\.2 s"):
        fetch_url(site.url, part, size=len(BODY), name="x", timeout_s=0.2)
    assert part.stat().st_size == 65536


def test_nobody_there(part: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(FetchError, match="Connection refused"):
            fetch_url(f"http://127.0.0.1:{port}/x", part, size=10, name="x")


def test_unknown_host(part: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_url("http://host.invalid/x", part, size=10, name="x")
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_full_disk(site, mount) -> None:
    site.body = BODY
    folder = mount("size=100k")
    with pytest.raises(OutputError, match="the disk is full"):
        fetch_url(site.url, folder / "file.part", size=len(BODY), name="x")
