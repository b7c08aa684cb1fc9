"""How a start that fails is told: to the caller as an exception, to the log in words where there are some."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from app.direct import DirectFastAPI
from app.server import DidNotStart, bind, serving


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
