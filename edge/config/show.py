"""A configuration for people and editors: as YAML without its secrets, and as a JSON Schema."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel

from faceguard.edge.config.model import Config
from faceguard.edge.service.scrub import STARS

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}
# An address may hold a password, too, and tells of somebody's network.
_SECRET = frozenset({"url", "user", "password"})


def schema() -> dict[str, Any]:
    """The JSON Schema of a configuration; what may hold a secret is marked `writeOnly`."""
    made = Config.model_json_schema()
    parts = made["$defs"]
    for part in (made, *parts.values()):
        for key, body in part.get("properties", {}).items():
            # Older versions of pydantic wrap a reference that has neighbours.
            ref = next(iter(body.get("allOf", ())), body).get("$ref", "")
            name = ref.rpartition("/")[2]
            if "default" in body and parts.get(name, {}).get("type") == "object":
                # The reader takes a section without keys for its default.
                rest = {w: told for w, told in body.items() if w not in ("$ref", "allOf")}
                part["properties"][key] = {"anyOf": [{"$ref": ref}, _NULL], **rest}
    return {
        "$schema": _DRAFT,
        **made,
        "title": "faceguard configuration",
        "description": "The configuration of one camera, for `faceguard run`.",
    }


def as_yaml(config: Config) -> str:
    """The configuration with every default, and stars for secrets."""
    return yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True, width=100)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a configuration holds
    if isinstance(value, BaseModel):
        return {
            key: STARS if key in _SECRET and inner is not None else _plain(inner)
            for key, inner in ((key, getattr(value, key)) for key in type(value).model_fields)
        }
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(getattr(value, "value", value))
