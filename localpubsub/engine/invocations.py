"""Events that are asked and answered by id (spec/service.md 3.7, a preview).

They run beside the other frames of their connection, so that a client can cancel one; among themselves they run one
at a time, in the order they came.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from localpubsub.config import ServiceConfig
from localpubsub.engine.events import Events
from localpubsub.engine.hub import Connection
from localpubsub.engine.telling import tell
from localpubsub.protocol.errors import CommandError
from localpubsub.protocol.messages import Invoke, SendEvent
from localpubsub.protocol.notices import Failure, InvokeResponse

log = logging.getLogger(__name__)

RUNNING_LIMIT = 100
"""How many of one client wait for the upstream before more are refused."""


@dataclass
class Running:
    """Of one connection. Who has its `turn` is at the upstream."""

    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Invocations:
    def __init__(self, config: ServiceConfig, events: Events) -> None:
        self._config = config
        self._events = events
        self._running: dict[Connection, Running] = {}

    def start(self, connection: Connection, command: Invoke) -> None:
        running = self._running.setdefault(connection, Running())
        failure = None
        if command.invocation_id in running.tasks:
            failure = Failure("BadRequest", f"The invocation '{command.invocation_id}' is still running.")
        elif len(running.tasks) >= RUNNING_LIMIT:
            failure = Failure("BadRequest", f"There are {RUNNING_LIMIT} invocations running already.")
        if failure is not None:
            tell(connection, InvokeResponse(command.invocation_id, failure=failure))
            return
        task = asyncio.create_task(self._run(connection, command, running.turn))
        running.tasks[command.invocation_id] = task
        task.add_done_callback(lambda _: self._forget(connection, command.invocation_id, task))

    async def _run(self, connection: Connection, command: Invoke, turn: asyncio.Lock) -> None:
        async with turn:
            tell(connection, await self._answer(connection, command))

    async def _answer(self, connection: Connection, command: Invoke) -> InvokeResponse:
        if self._config.hub(connection.hub).handler("user", command.event) is None:
            failure = Failure("NotFound", f"No handler takes the event '{command.event}'.")
            return InvokeResponse(command.invocation_id, failure=failure)
        event = SendEvent(command.event, command.payload, metadata=command.metadata)
        try:
            answer = await self._events.raise_event(connection, event)
        except CommandError as error:
            return InvokeResponse(command.invocation_id, failure=Failure(error.name, error.message))
        except Exception:
            log.exception("an invocation in hub %r could not be handled", connection.hub)
            failure = Failure("InternalServerError", "Internal server error")
            return InvokeResponse(command.invocation_id, failure=failure)
        if answer is None:
            return InvokeResponse(command.invocation_id)
        return InvokeResponse(command.invocation_id, answer.payload, metadata=answer.metadata)

    def cancel(self, connection: Connection, invocation_id: str) -> None:
        """Nothing is answered any more."""
        running = self._running.get(connection)
        task = running.tasks.pop(invocation_id, None) if running is not None else None
        if task is not None:
            task.cancel()

    def cancel_all(self, connection: Connection) -> None:
        """The socket is gone; its client has given them up."""
        running = self._running.get(connection)
        for task in tuple(running.tasks.values()) if running is not None else ():
            task.cancel()

    def _forget(self, connection: Connection, invocation_id: str, task: asyncio.Task[None]) -> None:
        running = self._running.get(connection)
        if running is None:
            return
        if running.tasks.get(invocation_id) is task:
            del running.tasks[invocation_id]
        if not running.tasks:
            del self._running[connection]
