"""Who may come in: the token, where it is read from, and where there must be one."""

from __future__ import annotations

import logging

import pytest

from faceguard.edge.serve.settings import TOKEN_VARIABLE, ServeSettings, read_token
from faceguard.engines.errors import UsageError
from tests.edge.serve.served import as_file, noise, serving

TOKEN = "5f3a9c0e7b1d42688f0a-._~+/Zz=="  # noqa: S105 - opens nothing
GOOD = as_file(noise())


@pytest.fixture(scope="module")
def served():
    with serving(token=TOKEN) as one:
        yield one


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/v1/redact", "/v1/enhance"])
def test_pictures_are_for_those_with_the_token(served, path):
    assert served.post(path, GOOD, headers=bearer(TOKEN)).status_code == 200
    assert served.post(path, GOOD, headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200
    wrong = [
        {},
        {"Authorization": "Bearer"},
        bearer(TOKEN[:-1]),
        bearer(TOKEN + "x"),
        bearer(TOKEN.upper()),
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": b"Bearer \xff\xfe"},
    ]
    for headers in wrong:
        answer = served.post(path, GOOD, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
    assert served.post(f"{path}?token={TOKEN}", GOOD).status_code == 401


def test_so_are_the_figures_and_not_what_tells_nothing(served):
    assert served.client.get("/metrics").status_code == 401
    assert served.client.get("/metrics", headers=bearer(TOKEN)).status_code == 200
    for path in ("/", "/healthz", "/openapi.json"):
        assert served.client.get(path).status_code == 200
    assert served.client.get("/nowhere").status_code == 404


def test_with_a_token_any_name_will_do(served):
    headers = {**bearer(TOKEN), "Host": "pictures.example"}
    assert served.post("/v1/redact", GOOD, headers=headers).status_code == 200


def test_the_token_is_never_said(served, caplog):
    caplog.set_level(logging.DEBUG, "faceguard")
    served.post("/v1/redact", GOOD, headers=bearer(TOKEN))
    served.post("/v1/redact", GOOD, headers=bearer(TOKEN + "x"))
    assert caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(ServeSettings(token=TOKEN))
    told = served.client.get("/openapi.json").json()
    assert told["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_without_a_token_only_this_machine_may_ask():
    for host in ("0.0.0.0", "::", "192.0.2.7"):  # noqa: S104 - refused
        with pytest.raises(UsageError, match="--token-file"):
            ServeSettings(host=host)
        ServeSettings(host=host, token=TOKEN)
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        ServeSettings(host=host)
    for host in ("", "example.com", "localhost.evil.example"):
        with pytest.raises(UsageError, match="must be an address"):
            ServeSettings(host=host, token=TOKEN)


def test_the_token_comes_from_a_file_or_from_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    environment = {TOKEN_VARIABLE: "another-token-of-16", "HOME": "/"}
    assert read_token(file, environment) == TOKEN
    assert environment == {"HOME": "/"}
    environment[TOKEN_VARIABLE] = TOKEN
    assert read_token(None, environment) == TOKEN
    assert environment == {"HOME": "/"}
    assert read_token(None, environment) is None


@pytest.mark.parametrize(
    "token", ["", "short", "sixteen letters with blanks", "x" * 600, "über-sechzehn-zeichen"]
)
def test_a_token_that_is_none_is_refused_and_not_shown(tmp_path, token):
    file = tmp_path / "token"
    file.write_text(token)
    for path, environment in ((file, {}), (None, {TOKEN_VARIABLE: token})):
        with pytest.raises(UsageError) as caught:
            read_token(path, environment)
        assert not token or token not in str(caught.value)
        assert "openssl" in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read_token(tmp_path / "none", {})


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"port": 70_000}, "--port"),
        ({"port": -1}, "--port"),
        ({"queue": 0}, "--queue"),
        ({"deadline_s": 0.0}, "--deadline"),
        ({"deadline_s": float("nan")}, "--deadline"),
        ({"max_pixels": 0}, "--max-pixels"),
        ({"max_output_pixels": 0}, "--max-output-pixels"),
        ({"max_upload_bytes": 0}, "--max-upload"),
    ],
)
def test_settings_that_cannot_be_meant(settings, option):
    with pytest.raises(UsageError, match=option):
        ServeSettings(**settings)
