"""Temperature sensors, fan and power mode: what keeps the board cool, and whether it is seen."""

from __future__ import annotations

from pathlib import Path

from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.jetson import Jetson
from faceguard.edge.heat.modes.nvpmodel import again
from faceguard.edge.heat.modes.power_mode import read_mode, read_modes
from faceguard.edge.heat.modes.power_proposal import Facts, Proposal, propose
from faceguard.edge.heat.reading import Sensed, Survey
from faceguard.edge.heat.sensing.sensors import read_once
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.engines.sysfs import ask, ask_number, names_in

_TACHOMETER = "pwm_tach"
_FULL_SPEED = (
    "set thermal.without_sensors: unlimited in the configuration to run at full speed here"
)
_NONE_ANSWERS = "reboot this machine; if that does not help, see what its drivers say: sudo dmesg"


def check_heat(root: Path, board: Jetson | None, limit_s: float = 1.0) -> list[Finding]:
    """Sensors and throttles; of a Jetson the fan and the power mode, too.

    Args:
        root: Where `sys`, `etc` and `var` are.
        board: The Jetson that this is; None for any other machine.
        limit_s: How long the sensors may take.

    Returns:
        The findings.
    """
    survey = read_once(root, limit_s)
    found = [_temperature(survey), *_trips(survey), *_throttles(survey)]
    if board is not None:
        found += [_fan(survey, root), _power_mode(survey, root, board)]
    return found


def proposal(survey: Survey, root: Path, board: Jetson) -> Proposal:
    """Which power mode is right for a board.

    Args:
        survey: What its sensors said.
        root: Where `sys`, `etc` and `var` are.
        board: The board.

    Returns:
        The mode, and why.
    """
    known = Facts(
        board=board.model,
        has_fan=_has_fan(survey),
        over_current=survey.over_current.value,
        throttling=survey.throttling,
    )
    return propose(read_modes(root), read_mode(root), known)


def _temperature(survey: Survey) -> Finding:
    warm = {
        name: zone.temperature_c.value
        for name, zone in survey.zones.items()
        if zone.temperature_c.value is not None
    }
    silent = _silent(survey)
    if not survey.zones:
        detail = "no sensor is found, so a camera runs slowly to be safe"
        return Finding("temperature", State.NOTE, detail, _FULL_SPEED)
    if not warm:
        # To run at full speed is no mend: this machine has sensors, and can get too hot.
        detail = f"no sensor answers, so a camera runs slowly to be safe: {silent}"
        return Finding("temperature", State.NOTE, detail, _NONE_ANSWERS)
    hottest = max(warm, key=lambda name: warm[name])
    detail = f"{len(warm)} of {len(survey.zones)} sensors answer, hottest {hottest} "
    detail += f"{warm[hottest]:.1f} C"
    return Finding("temperature", State.OK, f"{detail}; not: {silent}" if silent else detail)


def _silent(survey: Survey) -> str:
    """Which sensors give nothing, by their reasons."""
    reasons: dict[str, list[str]] = {}
    for name, zone in survey.zones.items():
        if zone.temperature_c.value is None:
            reasons.setdefault(zone.temperature_c.reason or "no reason", []).append(name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())


def _trips(survey: Survey) -> list[Finding]:
    """Zones where the kernel acts so early that the usual limit is too high."""
    usual = GovernorSettings()
    near = [
        f"{name} {zone.trip_c:g} C"
        for name, zone in survey.zones.items()
        if zone.trip_c is not None and zone.trip_c - usual.trip_margin_c < usual.limit_c
    ]
    if not near:
        return []
    detail = f"the kernel slows this machine down early ({', '.join(near)}); a camera stays "
    detail += f"{usual.trip_margin_c:g} C below, where {usual.limit_c:g} C is the usual limit"
    return [Finding("trip points", State.NOTE, detail)]


def _throttles(survey: Survey) -> list[Finding]:
    if not survey.throttling:
        return []
    detail = f"at work now: {', '.join(survey.throttling)}"
    return [Finding("throttling", State.NOTE, detail, "see to the air around this machine")]


def _fan(survey: Survey, root: Path) -> Finding:
    if not _has_fan(survey):
        return Finding("fan", State.NOTE, "none is found", "add one for modes above 15W")
    asked = survey.fan.value
    if asked is None:
        return Finding("fan", State.NOTE, f"its speed cannot be read: {survey.fan.reason}")
    detail = f"asked for {asked:.0%} of its speed"
    turns = _rpm(root)
    if turns is None:
        return Finding("fan", State.OK, detail)
    detail += f", turns at {turns} a minute"
    if asked > 0 and turns == 0:
        return Finding("fan", State.NOTE, detail, "see whether it is plugged in and free")
    return Finding("fan", State.OK, detail)


def _power_mode(survey: Survey, root: Path, board: Jetson) -> Finding:
    modes, present = read_modes(root), read_mode(root)
    if not modes.all:
        detail = "not known: /etc/nvpmodel.conf is not there or names none"
        return Finding("power mode", State.NOTE, detail)
    proposed = proposal(survey, root, board)
    detail = f"{present.name if present else 'unknown'}; {proposed.reason}"
    if proposed.mode is None:
        # That no rule is known is no fault of the board.
        return Finding("power mode", State.OK if present else State.NOTE, detail)
    if present is not None and proposed.mode == present.name:
        return Finding("power mode", State.OK, detail)
    return Finding("power mode", State.NOTE, detail, again(proposed.mode))


def _has_fan(survey: Survey) -> bool:
    """Whether the kernel knows one: then there is a value, or a reason why there is none."""
    return survey.fan != Sensed()


def _rpm(root: Path) -> int | None:
    """Turns of the fan a minute; None where nothing counts them."""
    top = root / "sys/class/hwmon"
    for name in names_in(top) or []:
        if ask(top / name / "name").text == _TACHOMETER:
            value, _ = ask_number(top / name / "rpm")
            return int(value) if value is not None and value >= 0 else None
    return None
