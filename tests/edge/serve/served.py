"""Services that run in this process, with networks whose pace and faults a test decides."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from typing import Any

import cv2
import httpx
import numpy as np
from PIL import Image as Pil

from faceguard.edge.redact import redact
from faceguard.edge.redactor import Redactor
from faceguard.edge.serve.service import Service
from faceguard.edge.serve.settings import ServeSettings
from faceguard.edge.serve.tools import Tools
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, Image, SafeFrame
from faceguard.edge.verdict import FaceFinder
from faceguard.engines.closing import Closing
from faceguard.engines.types import U8
from tests.edge.faces import Scripted, detections
from tests.edge.outputs.waiting import until

# One TLS context for all, which nothing here uses: making it takes longer than an answer.
PLAIN: dict[str, Any] = {
    "timeout": 60,
    "trust_env": False,
    "verify": ssl.create_default_context(),
}


class Doubling(Closing):
    """Enlarges by repeating pixels, one tile a row of eight, and only while its gate is open.

    Attributes:
        gate: Open at first.
        began: Set once a tile is waited for.
        batches: How many pictures came together, each time.
        error: Raised instead, where there is one.
        ended: Calls that came to their end.
    """

    scale = 2

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.batches: list[int] = []
        self.error: BaseException | None = None
        self.ended = 0
        self.is_closed = False

    def many(self, pictures: Sequence[U8], *, on_tile: Any = None) -> list[U8]:
        self.batches.append(len(pictures))
        if self.error is not None:
            raise self.error
        rows = sum(-(-picture.shape[0] // 8) for picture in pictures)
        for row in range(rows):
            on_tile(row, rows)
            self.began.set()
            while not self.gate.wait(0.01):
                on_tile(row, rows)
        self.ended += 1
        return [doubled(picture) for picture in pictures]

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Served:
    """A service that is ready, and a client of it."""

    service: Service
    client: httpx.Client
    network: Doubling
    closing: list[Any] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.service.url.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def post(self, path: str, content: Any = None, **more: Any) -> httpx.Response:
        return self.client.post(path, content=content, **more)

    def value(self, name: str, **labels: str) -> float:
        """What a figure stands at; 0 where it was never touched."""
        registry = self.service.counts.registry
        return registry.get_sample_value(f"faceguard_serve_{name}", labels) or 0.0


@contextmanager
def serving(
    finder: FaceFinder | None = None, network: Doubling | None = None, **settings: Any
) -> Iterator[Served]:
    """A service with a detector that finds nothing, unless told otherwise, and one network."""
    network = network or Doubling()
    redactor = Redactor(finder=finder or Scripted(detections()))
    kept = ServeSettings(**{"port": 0, "end_within_s": 5.0, **settings})
    service = Service(
        kept, models={"doubling-x2": 2}, tools=lambda _: Tools(redactor, {"doubling-x2": network})
    )
    with service:
        service.start()
        until(lambda: service.state.status == "ready")
        with httpx.Client(base_url=service.url, **PLAIN) as client:
            yield Served(service, client, network)
            network.gate.set()


def doubled(pixels: U8) -> U8:
    return pixels.repeat(2, 0).repeat(2, 1)


def noise(width: int = 24, height: int = 16, seed: int = 0, channels: int = 3) -> U8:
    """A picture that no other seed has."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), np.uint8)


def as_file(pixels: U8, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return bytes(data)


def pixels_of(data: bytes) -> U8:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return np.asarray(found, np.uint8)


def saved(picture: Pil.Image, form: str, **options: Any) -> bytes:
    """A Pillow image as a file's bytes."""
    buffer = BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def request(path: str, body: bytes, *more: str) -> bytes:
    """A request with a body, as it goes over the wire."""
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *more)
    return "\r\n".join((*lines, "", "")).encode() + body


@contextmanager
def raw(served: Served, first: bytes = b"", buffer: int | None = None) -> Iterator[socket.socket]:
    """A connection of one's own, on which something was sent."""
    client = socket.socket()
    with client:
        client.settimeout(30)
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(served.address)
        client.sendall(first)
        yield client


def safe_frame(pixels: U8) -> SafeFrame:
    """A frame with nothing to cover."""
    return redact(Frame(Image.from_bgr(pixels), 0, 0, Fraction(1)), Cover(), Style())
