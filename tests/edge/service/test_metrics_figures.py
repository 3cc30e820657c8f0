"""The status file's figures are those of the meters, and delays those of the last minute."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.meters import Meters
from faceguard.edge.service.figures import Figures, quantile


def test_counts_are_as_they_were_counted():
    meters = Meters()
    meters.frames_in.inc(7)
    meters.frames_dropped.labels("busy").inc(2)
    meters.frames_dropped.labels("budget").inc(0)
    meters.frames_whole.labels("time-out").inc(3)
    meters.tracks_now.set(2)
    meters.tracks.inc(9)
    meters.output_up.labels("rtsp").set(1)
    meters.output_up.labels("events").set(0)
    meters.output_failures.labels("events").inc(4)
    meters.output_clients.labels("rtsp").set(5)
    meters.recorded_bytes.inc(123)
    meters.recording_paused.set(1)
    meters.encoder_lag_s.set(0.0425)
    meters.camera_reconnects.inc()
    meters.camera_failures.labels("lost").inc()
    found = Figures(meters).now()
    assert found["frames"] == {
        "in": 7,
        "out": 0,
        "slates": 0,
        "dropped": {"busy": 2},
        "whole": {"time-out": 3},
    }
    assert found["faces"] == {"now": 2, "total": 9}
    assert found["outputs"] == {
        "rtsp": {"up": True, "failures": 0, "dropped": 0, "clients": 5},
        "events": {"up": False, "failures": 4, "dropped": 0, "clients": None},
    }
    assert found["recorded"] == {"bytes": 123, "removed": {}, "paused": True}
    assert found["encoder_lag_ms"] == 42.5
    assert found["connections"]["again"] == 1
    assert found["connections"]["failures"] == {"lost": 1}
    json.dumps(found, allow_nan=False)


def test_nothing_that_went_out_has_no_delay():
    assert Figures(Meters()).now()["latency_ms"] == {"p50": None, "p95": None}


def test_delays_are_those_of_the_last_minute():
    meters, now = Meters(), [0.0]
    read = Figures(meters, clock_s=lambda: now[0])

    def minute(seconds):
        for _ in range(60):
            now[0] += 1
            meters.latency_s.observe(seconds)
            found = read.now()["latency_ms"]
        return found

    assert 40 < minute(0.05)["p50"] <= 60
    assert 250 < minute(0.3)["p50"] <= 350
    found = minute(0.05)
    assert found["p95"] <= 60
    now[0] += 61
    read.now()
    now[0] += 61
    assert read.now()["latency_ms"]["p50"] is None


def test_memory_does_not_grow_with_time():
    read = Figures(Meters(), clock_s=lambda: 0.0)
    for _ in range(200):
        read.now()
    assert len(read._kept) <= 100


@pytest.mark.parametrize("part", [0.5, 0.95])
@given(values=st.lists(st.floats(0.001, 9.9), min_size=1, max_size=50))
def test_a_quantile_is_in_the_bucket_of_the_true_one(part, values):
    meters = Meters()
    for value in values:
        meters.latency_s.observe(value)
    buckets = sorted(
        (float(sample.labels["le"]), sample.value)
        for metric in meters.registry.collect()
        for sample in metric.samples
        if sample.name == "faceguard_latency_seconds_bucket"
    )
    true = float(np.quantile(values, part, method="inverted_cdf"))
    bounds = [0.0, *(bound for bound, _ in buckets)]
    high = next(bound for bound in bounds if bound >= true)
    low = bounds[bounds.index(high) - 1]
    assert low - 1e-9 <= quantile(buckets, part) <= high + 1e-9


def test_a_quantile_beyond_all_bounds_is_the_last_of_them():
    assert quantile([(1.0, 0.0), (10.0, 0.0), (float("inf"), 5.0)], 0.5) == 10.0
    assert quantile([], 0.5) is None
