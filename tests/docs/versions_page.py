"""The table of docs/compatibility.md, from the pins. `python -m tests.docs.versions_page` writes it."""

import re
from pathlib import Path

from tests.docs.spoken import ROOT
from tests.e2e.node_programs import PACKAGES

PAGE = ROOT / "docs" / "compatibility.md"
BLOCK = re.compile(r"<!-- versions -->\n.*?(?=<!-- end -->)", re.DOTALL)

TRIED = {
    "azure-messaging-webpubsubservice": ("the server SDK for Python", "tests/e2e/test_service_sdk.py"),
    "azure-messaging-webpubsubclient": ("the client SDK for Python", "tests/e2e/test_client_sdk.py"),
    "azure-identity": ("Entra, for the calls of the upstream", "tests/e2e/test_entra.py"),
    "paho-mqtt": ("MQTT from Python", "tests/e2e/test_mqtt.py"),
    "protobuf": ("the judge of the protobuf subprotocols", "tests/localpubsub/test_protobuf_codec.py"),
    "fastapi": ("what the upstream stands on", "tests/app/test_openapi.py"),
    "redis": ("several replicas, with Redis 7 of Debian", "tests/e2e/test_replicas.py"),
    "@azure/web-pubsub": ("the server SDK for JavaScript", "tests/e2e/test_node_sdk.py"),
    "@azure/web-pubsub-client": ("the client SDK for JavaScript", "tests/e2e/test_js_client.py"),
    "@azure/web-pubsub-express": ("an upstream in Express, through the tunnel", "tests/e2e/test_tunnel_client.py"),
    "@azure/web-pubsub-socket.io": ("its tunnel client", "tests/e2e/test_tunnel_client.py"),
    "mqtt": ("MQTT.js", "tests/e2e/test_mqtt.py"),
}


def pinned() -> dict[str, str]:
    """Version by name, of Python's packages and of Node's."""
    python = [Path(ROOT, name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-dev.txt")]
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", "\n".join(python), re.MULTILINE)
    node = [package.rpartition("@") for package in PACKAGES]
    return dict(pins) | {name: version for name, _, version in node}


def table() -> str:
    versions = pinned()
    rows = [f"| `{name}` | {versions[name]} | {what} | `{test}` |" for name, (what, test) in TRIED.items()]
    return "\n".join(["| package | version | what | tests |", "|---|---|---|---|", *rows])


def page(text: str) -> str:
    return BLOCK.sub(lambda _: f"<!-- versions -->\n\n{table()}\n\n", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
