"""The calls of the CUDA driver that pycuda does not offer: graphs, and its own context stack."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from faceguard.engines.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Callable

_HANDLE = ctypes.c_void_p
_OUT = ctypes.POINTER(ctypes.c_void_p)
_CALLS = {
    "cuCtxPopCurrent_v2": [_OUT],
    "cuCtxPushCurrent_v2": [_HANDLE],
    "cuDevicePrimaryCtxRetain": [_OUT, ctypes.c_int],
    "cuDevicePrimaryCtxRelease_v2": [ctypes.c_int],
    "cuGetErrorString": [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)],
    "cuGraphDestroy": [_HANDLE],
    "cuGraphExecDestroy": [_HANDLE],
    "cuGraphInstantiateWithFlags": [_OUT, _HANDLE, ctypes.c_ulonglong],
    "cuGraphLaunch": [_HANDLE, _HANDLE],
    "cuStreamBeginCapture_v2": [_HANDLE, ctypes.c_int],
    "cuStreamEndCapture": [_HANDLE, _OUT],
}
# CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do with CUDA does not spoil it.
_CAPTURE_THREAD_LOCAL = 1


class CudaFailed(Exception):
    """A call that the driver refused; the message names it and says why, in one line."""


class CudaDriver:
    """`libcuda.so.1` by ctypes; pycuda has loaded the very same library."""

    def __init__(self) -> None:
        """Finds the calls.

        Raises:
            CudaFailed: The driver is not here, or older than CUDA 11.4.
        """
        try:
            self._library = ctypes.CDLL("libcuda.so.1")
            for name, types in _CALLS.items():
                getattr(self._library, name).argtypes = types
        except (OSError, AttributeError) as error:
            raise CudaFailed(f"the CUDA driver cannot be used: {error}") from error

    def call(self, name: str, *arguments: object) -> None:
        """Makes one call.

        Raises:
            CudaFailed: It did not succeed.
        """
        code = getattr(self._library, name)(*arguments)
        if code != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(code, ctypes.byref(text))
            reason = text.value.decode(errors="replace") if text.value else f"error {code}"
            raise CudaFailed(f"{name.partition('_')[0]} failed: {reason}")

    def retain(self, ordinal: int) -> int:
        """Takes a share in the primary context of a GPU and gives its handle."""
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), ordinal)
        return context.value or 0

    def release(self, ordinal: int) -> None:
        """Gives a share in the primary context back; the last one frees it."""
        self.call("cuDevicePrimaryCtxRelease_v2", ordinal)

    def remove_from_stack(self, context: int) -> None:
        """Takes a context off this thread's stack: from the top, or from right below the top."""
        top = self._pop()
        if top != context:
            self._pop()
            self.call("cuCtxPushCurrent_v2", top)

    def _pop(self) -> int:
        context = ctypes.c_void_p()
        self.call("cuCtxPopCurrent_v2", ctypes.byref(context))
        return context.value or 0


class CudaGraph(Closing):
    """Work that was recorded once and is started again by a single call."""

    def __init__(self, driver: CudaDriver, stream: int, work: Callable[[], None]) -> None:
        """Records what `work` puts into the stream, without running it.

        Args:
            driver: The driver; the stream's context is current in this thread.
            stream: The handle of a stream other than the default one.
            work: Enqueues; may neither wait nor allocate.

        Raises:
            CudaFailed: Something in it cannot be recorded. The stream is as it was before.
        """
        self._driver = driver
        self._stream = stream
        self._exec: ctypes.c_void_p | None = None
        graph = ctypes.c_void_p()
        driver.call("cuStreamBeginCapture_v2", stream, _CAPTURE_THREAD_LOCAL)
        try:
            try:
                work()
            finally:
                # In any case: a stream that records does nothing else.
                driver.call("cuStreamEndCapture", stream, ctypes.byref(graph))
            executable = ctypes.c_void_p()
            driver.call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, 0)
            self._exec = executable
        finally:
            if graph.value:
                driver.call("cuGraphDestroy", graph)

    def launch(self) -> None:
        """Puts the recorded work into the stream.

        Raises:
            CudaFailed: The driver refused.
        """
        self._driver.call("cuGraphLaunch", self._exec, self._stream)

    def close(self) -> None:
        """Frees the recording; its context is current, and the stream has come to its end."""
        executable, self._exec = self._exec, None
        if executable is not None:
            self._driver.call("cuGraphExecDestroy", executable)
