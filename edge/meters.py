"""Everything that is counted while the camera runs, under the names that Prometheus sees.

One `Meters` a process, on a registry of its own, so that tests can have as many as they like. What
was felt of heat and power is not counted: `faceguard.edge.heat.gauges` shows it as it is.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# A frame at 30 per second lasts 33 ms; look-ahead may hold one for seconds.
_STAGE_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5)
_LATENCY_S = (
    *(0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.35),
    *(0.5, 0.75, 1, 2, 5, 10),
)


class Meters:
    """The figures; each attribute is one of Prometheus' own instruments.

    Attributes:
        registry: What an exporter reads.
        frames_in: Frames that the camera gave.
        frames_out: Redacted frames that went to the outputs, slates not counted.
        slates: Slates shown while there was no camera.
        frames_dropped: Frames that went nowhere, by `cause`: "busy" (processing was not done with
            those before), "budget", "paused", "repeated" (the same picture again, by its time),
            "pool", "redaction failed", "failed" (no memory to work on it), "upscale" (enlarging was
            not done with those before, or failed), "closing".
        frames_whole: Frames covered whole, by `cause`, as `Cover.whole` has it.
        stage_s: Seconds that a stage took for one frame, by `stage`: "detect", "track", "redact",
            "upscale", "deliver", "encode".
        upscaled: Pictures that were enlarged, by `use`: "stream", "snapshots"; and `how`: "sharp"
            by the model, else plainly, and why: "heat", "late" (a newer frame waited), "slow" (the
            model took too long), "opening", "failed", "no room", "too large", "ending".
        latency_s: From capture until the outputs had the redacted frame.
        encoded_latency_s: From capture until the frame was encoded.
        detections: Faces that the detector gave out, weak ones too.
        looks: Frames that the detector looked at.
        tracks: Faces followed since the start.
        tracks_now: Faces in the newest frame.
        camera_up: 1 while frames come.
        camera_failures: Connections that ended, by `cause`: "absent", "unfit", "lost", "silent",
            "frozen", "corrupt", "failed".
        camera_reconnects: Connections after the first that gave a frame.
        camera_damaged: Pictures or packets that could not be decoded.
        camera_rate: Frames per second that came over the last seconds.
        argus_restarts: Restarts of nvargus-daemon.
        budget_level: 0 for all that was configured.
        budget_changes: Changes of level, by `way`: "down", "up".
        output_up: By `output`, 1 while it works.
        output_failures: By `output`.
        output_dropped: Frames or packets that an output was too slow for, by `output`.
        output_stuck_s: Seconds that an output has been in one piece of work, by `output`; worked
            out whenever somebody reads it, since an output that hangs could not set it.
        output_clients: Who watches, by `output`.
        recorded_bytes: Bytes of video written.
        recordings_removed: Segments removed, by `cause`: "age", "size", "disk".
        recording_paused: 1 while no space is left.
        encoder_lag_s: How far behind the newest frame the encoder is.
        reloads: Configurations read while running, by `result`: "taken", "refused".
        detector_reopened: How often the detector was opened anew after failing.
        notes_held_back: Log lines that were held back since they said the same again.
    """

    def __init__(self) -> None:
        """Starts with everything at zero."""
        self.registry = CollectorRegistry()
        self.frames_in = self._count("frames_in", "Frames that the camera gave")
        self.frames_out = self._count("frames_out", "Redacted frames that went to the outputs")
        self.slates = self._count("slates", "Slates shown while there was no camera")
        self.frames_dropped = self._count("frames_dropped", "Frames that went nowhere", "cause")
        self.frames_whole = self._count("frames_whole", "Frames covered whole", "cause")
        self.stage_s = self._times("stage_seconds", "Time of a stage a frame", _STAGE_S, "stage")
        self.upscaled = self._count("pictures_upscaled", "Pictures enlarged", "use", "how")
        self.latency_s = self._times("latency_seconds", "Capture to outputs", _LATENCY_S)
        self.encoded_latency_s = self._times(
            "encoded_latency_seconds", "Capture to encoded", _LATENCY_S
        )
        self.detections = self._count("detections", "Faces that the detector gave out")
        self.looks = self._count("looks", "Frames that the detector looked at")
        self.tracks = self._count("tracks", "Faces followed")
        self.tracks_now = self._gauge("tracks_now", "Faces in the newest frame")
        self.camera_up = self._gauge("camera_up", "1 while frames come")
        self.camera_failures = self._count("camera_failures", "Connections that ended", "cause")
        self.camera_reconnects = self._count(
            "camera_reconnects", "Connections after the first that gave a frame"
        )
        self.camera_damaged = self._count("camera_damaged", "Pictures that could not be decoded")
        self.camera_rate = self._gauge("camera_frames_per_second", "Frames that come")
        self.argus_restarts = self._count("argus_restarts", "Restarts of nvargus-daemon")
        self.budget_level = self._gauge("budget_level", "0 for all that was configured")
        self.budget_changes = self._count("budget_changes", "Changes of level", "way")
        self.output_up = self._gauge("output_up", "1 while it works", "output")
        self.output_failures = self._count("output_failures", "Failures of an output", "output")
        self.output_dropped = self._count(
            "output_dropped", "What an output was too slow for", "output"
        )
        self.output_stuck_s = self._gauge(
            "output_stuck_seconds", "In one piece of work that does not end", "output"
        )
        self.output_clients = self._gauge("output_clients", "Who watches", "output")
        self.recorded_bytes = self._count("recorded_bytes", "Bytes of video written")
        self.recordings_removed = self._count("recordings_removed", "Segments removed", "cause")
        self.recording_paused = self._gauge("recording_paused", "1 while no space is left")
        self.encoder_lag_s = self._gauge("encoder_lag_seconds", "Behind the newest frame")
        self.reloads = self._count("reloads", "Configurations read while running", "result")
        self.detector_reopened = self._count("detector_reopened", "Detectors opened anew")
        self.notes_held_back = self._count("log_lines_held_back", "Log lines held back")

    def value(self, name: str, **labels: str) -> float:
        """What a figure stands at, 0 where it was never touched; for status and tests.

        Args:
            name: As Prometheus has it, without "faceguard_": "frames_in_total".
            labels: Its labels.
        """
        return self.registry.get_sample_value(f"faceguard_{name}", labels) or 0.0

    def _count(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"faceguard_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"faceguard_{name}", what, labels, registry=self.registry)

    def _times(self, name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"faceguard_{name}", what, labels, registry=self.registry, buckets=buckets)
