"""What starts, what does not, and that a mistake never prints a key."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Settings
from app.upstream.connection_string import ConnectionString

KEY = "s3cr3t-key-that-must-not-be-printed-0001"
STRING = f"Endpoint=https://contoso.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"


@pytest.mark.parametrize("name", ["WebPubSubConnectionString", "WEBPUBSUB_CONNECTION_STRING"])
def test_the_connection_string_has_two_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, STRING)

    settings = Settings(_env_file=None)

    assert settings.service_url == "https://contoso.webpubsub.azure.com"
    assert settings.endpoints[0].access_keys == (KEY.encode(),)
    assert settings.can_verify_events


def test_what_is_passed_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WebPubSubConnectionString", STRING)
    other = "Endpoint=http://localhost:8081;AccessKey=k"

    assert Settings(_env_file=None, webpubsub_connection_string=other).service_url == "http://localhost:8081"
    assert Settings(_env_file=None, webpubsub_connection_string=None).service_url is None


def test_a_file_holds_the_keys_in_place_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{STRING}\n\nEndpoint=https://contoso.webpubsub.azure.com;AccessKey=second,\n")

    settings = Settings(_env_file=None, webpubsub_connection_string_file=tmp_path / "keys")

    assert settings.connection is not None
    assert settings.connection.key == KEY.encode()
    assert [one.access_keys for one in settings.endpoints] == [(KEY.encode(),), (b"second",)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe", "is not text"),
        (b"\n", "holds no connection string"),
        (f"{STRING}\n{KEY}".encode(), "key=value"),
    ],
)
def test_a_file_of_keys_that_cannot_be_used_does_not_start(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "keys").write_bytes(content)

    with pytest.raises(ValidationError, match=complaint) as caught:
        Settings(_env_file=None, webpubsub_connection_string_file=tmp_path / "keys")

    assert KEY not in str(caught.value)


def test_further_connections_are_for_receiving_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", STRING)
    monkeypatch.setenv(
        "WEBPUBSUB_MORE_CONNECTION_STRINGS",
        "Endpoint=https://contoso.webpubsub.azure.com;AccessKey=second, Endpoint=https://fabrikam.example;AccessKey=third",
    )

    settings = Settings(_env_file=None)

    assert [(one.url, one.access_keys) for one in settings.endpoints] == [
        ("https://contoso.webpubsub.azure.com", (KEY.encode(),)),
        ("https://contoso.webpubsub.azure.com", (b"second",)),
        ("https://fabrikam.example", (b"third",)),
    ]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"webhook_entra_tenant": "t"}, "go together"),
        ({"webhook_entra_audience": "a"}, "go together"),
        ({"webpubsub_connection_string": f"AccessKey={KEY}"}, "needs Endpoint"),
        ({"webpubsub_connection_string": f"Endpoint=contoso;AccessKey={KEY}"}, "needs Endpoint"),
        ({"webpubsub_connection_string": "Endpoint=https://x"}, "needs AccessKey"),
        ({"webpubsub_connection_string": f"{KEY}"}, "key=value"),
        ({"webpubsub_more_connection_strings": f"Endpoint=ftp://x;AccessKey={KEY}"}, "needs Endpoint"),
        ({"webpubsub_endpoint": "contoso"}, "must start with"),
        ({"webpubsub_endpoint": "https://"}, "name a host"),
        ({"webpubsub_endpoint": "https://:8080/x"}, "name a host"),
        ({"webpubsub_connection_string": STRING, "webpubsub_endpoint": "https://other"}, "different services"),
        ({"negotiate_minutes": 60, "negotiate_max_minutes": 30}, "exceeds"),
        ({"log_level": "loud"}, "log_level"),
        ({"log_format": "xml"}, "log_format"),
        ({"hubs": ""}, "no hub"),
        ({"hubs": "app.hubs.chat:Nothing"}, "no class"),
        ({"max_body_bytes": 1}, "greater than or equal"),
        ({"store": "postgres://db"}, "sqlite:///"),
        ({"store": "sqlite://"}, "sqlite:///"),
        ({"store": "redis://host:x/0"}, "store"),
        ({"store": "redis:///0"}, "sqlite:///"),
        ({"store": f"redis://app:{KEY}/x@host:6379/0"}, "%2F stands for /"),
        ({"store": f"redis://:{KEY}@[host"}, "sqlite:///"),
        ({"identity": "everybody"}, "must be query, app-service, oidc or"),
        ({"identity_issuer": "login.example"}, "must start with"),
    ],
)
def test_half_a_configuration_does_not_start(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint) as caught:
        Settings(_env_file=None, **changes)

    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "complaints"),
    [
        ({"hubs": "chat,app.hubs.chat:Nothing,app.hubs.chat:ChatHub"}, ["'chat' is not of the form", "no class"]),
        ({"trusted_proxies": "10.0.0.1,a,b"}, ["'a' is not an address", "'b' is not an address"]),
        ({"webpubsub_connection_string": f"{KEY};Port=x"}, ["key=value", "needs Endpoint", "needs AccessKey", "Port"]),
        (
            {"webpubsub_more_connection_strings": f"AccessKey={KEY},{STRING},Endpoint=https://x"},
            ["needs Endpoint=https://... or http://... (number 1 of 3)", "instead (number 3 of 3)"],
        ),
        ({"negotiate_max_minutes": 1, "webhook_entra_tenant": "t"}, ["NEGOTIATE_MINUTES exceeds", "go together"]),
    ],
)
def test_every_mistake_of_a_setting_is_named_at_once(changes: dict[str, Any], complaints: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None, **changes)

    assert [one for one in complaints if one not in str(caught.value)] == []
    assert KEY not in str(caught.value)


def test_a_key_is_never_printed() -> None:
    settings = Settings(_env_file=None, webpubsub_connection_string=STRING, webpubsub_more_connection_strings=STRING)

    assert KEY not in repr(settings)
    assert KEY not in repr(settings.endpoints)
    assert KEY not in repr(settings.connection)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("Endpoint=http://localhost;Port=8080;AccessKey=k", "http://localhost:8080"),
        ("endpoint=http://localhost:1/;accesskey=k==;Version=1.0;;", "http://localhost:1"),
        ("Endpoint=http://[::1];AccessKey=k;Port=8080", "http://[::1]:8080"),
    ],
)
def test_every_spelling_of_a_connection_string_is_read(text: str, endpoint: str) -> None:
    assert ConnectionString.parse(text).endpoint == endpoint


def test_a_key_may_hold_equals_signs() -> None:
    parsed = ConnectionString.parse("Endpoint=http://x;AccessKey=a=b==")

    assert parsed.access_key.get_secret_value() == "a=b=="
    assert str(parsed) == "Endpoint=http://x;AccessKey=a=b==;Version=1.0;"


def test_a_port_must_be_one() -> None:
    with pytest.raises(ValueError, match="Port"):
        ConnectionString.parse("Endpoint=http://x;AccessKey=k;Port=99999")
