"""A gate for a model that gives back what it takes, and results that do so more or less."""

import numpy as np
import numpy.typing as npt

from faceguard.convert.accuracy.gate import Gate
from faceguard.convert.accuracy.golden import shipped_pictures
from faceguard.convert.accuracy.looks import Looker
from faceguard.engines.fake import FakeRuntime
from faceguard.engines.spec import Precision, Profile
from faceguard.engines.types import TensorSpec

F32 = npt.NDArray[np.float32]
SHAPE = (1, 3, 8, 8)
SPEC = TensorSpec("input", SHAPE, np.dtype(np.float32))
GIVES = TensorSpec("output", SHAPE, np.dtype(np.float32))


def runtime(change: float = 0.0, *, spoil: float | None = None) -> FakeRuntime:
    rng = np.random.default_rng(3)

    def run(feeds: dict[str, F32]) -> dict[str, F32]:
        answer = feeds["input"] + rng.normal(0, change, SHAPE).astype(np.float32)
        if spoil is not None:
            answer[0, 0, 0, 0] = spoil
        return {"output": answer}

    return FakeRuntime([SPEC], [GIVES], run)


def gate(precision: Precision) -> Gate:
    looker = Looker(None, {"input": Profile.fixed(SHAPE)}, (0.0, 1.0))
    return Gate(looker, shipped_pictures(), None, precision)
