"""Packets for property tests: every type, every property, both versions."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt import reasons
from localpubsub.protocol.mqtt.packets import V3, V5, Packet
from localpubsub.protocol.mqtt.properties import ALLOWED, NONE, Properties

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
TOPIC = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1, max_size=20)
DATA = st.binary(max_size=40)
PACKET_ID = st.integers(1, 0xFFFF)
FLAG = st.integers(0, 1)
TWO = st.integers(0, 0xFFFF)
FOUR = st.integers(0, 0xFFFF_FFFF)
IDENTIFIER = st.integers(1, 0x0FFF_FFFF)

VALUES: dict[str, SearchStrategy[Any]] = {
    "payload_format": FLAG,
    "message_expiry": FOUR,
    "content_type": TEXT,
    "response_topic": TOPIC,
    "correlation_data": DATA,
    "subscription_identifiers": st.lists(IDENTIFIER, min_size=1, max_size=3).map(tuple),
    "session_expiry": FOUR,
    "assigned_client_id": TEXT,
    "server_keep_alive": TWO,
    "authentication_method": TEXT,
    "authentication_data": DATA,
    "request_problem_information": FLAG,
    "will_delay": FOUR,
    "request_response_information": FLAG,
    "response_information": TEXT,
    "server_reference": TEXT,
    "reason_string": TEXT,
    "receive_maximum": st.integers(1, 0xFFFF),
    "topic_alias_maximum": TWO,
    "topic_alias": TWO,
    "maximum_qos": FLAG,
    "retain_available": FLAG,
    "user_properties": st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4).map(tuple),
    "maximum_packet_size": st.integers(1, 0xFFFF_FFFF),
    "wildcard_subscription_available": FLAG,
    "subscription_identifier_available": FLAG,
    "shared_subscription_available": FLAG,
}


@st.composite
def properties(draw: st.DrawFn, place: str, version: int) -> Properties:
    if version == V3:
        return NONE
    names = draw(st.sets(st.sampled_from(sorted(ALLOWED[place]))))
    if "authentication_data" in names:
        names.add("authentication_method")
    values = {name: draw(VALUES[name]) for name in sorted(names)}
    if place == "subscribe":
        values["subscription_identifiers"] = values.get("subscription_identifiers", ())[:1]
    return Properties(**values)


@st.composite
def connects(draw: st.DrawFn, version: int) -> p.Connect:
    qos = st.integers(0, 2)
    will = st.builds(p.Will, TEXT, DATA, qos, st.booleans(), properties("will", version))
    username = draw(st.none() | TEXT)
    password = draw(st.none() | DATA) if version == V5 or username is not None else None
    return p.Connect(
        draw(TEXT), version, draw(st.booleans()), draw(TWO), draw(st.none() | will), username, password,
        draw(properties("connect", version)),
    )  # fmt: skip


@st.composite
def publishes(draw: st.DrawFn, version: int) -> p.Publish:
    qos = draw(st.integers(0, 2))
    own = draw(properties("publish", version))
    topic = draw(TOPIC if own.topic_alias is None else TOPIC | st.just(""))
    packet_id, dup = (draw(PACKET_ID), draw(st.booleans())) if qos else (0, False)
    return p.Publish(topic, draw(DATA), qos, packet_id, dup, draw(st.booleans()), own)


@st.composite
def connacks(draw: st.DrawFn, version: int) -> p.ConnAck:
    code = int(draw(st.sampled_from(sorted(reasons.CONNACK) if version == V5 else sorted(reasons.ConnectReturn))))
    return p.ConnAck(code, not code and draw(st.booleans()), draw(properties("connack", version)))


@st.composite
def subscriptions(draw: st.DrawFn, version: int) -> p.Subscription:
    one = p.Subscription(draw(TEXT), draw(st.integers(0, 2)))
    if version == V3:
        return one
    shared = one.topic_filter.startswith("$share/")
    return replace(
        one,
        no_local=not shared and draw(st.booleans()),
        retain_as_published=draw(st.booleans()),
        retain_handling=draw(st.integers(0, 2)),
    )


def code_of(allowed: frozenset[reasons.Reason], version: int) -> SearchStrategy[reasons.Reason]:
    return st.sampled_from(sorted(allowed)) if version == V5 else st.just(reasons.Reason.SUCCESS)


def packets(version: int) -> SearchStrategy[Packet]:
    """Every packet but CONNECT."""
    codes = {0, 1, 2, 0x80}
    subacks = reasons.SUBACK if version == V5 else frozenset(one for one in reasons.SUBACK if one in codes)
    unsubacks = st.lists(code_of(reasons.UNSUBACK, version), max_size=3) if version == V5 else st.just([])
    filters = st.lists(TEXT, min_size=1, max_size=3).map(tuple)
    wanted = st.lists(subscriptions(version), min_size=1, max_size=3).map(tuple)

    def own(place: str) -> SearchStrategy[Properties]:
        return properties(place, version)

    acknowledgements: list[SearchStrategy[Packet]] = [
        st.builds(kind, PACKET_ID, code_of(allowed, version), own(kind.__name__.lower()))
        for kind, allowed in (
            (p.PubAck, reasons.PUBACK),
            (p.PubRec, reasons.PUBREC),
            (p.PubRel, reasons.PUBREL),
            (p.PubComp, reasons.PUBCOMP),
        )
    ]
    every: list[SearchStrategy[Packet]] = [
        connacks(version),
        publishes(version),
        *acknowledgements,
        st.builds(p.Subscribe, PACKET_ID, wanted, own("subscribe")),
        st.builds(
            p.SubAck, PACKET_ID, st.lists(st.sampled_from(sorted(subacks)), max_size=3).map(tuple), own("suback")
        ),
        st.builds(p.Unsubscribe, PACKET_ID, filters, own("unsubscribe")),
        st.builds(p.UnsubAck, PACKET_ID, unsubacks.map(tuple), own("unsuback")),
        st.just(p.PingReq()),
        st.just(p.PingResp()),
        st.builds(p.Disconnect, code_of(reasons.DISCONNECT, version), own("disconnect")),
    ]
    if version == V5:
        every.append(st.builds(p.Auth, code_of(reasons.AUTH, version), own("auth")))
    return st.one_of(every)
