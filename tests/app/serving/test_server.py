"""How a start that fails is told: to the caller as an exception, to the log in words where there are some."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, Request

from app.serving.direct import DirectFastAPI
from app.serving.server import DidNotStart, bind, run, serving


class Odd(Exception):
    pass


@asynccontextmanager
async def failing(app: FastAPI) -> AsyncIterator[None]:
    raise Odd("a detail")
    yield


async def start(app: FastAPI) -> socket.socket:
    """Where the application was to listen."""
    listener = bind("127.0.0.1", 0)
    # Anything else would end the process: uvicorn exits.
    with pytest.raises(DidNotStart):
        async with serving(app, listener, grace_seconds=1):
            raise AssertionError("it did start")
    return listener


async def test_an_unexpected_failure_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "uvicorn.error")

    listener = await start(DirectFastAPI({}, lifespan=failing))

    assert "Traceback" in caplog.text
    assert "Odd: a detail" in caplog.text
    assert listener.fileno() == -1


async def test_an_expected_failure_is_logged_as_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "uvicorn.error")

    await start(DirectFastAPI({}, lifespan=failing, start_failure=lambda: "the store is in use"))

    assert caplog.messages == ["the store is in use", "Application startup failed. Exiting."]


@pytest.mark.parametrize(
    ("proxies", "seen"), [((), "127.0.0.1"), (("127.0.0.0/8",), "20.42.0.9"), (("10.0.0.1",), "127.0.0.1")]
)
async def test_a_forwarded_address_is_believed_of_trusted_proxies_only(proxies: tuple[str, ...], seen: str) -> None:
    app = FastAPI()

    @app.get("/")
    async def address(request: Request) -> str | None:
        return request.client.host if request.client else None

    listener = bind("127.0.0.1", 0)
    async with (
        serving(app, listener, grace_seconds=1, trusted_proxies=proxies),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client,
    ):
        answer = await client.get("/", headers={"X-Forwarded-For": "20.42.0.9"})

    assert answer.json() == seen


def test_an_answer_does_not_wait_for_the_peer_to_acknowledge_its_head() -> None:
    with bind("127.0.0.1", 0) as listener:
        caller = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with caller, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_commands_serve_on_the_loop_that_uvicorn_itself_would_take() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def look() -> None:
        loops.append(asyncio.get_running_loop())

    run(look())

    assert type(loops[0]).__module__ == "uvloop"
