"""The local service with an upstream that records, for the official SDKs."""

from tests.localpubsub.conftest import service, session, upstream

__all__ = ["service", "session", "upstream"]
