"""Who reads which language, and the groups their lines go to."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from app.upstream.roster import Change, Member, Roster
from app.upstream.service import ServiceClient
from app.upstream.storage import Storage

PEOPLE = "people"
"""Every client that takes part with JSON: it is told who comes, goes and changes language."""

_LINES = "lines."
_RAW = "raw."


def group_of(language: str, *, is_raw: bool = False) -> str:
    """Two groups for one language: a raw WebSocket client gets simpler lines."""
    return (_RAW if is_raw else _LINES) + language


def language_of(group: str) -> str:
    return group.partition(".")[2]


@dataclass(frozen=True)
class Audience:
    """Groups that have readers now, with the language of each, and everybody's names."""

    groups: Mapping[str, str]
    names: frozenset[str]

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.groups.values()))


class Readers:
    """Every call may raise `StorageError`."""

    def __init__(self, roster: Roster, storage: Storage) -> None:
        self._roster = roster
        self._storage = storage

    async def audience(self) -> Audience:
        crowds = await self._crowds()
        return Audience(
            {group: language_of(group) for group in crowds},
            frozenset(one.user_id for crowd in crowds.values() for one in crowd),
        )

    async def members(self) -> dict[str, list[str]]:
        """Everybody once, with the languages they read, both sorted."""
        languages: dict[str, set[str]] = {}
        for group, crowd in (await self._crowds()).items():
            for one in crowd:
                languages.setdefault(one.user_id, set()).add(language_of(group))
        return {name: sorted(languages[name]) for name in sorted(languages)}

    async def came(self, connection_id: str, user_id: str, group: str, *, at: float) -> list[Change]:
        change = await self._roster.joined(group, connection_id, user_id, at=at)
        return [] if change is None else [change]

    async def left(self, connection_id: str, group: str) -> list[Change]:
        change = await self._roster.left(group, connection_id)
        return [] if change is None else [change]

    async def gone(self, connection_id: str) -> list[Change]:
        return await self._roster.gone(connection_id)

    async def remember(self, user_id: str, language: str) -> None:
        await self._storage.write(_choice(user_id), {"language": language.encode()})

    async def last_choice(self, user_id: str) -> str | None:
        language = (await self._storage.rows(_choice(user_id))).get("language")
        return None if language is None else language.decode()

    def healed(self, service: ServiceClient) -> AsyncIterator[list[Change]]:
        """Goes on for ever: what events did not tell, or told wrongly."""
        return self._roster.healing(service)

    async def _crowds(self) -> dict[str, list[Member]]:
        groups = await self._roster.groups()
        crowds = await asyncio.gather(*map(self._roster.members, groups))
        return {group: crowd for group, crowd in zip(groups, crowds, strict=True) if crowd}


def _choice(user_id: str) -> str:
    return f"choice/{user_id}"
