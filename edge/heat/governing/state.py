"""What the governor remembers from one second to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from faceguard.edge.heat.governing.heat_model import HeatModel
from faceguard.edge.heat.governing.power_model import PowerModel
from faceguard.edge.heat.governing.trend import Trend

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """All that the governor remembers, in plain numbers (JSON keeps them bit by bit).

    Attributes:
        level: The rung that is in force.
        reason: Why, in a few words.
        seen_ns: When the last step was.
        changed_ns: When the level changed last.
        up_after_ns: No step up before then, unless it became much cooler.
        is_firm: Whether that holds however cool it is, since it was not for heat that a rung went.
        up_ns: When the last step up was; None before any.
        back_to: The level from which a glitch led into the pause, and to which it goes back without
            a hold; None where there was none.
        mistakes: How many steps up in a row had to be taken back soon.
        cool_since_ns: Since when it has been well below the limit; None while it is not.
        blind_since_ns: Since when no temperature is believed; None while one is.
        felt_since_ns: Since when the trends have been running.
        quick: The temperature's excess through quick filters: for steps down.
        steady: The same through slow ones: for steps up, and for where it settles.
        heat: What was learned of the board.
        power: The power through quick filters, against the limit of power; None where unknown.
        steady_power: The same through slow ones.
        draw: What was learned of the power.
    """

    level: int = 0
    reason: str = "not felt yet"
    seen_ns: int | None = None
    changed_ns: int = 0
    up_after_ns: int = 0
    is_firm: bool = False
    up_ns: int | None = None
    back_to: int | None = None
    mistakes: int = 0
    cool_since_ns: int | None = None
    blind_since_ns: int | None = None
    felt_since_ns: int | None = None
    quick: Trend | None = None
    steady: Trend | None = None
    heat: HeatModel = field(default_factory=HeatModel)
    power: Trend | None = None
    steady_power: Trend | None = None
    draw: PowerModel = field(default_factory=PowerModel)

    def unfelt(self) -> State:
        """The same, its filters begun anew: after a gap, or when the excess is of another zone."""
        return replace(
            self,
            cool_since_ns=None,
            felt_since_ns=None,
            quick=None,
            steady=None,
            power=None,
            steady_power=None,
            heat=self.heat.interrupted(),
        )

    def in_seconds(self, trend: Trend, seconds: float, load: float) -> float:
        """Where the excess will be after some seconds under a load, degrees above the limit."""
        return trend.in_seconds(seconds, load, self.heat.rise_c_per_s, self.heat.cooling_per_s)

    def settles_c(self, trend: Trend, load: float) -> float:
        """Where the excess will end up under a load, degrees above the limit."""
        return trend.settles(load, self.heat.rise_c_per_s, self.heat.cooling_per_s)

    def draws_w(self, trend: Trend, load: float) -> float:
        """What a load will draw: what is drawn now, and what the change of load adds."""
        return trend.first + self.draw.full_w * (load - trend.load)


def to_plain(state: State) -> dict[str, Any]:
    """A state as plain values for JSON."""
    return asdict(state)


def from_plain(plain: object) -> State:
    """The state of `to_plain`, after JSON.

    Raises:
        ValueError: It is none.
    """
    return _of(State, plain)


def _of(kind: type[T], plain: object) -> T:
    """A dataclass out of plain values, each looked at for its type."""
    if not is_dataclass(kind) or not isinstance(plain, dict):
        raise ValueError("no state of the governor")
    hints = get_type_hints(kind)
    names = [one.name for one in fields(kind)]
    if set(names) != set(plain):
        raise ValueError("no state of this governor: its fields differ")
    return kind(**{name: _value(hints[name], plain[name]) for name in names})


def _value(hint: Any, value: object) -> Any:  # noqa: ANN401 - whatever the field holds
    if is_dataclass(hint):
        return _of(hint, value)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), value)
    options = get_args(hint) or (hint,)
    if value is None and type(None) in options:
        return None
    for option in options:
        if is_dataclass(option):
            return _of(option, value)  # type: ignore[arg-type]
        if get_origin(option) is tuple:
            return _tuple(get_args(option), value)
        if option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if option in (bool, int, str) and type(value) is option:
            return value
    raise ValueError(f"no state of the governor: {value!r} is no {hint}")


def _tuple(kinds: tuple[Any, ...], value: object) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("no state of the governor: a list is missing")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise ValueError("no state of the governor: a list is too long or short")
    return tuple(_value(kind, one) for kind, one in zip(kinds, value, strict=True))
