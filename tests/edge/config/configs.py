"""Configurations for tests: any valid one, its YAML, and the keys that a file mentions."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from faceguard.edge.config.camera import (
    CsiCamera,
    FileCamera,
    RtspCamera,
    Supervision,
    SyntheticCamera,
    V4l2Camera,
)
from faceguard.edge.config.faces import DetectorConfig, RedactionConfig, TrackingConfig
from faceguard.edge.config.model import Config
from faceguard.edge.config.outputs import (
    EncoderConfig,
    EventsOutput,
    MjpegOutput,
    OutputsConfig,
    RecordingsOutput,
    RtspOutput,
    SnapshotsOutput,
    StatusOutput,
)
from faceguard.edge.config.service import LogConfig, MetricsConfig
from faceguard.edge.config.thermal import ThermalConfig
from faceguard.edge.config.upscale import SnapshotsUpscale, StreamUpscale, UpscaleConfig
from faceguard.edge.heat.settings import WithoutSensors
from faceguard.edge.style import Look
from faceguard.edge.types import Shape
from faceguard.engines.wanted import Wanted

KINDS = (V4l2Camera, CsiCamera, RtspCamera, FileCamera, SyntheticCamera)


def as_yaml(config: BaseModel) -> str:
    """A configuration with everything in it, secrets too."""
    return yaml.safe_dump(plain(config), allow_unicode=True)


def plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {key: plain(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(getattr(value, "value", value))


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True)
_lines = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), min_size=1
)
# Absolute, so that a file's own folder does not matter; none that pathlib would write otherwise.
_names_of_files = st.text(
    st.characters(codec="utf-8", exclude_categories=("C",), exclude_characters="/"),
    min_size=1,
    max_size=9,
).filter(lambda name: name not in (".", ".."))
# Absolute, so that a file's own folder does not matter.
_paths = st.lists(_names_of_files, max_size=3).map(lambda parts: Path("/" + "/".join(parts)))
_users = _lines.filter(lambda user: ":" not in user)
_ports = st.just(0)
_hosts = st.just("localhost") | st.ip_addresses().map(str)
_sides = st.integers(16, 8192)
_rates = _numbers(0.01, 240)


@st.composite
def _sizes(draw: st.DrawFn) -> dict[str, Any]:
    both = draw(_maybe(st.tuples(_sides, _sides)))
    width, height = both or (None, None)
    return {"width": width, "height": height, "rate": draw(_maybe(_rates))}


@st.composite
def _logins(draw: st.DrawFn) -> dict[str, Any]:
    where = draw(st.sampled_from(["nowhere", "here", "file"]))
    if where == "nowhere":
        return {}
    secret = (
        {"password": SecretStr(draw(_lines))}
        if where == "here"
        else {"password_file": draw(_paths)}
    )
    return {"user": draw(_users), **secret}


@st.composite
def cameras(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(["v4l2", "csi", "rtsp", "file", "synthetic"]))
    if kind == "v4l2":
        form = draw(st.sampled_from(["auto", "mjpeg", "yuyv", "nv12", "h264"]))
        return V4l2Camera(kind=kind, device=draw(_paths), format=form, **draw(_sizes()))
    if kind == "csi":
        return CsiCamera(
            kind=kind,
            sensor=draw(st.integers(0, 15)),
            flip=draw(st.integers(0, 7)),
            **draw(_sizes()),
        )
    if kind == "rtsp":
        url = draw(st.sampled_from(["rtsp://192.0.2.7/", "rtsps://[2001:db8::1]:322/a?b=c&d"]))
        transport = draw(st.sampled_from(["tcp", "udp"]))
        return RtspCamera(kind=kind, url=url, transport=transport, **draw(_logins()))
    if kind == "file":
        return FileCamera(
            kind=kind, path=draw(_paths), loop=draw(st.booleans()), paced=draw(st.booleans())
        )
    return SyntheticCamera(kind=kind, frames=draw(_maybe(st.integers(1))), **draw(_sizes()))


_doors = {"host": _hosts, "port": _ports}


@st.composite
def _doored(draw: st.DrawFn, kind: Any, **more: st.SearchStrategy[Any]) -> Any:
    fields = {key: draw(strategy) for key, strategy in {**_doors, **more}.items()}
    return kind(**fields, **draw(_logins()))


_above = _numbers(0.001, 1e9)
_outputs = st.builds(
    OutputsConfig,
    rtsp=_maybe(_doored(RtspOutput, most_clients=st.integers(1, 100))),
    recordings=_maybe(
        st.builds(
            RecordingsOutput,
            folder=_paths,
            segment_s=_numbers(1, 86_400),
            keep_days=_maybe(_above),
            keep_gb=_maybe(_above),
            free_mb=_numbers(0, 1e9),
        )
    ),
    snapshots=_maybe(
        st.builds(
            SnapshotsOutput,
            folder=_paths,
            on=st.lists(st.sampled_from(["appears", "leaves"])).map(tuple),
            quality=st.integers(1, 100),
        )
    ),
    mjpeg=_maybe(_doored(MjpegOutput, rate=_numbers(0.001, 60), quality=st.integers(1, 100))),
    events=_maybe(st.builds(EventsOutput, path=_paths | st.just(Path("-")), keep_mb=_above)),
    status=st.builds(StatusOutput, folder=_maybe(_paths)),
)

# Within the picture, whatever binary fractions make of the sums.
_regions = _maybe(st.tuples(*[_numbers(0, 0.5)] * 2, *[_numbers(0.01, 0.5)] * 2))
_used = {"engine": _maybe(_paths), "threads": st.integers(0, 64)}

configs = st.builds(
    Config,
    name=_names,
    camera=cameras(),
    supervision=st.builds(
        Supervision,
        frozen_after_s=_numbers(0.2, 60),
        open_within_s=_numbers(1, 120),
        retry_first_s=_numbers(0.05, 0.1),
        retry_longest_s=_numbers(0.1, 3600),
        restart_argus=st.booleans(),
    ),
    detector=st.builds(
        DetectorConfig,
        model=_maybe(_lines),
        engine=st.sampled_from(["auto", "none"]) | _paths,
        score=_maybe(_numbers(0.01, 0.99)),
        long_side_px=_maybe(st.integers(64, 4096)),
        every=st.integers(1, 60),
        timeout_ms=st.integers(10, 60_000),
        blind_limit_s=_maybe(_numbers(1, 1e6)),
    ),
    tracking=st.builds(
        TrackingConfig,
        look_ahead=st.integers(0, 300),
        coast_frames=st.integers(0, 1000),
        growth=_numbers(0, 1),
    ),
    redaction=st.builds(
        RedactionConfig,
        style=st.sampled_from(Look),
        shape=st.sampled_from(Shape),
        margin=_numbers(0, 2),
    ),
    thermal=st.builds(
        ThermalConfig,
        limit_c=_numbers(40, 95),
        least_share=_numbers(0.05, 0.9),
        most_every=st.integers(1, 60),
        without_sensors=st.sampled_from(WithoutSensors),
        power_limit_w=_maybe(_numbers(1, 2000)),
        trace=_maybe(_paths),
    ),
    upscale=st.builds(
        UpscaleConfig,
        stream=_maybe(st.builds(StreamUpscale, model=_lines, region=_regions, **_used)),
        snapshots=_maybe(
            st.builds(
                SnapshotsUpscale,
                model=_lines,
                region=_regions,
                within_s=_numbers(0.1, 40),
                **_used,
            )
        ),
        most_mpx=_numbers(0.001, 1000),
    ),
    encoder=st.builds(EncoderConfig, crf=st.integers(0, 51), keyframe_s=_numbers(0.2, 60)),
    outputs=_outputs,
    metrics=_maybe(st.builds(MetricsConfig, **_doors)),
    log=st.builds(LogConfig, level=st.sampled_from(["debug", "info", "warning", "error"])),
    engines=st.lists(
        st.builds(Wanted, model=_lines, shape=_maybe(st.just("1x3x384x640"))), max_size=2
    ).map(tuple),
)


def all_keys(model: type[BaseModel] = Config, above: str = "") -> Iterator[str]:
    """Every key of the model, dotted; those of all kinds of cameras together."""
    for name, field in model.model_fields.items():
        yield above + name
        for inner in _models(field.annotation):
            if inner is not Wanted:
                yield from all_keys(inner, f"{above}{name}.")


def _models(annotation: Any) -> list[type[BaseModel]]:
    if get_origin(annotation) in (Union, types.UnionType, Annotated, tuple):
        return [model for one in get_args(annotation) for model in _models(one)]
    if get_origin(annotation) is not None:
        return []
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return [annotation] if is_model else []


_OFF = re.compile(r"^( *)#((?:  +)?#?\w+:(?: .*)?|(?:  +)#(?: .*)?)$")


def switched_on(line: str) -> str:
    """A line with its first `#` taken away, where that makes it a key (or a comment in a block).

    `#key: value` is a key that is commented out; `# text` is a comment.
    """
    found = _OFF.match(line)
    return line if found is None else found[1] + found[2]


def mentioned(text: str) -> set[str]:
    """Every key that stands in a file, commented out or not, dotted."""
    keys: set[str] = set()
    above: list[tuple[int, str]] = []
    for raw in text.splitlines():
        line = raw
        while (on := switched_on(line)) != line:
            line = on
        found = re.match(r"( *)(\w+):", line)
        if found is None:
            continue
        indent = len(found[1])
        above = [(deep, key) for deep, key in above if deep < indent]
        above.append((indent, found[2]))
        keys.add(".".join(key for _, key in above))
    return keys
