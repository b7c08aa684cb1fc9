"""What the HTTP server has to say, in a line each."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


class _InOneLine(logging.Filter):
    """A client that does not speak HTTP is no fault of ours: its bytes and our stack stay out of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = "a request was not HTTP: %s", (type(error).__name__,)
            record.exc_info = record.exc_text = None
        return True


http_log = logging.getLogger("localpubsub.http")
http_log.addFilter(_InOneLine())
