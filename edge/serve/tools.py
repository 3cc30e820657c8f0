"""What the worker works with: the redactor, and the networks that enlarge."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from faceguard.edge.redactor import Redactor
from faceguard.edge.serve.enlarging import Network
from faceguard.edge.serve.held import Held
from faceguard.edge.serve.settings import ServeSettings
from faceguard.engines.catalogue import Catalogue, read_catalogue
from faceguard.engines.closing import Closing
from faceguard.engines.errors import ModelMissing, UsageError
from faceguard.engines.store import find_graph
from faceguard.engines.upscaling.limits import Limit, read_limits
from faceguard.engines.upscaling.opening import open_upscaler

_log = logging.getLogger(__name__)
_USUAL = ("espcn-x2", "espcn-x3", "espcn-x4")


class Tools(Closing):
    """Belongs to one thread: the one that opened it."""

    def __init__(self, redactor: Redactor, enlargers: Mapping[str, Network]) -> None:
        """Takes them over.

        Args:
            redactor: Covers faces.
            enlargers: By their names in the catalogue.
        """
        self.redactor = redactor
        self.judge = redactor.judge()
        self.enlargers = dict(enlargers)

    def close(self) -> None:
        """Closes all of them."""
        with ExitStack() as stack:
            for enlarger in self.enlargers.values():
                stack.callback(enlarger.close)
            stack.callback(self.redactor.close)
            stack.callback(self.judge.close)


def offered(settings: ServeSettings, catalogue: Catalogue | None = None) -> dict[str, int]:
    """The models that the service enlarges with, and how many times each does.

    Args:
        settings: Which are asked for.
        catalogue: The catalogue; None reads the usual one.

    Raises:
        ModelUnknown: One that is asked for is not in the catalogue.
        ModelMissing: One that is asked for was not pulled.
        UsageError: One that is asked for does not enlarge.
    """
    catalogue = catalogue or read_catalogue()
    found: dict[str, int] = {}
    for name in settings.models or _USUAL:
        if not settings.models and name not in catalogue.entries:
            continue
        entry = catalogue.entry(name)
        if entry.enlarging is None:
            raise UsageError(f"--model {name}: does not enlarge; see: faceguard models list")
        try:
            find_graph(name, catalogue=catalogue)
        except ModelMissing as error:
            if settings.models:
                raise
            _log.info("not offered: %s", error)
            continue
        found[name] = entry.enlarging.scale
    return found


def limits_beside(held: Held, limit_bytes: int | None) -> list[Limit]:
    """What tiles may take: what is free, less what pictures were promised and do not hold yet.

    Never less than half of what is free: on a small machine nothing could be enlarged else.

    Args:
        held: What pictures hold.
        limit_bytes: See `read_limits`.
    """
    promised = max(0, held.most_bytes - held.bytes)
    return [
        replace(limit, reserve_bytes=limit.reserve_bytes + min(promised, max(0, limit.bytes) // 2))
        for limit in read_limits(limit_bytes)
    ]


def open_tools(
    settings: ServeSettings, models: Mapping[str, int], held: Held, say: Callable[[str], None]
) -> Tools:
    """Opens everything; what was never measured on this machine takes a while.

    Args:
        settings: How.
        models: What `offered` found.
        held: What pictures hold, and may yet.
        say: Told what is done.

    Raises:
        FaceguardError: Something cannot be opened.
    """
    catalogue = read_catalogue()
    with ExitStack() as stack:
        say("opening the detector")
        redactor = stack.enter_context(Redactor(settings.redactor))
        enlargers: dict[str, Network] = {}
        for name in models:
            say(f"opening {name}")
            enlargers[name] = stack.enter_context(
                open_upscaler(
                    name,
                    memory_limit_bytes=settings.memory_limit_bytes,
                    catalogue=catalogue,
                    say=say,
                    limits=partial(limits_beside, held),
                )
            )
        tools = Tools(redactor, enlargers)
        stack.pop_all()
    return tools
