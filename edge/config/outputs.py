"""`encoder:` and `outputs:`, where redacted frames go. What is left out is off."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from faceguard.edge.config.login import HIDDEN, Host, Password, UserName
from faceguard.edge.config.part import Part

Port = Annotated[int, Field(ge=0, le=65535)]
Folder = Path


class EncoderConfig(Part):
    """H.264 by libx264, once for all outputs: Orin Nano has no encoder of its own."""

    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = (
        "superfast"
    )
    """Speed against size."""
    crf: Annotated[int, Field(ge=0, le=51)] = 23
    """Quality; lower is better and larger."""
    most_kbps: Annotated[int, Field(ge=50, le=200_000)] | None = 8000
    """The most that a second may take; null: no limit."""
    keyframe_s: Annotated[float, Field(ge=0.2, le=60)] = 2.0
    """A picture that a player can begin with, so often. A cut of power loses at most this much."""
    threads: Annotated[int, Field(ge=0, le=64)] = 0
    """Threads; 0 leaves it to the encoder."""


class Guarded(Part):
    """An address to listen on, and who may come in."""

    host: Host = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all."""
    user: Annotated[UserName | None, HIDDEN] = None
    """User name that clients must give."""
    password: Password | None = None
    """Password that clients must give; better in a file of its own."""
    password_file: Path | None = None
    """File that holds the password and nothing else."""

    @model_validator(mode="after")
    def _login(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        has_password = self.password is not None or self.password_file is not None
        if (self.user is not None) != has_password:
            raise ValueError("give user and password (or password_file) together, or neither")
        return self


class RtspOutput(Guarded):
    """Live video at rtsp://HOST:PORT/NAME."""

    port: Port = 8554
    """Port; 0 takes any that is free."""
    most_clients: Annotated[int, Field(ge=1, le=100)] = 8
    """More are refused."""


class RecordingsOutput(Part):
    """Segments of fragmented MP4 that play after a cut of power, too."""

    folder: Folder
    """Where they go: FOLDER/NAME/YYYY-MM-DD/HH-MM-SS.mp4, times in UTC."""
    segment_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """Length of a segment; it ends with the next keyframe."""
    keep_days: Annotated[float, Field(gt=0)] | None = 14.0
    """Older segments are removed; null: none for their age."""
    keep_gb: Annotated[float, Field(gt=0)] | None = None
    """Beyond so much in all, the oldest go; null: no limit but the disk."""
    free_mb: Annotated[float, Field(ge=0)] = 500.0
    """So much of the disk stays free: the oldest segments go first, then recording pauses."""


class SnapshotsOutput(Part):
    """A redacted JPEG whenever a face appears or leaves."""

    folder: Folder
    """Where they go: FOLDER/NAME/YYYY-MM-DD/HH-MM-SS-appears-TRACK.jpg, times in UTC."""
    on: tuple[Literal["appears", "leaves"], ...] = ("appears",)
    """Which events."""
    least_s: Annotated[float, Field(ge=0)] = 2.0
    """At least so long between two."""
    keep_days: Annotated[float, Field(gt=0)] | None = 14.0
    """Older ones are removed; null: none for their age."""
    keep_mb: Annotated[float, Field(gt=0)] | None = 500.0
    """Beyond so much in all, the oldest go."""
    quality: Annotated[int, Field(ge=1, le=100)] = 85
    """Of the JPEG."""


class MjpegOutput(Guarded):
    """Live pictures for any browser at http://HOST:PORT/, as multipart JPEG."""

    port: Port = 8080
    """Port; 0 takes any that is free."""
    rate: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Pictures per second at most."""
    quality: Annotated[int, Field(ge=1, le=100)] = 75
    """Of the JPEG."""
    most_clients: Annotated[int, Field(ge=1, le=100)] = 8
    """More are refused."""


class EventsOutput(Part):
    """What happens, a line of JSON each, never a pixel."""

    path: Path
    """The file; `-` writes to standard output."""
    keep_mb: Annotated[float, Field(gt=0)] = 50.0
    """Beyond this the file is put aside as FILE.1, and the one before goes."""


class StatusOutput(Part):
    """The state of things as one JSON file, for `faceguard status` and for scripts."""

    folder: Folder | None = None
    """Where NAME.json goes; left out: /run/faceguard, or the user's own runtime folder."""


class OutputsConfig(Part):
    """Everything that frames or events go to."""

    rtsp: RtspOutput | None = None
    """Live video for players and recorders."""
    recordings: RecordingsOutput | None = None
    """Video on disk."""
    snapshots: SnapshotsOutput | None = None
    """Pictures of events on disk."""
    mjpeg: MjpegOutput | None = None
    """Live pictures for browsers."""
    events: EventsOutput | None = None
    """Events for programs."""
    status: StatusOutput = StatusOutput()
    """State for people and scripts; always on."""
