"""One MQTT client on one socket: its packets, one after the other (spec/service.md 7)."""

import logging
from dataclasses import replace
from typing import assert_never
from uuid import uuid4

from localpubsub.engine.deliveries import end
from localpubsub.engine.knock import Knock
from localpubsub.engine.mqtt import Mqtt
from localpubsub.engine.mqtt_connection import MqttConnection, Parting
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.summaries import frame_of_packet, summary_of_packet
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.errors import MqttError, violation
from localpubsub.protocol.mqtt.packets import V5
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import CONNACK, FAILURE, Reason
from localpubsub.protocol.mqtt.stream import PacketStream
from localpubsub.protocol.mqtt.terms import SESSION_LIMIT, ConnectFailed, refusal

log = logging.getLogger(__name__)

PATIENCE = 1.5
"""How many keep alives a client may be silent (MQTT 5.0, 3.1.2.10)."""


class MqttClient:
    """Bytes come in through `receive`, one call after the other; answers go out through `outbound`.

    `lost` has to be called when the socket is gone, whoever closed it.
    """

    def __init__(self, mqtt: Mqtt, hub: str, knock: Knock, outbound: Outbound) -> None:
        self.outbound = outbound
        self.transport = uuid4().hex
        self._mqtt = mqtt
        self._hub = hub
        self._knock = knock
        self._stream = PacketStream()
        self._connection: MqttConnection | None = None

    @property
    def silence_limit(self) -> float | None:
        """Seconds; `None` before the client is connected."""
        return None if self._connection is None else self._connection.terms.keep_alive * PATIENCE

    async def receive(self, data: bytes) -> None:
        """What the client may not do ends the connection; nothing is raised for it."""
        try:
            for packet in self._stream.feed(data):
                if self.outbound.closing is not None:
                    return
                await self._handle(packet)
        except ConnectFailed as failure:
            self._write(failure.connack)
            self.outbound.close(Close(1000))
        except MqttError as error:
            log.info("an MQTT client of hub %r broke off: %s", self._hub, error)
            self._fail(error.reason, error.text)

    def silent(self) -> None:
        """Nothing was heard for longer than `silence_limit`."""
        self._fail(Reason.KEEP_ALIVE_TIMEOUT, "The keep alive time is over.")

    def failed(self) -> None:
        """Something went wrong on this side."""
        self._fail(Reason.UNSPECIFIED_ERROR, "Internal server error")

    def lost(self, *, by_client: bool = False, reason: str | None = None) -> None:
        """`by_client` says that the client closed the socket properly."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.transport == self.transport:
            closing = self.outbound.closing
            if closing is None:
                parting = Parting(by_client=by_client, reason=reason)
            else:
                parting = replace(connection.parting, reason=connection.parting.reason or closing.reason or None)
            self._mqtt.sessions.detach(connection, parting)

    async def _handle(self, packet: p.Packet) -> None:
        if isinstance(packet, p.Connect):
            self._connection = await self._mqtt.connect(self._hub, self._knock, packet, self.transport, self.outbound)
            return
        connection = self._connection
        if connection is None:
            raise violation("there is no session")
        if self._mqtt.trace.on:
            frame = frame_of_packet(packet, connection.terms.version)
            self._mqtt.trace.frame(connection, summary_of_packet(packet), frame)
        chaos = self._mqtt.chaos
        if chaos.frames and (code := chaos.frame(connection.hub, connection.user_id)) is not None:
            end(connection, code)
            return
        await self._answer(connection, packet)

    async def _answer(self, connection: MqttConnection, packet: p.Packet) -> None:
        match packet:
            case p.Publish():
                await self._publish(connection, packet)
            case p.PubAck() | p.PubRec() | p.PubComp():
                connection.write(connection.outgoing.acknowledge(packet, connection.clock()))
            case p.PubRel():
                self._write(connection.incoming.release(packet))
            case p.Subscribe():
                self._write(p.SubAck(packet.packet_id, self._codes(self._mqtt.subscribe(connection, packet))))
            case p.Unsubscribe():
                self._write(p.UnsubAck(packet.packet_id, self._mqtt.unsubscribe(connection, packet)))
            case p.PingReq():
                self._write(p.PingResp())
            case p.Disconnect():
                self._disconnect(connection, packet)
            case p.Connect() | p.ConnAck() | p.SubAck() | p.UnsubAck() | p.PingResp() | p.Auth():
                raise violation(f"a client does not send {type(packet).__name__}")
            case _:
                assert_never(packet)

    async def _publish(self, connection: MqttConnection, packet: p.Publish) -> None:
        version = connection.terms.version
        if packet.properties.topic_alias is not None:
            raise MqttError(Reason.TOPIC_ALIAS_INVALID, "topic aliases are not supported")
        if packet.properties.subscription_identifiers:
            raise violation("a client does not send subscription identifiers")
        if packet.retain and version == V5:
            raise MqttError(Reason.RETAIN_NOT_SUPPORTED, "retained messages are not supported")
        repeat = connection.incoming.is_repeat(packet, version)
        refused = None if repeat else self._mqtt.publishing.refusal(connection, packet)
        if refused is None:
            connection.incoming.hold(packet)
        reason = Reason.SUCCESS if refused is None else refused
        if packet.qos:
            self._write((p.PubAck if packet.qos == 1 else p.PubRec)(packet.packet_id, reason))
        if refused is None and not repeat:
            await self._mqtt.publishing.publish(connection, packet)

    def _codes(self, codes: tuple[Reason, ...]) -> tuple[Reason, ...]:
        """3.1.1 has one code for every failure."""
        if self._stream.version == V5:
            return codes
        return tuple(code if code < FAILURE else Reason(FAILURE) for code in codes)

    def _disconnect(self, connection: MqttConnection, packet: p.Disconnect) -> None:
        expiry = packet.properties.session_expiry
        if expiry is not None:
            if expiry and not connection.terms.session_expiry:
                raise violation("the session expiry was 0, and cannot become another")
            connection.session_expiry = min(expiry, SESSION_LIMIT)
        if packet.reason is Reason.SUCCESS:
            connection.will = None
        self._connection = None
        self._mqtt.sessions.detach(
            connection, Parting(by_client=True, packet=packet, reason=packet.properties.reason_string)
        )
        self.outbound.close(Close(1000))

    def _fail(self, reason: Reason, text: str) -> None:
        """5.0 says why; 3.1.1 can only hang up, but for a CONNECT of a version that is not spoken."""
        if self.outbound.closing is not None:
            return
        connection, version = self._connection, self._stream.version
        if connection is not None:
            connection.say(p.Disconnect(reason, Properties(reason_string=text)))
            connection.parting = Parting(packet=connection.parting.packet, reason=text)
        elif version == V5 or (version is not None and reason is Reason.UNSUPPORTED_PROTOCOL_VERSION):
            self._write(refusal(version, reason if reason in CONNACK else Reason.PROTOCOL_ERROR, text).connack)
        has_a_word = version == V5 or reason is Reason.UNSUPPORTED_PROTOCOL_VERSION
        self.outbound.close(Close(1000 if has_a_word else 1002))
        if connection is not None:
            self.lost()

    def _write(self, packet: p.Packet) -> None:
        self.outbound.put_control(Frame(encode(packet, self._stream.version or V5), is_text=False))
