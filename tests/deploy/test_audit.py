"""CI fails on a dependency with a known vulnerability, and says so where nobody can be asked."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
PIP_AUDIT = Path(sys.executable).with_name("pip-audit")
OLD_RELEASE = "jinja2"
"""Every database knows it."""

NOT_REACHED = "audit: no vulnerability database could be reached, so nothing in requirements.txt was looked up\n"

Known = Callable[[str], int | list[str]]
"""The ids of the vulnerabilities of a package, or the status of an answer that fails."""


@contextmanager
def database(known: Known) -> Iterator[str]:
    """The URL of one that speaks as OSV does, on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
            found = known(package["name"])
            affected = {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "99"}]}]}
            ids = found if isinstance(found, list) else []
            vulns = [{"id": one, "summary": "a hole", "affected": [affected]} for one in ids]
            body = json.dumps({"vulns": vulns} if vulns else {}).encode()
            self.send_response(found if isinstance(found, int) else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


def audit(url: str, program: Path = PIP_AUDIT) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PIP_AUDIT_VULNERABILITY_SERVICE": "osv",
        "PIP_AUDIT_OSV_URL": url,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    command: list[str | Path] = [ROOT / ".ci" / "audit", program, "requirements.txt"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_without_a_known_vulnerability_it_passes_and_every_pin_was_looked_up() -> None:
    asked: list[str] = []

    def known(package: str) -> list[str]:
        asked.append(package)
        return ["OLD-1"] if package == OLD_RELEASE else []

    with database(known) as url:
        result = audit(url)

    pins = re.findall(r"^([a-z\d.-]+)(?:\[[^]]+])?==\S+ \\$", REQUIREMENTS, re.MULTILINE)
    assert (result.returncode, result.stderr.strip()) == (0, "No known vulnerabilities found")
    assert len(pins) > 50
    assert set(pins) <= set(asked)


def test_a_known_vulnerability_fails_it_by_name() -> None:
    holes = {OLD_RELEASE: ["OLD-1"], "aiohttp": ["PYSEC-2031-7"]}

    with database(lambda package: holes.get(package, [])) as url:
        result = audit(url)

    assert result.returncode == 1
    assert re.search(r"^aiohttp +[\d.]+ +PYSEC-2031-7 +99$", result.stdout, re.MULTILINE)


def test_a_database_that_fails_in_the_middle_fails_it() -> None:
    with database(lambda package: ["OLD-1"] if package == OLD_RELEASE else 500) as url:
        assert audit(url).returncode == 1


@pytest.mark.parametrize(("program", "status"), [("nowhere", 127), ("pytest", 4)])
def test_a_program_that_cannot_look_anything_up_fails_it(program: str, status: int) -> None:
    assert audit("http://127.0.0.1:9", PIP_AUDIT.with_name(program)).returncode == status


@pytest.mark.parametrize("answer", [[], 404, 503], ids=["knows nothing", "is none", "is down"])
def test_what_knows_no_old_vulnerability_is_no_database(answer: int | list[str]) -> None:
    with database(lambda _: answer) as url:
        result = audit(url)

    assert (result.returncode, result.stdout) == (0, NOT_REACHED)


def test_where_none_can_be_reached_it_says_so_and_passes() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        result = audit(f"http://127.0.0.1:{closed.getsockname()[1]}/v1/query")

    assert (result.returncode, result.stdout, result.stderr) == (0, NOT_REACHED, "")


def test_ci_runs_it_on_what_the_image_installs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert re.search(r"^audit: .*\n\t\.ci/audit \$\(BIN\)/pip-audit requirements\.txt$", makefile, re.MULTILINE)
    assert "\nmake audit\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
