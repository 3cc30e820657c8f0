"""Timings of earlier builds, so that the next one need not measure them again.

A timing holds for one GPU, one TensorRT and one CUDA only, so each of these has a file of its own;
TensorRT checks it again when it loads one. TensorRT for RTX keeps none: its timing caches are empty
since 1.2.
"""

from __future__ import annotations

import fcntl
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from faceguard.convert.build.native import Native
from faceguard.engines.errors import UsageError

if TYPE_CHECKING:
    from faceguard.convert.build.listener import Listener
    from faceguard.engines.spec import Backend


_SUFFIX = ".timing"


class BuiltOn(Protocol):
    """What timings depend on; `faceguard.engines.manifest.BuiltFor` has it."""

    @property
    def version(self) -> str | None:
        """Of the backend, as 10.3.0."""
        ...

    @property
    def cuda(self) -> str | None:
        """The CUDA version of the driver."""
        ...

    @property
    def gpu(self) -> str | None:
        """The GPU's name."""
        ...

    @property
    def compute_capability(self) -> str | None:
        """As 8.7."""
        ...


def timing_cache_path(folder: Path, built_on: BuiltOn, backend: Backend) -> Path | None:
    """The file for this GPU, TensorRT and CUDA.

    Args:
        folder: Where such files lie.
        built_on: The machine that builds.
        backend: What builds.

    Returns:
        The path; None where the backend keeps no timings, or no GPU is known to have made them.
    """
    if backend != "tensorrt" or built_on.gpu is None:
        return None
    parts = [
        built_on.gpu,
        f"sm{(built_on.compute_capability or 'unknown').replace('.', '')}",
        f"tensorrt{built_on.version or 'unknown'}",
        f"cuda{built_on.cuda or 'unknown'}",
    ]
    name = "-".join(re.sub(r"[^A-Za-z0-9.]+", "_", part).strip("_") for part in parts)
    return folder / f"{name}{_SUFFIX}"


class TimingCache:
    """The timings of one build; what goes wrong with them is a warning.

    Only a file that holds timings is ever replaced: one that is empty, that the backend reads, or
    whose name ends in .timing, as of those that are named here. Anything else is an error, since a
    user who names a model by mistake wants it back.
    """

    def __init__(self, config: Native, path: Path, listener: Listener) -> None:
        """Loads the file where there is one, and hands it to the build.

        Args:
            config: The backend's IBuilderConfig.
            path: The file; need not exist.
            listener: Takes the warnings, and knows those of the backend.

        Raises:
            UsageError: The file holds something else.
        """
        with suppress(OSError):
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise UsageError(f"--timing-cache {path}: no plain file; name another")
        self._config = config
        self._path = path
        self._listener = listener
        self._read = b""
        try:
            self._read = path.read_bytes()
        except FileNotFoundError:
            pass
        except OSError as error:
            listener.warn(f"timing cache {path} cannot be read: {error.strerror}")
        cache = self._open(self._read)
        if cache is None or not config.set_timing_cache(cache, False):
            if self._read:
                if not self._may_replace():
                    raise UsageError(
                        f"--timing-cache {path}: holds no timings that this TensorRT reads; "
                        "remove it, or name another file"
                    )
                listener.warn(
                    f"timing cache {path} is damaged or of another GPU or TensorRT: not used, "
                    "and replaced after this build"
                )
            self._read = b""
            cache = config.create_timing_cache(b"")
            config.set_timing_cache(cache, False)
        # The build reads it to its end; the configuration does not keep it alive.
        self._cache = cache

    def save(self) -> None:
        """Writes what is known now, joined with what other builds have saved meanwhile."""
        cache = self._config.get_timing_cache()
        if cache is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Held for the time of one small write; the system lets it go when its holder dies.
            with self._path.with_name(f".{self._path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not self._join(cache):
                    self._listener.warn(f"timing cache {self._path} is something else now: kept")
                    return
                data = bytes(memoryview(cache.serialize()))
                if data != self._read:
                    draft = self._path.with_name(f".{self._path.name}.part")
                    draft.write_bytes(data)
                    draft.replace(self._path)
        except OSError as error:
            self._listener.warn(
                f"timing cache {self._path} cannot be written ({error.strerror}); "
                "the next build measures everything again"
            )

    def _join(self, cache: Native) -> bool:
        """Adds what others have saved meanwhile; False where the file is none to be replaced."""
        try:
            now = self._path.read_bytes()
        except FileNotFoundError:
            return True
        if not now or now == self._read:
            return True
        others = self._open(now)
        if others is not None:
            cache.combine(others, False)
        return others is not None or self._may_replace()

    def _may_replace(self) -> bool:
        return self._path.suffix == _SUFFIX

    def _open(self, data: bytes) -> Native | None:
        """A cache of these bytes; None where the backend threw some of them away.

        From damaged bytes TensorRT gives an empty cache as if nothing were wrong, and a warning.
        """
        complaints = self._listener.complaints
        cache = self._config.create_timing_cache(data)
        return cache if self._listener.complaints == complaints else None
