"""What the service counts, under the names that Prometheus sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from faceguard.edge.heat.reading import Survey
from faceguard.engines.memory import free_memory

_STAGE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16)


class Counts:
    """The figures; each attribute is one of Prometheus' own instruments.

    Attributes:
        registry: What an exporter reads.
        requests: By `route`, as the OpenAPI document names it or "other", and by `status`; 499
            where the client went away before there was an answer.
        answered_bytes: Bytes of answers, by `route`.
        stage_s: Seconds by `stage`: "upload", "decode", "wait", "redact", "enhance", "encode".
        batches: How many pictures went through a network together.
        faces: Faces covered.
        left_bare: Pictures that went out with faces uncovered, as `redact=false` asks.
        whole: Pictures covered whole, by `cause`.
    """

    def __init__(
        self,
        *,
        queue: Callable[[], int],
        held_bytes: Callable[[], int],
        survey: Callable[[], Survey],
    ) -> None:
        """Starts with everything at zero.

        Args:
            queue: How many pictures wait.
            held_bytes: What they and the ones in work hold.
            survey: What the machine's sensors say.
        """
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "faceguard_serve_requests", "Requests", ["route", "status"], registry=registry
        )
        self.answered_bytes = Counter(
            "faceguard_serve_answered_bytes", "Bytes of answers", ["route"], registry=registry
        )
        self.stage_s = Histogram(
            "faceguard_serve_stage_seconds",
            "Time of a stage a picture",
            ["stage"],
            buckets=_STAGE_S,
            registry=registry,
        )
        self.batches = Histogram(
            "faceguard_serve_batch_pictures",
            "Pictures that went through a network together",
            buckets=_BATCHES,
            registry=registry,
        )
        self.faces = Counter("faceguard_serve_faces", "Faces covered", registry=registry)
        self.left_bare = Counter(
            "faceguard_serve_left_bare", "Pictures answered with faces bare", registry=registry
        )
        self.whole = Counter(
            "faceguard_serve_covered_whole", "Pictures covered whole", ["cause"], registry=registry
        )
        Gauge("faceguard_serve_queue", "Pictures that wait", registry=registry).set_function(queue)
        Gauge("faceguard_serve_held_bytes", "Held for pictures", registry=registry).set_function(
            held_bytes
        )
        ProcessCollector(namespace="faceguard", registry=registry)
        self.registry.register(_Machine(survey))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


class _Machine(Collector):
    """What the machine has and feels; what is not known has no sample."""

    def __init__(self, survey: Callable[[], Survey]) -> None:
        self._survey = survey

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        free = GaugeMetricFamily("faceguard_memory_free_bytes", "What could be taken now")
        free.add_metric([], free_memory().bytes)
        yield free
        zones = GaugeMetricFamily(
            "faceguard_temperature_celsius", "Of a thermal zone", labels=["zone"]
        )
        for name, zone in self._survey().zones.items():
            value_c = zone.temperature_c.value
            if value_c is not None and math.isfinite(value_c):
                zones.add_metric([name], value_c)
        yield zones
