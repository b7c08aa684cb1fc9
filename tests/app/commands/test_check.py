"""`webpubsub check` names every problem at once."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from typer.testing import CliRunner

from app.cli import cli
from app.commands.check import findings
from app.storage.sqlite_file import SqliteFile
from localpubsub.testing import LocalService, quick_config

STRING = "Endpoint=https://contoso.webpubsub.azure.com;AccessKey=a-key-of-thirty-two-bytes-or-more-00;Version=1.0;"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` of this folder, and a store that is thrown away."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUBS", "tests.app.reference_hub:ReferenceHub")


def run(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], *arguments: str
) -> tuple[int, dict[str, list[str]]]:
    """Exit code, and what was said by verdict."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli, ["check", "--json", *arguments])
    said: dict[str, list[str]] = {"good": [], "doubtful": [], "wrong": []}
    for line in result.output.splitlines():
        finding = json.loads(line)
        said[finding["verdict"]].append(f"{finding['subject']}: {finding['said']}")
    return result.exit_code, said


def test_every_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = run(
        monkeypatch,
        {
            "LOG_LEVEL": "loud",
            "NEGOTIATE_LIMIT": "often",
            "STORE": "ftp://x",
            "HUBS": "nowhere.at_all:Hub",
            "WEBHOOK_ALLOWED_NETWORKS": "everywhere",
            "WEBPUBSUB_CONNECTION_STRING": "Endpoint=https://a;AccessKey=top-secret-and-misspelt Version",
        },
    )

    text = "\n".join(said["wrong"])
    assert code == 1
    for name in ("LOG_LEVEL", "NEGOTIATE_LIMIT", "STORE", "HUBS", "WEBHOOK_ALLOWED_NETWORKS"):
        assert name in text
    assert "top-secret" not in text


def test_so_is_every_combination_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = run(
        monkeypatch,
        {"IDENTITY": "oidc", "WEBHOOK_ENTRA_TENANT": "t", "NEGOTIATE_MINUTES": "1440", "NEGOTIATE_MAX_MINUTES": "5"},
        "--offline",
    )

    text = "\n".join(said["wrong"])
    assert code == 1
    assert all(part in text for part in ("IDENTITY=oidc", "WEBHOOK_ENTRA_TENANT and", "NEGOTIATE_MINUTES exceeds"))


def test_a_policy_that_cannot_be_read_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"WEBPUBSUB_CONNECTION_STRING": STRING, "POLICY": "nothing.toml"}

    code, said = run(monkeypatch, environment, "--offline")

    reason = "nothing.toml cannot be read: No such file or directory; mend the file, or its path"
    assert (code, said["wrong"]) == (1, [f"policy: POLICY: {reason}"])


def test_so_is_a_hub_that_raises_only_with_the_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "WEBPUBSUB_CONNECTION_STRING": STRING,
        "HUBS": "tests.app.commands.hubs_with_mistakes:DemonstrationHub",
        "IDENTITY": "app-service",
    }

    code, said = run(monkeypatch, environment, "--offline")

    reason = "the app cannot be built, it raises LookupError: only where everybody is who they say"
    assert (code, said["wrong"]) == (1, [f"settings: {reason}"])


def test_what_starts_may_still_be_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"WEBPUBSUB_CONNECTION_STRING": STRING, "STORE": "memory://", "DEVELOPMENT": "true"}

    code, said = run(monkeypatch, environment, "--offline")

    assert (code, said["wrong"]) == (0, [])
    assert [one.partition(":")[0] for one in said["doubtful"]] == ["events", "negotiate", "development", "store"]


def test_a_configuration_for_real_users_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"WEBPUBSUB_CONNECTION_STRING": STRING, "WEBHOOK_CODE": "hush", "IDENTITY": "app-service"}

    assert run(monkeypatch, environment, "--offline")[1]["doubtful"] == []


async def test_the_service_is_asked_whether_it_takes_the_key(
    monkeypatch: pytest.MonkeyPatch, localpubsub: LocalService
) -> None:
    monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", localpubsub.connection_string)
    good = {finding.subject: finding async for finding in findings()}
    wrong_key = localpubsub.connection_string.replace("AccessKey=", "AccessKey=another-")
    monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", wrong_key)
    refused = {finding.subject: finding async for finding in findings()}

    assert (good["service"].verdict, good["store"].verdict, good["translator"].verdict) == ("good", "good", "good")
    assert (refused["service"].verdict, "401" in refused["service"].said) == ("wrong", True)
    assert "another-" not in refused["service"].said


async def test_a_store_in_use_is_not_looked_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(
        "WEBPUBSUB_CONNECTION_STRING", STRING.replace("https://contoso.webpubsub.azure.com", "http://127.0.0.1:9")
    )
    file = SqliteFile(tmp_path / "data" / "upstream.db")
    await file.open()
    try:
        said = {finding.subject: finding.verdict async for finding in findings()}
    finally:
        await file.close()

    assert (said["store"], said["service"]) == ("doubtful", "wrong")


async def test_an_issuer_that_publishes_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"IDENTITY": "oidc", "IDENTITY_ISSUER": "http://127.0.0.1:9/tenant", "IDENTITY_AUDIENCE": "me"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    said = {finding.subject: finding async for finding in findings()}

    assert said["issuer"].verdict == "wrong"


@pytest.mark.parametrize("published", [b"{}", b"[]", b'{"jwks_uri": "nowhere"}', b"<html>"])
async def test_an_issuer_that_publishes_something_else_is_wrong(
    monkeypatch: pytest.MonkeyPatch, published: bytes
) -> None:
    async def publish(request: web.Request) -> web.Response:
        return web.Response(body=published, content_type="application/json")

    async with TestServer(application(publish)) as server:
        environment = {"IDENTITY": "oidc", "IDENTITY_ISSUER": str(server.make_url("/")), "IDENTITY_AUDIENCE": "me"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        said = {finding.subject: finding async for finding in findings()}

    assert said["issuer"].verdict == "wrong"
    assert said["issuer"].said.startswith("IDENTITY_ISSUER: no answer that could be used")


def application(publish: Handler) -> web.Application:
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", publish)
    return app


def test_what_only_shows_when_everything_is_built_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"WEBPUBSUB_CONNECTION_STRING": STRING, "STORE": "redis://127.0.0.1:9/0?socket_timeout=soon"}

    code, said = run(monkeypatch, environment, "--offline")

    assert (code, len(said["wrong"])) == (1, 1)
    assert "socket_timeout" in said["wrong"][0]


def test_an_env_file_that_is_no_text_hides_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_bytes(b"LOG_FORMAT=\xff")

    code, said = run(monkeypatch, {"LOG_LEVEL": "loud"}, "--offline")

    assert code == 1
    assert said["wrong"][0].startswith("settings: .env is not UTF-8")
    assert "LOG_LEVEL" in said["wrong"][1]


def test_a_setting_of_the_env_file_is_named_as_one_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("LOG_LEVEL=loud\nIDENTITY=everybody\n")

    code, said = run(monkeypatch, {"IDENTITY": "query", "WEBPUBSUB_CONNECTION_STRING": STRING}, "--offline")

    assert (code, len(said["wrong"])) == (1, 1)
    assert said["wrong"][0].startswith("settings: LOG_LEVEL: must be")


def test_telemetry_that_goes_nowhere_is_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"WEBPUBSUB_CONNECTION_STRING": STRING, "TELEMETRY": "true"}

    assert "telemetry" in " ".join(run(monkeypatch, environment, "--offline")[1]["doubtful"])
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    assert "telemetry" not in " ".join(run(monkeypatch, environment, "--offline")[1]["doubtful"])


def test_an_option_that_is_none_is_another_exit_code() -> None:
    assert CliRunner().invoke(cli, ["check", "--ofline"]).exit_code == 2


def test_a_file_of_keys_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{STRING}\n{STRING.replace('-00', '-01')}\n")

    code, said = run(monkeypatch, {"WEBPUBSUB_CONNECTION_STRING_FILE": str(file)}, "--offline")

    assert code == 0
    assert any(one.startswith(f"keys: 2 connection strings in {file}") for one in said["good"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read: No such file"), ("", "holds no connection string"), (STRING[:50], "key=value pairs")],
)
def test_a_file_of_keys_that_cannot_be_used_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content)

    code, said = run(monkeypatch, {"WEBPUBSUB_CONNECTION_STRING_FILE": str(file)}, "--offline")

    assert (code, len(said["wrong"])) == (1, 1)
    assert "WEBPUBSUB_CONNECTION_STRING_FILE" in said["wrong"][0]
    assert reason in said["wrong"][0]


def test_a_file_of_keys_and_a_key_are_too_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(STRING)
    both = {"WEBPUBSUB_CONNECTION_STRING_FILE": str(tmp_path / "keys"), "WEBPUBSUB_CONNECTION_STRING": STRING}

    assert "set one of them" in run(monkeypatch, both, "--offline")[1]["wrong"][0]


async def test_the_other_key_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [letter * 44 for letter in "ABC"]
    async with LocalService(quick_config(access_keys=keys[:2])) as service:
        strings = [f"Endpoint={service.endpoint};AccessKey={key}" for key in keys]
        monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", strings[0])
        monkeypatch.setenv("WEBPUBSUB_MORE_CONNECTION_STRINGS", f"{strings[1]},{strings[2]},{STRING}")
        said = [(finding.verdict, finding.said) async for finding in findings() if finding.subject == "other key"]

    assert [(verdict, text.split(",")[0]) for verdict, text in said] == [
        ("good", "WEBPUBSUB_MORE_CONNECTION_STRINGS: is accepted too"),
        ("doubtful", "WEBPUBSUB_MORE_CONNECTION_STRINGS: is refused: right in the middle of a rotation"),
    ]
