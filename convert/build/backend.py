"""TensorRT and TensorRT for RTX build an engine; one way for both, and for 10.3 to 11.4.

Every name of the library is reached through a variable called `trt`. Flags that not all of these
versions have are not used: precision is the graph's own, since the network is strongly typed.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

from faceguard.convert.build.forward import Forwarded
from faceguard.convert.build.listener import Listener, make_logger, make_monitor
from faceguard.convert.build.native import Library, Native
from faceguard.convert.build.parsing import parse, shapes
from faceguard.convert.build.request import BuildRequest
from faceguard.convert.build.timing import TimingCache
from faceguard.convert.child.wire import Sender, one_line
from faceguard.engines.backends import INSTALL, MODULES
from faceguard.engines.errors import (
    BuildFailed,
    ConvertError,
    MissingPackage,
    NotEnoughMemory,
    UsageError,
)

if TYPE_CHECKING:
    from faceguard.engines.spec import Backend, Profile

_OUT_OF_MEMORY = re.compile(
    r"out ?of ?memory|memory ?alloc|bad_alloc|insufficient (host|device|gpu)? ?memory",
    re.IGNORECASE,
)
_NO_ROOM = re.compile(r"insufficient workspace|could not find any implementation", re.IGNORECASE)


class Stopped(Exception):
    """The build was asked to end, and did."""


def load_backend(backend: Backend) -> Library:
    """Imports the library.

    Raises:
        MissingPackage: It is not installed, or does not load.
    """
    names = MODULES[backend]
    name = next((name for name in names if find_spec(name) is not None), None)
    if name is None:
        raise MissingPackage(
            f"backend {backend} needs the Python package {names[0]!r}: {INSTALL[backend]}"
        )
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise MissingPackage(
            f"the Python package {name} does not load ({one_line(str(error), 160)}); "
            f"install it again, {INSTALL[backend]}"
        ) from error


class Build:
    """One engine on its way. Nothing is let go before the process ends.

    The library crashes where its objects go in the wrong order, and an exit frees them as well.
    """

    def __init__(
        self,
        trt: Library,
        request: BuildRequest,
        *,
        listener: Listener,
        sender: Sender,
        stop: threading.Event,
    ) -> None:
        """Reads the graph and sets everything up.

        Args:
            trt: The library.
            request: What to build.
            listener: Keeps the library's log.
            sender: Takes progress.
            stop: Ends the build when set.

        Raises:
            ConvertError: The graph cannot be built.
            UsageError: Shapes or targets that cannot be meant.
            Stopped: It was asked to end.
        """
        self._trt = trt
        self._request = request
        self._listener = listener
        self._stop = stop
        self._logger = make_logger(trt, listener)
        self._builder = self._make_builder()
        self._check_stop()
        Forwarded(sender).stage("reading the graph")
        typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self._network = self._builder.create_network(typed)
        self._parser = parse(trt, self._network, self._logger, request.graph)
        self._check_stop()
        self._config = self._builder.create_builder_config()
        # Without it the inspector does not tell the types of the layers.
        self._config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        if request.workspace_bytes is not None:
            self._config.set_memory_pool_limit(
                trt.MemoryPoolType.WORKSPACE, request.workspace_bytes
            )
        if request.backend == "tensorrt-rtx":
            self._set_targets()
        self._set_profile(shapes(self._network, request.profiles, request.graph))
        self._monitor = make_monitor(trt, sender, stop)
        self._config.progress_monitor = self._monitor

    def run(self) -> memoryview:
        """Builds.

        Returns:
            The serialized engine, where the library holds it.

        Raises:
            BuildFailed: The library refused.
            NotEnoughMemory: The library said that memory ran out.
            Stopped: It was asked to end.
        """
        with ExitStack() as held:
            self._use_timings(held)
            told = len(self._listener.errors)
            self._engine = self._builder.build_serialized_network(self._network, self._config)
        if self._engine is None:
            self._check_stop()
            raise self._failure(self._listener.errors[told:])
        return memoryview(self._engine)

    def inspect(self) -> str | None:
        """The engine inspector's JSON; None where no GPU is here, or not one for this engine."""
        trt = self._trt
        if not gpu_is_here():
            return None  # without one, loading an engine crashes
        runtime = trt.Runtime(self._logger)
        engine = runtime.deserialize_cuda_engine(self._engine)
        if engine is None:
            return None
        inspector = engine.create_engine_inspector()
        told: str = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
        self._inspected = (runtime, engine, inspector)
        return told

    def _make_builder(self) -> Native:
        trt = self._trt
        try:
            return trt.Builder(self._logger)
        except TypeError as error:  # what the bindings make of a builder that is not there
            why = self._listener.errors[0] if self._listener.errors else "its builder did not start"
            raise BuildFailed(
                f"{self._request.backend} finds no GPU that it can use: {why}; "
                "see: faceguard doctor"
            ) from error

    def _set_targets(self) -> None:
        trt = self._trt
        members = dict(trt.ComputeCapability.__members__)
        targets = [target.upper() for target in self._request.targets] or ["CURRENT"]
        for target in targets:
            if target not in members:
                known = ", ".join(sorted(m.lower() for m in members if re.fullmatch(r"SM\d+", m)))
                raise UsageError(
                    f"TensorRT for RTX {trt.__version__} does not build for {target.lower()}; "
                    f"it knows {known}"
                )
        self._config.num_compute_capabilities = len(targets)
        for index, target in enumerate(targets):
            if not self._config.set_compute_capability(members[target], index):
                raise BuildFailed(
                    f"TensorRT for RTX does not take {target.lower()} beside "
                    f"{', '.join(targets).lower()}; build for one at a time"
                )

    def _set_profile(self, found: Mapping[str, Profile]) -> None:
        if not found:
            return
        profile = self._builder.create_optimization_profile()
        for name, shape in found.items():
            profile.set_shape(name, shape.minimum, shape.optimum, shape.maximum)
        if self._config.add_optimization_profile(profile) < 0:
            raise self._failure(self._listener.errors)

    def _use_timings(self, held: ExitStack) -> None:
        path = self._request.timing_cache
        if path is None:
            return
        if self._request.backend == "tensorrt-rtx":
            self._listener.warn(f"TensorRT for RTX keeps no timings; {path} is not used")
            return
        cache = TimingCache(self._config, path, self._listener)
        held.callback(cache.save)  # of a stopped build too

    def _failure(self, errors: list[str]) -> ConvertError:
        graph = self._request.graph
        why = errors[0] if errors else "it did not say why"
        if any(_OUT_OF_MEMORY.search(line) for line in errors):
            return NotEnoughMemory(
                f"{graph}: memory ran out while it was built: {why}; "
                "stop other programs, or lower --memory-limit"
            )
        mend = "take another precision or shape"
        if self._request.workspace_bytes is not None and any(map(_NO_ROOM.search, errors)):
            mend = "raise --memory-limit"
        return BuildFailed(f"{graph}: {self._request.backend} cannot build it: {why}; {mend}")

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped


def gpu_is_here() -> bool:
    """Whether the CUDA driver is installed and knows a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return (
        driver.cuInit(0) == 0
        and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        and count.value > 0
    )
