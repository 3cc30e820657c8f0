"""Passwords, reloading, the plan, and what is shown of a configuration."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr

from faceguard.edge.config.model import Config
from faceguard.edge.config.outputs import RtspOutput
from faceguard.edge.config.part import Part
from faceguard.edge.config.plan import plan_of, scores_of
from faceguard.edge.config.reload import LIVE, compare, merged
from faceguard.edge.config.secret import hide, openness, read_password
from faceguard.edge.config.show import as_yaml, schema
from faceguard.edge.service.scrub import Scrubber
from faceguard.engines.catalogue import USUAL_SCORES, Scores, read_catalogue
from faceguard.engines.errors import UsageError
from tests.edge.config.configs import all_keys, configs, plain

SLOW = [HealthCheck.too_slow]


def config(**parts: object) -> Config:
    return Config.model_validate({"camera": {"kind": "synthetic"}, **parts})


def door(path: Path) -> RtspOutput:
    return RtspOutput(user="me", password_file=path)


@pytest.mark.parametrize(
    ("written", "read"),
    [("secret", "secret"), ("secret\n", "secret"), ("secret\r\n", "secret"), (" s t \n", " s t ")],
)
def test_a_password_s_file_without_the_end_of_its_line(
    tmp_path: Path, written: str, read: str
) -> None:
    path = tmp_path / "password"
    path.write_bytes(written.encode())
    assert read_password(door(path)) == read
    assert read_password(RtspOutput(user="me", password=SecretStr("here"))) == "here"
    assert read_password(RtspOutput()) is None


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\nhunter2\n", "one line"),
        (b"hunter2\xff", "no UTF-8"),
        (b"hunter2" * 1000, "larger than"),
    ],
)
def test_a_password_s_file_that_is_none(tmp_path: Path, written: bytes, says: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(written)
    with pytest.raises(UsageError, match=says) as caught:
        read_password(door(path))
    assert str(path) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_password_s_file_that_is_not_there_or_would_be_waited_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_password(door(tmp_path / "absent"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="no plain file"):
        read_password(door(tmp_path / "pipe"))


def test_who_else_can_read_a_password(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret")
    path.chmod(0o600)
    assert openness(door(path)) is None
    path.chmod(0o644)
    assert "chmod 600" in str(openness(door(path)))
    assert openness(RtspOutput()) is None


def test_secrets_are_told_to_who_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from-a-file\n")
    own = config(
        camera={
            "kind": "rtsp",
            "url": "rtsp://camera.of.mine/x",
            "user": "usher",
            "password": "hunter2",
        },
        outputs={"rtsp": {"user": "viewer", "password_file": str(tmp_path / "password")}},
    )
    scrubber = Scrubber()
    hide(own, scrubber)
    said = scrubber.scrub("camera.of.mine refused usher hunter2, viewer from-a-file")
    for secret in ("camera.of.mine", "usher", "hunter2", "viewer", "from-a-file"):
        assert secret not in said


def at(part: object, key: str) -> object:
    for name in key.split("."):
        if part is None:
            return None
        part = getattr(part, name)
    return part


@settings(max_examples=60, suppress_health_check=SLOW)
@given(old=configs, new=configs)
def test_live_keys_are_taken_and_no_others(old: Config, new: Config) -> None:
    changes = compare(old, new)
    both = merged(old, new)
    assert compare(old, both).live == changes.live
    assert compare(old, both).restart == []
    assert compare(both, new).live == []
    assert compare(both, new).restart == changes.restart
    for key in changes.live:
        assert at(both, key) == at(new, key) != at(old, key)
    for key in changes.restart:
        assert at(both, key) == at(old, key) != at(new, key)
    # It is one that could have been read.
    assert Config.model_validate(plain(both)) == both
    assert compare(old, old) == compare(new, new.model_copy())


def test_what_is_live() -> None:
    known = set(all_keys())
    assert known >= LIVE
    old = config(outputs={"mjpeg": {}, "recordings": {"folder": "/a"}})
    new = config(
        camera={"kind": "synthetic", "width": 320, "height": 240},
        redaction={"style": "solid", "margin": 0.1},
        detector={"every": 3, "threads": 2},
        outputs={"mjpeg": {"rate": 5, "port": 81}, "recordings": {"folder": "/b", "keep_gb": 1},
                 "rtsp": {}},
        metrics=None,
        log={"level": "debug"},
    )  # fmt: skip
    changes = compare(old, new)
    assert changes.live == [
        "detector.every",
        "redaction.style",
        "redaction.margin",
        "outputs.recordings.keep_gb",
        "outputs.mjpeg.rate",
        "log.level",
    ]
    assert changes.restart == [
        "camera.width",
        "camera.height",
        "detector.threads",
        "outputs.rtsp",
        "outputs.recordings.folder",
        "outputs.mjpeg.port",
        "metrics",
    ]


def test_another_kind_of_camera_is_one_change() -> None:
    new = config(camera={"kind": "file", "path": "/x"})
    assert compare(config(), new).restart == ["camera"]
    assert merged(config(), new) == config()


def test_the_plan_takes_every_setting() -> None:
    own = config(
        detector={"every": 4, "score": 0.5},
        tracking={"look_ahead": 2, "coast_frames": 7, "patience": 3, "growth": 0.5},
        redaction={"style": "solid", "shape": "box", "margin": 0.3},
    )
    plan = plan_of(own, Scores(start=0.6, keep=0.3))
    assert (plan.detect_every, plan.look_ahead) == (4, 3)
    assert (plan.masks.margin, plan.masks.shape.value) == (0.3, "box")
    assert plan.style.look.value == "solid"
    tracking = plan.tracking
    assert (tracking.strong, tracking.coast_frames, tracking.patience) == (0.5, 7, 3)
    assert tracking.growth == 0.5
    left_out = plan_of(config(), Scores(start=0.6, keep=0.3))
    assert left_out.tracking.strong == 0.6
    assert left_out.look_ahead == 5
    assert plan_of(config(), None).tracking.strong == USUAL_SCORES.start
    # What was worked out already stays so.
    assert replace(plan_of(own, Scores(start=0.5, keep=0.25)), style=plan.style) == plan


def test_a_score_keeps_the_catalogue_s_proportion() -> None:
    entry = read_catalogue().entry("yunet")
    asked = scores_of(config(detector={"score": 0.4}).detector, entry)
    assert (asked.start, asked.keep) == (0.4, pytest.approx(0.2))
    assert scores_of(config().detector, entry) == entry.score
    for start in (0.1, 0.3, 0.7, 0.999):
        same = Scores(start=0.3, keep=0.3).starting_at(start)
        assert same.keep <= same.start
    assert Scores(start=0.0, keep=0.0).starting_at(0.5) == Scores(start=0.5, keep=0.5)


@settings(max_examples=30, suppress_health_check=SLOW)
@given(own=configs)
def test_what_is_shown_has_every_key_and_no_secret(own: Config) -> None:
    shown = yaml.safe_load(as_yaml(own))
    hidden = plain(own)
    for part in (hidden["camera"], *hidden["outputs"].values()):
        for key in ("url", "user", "password"):
            if part and part.get(key) is not None:
                part[key] = "***"
    assert shown == hidden


def test_the_schema_describes_every_key_and_marks_secrets() -> None:
    told = json.loads(json.dumps(schema(), allow_nan=False))
    assert told["$schema"].endswith("2020-12/schema")
    assert told["title"]
    assert told["description"]
    assert told["additionalProperties"] is False
    parts = {"Config": told, **told["$defs"]}
    models = {cls.__name__: cls for cls in _parts(Part)}
    secret = set()
    for name, part in parts.items():
        if name not in models or "properties" not in part:
            continue
        assert set(part["properties"]) == set(models[name].model_fields)
        for key, body in part["properties"].items():
            # What says the same as the part itself is not said twice.
            refs = [one["$ref"] for one in (body, *body.get("anyOf", ())) if "$ref" in one]
            part_of = told["$defs"][refs[0].rpartition("/")[2]] if refs else {}
            assert {**part_of, **body}.get("description"), f"{name}.{key} is not described"
            if "writeOnly" in json.dumps(body):
                secret.add(f"{name}.{key}")
    owners = ("MjpegOutput", "RtspCamera", "RtspOutput")
    wanted = {f"{owner}.{key}" for owner in owners for key in ("user", "password")}
    assert secret == {"RtspCamera.url", *wanted}
    null = {"type": "null"}
    assert null in told["properties"]["supervision"]["anyOf"]
    assert null not in told["$defs"]["RedactionConfig"]["properties"]["style"].get("anyOf", ())


def _parts(part: type[Part]) -> list[type[Part]]:
    return [part, *(below for inner in part.__subclasses__() for below in _parts(inner))]
