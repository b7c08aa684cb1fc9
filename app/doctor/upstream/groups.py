"""All checks of an upstream, in the order in which they are made."""

from app.doctor.upstream import (
    connect,
    headers,
    load,
    malformed,
    messages,
    mqtt,
    notifications,
    reach,
    retries,
    signature,
    state,
    validation,
)

GROUPS = (
    reach.group,
    validation.group,
    signature.group,
    connect.group,
    notifications.group,
    messages.group,
    headers.group,
    state.group,
    mqtt.group,
    retries.group,
    load.group,
    malformed.group,
)
