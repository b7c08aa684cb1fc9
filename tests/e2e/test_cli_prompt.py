"""`webpubsub client` at a prompt: a pseudo-terminal, and a screen as a person sees it."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.e2e.cable import cable_to
from tests.e2e.client_command import EVERYTHING, service_variables
from tests.e2e.terminal import CTRL_C, CTRL_D, ENTER, TAB, UP, terminal
from tests.localpubsub.conftest import Received, RecordingUpstream, client_token, json_client, rest_headers
from tests.localpubsub.reliable_client import Losses

MIA = ("client", "--hub", "den", "--user-id", "mia", "--group", "lobby", *EVERYTHING)
GREETING = "help lists the commands, Tab completes, Ctrl-D ends"


@pytest.fixture
async def env(service: LocalPubSub) -> dict[str, str]:
    return service_variables(service)


async def test_commands_and_names_are_completed(env: dict[str, str], tmp_path: Path) -> None:
    async with terminal(*MIA, folder=tmp_path, **env) as screen:
        await screen.asks("mia>")
        assert screen.lines[1] == GREETING

        screen.type("jo" + TAB)
        await screen.asks("mia> joingroup")
        screen.type("attic" + ENTER)
        await screen.shows("ok      joingroup attic")

        screen.type("sendt" + TAB)
        await screen.asks("mia> sendtogroup")
        screen.type("at" + TAB)
        await screen.asks("mia> sendtogroup attic")
        screen.type("--t" + TAB)
        await screen.asks("mia> sendtogroup attic --text")
        screen.type("{hi" + ENTER)
        await screen.shows("[attic] mia: {hi")

        screen.type("event roll d20" + ENTER)
        await screen.shows("ok      event roll")
        screen.type("event ro" + TAB)
        await screen.asks("mia> event roll")

        screen.type(CTRL_C)
        await screen.asks("mia>")
        screen.type(CTRL_D)
        assert await screen.ends() == 0


async def test_the_history_is_kept_for_the_next_time_and_for_nobody_else(env: dict[str, str], tmp_path: Path) -> None:
    async with terminal(*MIA, folder=tmp_path, **env) as screen:
        await screen.asks("mia>")
        screen.type("sendtogroup lobby one" + ENTER)
        await screen.shows("[lobby] mia: one")
        screen.type("ping" + ENTER)
        await screen.shows("pong")
        screen.type(UP + UP)
        await screen.asks("mia> sendtogroup lobby one")
        screen.type(CTRL_C + "quit" + ENTER)
        assert await screen.ends() == 0

    async with terminal(*MIA, folder=tmp_path, **env) as screen:
        await screen.asks("mia>")
        screen.type(UP + UP + UP)
        await screen.asks("mia> sendtogroup lobby one")
        screen.type(CTRL_C + CTRL_D)
        assert await screen.ends() == 0

    assert (tmp_path / "webpubsub" / "client-history").stat().st_mode & 0o777 == 0o600


async def test_what_comes_in_leaves_the_line_being_typed_alone(
    env: dict[str, str], service: LocalPubSub, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with terminal(*MIA, folder=tmp_path, **env) as screen:
        await screen.asks("mia>")
        screen.type("sendtogroup lobby half a thought")
        await screen.asks("mia> sendtogroup lobby half a thought")

        async with json_client(session, service, "den", user="bob", roles=("webpubsub.sendToGroup",)) as bob:
            for number in range(5):
                await bob.send(type="sendToGroup", group="lobby", data=f"line {number}", dataType="text")
        await screen.shows("[lobby] bob: line 4")
        await screen.asks("mia> sendtogroup lobby half a thought")
        screen.type(", finished" + ENTER)
        await screen.shows("[lobby] mia: half a thought, finished")

        said = [line for line in screen.lines if line.startswith("[lobby]")]
        assert said == [
            *(f"[lobby] bob: line {number}" for number in range(5)),
            "[lobby] mia: half a thought, finished",
        ]


async def test_a_person_learns_what_went_wrong(
    env: dict[str, str], upstream: RecordingUpstream, tmp_path: Path
) -> None:
    def answer(received: Received) -> web.Response:
        return web.Response(status=400 if received.event == "fail" else 204)

    upstream.answer = answer
    async with terminal("client", "--hub", "den", folder=tmp_path, **env) as screen:
        await screen.asks("anonymous>")
        screen.type("joingroup attic" + ENTER)
        await screen.shows(
            "failed  joingroup attic: Forbidden. The client does not have permission to join group 'attic'."
        )
        screen.type("event fail now" + ENTER)
        await screen.shows("failed  event fail: InternalServerError. Internal server error")
        screen.type("dance" + ENTER)
        await screen.shows("there is no command dance; help lists them")
        screen.type("help" + ENTER)
        await screen.shows("quit                               say good-bye; Ctrl-D does the same")
        await screen.asks("anonymous>")
        screen.type(CTRL_D)
        assert await screen.ends() == 0


async def test_a_pulled_cable_is_said_and_the_line_stays(service: LocalPubSub, tmp_path: Path) -> None:
    losses = Losses(service)
    async with cable_to(service.port) as cable:
        near = f"localhost:{cable.port}/client/hubs/den"
        url = f"ws://{near}?access_token={client_token(service, aud=f'http://{near}')}"
        async with terminal("client", "--protocol", "reliable", "--url", url, folder=tmp_path) as screen:
            await screen.asks("ivy>")
            screen.type("event roll d20")
            await screen.asks("ivy> event roll d20")
            cable.pull()
            await losses.next()
            await screen.until(lambda one: any("getting the connection back" in line for line in one.lines))
            screen.type(ENTER)
            cable.plug()
            await screen.until(lambda one: any(line.startswith("recovered as ivy") for line in one.lines))
            await screen.shows("ok      event roll")
            screen.type(CTRL_D)
            assert await screen.ends() == 0


async def test_a_closed_connection_gives_the_terminal_back(
    env: dict[str, str], service: LocalPubSub, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with terminal(*MIA, folder=tmp_path, **env) as screen:
        await screen.asks("mia>")
        assert not screen.echoes
        path = "/api/hubs/den/users/mia/:closeConnections"
        url = f"{service.endpoint}{path}?reason=enough"
        async with session.post(url, headers=rest_headers(service, path)) as response:
            assert response.status == 204

        await screen.shows("the service says good-bye: enough")
        await screen.shows("closed with 1000: the service ended the connection (enough)")
        assert await screen.ends() == 0
        assert screen.echoes


async def test_colours_are_for_those_who_want_them(env: dict[str, str], tmp_path: Path) -> None:
    coloured = b"\x1b[32mconnected as mia"
    async with terminal(*MIA, folder=tmp_path, **env) as screen:
        await screen.asks("mia>")
        assert coloured in screen.written
    async with terminal(*MIA, folder=tmp_path, NO_COLOR="1", **env) as screen:
        await screen.asks("mia>")
        assert b"\x1b[3" not in screen.written
        assert b"connected as mia" in screen.written


async def test_a_terminal_without_a_prompt_listens(env: dict[str, str], tmp_path: Path) -> None:
    async with terminal(*MIA, "--listen", folder=tmp_path, **env) as screen:
        await screen.until(lambda one: one.lines[0].startswith("connected as mia"))
        screen.type(CTRL_C)
        assert await screen.ends() == 0
