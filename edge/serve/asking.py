"""What may be asked for in an address: requests are read by this table, and documented from it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.serve.refusal import Refusal
from faceguard.edge.style import Look
from faceguard.edge.types import Shape

# By their names in addresses: media type, and the longest side that its encoder takes; a PNG could
# hold more, but libpng refuses it (PNG_USER_WIDTH_MAX).
FORMATS = {
    "jpeg": ("image/jpeg", 65500),
    "png": ("image/png", 1_000_000),
    "webp": ("image/webp", 16383),
}
_QUALITY = 95
_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
# As JSON writes one (RFC 8259, 6).
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True)
class Parameter:
    """One thing that may be asked for.

    Attributes:
        name: As it stands in the address.
        about: One sentence.
        schema: Which values it takes, as JSON Schema: `type`, `enum`, `minimum`, `maximum`.
    """

    name: str
    about: str
    schema: Mapping[str, Any]

    def read(self, text: str) -> Any:  # noqa: ANN401 - what the schema says
        """The value.

        Raises:
            Refusal: It is none that the schema takes.
        """
        value = _typed(text, self.schema["type"])
        known = self.schema.get("enum")
        if value is None or (known is not None and value not in known):
            raise Refusal(422, f"{self.name} must be {self.choice}")
        low, high = self.schema.get("minimum", -math.inf), self.schema.get("maximum", math.inf)
        if known is None and self.schema["type"] != "boolean" and not low <= value <= high:
            raise Refusal(422, f"{self.name} must be {self.choice}")
        return value

    @property
    def choice(self) -> str:
        """What it may be, in words."""
        known = self.schema.get("enum")
        if known is not None:
            return " or ".join(str(value) for value in known)
        if self.schema["type"] == "boolean":
            return "true or false"
        return f"a {self.schema['type']} from {self.schema['minimum']} to {self.schema['maximum']}"


@dataclass(frozen=True)
class Wish:
    """What shall be done with one picture.

    Attributes:
        redact: Whether faces are covered.
        look: The style.
        shape: Outline of a mask.
        margin: Part of the face's size added around it.
        model: Who enlarges it; None for nobody.
        scale: Each side grows by this; 1 without a model.
        format: "jpeg", "png" or "webp"; None takes what it came in.
        quality: 1 to 100, for JPEG and WebP.
    """

    redact: bool
    look: Look
    shape: Shape
    margin: float
    model: str | None = None
    scale: int = 1
    format: str | None = None
    quality: int = _QUALITY


class Asking:
    """Reads the query of a request."""

    def __init__(
        self,
        models: Mapping[str, int],
        usual: RedactorSettings | None = None,
        *,
        may_be_bare: bool = True,
    ) -> None:
        """Makes the tables.

        Args:
            models: The models that enlarge, by name, and how many times each does. The first of
                a scale is its usual one.
            usual: What is taken where nothing is asked for.
            may_be_bare: Whether `redact=false` is answered; else it is refused.
        """
        self._may_be_bare = may_be_bare
        self.models = dict(models)
        self._usual = usual or RedactorSettings()
        covering = _covering(self._usual)
        self.redact: tuple[Parameter, ...] = (*covering, *_ENCODING)
        self.enhance: tuple[Parameter, ...] = (*_enlarging(models), *covering, *_ENCODING)

    def redaction(self, query: Iterable[tuple[str, str]]) -> Wish:
        """What a redaction asks for.

        Raises:
            Refusal: Something in it cannot be meant.
        """
        given = _given(query, self.redact)
        return Wish(redact=True, **self._cover(given), **_encoding(given))

    def enlargement(self, query: Iterable[tuple[str, str]]) -> Wish:
        """What an enlargement asks for.

        Raises:
            Refusal: Something in it cannot be meant or is not allowed, or no model is here.
        """
        given = _given(query, self.enhance)
        if not given.get("redact", True) and not self._may_be_bare:
            raise Refusal(403, "redact=false is refused here; leave it out")
        model = self._model(given.get("model"), given.get("scale"))
        return Wish(
            redact=given.get("redact", True),
            model=model,
            scale=self.models[model],
            **self._cover(given),
            **_encoding(given),
        )

    def _model(self, name: str | None, scale: int | None) -> str:
        if not self.models:
            raise Refusal(
                503, "no model that enlarges is on this machine: faceguard models pull espcn-x2"
            )
        if name is None:
            wanted = min(self.models.values()) if scale is None else scale
            return next(one for one, times in self.models.items() if times == wanted)
        if scale not in (None, self.models[name]):
            raise Refusal(422, f"{name} enlarges {self.models[name]} times, not {scale}")
        return name

    def _cover(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "look": Look(given.get("style", self._usual.look.value)),
            "shape": Shape(given.get("shape", self._usual.shape.value)),
            "margin": float(given.get("margin", self._usual.margin)),
        }


def _enlarging(models: Mapping[str, int]) -> tuple[Parameter, ...]:
    scale: dict[str, Any] = {"type": "integer", "minimum": 2, "maximum": 8}
    model: dict[str, Any] = {"type": "string"}
    if models:
        scale = {"type": "integer", "enum": sorted(set(models.values()))}
        model["enum"] = list(models)
    return (
        Parameter("scale", "Each side grows by this; the least that there is a model for.", scale),
        Parameter("model", "Who enlarges it; the usual one for the scale.", model),
        Parameter(
            "redact",
            "Whether faces are covered first. Without it a face comes back sharper than it came; "
            "a service may refuse that.",
            {"type": "boolean", "default": True},
        ),
    )


def _covering(usual: RedactorSettings) -> tuple[Parameter, ...]:
    looks, shapes = [look.value for look in Look], [shape.value for shape in Shape]
    return (
        Parameter(
            "style",
            "How faces are covered.",
            {"type": "string", "enum": looks, "default": usual.look.value},
        ),
        Parameter(
            "shape",
            "Outline of what covers a face.",
            {"type": "string", "enum": shapes, "default": usual.shape.value},
        ),
        Parameter(
            "margin",
            "Part of the face's size that is covered around it.",
            {"type": "number", "minimum": 0, "maximum": 2, "default": usual.margin},
        ),
    )


_ENCODING = (
    Parameter(
        "format",
        "What the answer is encoded as; as it came, and PNG for TIFF, BMP and GIF.",
        {"type": "string", "enum": list(FORMATS)},
    ),
    Parameter(
        "quality",
        "For JPEG and WebP; JPEG keeps colour whole from 90 up.",
        {"type": "integer", "minimum": 1, "maximum": 100, "default": _QUALITY},
    ),
)


def _encoding(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"format": given.get("format"), "quality": given.get("quality", _QUALITY)}


def _given(query: Iterable[tuple[str, str]], parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    by_name = {parameter.name: parameter for parameter in parameters}
    given: dict[str, Any] = {}
    for name, text in query:
        # A name that was mistyped must not pass for the usual value.
        if name not in by_name:
            raise Refusal(422, f"no such parameter; known: {', '.join(by_name)}")
        if name in given:
            raise Refusal(422, f"{name} is given twice; give it once")
        given[name] = by_name[name].read(text)
    return given


def _typed(text: str, kind: str) -> Any:  # noqa: ANN401 - what the schema says
    """The text as a value of that type; None for another's."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text)
    if kind == "integer":
        return int(text) if _INTEGER.fullmatch(text) else None
    if kind == "number":
        return float(text) if _NUMBER.fullmatch(text) else None
    return text
