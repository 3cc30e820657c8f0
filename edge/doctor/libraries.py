"""The Python packages that redaction stands on: there, loadable, new enough."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distributions, requires
from typing import Any

from faceguard.edge.doctor.child import ask
from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.jetson import Jetson

# All of them bring the same module `cv2`, each overwriting the others' files.
OPENCV_WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_HEADLESS = "opencv-python-headless"
_JETPACK_OPENCV = "sudo apt install nvidia-opencv"


def check_package(name: str, package: str, *, only_for: str | None = None) -> list[Finding]:
    """A package whose version is all there is to say.

    Args:
        name: The finding's name.
        package: What pip calls it, which is also the probe's name.
        only_for: What needs it, where redacting does not.

    Returns:
        One finding.
    """
    return [judge(name, package, ask(package), only_for=only_for)]


def check_opencv(jetson: Jetson | None) -> list[Finding]:
    """OpenCV: which wheel, whether two of them fight, and whether it has GStreamer."""
    told = ask("opencv")
    places = opencv_wheels()
    wheels = sorted({name for name, _ in places})
    finding = judge("OpenCV", _HEADLESS, told)
    if finding.state is State.MISSING:
        mend = _opencv_mend(str(told.get("error", "")), wheels, jetson)
        return [Finding("OpenCV", State.MISSING, finding.detail, mend), *_clash(places)]
    origin = f"from {' and '.join(wheels)}" if wheels else "from no wheel (the system's own)"
    found = [Finding("OpenCV", finding.state, f"{finding.detail}, {origin}", finding.mend)]
    return [*found, *_clash(places), _gstreamer(str(told["build"]), wheels, jetson)]


def check_onnxruntime() -> list[Finding]:
    """ONNX Runtime and where it can compute."""
    told = ask("onnxruntime")
    finding = judge("ONNX Runtime", "onnxruntime", told)
    if finding.state is State.MISSING:
        return [finding]
    providers = [str(name).removesuffix("ExecutionProvider") for name in told["providers"]]
    detail = f"{finding.detail}, runs on: {' '.join(providers)}"
    if "CPU" not in providers:
        mend = "pip install --force-reinstall onnxruntime"
        return [Finding("ONNX Runtime", State.MISSING, detail, mend)]
    return [Finding("ONNX Runtime", finding.state, detail, finding.mend)]


def judge(name: str, package: str, told: dict[str, Any], *, only_for: str | None = None) -> Finding:
    """Turns a probe's answer into a finding.

    Args:
        name: The finding's name.
        package: What pip calls it.
        told: The answer of `ask`.
        only_for: What needs it, where redacting does not.

    Returns:
        MISSING (NOTE where `only_for` is given) if it is absent or broken, NOTE if it is too old.
    """
    lacking = State.NOTE if only_for else State.MISSING
    purpose = f"; only {only_for} needs it" if only_for else ""
    if "absent" in told:
        return Finding(name, lacking, f"not installed{purpose}", f"pip install {package}")
    if "error" in told:
        detail = f"installed but cannot be loaded{purpose}: {told['error']}"
        return Finding(name, lacking, detail, f"pip install --force-reinstall {package}")
    least = least_version(package)
    if least is not None and _numbers(told["version"]) < _numbers(least):
        detail = f"{told['version']}, older than {least}, which faceguard is made for"
        return Finding(name, State.NOTE, detail, f'pip install "{package}>={least}"')
    return Finding(name, State.OK, str(told["version"]))


def least_version(package: str) -> str | None:
    """The oldest version that faceguard's own metadata allows; None where it names none."""
    try:
        wanted = requires("faceguard-edge") or []
    except PackageNotFoundError:
        return None
    for requirement in wanted:
        match = re.match(rf"{re.escape(package)}\s*>=\s*([\d.]+)", requirement, re.IGNORECASE)
        if match:
            return match.group(1)
    return None


def opencv_wheels() -> list[tuple[str, str]]:
    """Name and folder of each OpenCV wheel on Python's path."""
    found = {
        (name, str(distribution.locate_file("")))
        for name in OPENCV_WHEELS
        for distribution in distributions(name=name)
    }
    return sorted(found)


def gstreamer_version(build: str) -> str | None:
    """Reads OpenCV's build information.

    Args:
        build: What `cv2.getBuildInformation()` returned.

    Returns:
        GStreamer's version, `yes` where it has no number, None where it is not built in.
    """
    match = re.search(r"^\s*GStreamer:\s+YES(?:\s*\(([^)]*)\))?", build, re.MULTILINE)
    return (match.group(1) or "yes") if match else None


def _clash(places: list[tuple[str, str]]) -> list[Finding]:
    """Two wheels in one folder have overwritten each other's files."""
    for folder in dict.fromkeys(folder for _, folder in places):
        names = [name for name, place in places if place == folder]
        if len(names) > 1:
            keep = next((name for name in names if name.endswith("headless")), names[0])
            # Removing either takes files of the other along: both go, one comes back.
            mend = f"pip uninstall -y {' '.join(names)} && pip install {keep}"
            detail = f"{' and '.join(names)} side by side overwrite each other's files"
            return [Finding("OpenCV wheels", State.NOTE, detail, mend)]
    return []


def _gstreamer(build: str, wheels: list[str], jetson: Jetson | None) -> Finding:
    version = gstreamer_version(build)
    if version is not None:
        return Finding("OpenCV GStreamer", State.OK, version)
    if jetson is None:
        return Finding("OpenCV GStreamer", State.NOTE, "not built in; only CSI cameras need it")
    mend = (
        f"pip uninstall -y {' '.join(wheels)} && {_JETPACK_OPENCV}" if wheels else _JETPACK_OPENCV
    )
    return Finding("OpenCV GStreamer", State.NOTE, "not built in; CSI cameras need it", mend)


def _opencv_mend(error: str, wheels: list[str], jetson: Jetson | None) -> str:
    """The mend for an OpenCV that is not there or cannot be loaded."""
    if "libGL" in error or "libgthread" in error:
        return f"pip uninstall -y {' '.join(wheels) or 'opencv-python'} && pip install {_HEADLESS}"
    if "numpy.core.multiarray" in error or "_ARRAY_API" in error:
        # An OpenCV made for NumPy 1, as JetPack's is, under NumPy 2.
        return 'pip install "numpy<2"'
    if wheels:
        return f"pip install --force-reinstall {wheels[0]}"
    return _JETPACK_OPENCV if jetson is not None else f"pip install {_HEADLESS}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0])[:3])
