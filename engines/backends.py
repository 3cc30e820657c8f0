"""What the backends are called, where their modules are, and how they are installed."""

from __future__ import annotations

from faceguard.engines.spec import Backend

TITLES: dict[Backend, str] = {
    "tensorrt": "TensorRT",
    "tensorrt-rtx": "TensorRT for RTX",
    "onnx": "ONNX Runtime",
}

# pip's wheels of the bare bindings bring the module under the second name.
MODULES: dict[Backend, tuple[str, ...]] = {
    "tensorrt": ("tensorrt", "tensorrt_bindings"),
    "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}

INSTALL: dict[Backend, str] = {
    "tensorrt": "on a Jetson, run: sudo apt install python3-libnvinfer, and make the virtual "
    "environment with --system-site-packages; on a PC, run: pip install tensorrt",
    "tensorrt-rtx": "on a PC, run: pip install 'faceguard-edge[rtx]'; a Jetson has no "
    "TensorRT for RTX",
}

# It is built on the spot, and finds the CUDA toolkit by its nvcc.
INSTALL_PYCUDA = "PATH=$PATH:/usr/local/cuda/bin pip install pycuda"
