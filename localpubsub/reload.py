"""Settings that change while the service runs: the file is watched, and read again."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import Change, awatch

from localpubsub.config import ConfigError, ServiceConfig

log = logging.getLogger(__name__)

SETTLE_MILLISECONDS = 100
LOOK_SECONDS = 5.0


class ConfigWatch:
    """Create it before the file is read for the first time, so that no change is missed.

    The system tells of changes; where it cannot, as on some shared folders, a look every `look_seconds` finds them.
    `load` reads the settings anew and may raise `ConfigError`.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[], ServiceConfig],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._path = path
        self._load = load
        self._look_seconds = look_seconds
        self._seen = _content(path)

    async def run(self, apply: Callable[[ServiceConfig], Sequence[str]]) -> None:
        """Until it is cancelled. `apply` names what needs a restart."""
        async for _ in awatch(
            self._path.absolute().parent,
            watch_filter=self._is_ours,
            step=SETTLE_MILLISECONDS,
            rust_timeout=int(self._look_seconds * 1000),
            yield_on_timeout=True,
            recursive=False,
        ):
            content = await asyncio.to_thread(_content, self._path)
            if content != self._seen:
                self._seen = content
                await self._reload(apply)

    def _is_ours(self, _: Change, path: str) -> bool:
        return Path(path).name == self._path.name

    async def _reload(self, apply: Callable[[ServiceConfig], Sequence[str]]) -> None:
        try:
            config = await asyncio.to_thread(self._load)
        except ConfigError as error:
            log.error("%s. The settings of before stay in force.", error)  # noqa: TRY400 - it is the reader's mistake
            return
        waiting = apply(config)
        log.info("the settings of %s are in force", self._path)
        if waiting:
            log.warning("%s: changed, and needs a restart", ", ".join(waiting))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
