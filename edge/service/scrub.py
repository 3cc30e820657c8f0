"""Keeping secrets and addresses out of all that is said."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, urlsplit

STARS = "***"
# A shorter one may be part of many a word, and stars in its midst would then tell what it is.
_SHORT = 8
# Eight numbers or bytes in a row are what a picture looks like in an error's words.
_NUMBER = r"-?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?"
_PIXELS = re.compile(
    rf"(?<![\w.-])(?:{_NUMBER}(?:[\s,;\[\]()]|\.\.\.)+){{7,}}{_NUMBER}(?!\w)"
    r"|(?:\\x[0-9a-fA-F]{2}){8,}"
)
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*)://\S+", re.IGNORECASE)
# Names of this machine tell nothing of anybody's network.
_HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 - nothing is bound here
_OPEN_SCHEMES = {"file", "unix"}


class Scrubber:
    """Knows what must not be said, and puts stars in its place; safe from any thread.

    Whatever looks like a network address (`SCHEME://...`) is cut, registered or not; so are rows of
    numbers, since an error's words may hold the picture that it was raised over.
    """

    def __init__(self) -> None:
        """Starts with no secrets."""
        self._words: frozenset[str] = frozenset()
        self._anywhere: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, *secrets: str | None) -> None:
        """Registers passwords and hosts; what is None or empty is passed over."""
        self._learn([secret for secret in secrets if secret], names=False)

    def add_login(self, user: str | None, password: str | None) -> None:
        """Registers a login, also in the form in which HTTP and RTSP send it.

        The user's name is found as a whole word only; many a one is a part of others.
        """
        self._learn([user] if user else [], names=True)
        self.add(password)
        if user and password:
            self.add(base64.b64encode(f"{user}:{password}".encode()).decode())

    def add_address(self, url: str) -> None:
        """Registers what is in a URL: user, password, host, and a path or query that tells more.

        Args:
            url: Of a camera or server, such as `rtsp://user:password@192.0.2.7/stream`.
        """
        try:
            parts = urlsplit(url)
            host, user, password = parts.hostname, parts.username, parts.password
        except ValueError:
            self.add(url)
            return
        self.add_login(unquote(user or ""), unquote(password or ""))
        self.add(password)
        if host and host not in _HERE:
            self.add(host)
        self.add(parts.query)
        if re.search(r"[=&;]", parts.path):
            self.add(parts.path)  # some cameras take the login as a path

    def scrub(self, text: str) -> str:
        """The text with stars in place of secrets, rows of numbers and all behind `SCHEME://`."""
        # Secrets first: a space in a password ends what looks like an address.
        pattern = self._pattern
        if pattern is not None:
            text = pattern.sub(STARS, text)
        text = _PIXELS.sub(STARS, text)
        return _ADDRESS.sub(_cut, text) if "://" in text else text

    def _learn(self, secrets: Iterable[str], *, names: bool) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        words = {form for form in forms if names or len(form) < _SHORT}
        with self._lock:
            self._words |= words
            self._anywhere |= forms - words
            known = self._words | self._anywhere
            # The longest first, or a part of a secret would hide the rest from being found.
            ordered = sorted(known, key=lambda form: (-len(form), form))
            parts = [_part(form, word=form not in self._anywhere) for form in ordered]
            self._pattern = re.compile("|".join(parts), re.IGNORECASE) if parts else None


SCRUBBER = Scrubber()
"""The one that logs and notifications go through."""


def _forms(secret: str) -> set[str]:
    """The secret as it is, and as it stands in addresses and in Python's `repr`."""
    escaped = secret.encode("unicode_escape").decode()
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), escaped}


def _part(form: str, *, word: bool) -> str:
    exact = re.escape(form)
    return rf"(?<!\w){exact}(?!\w)" if word else exact


def _cut(found: re.Match[str]) -> str:
    scheme = found[1]
    return found[0] if scheme.lower() in _OPEN_SCHEMES else f"{scheme}://{STARS}"
