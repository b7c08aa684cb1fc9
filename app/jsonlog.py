"""One JSON line per log event, rendered and written in batches.

A busy process writes a line for every webhook. Rendering and writing each one where it arises costs more than the
webhook; a batch of them is cheap. Errors are written at once and take along what waits.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import Any, BinaryIO

import structlog
from pydantic_core import PydanticSerializationError, to_json

FLUSH_SECONDS = 0.05
FLUSH_LINES = 256

_UNPRINTABLE = re.compile(rb"\xc2[\x80-\x9f]|\xe2(?:\x80[\x8b-\x8f\xa8-\xae]|\x81[\xa6-\xa9])")
"""In UTF-8: control characters, line separators, and what turns the direction of writing around."""


class LineSink:
    """Lines wait at most `FLUSH_SECONDS`; outside an event loop they do not wait at all. Values must not change."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[tuple[float, str, str, dict[str, Any]]] = []
        self._scheduled = False

    def write(self, level: str, event: str, fields: dict[str, Any], *, at_once: bool = False) -> None:
        self._lines.append((time(), level, event, fields))
        if at_once or len(self._lines) >= FLUSH_LINES:
            self.flush()
        elif not self._scheduled:
            try:
                asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_on_time)
                self._scheduled = True
            except RuntimeError:
                self.flush()

    def _flush_on_time(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            with suppress(ValueError, BrokenPipeError):  # the reader of the log is gone; the service is not
                self._stream.write(b"".join([render(*line) for line in lines]))
                self._stream.flush()


@lru_cache(maxsize=2)
def _second(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=64)
def _millisecond(stamp: int) -> str:
    """A batch has many lines of one."""
    return f"{_second(stamp // 1000)}.{stamp % 1000:03d}Z"


def timestamp(stamp: float) -> str:
    """ISO 8601 to the millisecond."""
    return _millisecond(int(stamp * 1000))


def render(stamp: float, level: str, event: str, fields: dict[str, Any]) -> bytes:
    return json_text({"timestamp": timestamp(stamp), "level": level, "event": event, **fields}) + b"\n"


def json_text(line: Mapping[str, Any]) -> bytes:
    """On one line, also where a terminal shows it: JSON itself escapes only the first of the control characters."""
    try:
        text = to_json(line, fallback=repr)
    except PydanticSerializationError:  # half a character, or a circle: a line must not take a batch along
        return to_json({_in_ascii(name): _in_ascii(value) for name, value in line.items()})
    if text.isascii() or _UNPRINTABLE.search(text) is None:
        return text
    return to_json(line, fallback=repr, ensure_ascii=True)


def _in_ascii(value: object) -> str:
    return value.encode("ascii", "backslashreplace").decode() if isinstance(value, str) else ascii(value)


class JsonLogger:
    """A structlog wrapper class without a processor chain."""

    def __init__(self, sink: LineSink, processors: Any = None, context: Any = None) -> None:
        self._sink = sink
        self._processors = processors
        self._context: dict[str, Any] = dict(context or {})

    def bind(self, **fields: Any) -> "JsonLogger":
        return type(self)(self._sink, self._processors, {**self._context, **fields}) if fields else self

    def debug(self, event: str, **fields: Any) -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write("error", event, fields, at_once=True)

    def exception(self, event: str, **fields: Any) -> None:
        self._write("error", event, {"exc_info": True, **fields}, at_once=True)

    def _write(self, level: str, event: str, fields: dict[str, Any], *, at_once: bool = False) -> None:
        if self._context:
            fields = {**self._context, **fields}
        if "exc_info" in fields:
            fields = dict(structlog.processors.format_exc_info(None, level, fields))
        self._sink.write(level, event, fields, at_once=at_once)


def _silent(_self: JsonLogger, _event: str, **_fields: Any) -> None:
    """A level below the threshold."""


def json_logger(silent_levels: list[str]) -> Any:
    """The wrapper class for structlog's configuration; the named levels do nothing."""
    return type("JsonLogger", (JsonLogger,), dict.fromkeys(silent_levels, _silent))
