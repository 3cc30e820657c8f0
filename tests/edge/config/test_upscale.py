"""`upscale:`, what it takes, what changes live, and what heat is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from faceguard.edge.config.model import Config
from faceguard.edge.config.plan import plan_of
from faceguard.edge.config.reload import compare, merged
from faceguard.edge.config.thermal import for_watch
from faceguard.edge.config.upscale import UpscaleConfig

MODEL = {"model": "espcn-x2"}


def config(**upscale: object) -> Config:
    return Config.model_validate({"camera": {"kind": "synthetic"}, "upscale": upscale})


def test_it_is_off_unless_asked_for() -> None:
    assert config() == Config.model_validate({"camera": {"kind": "synthetic"}, "upscale": None})
    assert (config().upscale.stream, config().upscale.snapshots) == (None, None)


def test_each_use_has_a_region_of_its_own() -> None:
    made = config(
        stream={**MODEL, "region": [0.25, 0, 0.5, 1]},
        snapshots={"model": "edsr-x3", "region": [0.7, 0.7, 0.3, 0.3], "within_s": 5},
    ).upscale
    assert made.stream is not None
    assert made.snapshots is not None
    assert made.stream.region == (0.25, 0, 0.5, 1)
    assert made.stream.threads == 0
    # Seldom, and never at the cost of others.
    assert (made.snapshots.threads, made.snapshots.within_s) == (1, 5)


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ([0, 0, 0, 1], "above 0"),
        ([0, 0, 1, 0], "above 0"),
        ([0.6, 0, 0.5, 1], "beyond the picture"),
        ([0, 0.5, 1, 0.51], "beyond the picture"),
        ([0, 0, 640, 360], "less than or equal to 1"),
        ([-0.1, 0, 1, 1], "greater than or equal to 0"),
        ([0, 0, 1], "Field required"),
        ([0, 0, 1, 1, 1], "at most 4 items"),
        ("0,0,1,1", "valid tuple"),
    ],
)
def test_a_region_that_cannot_be_is_refused(region: object, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(stream={**MODEL, "region": region})
    assert caught.value.errors()[0]["loc"][:3] == ("upscale", "stream", "region")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("use", "key", "value"),
    [
        ("stream", "model", None),
        ("stream", "within_s", 5),
        ("stream", "threads", -1),
        ("snapshots", "within_s", 0),
        ("snapshots", "within_s", 41),
        ("snapshots", "engine", ""),
    ],
)
def test_what_makes_no_sense_is_refused(use: str, key: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**{use: {**MODEL, key: value}})
    assert caught.value.errors()[0]["loc"] == ("upscale", use, key)


def test_regions_and_times_change_live_and_models_do_not() -> None:
    old = config(stream=MODEL, snapshots={**MODEL, "region": [0, 0, 1, 1]})
    new = config(
        stream={"model": "espcn-x3", "region": [0, 0, 0.5, 0.5], "threads": 2},
        snapshots={**MODEL, "engine": "/an.engine", "within_s": 3},
        most_mpx=2,
    )
    changes = compare(old, new)
    assert changes.live == [
        "upscale.stream.region",
        "upscale.snapshots.region",
        "upscale.snapshots.within_s",
    ]
    assert changes.restart == [
        "upscale.stream.model",
        "upscale.stream.threads",
        "upscale.snapshots.engine",
        "upscale.most_mpx",
    ]
    taken = merged(old, new).upscale
    assert taken == UpscaleConfig.model_validate(
        {
            "stream": {**MODEL, "region": [0, 0, 0.5, 0.5]},
            "snapshots": {**MODEL, "within_s": 3},
        }
    )


def test_a_use_that_comes_or_goes_waits_for_a_restart() -> None:
    assert compare(config(), config(stream=MODEL)).restart == ["upscale.stream"]
    assert merged(config(stream=MODEL), config()) == config(stream=MODEL)


def test_an_engine_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    from faceguard.edge.config.read import read_config

    path = tmp_path / "camera.yaml"
    path.write_text(
        "camera: {kind: synthetic}\nupscale:\n  stream: {model: espcn-x2, engine: an.engine}\n"
    )
    use = read_config(path).upscale.stream
    assert use is not None
    assert use.engine == tmp_path / "an.engine"


def test_video_that_is_sharpened_is_a_rung_of_the_ladder_and_snapshots_are_none() -> None:
    for upscale, upscales in (
        ({}, False),
        ({"stream": MODEL}, True),
        ({"snapshots": MODEL}, False),
    ):
        made = config(**upscale)
        assert for_watch(made, plan_of(made, None)).upscales is upscales
