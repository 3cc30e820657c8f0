"""Where a noisy value is and how fast it moves, from low-pass filters alone.

The value is an excess in degrees, or a power in watts.

The difference of two low-passes with time constants t1 and t2, over t2 - t1, is the derivative seen
through both of them in a row (its transfer function is `s / ((1 + t1 s)(1 + t2 s))`). What the load
and the value were, seen through the same two, is kept beside it: so the slope can be
corrected for what has changed since, without waiting for the filters.
"""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_S = 10.0


@dataclass(frozen=True)
class Trend:
    """A value through a pair of filters.

    Attributes:
        first_s: Time constant of the faster filter.
        second_s: Time constant of the slower one.
        first: The value through the faster.
        second: The value through the slower.
        both: The value through both in a row.
        load: The load through the faster.
        both_load: The load through both in a row.
    """

    first_s: float
    second_s: float
    first: float
    second: float
    both: float
    load: float
    both_load: float

    @classmethod
    def at(cls, first_s: float, second_s: float, value: float, load: float) -> Trend:
        """A trend of something that has not moved."""
        return cls(first_s, second_s, value, value, value, load, load)

    def add(self, value: float, load: float, passed_s: float) -> Trend:
        """Takes a sample in.

        Args:
            value: What was measured.
            load: The load under which it was.
            passed_s: Seconds since the sample before.
        """
        passed_s = min(passed_s, _LONGEST_S)
        quick, slow = passed_s / (self.first_s + passed_s), passed_s / (self.second_s + passed_s)
        first = self.first + quick * (value - self.first)
        first_load = self.load + quick * (load - self.load)
        return Trend(
            self.first_s,
            self.second_s,
            first,
            self.second + slow * (value - self.second),
            self.both + slow * (first - self.both),
            first_load,
            self.both_load + slow * (first_load - self.both_load),
        )

    @property
    def slope_per_s(self) -> float:
        """How fast it moved, on average over the filters' times."""
        return (self.first - self.second) / (self.second_s - self.first_s)

    @property
    def now(self) -> float:
        """Where it is, the faster filter's lag made good."""
        return self.first + self.first_s * self.slope_per_s

    def slope_under(self, load: float, rise_c_per_s: float, cooling_per_s: float) -> float:
        """How fast it will move now, under a load.

        Args:
            load: The load from now on.
            rise_c_per_s: Of the heat model.
            cooling_per_s: Of the heat model.
        """
        return (
            self.slope_per_s
            + rise_c_per_s * (load - self.both_load)
            - cooling_per_s * (self.now - self.both)
        )

    def in_seconds(
        self, seconds: float, load: float, rise_c_per_s: float, cooling_per_s: float
    ) -> float:
        """Where it will be after some seconds under a load."""
        # (1 - exp(-x)) / x by its Pade approximant: within 1 % for x up to 2, and never negative.
        x = cooling_per_s * seconds
        lasting_s = seconds / (1 + x / 2 + x * x / 12)
        return self.now + lasting_s * self.slope_under(load, rise_c_per_s, cooling_per_s)

    def settles(self, load: float, rise_c_per_s: float, cooling_per_s: float) -> float:
        """Where it will end up under a load."""
        return self.now + self.slope_under(load, rise_c_per_s, cooling_per_s) / cooling_per_s
