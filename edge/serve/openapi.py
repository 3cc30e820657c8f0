"""The OpenAPI document, made of the same tables that requests are read by."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from faceguard.edge.serve.asking import FORMATS, Asking, Parameter
from faceguard.edge.serve.upload import FIELD, FORM_TYPE

if TYPE_CHECKING:
    from faceguard.edge.serve.settings import ServeSettings

_PICTURES = ("image/jpeg", "image/png", "image/webp", "image/tiff", "image/bmp", "image/gif")
_BINARY = {"type": "string", "format": "binary"}
_SECONDS = {"type": "integer", "minimum": 1}
_TOKEN: list[dict[str, list[str]]] = [{"token": []}]

# What each status means, wherever it may come.
_WHY = {
    "400": "The picture or the form cannot be read; the reason says why.",
    "401": "The token is missing or another.",
    "403": (
        "Asked for by a page of another site, or under another name than this machine's; or "
        "redact=false, where the service was started with --no-bare."
    ),
    "408": "The picture came too slowly.",
    "413": "The picture, or what would become of it, is over a limit.",
    "415": "The body is of a kind that is not read.",
    "422": "A parameter, or a field of the form, that cannot be meant.",
    "429": "Too much waits already.",
    "500": "A model failed.",
    "503": "Not ready, stopping, or too little memory now; the reason says which.",
    "504": "It took longer than the deadline.",
}
_RETRY = ("429", "503")


def document(asking: Asking, settings: ServeSettings) -> dict[str, Any]:
    """The document.

    Args:
        asking: What may be asked for.
        settings: Who may come in.
    """
    guarded: dict[str, Any] = {} if settings.token is None else {"security": _TOKEN}
    components: dict[str, Any] = {
        "schemas": {
            "Error": {
                "type": "object",
                "properties": {"error": {"type": "string", "description": "One line: why."}},
                "required": ["error"],
                "additionalProperties": False,
            },
        },
    }
    if settings.token is not None:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "faceguard",
            "version": version("faceguard-edge"),
            "description": (
                "Covers faces in pictures, and enlarges pictures. What comes is kept in memory "
                "only, and only until it is answered."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/redact": {
                "post": {
                    "operationId": "redact",
                    "summary": "Covers the faces in a picture.",
                    **guarded,
                    **_pictures(asking.redact, _told(enlarges=False), settings),
                }
            },
            "/v1/enhance": {
                "post": {
                    "operationId": "enhance",
                    "summary": "Enlarges a picture, after its faces were covered.",
                    **guarded,
                    **_pictures(asking.enhance, _told(enlarges=True), settings),
                }
            },
            "/healthz": {"get": _health()},
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Figures for Prometheus.",
                    **guarded,
                    "responses": {
                        "200": {
                            "description": "The figures.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        },
                        **_errors(settings),
                    },
                }
            },
            "/": {
                "get": {
                    "operationId": "page",
                    "summary": "A page to try it.",
                    "responses": {
                        "200": {
                            "description": "The page.",
                            "content": {"text/html": {"schema": {"type": "string"}}},
                        },
                        **_errors(settings, token=False),
                    },
                }
            },
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document.",
                    "responses": {
                        "200": {
                            "description": "The document.",
                            "content": {"application/json": {"schema": {"type": "object"}}},
                        },
                        **_errors(settings, token=False),
                    },
                }
            },
        },
        "components": components,
    }


def _pictures(
    parameters: tuple[Parameter, ...], told: dict[str, Any], settings: ServeSettings
) -> dict[str, Any]:
    form = {
        "type": "object",
        "properties": {FIELD: _BINARY},
        "required": [FIELD],
        "additionalProperties": False,
    }
    return {
        "parameters": [
            {
                "name": parameter.name,
                "in": "query",
                "description": parameter.about,
                "required": False,
                "schema": dict(parameter.schema),
            }
            for parameter in parameters
        ],
        "requestBody": {
            "required": True,
            "description": (
                "A still JPEG, PNG, WebP, TIFF, BMP or GIF, by itself or as the only field of a "
                "form. What it is shows in its first bytes, whatever its Content-Type says."
            ),
            "content": {
                **{kind: {"schema": _BINARY} for kind in _PICTURES},
                "application/octet-stream": {"schema": _BINARY},
                FORM_TYPE: {
                    "schema": form,
                    "encoding": {FIELD: {"contentType": ", ".join(_PICTURES)}},
                },
            },
        },
        "responses": {
            "200": {
                "description": "The picture.",
                "headers": told,
                "content": {kind: {"schema": _BINARY} for kind, _ in FORMATS.values()},
            },
            **_errors(settings, "400", "408", "413", "415", "422", "429", "500", "503", "504"),
        },
    }


def _told(*, enlarges: bool) -> dict[str, Any]:
    told = {
        "Faceguard-Redacted": _header("Whether faces were covered.", {"type": "boolean"}, True),
        "Faceguard-Seconds": _header("Time it took once it was here.", {"type": "number"}, True),
        "Faceguard-Covered-Whole": _header(
            "Whether all of it was covered, since the detector failed; missing with redact=false.",
            {"type": "boolean"},
        ),
        "Faceguard-Faces": _header(
            "Faces found and covered; missing where nobody looked, or nobody knows.",
            {"type": "integer", "minimum": 0},
        ),
        "Faceguard-Why": _header("Why all of it was covered.", {"type": "string"}),
        "Faceguard-Notes": _header("What was lost or changed on the way.", {"type": "string"}),
    }
    if enlarges:
        told["Faceguard-Scale"] = _header("Each side grew by this.", {"type": "integer"}, True)
        told["Faceguard-Model"] = _header("Who enlarged it.", {"type": "string"}, True)
    return told


def _header(what: str, schema: dict[str, Any], always: bool = False) -> dict[str, Any]:
    return {"description": what, "schema": schema, "required": always}


def _health() -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["ready", "preparing", "not"]},
            "reason": {"type": "string"},
            "queue": {"type": "integer", "minimum": 0},
        },
        "required": ["status", "queue"],
        "additionalProperties": False,
    }
    content = {"application/json": {"schema": schema}}
    return {
        "operationId": "health",
        "summary": "Whether pictures are taken.",
        "responses": {
            "200": {"description": "They are.", "content": content},
            "503": {"description": "Not yet, or not any more.", "content": content},
            "403": _error("403"),
        },
    }


def _errors(settings: ServeSettings, *statuses: str, token: bool = True) -> dict[str, Any]:
    known = ["403", *statuses]
    if token and settings.token is not None:
        known.append("401")
    return {status: _error(status) for status in sorted(known)}


def _error(status: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": _WHY[status],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if status in _RETRY:
        told["headers"] = {"Retry-After": _header("Seconds.", _SECONDS, status == "429")}
    if status == "401":
        told["headers"] = {"WWW-Authenticate": _header("How.", {"type": "string"}, True)}
    return told
