"""Structured logs: one event, named fields, never a token, key, body or access URL."""

import atexit
import logging
import sys
from collections.abc import MutableMapping
from time import time
from traceback import format_exception
from typing import Any, TextIO

import structlog

from app.jsonlog import LineSink, json_logger, json_text, timestamp
from app.printable import printable

# The SDK and the HTTP clients describe every request at info; those lines hold URLs and say nothing new.
CHATTY = ("azure", "aiohttp.access", "uvicorn.access")
_LEVELS = logging.getLevelNamesMapping()


def configure_logging(level: str = "info", output: str = "auto") -> None:
    """Sets up structlog and sends the standard library's records the same way. `output`: json, console or auto."""
    console = output == "console" or (output == "auto" and sys.stderr.isatty())
    threshold = _LEVELS[level.upper()]
    if console:
        structlog.configure(
            processors=[structlog.processors.add_log_level, _stamp, *_console_renderers()],
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


def _console_renderers() -> list[Any]:
    return [_harmless, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]


def _harmless(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Texts; the renderer writes other values as Python would, which escapes by itself."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in fields.items()}


def _traceback(stream: TextIO, exc_info: Any) -> None:
    """Indented, so that no line of it passes for one of the log's.

    structlog's own prints local variables, and those hold bodies, claims and keys.
    """
    for line in "".join(format_exception(*exc_info)).rstrip().split("\n"):
        stream.write(f"\n  {printable(line)}")


def _stamp(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    fields["timestamp"] = timestamp(time())
    return fields


def _json_text(logger: Any, method: str, fields: MutableMapping[str, Any]) -> str:
    return json_text(structlog.processors.format_exc_info(logger, method, fields)).decode()


def _adopt_standard_library(threshold: int, *, console: bool) -> None:
    renderers = _console_renderers() if console else [_json_text]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, _stamp, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
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
