"""The azd template as far as it can be told without Azure: names fit together, and fit the program."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from app.commands.policy import hub_properties
from app.hubs.chat import ChatHub
from app.settings import Settings
from app.upstream.policy import Policy

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
MAIN, RESOURCES, HUBS = ((INFRA / f"{name}.bicep").read_text() for name in ("main", "resources", "hubs"))
AZURE = yaml.safe_load((ROOT / "azure.yaml").read_text())
HOOKS = sorted((INFRA / "hooks").glob("*.sh"))


def parameters(bicep: str) -> dict[str, bool]:
    """Name, and whether it has a default."""
    return {name: bool(default) for name, default in re.findall(r"^param (\w+) \w+( = .+)?$", bicep, re.MULTILINE)}


def outputs(bicep: str) -> set[str]:
    return set(re.findall(r"^output (\w+) ", bicep, re.MULTILINE))


@pytest.mark.parametrize("text", [MAIN, RESOURCES, HUBS], ids=["main", "resources", "hubs"])
def test_brackets_are_closed(text: str) -> None:
    """Comments and texts taken out, every bracket has its other half."""
    code = re.sub(r"//.*|'(?:[^'\\]|\\.)*'", "", re.sub(r"\$\{[^}]*\}", "", text))
    open_ones: list[str] = []
    for character in code:
        if character in "([{":
            open_ones.append(character)
        elif character in ")]}":
            assert open_ones
            assert open_ones.pop() + character in ("()", "[]", "{}")

    assert open_ones == []


def test_every_parameter_is_given() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    passed = re.search(r"module resources .*?params: \{(.*?)\n  \}", MAIN, re.DOTALL)
    assert passed

    assert set(given) == set(parameters(MAIN))
    assert set(re.findall(r"^\s+(\w+): ", passed[1], re.MULTILINE)) == set(parameters(RESOURCES))


def test_outputs_are_those_azd_and_the_hooks_read() -> None:
    [service] = AZURE["services"]
    used = {name for hook in HOOKS for name in re.findall(r"\$\{?([A-Z][A-Z_]+)", hook.read_text())}
    from_azd = {"AZURE_ENV_NAME", "WEBHOOK_AUDIENCE"}

    assert {"AZURE_CONTAINER_REGISTRY_ENDPOINT", f"SERVICE_{service.upper()}_NAME", "AZURE_RESOURCE_GROUP"} <= outputs(
        MAIN
    )
    assert used - from_azd <= outputs(MAIN)
    assert set(re.findall(r"resources\.outputs\.(\w+)", MAIN)) == outputs(RESOURCES)
    assert f"'azd-service-name': '{service}'" in RESOURCES


def test_the_app_is_told_what_it_understands() -> None:
    names = set(re.findall(r"\{ name: '([A-Z_]+)', (?:value|secretRef)", RESOURCES))

    assert names - {"AZURE_CLIENT_ID"} <= {name.upper() for name in Settings.model_fields}
    assert {"WEBPUBSUB_ENDPOINT", "WEBHOOK_ENTRA_TENANT", "WEBHOOK_ENTRA_AUDIENCE", "STORE"} <= names


def test_what_it_is_told_lets_it_start() -> None:
    settings = Settings(
        _env_file=None,
        webpubsub_endpoint="https://wps-x.webpubsub.azure.com",
        webhook_entra_tenant="11111111-2222-3333-4444-555555555555",
        webhook_entra_audience="22222222-0000-0000-0000-000000000000",
        webhook_entra_callers="33333333-0000-0000-0000-000000000000",
        translator="azure",
        translator_endpoint="https://tr-x.cognitiveservices.azure.com/",
        store="rediss://:key%2Bkey%3D@redis-x.redis.azure.net:10000/0",
    )

    assert settings.can_verify_events


def test_nothing_has_a_key_that_could_do_without() -> None:
    assert RESOURCES.count("disableLocalAuth: true") == 2
    assert "adminUserEnabled: false" in RESOURCES
    assert "webPubSub.listKeys" not in RESOURCES


def test_hub_settings_are_what_the_code_declares() -> None:
    declared = json.loads((INFRA / "hubs.json").read_text())
    everything = Policy.model_validate({"rule": [{"name": "all", "events": ["*"]}]})

    assert declared == {ChatHub.name: hub_properties(everything, ChatHub.name, "https://upstream.example")}
    for member in ("anonymousConnectPolicy", "urlTemplate", "userEventPattern", "systemEvents"):
        assert f"{member}:" in HUBS
    given = re.findall(r"(\w+)=", (INFRA / "hooks" / "hubs.sh").read_text().partition("--parameters")[2])
    assert set(given) == set(parameters(HUBS))


def test_the_hooks_are_there_and_are_shell() -> None:
    named = [hook["run"] for hook in AZURE["hooks"].values()]

    assert sorted(named) == [str(hook.relative_to(ROOT)) for hook in HOOKS]
    for hook in HOOKS:
        assert os.access(hook, os.X_OK)
        subprocess.run(["/bin/sh", "-n", hook], check=True, timeout=10)


def test_the_app_is_deployed_before_the_service_is_told_of_it() -> None:
    assert AZURE["hooks"]["postdeploy"]["run"] == "infra/hooks/hubs.sh"
    assert "webPubSub/hubs" not in RESOURCES
    assert "webPubSub/hubs" not in MAIN
