"""The real detectors with real pictures, and TensorRT-RTX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import onnx
import pytest
from PIL import Image

from faceguard.convert.graph.fold import fold
from faceguard.convert.graph.shapes import resolve_shapes
from faceguard.engines.spec import Profile
from faceguard.engines.types import Array
from tests.convert.rtx import Built, build_with_rtx

SIDE = 320


@dataclass
class Detector:
    """A folded graph with what a picture and some parts of it look like to it."""

    name: str
    model: onnx.ModelProto
    samples: list[dict[str, Array]] = field(default_factory=list)


@pytest.fixture(scope="session")
def detector(engine_path, sample_path) -> Callable[[str], Detector]:
    """Gives one of the catalogue's detectors, ready to be cast."""

    @cache
    def get(name: str) -> Detector:
        source = onnx.load(engine_path(name))
        open_size = name in ("yunet", "centerface")
        shapes = {"": Profile.fixed((1, 3, SIDE, SIDE))} if open_size else {}
        shaped, profiles = resolve_shapes(source, shapes, name=name)
        [(tensor, profile)] = profiles.items()
        made = Detector(name, fold(shaped))
        side = max(profile.optimum[1:])
        with Image.open(sample_path("astronaut")) as image:
            whole = image.convert("RGB")
            for box in [(0, 0, 512, 512), (100, 0, 356, 256), (150, 50, 300, 200)]:
                part = whole.resize((side, side), box=box)
                pixels = np.asarray(part, np.float32)[None]
                if open_size:
                    pixels = pixels[..., ::-1].transpose(0, 3, 1, 2)
                else:
                    pixels = pixels / np.float32(127.5) - 1
                made.samples.append({tensor: np.ascontiguousarray(pixels)})
        return made

    return get


@pytest.fixture(scope="session")
def rtx_build(tmp_path_factory) -> Callable[..., Built]:
    """Builds a graph with TensorRT-RTX on this processor, or skips where it is not installed."""
    folder = tmp_path_factory.mktemp("rtx")
    return lambda model, *profiles: build_with_rtx(model, folder, *profiles)
