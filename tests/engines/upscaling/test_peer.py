"""The same pictures as OpenCV's dnn_superres makes of the same weights, for every network."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.parts import peers, upscale_peer
from benchmarks.parts.upscale_peer import DnnSuperres
from benchmarks.parts.upscale_quality import mean_difference, psnr
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import ModelMissing
from faceguard.engines.runtime import open_runtime
from faceguard.engines.store import find_graph
from faceguard.engines.types import U8
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.upscaler import Upscaler

CATALOGUE = read_catalogue()
GRAPHS = [
    pytest.param(entry, rewritten, id=f"{entry.name}{'-rewritten' if rewritten else ''}")
    for entry in CATALOGUE.entries.values()
    if entry.enlarging is not None
    for rewritten in ([False, True] if entry.enlarging.rewritten else [False])
]
MAD, APART_DB = 0.5, 0.05


def whole(width: int, height: int, pictures: int = 1) -> Tile:
    return Tile(width, height, 1)


@pytest.fixture(scope="module")
def peer() -> Iterator[DnnSuperres]:
    try:
        python = upscale_peer.environment(lambda line: None)
    except peers.NotHere as error:
        pytest.skip(str(error))
    with DnnSuperres(python, threads=2) as process:
        yield process


def photograph(scale: int, width: int, height: int) -> tuple[U8, U8]:
    """A part of the golden picture, full of detail, and its small form."""
    data = (resources.files("faceguard.configs") / "golden.jpg").read_bytes()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    large = pixels[360 : 360 + scale * height, 140 : 140 + scale * width]
    assert large.shape == (scale * height, scale * width, 3)
    # The networks were trained on pictures that were made small like this.
    low = Image.fromarray(large).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(low, np.uint8), np.ascontiguousarray(large, np.uint8)


def near(one: U8, truth: U8) -> float:
    return psnr(one.astype(np.float64), truth.astype(np.float64))


@pytest.mark.models
@pytest.mark.parametrize(("entry", "rewritten"), GRAPHS)
def test_as_the_peer(entry, rewritten: bool, peer: DnnSuperres) -> None:
    scale = entry.enlarging.scale
    try:
        graph = find_graph(entry.name, catalogue=CATALOGUE, rewritten=rewritten)
        source = upscale_peer.weights(entry.name)
    except ModelMissing as error:
        pytest.skip(str(error))
    peer.load(entry.name, source, entry.name.partition("-")[0], scale)
    # An odd width, and sides that differ; EDSR takes a second even for these.
    low, truth = photograph(scale, 37, 30)
    noise = np.random.default_rng(3).integers(0, 256, (16, 21, 3), np.uint8)
    with Upscaler(open_runtime(graph), entry.enlarging, whole, name=entry.name) as upscaler:
        ours, ours_of_noise = upscaler.bgr(low), upscaler.bgr(noise)
    theirs, theirs_of_noise = peer.enlarge(entry.name, low), peer.enlarge(entry.name, noise)
    assert ours.shape == theirs.shape == truth.shape
    assert mean_difference(ours, theirs) <= MAD
    assert mean_difference(ours_of_noise, theirs_of_noise) <= MAD
    ratio, their_ratio = near(ours, truth), near(theirs, truth)
    assert abs(ratio - their_ratio) <= APART_DB
    # Not two that fail alike: it is nearer the truth than what would be there without a network.
    size = (truth.shape[1], truth.shape[0])
    plain = np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    assert ratio > near(plain, truth) + 0.3
