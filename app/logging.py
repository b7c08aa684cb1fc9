"""Structured logs: one event, named fields, never a token, key, body or access URL."""

import atexit
import logging
import sys
from collections.abc import MutableMapping
from time import time
from typing import Any

import structlog
from pydantic_core import to_json

from app.jsonlog import LineSink, json_logger, timestamp

# The SDK and the HTTP clients describe every request at info; those lines hold URLs and say nothing new.
CHATTY = ("azure", "aiohttp.access", "uvicorn.access")
_LEVELS = logging.getLevelNamesMapping()


def configure_logging(level: str = "info", output: str = "auto") -> None:
    """Sets up structlog and sends the standard library's records the same way. `output`: json, console or auto."""
    console = output == "console" or (output == "auto" and sys.stderr.isatty())
    threshold = _LEVELS[level.upper()]
    if console:
        structlog.configure(
            processors=[structlog.processors.add_log_level, _stamp, _console_renderer()],
            wrapper_class=structlog.make_filtering_bound_logger(threshold),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
    else:
        sink = LineSink(sys.stderr.buffer)
        atexit.register(sink.flush)
        below = [name for name in ("debug", "info", "warning") if _LEVELS[name.upper()] < threshold]
        structlog.configure(
            wrapper_class=json_logger(below), logger_factory=lambda *_: sink, cache_logger_on_first_use=True
        )
    _adopt_standard_library(threshold, console=console)


def _console_renderer() -> Any:
    # The pretty traceback prints local variables, and those hold bodies, claims and keys.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)


def _stamp(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    fields["timestamp"] = timestamp(time())
    return fields


def _json_text(logger: Any, method: str, fields: MutableMapping[str, Any]) -> str:
    return to_json(structlog.processors.format_exc_info(logger, method, fields), fallback=repr).decode()


def _adopt_standard_library(threshold: int, *, console: bool) -> None:
    renderer = _console_renderer() if console else _json_text
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, _stamp, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
