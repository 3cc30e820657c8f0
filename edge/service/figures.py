"""What was counted, as one tree of plain values: for the status file."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from faceguard.edge.meters import Meters

_PREFIX = "faceguard_"
_WINDOW_S = 60.0
_MOST_KEPT = 90
# Upper bounds in seconds, and how many were at or below each.
Buckets = list[tuple[float, float]]


class Figures:
    """Reads the meters again and again, so that delays are those of the last minute."""

    def __init__(self, meters: Meters, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Starts with nothing seen.

        Args:
            meters: What to read.
            clock_s: Monotonic seconds; for tests.
        """
        self._meters = meters
        self._clock_s = clock_s
        self._kept: deque[tuple[float, dict[str, Buckets]]] = deque(maxlen=_MOST_KEPT)

    def now(self) -> dict[str, Any]:
        """How the figures stand.

        Returns:
            Counts since the start; delays of what went out since the earliest of the calls of the
            last minute, or since the start at the first. A delay is null where nothing went out.
        """
        read = _Read(self._meters)
        delays = self._delays(read)
        return {
            "frames": {
                "in": read.count("frames_in_total"),
                "out": read.count("frames_out_total"),
                "slates": read.count("slates_total"),
                "dropped": read.counts("frames_dropped_total", "cause"),
                "whole": read.counts("frames_whole_total", "cause"),
            },
            "latency_ms": delays["latency_seconds"],
            "encoded_latency_ms": delays["encoded_latency_seconds"],
            "faces": {"now": read.count("tracks_now"), "total": read.count("tracks_total")},
            "outputs": _outputs(read),
            "upscaled": read.counts_by("pictures_upscaled_total", "use", "how"),
            "recorded": {
                "bytes": read.count("recorded_bytes_total"),
                "removed": read.counts("recordings_removed_total", "cause"),
                "paused": bool(read.count("recording_paused")),
            },
            "encoder_lag_ms": round(read.value("encoder_lag_seconds") * 1000, 1),
            "connections": {
                "again": read.count("camera_reconnects_total"),
                "failures": read.counts("camera_failures_total", "cause"),
                "damaged": read.count("camera_damaged_total"),
                "argus_restarts": read.count("argus_restarts_total"),
            },
            "detector": {
                "looks": read.count("looks_total"),
                "found": read.count("detections_total"),
                "reopened": read.count("detector_reopened_total"),
            },
            "reloads": read.counts("reloads_total", "result"),
        }

    def _delays(self, read: _Read) -> dict[str, dict[str, float | None]]:
        names = ("latency_seconds", "encoded_latency_seconds")
        newest = {name: read.buckets(name) for name in names}
        now_s = self._clock_s()
        while len(self._kept) > 1 and now_s - self._kept[0][0] > _WINDOW_S:
            self._kept.popleft()
        oldest = self._kept[0][1] if self._kept else {}
        self._kept.append((now_s, newest))
        return {name: _delay(newest[name], oldest.get(name)) for name in names}


def quantile(buckets: Sequence[tuple[float, float]], part: float) -> float | None:
    """A quantile out of cumulative buckets, evenly spread within each, as Prometheus estimates.

    Args:
        buckets: Upper bounds, rising to infinity, and how many values were at or below each.
        part: 0.5 for the median.

    Returns:
        The estimate; the highest finite bound where it is beyond; None where there is no value.
    """
    if not buckets or buckets[-1][1] <= 0:
        return None
    rank = part * buckets[-1][1]
    for (low, below), (high, upto) in pairwise([(0.0, 0.0), *buckets]):
        if upto >= rank and upto > below:
            return (
                low
                if high == float("inf")
                else low + (high - low) * (rank - below) / (upto - below)
            )
    return None


class _Read:
    """All samples at one moment, by name."""

    def __init__(self, meters: Meters) -> None:
        self._samples: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
        for metric in meters.registry.collect():
            for sample in metric.samples:
                name = sample.name.removeprefix(_PREFIX)
                self._samples[name].append((sample.labels, sample.value))

    def value(self, name: str) -> float:
        found = self._samples.get(name)
        return found[0][1] if found else 0.0

    def count(self, name: str) -> int:
        return round(self.value(name))

    def counts(self, name: str, label: str) -> dict[str, int]:
        found = self._samples.get(name, [])
        return {labels[label]: round(value) for labels, value in found if value}

    def counts_by(self, name: str, first: str, second: str) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for labels, value in self._samples.get(name, []):
            if value:
                found.setdefault(labels[first], {})[labels[second]] = round(value)
        return found

    def labelled(self, name: str, label: str) -> dict[str, float]:
        return {labels[label]: value for labels, value in self._samples.get(name, [])}

    def buckets(self, name: str) -> Buckets:
        found = self._samples.get(f"{name}_bucket", [])
        return sorted((float(labels["le"]), value) for labels, value in found)


def _outputs(read: _Read) -> dict[str, dict[str, Any]]:
    up = read.labelled("output_up", "output")
    failures = read.labelled("output_failures_total", "output")
    dropped = read.labelled("output_dropped_total", "output")
    clients = read.labelled("output_clients", "output")
    return {
        name: {
            "up": bool(is_up),
            "failures": round(failures.get(name, 0)),
            "dropped": round(dropped.get(name, 0)),
            # Missing, and not 0, for an output that nobody can watch.
            "clients": round(clients[name]) if name in clients else None,
        }
        for name, is_up in up.items()
    }


def _delay(newest: Buckets, oldest: Buckets | None) -> dict[str, float | None]:
    before = [count for _, count in oldest] if oldest else [0.0] * len(newest)
    since = [(bound, count - old) for (bound, count), old in zip(newest, before, strict=True)]
    return {name: _ms(quantile(since, part)) for name, part in (("p50", 0.5), ("p95", 0.95))}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
