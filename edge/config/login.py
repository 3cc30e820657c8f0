"""Who may come in, and where one listens: the kinds of values that several parts have."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr

# JSON Schema's word for what is written and never shown again.
_WRITE_ONLY: dict[str, Any] = {"writeOnly": True}


def _user(value: str) -> str:
    # HTTP and RTSP send user and password as one word with a colon between.
    if not value or ":" in value or not value.isprintable():
        raise ValueError("must be a name without a colon")
    return value


def _password(value: SecretStr) -> SecretStr:
    plain = value.get_secret_value()
    if not plain or not plain.isprintable():
        raise ValueError("must be one line that is not empty")
    return value


def _host(value: str) -> str:
    # A name would have to be looked up, and nothing here asks the network.
    if value != "localhost":
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("must be an address: 127.0.0.1, 0.0.0.0, ::1") from None
    return value


# For the fields that hold them: not in any `repr`, and marked in the schema.
HIDDEN: Any = Field(repr=False, json_schema_extra=_WRITE_ONLY)
UserName = Annotated[str, AfterValidator(_user)]
Password = Annotated[SecretStr, AfterValidator(_password)]
Host = Annotated[str, AfterValidator(_host)]


def is_loopback(host: str) -> bool:
    """Whether an address of the configuration can be reached from this machine only."""
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
