"""Topics are groups, but for those that start with `$` (spec/service.md 7.2, 7.6)."""

from dataclasses import dataclass

from localpubsub.protocol import names
from localpubsub.protocol.mqtt.decoder import SHARED
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.protocol.mqtt.wire import is_legal

WILDCARDS = ("+", "#")
EVENTS = "$webpubsub/server/events/"
SERVER_MESSAGES = "$webpubsub/server/messages"
"""Where messages to a connection, a user or everybody arrive."""


@dataclass(frozen=True, slots=True)
class GroupTopic:
    group: str


@dataclass(frozen=True, slots=True)
class EventTopic:
    event: str


def is_topic(group: str) -> bool:
    """Whether a group can be the topic of a message. One that cannot may still have MQTT clients, put in by REST."""
    return not group.startswith("$") and not any(wildcard in group for wildcard in WILDCARDS) and is_legal(group)


def target(topic: str) -> GroupTopic | EventTopic | None:
    """What a PUBLISH to the topic is for; `None` where nobody may publish."""
    if topic.startswith(EVENTS):
        event = topic.removeprefix(EVENTS)
        return EventTopic(event) if names.is_event(event) else None
    return GroupTopic(topic) if is_topic(topic) and names.is_group(topic) else None


def filter_refusal(topic_filter: str) -> Reason | None:
    """Why nobody may subscribe to it."""
    if topic_filter.startswith(SHARED):
        return Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
    if any(wildcard in topic_filter for wildcard in WILDCARDS):
        return Reason.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
    if not is_topic(topic_filter) or not names.is_group(topic_filter):
        return Reason.TOPIC_FILTER_INVALID
    return None


def response_topic(event: str, *, succeeded: bool) -> str:
    return f"{EVENTS}{event}/{'succeeded' if succeeded else 'failed'}"
