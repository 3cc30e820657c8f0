"""All that a decision stands on besides what is felt, and that as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from faceguard.edge.heat import memory as trust_memory
from faceguard.edge.heat.governing import state as governor_state
from faceguard.edge.heat.governing.ladder import Rung
from faceguard.edge.heat.governing.state import State
from faceguard.edge.heat.memory import Memory
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors

KEYS = ("settings", "rungs", "state", "memory")
_MOST_RUNGS = 10_000
_CELLS_OF_A_RUNG = 4
_MOST = 10**15


@dataclass(frozen=True)
class Mind:
    """All that a decision stands on besides what is felt.

    Attributes:
        settings: Limits and times.
        rungs: The levels.
        state: What the governor remembers.
        memory: What trust remembers.
    """

    settings: GovernorSettings
    rungs: tuple[Rung, ...]
    state: State
    memory: Memory

    def follows(self, before: Mind) -> bool:
        """Whether it is the same as another."""
        return all(
            # Looked at closely only where it is another object, which is seldom.
            getattr(self, of.name) is getattr(before, of.name)
            or getattr(self, of.name) == getattr(before, of.name)
            for of in fields(self)
        )


def to_plain(mind: Mind) -> dict[str, object]:
    """A mind as plain values for JSON, which keeps them bit by bit."""
    return {
        "settings": settings_to_plain(mind.settings),
        "rungs": [[rung.share, rung.every, rung.upscale, rung.load] for rung in mind.rungs],
        "state": governor_state.to_plain(mind.state),
        "memory": trust_memory.to_plain(mind.memory),
    }


def from_plain(plain: dict[str, object]) -> Mind:
    """The mind of `to_plain`, after JSON.

    Args:
        plain: Holds at least `KEYS`.

    Raises:
        ValueError: It is none, or of another version.
    """
    settings, rungs = told_of(plain)
    if settings_to_plain(settings) != plain["settings"]:
        raise ValueError("has other settings than this version")
    try:
        state = governor_state.from_plain(plain["state"])
        mind = Mind(settings, rungs, state, trust_memory.from_plain(plain["memory"]))
    except (OverflowError, RecursionError):
        raise ValueError("holds numbers that were never written") from None
    if not 0 <= mind.state.level < len(mind.rungs):
        raise ValueError("has a level that is not on its ladder")
    return mind


def told_of(plain: dict[str, object]) -> tuple[GovernorSettings, tuple[Rung, ...]]:
    """Settings and ladder alone, which change less from version to version than what is remembered.

    Settings that this version does not know are left out, and those that are missing have their
    defaults.

    Args:
        plain: Holds at least `KEYS`.

    Raises:
        ValueError: They are none.
    """
    told = plain["settings"]
    if not isinstance(told, dict):
        raise ValueError("has no settings")
    known = {of.name: told[of.name] for of in fields(GovernorSettings) if of.name in told}
    for name, value in known.items():
        if name == "without_sensors":
            known[name] = WithoutSensors(value)
        elif name == "most_every":
            _whole(value)
        elif name != "power_limit_w" or value is not None:
            _float(value)
    return GovernorSettings(**known), _rungs(plain["rungs"])


def settings_to_plain(settings: GovernorSettings) -> dict[str, object]:
    """Settings as plain values for JSON."""
    return {**asdict(settings), "without_sensors": settings.without_sensors.value}


def _rungs(plain: object) -> tuple[Rung, ...]:
    if not isinstance(plain, list) or not 2 <= len(plain) <= _MOST_RUNGS:
        raise ValueError("has no ladder")
    rungs = []
    for one in plain:
        if not isinstance(one, list) or len(one) != _CELLS_OF_A_RUNG or type(one[2]) is not bool:
            raise ValueError("has a ladder of other rungs")
        rungs.append(Rung(_float(one[0]), _whole(one[1]), one[2], _float(one[3])))
    return tuple(rungs)


def _float(plain: object) -> float:
    if type(plain) is float or (type(plain) is int and abs(plain) < _MOST):
        return plain  # as it is: a whole number stays one
    raise ValueError("holds something else where a number belongs")


def _whole(plain: object) -> int:
    if type(plain) is int and abs(plain) < _MOST:
        return plain
    raise ValueError("holds something else where a whole number belongs")
