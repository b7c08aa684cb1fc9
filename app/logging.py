"""Structured logs: one event, named fields, never a token, key, body or access URL."""

import io
import logging
import sys
from typing import Any

import structlog
from pydantic_core import to_json


def configure_logging(level: str = "info", output: str = "auto") -> None:
    """Sets up structlog and sends the standard library's records the same way. `output`: json, console or auto."""
    console = output == "console" or (output == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    render: list[Any] = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    factory: Any = structlog.PrintLoggerFactory(sys.stderr)
    if not console:
        render = [structlog.processors.format_exc_info, _json_line]
        factory = structlog.BytesLoggerFactory(_stderr_bytes())
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    _adopt_standard_library(shared, console=console, threshold=threshold)


def _stderr_bytes() -> Any:
    return getattr(sys.stderr, "buffer", None) or io.BufferedWriter(io.FileIO(2, "wb", closefd=False))


def _json_line(_logger: Any, _method: str, fields: dict[str, Any]) -> bytes:
    """A line per event; control characters are escaped, so no value can forge a second line."""
    return to_json(fields, fallback=repr)


def _adopt_standard_library(shared: list[Any], *, console: bool, threshold: int) -> None:
    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if console else _json_text
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    # The SDK and the HTTP client describe every request at info; those lines hold URLs and say nothing new.
    for name in ("azure", "aiohttp.access", "uvicorn.access"):
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True


def _json_text(logger: Any, method: str, fields: dict[str, Any]) -> str:
    return _json_line(logger, method, dict(structlog.processors.format_exc_info(logger, method, fields))).decode()
