"""The routes: pictures in, safe pictures out, and how the service is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router

from faceguard.edge.serve.answer import check_side, encode, headers
from faceguard.edge.serve.asking import FORMATS, Asking, Wish
from faceguard.edge.serve.counts import Counts
from faceguard.edge.serve.guard import Guard, as_json
from faceguard.edge.serve.held import Held, Share
from faceguard.edge.serve.job import Job
from faceguard.edge.serve.openapi import document
from faceguard.edge.serve.page import page, policy
from faceguard.edge.serve.refusal import Busy, Refusal, Stopping
from faceguard.edge.serve.still import Size, Still, decode
from faceguard.edge.serve.threads import Threads
from faceguard.edge.serve.upload import ClientGone, Limits, read_picture
from faceguard.edge.serve.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from faceguard.edge.serve.settings import ServeSettings

T = TypeVar("T")
REDACT, ENHANCE = "/v1/redact", "/v1/enhance"
HEALTH, METRICS, PAGE, OPENAPI = "/healthz", "/metrics", "/", "/openapi.json"
# Whether each asks for the token: where there is one, nobody else shall learn what goes on.
ROUTES = {REDACT: True, ENHANCE: True, METRICS: True, HEALTH: False, PAGE: False, OPENAPI: False}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# What a client has to have taken before it gets more: a slow one costs no copy of the picture.
_CHUNK = 256 * 1024
_PREPARING_RETRY_S = 2


@dataclass(frozen=True)
class State:
    """How the service is.

    Attributes:
        status: "ready", "preparing" or "not".
        reason: Why it is not ready, or what it is doing; None while it is.
        takes: Whether pictures are taken.
    """

    status: str
    reason: str | None = None
    takes: bool = False


@dataclass(frozen=True)
class House:
    """What the routes work with.

    Attributes:
        settings: How the service is set up.
        asking: What may be asked for.
        waiting: Where jobs go.
        held: What pictures hold.
        counts: Where figures go.
        threads: Decode and encode.
        state: How the service is now.
        retry_s: When to try again, as things are now.
    """

    settings: ServeSettings
    asking: Asking
    waiting: Waiting
    held: Held
    counts: Counts
    threads: Threads
    state: Callable[[], State]
    retry_s: Callable[[], int]


def make_app(house: House) -> ASGIApp:
    """The web application."""

    async def front(_request: Request) -> Response:
        text = page(models=house.asking.models, most_bytes=house.settings.max_upload_bytes)
        return HTMLResponse(text, headers={"Content-Security-Policy": policy()})

    async def health(_request: Request) -> Response:
        state = house.state()
        told = {"status": state.status, "queue": len(house.waiting)}
        if state.reason is not None:
            told["reason"] = state.reason
        return as_json(told, 200 if state.status == "ready" else 503)

    async def metrics(_request: Request) -> Response:
        # Sensors are read by a thread of their own; this only puts figures together.
        return Response(house.counts.text(), media_type=_METRICS_TYPE)

    async def openapi(_request: Request) -> Response:
        return as_json(document(house.asking, house.settings))

    routes = [
        Route(REDACT, Pictures(house, house.asking.redaction), methods=["POST"]),
        Route(ENHANCE, Pictures(house, house.asking.enlargement), methods=["POST"]),
        Route(HEALTH, health, methods=["GET"]),
        Route(METRICS, metrics, methods=["GET"]),
        Route(PAGE, front, methods=["GET"]),
        Route(OPENAPI, openapi, methods=["GET"]),
    ]
    app = Router(routes, redirect_slashes=False)
    return Guard(app, house.settings, house.counts, ROUTES, house.retry_s)


class Pictures:
    """A route that takes a picture and answers with one."""

    def __init__(self, house: House, read_wish: Callable[[list[tuple[str, str]]], Wish]) -> None:
        """Keeps what it works with.

        Args:
            house: All of it.
            read_wish: Reads the query.
        """
        self._house = house
        self._read_wish = read_wish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        wish = self._read_wish(_query(scope))
        self._check_open()
        share = Share(self._house.held)
        try:
            answer = await self._answer(Headers(scope=scope), receive, wish, share)
            await answer(scope, receive, send)
        finally:
            share.drop()

    def _check_open(self) -> None:
        """Says early what would be said once the picture is here.

        Raises:
            Refusal: Nothing is taken now.
        """
        if self._house.waiting.is_closed:
            raise Stopping
        state = self._house.state()
        if not state.takes:
            is_coming = state.status == "preparing"
            line = "the service is getting ready; try again soon" if is_coming else state.reason
            retry_s = _PREPARING_RETRY_S if is_coming else None
            raise Refusal(503, line or state.status, retry_s=retry_s)
        if self._house.waiting.is_full:
            raise Busy("too many pictures wait already; try again later")

    async def _answer(
        self, headers: Headers, receive: Receive, wish: Wish, share: Share
    ) -> Response:
        settings = self._house.settings
        limits = Limits(
            settings.max_upload_bytes, settings.upload_s, lambda: self._house.waiting.is_closed
        )
        begun_s = time.monotonic()
        data = await read_picture(headers, receive, share, limits)
        self._took("upload", time.monotonic() - begun_s)
        working = asyncio.ensure_future(self._work(data, wish, share))
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            done, _ = await asyncio.wait(
                {working, gone}, timeout=settings.deadline_s, return_when=asyncio.FIRST_COMPLETED
            )
            if working in done:
                return working.result()
            if gone in done:
                raise ClientGone
            raise Refusal(
                504,
                f"it took longer than {settings.deadline_s:g} s; send a smaller picture, or ask "
                "for less",
            )
        finally:
            working.cancel()
            gone.cancel()
            await asyncio.gather(working, gone, return_exceptions=True)

    async def _work(self, data: bytearray, wish: Wish, share: Share) -> Response:
        begun_s = time.monotonic()
        still = await self._in_thread("decode", partial(self._decoded, data, wish, share), share)
        job = Job(wish, still, share)
        try:
            self._house.waiting.put(job)
        except Refusal:
            job.give_up()
            job.begin()
            raise
        try:
            done = await asyncio.wrap_future(job.answer)
        finally:
            job.give_up()
            self._house.waiting.drop(job)
        for stage, seconds in done.stages_s.items():
            self._took(stage, seconds)
        form = wish.format or still.size.format
        encoding = partial(encode, done.frame, form, wish.quality, is_grey=still.is_grey)
        picture = await self._in_thread("encode", encoding, share)
        told = headers(wish, still, done, time.monotonic() - begun_s)
        return _PictureResponse(picture, 200, told, FORMATS[form][0])

    def _decoded(self, data: bytearray, wish: Wish, share: Share) -> Still:
        settings = self._house.settings

        def admit(size: Size) -> None:
            wide, tall = size.width * wish.scale, size.height * wish.scale
            if wish.model is not None and wide * tall > settings.max_output_pixels:
                raise Refusal(
                    413,
                    f"{size.width}x{size.height} enlarged {wish.scale} times is {wide}x{tall} = "
                    f"{wide * tall:,} pixels, over the limit of {settings.max_output_pixels:,}; "
                    "send a smaller picture, or ask for a smaller scale",
                )
            check_side(wide, tall, wish.format or size.format)
            share.grow(room_bytes(size, wish))

        still = decode(data, max_pixels=settings.max_pixels, admit=admit)
        data.clear()
        return still

    async def _in_thread(self, stage: str, work: Callable[[], T], share: Share) -> T:
        """Does work in a thread; its share is held until that is done, whoever waits for it."""
        begun_s = time.monotonic()
        share.hold()
        future = self._house.threads.submit(work)
        future.add_done_callback(lambda _: share.drop())
        result = await asyncio.wrap_future(future)
        self._took(stage, time.monotonic() - begun_s)
        return result

    def _took(self, stage: str, seconds: float) -> None:
        self._house.counts.stage_s.labels(stage).observe(seconds)


def room_bytes(size: Size, wish: Wish) -> int:
    """What a picture takes at most, from when it is decoded until it is sent.

    Args:
        size: What its header says.
        wish: What shall become of it.
    """
    large = size.pixels * wish.scale**2
    # The picture, and its covered copy where that is not the answer itself; the answer, and its
    # file, which may be as large.
    copies = 1 if wish.model is None else 2
    room = size.channels * (copies * size.pixels + 2 * large)
    if size.channels == 4:
        # Colours without alpha: what the network is given, and what lies on white for JPEG.
        if wish.model is not None:
            room += 3 * size.pixels
        if (wish.format or size.format) == "jpeg":
            room += 3 * large
    return room


class _PictureResponse(Response):
    """A picture in pieces, each sent once the client has taken the one before."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        whole = memoryview(self.body)
        for start in range(0, len(whole), _CHUNK):
            piece = bytes(whole[start : start + _CHUNK])
            more = start + _CHUNK < len(whole)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _query(scope: Scope) -> list[tuple[str, str]]:
    """The parameters of a request.

    Raises:
        Refusal: They are no such thing.
    """
    text = scope["query_string"].decode("latin-1")
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        raise Refusal(422, "the address's parameters cannot be read") from None
