"""What tests of outputs may ask for."""

from __future__ import annotations

import pytest

from faceguard.edge.config.outputs import SnapshotsOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.snapshots import Snapshots
from faceguard.edge.service.quiet import Quiet
from tests.edge.outputs.mjpeg_clients import Served
from tests.edge.outputs.old_segments import Clocks


@pytest.fixture
def meters():
    return Meters()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def serve(meters):
    """Starts pages with some settings, and ends them."""
    served = Served(meters)
    yield served
    served.close()


@pytest.fixture
def taking(tmp_path, meters):
    """Starts snapshots with some settings, and ends them."""
    outputs = []

    def start(folder=tmp_path / "shots", enlarge=None, **settings):
        box = {"settings": SnapshotsOutput(folder=folder, **{"least_s": 0, **settings})}
        output = Snapshots(lambda: box["settings"], "front", meters, Quiet(meters), enlarge)
        output.box = box
        outputs.append(output)
        output.start()
        return output

    yield start
    for output in outputs:
        output.close()
