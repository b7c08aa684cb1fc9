"""MQTT clients of the service (spec/service.md 7)."""

from collections.abc import Callable
from time import monotonic
from uuid import uuid4

from localpubsub.engine.hub import Hub
from localpubsub.engine.knock import Knock
from localpubsub.engine.mqtt_admission import Admission, admit
from localpubsub.engine.mqtt_connection import SUBPROTOCOL, MqttConnection
from localpubsub.engine.mqtt_publishing import Publishing
from localpubsub.engine.mqtt_sessions import MqttSessions, Schedule, in_the_event_loop
from localpubsub.engine.outbound import Outbound
from localpubsub.engine.service import Service
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.mqtt.encoder import encode_within
from localpubsub.protocol.mqtt.packets import Connect, Subscribe, Unsubscribe
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.protocol.mqtt.terms import Terms, refusal, terms_of
from localpubsub.protocol.mqtt.topics import filter_refusal
from localpubsub.protocol.roles import Permission, Permissions


class Mqtt:
    """What its clients share. Sessions live in the hubs of `service`, among all other connections."""

    def __init__(
        self, service: Service, clock: Callable[[], float] = monotonic, schedule: Schedule = in_the_event_loop
    ) -> None:
        self._service = service
        self.trace = service.trace
        self.chaos = service.chaos
        self._clock = clock
        self.publishing = Publishing(service.hub, service.events)
        self.sessions = MqttSessions(service.hub, self.publishing, schedule)

    async def connect(
        self, hub_name: str, knock: Knock, packet: Connect, transport: str, outbound: Outbound
    ) -> MqttConnection:
        """The client's session; its CONNACK is written. Raises `ConnectFailed`.

        `transport` is the physical connection id.
        """
        hub = self._service.hub(hub_name)
        lenient = self._service.config.mqtt_lenient_client_ids
        terms = terms_of(packet, new_id=uuid4().hex, lenient_ids=lenient)
        _session(hub, terms)
        admission = await admit(self._service.events, hub.name, knock, packet, terms, transport)
        if outbound.closing is not None:
            raise refusal(terms.version, Reason.SERVER_UNAVAILABLE)
        existing = _session(hub, terms)  # while the upstream was asked, another client may have come
        if existing is not None:
            self.sessions.take_over(existing, clean_start=terms.clean_start)
        resumed = None if terms.clean_start else existing
        connection = resumed or self._create(hub, terms, admission, transport, outbound)
        _keep(connection, admission)
        connack = terms.connack(session_present=resumed is not None, user_properties=admission.user_properties)
        data = encode_within(connack, terms.version, terms.packet_size_limit)
        outbound.put_control(Frame(data, is_text=False))
        if resumed is None:
            self._open(hub, connection)
        connection.attach(terms, transport, outbound)
        return connection

    def _create(
        self, hub: Hub, terms: Terms, admission: Admission, transport: str, outbound: Outbound
    ) -> MqttConnection:
        connection = MqttConnection(
            id=terms.client_id,
            hub=hub.name,
            user_id=admission.user_id,
            subprotocol=SUBPROTOCOL,
            permissions=Permissions.from_roles(admission.roles),
            outbound=outbound,
            terms=terms,
            transport=transport,
            overflowed=self.sessions.overflowed,
            clock=self._clock,
        )
        connection.groups.update(admission.groups)
        return connection

    def _open(self, hub: Hub, connection: MqttConnection) -> None:
        self.sessions.open(connection)
        self._service.events.connected(connection)
        for group in tuple(connection.groups):
            hub.join(connection, group)

    def subscribe(self, connection: MqttConnection, packet: Subscribe) -> tuple[Reason, ...]:
        """One code for each filter (spec/service.md 7.6)."""
        hub = self._service.hub(connection.hub)
        identifiers = packet.properties.subscription_identifiers
        codes = []
        for wanted in packet.subscriptions:
            group = wanted.topic_filter
            reason = filter_refusal(group)
            if reason is None and not connection.permissions.allows(Permission.JOIN_LEAVE_GROUP, group):
                reason = Reason.NOT_AUTHORIZED
            if reason is None:
                connection.groups.subscribe(wanted, identifiers[0] if identifiers else 0)
                hub.join(connection, group)
            codes.append(Reason(wanted.qos) if reason is None else reason)
        return tuple(codes)

    def unsubscribe(self, connection: MqttConnection, packet: Unsubscribe) -> tuple[Reason, ...]:
        """One code for each filter; none of them is lost without the permission."""
        hub = self._service.hub(connection.hub)
        codes = []
        for group in packet.topic_filters:
            if not connection.permissions.allows(Permission.JOIN_LEAVE_GROUP, group):
                codes.append(Reason.NOT_AUTHORIZED)
            elif group in connection.groups:
                hub.leave(connection, group)
                codes.append(Reason.SUCCESS)
            else:
                codes.append(Reason.NO_SUBSCRIPTION_EXISTED)
        return tuple(codes)


def _session(hub: Hub, terms: Terms) -> MqttConnection | None:
    """Raises `ConnectFailed` where a client that does not speak MQTT has the id."""
    connection = hub.connections.get(terms.client_id)
    if connection is None or isinstance(connection, MqttConnection):
        return connection
    raise refusal(terms.version, Reason.CLIENT_IDENTIFIER_NOT_VALID, "The client identifier is in use.")


def _keep(connection: MqttConnection, admission: Admission) -> None:
    """State and cookies of the upstream's answer; what it says of user, roles and groups is for new sessions."""
    answer = admission.answer
    if answer is not None:
        connection.cookies.update(answer.cookies)
        if answer.state is not None:
            connection.state = answer.state or None
