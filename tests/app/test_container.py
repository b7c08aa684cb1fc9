"""The Dockerfile without an engine: linted, and each of its steps done as far as one machine can do them."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
CONNECTION_STRING = "Endpoint=http://localhost:8081;AccessKey=a-key;Version=1.0;"


def stage(name: str) -> str:
    """The instructions of one build stage."""
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, f"there is no stage {name}"
    return found[1]


def instruction(text: str, name: str) -> list[str]:
    """The exec form of an instruction."""
    found = re.search(rf"^{name} (\[.*\])$", text, re.MULTILINE)
    assert found, f"{name} is not in exec form"
    arguments: list[str] = json.loads(found[1])
    return arguments


def copied(text: str) -> list[str]:
    """What the stage copies from this folder."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    return [source for line in lines for source in line.split()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the builder installs, from what it copies and from nothing else."""
    context = tmp_path_factory.mktemp("context")
    for source in copied(stage("builder")):
        target = context / source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--no-deps", "--target", str(site), "."], cwd=context, check=True, timeout=120
    )
    # This environment has the local service; the image has not.
    (site / "sitecustomize.py").write_text("import sys\nsys.modules['localpubsub'] = None\n")
    return site


@pytest.fixture
async def serving(installed: Path, tmp_path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The CMD of the image on a free port."""
    program, *arguments = instruction(stage("production"), "CMD")
    arguments = ["0" if argument == "8080" else argument for argument in arguments]
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(installed),
        "PYTHONUNBUFFERED": "1",
        "WEBPUBSUB_CONNECTION_STRING": CONNECTION_STRING,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(installed / "bin" / program), *arguments, cwd=tmp_path, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    printed: list[str] = []
    async with asyncio.timeout(30):
        while not (found := re.search(r"Upstream on http://0.0.0.0:(\d+)", "".join(printed))):
            printed.append((await process.stdout.readline()).decode())
            assert printed[-1], f"it stopped before it served: {printed}"
    yield process, found[1]
    if process.returncode is None:
        process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # asyncio leaves its pipes to the collector


async def healthy(port: str) -> bool:
    _, *arguments = instruction(stage("production"), "CMD")
    python, *check = [argument.replace("8080", port) for argument in _healthcheck()]
    assert (python, arguments[:1]) == ("python", ["serve"])
    process = await asyncio.create_subprocess_exec(
        sys.executable, *check, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


def _healthcheck() -> list[str]:
    found = re.search(r"HEALTHCHECK .*?CMD (\[.*?\])$", stage("production"), re.MULTILINE | re.DOTALL)
    assert found
    arguments: list[str] = json.loads(found[1])
    return arguments


def test_the_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")

    result = subprocess.run([linter, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert (result.returncode, result.stdout) == (0, "")


def test_requirements_are_installed_as_make_does_it() -> None:
    """The same command with the same file is what built the environment these tests run in."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert "install --require-hashes -r requirements.txt" in stage("builder")
    assert "install --require-hashes -r $(1)" in makefile
    assert "$(call install,requirements.txt)" in makefile


def test_everything_that_is_copied_exists_and_reaches_the_build() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    sources = {source for name in ("builder", "local-builder") for source in copied(stage(name))}

    assert all((ROOT / source).exists() for source in sources)
    assert sources <= kept


def test_the_production_image_is_last_holds_no_local_service_and_runs_as_nobody() -> None:
    assert re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE)[-1] == "production"
    assert "localpubsub" not in copied(stage("builder"))
    assert re.search(r"COPY --from=builder ", stage("production"))
    assert re.search(r"^USER 10001$", stage("runtime"), re.MULTILINE)


async def test_the_image_serves_is_healthy_and_stops_cleanly(
    installed: Path, serving: tuple[asyncio.subprocess.Process, str]
) -> None:
    process, port = serving

    assert not (installed / "localpubsub").exists()
    assert await healthy(port)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        assert process.stdout is not None
        log = (await process.stdout.read()).decode()
        assert await process.wait() == 0
    assert "Traceback" not in log
    assert not await healthy(port)


def test_what_needs_the_local_service_says_that_it_is_not_there(installed: Path, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
    for word in ("dev", "local"):
        result = subprocess.run(
            [sys.executable, installed / "bin" / "webpubsub", word],
            cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert result.returncode == 2
        assert "not part of this installation" in result.stderr


def test_compose_uses_stages_and_flags_that_exist() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]

    for service in services.values():
        assert stage(service["build"]["target"]) if "build" in service else ":" in service["image"]
    options = subprocess.run(
        [sys.executable, "-m", "localpubsub", "--help"], cwd=ROOT, capture_output=True, text=True, check=True,
        timeout=60, env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    ).stdout  # fmt: skip
    flags = [argument for argument in services["service"]["command"] if argument.startswith("--")]
    assert flags
    assert all(flag in options for flag in flags)
