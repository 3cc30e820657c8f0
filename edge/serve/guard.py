"""What stands before all routes: who may come in, what is logged and counted, how it is refused."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response

from faceguard.edge.config.login import is_loopback
from faceguard.edge.serve.answer import REDACTED
from faceguard.edge.serve.refusal import Refusal, for_log, refusal_for
from faceguard.edge.serve.upload import ClientGone

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from faceguard.edge.serve.counts import Counts
    from faceguard.edge.serve.settings import ServeSettings

_log = logging.getLogger(__name__)
_access = logging.getLogger("faceguard.edge.serve.access")
GONE = 499
OTHER = "other"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """An application around another."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServeSettings,
        counts: Counts,
        routes: dict[str, bool],
        retry_s: Callable[[], int],
    ) -> None:
        """Stands before it.

        Args:
            app: What it stands before.
            settings: Who may come in.
            counts: Where requests are counted.
            routes: The paths that are served, and whether each asks for the token.
            retry_s: When to try again, as things are now.
        """
        self._app = app
        self._token = None if settings.token is None else _digest(settings.token)
        self._is_local = is_loopback(settings.host)
        self._counts = counts
        self._routes = routes
        self._retry_s = retry_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, and tells of it."""
        begun_s = time.monotonic()
        status, count, begun, is_bare = 0, 0, False, False

        async def send_guarded(message: Message) -> None:
            nonlocal status, count, begun, is_bare
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                headers = MutableHeaders(scope=message)
                is_bare = headers.get(REDACTED) == "false"
                for key, value in _HEADERS.items():
                    headers.setdefault(key, value)
            else:
                count += len(message.get("body", b""))
            await send(message)

        route = scope["path"] if scope["path"] in self._routes else OTHER
        try:
            refusal: Refusal | None = None
            try:
                self._check(scope, route)
                # Then the router raises what it refuses.
                await self._app({**scope, "app": self}, receive, send_guarded)
            except HTTPException as error:
                refusal = _not_served(error)
            except (Refusal, ClientGone) as error:
                refusal = error if isinstance(error, Refusal) else None
                status = status if begun or refusal else GONE
            except Exception as error:  # noqa: BLE001 - no trace goes out, whatever it is
                _log.error("a request failed: %s", for_log(error))
                refusal = refusal_for(error, "the request")
            if refusal is not None and not begun:
                await self.refused(refusal)(scope, receive, send_guarded)
        finally:
            # A client that went away while it was answered has cancelled this.
            if is_bare:
                self._counts.left_bare.inc()
            self._tell(scope["method"], route, status or GONE, count, begun_s, is_bare)

    def refused(self, refusal: Refusal) -> Response:
        """A refusal as JSON."""
        headers = dict(refusal.headers)
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            headers["Retry-After"] = str(self._retry_s())
        elif refusal.retry_s is not None:
            headers["Retry-After"] = str(refusal.retry_s)
        return as_json({"error": refusal.line}, refusal.status, headers)

    def _check(self, scope: Scope, route: str) -> None:
        """Lets in who may come in.

        Raises:
            Refusal: Nobody else.
        """
        headers = Headers(scope=scope)
        if self._token is None and self._is_local and not _is_here(headers.get("host")):
            # Another site's name that leads here, so that its page may read ours (DNS rebinding).
            raise Refusal(403, "only under localhost or its address; or start it with a token")
        origin = headers.get("origin")
        if (
            origin is not None
            and origin.partition("://")[2].lower() != headers.get("host", "").lower()
        ):
            raise Refusal(403, "pages of other sites may not ask here")
        # A path that is not served tells nothing, so it may be told from one that is.
        if self._token is not None and self._routes.get(route, False):
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(
                _digest(given.strip()), self._token
            ):
                how = {"WWW-Authenticate": 'Bearer realm="faceguard"'}
                raise Refusal(401, "send the token: Authorization: Bearer TOKEN", headers=how)

    def _tell(
        self, method: str, route: str, status: int, count: int, begun_s: float, is_bare: bool
    ) -> None:
        took_ms = round((time.monotonic() - begun_s) * 1000)
        # A method may be any word that a client makes up.
        known = method if method in ("GET", "HEAD", "POST") else OTHER
        self._counts.requests.labels(route, str(status)).inc()
        self._counts.answered_bytes.labels(route).inc(count)
        fields = {
            "method": known,
            "route": route,
            "status": status,
            "ms": took_ms,
            "bytes": count,
            "bare": is_bare,
        }
        line = f"{known} {route} {status} {took_ms} ms {count} bytes{', bare' if is_bare else ''}"
        _access.info("%s", line, extra={"fields": fields})


def as_json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(json.dumps(content) + "\n", status, headers, media_type="application/json")


def _not_served(error: HTTPException) -> Refusal:
    """What the router refuses: 404 and 405."""
    said = {404: "not served here; see /openapi.json", 405: "not with this method; see Allow"}
    line = said.get(error.status_code, HTTPStatus(error.status_code).phrase)
    return Refusal(error.status_code, line, headers=dict(error.headers or {}))


def _digest(token: str) -> bytes:
    """Of one length whatever the token's, so that comparing takes the same time for all."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _is_here(host: str | None) -> bool:
    """Whether a Host header names this machine's own loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
