"""The whole configuration, as one tree."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, model_validator
from typing_extensions import Self

from faceguard.edge.config.camera import CameraConfig, Supervision, plain_name
from faceguard.edge.config.faces import DetectorConfig, RedactionConfig, TrackingConfig
from faceguard.edge.config.outputs import EncoderConfig, OutputsConfig
from faceguard.edge.config.part import Part
from faceguard.edge.config.service import LogConfig, MetricsConfig
from faceguard.edge.config.thermal import ThermalConfig
from faceguard.edge.config.upscale import UpscaleConfig
from faceguard.engines.wanted import Wanted


class Config(Part):
    """The configuration of one camera."""

    name: Annotated[str, AfterValidator(plain_name)] = "camera"
    """Name of this camera in addresses, paths and figures."""
    camera: CameraConfig
    """Where frames come from."""
    supervision: Supervision = Supervision()
    """What happens when none come."""
    detector: DetectorConfig = DetectorConfig()
    """Who finds the faces."""
    tracking: TrackingConfig = TrackingConfig()
    """How faces are followed."""
    redaction: RedactionConfig = RedactionConfig()
    """What a covered face looks like."""
    thermal: ThermalConfig = ThermalConfig()
    """How hot it may get, and what goes then."""
    upscale: UpscaleConfig = UpscaleConfig()
    """Larger and sharper pictures, after redaction."""
    encoder: EncoderConfig = EncoderConfig()
    """How video is encoded."""
    outputs: OutputsConfig = OutputsConfig()
    """Where redacted frames go."""
    metrics: MetricsConfig | None = MetricsConfig()
    """Figures for Prometheus; null: none."""
    log: LogConfig = LogConfig()
    """What is logged."""
    engines: tuple[Wanted, ...] = ()
    """Engines that `faceguard engines build` makes for this configuration."""

    @model_validator(mode="after")
    def _ports(self) -> Self:
        taken: dict[int, str] = {}
        for key, port in self.ports().items():
            if port and taken.setdefault(port, key) != key:
                raise ValueError(f"{taken[port]} and {key} are both {port}")
        return self

    def ports(self) -> dict[str, int]:
        """The ports that are listened on, by key."""
        listening = {
            "outputs.rtsp": self.outputs.rtsp,
            "outputs.mjpeg": self.outputs.mjpeg,
            "metrics": self.metrics,
        }
        return {f"{key}.port": part.port for key, part in listening.items() if part is not None}
