"""The page that lets people try the service: one file, nothing in it from elsewhere.

Style and script stand beside this module, are put into the page as they are, and are named by
their hashes in the policy that goes out with it, so that nothing else runs even if something
found its way in.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from faceguard.edge.style import Look

_PLACE = re.compile(r"\{\{(\w+)\}\}")
_NAMES = {
    Look.PIXELATE: "Mosaic",
    Look.BLUR: "Blur",
    Look.SOLID: "One colour",
    Look.PIXELATE_NOISE: "Mosaic with noise",
    Look.BLUR_NOISE: "Blur with noise",
}


def page(
    *, models: Mapping[str, int], most_bytes: int | None = None, style: Look = Look.PIXELATE
) -> str:
    """The whole page as HTML.

    Args:
        models: The models that enlarge, by name, and how many times each does.
        most_bytes: Larger pictures are refused before they are sent; None leaves it to the server.
        style: The one that is chosen at first.
    """
    offer = {"models": dict(models), "most_bytes": most_bytes}
    scales = [str(scale) for scale in sorted(set(models.values()))]
    parts = {
        "style": _part("page.css"),
        "script": _part("page.js"),
        "styles": _choice("style", {look.value: _NAMES[look] for look in Look}, style.value),
        "scales": _choice(
            "scale", {str(n): f"{n}&times;" for n in scales}, str(min(scales, default=0))
        ),
        "enhance": "" if models else 'disabled title="No model that enlarges is on this machine"',
        "offer": html.escape(json.dumps(offer)),
    }
    return _PLACE.sub(lambda found: parts[found[1]], _part("page.html"))


@cache
def policy() -> str:
    """What the page may do: the value of its header Content-Security-Policy.

    It may run its own style and script, show pictures that it holds itself, and talk to the server
    that it came from.
    """
    return (
        "default-src 'none'; "
        f"style-src {_source('page.css')}; "
        f"script-src {_source('page.js')}; "
        "img-src blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _choice(name: str, values: Mapping[str, str], chosen: str) -> str:
    """Radio buttons, here and not in the script, so that nothing moves once that runs."""
    return "".join(
        f'<label><input type="radio" name="{name}" value="{value}"'
        f"{' checked' if value == chosen else ''}><span>{text}</span></label>"
        for value, text in values.items()
    )


def _source(name: str) -> str:
    digest = hashlib.sha256(_part(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _part(name: str) -> str:
    return files("faceguard.edge.serve").joinpath(name).read_text(encoding="utf-8")
