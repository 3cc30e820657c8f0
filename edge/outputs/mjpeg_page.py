"""What browsers and players get over HTTP: a page, the live pictures, and the newest one.

Works without JavaScript and without anything from elsewhere. Needs the extra `web`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import html
import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from faceguard.edge.config.outputs import MjpegOutput
from faceguard.edge.outputs.mjpeg_board import Board, BoardClosed

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BOUNDARY = "faceguard-next-picture"
_SNAPSHOT_WITHIN_S = 2.0
_STYLE = (
    "body{margin:0;background:#111;color:#ddd;font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:80rem;margin:auto;padding:1rem}h1{font-size:1.2rem;margin:0 0 .5rem}"
    "img{display:block;width:100%;height:auto;background:#000;min-height:8rem}a{color:#9cf}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; img-src 'self'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def make_app(name: str, settings: MjpegOutput, password: str | None, board: Board) -> ASGIApp:
    """The web application.

    Args:
        name: Of the camera, for the title.
        settings: Who may watch, and how many.
        password: What clients must give where the settings name a user.
        board: Where pictures come from.
    """

    async def page(_request: Request) -> Response:
        return HTMLResponse(_page(name))

    async def stream(_request: Request) -> Response:
        if board.watchers >= settings.most_clients:
            return _unavailable("too many watch already; try again later")
        return _Stream(board)

    async def snapshot(_request: Request) -> Response:
        with suppress(BoardClosed):
            picture = await board.ask(_SNAPSHOT_WITHIN_S)
            if picture is not None:
                return Response(picture.jpeg, media_type="image/jpeg")
        return _unavailable("there is no picture at the moment")

    routes = [
        Route("/", page, methods=["GET"]),
        Route("/stream", stream, methods=["GET"]),
        Route("/snapshot.jpg", snapshot, methods=["GET"]),
    ]
    return _Guard(Starlette(routes=routes), settings, password)


class _Stream(Response):
    """Pictures one after the other, each as soon as the client has room for it."""

    def __init__(self, board: Board) -> None:
        super().__init__(media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        del self.headers["content-length"]
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        with self._board.watching() as before:
            await send(start)
            work = {
                asyncio.ensure_future(self._feed(send, before)),
                asyncio.ensure_future(_until_gone(receive)),
            }
            try:
                await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)

    async def _feed(self, send: Send, number: int) -> None:
        opening = f"--{_BOUNDARY}\r\n".encode()
        with suppress(BoardClosed):
            while True:
                picture = await self._board.after(number)
                # Nothing is written yet: this waits until what was sent before is on its way, and
                # then what goes out is the picture that is the newest by that time.
                await send({"type": "http.response.body", "body": b"", "more_body": True})
                picture = await self._board.after(number)
                number = picture.number
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n\r\n"
                # With the next boundary behind it, as browsers show a part once they see its end.
                end = f"\r\n--{_BOUNDARY}\r\n".encode()
                body = opening + head.encode() + picture.jpeg + end
                await send({"type": "http.response.body", "body": body, "more_body": True})
                opening = b""
        await send({"type": "http.response.body", "body": b""})


class _Guard:
    """Lets in who may come in, and puts the same headers on every answer."""

    def __init__(self, app: ASGIApp, settings: MjpegOutput, password: str | None) -> None:
        self._app = app
        self._settings = settings
        self._password = password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for key, value in _HEADERS.items():
                    headers[key] = value
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, headers: Headers) -> Response | None:
        settings = self._settings
        if settings.user is not None:
            if _is_login(headers.get("authorization"), settings.user, self._password):
                return None
            how = {"WWW-Authenticate": 'Basic realm="faceguard", charset="UTF-8"'}
            return PlainTextResponse("user name and password, please\n", 401, how)
        if _is_loopback(settings.host) and not _is_loopback(_host(headers.get("host"))):
            # Another site's name that leads here, so that its page may read ours (DNS rebinding).
            return PlainTextResponse("only under localhost or its address\n", 403)
        return None


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_login(given: str | None, user: str, password: str | None) -> bool:
    """Whether an Authorization header is the right one, in a time that tells nothing."""
    if password is None:
        return False
    kind, _, text = (given or "").partition(" ")
    try:
        login = base64.b64decode(text.strip(), validate=True) if kind.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        login = b""
    return hmac.compare_digest(login, f"{user}:{password}".encode())


def _host(header: str | None) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unavailable(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 503, {"Retry-After": "5"})


def _page(name: str) -> str:
    title = html.escape(name)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
        f'<img src="stream" alt="Live picture of {title}; faces are covered">'
        "<p>Faces are covered before a picture leaves the camera. "
        '<a href="snapshot.jpg">The newest picture</a></p></main></body></html>\n'
    )
