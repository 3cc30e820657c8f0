"""A loaded TensorRT engine: what it takes and gives, and its errors in words."""

from __future__ import annotations

import importlib
import logging
import re
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from faceguard.engines.backends import INSTALL, MODULES
from faceguard.engines.closing import Closing
from faceguard.engines.errors import EngineStale, InferenceError, MissingPackage, ModelCorrupt
from faceguard.engines.spec import Profile
from faceguard.engines.types import TensorSpec

if TYPE_CHECKING:
    from faceguard.engines.spec import Backend

_log = logging.getLogger(__name__)

_DTYPES: dict[str, type[np.generic]] = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}
# What TensorRT says of an engine that is whole, but made by another version or for another GPU.
_FOREIGN = re.compile(
    r"please rebuild|version tag does not match|incompatible device", re.IGNORECASE
)
_KEPT_LINES = 50


def load_tensorrt(backend: Backend) -> Any:  # noqa: ANN401 - a module
    """Imports TensorRT or TensorRT for RTX.

    Raises:
        MissingPackage: It is not installed, or cannot be loaded.
    """
    reason = ""
    for name in MODULES[backend]:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:  # noqa: PERF203 - two names at most
            reason = reason or f"the Python package {error.name!r} is not installed"
        except ImportError as error:
            reason = f"{name} cannot be loaded: {error}"
    raise MissingPackage(f"engines of {backend} cannot run here: {reason}; {INSTALL[backend]}")


class TensorRtFailed(Exception):
    """Something that TensorRT refused; the message is its reason, in one line."""


class TensorRtLog:
    """What TensorRT said lately.

    There is one for each module and process: TensorRT keeps the first logger that it is given, so
    that must live as long as the library does, and lines of several engines mix in it.
    """

    def __init__(self) -> None:
        """Has heard nothing yet."""
        self._errors: deque[tuple[int, str]] = deque(maxlen=_KEPT_LINES)
        self._count = 0
        self.logger: Any = None

    def hear(self, severity: int, message: str) -> None:
        """Takes one line; 0 and 1 are errors, 2 is a warning, the rest is chatter."""
        line = " ".join(message.split())
        self._count += 1
        if severity <= 1:
            self._errors.append((self._count, line))
        _log.log(logging.WARNING if severity <= 2 else logging.DEBUG, "TensorRT: %s", line)

    def mark(self) -> int:
        """A place in the log, for `since`."""
        return self._count

    def since(self, mark: int) -> str:
        """The first and the last error after a mark, as one line."""
        lines = list(dict.fromkeys(line for number, line in list(self._errors) if number > mark))
        return " ... ".join(lines[:1] + lines[1:][-1:]) or "TensorRT gave no reason"


@cache
def tensorrt_log(trt: Any) -> TensorRtLog:  # noqa: ANN401
    """The log of this TensorRT module."""
    log = TensorRtLog()

    class Logger(trt.ILogger):  # type: ignore[misc]
        """Hands TensorRT's lines on."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            log.hear(int(severity), message)

    log.logger = Logger()
    return log


@dataclass(frozen=True)
class Input:
    """An input of an engine.

    Attributes:
        spec: Name, shape and dtype.
        profile: The shapes that it takes.
    """

    spec: TensorSpec
    profile: Profile


class TensorRtEngine(Closing):
    """Runtime, engine and execution context, freed in the right order.

    Nothing of TensorRT is ever held in a local variable: an exception's traceback would keep it
    alive until after the CUDA context is gone, and freeing it then crashes.
    """

    _runtime: Any = None
    _engine: Any = None
    _context: Any = None

    def __init__(self, data: bytes, name: str, backend: Backend) -> None:
        """Loads it; a CUDA context is current.

        Args:
            data: The bytes of the engine.
            name: How messages call it.
            backend: Which TensorRT built it.

        Raises:
            MissingPackage: TensorRT is not here.
            EngineStale: Another version built it, or for another GPU.
            ModelCorrupt: It cannot be read.
            InferenceError: There is not enough memory, or its tensors are of unknown kinds.
        """
        self._name = name
        self._trt = load_tensorrt(backend)
        self._log = tensorrt_log(self._trt)
        self.inputs: list[Input] = []
        self.outputs: list[TensorSpec] = []
        try:
            self._load(data)
            for index in range(self._engine.num_io_tensors):
                self._add(self._engine.get_tensor_name(index))
            mark = self._log.mark()
            self._context = self._engine.create_execution_context()
            if self._context is None:
                raise InferenceError(
                    f"{name}: no memory for this engine: {self._log.since(mark)}; "
                    "close what else uses the GPU"
                )
        except BaseException:
            self.close()
            raise

    def set_shape(self, name: str, shape: tuple[int, ...]) -> None:
        """Says how large an input will be.

        Raises:
            TensorRtFailed: TensorRT refused.
        """
        mark = self._log.mark()
        if not self._context.set_input_shape(name, shape):
            raise TensorRtFailed(self._log.since(mark))

    def shape(self, name: str) -> tuple[int, ...]:
        """How large a tensor is, for the inputs' shapes as they are set."""
        return tuple(self._context.get_tensor_shape(name))

    def most_bytes(self, name: str) -> int:
        """How much memory an output may need, for the inputs' shapes as they are set."""
        return int(self._context.get_max_output_size(name))

    def set_address(self, name: str, address: int) -> None:
        """Says where a tensor is on the GPU.

        Raises:
            TensorRtFailed: TensorRT refused.
        """
        mark = self._log.mark()
        if not self._context.set_tensor_address(name, address):
            raise TensorRtFailed(self._log.since(mark))

    def enqueue(self, stream: int) -> None:
        """Starts one run in a stream.

        Raises:
            TensorRtFailed: TensorRT refused.
        """
        mark = self._log.mark()
        if not self._context.execute_async_v3(stream):
            raise TensorRtFailed(self._log.since(mark))

    def close(self) -> None:
        """Frees context, engine and runtime; the CUDA context is current and at rest."""
        self._context = None
        self._engine = None
        self._runtime = None

    def _load(self, data: bytes) -> None:
        mark = self._log.mark()
        self._runtime = self._trt.Runtime(self._log.logger)
        self._engine = self._runtime.deserialize_cuda_engine(data)
        if self._engine is not None:
            return
        reason = self._log.since(mark)
        kind = EngineStale if _FOREIGN.search(reason) else ModelCorrupt
        raise kind(
            f"{self._name}: TensorRT {self._trt.__version__} cannot load this engine: {reason}; "
            "run: faceguard engines build"
        )

    def _add(self, name: str) -> None:
        dtype = self._engine.get_tensor_dtype(name).name
        if dtype not in _DTYPES:
            raise InferenceError(
                f"{self._name}: tensor {name!r} is of type {dtype}, which NumPy has not; "
                "build the engine with inputs and outputs in float32"
            )
        if (
            self._engine.get_tensor_location(name) != self._trt.TensorLocation.DEVICE
            or self._engine.get_tensor_format(name) != self._trt.TensorFormat.LINEAR
        ):
            raise InferenceError(
                f"{self._name}: tensor {name!r} is a shape tensor or not in linear order; "
                "build the engine with plain inputs and outputs"
            )
        sides = tuple(self._engine.get_tensor_shape(name))
        shape = tuple(None if side < 0 else side for side in sides)
        spec = TensorSpec(name, shape, np.dtype(_DTYPES[dtype]))
        if self._engine.get_tensor_mode(name) != self._trt.TensorIOMode.INPUT:
            self.outputs.append(spec)
        elif None not in shape:
            self.inputs.append(Input(spec, Profile.fixed(sides)))
        else:
            least, best, most = map(tuple, self._engine.get_tensor_profile_shape(name, 0))
            self.inputs.append(Input(spec, Profile(least, best, most)))
