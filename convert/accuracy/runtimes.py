"""Runtimes around another one: held to shapes, remembered, or never run at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from faceguard.engines.closing import Closing
from faceguard.engines.errors import TensorMismatch

if TYPE_CHECKING:
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.spec import Profile
    from faceguard.engines.types import Array, TensorSpec


class _Around(Closing):
    """A runtime that stands around another one, which whoever opened it closes."""

    def __init__(self, inner: Runtime) -> None:
        self._inner = inner

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What `infer` takes."""
        return self._inner.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What `infer` gives."""
        return self._inner.outputs

    def close(self) -> None:
        """Nothing: whoever opened the inner runtime closes it."""


class Profiled(_Around):
    """A runtime that takes the shapes of an engine's profiles only, as the engine will.

    ONNX Runtime knows no profiles, and would run what an engine then refuses.
    """

    def __init__(self, inner: Runtime, profiles: Mapping[str, Profile]) -> None:
        """Wraps a runtime.

        Args:
            inner: The runtime.
            profiles: The shapes of its inputs; one that is not named takes what the graph does.
        """
        super().__init__(inner)
        self._profiles = profiles

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What `infer` takes; an axis is open where the profile leaves it so."""
        return [_narrowed(spec, self._profiles.get(spec.name)) for spec in self._inner.inputs]

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the engine once; see `Runtime.infer`.

        Raises:
            TensorMismatch: A shape outside the profile, too.
        """
        for name, array in feeds.items():
            profile = self._profiles.get(name)
            if profile is not None and not _within(array.shape, profile):
                have = "x".join(map(str, array.shape))
                raise TensorMismatch(f"input {name!r} takes shapes of {profile}, not {have}")
        return self._inner.infer(feeds)


class Recorder(_Around):
    """A runtime that passes everything on and remembers what came out of the last call.

    Attributes:
        given: What came out last.
    """

    def __init__(self, inner: Runtime) -> None:
        """Wraps a runtime."""
        super().__init__(inner)
        self.given: dict[str, Array] = {}

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the engine once; see `Runtime.infer`."""
        self.given = {}  # not two of them at a time
        self.given = self._inner.infer(feeds)
        return self.given


class Fed(Exception):
    """What a detector was about to feed.

    Attributes:
        feeds: By input.
    """

    def __init__(self, feeds: Mapping[str, Array]) -> None:
        """Carries it."""
        super().__init__("fed")
        self.feeds = dict(feeds)


class Door(Closing):
    """Inputs without an engine behind them: what is fed comes back as `Fed`, and nothing runs."""

    def __init__(self, inputs: Sequence[TensorSpec]) -> None:
        """Stands in for an engine with these inputs."""
        self.inputs = inputs
        self.outputs: Sequence[TensorSpec] = []

    def infer(self, feeds: Mapping[str, Array]) -> NoReturn:
        """Gives back what was fed.

        Raises:
            Fed: Always.
        """
        raise Fed(feeds)

    def close(self) -> None:
        """Nothing is held."""


def _narrowed(spec: TensorSpec, profile: Profile | None) -> TensorSpec:
    if profile is None or len(profile.minimum) != len(spec.shape):
        return spec
    ends = zip(profile.minimum, profile.maximum, strict=True)
    return replace(spec, shape=tuple(low if low == high else None for low, high in ends))


def _within(shape: tuple[int, ...], profile: Profile) -> bool:
    return len(shape) == len(profile.minimum) and all(
        low <= side <= high
        for low, side, high in zip(profile.minimum, shape, profile.maximum, strict=True)
    )
