"""What a CONNECT gets: checked, and answered (spec/service.md 7.1, 7.4, 7.5)."""

import re
from dataclasses import dataclass

from localpubsub.protocol.mqtt import content
from localpubsub.protocol.mqtt.incoming import RECEIVE_MAXIMUM
from localpubsub.protocol.mqtt.packets import V5, ConnAck, Connect, Will
from localpubsub.protocol.mqtt.properties import Properties, UserProperties
from localpubsub.protocol.mqtt.reasons import CONNACK, ConnectReturn, Reason
from localpubsub.protocol.mqtt.stream import PACKET_LIMIT
from localpubsub.protocol.mqtt.topics import target

KEEP_ALIVE_LIMIT = 180
SESSION_LIMIT = 30
WILL_PAYLOAD_LIMIT = 2000

_CLIENT_ID = re.compile(r"[0-9a-zA-Z]{1,128}")
_LENIENT_CLIENT_ID = re.compile(r"[!-~]{1,128}")
_FOR_V3 = {
    Reason.UNSUPPORTED_PROTOCOL_VERSION: ConnectReturn.UNACCEPTABLE_PROTOCOL_VERSION,
    Reason.CLIENT_IDENTIFIER_NOT_VALID: ConnectReturn.IDENTIFIER_REJECTED,
    Reason.BAD_USER_NAME_OR_PASSWORD: ConnectReturn.BAD_USER_NAME_OR_PASSWORD,
    Reason.NOT_AUTHORIZED: ConnectReturn.NOT_AUTHORIZED,
    Reason.BANNED: ConnectReturn.NOT_AUTHORIZED,
}


class ConnectFailed(Exception):
    """The CONNECT is answered with `connack`, and the connection ends."""

    def __init__(self, connack: ConnAck) -> None:
        super().__init__(f"CONNACK {connack.code}")
        self.connack = connack


def refusal(
    version: int, reason: Reason, text: str | None = None, user_properties: UserProperties = ()
) -> ConnectFailed:
    """With the return code 3.1.1 has for it; `SERVER_UNAVAILABLE` where it has none."""
    if version != V5:
        return ConnectFailed(ConnAck(_FOR_V3.get(reason, ConnectReturn.SERVER_UNAVAILABLE)))
    return ConnectFailed(
        ConnAck(reason, properties=Properties(reason_string=text or None, user_properties=user_properties))
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed with one CONNECT. Seconds; a `keep_alive` of 0 is never."""

    client_id: str
    assigned: bool
    version: int
    clean_start: bool
    keep_alive: int
    keep_alive_was_changed: bool
    session_expiry: int
    will: Will | None
    receive_maximum: int | None = None
    packet_size_limit: int | None = None

    @property
    def will_delay(self) -> int:
        return (self.will.properties.will_delay or 0) if self.will is not None else 0

    def connack(self, *, session_present: bool, user_properties: UserProperties = ()) -> ConnAck:
        if self.version != V5:
            return ConnAck(session_present=session_present)
        own = Properties(
            session_expiry=self.session_expiry,
            assigned_client_id=self.client_id if self.assigned else None,
            server_keep_alive=self.keep_alive if self.keep_alive_was_changed else None,
            receive_maximum=RECEIVE_MAXIMUM,
            topic_alias_maximum=0,
            retain_available=0,
            maximum_packet_size=PACKET_LIMIT,
            wildcard_subscription_available=0,
            subscription_identifier_available=1,
            shared_subscription_available=0,
            user_properties=user_properties,
        )
        return ConnAck(session_present=session_present, properties=own)


def terms_of(connect: Connect, *, new_id: str, lenient_ids: bool = False) -> Terms:
    """`new_id` is for a client that leaves the choice to us. Raises `ConnectFailed`."""
    version, own = connect.version, connect.properties
    if own.authentication_method is not None:
        raise refusal(version, Reason.BAD_AUTHENTICATION_METHOD, "Enhanced authentication is not supported.")
    assigned = not connect.client_id
    legal = _LENIENT_CLIENT_ID if lenient_ids else _CLIENT_ID
    if assigned and version != V5 and not connect.clean_start:
        raise refusal(version, Reason.CLIENT_IDENTIFIER_NOT_VALID)
    if not assigned and not legal.fullmatch(connect.client_id):
        raise refusal(
            version, Reason.CLIENT_IDENTIFIER_NOT_VALID, "A client identifier has 1 to 128 ASCII letters and digits."
        )
    within = 0 < connect.keep_alive <= KEEP_ALIVE_LIMIT
    if version != V5 and not within:
        raise refusal(version, Reason.SERVER_UNAVAILABLE)  # 3.1.1 has no way to name another keep alive
    if connect.will is not None:
        _check_will(connect.will, version)
    return Terms(
        client_id=connect.client_id or new_id,
        assigned=assigned,
        version=version,
        clean_start=connect.clean_start,
        keep_alive=connect.keep_alive if within else KEEP_ALIVE_LIMIT,
        keep_alive_was_changed=not within,
        session_expiry=_session_expiry(connect),
        will=connect.will,
        receive_maximum=own.receive_maximum,
        packet_size_limit=own.maximum_packet_size,
    )


def _session_expiry(connect: Connect) -> int:
    if connect.version == V5:
        return min(connect.properties.session_expiry or 0, SESSION_LIMIT)
    return 0 if connect.clean_start else SESSION_LIMIT


def _check_will(will: Will, version: int) -> None:
    if will.retain and version == V5:
        raise refusal(version, Reason.RETAIN_NOT_SUPPORTED, "Retained messages are not supported.")
    if target(will.topic) is None:
        raise refusal(version, Reason.TOPIC_NAME_INVALID, "The topic of the will is not legal.")
    if len(will.payload) > WILL_PAYLOAD_LIMIT:
        raise refusal(version, Reason.PACKET_TOO_LARGE, "A will has at most 2,000 bytes.")
    if not content.is_payload_legal(will):
        raise refusal(version, Reason.PAYLOAD_FORMAT_INVALID, "The will is not the UTF-8 it says it is.")


def refused_by_upstream(
    version: int, status: int | None, code: object, text: str | None, user_properties: UserProperties
) -> ConnectFailed:
    """`code` is the upstream's `mqtt.code`; one that does not suit the version means an unspecified error.

    Without any code the status decides. It is `None` where the upstream did not answer, or should have named a code.
    """
    if isinstance(code, int) and not isinstance(code, bool):
        if version == V5 and code in CONNACK and code >= Reason.UNSPECIFIED_ERROR:
            return refusal(version, Reason(code), text, user_properties)
        if version != V5 and ConnectReturn.ACCEPTED < code <= ConnectReturn.NOT_AUTHORIZED:
            return ConnectFailed(ConnAck(ConnectReturn(code)))
        return refusal(version, Reason.UNSPECIFIED_ERROR, text, user_properties)
    by_status = {
        400: Reason.BAD_USER_NAME_OR_PASSWORD,
        401: Reason.NOT_AUTHORIZED,
        403: Reason.NOT_AUTHORIZED,
    }
    return refusal(version, by_status.get(status or 500, Reason.UNSPECIFIED_ERROR), text, user_properties)
