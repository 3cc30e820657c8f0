"""What the doctor asks of libraries. Runs in a child process, since a broken library may crash.

Each probe loads one library by name, so that nothing here fails where another is absent.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from faceguard.edge.doctor.child import MARK

ENCODERS = ("libx264", "libx265", "libvpx-vp9", "h264_nvenc", "h264_v4l2m2m")

Told = dict[str, Any]


def main(name: str) -> None:
    """Answers one question on standard output, as JSON after `MARK`.

    Args:
        name: A probe of `PROBES`. The answer holds what it returned; or `absent`, where there is
            no such module; or `error`, where loading it failed.
    """
    try:
        told = PROBES[name]()
    except ModuleNotFoundError as error:
        absent = error.name is None or error.name in (name, _MODULES.get(name))
        told = {"absent": True} if absent else {"error": _line(error)}
    except Exception as error:  # noqa: BLE001 - broken libraries raise anything; the parent tells
        told = {"error": _line(error)}
    # Libraries print too: the mark tells our line from theirs.
    sys.stdout.write(f"\n{MARK}{json.dumps(told)}\n")
    sys.stdout.flush()


def _plain(module: str) -> Callable[[], Told]:
    def probe() -> Told:
        return {"version": str(importlib.import_module(module).__version__)}

    return probe


def _opencv() -> Told:
    cv2 = importlib.import_module("cv2")
    return {"version": cv2.__version__, "build": cv2.getBuildInformation()}


def _onnxruntime() -> Told:
    ort = importlib.import_module("onnxruntime")
    return {"version": ort.__version__, "providers": ort.get_available_providers()}


def _pillow() -> Told:
    importlib.import_module("PIL.Image")  # which loads the compiled half
    return {"version": importlib.import_module("PIL").__version__}


def _pycuda() -> Told:
    # The driver module is what needs libcuda; loading it does not yet touch the GPU.
    importlib.import_module("pycuda.driver")
    return {"version": importlib.import_module("pycuda").VERSION_TEXT}


def _av() -> Told:
    av = importlib.import_module("av")
    return {
        "version": av.__version__,
        "ffmpeg": getattr(av, "ffmpeg_version_info", None),
        "avcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        "encoders": {name: _encoder(av, name) for name in ENCODERS},
    }


def _encoder(av: Any, name: str) -> str:  # noqa: ANN401
    """`absent` from this FFmpeg, `listed` but not to be opened here, or `opens`."""
    try:
        context = av.CodecContext.create(name, "w")
    except (ValueError, av.error.FFmpegError):
        return "absent"
    context.width = context.height = 256
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, 25)
    try:
        context.open()
    except (ValueError, OSError, av.error.FFmpegError):
        return "listed"
    return "opens"


PROBES: dict[str, Callable[[], Told]] = {
    "numpy": _plain("numpy"),
    "opencv": _opencv,
    "onnxruntime": _onnxruntime,
    "pillow": _pillow,
    "av": _av,
    "pydantic": _plain("pydantic"),
    "pyyaml": _plain("yaml"),
    "tqdm": _plain("tqdm"),
    "onnx": _plain("onnx"),
    "tensorrt": _plain("tensorrt"),
    "pycuda": _pycuda,
}
# Where the module is not called like what one installs.
_MODULES = {"opencv": "cv2", "pillow": "PIL", "pyyaml": "yaml"}


def _line(error: Exception) -> str:
    """What went wrong, as one line; the last line of a long message is the one that tells."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}".rstrip(": ")
