"""The service: who may come in, what their frames do, what the upstream hears of it.

No lock is held while an upstream is asked: its handler calls straight back through the REST API.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from localpubsub.config import ServiceConfig
from localpubsub.engine.chaos import Chaos
from localpubsub.engine.commands import Commands
from localpubsub.engine.deliveries import FaultyDeliveries, end
from localpubsub.engine.events import Events
from localpubsub.engine.group_states import GroupStateBoard
from localpubsub.engine.hub import Connection, Hub
from localpubsub.engine.invocations import Invocations
from localpubsub.engine.knock import Knock
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.previews import Previews
from localpubsub.engine.sessions import Sessions
from localpubsub.engine.streams import Streams
from localpubsub.engine.summaries import summary_of_frame
from localpubsub.engine.trace import Trace
from localpubsub.engine.upstream import DeliveryFailed, Listeners, Upstream
from localpubsub.protocol import names, reconnection
from localpubsub.protocol.errors import Disconnect
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.roles import Permissions
from localpubsub.protocol.sequences import Sequences
from localpubsub.protocol.subprotocols import codec_for, reliable_codec, well_known

log = logging.getLogger(__name__)


class ConnectRefused(Exception):
    """The handshake is answered with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Service:
    def __init__(
        self,
        config: ServiceConfig,
        upstream: Upstream,
        listeners: Listeners | None = None,
        chaos: Chaos | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.config = config
        self.trace = trace or Trace()
        self.chaos = chaos or Chaos(config.chaos)
        self._deliveries = FaultyDeliveries(self.chaos)
        self.chaos.changed = self._inject
        self._hubs: dict[str, Hub] = {}
        self.is_leaving = False
        self.events = Events(config, upstream, listeners, self.trace)
        self.sessions = Sessions(self.closed)
        self._states = GroupStateBoard()
        self._previews = Previews(Invocations(config, self.events), Streams(self.hub), self._states)
        self._commands = Commands(self.hub, self.events, self._previews, self.trace)

    @property
    def hubs(self) -> tuple[Hub, ...]:
        return tuple(self._hubs.values())

    def hub(self, name: str) -> Hub:
        """Any legal name has a hub; letters' case does not tell two apart."""
        key = name.lower()
        hub = self._hubs.get(key)
        if hub is None:
            hub = self._hubs[key] = Hub(key, self._membership_changed, self.trace)
            hub.inject(self._deliveries if self.chaos.messages else None)
        return hub

    def _membership_changed(self, connection: Connection, group: str, name: str) -> None:
        if name == "left":
            self._states.left(connection, group)
        self.events.membership_changed(connection, group, name)

    def _inject(self) -> None:
        """The rules have changed: messages go straight to their receivers, or through the faults."""
        for hub in self._hubs.values():
            hub.inject(self._deliveries if self.chaos.messages else None)
        if not self.chaos.messages:
            self._deliveries.release()

    async def connect(self, hub_name: str, knock: Knock, outbound: Outbound) -> Connection:
        """Asks the upstream where it wants to be asked. Raises `ConnectRefused`. The connection is not open yet."""
        hub = self.hub(hub_name)
        try:
            answer = await self.events.connect(hub.name, knock)
        except DeliveryFailed as failure:
            status = failure.status or 500
            raise ConnectRefused(status if status >= 400 else 500) from failure
        decision = _decision(answer.body) if answer is not None else {}
        connection = _admit(hub.name, knock, decision, outbound)
        if answer is not None:
            connection.state, connection.cookies = answer.state or None, dict(answer.cookies)
        return connection

    def open(self, connection: Connection) -> None:
        """Registers the connection, greets it, and tells the upstream without waiting for it."""
        hub = self.hub(connection.hub)
        hub.add(connection)
        self._greet(connection)
        self.events.connected(connection)
        for group in connection.groups:
            hub.join(connection, group)

    async def handle(self, connection: Connection, frame: Frame) -> None:
        """One frame of a client. Raises `Disconnect` where it ends the connection."""
        if self.trace.on:
            self.trace.frame(connection, summary_of_frame(connection.codec, frame), frame)
        if self.chaos.frames and (code := self.chaos.frame(connection.hub, connection.user_id)) is not None:
            end(connection, code)
            return
        try:
            await self._commands.handle(connection, frame)
        except Disconnect:
            if self.trace.on:
                self.trace.ending(connection)
            raise

    def suspend(self, connection: Connection, outbound: Outbound) -> bool:
        """A socket is gone without a goodbye. Whether its connection goes on without one: a reliable one does (4.3)."""
        if connection.sequences is None or connection.outbound is not outbound or not self._is_open(connection):
            return False
        self._previews.lost(connection)
        self.sessions.suspend(connection, connection.sequences)
        return True

    def closed(self, connection: Connection, reason: str | None) -> None:
        """The connection is over. The upstream hears of it after everything it heard before."""
        self.hub(connection.hub).remove(connection)
        self._previews.over(connection)
        worker = connection.worker
        if worker is None or worker.done():
            self.events.disconnected(connection, reason)
        else:
            worker.add_done_callback(lambda _: self.events.disconnected(connection, reason))

    def recoverable(self, hub_name: str, connection_id: str, token: str) -> Connection | None:
        """The reliable connection that the holder of this token may have back (4.3)."""
        hub = self._hubs.get(hub_name.lower())  # anybody may ask: that alone makes no hub
        connection = hub.connections.get(connection_id) if hub is not None else None
        if connection is None or connection.sequences is None:
            return None
        is_valid = reconnection.is_valid(self.config.access_keys, token, connection_id, time.time())
        return connection if is_valid else None

    def recover(self, connection: Connection, outbound: Outbound) -> bool:
        """Greets the client and sends it what it has not confirmed. Whether the connection was still there."""
        if not self._is_open(connection):
            return False
        self.sessions.resume(connection, outbound)
        self._greet(connection)
        return True

    def _is_open(self, connection: Connection) -> bool:
        return self.hub(connection.hub).connections.get(connection.id) is connection

    def _greet(self, connection: Connection) -> None:
        codec, sequences = reliable_codec(connection.subprotocol), connection.sequences
        if codec is None or sequences is None:
            connection.outbound.put_control(connection.codec.connected(connection.id, connection.user_id))
            return
        token = reconnection.issue(self.config.access_keys[0], connection.id, time.time())
        connection.outbound.put_control(codec.connected(connection.id, connection.user_id, token))
        connection.outbound.draw_on(sequences)

    def restore(self, connection: Connection, sequences: Sequences) -> None:
        """A reliable connection of before the service was started. Its client has the usual time to come back."""
        self.hub(connection.hub).restore(connection)
        self.sessions.suspend(connection, sequences)

    def close_all(self, *, but_reliable: bool = False) -> None:
        """Ends every connection: the service stops. Reliable ones may only lose their socket, without a word."""
        self.is_leaving = True
        for hub in self._hubs.values():
            for connection in tuple(hub.connections.values()):
                if but_reliable and connection.sequences is not None:
                    connection.outbound.break_off()
                else:
                    hub.close(connection, "service reload", Close(1001, "service reload"))


def _decision(body: bytes) -> dict[str, Any]:
    """The answer to `connect`; names compare without case. Raises `ConnectRefused` 500 for what it cannot be."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConnectRefused(500) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConnectRefused(500)
    members = {name.lower(): member for name, member in value.items() if member is not None}
    texts = all(names.is_whole(members.get(name, "")) for name in ("userid", "subprotocol"))
    lists = all(
        isinstance(members.get(name, []), list) and all(map(names.is_whole, members.get(name, [])))
        for name in ("groups", "roles")
    )
    if not texts or not lists or not all(names.is_group(group) for group in members.get("groups", [])):
        raise ConnectRefused(500)
    return members


def _subprotocol(offered: Sequence[str], chosen: str | None) -> str | None:
    """What the connection speaks, as the client spells it. Raises `ConnectRefused` for what it did not offer (1.5)."""
    if not chosen:
        return well_known(offered)
    if chosen in offered:
        return chosen
    spelled = next((name for name in offered if name.lower() == chosen.lower()), "")
    if well_known([spelled]) is None:
        log.warning("the upstream chose the subprotocol %r, which the client did not offer", chosen)
        raise ConnectRefused(500)
    return spelled


def _admit(hub: str, knock: Knock, decision: Mapping[str, Any], outbound: Outbound) -> Connection:
    subprotocol = _subprotocol(knock.subprotocols, decision.get("subprotocol"))
    reliable = reliable_codec(subprotocol)
    connection = Connection(
        id=knock.connection_id,
        hub=hub,
        user_id=decision.get("userid", knock.user_id),
        subprotocol=subprotocol,
        codec=codec_for(subprotocol, knock.raw),
        permissions=Permissions.from_roles(decision.get("roles", knock.roles)),
        outbound=outbound,
        sequences=None if reliable is None else Sequences(reliable.with_sequence_id),
    )
    # A non-empty list replaces the groups of the token, an empty one keeps them.
    connection.groups.update(decision.get("groups") or knock.groups)
    return connection
