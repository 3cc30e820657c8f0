"""The camera: it opens, and gives a picture in time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.edge.check.running import process_of
from faceguard.edge.check.seen import told
from faceguard.edge.config.camera import FileCamera, SyntheticCamera
from faceguard.edge.config.model import Config
from faceguard.edge.doctor.finding import Finding, State
from faceguard.engines.errors import CameraUnfit, FaceguardError, MissingPackage, UsageError

if TYPE_CHECKING:
    from faceguard.edge.cameras.base import Camera, CameraInfo

# Over what the camera's own limits allow: opening, then one picture.
_GRACE_S = 5.0
_MENDS = {
    "v4l2": "plug it in, or name another camera.device: faceguard doctor lists them",
    "csi": "check the ribbon cable and camera.sensor; sudo systemctl restart nvargus-daemon",
    "rtsp": "check that it is on, reachable, and that camera.url, user and password are right",
    "file": "correct camera.path",
    "synthetic": "correct camera:",
}


def check_camera(config: Config) -> list[Finding]:
    """Opens the camera and takes one picture, then lets it go.

    A camera that the faceguard of this name has is left to it: a second reader is refused, or
    takes the pictures from the first.
    """
    # Here and not above: these want packages that may be what is missing.
    from faceguard.edge.cameras.registry import describe
    from faceguard.edge.cameras.timely import within

    runs = process_of(config)
    if runs is not None and not isinstance(config.camera, FileCamera | SyntheticCamera):
        detail = f"{describe(config.camera)}: not opened, as {config.name} runs (process id {runs})"
        return [Finding("camera", State.NOTE, detail, f"faceguard status {config.name}")]
    mend = _MENDS[config.camera.kind]
    opened: list[Camera] = []
    limit_s = 2 * config.supervision.open_within_s + _GRACE_S
    try:
        info = within(limit_s, "check the camera", lambda: _first(config, opened))
    except (CameraUnfit, MissingPackage, UsageError) as error:
        # Waiting for it to come back would not help.
        return [told("camera", State.FAULT, error, mend)]
    except FaceguardError as error:
        return [told("camera", State.WARNING, error, mend)]
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("faceguard"):
            raise
        lack = f"a camera of kind {config.camera.kind} needs the package {error.name}"
        return [Finding("camera", State.FAULT, lack, "pip install 'faceguard-edge[cpu]'")]
    except TimeoutError:
        late = f"gave no picture in {limit_s:g} s, and does not let go"
        return [Finding("camera", State.WARNING, late, mend)]
    finally:
        for camera in opened:
            with suppress(FaceguardError, OSError):
                camera.close()
    rate = "" if info.rate is None else f" at {float(info.rate):g} a second"
    detail = f"{describe(config.camera)}: {info.width}x{info.height}{rate}, {info.format}"
    found = [Finding("camera", State.OK, detail)]
    found += [Finding("camera", State.NOTE, note) for note in info.notes]
    return found


def _first(config: Config, opened: list[Camera]) -> CameraInfo:
    """What the camera says of itself after its first picture."""
    from faceguard.edge.cameras.registry import open_camera

    within_s = config.supervision.open_within_s
    camera = open_camera(config.camera, open_within_s=within_s, silent_after_s=within_s)
    opened.append(camera)
    if camera.read() is None:
        path = getattr(config.camera, "path", Path())
        raise CameraUnfit(f"{path.name}: holds no picture; correct camera.path")
    return camera.info
