"""The document is true: requests made from it are answered as it says."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image as Pil

from faceguard.edge.serve.app import ROUTES
from faceguard.edge.serve.asking import Asking
from faceguard.edge.serve.openapi import document
from faceguard.edge.serve.settings import ServeSettings
from tests.edge.serve.served import noise, saved, serving

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - opens nothing
KINDS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/tiff": "TIFF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "application/octet-stream": "PNG",
}


def picture_file(form):
    return lambda seed: saved(Pil.fromarray(noise(seed=seed)), form)


# Else bodies would be bytes that are no pictures.
for kind, form in KINDS.items():
    schemathesis.openapi.media_type(kind, st.integers(0, 9).map(picture_file(form)))

ASKING = Asking({"doubling-x2": 2})
OPEN = schemathesis.openapi.from_dict(document(ASKING, ServeSettings()))
GUARDED = schemathesis.openapi.from_dict(document(ASKING, ServeSettings(token=TOKEN)))


@pytest.fixture(scope="module")
def served():
    with serving() as one:
        yield one


@pytest.fixture(scope="module")
def guarded():
    with serving(token=TOKEN) as one:
        yield one


def test_it_is_served_and_names_every_route(served):
    told = served.client.get("/openapi.json").json()
    assert told == document(ASKING, ServeSettings())
    assert set(told["paths"]) == set(ROUTES)


def test_where_there_is_a_token_it_says_for_what(guarded):
    paths = guarded.client.get("/openapi.json").json()["paths"]
    asked = {path for path, item in paths.items() if "security" in next(iter(item.values()))}
    assert asked == {path for path, is_guarded in ROUTES.items() if is_guarded}


# What it makes up in a run is small, and there is nothing that it could be told to leave out.
@OPEN.parametrize()
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_it_is_true(case, served):
    case.call_and_validate(base_url=served.service.url)


@GUARDED.parametrize()
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
def test_it_is_true_with_a_token(case, guarded):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    case.call_and_validate(base_url=guarded.service.url, headers=headers)
