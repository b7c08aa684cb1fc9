"""Settings by file and in code."""

from pathlib import Path

import pytest

from localpubsub.config import DEFAULT_ACCESS_KEY, ConfigError, EventHandler, HubSettings, ServiceConfig, load_config

HANDLER = "http://localhost:8000/eventhandler"


def write(folder: Path, text: str) -> Path:
    path = folder / "localpubsub.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_serves_several_hubs(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        port = 9000
        [hubs.Chat]
        anonymous_connect = true
        event_handlers = [
          { url_template = "http://localhost:1/{hub}", system_events = ["connect"], user_event_pattern = "a, B" },
          { url_template = "http://localhost:2/rest", user_event_pattern = "*" },
        ]
        [hubs.quiet]
        """,
    )

    config = load_config(path)

    first, second = config.hub("chat").event_handlers
    assert config.port == 9000
    assert config.hub("CHAT").anonymous_connect
    assert config.hub("chat").handler("sys", "connect") is first
    assert config.hub("chat").handler("sys", "connected") is None
    assert config.hub("chat").handler("user", "b") is first
    assert config.hub("chat").handler("user", "c") is second
    assert config.hub("quiet") == HubSettings()
    assert config.hub("never declared") == HubSettings()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("port = 'x'", "port must be of type int"),
        ("ports = 1", "ports is not a setting at the top"),
        ("[hubs.a]\nanonymous = true", "anonymous is not a setting in hubs.a"),
        ("[hubs.a]\nanonymous_connect = 1", "must be of type bool"),
        ("[hubs.a]\nevent_handlers = [{}]", "needs url_template"),
        ("[hubs.a]\nevent_handlers = [{ url_template = 'ftp://x' }]", "not an http or https URL"),
        (
            f"[hubs.a]\nevent_handlers = [{{ url_template = '{HANDLER}', system_events = ['closed'] }}]",
            "system events are",
        ),
        ("[hubs.1a]", "not a legal hub name"),
        ("host = '0.0.0.0'", "choose an access key of your own"),
        ("access_keys = ['short']", "at least 32 bytes"),
        ("port =", "is not TOML"),
    ],
)
def test_what_it_does_not_understand_is_said(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_config(write(tmp_path, text))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "nothing.toml")


def test_the_default_key_stays_on_this_machine() -> None:
    assert ServiceConfig(host="::1").access_keys == (DEFAULT_ACCESS_KEY,)
    with pytest.raises(ConfigError):
        ServiceConfig(host="192.0.2.1")
    own = ServiceConfig(host="192.0.2.1", access_keys=("a-key-of-at-least-thirty-two-bytes",))
    assert own.host == "192.0.2.1"


def test_a_placeholder_in_the_host_is_refused() -> None:
    with pytest.raises(ConfigError, match="host"):
        EventHandler("http://{hub}.example.net/x")


def test_every_hub_may_have_a_default() -> None:
    settings = HubSettings(anonymous_connect=True)

    config = ServiceConfig(hubs={"_default": settings, "own": HubSettings()})

    assert config.hub("any") is settings
    assert not config.hub("own").anonymous_connect
