"""Where a noisy temperature is and how fast it moves, from low-pass filters alone.

The difference of two low-passes with time constants t1 and t2, over t2 - t1, is the derivative seen
through both of them in a row (its transfer function is `s / ((1 + t1 s)(1 + t2 s))`). What the load
and the temperature were, seen through the same two, is kept beside it: so the slope can be
corrected for what has changed since, without waiting for the filters.
"""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_S = 10.0


@dataclass(frozen=True)
class Trend:
    """A temperature through a pair of filters.

    Attributes:
        first_s: Time constant of the faster filter.
        second_s: Time constant of the slower one.
        first_c: The temperature through the faster.
        second_c: The temperature through the slower.
        both_c: The temperature through both in a row.
        load: The load through the faster.
        both_load: The load through both in a row.
    """

    first_s: float
    second_s: float
    first_c: float
    second_c: float
    both_c: float
    load: float
    both_load: float

    @classmethod
    def at(cls, first_s: float, second_s: float, temperature_c: float, load: float) -> Trend:
        """A trend of something that has not moved."""
        return cls(first_s, second_s, temperature_c, temperature_c, temperature_c, load, load)

    def add(self, temperature_c: float, load: float, passed_s: float) -> Trend:
        """Takes a sample in.

        Args:
            temperature_c: What was measured.
            load: The load under which it was.
            passed_s: Seconds since the sample before.
        """
        passed_s = min(passed_s, _LONGEST_S)
        quick, slow = passed_s / (self.first_s + passed_s), passed_s / (self.second_s + passed_s)
        first_c = self.first_c + quick * (temperature_c - self.first_c)
        first_load = self.load + quick * (load - self.load)
        return Trend(
            self.first_s,
            self.second_s,
            first_c,
            self.second_c + slow * (temperature_c - self.second_c),
            self.both_c + slow * (first_c - self.both_c),
            first_load,
            self.both_load + slow * (first_load - self.both_load),
        )

    @property
    def slope_c_per_s(self) -> float:
        """How fast it moved, on average over the filters' times."""
        return (self.first_c - self.second_c) / (self.second_s - self.first_s)

    @property
    def now_c(self) -> float:
        """Where it is, the faster filter's lag made good."""
        return self.first_c + self.first_s * self.slope_c_per_s

    def slope_under(self, load: float, rise_c_per_s: float, cooling_per_s: float) -> float:
        """How fast it will move now, under a load.

        Args:
            load: The load from now on.
            rise_c_per_s: Of the heat model.
            cooling_per_s: Of the heat model.
        """
        return (
            self.slope_c_per_s
            + rise_c_per_s * (load - self.both_load)
            - cooling_per_s * (self.now_c - self.both_c)
        )

    def in_seconds(
        self, seconds: float, load: float, rise_c_per_s: float, cooling_per_s: float
    ) -> float:
        """Where it will be after some seconds under a load."""
        # (1 - exp(-x)) / x by its Pade approximant: within 1 % for x up to 2, and never negative.
        x = cooling_per_s * seconds
        lasting_s = seconds / (1 + x / 2 + x * x / 12)
        return self.now_c + lasting_s * self.slope_under(load, rise_c_per_s, cooling_per_s)

    def settles(self, load: float, rise_c_per_s: float, cooling_per_s: float) -> float:
        """Where it will end up under a load."""
        return self.now_c + self.slope_under(load, rise_c_per_s, cooling_per_s) / cooling_per_s
