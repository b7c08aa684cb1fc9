"""`webpubsub doctor` as people type it, and what it says about the official library for upstreams."""

import asyncio
import json
import os
import pty
import sys
from pathlib import Path
from typing import Any

from app.doctor.examination import examine
from app.doctor.upstream.groups import GROUPS
from app.doctor.verdicts import Grade
from localpubsub.testing import LocalService, quick_config
from tests.app.doctor.defects_at_the_door import ChecksNothing
from tests.app.doctor.sound_upstream import KEY, ORIGIN, SoundUpstream, serving, visiting
from tests.e2e.node_programs import running
from tests.e2e.test_commands import environment

CONNECTION_STRING = f"Endpoint=https://{ORIGIN};AccessKey={KEY};Version=1.0;"


async def doctor(*arguments: str, folder: Path, **env: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from app.cli import main; main()", "doctor", *arguments,
        cwd=folder, env=environment(**env), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_a_healthy_upstream_is_status_0_and_the_report_is_plain_where_it_is_piped(tmp_path: Path) -> None:
    async with serving(SoundUpstream()) as url:
        status, output, errors = await doctor(
            f"{url}?code=s3cr3t", "--hub", "chat", "--connection-string", CONNECTION_STRING, folder=tmp_path
        )

    assert (status, errors) == (0, "")
    assert "\x1b" not in output
    assert "pass     signature.checked: " in output
    assert "Healthy: " in output
    assert not any(secret in output for secret in (KEY, "s3cr3t"))


async def test_a_sick_upstream_is_status_1_with_cause_and_mend(tmp_path: Path) -> None:
    async with serving(ChecksNothing()) as url:
        status, output, _ = await doctor(
            url, "--hub", "chat", "--access-key", KEY, "--origin", ORIGIN, "--only", "signature", folder=tmp_path
        )

    assert status == 1
    lines = output.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("fail     signature.checked: "))
    assert lines[at + 1].strip().startswith("cause: ")
    assert lines[at + 2].strip().startswith("mend: ")
    assert lines[at + 3].strip().startswith("sent: POST ")
    assert lines[at + 4].strip().startswith("came: ")
    assert not any(line.startswith("pass     messages.") for line in lines)
    assert KEY not in output


async def test_programs_get_the_report_as_one_json_object(tmp_path: Path) -> None:
    async with serving(ChecksNothing()) as url:
        status, output, _ = await doctor(
            url, "--hub", "chat", "--json", "--event", "message", "--event", "order", folder=tmp_path,
            WEBPUBSUB_CONNECTION_STRING=CONNECTION_STRING,
        )  # fmt: skip

    report: dict[str, Any] = json.loads(output)
    assert status == 1
    assert report["outcome"] == "not healthy"
    assert report["counts"]["fail"] == 1
    (found,) = [one for one in report["findings"] if one["grade"] == "fail"]
    assert (found["check"], found["problem"]) == ("signature.checked", "unchecked")
    assert any("message, order" in sentence for sentence in report["plan"])
    assert KEY not in output


async def test_what_could_not_be_examined_is_no_status_0(tmp_path: Path) -> None:
    async with serving(SoundUpstream()) as url:
        status, output, _ = await doctor(url, "--hub", "chat", "--origin", ORIGIN, folder=tmp_path)

    assert status == 2
    assert "skipped  signature.right: " in output
    assert "Not examined: " in output


async def test_in_a_terminal_it_has_colours(tmp_path: Path) -> None:
    outside, inside = pty.openpty()
    try:
        async with serving(SoundUpstream()) as url:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "from app.cli import main; main()",
                "doctor", url, "--hub", "chat", "--only", "reach", cwd=tmp_path,
                env=environment(TERM="xterm-256color"), stdin=asyncio.subprocess.DEVNULL, stdout=inside, stderr=inside,
            )  # fmt: skip
            async with asyncio.timeout(60):
                assert await process.wait() == 0
        output = os.read(outside, 65536).decode()
    finally:
        os.close(inside)
        os.close(outside)

    assert "\x1b[" in output
    assert "✓" in output


async def test_wrong_usage_is_status_2_and_one_sentence(tmp_path: Path) -> None:
    status, output, errors = await doctor("ftp://localhost/", folder=tmp_path)

    assert (status, output) == (2, "")
    assert errors == "webpubsub: the URL must be http://host/path or https://host/path\n"


async def test_a_service_is_visited_as_a_client(tmp_path: Path) -> None:
    async with serving(SoundUpstream()) as url, LocalService(quick_config()) as service:
        service.handle(url, system_events=())
        answer = service.connection_string
        status, output, _ = await doctor("--client", answer, "--hub", "chat", folder=tmp_path)

    assert status == 1, output
    assert "fail     events.handled: message: InternalServerError" in output
    assert "pass     recovery.resume: " in output


async def test_of_the_official_library_for_upstreams_it_knows_the_weak_points() -> None:
    async with running("express_upstream.cjs") as program:
        port = (await program.hear())["port"]
        async with visiting(f"http://127.0.0.1:{port}/eventhandler") as visit:
            findings = {one.check: one for one in await examine(GROUPS, visit, visit)}

    worse = {name: one.problem for name, one in findings.items() if one.grade in (Grade.FAIL, Grade.WARNING)}
    assert worse["signature.checked"] == "unchecked"
    assert worse["malformed.connect"] == "server-error"
    assert worse["malformed.leaks"] == "stack-trace"
    assert worse["messages.protobuf"] == "no-protobuf"
    assert findings["validation.allowed"].grade is Grade.PASS
    assert findings["state.round-trip"].grade is Grade.PASS
    assert findings["mqtt.connect-5"].grade is Grade.PASS
    assert findings["notifications.presence"].grade is Grade.PASS
