"""What a PUBLISH does: a message to a group, or an event with an answer (spec/service.md 7.2, 7.6, 7.7)."""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from localpubsub.engine.events import Events
from localpubsub.engine.hub import Hub
from localpubsub.engine.mqtt_connection import MqttConnection
from localpubsub.engine.notifications import Notifications
from localpubsub.engine.upstream import DeliveryFailed, UpstreamAnswer
from localpubsub.protocol.messages import Message
from localpubsub.protocol.mqtt import content
from localpubsub.protocol.mqtt.outgoing import Delivery
from localpubsub.protocol.mqtt.packets import Publish, Will
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.protocol.mqtt.topics import EventTopic, GroupTopic, response_topic, target
from localpubsub.protocol.roles import Permission

EVENT_LIMIT = 100
"""How many events of one client wait for the upstream before nothing more is read from it."""


class Publishing:
    """The events of one client reach the upstream one after the other; its other packets do not wait for them."""

    def __init__(self, hub: Callable[[str], Hub], events: Events) -> None:
        self._hub = hub
        self._events = events
        self._turns = Notifications()
        self._room: WeakKeyDictionary[MqttConnection, asyncio.Semaphore] = WeakKeyDictionary()

    @staticmethod
    def refusal(connection: MqttConnection, publish: Publish | Will) -> Reason | None:
        """Why the client may not publish it."""
        match target(publish.topic):
            case None:
                return Reason.TOPIC_NAME_INVALID
            case GroupTopic(group) if not connection.permissions.allows(Permission.SEND_TO_GROUP, group):
                return Reason.NOT_AUTHORIZED
        return None if content.is_payload_legal(publish) else Reason.PAYLOAD_FORMAT_INVALID

    async def publish(self, connection: MqttConnection, publish: Publish) -> None:
        """What `refusal` has nothing against. Waits only where too many events wait already."""
        match target(publish.topic):
            case GroupTopic(group):
                self._send_to_group(connection, group, publish)
            case EventTopic(event):
                room = self._room.setdefault(connection, asyncio.Semaphore(EVENT_LIMIT))
                await room.acquire()
                self._raise_event(connection, event, publish, room.release)

    def publish_will(self, connection: MqttConnection, will: Will) -> None:
        publish = Publish(will.topic, will.payload, will.qos, properties=will.properties)
        if self.refusal(connection, publish) is not None:
            return
        match target(will.topic):
            case GroupTopic(group):
                self._send_to_group(connection, group, publish)
            case EventTopic(event):
                self._raise_event(connection, event, publish, lambda: None)

    def disconnected(self, connection: MqttConnection) -> None:
        """The upstream hears of it after the events the client raised."""

        async def tell() -> None:
            self._events.disconnected(connection, None)

        self._turns.add(connection, tell)

    async def drain(self, seconds: float) -> None:
        """Waits for the events on their way, at most so long."""
        await self._turns.drain(seconds)

    def _send_to_group(self, connection: MqttConnection, group: str, publish: Publish) -> None:
        message = content.MqttMessage(
            content.payload_of(publish),
            group,
            connection.user_id,
            origin=connection.id,
            qos=publish.qos,
            properties=content.forwarded(publish.properties),
        )
        expiry = publish.properties.message_expiry
        hub = self._hub(connection.hub)
        hub.publish(hub.group(group), message, ttl_seconds=0 if expiry is None else max(expiry, 1))

    def _raise_event(self, connection: MqttConnection, event: str, publish: Publish, done: Callable[[], None]) -> None:
        async def ask() -> None:
            try:
                answer = await self._ask(connection, event, publish)
                connection.send(answer)
                if self._events.trace.on:
                    payload = content.payload_of(Publish(answer.topic, answer.payload))
                    self._events.trace.delivery(connection.hub, Message(payload), (connection,))
            finally:
                done()

        self._turns.add(connection, ask)

    async def _ask(self, connection: MqttConnection, event: str, publish: Publish) -> Delivery:
        """The answer on its way to the client: it needs no subscription."""
        request = publish.properties
        try:
            answer = await self._events.ask(
                connection,
                event,
                publish.payload,
                content.request_content_type(request),
                headers=content.request_headers(request),
            )
            succeeded = True
        except DeliveryFailed as failure:
            answer, succeeded = failure.answer or UpstreamAnswer(status=500), False
        own = content.response_properties(
            request, answer.status, answer.content_type, answer.body, answer.user_properties
        )
        return Delivery(response_topic(event, succeeded=succeeded), answer.body, publish.qos, own)
