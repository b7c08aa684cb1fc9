"""The examples of docs/command-line.md, run in a shell."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from localpubsub.config import ServiceConfig
from localpubsub.server import LocalPubSub
from tests.e2e.client_command import SECONDS, service_variables
from tests.e2e.test_commands import environment

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def without_ids(text: str) -> str:
    return re.sub(r"\b[0-9a-f]{32}\b", "<id>", text)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[1])
async def test_an_example_is_true(block: str, tmp_path: Path) -> None:
    commands = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    expected = re.sub(r"^\$ .*\n", "", block, flags=re.MULTILINE)
    async with LocalPubSub(ServiceConfig(port=0)) as service:
        output = await shell("\n".join(commands), service, tmp_path)

    assert commands
    assert without_ids(output) == without_ids(expected)


async def shell(script: str, service: LocalPubSub, folder: Path) -> str:
    """What it prints, errors included, where it stands."""
    program = folder / "webpubsub"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from app.cli import main; main()" "$@"\n')
    program.chmod(0o755)
    env = environment(PATH=f"{folder}:/usr/bin:/bin", **service_variables(service))
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"exec 2>&1\n{script}", cwd=folder, env=env,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode()
