"""Which power mode fits a board that redacts all day: pure, from what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from faceguard.edge.heat.modes.power_mode import Mode, Modes

# What is decided here was only weighed for this family: it has no encoder in hardware.
_KNOWN = "Orin Nano"
_LEAST_W = 10.0
_MOST_WITHOUT_FAN_W = 15.0


@dataclass(frozen=True)
class Facts:
    """What is known of a board.

    Attributes:
        board: Its name, as its device tree has it.
        has_fan: Whether the kernel knows a fan.
        over_current: How often it was throttled for over-current since it was started; None where
            that is not known.
        throttling: Names of the throttles of kernel and hardware that are at work now.
    """

    board: str
    has_fan: bool
    over_current: float | None = None
    throttling: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What to set.

    Attributes:
        mode: Name of the mode, which may be the present one; None for no opinion.
        reason: Why, in one clause.
    """

    mode: str | None
    reason: str


def propose(modes: Modes, present: Mode | None, facts: Facts) -> Proposal:
    """Which mode is right for redacting faces.

    Args:
        modes: All that the board has.
        present: The one in force; None where that is not known.
        facts: What is known of the board.

    Returns:
        The present mode where nothing speaks against it. Rules: docs/decisions/power.md.
    """
    if _KNOWN not in facts.board:
        return Proposal(None, f"faceguard has no rule for this board ({facts.board or 'unnamed'})")
    if present is None or present.watts is None:
        what = "not known which mode is in force" if present is None else "a mode of your own"
        return Proposal(None, what)
    fit = [mode for mode in modes.all if _is_enough(mode)]
    if not _is_enough(present):
        return _higher(fit, present)
    strained = _strain(facts)
    if not facts.has_fan and _watts(present) > _MOST_WITHOUT_FAN_W:
        cool = [mode for mode in fit if _watts(mode) <= _MOST_WITHOUT_FAN_W]
        if cool:
            return Proposal(max(cool, key=_watts).name, "no fan is found")
    if strained is not None and _watts(present) > _MOST_WITHOUT_FAN_W:
        lower = [mode for mode in fit if _watts(mode) < _watts(present)]
        if lower:
            return Proposal(max(lower, key=_watts).name, strained)
    if strained is not None:
        return Proposal(present.name, f"{strained}, but less would not do: see to supply and air")
    return Proposal(present.name, "nothing speaks against it")


def _higher(fit: list[Mode], present: Mode) -> Proposal:
    """The smallest mode that is enough, for a present one that is not."""
    why = f"{present.name} is too little: without an encoder in hardware the CPU encodes"
    if present.cores_off:
        why = (
            f"{present.name} switches {present.cores_off} CPU cores off, and without an encoder in "
            "hardware the CPU encodes"
        )
    return Proposal(min(fit, key=_watts).name if fit else None, why)


def _strain(facts: Facts) -> str | None:
    """What of the hardware holds the board back; None for nothing."""
    if facts.over_current:
        times = "once" if facts.over_current == 1 else f"{facts.over_current:.0f} times"
        return f"throttled for over-current {times} since the board was started"
    if facts.throttling:
        return f"throttled now ({', '.join(facts.throttling)})"
    return None


def _is_enough(mode: Mode) -> bool:
    """Whether all cores are on and the budget is not one of the smallest."""
    return mode.watts is not None and mode.watts >= _LEAST_W and mode.cores_off == 0


def _watts(mode: Mode) -> float:
    return mode.watts or 0.0
