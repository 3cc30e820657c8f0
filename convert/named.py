"""Errors of reading a model gain its name, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from faceguard.engines.errors import BadModelFile, UnsupportedOp


@contextmanager
def named(name: str, *, kind: str, again: str) -> Iterator[None]:
    """Puts a model's name before what the block raises of its file.

    Args:
        name: The model's.
        kind: What the file should be, as "a TFLite file" without its article.
        again: What else than fetching it again may help, as "export it anew".
    """
    try:
        yield
    except BadModelFile as error:
        raise BadModelFile(
            f"{name}: not a sound {kind}: {error}; fetch it again, or {again}"
        ) from error
    except UnsupportedOp as error:
        raise UnsupportedOp(f"{name}: {error}") from error
