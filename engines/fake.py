"""A runtime without a backend, for tests and demonstrations of what stands on one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.closing import Closing
from faceguard.engines.errors import InferenceError
from faceguard.engines.runtime import check_feeds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from faceguard.engines.types import Array, TensorSpec


class FakeRuntime(Closing):
    """A function in the place of an engine, held to what every `Runtime` promises.

    It is as safe to call from several threads at once as the function is.
    """

    def __init__(
        self,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        function: Callable[[Mapping[str, Array]], Mapping[str, Array]],
    ) -> None:
        """Takes the place of an engine.

        Args:
            inputs: What it takes.
            outputs: What it gives.
            function: From the arrays of all inputs to those of all outputs, both by name.
        """
        self._inputs = list(inputs)
        self._outputs = list(outputs)
        self._function = function
        self._closed = False

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What `infer` takes."""
        return self._inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What `infer` gives."""
        return self._outputs

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Calls the function; see `Runtime.infer`.

        Raises:
            InferenceError: The runtime is closed, or the function's answer is not what `outputs`
                promise.
        """
        if self._closed:
            raise InferenceError("fake engine: the runtime is closed")
        check_feeds(self._inputs, feeds)
        values = self._function(feeds)
        for spec in self._outputs:
            if spec.name not in values or not spec.accepts(values[spec.name]):
                raise InferenceError(f"fake engine: its function gave no fitting {spec.name!r}")
        return {spec.name: np.array(values[spec.name]) for spec in self._outputs}

    def close(self) -> None:
        """Answers no more."""
        self._closed = True
