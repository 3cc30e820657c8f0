"""What was felt, as figures for Prometheus; made anew whenever somebody reads them.

What is not known has no sample: a gauge at 0 would be a temperature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from faceguard.edge.heat.felt import Felt


class HeatGauges(Collector):
    """Register it with `Meters.registry`."""

    def __init__(self, felt: Callable[[], Felt]) -> None:
        """Keeps where to look.

        Args:
            felt: What was felt last; asked from any thread.
        """
        self._felt = felt

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        felt = self._felt()
        survey, reading, budget = felt.survey, felt.reading, felt.budget
        yield _of("temperature_celsius", "Of a thermal zone", "zone", felt.temperatures_c)
        governed = {
            "limit": (reading.limit_c, "Limit of the zone that is nearest to its own"),
            "headroom": (
                None if reading.excess_c is None else -reading.excess_c,
                "From the zone that is nearest to its limit up to that",
            ),
            "settles": (felt.outlook.settles_c, "Where that zone would settle at this level"),
        }
        for name, (value_c, what) in governed.items():
            by_zone = {} if reading.zone is None else {reading.zone: value_c}
            yield _of(f"temperature_{name}_celsius", what, "zone", by_zone)
        yield _of("temperature_blind", "1 while no temperature is believed", None,
                  {"": float(reading.blind is not None)})  # fmt: skip
        rails = {name: power.value for name, power in survey.rails_w.items()}
        yield _of("power_watts", "Drawn on a rail", "rail", rails)
        yield _of("fan_ratio", "Share of the fan's full speed", None, {"": survey.fan.value})
        yield _of("gpu_load_ratio", "Share of the GPU", None, {"": survey.gpu_load.value})
        is_throttled = bool(survey.throttling or reading.throttled)
        yield _of("throttled", "1 while kernel or hardware throttle", None,
                  {"": float(is_throttled)})  # fmt: skip
        yield _of("budget_frames_ratio", "Share of the camera's frames that is taken in", None,
                  {"": felt.share})  # fmt: skip
        yield _of("budget_detect_every", "The detector looks at every n-th frame at most", None,
                  {"": float(budget.detect_every)})  # fmt: skip
        yield _of("budget_paused", "1 while nothing goes out", None, {"": float(budget.paused)})


def _of(
    name: str, what: str, label: str | None, values: Mapping[str, float | None]
) -> GaugeMetricFamily:
    """A family of gauges: one by each value of the label, or one alone; none where unknown."""
    family = GaugeMetricFamily(f"faceguard_{name}", what, labels=[label] if label else [])
    for key, value in values.items():
        if value is not None and math.isfinite(value):
            family.add_metric([key] if label else [], value)
    return family
