"""What trust remembers from one look to the next, and that as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace

from faceguard.edge.heat.reading import COLDEST_C, HOTTEST_C, LEAST_TRIP_C

MOST_ZONES = 64
MOST_COUNT = 1e15
_FORGOTTEN_NS = 600_000_000_000


@dataclass(frozen=True)
class Leap:
    """A fall that is not believed yet.

    Attributes:
        from_c: The value before it.
        to_c: The value that it fell to.
        at_ns: When.
    """

    from_c: float
    to_c: float
    at_ns: int


@dataclass(frozen=True)
class Past:
    """What is remembered of a zone that once had a value.

    Attributes:
        value_c: Its last value, believed or not.
        value_ns: When that was read.
        seen_ns: When the zone was last there, with or without a value.
        since_ns: Since when its value is the same to the last bit.
        load_least: Least load since then, 0 to 1.
        load_most: Greatest load since then.
        others_c: The other zones when they were first believed and calm since then.
        moved: Whether one of them was at least 3 C away from there since.
        stuck: Whether it was found stuck; holds until the value changes.
        leap: The fall that is not believed yet; None where there is none.
        is_alive: Whether its value was ever seen to change.
        believed_c: The last value that was believed; None where none was yet.
        believed_ns: When that was.
        over_c: By other zone: how much warmer than that one it is, a slow average over the looks
            in which both were believed; of the last before it stood still.
        trip_c: Its trip point, that can be meant, when it had a value last.
    """

    value_c: float
    value_ns: int
    seen_ns: int
    since_ns: int
    load_least: float
    load_most: float
    others_c: dict[str, float] = field(default_factory=dict)
    moved: bool = False
    stuck: bool = False
    leap: Leap | None = None
    is_alive: bool = False
    believed_c: float | None = None
    believed_ns: int | None = None
    over_c: dict[str, float] = field(default_factory=dict)
    trip_c: float | None = None


@dataclass(frozen=True)
class Memory:
    """All that is remembered, in plain values (JSON keeps them bit by bit).

    Attributes:
        zones: By name; 64 at most.
        looked_ns: When the last look was; None before the first.
        has_sensors: Whether there ever was a zone.
        over_current: The last count of over-current throttles; None while there was none.
    """

    zones: dict[str, Past] = field(default_factory=dict)
    looked_ns: int | None = None
    has_sensors: bool = False
    over_current: float | None = None


def kept_of(pasts: dict[str, Past], now_ns: int) -> dict[str, Past]:
    """What is still remembered, by name: no zone for ever, and not any number of them.

    Args:
        pasts: All zones that were or are there.
        now_ns: Monotonic nanoseconds.
    """
    names = [name for name, past in pasts.items() if 0 <= now_ns - past.seen_ns <= _FORGOTTEN_NS]
    names.sort(key=lambda name: (-pasts[name].seen_ns, name))
    kept = set(names[:MOST_ZONES])
    return {name: _without(pasts[name], kept) for name in sorted(kept)}


def _without(past: Past, kept: set[str]) -> Past:
    """A past that names no zone but those kept."""
    if past.others_c.keys() <= kept and past.over_c.keys() <= kept:
        return past
    return replace(
        past,
        others_c={name: c for name, c in past.others_c.items() if name in kept},
        over_c={name: c for name, c in past.over_c.items() if name in kept},
    )


def to_plain(memory: Memory) -> dict[str, object]:
    """A memory as plain values for JSON."""
    return asdict(memory)


def from_plain(plain: object) -> Memory:
    """The memory of `to_plain`, after JSON.

    Raises:
        ValueError: It is none.
    """
    told = _fields(plain, Memory)
    return Memory(
        zones={name: _past(zone) for name, zone in _named(told["zones"]).items()},
        looked_ns=None if told["looked_ns"] is None else _time(told["looked_ns"]),
        has_sensors=_flag(told["has_sensors"]),
        over_current=None
        if told["over_current"] is None
        else _number(told["over_current"], 0.0, MOST_COUNT),
    )


def _past(plain: object) -> Past:
    told = _fields(plain, Past)
    others, over = _named(told["others_c"]), _named(told["over_c"])
    most_c = HOTTEST_C - COLDEST_C
    return Past(
        value_c=_celsius(told["value_c"]),
        value_ns=_time(told["value_ns"]),
        seen_ns=_time(told["seen_ns"]),
        since_ns=_time(told["since_ns"]),
        load_least=_number(told["load_least"], 0.0, 1.0),
        load_most=_number(told["load_most"], 0.0, 1.0),
        others_c={name: _celsius(value_c) for name, value_c in others.items()},
        moved=_flag(told["moved"]),
        stuck=_flag(told["stuck"]),
        leap=None if told["leap"] is None else _plain_leap(told["leap"]),
        is_alive=_flag(told["is_alive"]),
        believed_c=None if told["believed_c"] is None else _celsius(told["believed_c"]),
        believed_ns=None if told["believed_ns"] is None else _time(told["believed_ns"]),
        over_c={name: _number(value_c, -most_c, most_c) for name, value_c in over.items()},
        trip_c=None if told["trip_c"] is None else _number(told["trip_c"], LEAST_TRIP_C, HOTTEST_C),
    )


def _plain_leap(plain: object) -> Leap:
    told = _fields(plain, Leap)
    return Leap(_celsius(told["from_c"]), _celsius(told["to_c"]), _time(told["at_ns"]))


def _fields(plain: object, kind: type[Memory | Past | Leap]) -> dict[str, object]:
    if not isinstance(plain, dict) or plain.keys() != {one.name for one in fields(kind)}:
        raise ValueError(f"these are not the fields of a remembered {kind.__name__.lower()}")
    return plain


def _named(plain: object) -> dict[str, object]:
    if not isinstance(plain, dict) or not all(isinstance(name, str) for name in plain):
        raise ValueError("zones are remembered by name")
    if len(plain) > MOST_ZONES:
        raise ValueError(f"more than {MOST_ZONES} zones are never remembered")
    return plain


def _celsius(plain: object) -> float:
    return _number(plain, COLDEST_C, HOTTEST_C)


def _number(plain: object, least: float, most: float) -> float:
    number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
    if not number or not least <= plain <= most:  # type: ignore[operator]
        raise ValueError(f"a remembered number is not one from {least:g} to {most:g}")
    return float(plain)  # type: ignore[arg-type]


def _time(plain: object) -> int:
    if not isinstance(plain, int) or isinstance(plain, bool) or abs(plain) >= 2**63:
        raise ValueError("a remembered time is not in nanoseconds")
    return plain


def _flag(plain: object) -> bool:
    if not isinstance(plain, bool):
        raise ValueError("a remembered flag is neither true nor false")
    return plain
