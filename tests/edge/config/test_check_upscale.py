"""What `faceguard check` says of enlarging, before it is switched on."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceguard.edge.check.upscale import check_upscale
from faceguard.edge.config.model import Config
from faceguard.edge.doctor.finding import Finding, State

RTSP = {"rtsp": {}}


def found(
    upscale: dict[str, object],
    *,
    outputs: dict[str, object] | None = None,
    camera: dict[str, object] | None = None,
) -> list[Finding]:
    camera = {"kind": "synthetic", "width": 64, "height": 36, "rate": 5, **(camera or {})}
    return check_upscale(
        Config.model_validate(
            {"camera": camera, "outputs": RTSP if outputs is None else outputs, "upscale": upscale}
        )
    )


def states(findings: list[Finding]) -> list[State]:
    return [finding.state for finding in findings]


def test_nothing_is_said_where_nothing_is_asked_for() -> None:
    assert found({}) == []


@pytest.mark.parametrize(
    ("model", "says"), [("espcn-x9", "espcn-x9"), ("yunet", "yunet enlarges nothing")]
)
def test_a_model_that_is_none_keeps_it_from_running(model: str, says: str) -> None:
    (fault,) = found({"stream": {"model": model}})
    assert (fault.name, fault.state) == ("upscale stream", State.FAULT)
    assert says in fault.detail
    assert fault.mend


def test_a_model_that_is_not_here_is_told_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEGUARD_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    size, model = found({"stream": {"model": "espcn-x2"}})
    assert (size.state, size.detail) == (State.OK, "64x36 becomes 128x72")
    assert model.state is State.WARNING
    assert "enlarged plainly" in model.detail
    assert model.mend == "faceguard models pull espcn-x2"


@pytest.mark.models
def test_what_a_picture_costs_is_told(engine_path) -> None:
    engine_path("espcn-x2")
    size, cost = found({"stream": {"model": "espcn-x2"}}, camera={"rate": 0.1})
    assert states([size, cost]) == [State.OK, State.OK]
    assert cost.detail.startswith("espcn-x2 takes about ")
    assert cost.detail.endswith(" a picture")
    # No machine does so many.
    large = {"width": 4096, "height": 2160, "rate": 240}
    _, cost = found({"stream": {"model": "espcn-x2"}}, camera=large)
    assert cost.state is State.WARNING
    assert "there are 4 ms from one to the next: most pictures are enlarged plainly" in cost.detail
    assert cost.mend
    within = {"model": "espcn-x2", "within_s": 0.1}
    _, cost = found({"snapshots": within}, camera=large, outputs={"snapshots": {"folder": "/a"}})
    assert "upscale.snapshots.within_s is 0.1 s: most pictures" in cost.detail


def test_sizes_that_cannot_be_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGUARD_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    large = {"width": 4096, "height": 2160}
    (size,) = found({"stream": {"model": "espcn-x4"}}, camera=large)
    assert "16384x8640, over upscale.most_mpx (35.65): it is not enlarged" in size.detail
    assert size.state is State.WARNING
    size, _ = found({"stream": {"model": "espcn-x2"}}, camera=large)
    assert "more than most players of H.264 take" in size.detail
    assert size.state is State.WARNING
    size, _ = found({"stream": {"model": "espcn-x2", "region": [0, 0, 0.01, 1]}})
    assert "the region is as small as it may be: 16x36 becomes 32x72" in size.detail
    assert size.mend == "name a larger upscale.stream.region"
    size, _ = found(
        {"stream": {"model": "espcn-x2"}},
        camera={"kind": "v4l2", **dict.fromkeys(("width", "height"))},
    )
    assert size.detail == "1280x720 becomes 2560x1440, if the camera gives 1280x720"


def test_a_use_without_an_output_is_of_no_use() -> None:
    both = {"stream": {"model": "espcn-x2"}, "snapshots": {"model": "espcn-x3"}}
    details = [finding.detail for finding in found(both, outputs={})]
    assert "is of no use: outputs for video are off" in details
    assert "is of no use: outputs.snapshots is off" in details
