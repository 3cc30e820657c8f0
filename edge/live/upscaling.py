"""What a configuration asks for under `upscale:`, put together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from faceguard.edge.budget import Budget
from faceguard.edge.config.model import Config
from faceguard.edge.config.upscale import SnapshotsUpscale, StreamUpscale
from faceguard.edge.enhance.colour import matrix_of
from faceguard.edge.enhance.limits import refuse_without_room
from faceguard.edge.enhance.planes import Network, enlarged
from faceguard.edge.enhance.region import cut_out
from faceguard.edge.live.enlarger import Enlarger, Stills
from faceguard.edge.live.sharpener import Sharp, Sharpener
from faceguard.edge.live.zoom import View, Zoom
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import Image
from faceguard.engines.catalogue import Catalogue, Enlarging, read_catalogue
from faceguard.engines.closing import Closing
from faceguard.engines.errors import ModelUnknown, UsageError

Use = StreamUpscale | SnapshotsUpscale
U = TypeVar("U", StreamUpscale, SnapshotsUpscale)
_ADVICE = "under `upscale`, name a smaller region, or a model that enlarges less"
_log = logging.getLogger(__name__)


def enlarging_of(use: Use, key: str, catalogue: Catalogue | None = None) -> Enlarging:
    """What the model of a use does.

    Args:
        use: Part of the configuration.
        key: Its name there: "upscale.stream".
        catalogue: What models there are; None reads it.

    Raises:
        ModelUnknown: The catalogue has no such name.
        UsageError: The model enlarges nothing.
    """
    catalogue = catalogue or read_catalogue()
    try:
        found = catalogue.entry(use.model).enlarging
    except ModelUnknown as error:
        raise ModelUnknown(f"{key}.model: {error}") from error
    if found is None:
        names = ", ".join(entry.name for entry in catalogue.upscalers())
        raise UsageError(f"{key}.model: {use.model} enlarges nothing; name one of {names}")
    return found


class OpenModel(Closing):
    """An opened model as `Sharpener` asks it."""

    def __init__(self, network: Network) -> None:
        """Takes it over.

        Args:
            network: As `open_upscaler` gives it.
        """
        self._network = network

    def sharpened(self, image: Image, view: View, go_on: Callable[[], None]) -> Image:
        """See `Sharp`.

        Raises:
            NoRoom: There is too little memory now.
            InferenceError: The runtime failed.
        """
        area = view.area
        refuse_without_room(area.width * view.scale, area.height * view.scale, None, advice=_ADVICE)
        # The whole picture says which matrix made its colours.
        return enlarged(
            cut_out(image, area), self._network, matrix_of(image), lambda _done, _of: go_on()
        )

    def close(self) -> None:
        """Frees it."""
        self._network.close()


def open_model(use: Use) -> OpenModel:
    """Opens the model of a use; the first time on a machine that takes a while.

    Raises:
        FaceguardError: It cannot be opened, and why.
    """
    from faceguard.engines.upscaling.opening import open_upscaler

    return OpenModel(
        open_upscaler(
            use.model,
            threads=use.threads,
            engine=use.engine,
            say=lambda line: _log.info("%s: %s", use.model, line),
        )
    )


class Upscaling(Closing):
    """The uses that a configuration asks for; their models are opened in the background.

    Attributes:
        stream: Enlarges video; None where that is not asked for.
        snapshots: Enlarges snapshots, likewise.
        hanging: After `close`: the uses whose models were left behind.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        budget: Callable[[], Budget],
        meters: Meters,
        quiet: Quiet,
        *,
        open_with: Callable[[Use], Sharp] = open_model,
    ) -> None:
        """Begins to open what is asked for.

        Args:
            config: The configuration as it is now.
            budget: What may be spent now.
            meters: Where it is counted.
            quiet: Who logs.
            open_with: Opens a model.

        Raises:
            ModelUnknown: The catalogue has no such model.
            UsageError: It enlarges nothing.
        """
        self._config = config
        self._stack = ExitStack()
        self._open_with = open_with
        self._meters = meters
        self._quiet = quiet
        asked = config().upscale
        self.stream: Enlarger | None = None
        self.snapshots: Stills | None = None
        self.hanging: list[str] = []
        self._all: list[Enlarger] = []
        self._sharpeners: dict[str, Sharpener] = {}
        # Both are looked up before a thread is started for one.
        scales = {key: enlarging_of(use, f"upscale.{key}").scale for key, use in _uses(config())}
        if asked.stream is not None:
            self.stream = self._enlarger(
                "stream", asked.stream, scales["stream"], lambda: budget().upscale
            )
        if asked.snapshots is not None:
            # They are no rung of the ladder: with the first that goes, they go.
            stills = self._enlarger(
                "snapshots", asked.snapshots, scales["snapshots"], lambda: budget().level == 0
            )
            self.snapshots = Stills(
                stills, lambda: _kept(config().upscale.snapshots).within_s, quiet
            )

    def state(self) -> dict[str, Any]:
        """How things are, by use, for the status file; from any thread."""
        return {one.use: one.state() for one in self._all}

    def hurry(self) -> None:
        """It ends soon: from now on nothing is sharpened, and nobody waits; from any thread."""
        for one in self._all:
            one.hurry()

    def close(self) -> None:
        """Frees the models."""
        self.hurry()
        self._stack.close()
        self.hanging = [use for use, sharpener in self._sharpeners.items() if sharpener.hangs]

    def _enlarger(self, name: str, use: Use, scale: int, allowed: Callable[[], bool]) -> Enlarger:
        open_with = self._open_with
        sharpener = self._stack.enter_context(Sharpener(name, lambda: open_with(use), self._quiet))
        self._sharpeners[name] = sharpener

        def zoom() -> Zoom:
            now = self._config().upscale
            part: Use = _kept(now.stream) if name == "stream" else _kept(now.snapshots)
            return Zoom(scale, part.region, int(now.most_mpx * 1e6))

        made = Enlarger(name, use.model, zoom, sharpener, allowed, self._meters)
        self._all.append(made)
        return made


def _kept(part: U | None) -> U:
    """A part that was there at the start; reloading changes keys and takes no part away."""
    if part is None:
        raise AssertionError("a part of upscale: went away")
    return part


def _uses(config: Config) -> list[tuple[str, Use]]:
    both: tuple[tuple[str, Use | None], ...] = (
        ("stream", config.upscale.stream),
        ("snapshots", config.upscale.snapshots),
    )
    return [(key, use) for key, use in both if use is not None]
