"""Libraries that are broken, old or twice there; each is loaded for real, in a child process."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from faceguard.edge.doctor.child import ask
from faceguard.edge.doctor.finding import State
from faceguard.edge.doctor.jetson import Jetson
from faceguard.edge.doctor.libraries import check_opencv, check_package, gstreamer_version, judge

JETSON = Jetson("NVIDIA Jetson Orin Nano", (36, 4, 3), "6.2")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV)"),
        ("raise SystemExit('bad licence')", "exit code 1: bad licence"),
        ("import signal; signal.pause()", "no answer within 1 s"),
        ("raise ImportError('libavcodec.so.61: cannot open')", "libavcodec.so.61: cannot open"),
        ("import absent_dependency", "No module named 'absent_dependency'"),
    ],
)
def test_broken_library_cannot_break_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (tmp_path / "tqdm.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    told = ask("tqdm", limit_s=1 if "pause" in source else 60)
    assert words in told["error"]
    finding = judge("tqdm", "tqdm", told)
    assert finding.state is State.MISSING
    assert finding.mend == "pip install --force-reinstall tqdm"


def test_library_that_prints_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tqdm.py").write_text(
        "import atexit; print('hello'); atexit.register(print, 'bye'); __version__ = '3'"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert ask("tqdm") == {"version": "3"}


def test_old_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("__version__ = '1.9.3'")
    monkeypatch.syspath_prepend(str(tmp_path))
    (finding,) = check_package("NumPy", "numpy")
    assert finding.state is State.NOTE
    assert finding.mend == 'pip install "numpy>=1.24"'


def test_two_opencv_wheels_and_gstreamer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("opencv_python", "opencv_python_headless"):
        folder = tmp_path / f"{name}-4.10.0.84.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 4.10.0.84\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {finding.name: finding for finding in check_opencv(JETSON)}
    assert found["OpenCV"].state is State.OK
    assert found["OpenCV wheels"].mend == (
        "pip uninstall -y opencv-python opencv-python-headless "
        "&& pip install opencv-python-headless"
    )
    # What the OpenCV that really runs here was built with decides.
    if gstreamer_version(cv2.getBuildInformation()):
        assert found["OpenCV GStreamer"].state is State.OK
    else:
        assert found["OpenCV GStreamer"].state is State.NOTE
        assert str(found["OpenCV GStreamer"].mend).endswith("&& sudo apt install nvidia-opencv")


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (
            "libGL.so.1: cannot open shared object file: No such file or directory",
            "pip install opencv-python-headless",
        ),
        ("numpy.core.multiarray failed to import", 'pip install "numpy<2"'),
    ],
)
def test_known_troubles_of_opencv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, mend: str
) -> None:
    (tmp_path / "cv2.py").write_text(f"raise ImportError({error!r})")
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = check_opencv(None)[0]
    assert finding.state is State.MISSING
    assert error in finding.detail
    assert str(finding.mend).endswith(mend)


def test_build_information() -> None:
    assert gstreamer_version("    FFMPEG:   YES\n    GStreamer:   YES (1.20.3)\n") == "1.20.3"
    assert gstreamer_version("    FFMPEG:   YES\n    GStreamer:   NO\n") is None
    assert gstreamer_version("") is None
