"""A real Redis in a directory of its own, behind a Unix socket: no port that somebody else could have."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 60


class RedisServer:
    """Keeps its data (AOF) from `stop` or `kill` to the next `start`, unless `lose_data` is called between."""

    def __init__(self) -> None:
        # Not pytest's directory: a Unix socket's path may have some hundred characters only.
        self._directory = Path(tempfile.mkdtemp(prefix="redis-"))
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._directory}/socket"

    def start(self) -> None:
        """Returns when it answers."""
        executable = shutil.which("redis-server")
        assert executable, "these tests need redis-server, which Debian has in a package of that name"
        options = {
            "port": "0",
            "unixsocket": f"{self._directory}/socket",
            "dir": str(self._directory),
            "appendonly": "yes",
            "save": "",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen([executable, *arguments], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready to accept connections" in line.lower():
                return
        raise RuntimeError(f"redis-server ended with {self._process.wait()}")

    def stop(self) -> None:
        """Writes everything to its disk first."""
        if self._process is None:
            return
        self._process.terminate()
        self._wait()

    def kill(self) -> None:
        """As a crash would."""
        assert self._process is not None
        self._process.kill()
        self._wait()

    def _wait(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.communicate(timeout=PATIENCE_SECONDS)

    def lose_data(self) -> None:
        assert self._process is None
        for path in self._directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._directory)


@contextmanager
def redis_of_its_own() -> Iterator[RedisServer]:
    """Started, and empty. It may be stopped inside; what it keeps ends with it."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
