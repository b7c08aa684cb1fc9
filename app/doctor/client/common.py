"""Problems that any conversation with a service can meet."""

from app.doctor.verdicts import failure

NO_FRAME = failure(
    "no-frame",
    cause="A frame that the service owes did not come in time; clients wait for it and then give up.",
    mend="Look at the service's live trace or log for this connection; --timeout gives it longer.",
)
CLOSED = failure(
    "closed",
    cause="The service ended, or refused, a connection that had done nothing wrong.",
    mend="Read the close code: 1007 and 1008 complain about the client, 1011 about the event handler.",
)
NOT_A_FRAME = failure(
    "not-a-frame",
    cause="What came is not a JSON object, so clients cannot read it.",
    mend="See whether a proxy answers in place of the service.",
)

COMMON = (NO_FRAME, CLOSED, NOT_A_FRAME)
"""Every check that talks to the service may find these."""
