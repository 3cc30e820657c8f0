"""What is looked at is what the engine takes: every shape is one of its profile's."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from faceguard.convert.accuracy.golden import Golden, shipped_pictures
from faceguard.convert.accuracy.looks import Looker, Shown
from faceguard.convert.accuracy.runtimes import Profiled
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.closing import Closing
from faceguard.engines.errors import TensorMismatch, UsageError
from faceguard.engines.fake import FakeRuntime
from faceguard.engines.onnx import OnnxRuntime
from faceguard.engines.runtime import Runtime
from faceguard.engines.spec import Profile
from faceguard.engines.types import Array, TensorSpec

OPEN = TensorSpec("input", (1, 3, None, None), np.dtype(np.float32))


def profile(*sides: tuple[int, int]) -> dict[str, Profile]:
    low, best, high = [(1, 3, *side) for side in sides]
    return {"input": Profile(low, best, high)}


class Watched(Closing):
    """A runtime that remembers the shapes that reached it."""

    def __init__(self, inner: Runtime) -> None:
        self.inner = inner
        self.inputs = inner.inputs
        self.outputs = inner.outputs
        self.shapes: list[tuple[int, ...]] = []

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.shapes += [array.shape for array in feeds.values()]
        return self.inner.infer(feeds)

    def close(self) -> None:
        raise AssertionError("a looker leaves the runtime open")


PROFILES = {
    "small": ((32, 32), (64, 64), (128, 128)),
    "wide": ((64, 64), (192, 320), (192, 320)),
    "tall": ((320, 32), (640, 96), (640, 96)),
    "never small": ((608, 608), (640, 640), (640, 640)),
    "odd": ((33, 33), (200, 100), (201, 301)),
    "one open side": ((384, 32), (384, 640), (384, 640)),
    "usual": ((32, 32), (384, 640), (640, 640)),
}


@pytest.mark.models
@pytest.mark.parametrize("name", ["yunet", "centerface"])
@pytest.mark.parametrize("sides", PROFILES.values(), ids=PROFILES.keys())
def test_a_detector_looks_within_its_profile(
    engine_path: Callable[[str], Path], name: str, sides: tuple[tuple[int, int], ...]
) -> None:
    with OnnxRuntime(engine_path(name), lean=True) as graph:
        watched = Watched(graph)
        [spec] = graph.inputs
        profiles = {spec.name: profile(*sides)["input"]}
        looker = Looker(read_catalogue().entry(name), profiles, (0, 1))
        looks = list(looker.looks(watched, shipped_pictures()))
        samples = Shown(looker, graph.inputs, shipped_pictures())
        fed = [feeds[spec.name].shape for feeds in samples]
    assert len(looks) == len(watched.shapes) == 6
    assert fed == watched.shapes
    (low, _, high) = sides
    for shape in watched.shapes:
        assert low[0] <= shape[2] <= high[0]
        assert low[1] <= shape[3] <= high[1]
        assert shape[2] % 32 == shape[3] % 32 == 0


@pytest.mark.models
def test_a_picture_is_seen_as_large_as_the_profile_lets_it(
    engine_path: Callable[[str], Path],
) -> None:
    crowd = [picture for picture in shipped_pictures() if picture.name == "crowd"]
    with OnnxRuntime(engine_path("yunet"), lean=True) as graph:
        for sides, shape in (
            (PROFILES["usual"], (1, 3, 384, 640)),
            (PROFILES["small"], (1, 3, 96, 128)),
            (PROFILES["wide"], (1, 3, 192, 320)),
        ):
            watched = Watched(graph)
            looker = Looker(read_catalogue().entry("yunet"), profile(*sides), (0, 1))
            [look] = looker.looks(watched, crowd)
            assert watched.shapes == [shape]
            assert look.faces is not None
            assert len(look.faces.above(0.6)) == (4 if shape[3] >= 320 else 0)


def test_a_profile_that_no_letterbox_fits_is_told() -> None:
    seen = FakeRuntime([OPEN], [], lambda _: {})
    looker = Looker(read_catalogue().entry("yunet"), profile((33, 33), (40, 40), (63, 63)), (0, 1))
    with pytest.raises(UsageError, match=r"yunet: a profile of .* multiple of 32 px"):
        list(looker.looks(seen, shipped_pictures()))


@pytest.mark.parametrize("shape", [(1, 3, 16, 64), (1, 3, 64, 160), (2, 3, 64, 64), (1, 3, 64)])
def test_what_is_held_to_a_profile_takes_nothing_else(shape: tuple[int, ...]) -> None:
    inner = FakeRuntime([OPEN], [], lambda _: {})
    held = Profiled(inner, profile((32, 64), (64, 64), (128, 128)))
    assert held.infer({"input": np.zeros((1, 3, 128, 64), np.float32)}) == {}
    with pytest.raises(TensorMismatch, match="input 'input' takes shapes of 1x3x32x64,"):
        held.infer({"input": np.zeros(shape, np.float32)})


def test_what_is_held_tells_which_sides_are_open() -> None:
    inner = FakeRuntime([OPEN], [], lambda _: {})
    held = Profiled(inner, profile((32, 64), (64, 64), (128, 64)))
    assert [spec.shape for spec in held.inputs] == [(1, 3, None, 64)]
    assert [spec.shape for spec in Profiled(inner, {}).inputs] == [OPEN.shape]


def test_what_is_no_detector_gets_its_optimum() -> None:
    watched = Watched(FakeRuntime([OPEN], [], lambda _: {}))
    looker = Looker(None, profile((8, 8), (16, 24), (32, 32)), (0, 1))
    list(looker.looks(watched, [Golden("grey", np.full((9, 9, 3), 128, np.uint8))]))
    assert watched.shapes == [(1, 3, 16, 24)]
