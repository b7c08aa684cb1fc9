"""Translations of a while ago, bounded by their number and their size."""

from collections import OrderedDict

from app.upstream.translation import Translation

Key = tuple[str, str | None, str]
"""Text, source, target."""

ENTRY_BYTES = 400
"""About what an entry costs beside its characters."""


class Cache:
    """What was not asked for longest goes first."""

    def __init__(self, *, max_entries: int = 20_000, max_bytes: int = 16 * 1024 * 1024) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, Translation] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Translation | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: Key, translation: Translation) -> None:
        previous = self._entries.pop(key, None)
        if previous is not None:
            self.bytes -= _size(key, previous)
        self._entries[key] = translation
        self.bytes += _size(key, translation)
        while self._entries and (len(self._entries) > self._max_entries or self.bytes > self._max_bytes):
            oldest, dropped = self._entries.popitem(last=False)
            self.bytes -= _size(oldest, dropped)


def _size(key: Key, translation: Translation) -> int:
    return ENTRY_BYTES + len(key[0].encode()) + len(translation.text.encode())
