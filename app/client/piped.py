"""Lines from standard input where it is a pipe, a file or nothing at all."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterable

CHUNK = 64 * 1024


async def piped_lines(descriptor: int = 0) -> AsyncIterator[str]:
    """A thread reads, for files are no pipes to an event loop. It is left behind where a read never ends."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    wanted = threading.Semaphore(0)

    def read() -> None:
        while True:
            wanted.acquire()
            chunk = _read(descriptor)
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop is closed: nobody wants it any more
                return
            if not chunk:
                return

    threading.Thread(target=read, daemon=True, name="standard input").start()
    rest = b""
    while True:
        wanted.release()
        chunk = await chunks.get()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="surrogateescape")
        if not chunk:
            if rest:
                yield rest.decode(errors="surrogateescape")
            return


def _read(descriptor: int) -> bytes:
    # Not through `sys.stdin`: its lock, held by a thread that is left behind, would break the interpreter's end.
    try:
        return os.read(descriptor, CHUNK)
    except OSError:
        return b""


async def given_lines(lines: Iterable[str]) -> AsyncIterator[str]:
    for line in lines:
        yield line
