"""The document of `/docs`: what it promises, and that nothing it allows is a server error."""

import re
from typing import Any
from uuid import uuid4

import httpx
import schemathesis
from hypothesis import HealthCheck, settings, strategies
from schemathesis.checks import not_a_server_error

from app.main import create_app
from app.settings import Settings
from app.upstream.testing import RecordingPublisher

SETTINGS = Settings(
    _env_file=None,
    webpubsub_connection_string="Endpoint=https://contoso.webpubsub.azure.com;AccessKey=a-key",
    # Generated requests are not signed; past the signature is where the interesting code is.
    allow_unverified_webhooks=True,
    webpubsub_allowed_origins=("*",),
    hubs=("tests.app.reference_hub:ReferenceHub",),
)
APP = create_app(SETTINGS, publisher_for=lambda _: RecordingPublisher())
schema = schemathesis.openapi.from_asgi("/openapi.json", APP)


schemathesis.serializer.alias("application/x-protobuf", "application/octet-stream")
EVENTS = (
    ("sys", "connect"), ("sys", "connected"), ("sys", "disconnected"), ("gp", "joined"), ("gp", "left"),
    ("user", "echo"), ("user", "ok"), ("user", "meta"), ("user", "state"), ("user", "deny401"),
)  # fmt: skip


@schema.parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_the_document_allows_is_a_server_error(case: schemathesis.Case[Any]) -> None:
    case.validate_response(case.call(), checks=[not_a_server_error])


@schema.include(path_regex="eventhandler", method="POST").parametrize()
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@schema.given(event=strategies.sampled_from(EVENTS))
def test_no_body_or_header_of_an_event_is_a_server_error(case: schemathesis.Case[Any], event: tuple[str, str]) -> None:
    """The headers that lead to a decoder are set right, so that the generated rest reaches it."""
    family, name = event
    case.headers.update(
        {"ce-hub": "chat", "ce-type": f"azure.webpubsub.{family}.{name}", "ce-eventName": name, "ce-id": uuid4().hex}
    )

    case.validate_response(case.call(), checks=[not_a_server_error])


async def _document() -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://test") as client:
        assert (await client.get("/docs")).status_code == 200
        document: dict[str, dict[str, dict[str, dict[str, object]]]] = (await client.get("/openapi.json")).json()
        return document


async def test_the_page_needs_nothing_from_elsewhere() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://test") as client:
        page = (await client.get("/docs")).text
        assets = re.findall(r'(?:src|href)="([^"]+)"', page)
        answers = [await client.get(asset) for asset in assets]

    assert len(assets) == 4
    assert "https://" not in page
    assert [answer.status_code for answer in answers] == [200] * 4


async def test_both_hot_routes_are_described() -> None:
    paths = (await _document())["paths"]

    assert set(paths["/eventhandler"]) == set(paths["/eventhandler/{event}"]) == {"get", "options", "post"}
    assert set(paths["/negotiate"]) == {"get", "post"}


async def test_every_event_kind_has_a_webhook_with_headers_body_and_answers() -> None:
    webhooks = (await _document())["webhooks"]

    assert set(webhooks) == {
        "connect", "connected", "disconnected", "user_event", "group_joined", "group_left",
        "mqtt_connect", "mqtt_connected", "mqtt_disconnected", "mqtt_user_event",
    }  # fmt: skip
    for name, item in webhooks.items():
        operation = item["post"]
        names = {parameter["name"] for parameter in operation["parameters"]}  # type: ignore[attr-defined]
        assert {"ce-type", "ce-signature", "ce-connectionId", "ce-connectionState"} <= names, name
        assert operation["requestBody"]["content"], name  # type: ignore[index]
        assert {"204", "400", "401", "415"} <= set(operation["responses"]), name  # type: ignore[call-overload]


async def test_the_document_refers_to_nothing_that_is_not_there() -> None:
    document = await _document()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(member) for member in value.values()))
        if isinstance(value, list):
            return set().union(*(references(member) for member in value))
        return set()

    assert references(document) <= known
