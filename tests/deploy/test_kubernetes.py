"""The Kubernetes manifests: valid by schema, and in step with the program they run."""

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import settings

FILE = Path(__file__).parents[2] / "deploy" / "kubernetes" / "upstream.yaml"
MANIFESTS = list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))
DOCKERFILE = (FILE.parents[2] / "Dockerfile").read_text(encoding="utf-8")


def manifest(kind: str) -> Any:
    [found] = [one for one in MANIFESTS if one["kind"] == kind]
    return found


POD = manifest("Deployment")["spec"]["template"]
[CONTAINER] = POD["spec"]["containers"]


@pytest.mark.parametrize("kind", [one["kind"] for one in MANIFESTS])
@pytest.mark.parametrize("version", ["1.29", "1.34"])
def test_each_is_valid(kind: str, version: str) -> None:
    kubernetes_validate.validate(manifest(kind), version, strict=True)


def test_they_set_what_there_is_to_set() -> None:
    names = {name.upper() for name in Settings.model_fields}
    values = manifest("ConfigMap")["data"]

    assert set(values) <= names
    assert settings(**{name.lower(): value for name, value in values.items()}).identity == "app-service"


def test_probes_ask_routes_there_are() -> None:
    paths = set(create_app(settings()).openapi()["paths"])
    probes = {CONTAINER[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness", "startup")}

    assert probes == {"/healthz", "/readyz"}
    assert probes <= paths


def test_a_stop_has_the_time_it_needs() -> None:
    pause = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    grace = int(manifest("ConfigMap")["data"]["SHUTDOWN_GRACE_SECONDS"])

    assert POD["spec"]["terminationGracePeriodSeconds"] > pause + grace


def test_the_pod_may_do_as_little_as_the_image_allows() -> None:
    security = POD["spec"]["securityContext"]

    assert f"USER {security['runAsUser']}" in DOCKERFILE
    assert f"EXPOSE {CONTAINER['ports'][0]['containerPort']}" in DOCKERFILE
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert not POD["spec"]["automountServiceAccountToken"]


def test_everything_selects_the_same_pods() -> None:
    labels = POD["metadata"]["labels"]

    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    scaled = manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
    assert scaled == manifest("Deployment")["metadata"]["name"]
