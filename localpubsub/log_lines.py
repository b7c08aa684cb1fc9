"""The log of the command, for a terminal."""

import logging


class LineFormatter(logging.Formatter):
    """What clients chose cannot forge a line or move the cursor: it is written out. Tracebacks are indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the standard library's name
        return _written_out(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802
        text = super().formatException(ei)  # type: ignore[arg-type]  # what the standard library hands over
        return "\n".join(f"  {_written_out(line)}" for line in text.split("\n"))


def _written_out(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
