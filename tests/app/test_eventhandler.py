"""The order of checks, the limits, and what is refused how (spec/upstream.md 12)."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.models.events import UserEvent
from app.serving.direct import read_body
from app.upstream.errors import BodyTooLarge
from app.upstream.hub import Hub
from tests.app.conftest import MakeClient, event


class LateHub(Hub):
    name = "chat"

    async def on_user_event(self, event: UserEvent) -> None:
        await asyncio.Event().wait()


FORGED = {"ce-signature": "sha256=00"}


async def post(
    client: httpx.AsyncClient, headers: dict[str, str], body: bytes | AsyncIterator[bytes] = b"x", path: str = ""
) -> httpx.Response:
    return await client.post(f"/eventhandler{path}", headers=headers, content=body)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        # hub before headers
        (event("user", "echo", ce_hub="other", WebHook_Request_Origin=""), b"x", 404),
        # headers before authenticity
        (event("user", "echo", ce_awpsversion="") | FORGED, b"x", 400),
        # authenticity before type
        (event("sys", "paused") | FORGED, b"x", 401),
        (event("user", "echo", ce_type="com.example.order") | FORGED, b"x", 401),
        # type before content type
        (event("sys", "paused", Content_Type="text/html"), b"x", 404),
        (event("user", "echo", ce_eventName="other", Content_Type="text/html"), b"x", 400),
        # content type before size
        (event("user", "echo", Content_Type="text/html"), b"x" * 3000, 415),
        # size before JSON
        (event("user", "echo", Content_Type="application/json"), b"{" * 3000, 413),
        # JSON before the hub, which would answer 401
        (event("user", "deny401", Content_Type="application/json"), b"{", 400),
    ],
)
async def test_of_two_mistakes_the_first_in_order_counts(
    connect_to: MakeClient, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert (await post(connect_to(max_body_bytes=2048), headers, body)).status_code == status


async def test_no_body_is_read_before_the_caller_is_known(client: httpx.AsyncClient) -> None:
    read: list[bytes] = []

    async def receive() -> dict[str, object]:
        read.append(b"asked")
        return {"type": "http.request", "body": b"x"}

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in (event("user", "echo") | FORGED).items()]
    scope = {"type": "http", "method": "POST", "path": "/eventhandler", "headers": headers}
    await client._transport.app(scope, receive, send)  # type: ignore[attr-defined]

    assert sent[0]["status"] == 401
    assert read == []


async def test_a_body_may_come_in_pieces_up_to_the_limit(connect_to: MakeClient) -> None:
    client = connect_to(max_body_bytes=2048)

    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 1024

    assert (await post(client, event("user", "echo"), pieces(2))).content == b"x" * 2048
    assert (await post(client, event("user", "echo"), pieces(3))).status_code == 413
    assert (await post(client, event("user", "echo"), b"x" * 2049)).status_code == 413


async def test_reading_stops_at_the_limit() -> None:
    asked = 0

    async def receive() -> dict[str, object]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 10, "more_body": True}

    with pytest.raises(BodyTooLarge):
        await read_body(receive, 25)

    assert asked == 3


async def test_headers_have_a_limit(client: httpx.AsyncClient) -> None:
    assert (await post(client, event("user", "echo", ce_connectionState="x" * 70_000))).status_code == 431
    assert (await post(client, event("user", "echo", ce_connectionState="x" * 30_000))).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "Application/CloudEvents-batch+json; charset=utf-8"]
)
async def test_only_the_binary_content_mode_is_taken(client: httpx.AsyncClient, content_type: str) -> None:
    response = await client.post("/eventhandler", headers={"Content-Type": content_type}, content=b"{}")

    assert response.status_code == 415


async def test_a_device_may_publish_a_cloud_event_of_its_own(client: httpx.AsyncClient) -> None:
    media = "application/cloudevents+json"
    headers = event("user", "echo", ce_physicalConnectionId="ph-01", Content_Type=media)
    response = await post(client, headers, b"{}")

    assert (response.status_code, response.headers["content-type"], response.content) == (200, media, b"{}")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_signature_covers_the_connection_id_however_it_travels(
    client: httpx.AsyncClient, encoding: str
) -> None:
    headers = [(name.encode(), value.encode()) for name, value in event("user", "echo", connection_id="dév").items()]
    sent = [(name, "dév".encode(encoding) if name == b"ce-connectionId" else value) for name, value in headers]

    assert (await client.post("/eventhandler", headers=sent, content=b"x")).status_code == 200


@pytest.mark.parametrize("path", ["", "/", "/connect", "/connect/", "/validate"])
async def test_every_path_of_the_event_handler_answers_without_a_redirect(client: httpx.AsyncClient, path: str) -> None:
    assert (await post(client, event("user", "echo"), path=path)).status_code == 200
    response = await client.options(
        f"/eventhandler{path}", headers={"WebHook-Request-Origin": "contoso.webpubsub.azure.com"}
    )
    assert (response.status_code, response.content) == (200, b"")


async def test_other_paths_are_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/eventhandler/a/b", "/eventhandlers", "/Eventhandler"):
        assert (await client.post(path, headers=event("user", "echo"), content=b"x")).status_code == 404


async def test_a_path_without_a_slash_is_not_found(client: httpx.AsyncClient) -> None:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "OPTIONS", "path": "*", "query_string": b"", "headers": []}
    await client._transport.app(scope, receive, send)  # type: ignore[attr-defined]

    assert sent[0]["status"] == 404


@pytest.mark.parametrize("path", ["", "/echo", "/a/b"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "GET", "TRACE"])
async def test_other_methods_are_told_which_there_are(client: httpx.AsyncClient, method: str, path: str) -> None:
    """Whatever the request holds: a GET that names an event is no validation."""
    for headers in (event("user", "echo"), {}):
        response = await client.request(method, f"/eventhandler{path}", headers=headers)

        assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS, POST")
        assert "webhook-allowed-origin" not in response.headers


async def test_origins_of_several_lines_are_one_list(client: httpx.AsyncClient) -> None:
    lines = [("WebHook-Request-Origin", "other.example"), ("WebHook-Request-Origin", "contoso.webpubsub.azure.com")]

    for method in ("OPTIONS", "GET"):
        response = await client.request(method, "/eventhandler", headers=lines)
        assert response.headers.get_list("webhook-allowed-origin") == ["contoso.webpubsub.azure.com"]


async def test_repeated_headers_that_name_nobody_are_tolerated(client: httpx.AsyncClient) -> None:
    headers = [
        *event("user", "echo").items(),
        ("ce-time", "another"),
        ("x-forwarded-for", "a"),
        ("x-forwarded-for", "b"),
    ]

    assert (await client.post("/eventhandler", headers=headers, content=b"x")).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "ce-connectionId",
        "ce-connectionState",
        "ce-eventName",
        "ce-hub",
        "ce-id",
        "ce-physicalConnectionId",
        "ce-sessionId",
        "ce-type",
        "ce-userId",
    ],
)
async def test_repeated_headers_that_name_somebody_are_refused(client: httpx.AsyncClient, name: str) -> None:
    headers = {"ce-connectionState": "e30="} | event("user", "echo")
    once = httpx.Headers({name: "1"} | headers)

    assert (await client.post("/eventhandler", headers=once, content=b"x")).status_code == 200
    twice = [*once.multi_items(), (name, once[name])]
    assert (await client.post("/eventhandler", headers=twice, content=b"x")).status_code == 400


@pytest.mark.parametrize(
    ("kind", "name", "body", "status"),
    [
        ("gp", "joined", b"{}", 400),
        ("gp", "left", b'{"group":""}', 400),
        ("gp", "left", b'{"group":null}', 400),
        ("gp", "joined", b'{"group":" \\u00a0"}', 400),
        ("gp", "joined", b'{"group":"%s"}' % (b"g" * 1025), 400),
        ("gp", "joined", b'{"group":"%s"}' % (b"g" * 1024), 204),
        ("gp", "left", b"oops", 400),
        ("gp", "joined", b'{"group":"lobby"}', 204),
        ("sys", "disconnected", b"oops", 204),
        ("sys", "disconnected", b'{"reason":7}', 204),
        ("sys", "connected", b"oops", 204),
        ("sys", "connect", b'{"claims":{"sub":null},"query":null}', 200),
        ("sys", "connect", b'{"claims":{"exp":[1790000000]}}', 200),
        ("sys", "connect", b'{"x":NaN}', 400),
        ("sys", "connect", b'{"claims":' + b"[" * 10_000, 400),
        ("sys", "connect", b'\xff{"claims":{}}', 400),
    ],
)
async def test_bodies_of_system_events(
    client: httpx.AsyncClient, kind: str, name: str, body: bytes, status: int
) -> None:
    assert (await post(client, event(kind, name), body)).status_code == status


async def test_text_must_be_utf_8(client: httpx.AsyncClient) -> None:
    assert (await post(client, event("user", "echo"), b"\xff\xfe")).status_code == 400


async def test_protobuf_is_echoed_byte_for_byte(client: httpx.AsyncClient) -> None:
    response = await post(client, event("user", "echo", Content_Type="application/x-protobuf"), b"\x0a\x01x")

    assert (response.headers["content-type"], response.content) == ("application/x-protobuf", b"\x0a\x01x")


async def test_json_numbers_survive_an_echo(client: httpx.AsyncClient) -> None:
    response = await post(client, event("user", "echo", Content_Type="application/json"), b'{"n": 1.10e1}')

    assert response.content == b'{"n": 1.10e1}'


async def test_event_types_of_a_newer_service(client: httpx.AsyncClient, connect_to: MakeClient) -> None:
    newer = event("zz", "thing")

    assert (await post(client, newer)).status_code == 404
    assert (await post(connect_to(ignore_unknown_events=True), newer)).status_code == 204


async def test_strict_asks_for_what_others_leave_out(connect_to: MakeClient) -> None:
    strict = connect_to(strict_cloudevents=True)

    assert (await post(strict, event("user", "echo", ce_id="4"))).status_code == 200
    assert (await post(strict, event("user", "echo"))).status_code == 400
    assert (await post(strict, event("user", "echo", ce_id="x"))).status_code == 400
    assert (await post(strict, event("user", "echo", ce_id="4", ce_awpsversion="2.0"))).status_code == 400


async def test_a_refusal_is_a_short_text(client: httpx.AsyncClient) -> None:
    response = await post(client, event("user", "echo", ce_connectionId=""))

    assert response.headers["content-type"].startswith("text/plain")
    assert response.text == "header ce-connectionId is required"


async def test_both_keys_of_a_rotation_are_believed(connect_to: MakeClient) -> None:
    second = "Endpoint=https://contoso.webpubsub.azure.com;AccessKey=zyxwvutsrqponmlkjihgfedcba9876543210zyxwvuts"
    client = connect_to(webpubsub_more_connection_strings=second)
    by_second = {"ce-signature": "sha256=967328aadd782141d7fc042c98272cac7d7fc6e372528dec1933663cb05e5c69"}

    assert (await post(client, event("user", "echo"))).status_code == 200
    assert (await post(client, event("user", "echo") | by_second)).status_code == 200


async def test_with_nothing_to_verify_against_nothing_is_believed(connect_to: MakeClient) -> None:
    closed = connect_to(webpubsub_connection_string=None, webpubsub_endpoint="https://contoso.webpubsub.azure.com")

    assert (await post(closed, event("user", "echo"))).status_code == 401


async def test_an_event_is_handled_once(client: httpx.AsyncClient) -> None:
    """The second delivery has another body: had it run, the echo would tell."""
    headers = event("user", "echo", ce_id="4")

    first = await post(client, headers, b"one")
    second = await post(client, headers, b"two")

    assert (first.content, second.content) == (b"one", b"one")


async def test_a_handler_that_is_late_is_a_500(connect_to: MakeClient) -> None:
    client = connect_to(hubs=("tests.app.test_eventhandler:LateHub",), handler_timeout_seconds=0.05)

    response = await post(client, event("user", "echo"))

    assert (response.status_code, response.text) == (500, "the event handler failed")


async def test_the_url_may_have_to_carry_a_secret(connect_to: MakeClient) -> None:
    client = connect_to(webhook_code="hush hush", telemetry=False)
    headers = event("user", "echo")

    assert (await post(client, headers)).status_code == 401
    assert (await post(client, headers, path="?code=hush")).status_code == 401
    assert (await post(client, headers, path="/echo?code=hush+hush")).status_code == 200
    assert (await post(client, headers | FORGED, path="?code=hush+hush")).status_code == 401
    # The service proves nothing when it validates (spec/upstream.md 0.1).
    validation = {"WebHook-Request-Origin": headers["WebHook-Request-Origin"]}
    assert (await client.options("/eventhandler", headers=validation)).status_code == 200


async def test_a_token_is_asked_of_events_and_not_of_the_validation(connect_to: MakeClient) -> None:
    client = connect_to(webhook_entra_tenant="a-tenant", webhook_entra_audience="an-audience")
    headers = event("user", "echo")

    refused = await post(client, headers)
    validation = {"WebHook-Request-Origin": headers["WebHook-Request-Origin"]}

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    for method in ("OPTIONS", "GET"):
        assert (await client.request(method, "/eventhandler", headers=validation)).status_code == 200


async def test_events_may_have_to_come_from_a_network(connect_to: MakeClient) -> None:
    """The test's transport calls from 127.0.0.1."""
    headers = event("user", "echo")
    near, far = (
        connect_to(webhook_allowed_networks="127.0.0.0/8, ::1"),
        connect_to(webhook_allowed_networks="20.42.0.0/16"),
    )

    assert (await post(near, headers)).status_code == 200
    for answer in (await post(far, headers), await far.options("/eventhandler", headers=headers)):
        assert (answer.status_code, answer.text) == (403, "not allowed")
