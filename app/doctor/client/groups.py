"""All checks of a service, in the order in which they are made."""

from app.doctor.client import events, frames, handshake, recovery, tokens

GROUPS = (handshake.group, tokens.group, frames.group, events.group, recovery.group)
