"""Which model is meant by a scale, a name, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceguard.engines.errors import UsageError
from faceguard.engines.upscaling.opening import usual_upscaler

if TYPE_CHECKING:
    from faceguard.engines.catalogue import Catalogue

USUAL_SCALE = 2


def model_for(scale: int | None, model: str | None, catalogue: Catalogue) -> str:
    """The name of the model that enlarges.

    Args:
        scale: How many times as long each side is to become; None leaves it to the model, or takes
            2.
        model: A name; None takes the quickest for the scale.
        catalogue: What there is.

    Raises:
        UsageError: The model has another scale, or is for something else, or none has this scale.
        ModelUnknown: No such name.
    """
    if model is None:
        return usual_upscaler(USUAL_SCALE if scale is None else scale, catalogue)
    known = catalogue.entry(model)
    if known.enlarging is None:
        names = ", ".join(entry.name for entry in catalogue.upscalers())
        raise UsageError(f"--model {model} enlarges nothing; take one of {names}")
    if scale not in (None, known.enlarging.scale):
        fitting = [
            entry.name
            for entry in catalogue.upscalers()
            if entry.enlarging is not None and entry.enlarging.scale == scale
        ]
        raise UsageError(
            f"--model {model} enlarges {known.enlarging.scale} times and not {scale}; "
            + (
                f"for --scale {scale} take {' or '.join(fitting)}"
                if fitting
                else "leave out --scale"
            )
        )
    return model
