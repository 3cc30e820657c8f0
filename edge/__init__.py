"""The camera: frames in, safe frames out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faceguard.engines  # noqa: F401 - before anything here loads ONNX Runtime

if TYPE_CHECKING:
    from faceguard.edge.enhance.enhancer import Enhancer
    from faceguard.edge.redactor import Redaction, Redactor
    from faceguard.edge.redactor_settings import RedactorSettings
    from faceguard.edge.sinks.encoder import EncoderSettings
    from faceguard.edge.style import Look
    from faceguard.edge.types import Shape

__all__ = [
    "EncoderSettings",
    "Enhancer",
    "Look",
    "Redaction",
    "Redactor",
    "RedactorSettings",
    "Shape",
]

_ROOMS = {
    "EncoderSettings": "sinks.encoder",
    "Enhancer": "enhance.enhancer",
    "Look": "style",
    "Redaction": "redactor",
    "Redactor": "redactor",
    "RedactorSettings": "redactor_settings",
    "Shape": "types",
}


def __getattr__(name: str) -> object:
    """Loads a public name when it is first asked for.

    `faceguard doctor` must run where OpenCV or FFmpeg is missing, so importing this package alone
    loads neither.
    """
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
