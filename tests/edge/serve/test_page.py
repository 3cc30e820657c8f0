"""The page as a text: nothing in it from elsewhere, and a policy that names what it runs."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import pytest

from faceguard.edge.serve.page import page, policy
from faceguard.edge.style import Look

MODELS = {"espcn-x2": 2, "edsr-x3": 3}


def between(text: str, start: str, end: str) -> str:
    return text.split(start)[1].split(end)[0]


def test_nothing_comes_from_elsewhere():
    text = page(models=MODELS)
    asked = re.findall(r'(?:src|href|action|poster|srcset)="([^"]*)"', text)
    assert [one for one in asked if not one.startswith("data:")] == ["openapi.json"]
    assert not re.search(r"url\(|@import|\bimport\b|\bfetch\(", text)
    assert re.findall(r"https?:[^'\"]*", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize(
    ("start", "end", "directive"),
    [
        ("<style>", "</style>", "style-src"),
        ('<script type="module">', "</script>", "script-src"),
    ],
)
def test_the_policy_names_what_the_page_holds(start, end, directive):
    part = between(page(models=MODELS, most_bytes=1000), start, end)
    digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
    assert f"{directive} 'sha256-{digest}';" in policy()


def test_the_policy_allows_nothing_else():
    rules = dict(rule.split(" ", 1) for rule in policy().split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "blob: data:"
    assert rules["connect-src"] == "'self'"
    assert rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy()
    assert "\n" not in policy()


def test_the_page_knows_what_the_server_offers():
    text = page(models=MODELS, most_bytes=1000, style=Look.SOLID)
    offer = json.loads(html.unescape(between(text, 'data-offer="', '"')))
    assert offer["models"] == MODELS
    assert offer["most_bytes"] == 1000
    styles = re.findall(r'name="style" value="([^"]*)"( checked)?', text)
    assert styles == [(look.value, " checked" * (look is Look.SOLID)) for look in Look]
    assert re.findall(r'name="scale" value="([^"]*)"', text) == ["2", "3"]
    assert "{{" not in text


def test_no_name_of_a_model_becomes_part_of_the_page():
    text = page(models={'"><script>alert(1)</script>': 2})
    assert text.count("<script") == 1


def test_a_server_without_models_does_not_offer_to_enlarge():
    assert re.search(r'value="enhance" disabled', page(models={}))
    assert not re.search(r'value="enhance" disabled', page(models=MODELS))
