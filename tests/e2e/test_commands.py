"""The `webpubsub` command as people type it: real processes, real ports, real signals."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from localpubsub.config import DEFAULT_ACCESS_KEY

ROOT = Path(__file__).resolve().parents[2]
CONNECTION_STRING = f"Endpoint=http://localhost:8081;AccessKey={DEFAULT_ACCESS_KEY};Version=1.0;"


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without any setting of ours."""
    ours = re.compile("webpubsub|hubs|fanout|webhook|allow_|negotiate|development|log_", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return kept | {"PYTHONPATH": str(ROOT)} | changes


class Running:
    """A command under test; `lines` are what it printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, pattern: str) -> str:
        """The first group of the first line that matches."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line)
                if found := re.search(pattern, line):
                    return found[1]
        raise AssertionError(f"{pattern!r} never came: {self.lines}")

    async def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        async with asyncio.timeout(30):
            assert self.process.stdout is not None
            self.lines.append((await self.process.stdout.read()).decode())
            return await self.process.wait()


@asynccontextmanager
async def command(*arguments: str, folder: Path, module: str = "app.cli", **env: str) -> AsyncIterator[Running]:
    entry = "from app.cli import main; main()" if module == "app.cli" else ""
    how = ["-c", entry] if entry else ["-m", module]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *how, *arguments, cwd=folder, env=environment(**env), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    running = Running(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # asyncio leaves its pipes to the collector


async def fails(*arguments: str, folder: Path, **env: str) -> str:
    """What a command that refuses to run says; it must be one sentence and exit code 2."""
    async with command(*arguments, folder=folder, **env) as running:
        assert running.process.stdout is not None
        async with asyncio.timeout(30):
            text = (await running.process.stdout.read()).decode()
            assert await running.process.wait() == 2, text
    assert "Traceback" not in text
    assert DEFAULT_ACCESS_KEY not in text
    return text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_dev_serves_the_chat_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async with command("dev", "--port", "0", "--service-port", "0", folder=tmp_path) as running:
        url = await running.until(r"Pages\s+(http://localhost:\d+)")
        await running.until(r"(Endpoint=http://localhost:\d+;AccessKey=\S+;Version=1.0;)")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/negotiate", params={"id": "mia"}) as response:
                access = await response.json()
            async with session.ws_connect(access["url"]) as socket:
                assert (await socket.receive_json(timeout=5))["message"] == "mia joined"
                # Whoever answers the goodbye is not waited for.
                status, goodbye = await asyncio.gather(running.stop(number), socket.receive(timeout=30))
                assert status == 0
                # The service goes first, and says why.
                assert (goodbye.type, goodbye.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    assert "Traceback" not in "".join(running.lines)


async def test_a_hub_of_ones_own_needs_a_file_and_a_setting(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(
        "from app.upstream.hub import Hub, on_event\n\n\n"
        "class EchoHub(Hub):\n    name = 'echo'\n\n"
        "    @on_event('message')\n    async def message(self, event):\n        return event.text.upper()\n"
    )
    async with command("dev", "--port", "0", "--service-port", "0", folder=tmp_path, HUBS="echo:EchoHub") as running:
        service = await running.until(r"Local service\s+http(://localhost:\d+)")
        await running.until("(Ctrl-C)")
        async with aiohttp.ClientSession() as session, session.ws_connect(f"ws{service}/client/hubs/echo") as socket:
            await socket.send_str("hello")
            assert (await socket.receive(timeout=5)).data == "HELLO"
        assert await running.stop(signal.SIGINT) == 0


async def test_serve_answers_and_stops_cleanly(tmp_path: Path) -> None:
    async with command(
        "serve", "--host", "127.0.0.1", "--port", "0", folder=tmp_path, WebPubSubConnectionString=CONNECTION_STRING
    ) as running:
        url = await running.until(r"Upstream on (http://127.0.0.1:\d+)")
        async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as response:
            assert await response.json() == {"status": "ok"}
        assert await running.stop(signal.SIGTERM) == 0


async def test_serve_refuses_what_could_not_work(tmp_path: Path) -> None:
    known = {"WEBPUBSUB_CONNECTION_STRING": CONNECTION_STRING}
    nothing, unverifiable, keyless, hubless = await asyncio.gather(
        fails("serve", folder=tmp_path),
        fails("serve", folder=tmp_path, WEBPUBSUB_ENDPOINT="https://contoso.webpubsub.azure.com"),
        fails("serve", folder=tmp_path, WEBPUBSUB_CONNECTION_STRING="Endpoint=https://x"),
        fails("serve", folder=tmp_path, HUBS="nowhere:Hub", **known),
    )

    assert "WEBPUBSUB_CONNECTION_STRING" in nothing
    assert "ALLOW_UNVERIFIED_WEBHOOKS" in unverifiable
    assert "AccessKey" in keyless
    assert "nowhere" in hubless


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        known = {"WEBPUBSUB_CONNECTION_STRING": CONNECTION_STRING}
        of_dev, of_its_service, of_serve, of_local = await asyncio.gather(
            fails("dev", "--port", port, "--service-port", "0", folder=tmp_path),
            fails("dev", "--port", "0", "--service-port", port, folder=tmp_path),
            fails("serve", "--port", port, folder=tmp_path, **known),
            fails("local", "--port", port, folder=tmp_path),
        )

    assert "--service-port" in of_dev
    assert "--service-port" in of_its_service
    assert port in of_serve
    assert port in of_local


async def test_uvicorn_serves_the_app_by_its_name(tmp_path: Path) -> None:
    async with command(
        "app.main:app", "--port", "0", "--log-level", "info", folder=tmp_path, module="uvicorn",
        WEBPUBSUB_CONNECTION_STRING=CONNECTION_STRING,
    ) as running:  # fmt: skip
        url = await running.until(r"running on (http://127.0.0.1:\d+)")
        async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as response:
            assert response.status == 200


async def test_without_a_service_uvicorn_starts_closed(tmp_path: Path) -> None:
    """Nothing is configured, so nothing is believed, sent or handed out."""
    async with command("app.main:app", "--port", "0", folder=tmp_path, module="uvicorn") as running:
        url = await running.until(r"running on (http://127.0.0.1:\d+)")
        async with aiohttp.ClientSession() as session:
            for path, status in (("/healthz", 200), ("/readyz", 503), ("/negotiate?id=mia", 503)):
                async with session.get(url + path) as response:
                    assert response.status == status
            headers = {
                "WebHook-Request-Origin": "x", "ce-awpsversion": "1.0", "ce-hub": "Sample_ChatApp",
                "ce-type": "azure.webpubsub.sys.connect", "ce-eventName": "connect", "ce-connectionId": "c",
            }  # fmt: skip
            async with session.post(f"{url}/eventhandler", headers=headers, data=b"{}") as response:
                assert response.status == 401


async def test_local_keeps_its_contract(tmp_path: Path) -> None:
    async with command(
        "local", "--port", "0", "--access-key", "local-dev-key-000000000000000000000000000001", "--hub", "den",
        "--event-handler", "", "--system-events", "", "--user-event-pattern", "", "--anonymous", folder=tmp_path,
    ) as running:  # fmt: skip
        url = await running.until(r"Connection string Endpoint=(http://localhost:\d+);AccessKey=local-dev")
        async with aiohttp.ClientSession() as session:
            async with session.head(f"{url}/api/health") as response:
                assert response.status == 200
            async with session.ws_connect(f"{url}/client/hubs/den", protocols=["json.webpubsub.azure.v1"]) as socket:
                assert (await socket.receive_json(timeout=5))["event"] == "connected"
        assert await running.stop(signal.SIGTERM) == 0


async def test_local_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "localpubsub.toml").write_text("[hubs.a]\nanonymous_connect = true\n[hubs.b]\n")
    async with command("local", "--port", "0", "--config", "localpubsub.toml", folder=tmp_path) as running:
        url = await running.until(r"Local service\s+(http://localhost:\d+)")
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{url}/client/hubs/a"):
                pass
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"{url}/client/hubs/b")


async def test_local_says_what_it_cannot_work_with(tmp_path: Path) -> None:
    key, url, file, host = await asyncio.gather(
        fails("local", "--access-key", "short", folder=tmp_path),
        fails("local", "--event-handler", "nonsense", folder=tmp_path),
        fails("local", "--config", "nothing.toml", folder=tmp_path),
        fails("local", "--host", "0.0.0.0", folder=tmp_path),
    )

    assert "32 bytes" in key
    assert "not an http or https URL" in url
    assert "cannot read" in file
    assert "access key of your own" in host


async def test_a_url_lives_a_day_at_most(tmp_path: Path) -> None:
    assert "less than or equal to 1440" in await fails("token", "--minutes", "1441", folder=tmp_path)


async def test_a_printed_url_opens_the_local_service(tmp_path: Path) -> None:
    async with command("local", "--port", "0", folder=tmp_path) as running:
        connection_string = await running.until(r"(Endpoint=\S+)")
        async with command(
            "token", "--hub", "den", "--user", "mia", "--role", "webpubsub.sendToGroup", "--group", "g",
            "--minutes", "5",
            folder=tmp_path, WEBPUBSUB_CONNECTION_STRING=connection_string,
        ) as token:  # fmt: skip
            url = await token.until(r"^(ws://\S+)$")
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as s,
        ):
            assert (await s.receive_json(timeout=5))["userId"] == "mia"
            await s.send_json({"type": "sendToGroup", "group": "g", "data": 1})
            assert (await s.receive_json(timeout=5))["group"] == "g"
