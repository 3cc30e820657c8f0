"""The memory of a GPU."""

from __future__ import annotations

from faceguard.engines.cuda_device import CudaDevice


def free_on_device() -> int:
    """Bytes that the first GPU has left, its context already taken.

    Raises:
        MissingPackage: pycuda is not here.
        CudaFailed: The driver refused.
        pycuda.driver.Error: Likewise.
    """
    with CudaDevice() as device, device.active():
        return int(device.cuda.mem_get_info()[0])
