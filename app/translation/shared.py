"""One slow backend for many readers: asked once for each text and language, and never waited for too long."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from app.translation.backend import Backend, TranslationFailed, Unavailable, original
from app.translation.cache import Cache, Key
from app.translation.circuit import Circuit
from app.upstream.translation import Note, Translation

log = structlog.get_logger(__name__)


class Shared:
    """A `Backend` that raises nothing: what fails is the original, with the reason.

    A call that another one waits for already is shared, and so is what came of it. `concurrency` calls go on at a
    time; waiting for one's turn counts towards `seconds`.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        seconds: float = 3.0,
        concurrency: int = 16,
        cache: Cache | None = None,
        circuit: Circuit | None = None,
    ) -> None:
        self.name = backend.name
        self._backend = backend
        self._seconds = seconds
        self._slots = asyncio.Semaphore(concurrency)
        self._cache = cache if cache is not None else Cache()
        self._circuit = circuit or Circuit()
        self._running: dict[Key, asyncio.Task[Mapping[str, Translation]]] = {}

    @property
    def languages(self) -> Mapping[str, str]:
        return self._backend.languages

    async def open(self) -> None:
        await self._backend.open()

    async def close(self) -> None:
        tasks = set(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._backend.close()

    async def translate(self, text: str, source: str | None, to: Sequence[str]) -> Mapping[str, Translation]:
        results = {one: found for one in to if (found := self._cache.get((text, source, one)))}
        new = [one for one in to if one not in results and (text, source, one) not in self._running]
        if new:
            self._start(text, source, new)
        waiting = {one: self._running[text, source, one] for one in to if one not in results}
        if waiting:
            # A caller that goes away leaves the call to the others, and to the cache.
            await asyncio.wait(set(waiting.values()), timeout=self._seconds)
        for one, task in waiting.items():
            done = task.done() and not task.cancelled()
            results[one] = task.result()[one] if done else original(text, source, Note.TOOK_TOO_LONG)
        return results

    def _start(self, text: str, source: str | None, to: Sequence[str]) -> None:
        task = asyncio.create_task(self._ask(text, source, to))
        keys = [(text, source, one) for one in to]
        self._running.update(dict.fromkeys(keys, task))

        def forget(_: asyncio.Task[Mapping[str, Translation]]) -> None:
            for key in keys:
                del self._running[key]

        task.add_done_callback(forget)

    async def _ask(self, text: str, source: str | None, to: Sequence[str]) -> Mapping[str, Translation]:
        if not self._circuit.lets_through():
            return {one: original(text, source, Note.UNAVAILABLE) for one in to}
        note = Note.UNAVAILABLE
        try:
            async with asyncio.timeout(self._seconds), self._slots:
                found = await self._backend.translate(text, source, to)
            self._circuit.succeeded()
        except TimeoutError:
            self._circuit.failed()
            note = Note.TOOK_TOO_LONG
            log.warning("translator took too long", translator=self.name, seconds=self._seconds)
        except Unavailable as error:
            self._circuit.failed(error.retry_seconds)
            log.warning("translator is unavailable", translator=self.name, reason=str(error))
        except TranslationFailed as error:
            self._circuit.succeeded()
            note = error.note
        except Exception as error:  # noqa: BLE001 - a message goes out untranslated, whatever is wrong
            self._circuit.failed()
            # The text of an unforeseen error may quote the message.
            log.error("translator failed", translator=self.name, kind=type(error).__name__)  # noqa: TRY400
        else:
            for one, translation in found.items():
                if translation.is_translated:
                    self._cache.put((text, source, one), translation)
            return {one: found.get(one) or original(text, source, note) for one in to}
        return {one: original(text, source, note) for one in to}
