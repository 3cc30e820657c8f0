"""No leak in any sequence of faults, everywhere and at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.style import Look
from faceguard.edge.types import PixelFormat, SafeFrame, Shape
from tests.edge.live.breaking import ERRORS, SEAMS, Breaker, Clocks
from tests.edge.live.camera_faults import CameraFault
from tests.edge.live.faults import FINDER_FAULTS, FaultyFinder, FinderFault, Hanging, Script
from tests.edge.live.house import House, until
from tests.edge.live.no_leak import ends_well, filmed, passing_by, plan
from tests.edge.live.output_faults import FaultyOutput, OutputFault
from tests.edge.live.scene import Scene

pytestmark = pytest.mark.usefixtures("hasty")

T = TypeVar("T")
CAMERA_FAULTS = tuple(fault for fault in CameraFault if fault is not CameraFault.END)
OUTPUT_FAULTS = tuple(fault for fault in OutputFault if fault is not OutputFault.NONE)
# What can break on purpose, and with what.
BREAKS = st.tuples(
    st.sampled_from(sorted(SEAMS)),
    st.sets(st.integers(1, 40), min_size=1, max_size=6),
    st.sampled_from(sorted(ERRORS)),
)
BUDGETS = st.sampled_from(
    [
        UNLIMITED,
        Budget(level=1, frames_per_s=10, reason="warm"),
        Budget(level=2, detect_every=4, reason="hot"),
        Budget(level=4, paused=True, reason="too hot"),
    ]
)
PLANS = st.builds(
    plan,
    st.integers(1, 4),
    st.integers(0, 6),
    style=st.sampled_from([look.value for look in Look]),
    shape=st.sampled_from([shape.value for shape in Shape]),
)
CLOCKS = st.tuples(st.integers(0, 3600), st.integers(-(10**6), 10**6))
STEPS = st.lists(st.one_of(BUDGETS, PLANS, CLOCKS), max_size=4)


def spread(faults: tuple[T, ...], well: T, most: int) -> st.SearchStrategy[list[T]]:
    """Faults with stretches between them in which all is well."""
    one = st.tuples(st.integers(0, 12), st.sampled_from(faults))
    return st.lists(one, max_size=most).map(
        lambda parts: [each for calm, fault in parts for each in (*[well] * calm, fault)]
    )


@given(
    camera_faults=spread(CAMERA_FAULTS, CameraFault.NONE, 5),
    finder_faults=spread(FINDER_FAULTS, FinderFault.NONE, 6),
    output_faults=spread(OUTPUT_FAULTS, OutputFault.NONE, 4),
    breaks=st.lists(BREAKS, max_size=3, unique_by=lambda one: one[0]),
    steps=STEPS,
    first=PLANS,
    rate=st.sampled_from([60, 200, 1000]),
    form=st.sampled_from([PixelFormat.I420, PixelFormat.NV12, PixelFormat.GRAY]),
    copies=st.sampled_from([None, None, 2, 5]),
)
@settings(
    max_examples=12,
    deadline=None,
    # Runs that depend on threads do not shrink well, and each takes its time.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_no_sequence_of_faults_shows_a_face(
    camera_faults, finder_faults, output_faults, breaks, steps, first, rate, form, copies
):
    scene, hanging = Scene(there=passing_by), Hanging()
    camera_script = Script(camera_faults, CameraFault.NONE)
    finder_script = Script(finder_faults, FinderFault.NONE)

    def more(meters: Meters, quiet: Quiet) -> Iterable[Worker[SafeFrame]]:
        return [FaultyOutput(meters, quiet, taking=output_faults, hanging=hanging)]

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        clocks = Clocks(patch)
        for seam, calls, error in breaks:
            Breaker(patch, seam, calls, ERRORS[error])
        house = House(
            Path(folder),
            scene,
            camera=filmed(scene, camera_script, hanging, rate=rate, form=form),
            finder=FaultyFinder(scene, finder_script, hanging),
            more=more,
            copies=copies,
            settings={**first, "detector": {**first["detector"], "timeout_ms": 100}},
        )
        house.wall_s = clocks.wall_s
        with house.start():
            try:
                for step in steps:
                    _more(house, 15)
                    _do(house, clocks, step)
                _more(house, 40)
            finally:
                hanging.release()
            house.budget = UNLIMITED
            until(lambda: camera_script.happened.total() > len(camera_faults))
            until(lambda: finder_script.happened.total() > len(finder_faults))
            ends_well(house)


def _more(house: House, frames: int) -> None:
    """Waits until so many more were filmed, unless something hangs."""
    filmed, end_s = house.scene.filmed, time.monotonic() + 1
    last, pause = filmed[-1] if filmed else 0, threading.Event()
    while (not filmed or filmed[-1] < last + frames) and time.monotonic() < end_s:
        pause.wait(0.003)


def _do(house: House, clocks: Clocks, step: Any) -> None:
    if isinstance(step, Budget):
        house.budget = step
    elif isinstance(step, dict):
        house.change(**step)
    else:
        ahead_s, clocks.wall_ahead_s = step
        clocks.ahead_ns += ahead_s * 10**9
