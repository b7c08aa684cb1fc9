"""Who is there (for the console)."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from localpubsub.config import EVERY_HUB
from localpubsub.engine.hub import Connection, Hub
from localpubsub.engine.service import Service
from localpubsub.protocol.roles import Permission

CONNECTION_LIMIT = 1000
GROUP_LIMIT = 1000
HUB_LIMIT = 200
GROUPS_OF_CONNECTION = 50


def snapshot(service: Service) -> dict[str, Any]:
    """The hubs that are named or used, with 1,000 connections among them; `leftOut` counts the others."""
    named = (service.hub(name) for name in service.config.hubs if name != EVERY_HUB)
    hubs = list(dict.fromkeys((*named, *service.hubs)))
    room, shown = CONNECTION_LIMIT, []
    for hub in hubs[:HUB_LIMIT]:
        connections = [_connection(one) for one in islice(hub.connections.values(), room)]
        room -= len(connections)
        shown.append(_hub(service, hub, connections))
    return {"hubs": shown, "leftOut": sum(len(hub.connections) for hub in hubs) - (CONNECTION_LIMIT - room)}


def _hub(service: Service, hub: Hub, connections: list[dict[str, Any]]) -> dict[str, Any]:
    handlers = service.config.hub(hub.name).event_handlers
    return {
        "name": hub.name,
        "connections": connections,
        "leftOut": len(hub.connections) - len(connections),
        "groups": [
            {"name": name, "members": len(members)} for name, members in islice(hub.groups.items(), GROUP_LIMIT)
        ],
        "handlers": [
            {
                "url": one.url_template,
                "system": [*one.system_events, *one.group_presence_events.event_names],
                "user": one.user_event_pattern,
            }
            for one in handlers
        ],
    }


def _connection(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.id,
        "userId": connection.user_id,
        "subprotocol": connection.subprotocol,
        "groups": _some(connection.groups),
        "permissions": {one.value: connection.permissions.describe(one) for one in Permission},
        "since": int(connection.opened_at * 1000),
    }


def _some(groups: Iterable[str]) -> list[str]:
    """In one order: a set has none."""
    return sorted(groups)[:GROUPS_OF_CONNECTION]
