"""The service with an upstream that records."""

from tests.localpubsub.conftest import service, session, upstream

__all__ = ["service", "session", "upstream"]
