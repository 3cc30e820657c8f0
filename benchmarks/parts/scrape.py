"""The daemon's own figures, read as Prometheus would read them."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from faceguard.edge.service.figures import quantile

_PREFIX = "faceguard_"
_PATIENCE_S = 5.0
Labels = tuple[tuple[str, str], ...]
Samples = dict[str, dict[Labels, float]]


@dataclass(frozen=True)
class Scrape:
    """All figures at one moment.

    Attributes:
        at_ns: When, monotonic nanoseconds: between asking and the end of the answer.
        samples: Values by name (without "faceguard_") and labels.
    """

    at_ns: int
    samples: Samples


@dataclass(frozen=True)
class Window:
    """What happened between two scrapes."""

    before: Scrape
    after: Scrape

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.after.at_ns - self.before.at_ns) / 1e9

    def count(self, name: str) -> float:
        """How much a counter grew, over all its labels."""
        return sum(self.counts(name).values())

    def by(self, name: str, label: str) -> dict[str, int]:
        """How much a counter grew, by a label; what did not grow is left out."""
        grown: dict[str, int] = {}
        for labels, value in self.counts(name).items():
            if value:
                grown[dict(labels)[label]] = round(value)
        return grown

    def counts(self, name: str) -> dict[Labels, float]:
        """How much a counter grew, by its labels."""
        old = self.before.samples.get(name, {})
        new = self.after.samples.get(name, {})
        return {labels: value - old.get(labels, 0.0) for labels, value in new.items()}

    def mean(self, name: str, **labels: str) -> float | None:
        """Mean of what a histogram took in; None where it took in nothing."""
        key = tuple(sorted(labels.items()))
        taken = self.counts(f"{name}_count").get(key, 0.0)
        return self.counts(f"{name}_sum").get(key, 0.0) / taken if taken else None

    def buckets(self, name: str) -> list[tuple[float, float]]:
        """A histogram's upper bounds, and how many values were at or below each."""
        counts = self.counts(f"{name}_bucket")
        return sorted((float(dict(labels)["le"]), value) for labels, value in counts.items())

    def quantile(self, name: str, part: float) -> float | None:
        """An estimate of a quantile: values are taken as even within a bucket."""
        return quantile(self.buckets(name), part)

    def bounds(self, name: str, part: float) -> tuple[float, float] | None:
        """Between which bucket bounds a quantile lies for certain; None without a value."""
        return bounds(self.buckets(name), part)


def bounds(buckets: Sequence[tuple[float, float]], part: float) -> tuple[float, float] | None:
    """Between which bounds a quantile lies; None without a value.

    Args:
        buckets: Upper bounds, rising to infinity, and how many values were at or below each.
        part: 0.5 for the median.
    """
    if not buckets or buckets[-1][1] <= 0:
        return None
    rank = part * buckets[-1][1]
    low = 0.0
    for high, upto in buckets:
        if upto >= rank and upto > 0:
            return low, high
        low = high
    return None


def scrape(port: int, names: Sequence[str] = ()) -> Scrape:
    """Reads the figures.

    Args:
        port: Of 127.0.0.1.
        names: Only these, with "faceguard_" and "_total": little work for who answers.

    Raises:
        OSError: Nobody answers.
    """
    query = "&".join(f"name[]={name}" for name in names)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        asked_ns = time.monotonic_ns()
        connection.request("GET", f"/metrics?{query}" if query else "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        at_ns = (asked_ns + time.monotonic_ns()) // 2
        if answer.status != http.client.OK:
            raise OSError(f"metrics: status {answer.status}")
    except http.client.HTTPException as error:
        raise OSError(f"metrics: {error}") from error
    finally:
        connection.close()
    return Scrape(at_ns, parsed(text))


def parsed(text: str) -> Samples:
    """Prometheus' text as values by name and labels."""
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix(_PREFIX)
            samples.setdefault(name, {})[_key(sample.labels)] = float(sample.value)
    return samples


def _key(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))
