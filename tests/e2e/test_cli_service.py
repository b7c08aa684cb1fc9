"""`webpubsub service`, as scripts run it, against the local service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from app.cli import cli
from localpubsub.server import LocalPubSub
from tests.e2e.client_command import Result, run, service_variables
from tests.localpubsub.conftest import JsonClient, json_client

DONE = Result(0, ["done"], [])
ACCEPTED = Result(0, ["accepted"], [])
YES, NO = Result(0, ["yes"], []), Result(1, ["no"], [])


class People:
    """Three clients of the hub `open`, and the command that is run for them."""

    def __init__(self, service: LocalPubSub, ivy: JsonClient, max_: JsonClient, ivy_too: JsonClient) -> None:
        self.service = service
        self.ivy, self.max, self.ivy_too = ivy, max_, ivy_too

    async def __call__(self, *words: str) -> Result:
        """In a thread of this process: a process of its own would be a second each."""
        arguments = ["service", *words, "--hub", "open"]
        done = await asyncio.to_thread(CliRunner().invoke, cli, arguments, env=service_variables(self.service))
        return Result(done.exit_code, done.stdout.splitlines(), done.stderr.splitlines())

    async def outside(self, *words: str) -> Result:
        """In a process of its own."""
        return await run("service", *words, "--hub", "open", **service_variables(self.service))


@pytest.fixture
async def people(service: LocalPubSub, session: aiohttp.ClientSession) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(json_client(session, service, user=user)) for user in ("ivy", "max", "ivy")
        ]
        yield People(service, *clients)


async def heard(client: JsonClient) -> object:
    """The data of the next message."""
    frame = await client.receive()
    return frame["data"]


async def test_sends_reach_those_they_are_for(people: People, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x00\x01")

    assert await people.outside("broadcast", "--payload", "to all") == ACCEPTED
    assert await people.outside("broadcast", "--payload", '{"n": 1}', "--filter", "userId eq 'max'") == ACCEPTED
    assert await people("broadcast", "--payload", "not ivy", "--excluded", people.ivy.id, "--ttl", "9") == ACCEPTED
    assert await people("user", "send", "--user-id", "ivy", "--payload", "[1]", "--as", "text") == ACCEPTED
    to_max = ("connection", "send", "--connection-id", people.max.id)
    assert await people(*to_max, "--payload-file", str(tmp_path / "picture")) == ACCEPTED

    assert [await heard(people.ivy) for _ in range(2)] == ["to all", "[1]"]
    assert [await heard(people.max) for _ in range(4)] == ["to all", {"n": 1}, "not ivy", "AAE="]
    assert [await heard(people.ivy_too) for _ in range(3)] == ["to all", "not ivy", "[1]"]


async def test_groups_are_filled_asked_about_and_emptied(people: People) -> None:
    reef = ("--group", "reef")
    assert await people("group", "exists", *reef) == NO
    assert await people("group", "add-user", *reef, "--user-id", "ivy") == DONE
    assert await people("group", "add-connection", *reef, "--connection-id", people.max.id) == DONE
    assert await people("group", "exists", *reef) == YES

    assert await people("group", "send", *reef, "--payload", "hi", "--filter", "not (userId eq 'ivy')") == ACCEPTED
    assert await heard(people.max) == "hi"

    listed = await people("group", "list", *reef, "--json")
    assert sorted((one["connectionId"], one["userId"]) for one in listed.objects) == sorted(
        [(people.ivy.id, "ivy"), (people.max.id, "max"), (people.ivy_too.id, "ivy")]
    )
    assert await people("group", "remove-user", *reef, "--user-id", "ivy") == DONE
    assert await people("group", "list", *reef) == Result(0, [f"{people.max.id}  max"], [])
    assert await people("group", "remove-connection", *reef, "--connection-id", people.max.id) == DONE
    assert await people("group", "list", *reef) == Result(0, [], [])


async def test_a_user_leaves_every_group_at_once(people: People) -> None:
    for group in ("reef", "attic"):
        await people("group", "add-user", "--group", group, "--user-id", "ivy")
    assert await people("user", "remove-from-all", "--user-id", "ivy") == DONE

    assert await people("group", "exists", "--group", "reef") == NO
    assert await people("group", "exists", "--group", "attic") == NO


async def test_permissions_are_granted_checked_and_revoked(people: People) -> None:
    which = ("--permission", "joinLeaveGroup", "--connection-id", people.max.id, "--group", "reef")
    assert await people("permission", "check", *which) == NO
    assert await people("permission", "grant", *which) == DONE
    assert await people("permission", "check", *which, "--json") == Result(0, ['{"granted":true}'], [])
    assert (await people.max.ask(type="joinGroup", group="reef", ackId=1))["success"]

    assert await people("permission", "revoke", *which) == DONE
    assert await people("permission", "check", *which) == NO


async def test_connections_are_closed_with_a_reason(people: People) -> None:
    await people("group", "add-connection", "--group", "reef", "--connection-id", people.max.id)
    assert await people("connection", "exists", "--connection-id", people.max.id) == YES
    assert await people("group", "close", "--group", "reef", "--reason", "low tide") == DONE
    assert (await people.max.receive())["message"] == "low tide"
    assert await people("connection", "exists", "--connection-id", people.max.id) == NO

    assert await people("user", "close", "--user-id", "ivy", "--excluded", people.ivy.id) == DONE
    assert await people.ivy_too.closed() == 1000
    assert await people("user", "exists", "--user-id", "ivy") == YES
    assert await people("connection", "close", "--connection-id", people.ivy.id) == DONE
    assert await people.ivy.closed() == 1000
    assert await people("user", "exists", "--user-id", "ivy", "--json") == Result(1, ['{"exists":false}'], [])


async def test_a_refusal_is_said_in_the_words_of_the_service(people: People) -> None:
    bad_filter = ("broadcast", "--payload", "x", "--filter", "nick eq 'x'")
    why = "Invalid syntax for 'nick eq 'x'': Token 'nick' is not supported. (Parameter 'filter')"
    told, in_json, missing, nobody = await asyncio.gather(
        people.outside(*bad_filter),
        people.outside(*bad_filter, "--json"),
        people.outside("group", "add-connection", "--group", "reef", "--connection-id", "gone"),
        run("service", "user", "exists", "--hub", "open", "--user-id", "x", "--connection-string",
            "Endpoint=http://localhost:1;AccessKey=0123456789012345678901234567890123456789;"),
    )  # fmt: skip

    assert told == Result(1, [], [f"webpubsub: the service answered 400: Error.BadRequest: {why}"])
    assert in_json == Result(1, [], [f'{{"error":{{"status":400,"code":"Error.BadRequest","message":"{why}"}}}}'])
    assert missing == Result(
        1, [], ["webpubsub: the service answered 404: Error.NotFound: There is no such connection."]
    )
    assert nobody == Result(
        1, [], ["webpubsub: the service did not answer: cannot connect to localhost:1: connection refused"]
    )


async def test_a_wrong_key_and_an_endpoint_without_tls_are_refused(people: People) -> None:
    wrong = f"Endpoint={people.service.endpoint};AccessKey=0123456789012345678901234567890123456789;"
    no_key, no_tls = await asyncio.gather(
        people.outside("broadcast", "--payload", "x", "--connection-string", wrong),
        run("service", "broadcast", "--hub", "open", "--payload", "x", WEBPUBSUB_ENDPOINT=people.service.endpoint),
    )

    assert no_key.errors[0].startswith("webpubsub: the service answered 401: Error.Unauthorized: ")
    (sentence,) = no_tls.errors
    assert sentence.startswith("webpubsub: the service did not answer: Bearer token authentication is not permitted")
    assert (no_key.code, no_tls.code) == (1, 1)
