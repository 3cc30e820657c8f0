"""Other programs, each in an environment of its own under `.bench/`, made on demand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

DEFACE = "deface==1.5.0"
# deface runs on OpenCV alone; with these two, which its README recommends, it takes ONNX Runtime.
DEFACE_WITH = ("onnx", "onnxruntime")
# With cv2.dnn_superres, which plain OpenCV lacks.
OPENCV_CONTRIB = "opencv-contrib-python-headless==4.10.0.84"
_INSTALL_LIMIT_S = 900


class NotHere(Exception):
    """A peer that cannot be had on this machine; the message is one line."""


def deface_environment(folder: Path, say: Callable[[str], None]) -> Path:
    """The environment with deface; see `environment`."""
    return environment(folder, (DEFACE, *DEFACE_WITH), say, size_mb=300)


def environment(
    folder: Path, packages: Sequence[str], say: Callable[[str], None], *, size_mb: int
) -> Path:
    """Makes an environment with a peer, or finds it made before.

    Args:
        folder: Where it stands, or is to stand.
        packages: The peer, pinned, and what it needs besides what it says itself.
        say: Told before something long is done.
        size_mb: About how large it gets, for that.

    Returns:
        Its Python.

    Raises:
        NotHere: It cannot be made.
    """
    python = folder / "bin" / "python"
    # Written last, so an environment whose making was cut short is made again.
    done = folder / "installed"
    if done.is_file() and python.exists():
        return python
    say(f"making an environment with {packages[0]} in {folder} (once, about {size_mb} MB)")
    peer = packages[0].partition("==")[0]
    _must_run([sys.executable, "-m", "venv", "--clear", str(folder)], peer)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _must_run([*pip, *packages], peer)
    done.touch()
    return python


def deface_command(
    python: Path, backend: str, preset: str, crf: int, clip: Path, out: Path
) -> list[str]:
    """The command of deface with its default settings and an encoder set like ours.

    Args:
        python: Of its environment.
        backend: `onnxrt`, which its default `auto` takes where it can, or `opencv`.
        preset: For libx264.
        crf: For libx264; deface's own is 25.
        clip: What to read.
        out: What to write.
    """
    encoder = {
        "codec": "libx264",
        # These two switch off what would be set twice: a crf, and sides as multiples of 16.
        "quality": None,
        "macro_block_size": 1,
        "output_params": ["-preset", preset, "-crf", str(crf)],
    }
    program = [str(python), "-m", "deface.deface", str(clip), "-o", str(out)]
    return [*program, "--backend", backend, "--ffmpeg-config", json.dumps(encoder)]


def versions(python: Path, *packages: str) -> dict[str, str]:
    """Versions of packages in another environment."""
    code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    told = subprocess.run(
        [str(python), "-c", code, *packages], capture_output=True, text=True, check=True
    )
    return dict(zip(packages, told.stdout.split(), strict=True))


def _must_run(command: list[str], peer: str) -> None:
    try:
        subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_INSTALL_LIMIT_S
        )
    except subprocess.CalledProcessError as error:
        lines = [line for line in (error.stderr + error.stdout).splitlines() if line.strip()]
        wrong = [line for line in lines if "error" in line.lower()]
        reason = (wrong or lines or [f"exit code {error.returncode}"])[-1].strip()
        raise NotHere(f"{peer} cannot be installed: {reason}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(f"{peer} cannot be installed: {error}") from error
