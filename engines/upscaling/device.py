"""The memory of a GPU."""

from __future__ import annotations

from faceguard.engines.cuda_device import CudaDevice, load_pycuda
from faceguard.engines.cuda_driver import CudaFailed
from faceguard.engines.errors import InferenceError


def free_on_device() -> int:
    """Bytes that the first GPU has left, its context already taken.

    Raises:
        MissingPackage: pycuda is not here.
        InferenceError: The driver refused.
    """
    cuda_error = load_pycuda().Error
    try:
        with CudaDevice() as device, device.active():
            return int(device.cuda.mem_get_info()[0])
    except (CudaFailed, cuda_error) as error:
        reason = " ".join(str(error).split())[:300]
        raise InferenceError(f"the GPU does not say what memory it has left: {reason}") from error
