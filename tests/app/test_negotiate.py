"""Who gets a client access URL, and what is in it (spec/upstream.md 9)."""

from typing import Any

import httpx
import jwt
import pytest

from tests.app.conftest import KEY, MakeClient


def claims(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    options: Any = {"verify_aud": False}
    decoded: dict[str, Any] = jwt.decode(response.json()["token"], KEY, algorithms=["HS256"], options=options)
    return decoded


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/negotiate", "/negotiate/"])
async def test_the_answer_has_every_shape_the_field_reads(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path, params={"id": "mia"})

    answer = response.json()
    assert set(answer) == {"baseUrl", "url", "accessToken", "token"}
    assert answer["url"] == f"{answer['baseUrl']}?access_token={answer['token']}"
    assert answer["accessToken"] == answer["token"]
    assert response.headers["cache-control"] == "no-store"
    assert claims(response)["sub"] == "mia"


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 400, "missing user id"),
        ("id=", 400, "missing user id"),
        ("id=%20%09", 400, "missing user id"),
        (f"id={'x' * 1025}", 400, "at most 1024"),
        ("id=mia" + "&a" * 100, 400, "at most 100 parameters"),
        ("id=%20mia", 400, "blank"),
        ("id=mia%20", 400, "blank"),
        ("id=mia&hub=other", 404, "not served"),
        ("id=mia&minutes=0", 400, "minutes"),
        ("id=mia&minutes=-5", 400, "minutes"),
        ("id=mia&minutes=1441", 400, "minutes"),
        ("id=mia&minutes=1.5", 400, "minutes"),
        ("id=mia&minutes=%D9%A3", 400, "minutes"),
        ("id=mia&minutes=99999999999999999999", 400, "minutes"),
        ("id=mia&client=carrier", 400, "client"),
    ],
)
async def test_what_is_wrong_is_said(client: httpx.AsyncClient, query: str, status: int, text: str) -> None:
    response = await client.get(f"/negotiate?{query}")

    assert response.status_code == status
    assert text in response.text
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("user_id", ["\u00a0mia", "mia\u3000", "mia\u0085"])
async def test_a_blank_that_no_header_loses_is_part_of_a_user_id(client: httpx.AsyncClient, user_id: str) -> None:
    assert claims(await client.get("/negotiate", params={"id": user_id}))["sub"] == user_id


@pytest.mark.parametrize("query", ["id=a&id=b", "hub=CHAT&id=a", "id=a&unknown=%ff", "id=a&&&=x"])
async def test_the_first_id_counts_and_the_rest_does_not_matter(client: httpx.AsyncClient, query: str) -> None:
    assert claims(await client.get(f"/negotiate?{query}"))["sub"] == "a"


async def test_the_settings_say_how_long_and_what_for(connect_to: MakeClient) -> None:
    client = connect_to(
        negotiate_minutes=7,
        negotiate_max_minutes=10,
        negotiate_roles="webpubsub.sendToGroup.lobby",
        negotiate_groups="lobby",
    )

    decoded = claims(await client.get("/negotiate?id=mia&role=webpubsub.sendToGroup&group=vip"))

    assert decoded["exp"] - decoded["iat"] == 420
    assert decoded["role"] == ["webpubsub.sendToGroup.lobby"]
    assert decoded["webpubsub.group"] == ["lobby"]
    assert (await client.get("/negotiate?id=mia&minutes=11")).status_code == 400


async def test_app_service_principals_count_only_where_they_are_trusted(
    client: httpx.AsyncClient, connect_to: MakeClient
) -> None:
    principal = {"x-ms-client-principal-id": "mallory"}
    assert claims(await client.get("/negotiate?id=mia", headers=principal))["sub"] == "mia"

    trusting = connect_to(identity="app-service")
    assert claims(await trusting.get("/negotiate?id=mia", headers=principal))["sub"] == "mallory"
    name = {b"x-ms-client-principal-name": "žofie".encode()}
    assert claims(await trusting.get("/negotiate", headers=name))["sub"] == "žofie"
    assert (await trusting.get("/negotiate?id=mia")).status_code == 401


async def test_other_methods_and_paths_are_refused(client: httpx.AsyncClient) -> None:
    wrong_method = await client.put("/negotiate?id=mia")
    wrong_path = await client.get("/negotiate/chat?id=mia")

    assert (wrong_method.status_code, wrong_path.status_code) == (405, 404)
    assert [answer.headers["cache-control"] for answer in (wrong_method, wrong_path)] == ["no-store", "no-store"]


async def test_without_a_service_there_is_nothing_to_hand_out(connect_to: MakeClient) -> None:
    assert (await connect_to(webpubsub_connection_string=None).get("/negotiate?id=mia")).status_code == 503


async def test_health_and_readiness(client: httpx.AsyncClient, connect_to: MakeClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).status_code == 200
    assert (await connect_to(webpubsub_connection_string=None).get("/readyz")).status_code == 503


async def test_ready_is_who_can_tell_whose_events_come_in(connect_to: MakeClient) -> None:
    keyless: dict[str, Any] = {
        "webpubsub_connection_string": None, "webpubsub_endpoint": "https://contoso.webpubsub.azure.com",
    }  # fmt: skip
    unproven = await connect_to(**keyless).get("/readyz")

    assert (unproven.status_code, unproven.json()) == (503, {"status": "no event can be verified"})
    assert (await connect_to(**keyless, allow_unverified_webhooks=True).get("/readyz")).status_code == 200


async def test_the_lazy_page_learns_where_to_connect(client: httpx.AsyncClient, connect_to: MakeClient) -> None:
    answer = (await client.get("/client-endpoint")).json()

    assert answer == {"baseUrl": "wss://contoso.webpubsub.azure.com/client/hubs/chat"}
    assert (await client.get("/client-endpoint?hub=other")).status_code == 404
    assert (await connect_to(webpubsub_connection_string=None).get("/client-endpoint")).status_code == 503


@pytest.mark.parametrize("path", ["/", "/chat", "/chat/direct"])
async def test_pages_run_under_a_strict_policy(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)

    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self' wss://contoso.webpubsub.azure.com;" in policy
    assert "unsafe" not in policy
    assert "<script>" not in response.text
    assert " style=" not in response.text
