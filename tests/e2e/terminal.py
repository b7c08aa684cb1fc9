"""A terminal with a person in front of it: a pseudo-terminal, and a screen that obeys every control sequence."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pyte

from tests.e2e.test_commands import environment

COLUMNS, ROWS = 140, 24
TAB, ENTER, UP, CTRL_C, CTRL_D = "\t", "\r", "\x1b[A", "\x03", "\x04"


class _Screen(pyte.Screen):
    """Answers where the cursor is when a program asks."""

    answer: Callable[[str], None]

    def write_process_input(self, data: str) -> None:
        self.answer(data)


class Terminal:
    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._screen = _Screen(COLUMNS, ROWS)
        self._screen.answer = self.type
        self._stream = pyte.ByteStream(self._screen)
        self._changed = asyncio.Event()
        self.written = b""
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # Linux says so when the program is gone
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self.written += data
        self._stream.feed(data)
        self._changed.set()

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    @property
    def lines(self) -> list[str]:
        """What a person sees, without the empty rows below."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip().split("\n")

    @property
    def prompt(self) -> str:
        """The line the cursor is in."""
        return self._screen.display[self._screen.cursor.y].rstrip()

    @property
    def echoes(self) -> bool:
        """Whether it shows what is typed by itself, as it does for a shell."""
        return bool(termios.tcgetattr(self._descriptor)[3] & termios.ECHO)

    async def until(self, seen: Callable[["Terminal"], bool]) -> None:
        try:
            async with asyncio.timeout(30):
                while not seen(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError("never seen; the screen was\n" + "\n".join(self.lines)) from None

    async def shows(self, line: str) -> None:
        await self.until(lambda screen: line in screen.lines)

    async def asks(self, prompt: str) -> None:
        await self.until(lambda screen: screen.prompt == prompt)

    async def ends(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()


@asynccontextmanager
async def terminal(*arguments: str, folder: Path, **env: str) -> AsyncIterator[Terminal]:
    """The `webpubsub` command in a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from app.cli import main; main()", *arguments,
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
        env=environment(**{"TERM": "xterm-256color", "XDG_STATE_HOME": str(folder), "HOME": str(folder)} | env),
    )  # fmt: skip
    os.close(theirs)
    one = Terminal(process, ours)
    try:
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
