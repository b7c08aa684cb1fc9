"""Which names are legal (spec/service.md 1.2, 2.4)."""

import re
from collections.abc import Mapping

GROUP_LIMIT = 1024
METADATA_KEY_LIMIT = 256
METADATA_VALUE_LIMIT = 1024
METADATA_TOTAL_LIMIT = 8192
MAX_TTL_SECONDS = 300

_HUB = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HALF = re.compile(r"[\ud800-\udfff]")


def is_hub(name: str) -> bool:
    return _HUB.fullmatch(name) is not None


def is_group(name: str) -> bool:
    """1 to 1024 UTF-16 code units, not all of them blank."""
    if not name.strip() or not is_whole(name):
        return False
    units = len(name) if name.isascii() else len(name.encode("utf-16-le")) // 2
    return units <= GROUP_LIMIT


def is_whole(text: object) -> bool:
    """Whether it is a text of whole characters: JSON can hold half a one, which nothing else can."""
    return isinstance(text, str) and (text.isascii() or _HALF.search(text) is None)


def is_event(name: str) -> bool:
    return _EVENT.fullmatch(name) is not None


def is_metadata(metadata: Mapping[str, str]) -> bool:
    total = 0
    for key, value in metadata.items():
        if not _TOKEN.fullmatch(key) or len(key) > METADATA_KEY_LIMIT:
            return False
        if not value.isascii() or len(value) > METADATA_VALUE_LIMIT or any(c in value for c in "\r\n\0"):
            return False
        total += len(key) + len(value)
    return total <= METADATA_TOTAL_LIMIT
