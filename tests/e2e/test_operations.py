"""What an operator does to a running upstream and sees of it: real processes, a real file, a service that is ours."""

import asyncio
import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.upstream.signature import sign
from localpubsub.config import DEFAULT_ACCESS_KEY
from tests.e2e.test_commands import command, fails

SERVE = ("serve", "--port", "0")
LISTENS = r"Upstream on (http://127.0.0.1:\d+)"


@dataclass
class Service:
    """Takes what the upstream sends, and its traces; answers sends with `status`."""

    url: str = ""
    status: int = 202
    sent: asyncio.Queue[dict[str, object]] = field(default_factory=asyncio.Queue)
    traces: list[ExportTraceServiceRequest] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "WEBPUBSUB_CONNECTION_STRING": f"Endpoint={self.url};AccessKey={DEFAULT_ACCESS_KEY}",
            "HUBS": "tests.e2e.shout_hub:ShoutHub",
        }

    async def next(self) -> dict[str, object]:
        async with asyncio.timeout(10):
            return await self.sent.get()

    async def take(self, request: web.Request) -> web.Response:
        await self.sent.put(await request.json())
        return web.Response(status=self.status)

    async def trace(self, request: web.Request) -> web.Response:
        self.traces.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_post("/v1/traces", service.trace)
    app.router.add_post("/{path:.*}", service.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


async def shout(url: str, number: int) -> int:
    """Delivers an event, signed as the service signs it; the hub broadcasts the number."""
    headers = {
        "WebHook-Request-Origin": "127.0.0.1",
        "ce-awpsversion": "1.0",
        "ce-specversion": "1.0",
        "ce-hub": "shout",
        "ce-type": "azure.webpubsub.user.shout",
        "ce-eventName": "shout",
        "ce-connectionId": "conn-1",
        "ce-id": str(number),
        "ce-signature": sign(DEFAULT_ACCESS_KEY.encode(), b"conn-1").decode(),
        "Content-Type": "text/plain",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/eventhandler?code=s3cr3t", headers=headers, data=str(number)) as response,
    ):
        return response.status


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def says(*arguments: str, folder: Path, **env: str) -> list[str]:
    """The lines of a command that works."""
    async with command(*arguments, folder=folder, **env) as running:
        assert running.process.stdout is not None
        async with asyncio.timeout(30):
            text = (await running.process.stdout.read()).decode()
            assert await running.process.wait() == 0, text
    return text.splitlines()


async def test_a_dead_letter_is_sent_again_by_the_upstream_that_runs(service: Service, tmp_path: Path) -> None:
    service.status = 400
    async with command(*SERVE, folder=tmp_path, **service.environment) as running:
        url = await running.until(LISTENS)
        for number in (41, 42, 43):
            assert await shout(url, number) == 204
            assert (await service.next())["n"] == number
        assert await running.stop(signal.SIGTERM) == 0
    service.status = 202

    async with command(*SERVE, folder=tmp_path, **service.environment) as running:
        await running.until(LISTENS)
        lines = await says("outbox", "list", "--json", folder=tmp_path, **service.environment)
        letters = [json.loads(line) for line in lines]
        assert [letter["id"] for letter in letters] == [3, 2, 1]
        assert {letter["reason"] for letter in letters} == {"the service answered 400"}
        assert {letter["lane"] for letter in letters} == {"shout/connection/conn-1"}
        assert '"n"' not in "".join(lines)

        retried = await says("outbox", "retry", "2", folder=tmp_path, **service.environment)
        assert retried == ["1 dead letter will be sent again."]
        assert (await service.next())["n"] == 42

        dropped = await says("outbox", "drop", "1", folder=tmp_path, **service.environment)
        assert dropped == ["1 dead letter dropped."]
        table = await says("outbox", "list", folder=tmp_path, **service.environment)
        assert [line.split()[0] for line in table] == ["Id", "3"]
        unknown = await fails("outbox", "retry", "1", "2", folder=tmp_path, **service.environment)
        assert unknown.splitlines()[-1] == "webpubsub: 2 ids are not among the dead letters"
        assert await running.stop(signal.SIGTERM) == 0
    assert service.sent.empty()


async def test_the_outbox_of_another_process_cannot_be_looked_at_in_memory(tmp_path: Path) -> None:
    text = await fails("outbox", "list", folder=tmp_path, STORE="memory://")

    assert text == "webpubsub: STORE: memory:// keeps nothing that another process could look at\n"


async def test_a_second_upstream_on_one_file_is_refused_in_one_sentence(service: Service, tmp_path: Path) -> None:
    env = service.environment
    sentence = r"data/upstream\.db is used by another process"
    async with command(*SERVE, folder=tmp_path, **env) as first:
        await first.until(LISTENS)

        store = "sqlite:///data/upstream.db"  # of itself `dev` keeps nothing
        in_json, on_console, of_dev = await asyncio.gather(
            fails(*SERVE, folder=tmp_path, LOG_FORMAT="json", **env),
            fails(*SERVE, folder=tmp_path, LOG_FORMAT="console", **env),
            fails("dev", "--port", "0", "--service-port", "0", folder=tmp_path, STORE=store),
        )
        for text in (in_json, on_console):
            # Warnings of the log are beside it.
            [last] = [line for line in text.splitlines() if line.startswith("webpubsub: ")]
            assert last.startswith("webpubsub: data/upstream.db is used by another process")
            assert "STORE=redis://" in last
        assert of_dev.splitlines()[-1].startswith("webpubsub: data/upstream.db is used by another process")

        # Not ours to end, but what it logs is.
        async with command("app.main:app", "--port", "0", folder=tmp_path, module="uvicorn", **env) as other:
            await other.until(f"({sentence})")
            async with asyncio.timeout(30):
                assert await other.process.wait() != 0
        assert "Traceback" not in "".join(other.lines)

        # The first is not disturbed.
        assert await first.stop(signal.SIGTERM) == 0
    async with command(*SERVE, folder=tmp_path, **env) as again:
        await again.until(LISTENS)


async def test_what_cannot_be_stored_is_refused_until_it_can(service: Service, tmp_path: Path) -> None:
    async with command(*SERVE, folder=tmp_path, **service.environment) as running:
        url = await running.until(LISTENS)
        assert await get(f"{url}/readyz") == (200, '{"status":"ready"}')

        with closing(sqlite3.connect(tmp_path / "data" / "upstream.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # somebody else writes, and does not stop
            assert await shout(url, 1) == 503
            status, body = await get(f"{url}/readyz")
            assert status == 503
            assert "upstream.db" in json.loads(body)["status"]
            assert "database is locked" in json.loads(body)["status"]
            assert "\nwebpubsub_outbox_up 0.0\n" in (await get(f"{url}/metrics"))[1]
            assert (await get(f"{url}/healthz"))[0] == 200
            assert await shout(url, 2) == 503
            other.execute("ROLLBACK")

        await running.until("(the outbox can be written again)")
        assert (await get(f"{url}/readyz"))[0] == 200
        assert "\nwebpubsub_outbox_up 1.0\n" in (await get(f"{url}/metrics"))[1]
        assert await shout(url, 1) == 204
        assert (await service.next())["n"] == 1
        assert await running.stop(signal.SIGTERM) == 0
    assert service.sent.empty()


async def test_a_trace_is_exported_from_the_webhook_to_the_send(service: Service, tmp_path: Path) -> None:
    telemetry = {"TELEMETRY": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": service.url, "OTEL_METRICS_EXPORTER": "none"}
    env = service.environment | telemetry | {"OTEL_LOGS_EXPORTER": "none"}
    async with command(*SERVE, folder=tmp_path, **env) as running:
        url = await running.until(LISTENS)
        assert await shout(url, 1) == 204
        assert (await service.next())["n"] == 1
        assert await running.stop(signal.SIGTERM) == 0

    spans = [
        span
        for request in service.traces
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    (delivery,) = (span for span in spans if span.kind == Span.SPAN_KIND_SERVER)
    (send,) = (span for span in spans if span.kind == Span.SPAN_KIND_CLIENT)
    assert (delivery.name, send.name) == ("POST /eventhandler", "send sendToAll")
    assert (send.trace_id, send.parent_span_id) == (delivery.trace_id, delivery.span_id)
    assert "s3cr3t" not in str(spans)
