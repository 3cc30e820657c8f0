"""What tests of USB cameras may ask for: a fake device that speaks the kernel's protocol.

The camera is read in a child process, before which the fake is loaded. The same class ran before
the kernel's own test driver: packaging/drills/v4l2_vivid.sh.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.edge.cameras.children import ask, end_well
from tests.edge.cameras.v4l2_fake import DEVICE, Read, write_film
from tests.engines.tools import compile_library

ROOT = Path(__file__).resolve().parents[3]
CHILD = Path(__file__).with_name("v4l2_child.py")


@pytest.fixture(scope="module")
def fake() -> Path:
    if sys.maxsize < 2**32:
        pytest.skip("the structures are those of 64-bit Linux")
    return Path(compile_library(ROOT / "tests/native/fake_v4l2.c", "libfake_v4l2.so"))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pictures that get brighter, as a camera's MJPEG and H.264."""
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for name, codec, form, options in (
        ("MJPG", "mjpeg", "yuvj422p", {}),
        ("H264", "libx264", "yuv420p", {"tune": "zerolatency", "x264-params": "keyint=5"}),
    ):
        encoder: Any = av.CodecContext.create(codec, "w")
        encoder.width, encoder.height, encoder.pix_fmt = 640, 480, form
        encoder.time_base, encoder.options = Fraction(1, 30), options
        packets: list[bytes] = []
        for number in range(10):
            frame = av.VideoFrame(640, 480, form)
            for plane, value in zip(frame.planes, (40 + 10 * number, 100, 180), strict=True):
                plane.update(np.full(plane.buffer_size, value, np.uint8).tobytes())
            frame.pts = number
            packets += [bytes(packet) for packet in encoder.encode(frame)]
        packets += [bytes(packet) for packet in encoder.encode(None)]
        assert len(packets) == 10
        made[name] = write_film(folder / f"{name}.bin", packets)
    return made


@pytest.fixture(scope="module")
def child(fake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that has the fake camera."""
    control = tmp_path_factory.mktemp("v4l2") / "control"
    control.write_text("-")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(fake),
        "FAKE_V4L2": DEVICE,
        "FAKE_V4L2_CONTROL": str(control),
    }
    with subprocess.Popen(
        [sys.executable, str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        end_well(process)


@pytest.fixture
def read(child: subprocess.Popen[str], films: dict[str, Path]) -> Read:
    """Reads the fake camera."""

    def run(
        *,
        setup: str = "",
        formats: str = "YUYV,MJPG,NV12,H264",
        count: int = 0,
        then: list[tuple[str, int]] | None = None,
        times: int = 1,
        open_within_s: float = 10.0,
        silent_after_s: float = 5.0,
        film: dict[str, Path] | None = None,
        **config: object,
    ) -> dict[str, Any]:
        plan = {
            "config": {"kind": "v4l2", "device": DEVICE, **config},
            "read": count,
            "then": then or [],
            "times": times,
            "open_within_s": open_within_s,
            "silent_after_s": silent_after_s,
            "environment": {
                "FAKE_V4L2_FORMATS": formats,
                "FAKE_V4L2_SETUP": setup,
                **{f"FAKE_V4L2_{k}": str(path) for k, path in {**films, **(film or {})}.items()},
            },
        }
        told = ask(child, plan)
        assert told["descriptors_left"] == 0
        assert told["threads_left"] == 0
        return told

    return run
