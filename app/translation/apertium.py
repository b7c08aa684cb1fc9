"""Apertium, where its programs are installed: rules and dictionaries on this machine, one process for each text.

`apertium -l` says which pairs there are. Where there is none from one language to another, two in a row will do.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.translation.backend import TranslationFailed, Unavailable, original
from app.translation.languages import NAMES
from app.upstream.translation import Note, Translation

MAX_PROCESSES = 4
MAX_OUTPUT_BYTES = 256 * 1024
LIST_SECONDS = 10.0

# Modes name languages by two or three letters.
_TWO_LETTERS = {
    "ara": "ar", "cat": "ca", "ces": "cs", "dan": "da", "deu": "de", "ell": "el", "eng": "en", "fin": "fi",
    "fra": "fr", "hin": "hi", "hun": "hu", "ind": "id", "ita": "it", "nld": "nl", "nob": "nb", "pol": "pl",
    "por": "pt", "ron": "ro", "rus": "ru", "spa": "es", "swe": "sv", "tur": "tr", "ukr": "uk", "zho": "zh",
}  # fmt: skip
_MODE = re.compile(r"([a-z]{2,3})-([a-z]{2,3})")

_UNKNOWN_WORD = re.compile(r"[*@#](?=\w)")
# Apertium marks words it does not know with these; people's own go through in disguise.
_DISGUISE = str.maketrans({"*": "\ue000", "@": "\ue001", "#": "\ue002", "\x00": " "})
_UNDISGUISE = str.maketrans({"\ue000": "*", "\ue001": "@", "\ue002": "#"})

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "APERTIUM_PATH", "APERTIUM_DATADIR")

Route = tuple[str, ...]
"""Modes, one after the other."""


@dataclass(frozen=True)
class Stage:
    """A text on its route, and whether every word was known so far."""

    text: str
    knows_all: bool


class Apertium:
    """A `Backend`."""

    name = "apertium"

    def __init__(self, program: str = "apertium") -> None:
        self._program = program
        self._routes: Mapping[tuple[str, str], Route] = {}
        self._slots = asyncio.Semaphore(MAX_PROCESSES)

    @property
    def languages(self) -> Mapping[str, str]:
        targets = {to for _, to in self._routes}
        return {code: name for code, name in NAMES.items() if code in targets}

    async def open(self) -> None:
        """Raises `Unavailable` where the program is missing, or has no pair of languages."""
        if shutil.which(self._program) is None:
            raise Unavailable(f"there is no program {self._program!r}; install apertium and some of its pairs")
        try:
            async with asyncio.timeout(LIST_SECONDS):
                modes = (await self._run("-l", text=b"")).decode(errors="replace").split()
        except TimeoutError as error:
            raise Unavailable(f"{self._program} -l did not answer") from error
        self._routes = routes(modes)
        if not self._routes:
            raise Unavailable(f"{self._program} -l names no pair of languages; install some, such as apertium-eng-spa")

    async def close(self) -> None: ...

    async def translate(self, text: str, source: str | None, to: Sequence[str]) -> Mapping[str, Translation]:
        wanted = {one: self._routes[source, one] for one in to if source and (source, one) in self._routes}
        reached: dict[Route, Stage] = {(): Stage(text.translate(_DISGUISE), knows_all=True)}
        for length in (1, 2):
            # A first step that two targets have in common is taken once.
            steps = {route[:length] for route in wanted.values() if len(route) >= length}
            reached.update(await self._take(steps, reached))
        found = {one: original(text, source, Note.UNKNOWN_LANGUAGE) for one in to}
        for one, route in wanted.items():
            note = Note.NONE if reached[route].knows_all else Note.PARTLY_UNKNOWN
            found[one] = Translation(reached[route].text.translate(_UNDISGUISE), one, is_translated=True, note=note)
        return found

    async def _take(self, steps: set[Route], reached: Mapping[Route, Stage]) -> dict[Route, Stage]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {step: group.create_task(self._step(step[-1], reached[step[:-1]])) for step in steps}
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return {step: task.result() for step, task in tasks.items()}

    async def _step(self, mode: str, before: Stage) -> Stage:
        output = await self._run(mode, text=before.text.encode(errors="replace"))
        text, unknown = _UNKNOWN_WORD.subn("", output.decode(errors="replace"))
        return Stage(text, before.knows_all and not unknown)

    async def _run(self, *arguments: str, text: bytes) -> bytes:
        """Killed with all it started where it is not waited for to the end."""
        async with self._slots:
            starting = asyncio.create_task(self._start(*arguments))
            try:
                process = await asyncio.shield(starting)
                output = await _exchange(process, text)
                code = await process.wait()
            except OSError as error:
                raise Unavailable(f"{self._program} does not start: {error.strerror}") from error
            finally:
                await _end(starting)
        if code != 0:
            raise Unavailable(f"{self._program} ended with status {code}")
        return output

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            self._program,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            # Keys and connection strings of ours are none of its business.
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )


async def _end(starting: asyncio.Task[asyncio.subprocess.Process]) -> None:
    # A start that is cancelled half way would leave the children of the process behind.
    await asyncio.wait([starting])
    if starting.exception() is not None:
        return
    process = starting.result()
    if process.returncode is None or (process.stdout is not None and not process.stdout.at_eof()):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # A reader that is full has stopped reading, and never hears of the end that `wait` waits for.
    while process.stdout is not None and await process.stdout.read(MAX_OUTPUT_BYTES):
        pass
    await process.wait()


async def _exchange(process: asyncio.subprocess.Process, text: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process needs pipes")
    with contextlib.suppress(ConnectionError):
        process.stdin.write(text)
        process.stdin.close()
    output = b""
    while part := await process.stdout.read(MAX_OUTPUT_BYTES):
        output += part
        if len(output) > MAX_OUTPUT_BYTES:
            raise TranslationFailed("the translation is too long")
    return output


def routes(modes: Sequence[str]) -> dict[tuple[str, str], Route]:
    """The shortest way from each language to each other, over one language in between at the most."""
    direct: dict[tuple[str, str], str] = {}
    for mode in modes:
        if (named := _MODE.fullmatch(mode)) is not None:
            source, to = (_TWO_LETTERS.get(code, code) for code in named.groups())
            if source in NAMES and to in NAMES and source != to:
                direct.setdefault((source, to), mode)
    found: dict[tuple[str, str], Route] = {pair: (mode,) for pair, mode in direct.items()}
    for (source, middle), first in sorted(direct.items()):
        for (start, to), second in sorted(direct.items()):
            if start == middle and to != source:
                found.setdefault((source, to), (first, second))
    return found
