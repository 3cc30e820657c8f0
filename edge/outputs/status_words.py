"""A status in plain words, for people: what is wrong first, then how things are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from faceguard.edge.atomic import one_line
from faceguard.edge.outputs.status import Life, Status
from faceguard.edge.outputs.upscale_words import upscale_troubles, upscale_words

_WIDTH = 10
_BLIND_S = 1.0
# The governor steers to the limit, so a hair above it is nothing to tell.
_OVER_C = 1.0
_SLOWER = {
    "power": ", slowed down for power",
    "throttled": ", slowed down since the board is throttled",
    "blind": ", slowed down since it has no temperature to go by",
}
_GOOD_STATES = ("up", "ended")
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def troubles(status: Status) -> list[str]:
    """What is wrong, a few words each; empty where all is well."""
    if status.life is Life.GONE:
        return ["not running"]
    return list(_troubles(status))


def told(status: Status) -> str:
    """The status in some lines, with an end of line."""
    if status.life is Life.GONE:
        age = "" if status.age_s is None else f", and last said something {_ago(status.age_s)}"
        return (
            f"{status.name}: not running; it did not end as it should{age}\n"
            f"start it: faceguard run --config FILE, "
            f"or as a service: systemctl start faceguard@{status.name}\n"
        )
    wrong = troubles(status)
    state = status.state
    well = f"all is well{_slower(_part(state, 'thermal'))}"
    verdict = f"in trouble: {'; '.join(wrong)}" if wrong else well
    rows = [f"{status.name}: running for {_duration(state.get('uptime_s'))}, {verdict}"]
    rows += [f"  {name.ljust(_WIDTH)}{words}" for name, words in _rows(status) if words]
    return "\n".join(one_line(row) for row in rows) + "\n"


def _troubles(status: Status) -> Iterator[str]:
    state = status.state
    if status.life is Life.SILENT:
        yield f"it has said nothing for {_duration(status.age_s)}"
    camera = _part(state, "camera")
    if str(camera.get("state")) not in _GOOD_STATES:
        yield f"camera {_state(camera)}"
    if (_number(state.get("blind_s")) or 0) > _BLIND_S:
        yield f"the detector fails, every frame is covered whole for {_duration(state['blind_s'])}"
    elif state.get("covered"):
        yield f"frames are covered whole ({state['covered']})"
    if state.get("paused"):
        yield f"nothing goes out{because(state.get('budget'))}"
    yield from _thermal(_part(state, "thermal"), is_paused=bool(state.get("paused")))
    for name, output in _part(state, "outputs").items():
        if not isinstance(output, Mapping) or not output.get("up"):
            yield f"{name} does not work"
    if _part(state, "recorded").get("paused"):
        yield "no space for recordings"
    yield from upscale_troubles(_part(state, "upscale"))


def _rows(status: Status) -> Iterator[tuple[str, str]]:
    state = status.state
    yield "camera", _camera(_part(state, "camera"), _part(state, "connections"))
    yield "delay", _delay(_part(state, "latency_ms"))
    faces = _part(state, "faces")
    yield "faces", f"{_count(faces.get('now'))} now, {_count(faces.get('total'))} since the start"
    frames = _part(state, "frames")
    yield "frames", _frames(frames, state.get("rate_out"))
    yield "dropped", _by_cause(frames.get("dropped"))
    yield "covered", _covered(frames)
    yield "enlarged", upscale_words(_part(state, "upscale"))
    yield "outputs", "; ".join(_each(_part(state, "outputs"), _output))
    yield "recorded", _recorded(_part(state, "recorded"))
    yield "heat", _heat(_part(state, "temperatures_c"), _part(state, "thermal"))
    yield "power", _power(_part(state, "thermal"))
    yield "level", _level(state, _part(state, "thermal"))
    notes = state.get("notes")
    yield "notes", "; ".join(str(note) for note in notes) if isinstance(notes, list) else ""
    age = "at an unknown time" if status.age_s is None else _ago(status.age_s)
    yield "process", f"{state.get('pid')}, version {state.get('version')}, wrote this {age}"


def _camera(camera: Mapping[str, Any], connections: Mapping[str, Any]) -> str:
    words = [_state(camera, long=f" for {_duration(camera.get('since_s'))}")]
    size = camera.get("size")
    if isinstance(size, list) and len(size) == 2:
        words.append(f"{size[0]}x{size[1]}")
    rate = _number(camera.get("rate"))
    if rate is not None:
        words.append(f"{rate:g} frames/s")
    if camera.get("what"):
        words.append(str(camera["what"]))
    if connections.get("again"):
        words.append(f"connected again {_times(connections['again'])}")
    return ", ".join(words)


def _delay(latency: Mapping[str, Any]) -> str:
    middle, slow = _number(latency.get("p50")), _number(latency.get("p95"))
    if middle is None or slow is None:
        return "unknown, nothing went out in the last minute"
    return f"{middle:.0f} ms mostly, {slow:.0f} ms for the slowest in twenty"


def _frames(frames: Mapping[str, Any], rate_out: object) -> str:
    rate = _number(rate_out)
    words = f"{_count(frames.get('in'))} in, {_count(frames.get('out'))} out"
    return words if rate is None else f"{words}, {rate:g}/s now"


def _covered(frames: Mapping[str, Any]) -> str:
    causes = _by_cause(frames.get("whole"))
    return f"whole: {causes}" if causes else ""


def _by_cause(counts: object) -> str:
    if not isinstance(counts, Mapping):
        return ""
    most_first = sorted(counts.items(), key=lambda item: -(_number(item[1]) or 0))
    return ", ".join(f"{_count(count)} {cause}" for cause, count in most_first)


def _output(name: str, found: object) -> str:
    output = found if isinstance(found, Mapping) else {}
    words = f"{name} {'works' if output.get('up') else 'DOES NOT WORK'}"
    if output.get("clients") is not None:
        words += f", {_count(output['clients'])} watching"
    if output.get("failures"):
        words += f", failed {_times(output['failures'])}"
    if output.get("dropped"):
        words += f", dropped {_count(output['dropped'])}"
    return words


def _recorded(recorded: Mapping[str, Any]) -> str:
    size = _number(recorded.get("bytes"))
    paused = ", PAUSED" if recorded.get("paused") else ""
    return f"{size / 1e6:,.0f} MB{paused}" if size else paused.lstrip(", ")


def _thermal(thermal: Mapping[str, Any], *, is_paused: bool) -> Iterator[str]:
    """What is wrong with heat, power and the sensors of both."""
    level, levels = thermal.get("level"), thermal.get("levels")
    is_lowest = isinstance(level, int) and isinstance(levels, int) and 0 < level == levels - 2
    if is_lowest and not is_paused:
        yield f"it is as slow as it may be{because(thermal.get('reason'))}"
    elif thermal.get("has_sensors") and thermal.get("blind") and not is_paused:
        yield f"no temperature is believed{because(thermal['blind'])}"
    value_c, limit_c = (_number(thermal.get(key)) for key in ("temperature_c", "limit_c"))
    if value_c is not None and limit_c is not None and value_c > limit_c + _OVER_C:
        yield f"{thermal.get('zone')} at {value_c:.0f} C, over its limit of {limit_c:g} C"
    for name, why in _part(thermal, "lost").items():
        yield f"{name} is not believed{because(why)}"
    for key in ("power_trouble", "trace_trouble"):
        if thermal.get(key):
            yield str(thermal[key])


def _slower(thermal: Mapping[str, Any]) -> str:
    """That less is done than was asked for, which is well, but is no mystery."""
    if not _number(thermal.get("level")):
        return ""
    why = str(thermal.get("reason")).partition(":")[0]
    return _SLOWER.get(why, ", slowed down for heat")


def _heat(temperatures_c: Mapping[str, Any], thermal: Mapping[str, Any]) -> str:
    """The zone that is nearest to its limit, and then the others."""
    name, value_c = thermal.get("zone"), _number(thermal.get("temperature_c"))
    limit_c, settles_c = (_number(thermal.get(key)) for key in ("limit_c", "settles_c"))
    doubts = _part(thermal, "zones")
    words = []
    if value_c is not None and limit_c is not None:
        words.append(f"{name} {value_c:.0f} of {limit_c:g} C")
        if settles_c is not None:
            words[0] += f" (settles at {settles_c:.0f} C)"
    for other, found in temperatures_c.items():
        if not words or other != name:
            words.append(_zone(other, found, _part(doubts, other).get("doubt")))
    return ", ".join(words) or "no reading"


def _zone(name: str, found: object, doubt: object) -> str:
    value_c = _number(found)
    return f"{name} no reading{because(doubt)}" if value_c is None else f"{name} {value_c:.0f} C"


def _power(thermal: Mapping[str, Any]) -> str:
    words = []
    power_w = _number(thermal.get("power_w"))
    if power_w is not None:
        words.append(f"{power_w:.1f} W")
    if thermal.get("mode"):
        words.append(f"mode {thermal['mode']}")
    for key, name in (("gpu_load", "GPU"), ("fan", "fan")):
        share = _number(_part(thermal, key).get("value"))
        if share is not None:
            words.append(f"{name} {share:.0%}")
    if thermal.get("throttled"):
        words.append(f"THROTTLED by {thermal['throttled']}")
    return ", ".join(words)


def _level(state: Mapping[str, Any], thermal: Mapping[str, Any]) -> str:
    """What may be spent: "18 of 30 frames/s, level 10 of 31 (heat: ...)"."""
    why, levels = because(state.get("budget")), thermal.get("levels")
    if not isinstance(levels, int):
        return f"{_count(state.get('level'))}{why}"
    level = f"level {_count(state.get('level'))} of {levels - 1}{why}"
    rate, limit = (_number(thermal.get(key)) for key in ("rate", "frames_per_s"))
    of = "" if rate is None else f" of {rate:g}"
    if state.get("paused"):
        return f"no frames, {level}"
    if limit is None:
        return f"all frames, {level}"
    every = _number(thermal.get("detect_every"))
    looks = "" if every is None or every < 2 else f", looks {every:g} apart"
    return f"{limit:.3g}{of} frames/s{looks}, {level}"


def _each(parts: Mapping[str, Any], words: Callable[[str, Any], str]) -> Iterator[str]:
    return (words(name, of) for name, of in parts.items())


def _part(state: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = state.get(key)
    return found if isinstance(found, Mapping) else {}


def _state(camera: Mapping[str, Any], long: str = "") -> str:
    """What the camera does, for how long, and why where that is another word."""
    state, cause = camera.get("state") or "unknown", camera.get("cause")
    return f"{state}{long}{because(cause, state)}"


def because(cause: object, state: object = None) -> str:
    """The cause of a state in brackets; nothing where there is none, or it is the same word."""
    return f" ({cause})" if cause and cause != state else ""


def _count(count: object) -> str:
    return f"{count:,}" if isinstance(count, int) else "unknown"


def _times(count: object) -> str:
    return "once" if count == 1 else f"{_count(count)} times"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _ago(seconds: float) -> str:
    return "just now" if seconds < 2 else f"{_duration(seconds)} ago"


def _duration(seconds: object) -> str:
    """Two units at most: "3 h 12 min"."""
    known = _number(seconds)
    if known is None:
        return "an unknown time"
    left, words = int(known), list[str]()
    for size, unit in _UNITS:
        if left >= size and len(words) < 2:
            words.append(f"{left // size} {unit}")
            left %= size
        elif words:
            break
    return " ".join(words) or "0 s"
