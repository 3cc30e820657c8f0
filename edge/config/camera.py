"""`camera:`, where frames come from; and `supervision:`, what happens when none come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from faceguard.edge.config.login import HIDDEN, Password, UserName
from faceguard.edge.config.part import Part

Side = Annotated[int, Field(ge=16, le=8192)]
Rate = Annotated[float, Field(gt=0, le=240)]


class _Sized(Part):
    """What a camera can be asked for."""

    width: Side | None = None
    """Width of the pictures in pixels; left out: what the camera gives by itself."""
    height: Side | None = None
    """Height of the pictures in pixels."""
    rate: Rate | None = None
    """Pictures per second."""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("give width and height together, or neither")
        return self


class V4l2Camera(_Sized):
    """A USB camera, or another that the kernel's V4L2 knows."""

    kind: Literal["v4l2"]
    """The kernel's V4L2: USB cameras and most others."""
    device: Path = Path("/dev/video0")
    """The device; /dev/v4l/by-id/... names the same camera whichever port it is in."""
    format: Literal["auto", "mjpeg", "yuyv", "nv12", "h264"] = "auto"
    """What to ask the camera for; auto takes the best for the size and rate."""


class CsiCamera(_Sized):
    """A camera on the Jetson's CSI connector, through Argus and GStreamer."""

    kind: Literal["csi"]
    """The Jetson's CSI connector."""
    sensor: Annotated[int, Field(ge=0, le=15)] = 0
    """Number of the sensor, as Argus counts."""
    width: Side | None = 1280
    """Width of the pictures in pixels; with height it picks the sensor's mode."""
    height: Side | None = 720
    """Height of the pictures in pixels."""
    rate: Rate | None = 30
    """Pictures per second."""
    flip: Annotated[int, Field(ge=0, le=7)] = 0
    """How to turn the picture, as `flip-method` of nvvidconv: 2 is upside down."""
    through: Literal["auto", "gi", "opencv"] = "auto"
    """GStreamer through python3-gi or through OpenCV; auto takes the first that is there."""


class RtspCamera(Part):
    """A network camera."""

    kind: Literal["rtsp"]
    """A network camera."""
    url: Annotated[str, HIDDEN]
    """rtsp:// or rtsps:// address, best without user and password."""
    user: Annotated[UserName | None, HIDDEN] = None
    """User name for the camera."""
    password: Password | None = None
    """Its password; better in a file of its own."""
    password_file: Path | None = None
    """File that holds the password and nothing else."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How the video travels; TCP loses nothing."""

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            known = parts.scheme in ("rtsp", "rtsps") and bool(parts.hostname)
            known = known and parts.port != 0 and value.isprintable() and " " not in value
        except ValueError:
            known = False
        # The value stays out of the message: there may be a password in it.
        if not known:
            raise ValueError("write it like rtsp://192.0.2.7:554/stream")
        return value

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        has_password = self.password is not None or self.password_file is not None
        if has_password and self.user is None:
            raise ValueError("give user with the password")
        if self.user is not None and "@" in urlsplit(self.url).netloc:
            raise ValueError("give user and password in url or beside it, not both")
        return self


class FileCamera(Part):
    """A video file that stands in for a camera."""

    kind: Literal["file"]
    """A video file."""
    path: Path
    """The video."""
    loop: bool = False
    """Whether to begin again at its end, for ever; else the run ends there."""
    paced: bool = True
    """Whether frames come at their own times; else as fast as they can be processed."""


class SyntheticCamera(_Sized):
    """A drawn picture with things that move, for trying out and for tests."""

    kind: Literal["synthetic"]
    """A drawn picture."""
    width: Side | None = 640
    """Width of the pictures in pixels."""
    height: Side | None = 360
    """Height of the pictures in pixels."""
    rate: Rate | None = 25
    """Pictures per second."""
    frames: Annotated[int, Field(ge=1)] | None = None
    """After so many the run ends; left out: never."""
    paced: bool = True
    """Whether frames come at the rate; else as fast as they can be processed."""


CameraConfig = Annotated[
    V4l2Camera | CsiCamera | RtspCamera | FileCamera | SyntheticCamera,
    Field(discriminator="kind"),
]


class Supervision(Part):
    """When a camera counts as lost, and how it is tried again."""

    frozen_after_s: Annotated[float, Field(ge=0.2, le=60)] = 2.0
    """With no new frame for so long, the camera is taken for frozen and opened anew."""
    open_within_s: Annotated[float, Field(ge=1, le=120)] = 10.0
    """So long may opening and the first frame take."""
    slow_below: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Below this part of its own rate a camera is called slow."""
    retry_first_s: Annotated[float, Field(ge=0.05, le=60)] = 0.5
    """Pause before the first try to open it again; doubles from try to try, with some jitter."""
    retry_longest_s: Annotated[float, Field(ge=0.1, le=3600)] = 5.0
    """The longest pause between tries."""
    restart_argus: bool = False
    """Whether nvargus-daemon may be restarted when a CSI camera hangs; three times an hour."""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.retry_longest_s < self.retry_first_s:
            raise ValueError("retry_longest_s must not be below retry_first_s")
        return self


def plain_name(value: str) -> str:
    """A name that may stand in paths and addresses.

    Raises:
        ValueError: It may not.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", value):
        raise ValueError("use letters, digits, - and _, 32 at most")
    return value
