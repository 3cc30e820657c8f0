"""The real networks: tiled as whole, pictures and noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import ModelMissing
from faceguard.engines.runtime import open_runtime
from faceguard.engines.store import find_graph
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.upscaler import Upscaler
from tests.engines.upscaling.enlarging_graphs import WHOLE, always, apart, drawing, noise

CATALOGUE = read_catalogue()

pytestmark = pytest.mark.models


def opened(name: str) -> Upscaler:
    try:
        graph = find_graph(name, catalogue=CATALOGUE)
    except ModelMissing as error:
        pytest.skip(str(error))
    enlarging = CATALOGUE.entry(name).enlarging
    assert enlarging is not None
    return Upscaler(open_runtime(graph, threads=2), enlarging, WHOLE, name=name)


def tiled(whole: Upscaler, name: str, tile: Tile) -> Upscaler:
    enlarging = CATALOGUE.entry(name).enlarging
    assert enlarging is not None
    choose = always(tile.width, tile.height, tile.batch)
    return Upscaler(whole._runtime, enlarging, choose, name=name)


@pytest.fixture(params=["espcn-x2", "espcn-x4", "fsrcnn-x2", "fsrcnn-x3"])
def luma(request) -> Iterator[Upscaler]:
    with opened(request.param) as upscaler:
        yield upscaler


def test_luma_networks_tiled_as_whole(luma):
    rng = np.random.default_rng(8)
    for _ in range(4):
        height, width, across, down = (int(v) for v in rng.integers(20, 130, 4))
        tile = Tile(across, down, int(rng.integers(1, 4)))
        for picture in (noise(rng, height, width), drawing(rng, height, width)):
            parts = tiled(luma, luma.name, tile)
            assert apart(parts.bgr(picture), luma.bgr(picture)) <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 2000)])
def test_luma_networks_take_any_size(luma, size):
    picture = noise(np.random.default_rng(1), *size)
    large = tiled(luma, luma.name, Tile(64, 64)).bgr(picture)
    assert apart(large, luma.bgr(picture)) <= 1


def test_edsr_tiled_as_whole():
    """Few pixels, since each takes 38 million multiplications; the seam is in the middle."""
    with opened("edsr-x3") as whole:
        rng = np.random.default_rng(2)
        picture = np.hstack([drawing(rng, 6, 35), noise(rng, 6, 35)])
        parts = tiled(whole, whole.name, Tile(68, 68))
        assert parts.planned(70, 6)[1] == 2
        assert apart(parts.bgr(picture), whole.bgr(picture)) <= 1
