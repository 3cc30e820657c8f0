"""The GPU through pycuda: its primary context, one stream, and memory for tensors."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from faceguard.engines.backends import INSTALL_PYCUDA
from faceguard.engines.closing import Closing
from faceguard.engines.cuda_driver import CudaDriver, CudaFailed
from faceguard.engines.errors import MissingPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from faceguard.engines.types import Array

_log = logging.getLogger(__name__)

_ORDINAL = 0  # CUDA_VISIBLE_DEVICES chooses, where there are several
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: never waits for what others do on the default stream
_SHORTEST_WAIT_S = 20e-6
_LONGEST_WAIT_S = 1e-3


def load_pycuda() -> Any:  # noqa: ANN401 - pycuda has no types
    """Imports `pycuda.driver`; that needs the driver's library but does not touch the GPU.

    Raises:
        MissingPackage: It is not installed, or cannot be loaded.
    """
    try:
        import pycuda.driver as cuda
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"TensorRT engines need the Python package {error.name!r}; with the CUDA toolkit in "
            f"/usr/local/cuda, run: {INSTALL_PYCUDA}"
        ) from error
    except ImportError as error:
        raise MissingPackage(
            f"pycuda cannot be loaded: {error}; install NVIDIA's driver (a Jetson has it), "
            "and see: faceguard doctor"
        ) from error
    return cuda


class CudaDevice(Closing):
    """A share in the primary context of the first GPU, and a stream in it.

    The context is current only within `active`, which any thread may enter, one at a time; what
    was current in that thread before is current again after it.
    """

    def __init__(self) -> None:
        """Wakes the GPU.

        Raises:
            MissingPackage: pycuda is not here.
            CudaFailed: The driver refused.
            pycuda.driver.Error: Likewise.
        """
        self.cuda = load_pycuda()
        self.driver = CudaDriver()
        self.cuda.init()
        device = self.cuda.Device(_ORDINAL)
        attribute = self.cuda.device_attribute
        self.integrated = all(
            device.get_attribute(kind)
            for kind in (attribute.INTEGRATED, attribute.CAN_MAP_HOST_MEMORY)
        )
        self._stream: Any = None
        # Two shares: pycuda gives its own back while the context is still on this thread's stack,
        # where the driver leaves it. The other keeps it whole until it is taken off.
        self._handle = self.driver.retain(_ORDINAL)
        try:
            self._context = device.retain_primary_context()
        except BaseException:
            self.driver.release(_ORDINAL)
            raise
        try:
            with self.active():
                self._stream = self.cuda.Stream(_NON_BLOCKING)
        except BaseException:
            with contextlib.suppress(self.cuda.Error, CudaFailed):
                self._context.push()
                self.close()
            raise

    @property
    def stream(self) -> Any:  # noqa: ANN401
        """The stream, as pycuda has it.

        Not to be kept, not even in a local variable, which an exception's traceback would hold: it
        must go before the context.
        """
        return self._stream

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Makes the context current in this thread."""
        self._context.push()
        try:
            yield
        finally:
            try:
                self.cuda.Context.pop()
            except self.cuda.Error as error:
                # What went wrong before, if anything, is what the caller has to hear of.
                _log.warning("CUDA's context could not be left: %s", error)

    def push(self) -> None:
        """Makes the context current in this thread until `close`."""
        self._context.push()

    def finish(self, deadline_s: float | None) -> bool:
        """Waits until the stream has done its work.

        Args:
            deadline_s: When to give up, by `time.monotonic`; None waits for as long as it takes.

        Returns:
            Whether it has.

        Raises:
            pycuda.driver.Error: Something in the stream failed.
        """
        if deadline_s is None:
            self._stream.synchronize()
            return True
        start_s = time.monotonic()
        while not self._stream.is_done():
            now_s = time.monotonic()
            if now_s >= deadline_s:
                return False
            # A sixteenth of what was waited already: few looks, and little is waited too long.
            wait_s = min(max((now_s - start_s) / 16, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
            time.sleep(min(wait_s, deadline_s - now_s))
        return True

    def free_stream(self) -> None:
        """Frees the stream; the context is current."""
        self._stream = None

    def close(self) -> None:
        """Frees stream and context. The context is current, and is not afterwards."""
        if self._handle == 0:
            return
        self._stream = None
        handle, self._handle = self._handle, 0
        try:
            self._context.detach()
            self.driver.remove_from_stack(handle)
        finally:
            self.driver.release(_ORDINAL)


class TensorMemory:
    """One tensor's memory: page-locked on the host, and on the GPU.

    On an integrated GPU both are the same memory, and nothing is copied.
    """

    def __init__(self, device: CudaDevice, size_bytes: int) -> None:
        """Takes the memory; the device's context is current.

        Args:
            device: The GPU.
            size_bytes: The most that the tensor will hold.

        Raises:
            pycuda.driver.Error: There is not enough.
        """
        cuda = device.cuda
        self._device = device
        flags = cuda.host_alloc_flags.DEVICEMAP if device.integrated else 0
        self._host: npt.NDArray[np.uint8] | None = cuda.pagelocked_empty(
            size_bytes, np.uint8, mem_flags=flags
        )
        self._on_device: Any = None
        try:
            if device.integrated:
                self.address = int(self._allocation().get_device_pointer())
            else:
                self._on_device = cuda.mem_alloc(size_bytes)
                self.address = int(self._on_device)
        except BaseException:
            self.free()
            raise
        self.size_bytes = size_bytes

    def fill(self, array: Array) -> None:
        """Puts an array into the host's side."""
        np.copyto(self._view(array.shape, array.dtype), array)

    def read(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A copy of what the host's side holds."""
        copy: Array = self._view(shape, dtype).copy()
        return copy

    def upload(self, size_bytes: int) -> None:
        """Enqueues the copy to the GPU, where it has memory of its own."""
        if self._on_device is not None:
            self._device.cuda.memcpy_htod_async(
                self.address, self._bytes(size_bytes), self._device.stream
            )

    def download(self, size_bytes: int) -> None:
        """Enqueues the copy from the GPU, where it has memory of its own."""
        if self._on_device is not None:
            self._device.cuda.memcpy_dtoh_async(
                self._bytes(size_bytes), self.address, self._device.stream
            )

    def free(self) -> None:
        """Gives the memory back; the context is current. Twice is as good as once."""
        on_device, self._on_device = self._on_device, None
        try:
            if on_device is not None:
                on_device.free()
        finally:
            if self._host is not None:
                allocation = self._allocation()
                self._host = None
                allocation.free()

    def _allocation(self) -> Any:  # noqa: ANN401
        if self._host is None:
            raise ValueError("this memory was given back")
        return self._host.base

    def _bytes(self, size_bytes: int) -> npt.NDArray[np.uint8]:
        if self._host is None:
            raise ValueError("this memory was given back")
        return self._host[:size_bytes]

    def _view(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        # Views are never kept: one that outlives the memory would read what is not there.
        size_bytes = math.prod(shape) * dtype.itemsize
        return self._bytes(size_bytes).view(dtype).reshape(shape)
