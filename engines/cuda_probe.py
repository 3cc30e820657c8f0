"""Asks the CUDA driver what the first GPU is. A script: run alone, in a process of its own.

It stands on the standard library only and is started without site-packages, so that it takes
milliseconds, and nothing that hangs or crashes in a driver reaches the process that asks. It
prints one line of JSON: `error`, or what `machine.Gpu` holds; `cuda` where the driver tells.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

_MAJOR = 75  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
_MINOR = 76
_INTEGRATED = 18


class _DriverError(Exception):
    """A call that the driver did not do."""


def look() -> dict[str, object]:
    """Asks the driver; see the top of this file for the answer."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return {"error": f"no CUDA driver: {error}"}
    told: dict[str, object] = {}
    try:
        version = ctypes.c_int()
        _call(driver, "cuDriverGetVersion", ctypes.byref(version))
        told["cuda"] = f"{version.value // 1000}.{version.value % 1000 // 10}"
        _call(driver, "cuInit", 0)
        device = ctypes.c_int()
        _call(driver, "cuDeviceGet", ctypes.byref(device), 0)
        name = ctypes.create_string_buffer(256)
        _call(driver, "cuDeviceGetName", name, len(name), device)
        memory_bytes = ctypes.c_size_t()
        _call(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory_bytes), device)
        told["gpu"] = {
            "name": name.value.decode(errors="replace"),
            "compute_capability": [
                _attribute(driver, _MAJOR, device),
                _attribute(driver, _MINOR, device),
            ],
            "memory_bytes": memory_bytes.value,
            "integrated": bool(_attribute(driver, _INTEGRATED, device)),
        }
    except _DriverError as error:
        told["error"] = str(error)
    return told


def _call(driver: ctypes.CDLL, name: str, *arguments: object) -> None:
    code = getattr(driver, name)(*arguments)
    if code != 0:
        raise _DriverError(f"{name} failed: {_text(driver, code)}")


def _attribute(driver: ctypes.CDLL, number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _call(driver, "cuDeviceGetAttribute", ctypes.byref(value), number, device)
    return value.value


def _text(driver: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    driver.cuGetErrorString(code, ctypes.byref(text))
    return f"{text.value.decode(errors='replace') if text.value else 'unknown error'} ({code})"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look()) + "\n")
    sys.stdout.flush()
    # A driver may hang while it is unloaded, and the answer is out already.
    os._exit(0)
