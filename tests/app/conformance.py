"""The vocabulary of the case file: how a case becomes a request, and what its expectations mean."""

import base64
import re
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
from pydantic_core import from_json

from app.settings import Settings

Case = dict[str, Any]


def settings_for(config: Mapping[str, Any]) -> Settings:
    """`config` as environment settings. The first access key is the primary one."""
    keys, endpoint = config["access_keys"], config["endpoint"]
    strings = [f"Endpoint={endpoint};AccessKey={key};Version=1.0;" for key in keys]
    entra = config.get("entra", {})
    values: dict[str, Any] = {
        "webpubsub_connection_string": strings[0] if strings else None,
        "webpubsub_more_connection_strings": ",".join(strings[1:]) or None,
        "webpubsub_allowed_origins": tuple(config["allowed_origins"]) or ("*",),
        "webhook_entra_tenant": entra.get("tenant"),
        "webhook_entra_audience": (entra["audience"],) if entra else (),
        "allow_unverified_webhooks": config.get("allow_anonymous", False),
        "identity": "app-service" if config.get("trust_app_service_headers") else "query",
        "strict_cloudevents": config.get("strict", False),
        "max_body_bytes": config.get("max_body_bytes", 2 * 1024 * 1024),
        "hubs": ("tests.app.reference_hub:ReferenceHub",),
    }
    return Settings(_env_file=None, **values)


def _header_bytes(value: str | Mapping[str, str]) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value["utf8"].encode()


def request_for(case: Case) -> httpx.Request:
    request = case["request"]
    pairs = request.get("header_list") or list((request.get("headers") or {}).items())
    headers = [(name.encode(), _header_bytes(value)) for name, value in pairs]
    body = b""
    if (given := request.get("body")) is not None:
        body = base64.b64decode(given["data"]) if given["encoding"] == "base64" else given["data"].encode()
        body *= request.get("body_repeat", 1)
    url = f"http://testserver{request['path']}"
    return httpx.Request(request["method"], url, headers=headers, content=body)


def check(case: Case, response: httpx.Response) -> None:
    expect = case["expect"]
    status = expect["status"]
    assert response.status_code in (status if isinstance(status, list) else [status]), response.text[:200]
    for name, matcher in expect.get("headers", {}).items():
        _check_header(name, matcher, response.headers)
    for rule, wanted in expect.items():
        if rule not in ("status", "headers"):
            _BODY_RULES[rule](wanted, response)


def _check_header(name: str, matcher: Mapping[str, Any], headers: httpx.Headers) -> None:
    lines = headers.get_list(name)
    value = headers.get(name)
    for rule, wanted in matcher.items():
        assert _HEADER_RULES[rule](wanted, value, lines), f"{name}: {lines} does not fit {rule} {wanted!r}"


def _b64json(value: str) -> Any:
    return from_json(base64.b64decode(value, validate=True))


_HEADER_RULES: Mapping[str, Any] = {
    "equals": lambda wanted, value, lines: value == wanted,
    "starts_with": lambda wanted, value, lines: value is not None and value.startswith(wanted),
    "contains": lambda wanted, value, lines: value is not None and wanted in value,
    "one_of": lambda wanted, value, lines: value in wanted,
    "one_of_ci": lambda wanted, value, lines: value is not None and value.lower() in {w.lower() for w in wanted},
    "absent": lambda wanted, value, lines: (value is None) is wanted,
    "absent_or_not": lambda wanted, value, lines: value is None or value not in wanted,
    "single_token_per_line": lambda wanted, value, lines: all("," not in line for line in lines),
    "b64json": lambda wanted, value, lines: value is not None and _b64json(value) == wanted,
    "absent_or_b64json": lambda wanted, value, lines: value is None or _b64json(value) == wanted,
}


def _subset(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(key in got and _subset(wanted[key], got[key]) for key in wanted)
    return bool(wanted == got)


def _dotted(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[step]
    return value


def _check_code(wanted: Any, response: httpx.Response) -> None:
    (path, codes), *_ = wanted.items()
    assert _dotted(response.json(), path) in codes


def _check_url(template: str, response: httpx.Response) -> None:
    answer = response.json()
    assert answer["url"] == re.sub(r"\{(\w+)\}", lambda match: str(answer[match[1]]), template)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _check_token(wanted: Mapping[str, Any], response: httpx.Response) -> None:
    token = response.json()["accessToken"]
    assert jwt.get_unverified_header(token)["alg"] == wanted.get("alg", "HS256")
    options: Any = {"verify_aud": False, "require": ["exp", "iat"]}
    claims = jwt.decode(token, wanted["verify_key"], algorithms=["HS256"], options=options)
    assert claims["aud"].lower() == wanted["aud"].lower()
    if "exp_minutes" in wanted:
        assert abs((claims["exp"] - claims["iat"]) / 60 - wanted["exp_minutes"]) <= 1
    if "sub" in wanted:
        assert claims["sub"] == wanted["sub"]
    if "sub_one_of" in wanted:
        assert claims.get("sub") in wanted["sub_one_of"]
    assert not set(_as_list(claims.get("role"))) & set(_as_list(wanted.get("forbid_role")))
    assert not set(_as_list(claims.get("webpubsub.group"))) & set(_as_list(wanted.get("forbid_group")))


def _is(condition: bool) -> None:
    assert condition


_BODY_RULES: Mapping[str, Any] = {
    "body_text": lambda wanted, response: _is(response.text == wanted),
    "body_text_one_of": lambda wanted, response: _is(response.text in wanted),
    "body_base64": lambda wanted, response: _is(response.content == base64.b64decode(wanted)),
    "body_json": lambda wanted, response: _is(response.json() == wanted),
    "body_json_subset": lambda wanted, response: _is(_subset(wanted, response.json())),
    "body_json_forbid": lambda wanted, response: _is(not response.content or not set(wanted) & set(response.json())),
    "body_json_one_of": lambda wanted, response: _is(
        all(response.json().get(member) in values for member, values in wanted.items())
    ),
    "body_json_code_one_of": _check_code,
    "body_not_contains": lambda wanted, response: _is(not any(text in response.text for text in wanted)),
    "json_fields": lambda wanted, response: _is(all(member in response.json() for member in wanted)),
    "url_equals": _check_url,
    "token": _check_token,
}
