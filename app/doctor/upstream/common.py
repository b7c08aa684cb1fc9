"""Problems that any event can meet."""

from app.doctor.verdicts import failure, not_examined

NO_ANSWER = failure(
    "no-answer",
    cause=(
        "The service waits, and tries a broken connection again after 1, 3 and 5 seconds, but not a timeout. "
        "Then a connecting client is refused with 500, and a user event has failed."
    ),
    mend=(
        "Look for a crash or a block in the upstream's log: a slow call inside the handler, a synchronous client in "
        "async code, a worker that was killed. Answer first, work afterwards; --timeout gives it longer."
    ),
)
REDIRECTED = failure(
    "redirected",
    cause=(
        "The service expects the answer itself. A followed redirect may arrive as a GET without a body, so the event "
        "is lost."
    ),
    mend=(
        "Write the URL into the hub's settings exactly as the upstream serves it (https, host, slash at the end), and "
        "turn off redirects from http to https and for slashes on this path."
    ),
)
SERVER_ERROR = failure(
    "server-error",
    cause=(
        "5xx and 408 ask the service to deliver again: it does after 1, 3 and 5 seconds, four times in all, while the "
        "client waits. The fourth failure is final."
    ),
    mend=(
        "Find the exception in the upstream's log. What the caller did wrong is a 4xx, which is final; keep 5xx for "
        "what is better in five seconds."
    ),
)

UNKNOWN_ORIGIN = not_examined(
    "unknown-origin",
    cause=(
        "The upstream takes events of services it knows, and the doctor made up a host. Nothing behind this can be "
        "examined."
    ),
    mend="Say which service the doctor plays: --connection-string, or --origin with the service's host.",
)

COMMON = (NO_ANSWER, REDIRECTED, SERVER_ERROR)
"""Every check that delivers events may find these."""
