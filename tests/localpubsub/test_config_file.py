"""`localpubsub.toml`: what it may say, and what is said of a mistake in it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localpubsub.config import ConfigError, EventHandler, EventListener, GroupPresence, HubSettings, ServiceConfig
from localpubsub.config_file import load_config
from localpubsub.engine.chaos_rules import Drop

HANDLER = "http://localhost:8000/eventhandler"
EVERYTHING = """
host = "localhost"
port = 9000
access_keys = ["primary-key-of-at-least-thirty-two-bytes", "secondary-key-of-at-least-thirty-two-bytes"]
public_endpoints = ["https://dev.example.net"]

[delivery]
retry_delays = [0.5, 1]
timeout_seconds = 20
connect_timeout_seconds = 3
validation_timeout_seconds = 2

[websocket]
ping_seconds = 10
silence_seconds = 30
close_seconds = 1

[chaos]
seed = 7
rules = ["drop p=0.25 group=lobby"]

[hubs.Chat]
anonymous_connect = "allow"
keep_alive_seconds = 5

[[hubs.Chat.event_handlers]]
url_template = "http://localhost:1/{hub}"
system_events = ["connect"]
user_event_pattern = "a, B"
auth = { type = "bearer", token_env = "HANDLER_TOKEN" }
group_presence_events = { event_names = ["joined", "left"], group_filters = ["room.*"] }

[[hubs.Chat.event_handlers]]
url_template = "tunnel:///rest"
user_event_pattern = "*"

[[hubs.Chat.event_listeners]]
endpoint = "file:events.jsonl"
filter = { system_events = ["connected"], user_event_pattern = "*" }

[hubs.quiet]
anonymous_connect = false

[hubs._default]
anonymous_connect = true
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "localpubsub.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_says_everything(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, EVERYTHING), environ={"HANDLER_TOKEN": "s3cr3t"})

    assert (config.host, config.port, config.public_endpoints) == ("localhost", 9000, ("https://dev.example.net",))
    assert len(config.access_keys) == 2
    assert (config.retry_delays, config.delivery_seconds, config.connect_seconds) == ((0.5, 1), 20, 3)
    assert (config.validation_seconds, config.ping_seconds, config.silence_seconds) == (2, 10, 30)
    assert config.close_seconds == 1
    assert (config.chaos.seed, config.chaos.rules) == (7, (Drop(probability=0.25, group="lobby"),))
    assert config.hub("CHAT") == HubSettings(
        anonymous_connect=True,
        keep_alive_seconds=5,
        event_handlers=(
            EventHandler(
                "http://localhost:1/{hub}",
                ("connect",),
                "a, B",
                GroupPresence(("joined", "left"), ("room.*",)),
                "s3cr3t",
            ),
            EventHandler("tunnel:///rest", (), "*"),
        ),
        event_listeners=(EventListener(f"file:{tmp_path / 'events.jsonl'}", ("connected",), "*"),),
    )
    assert config.hub("quiet") == HubSettings()
    assert config.hub("any").anonymous_connect


def test_what_the_file_does_not_say_stays(tmp_path: Path) -> None:
    base = ServiceConfig(port=1, retry_delays=(9,), ping_seconds=3)

    assert load_config(write(tmp_path, "[hubs.a]"), base) == ServiceConfig(
        port=1, retry_delays=(9,), ping_seconds=3, hubs={"a": HubSettings()}
    )


def handler(text: str) -> str:
    return f"[[hubs.a.event_handlers]]\nurl_template = '{HANDLER}'\n{text}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("port = 'x'", "port must be a whole number, not 'x'"),
        ("port = true", "port must be a whole number"),
        ("port = 70000", "port: 70000 is not one"),
        ("ports = 1", "ports is not a setting; write port"),
        ("elephant = 1", "elephant is not a setting; there are .*access_keys, chaos"),
        ("hubs = 1", "hubs must be a table"),
        ("hubs.a = 1", r"hubs\.a must be a table"),
        ("[hubs.a]\nanonymous = true", r"hubs\.a\.anonymous is not a setting; write anonymous_connect"),
        ("[hubs.a]\nanonymousConnectPolicy = 'allow'", "write anonymous_connect"),
        ("[hubs.a]\nanonymous_connect = 1", r'hubs\.a\.anonymous_connect is "allow" or "deny"'),
        ("[hubs.a]\nanonymous_connect = 'Allow all'", r'hubs\.a\.anonymous_connect is "allow" or "deny"'),
        ("[hubs.a]\nkeep_alive_seconds = 300", r"hubs\.a\.keep_alive_seconds is 1 to 120"),
        ("[hubs.a]\nevent_handlers = [{}]", r"hubs\.a\.event_handlers\[0\]\.url_template is missing"),
        ("[hubs.a]\nevent_handlers = [{ url_template = 'ftp://x' }]", "is not an http or https URL"),
        (
            "[hubs.a]\nevent_handlers = [{ urlTemplate = 'http://x' }]",
            "urlTemplate is not a setting; write url_template",
        ),
        (handler("system_events = ['closed']"), r"event_handlers\[0\]\.system_events: closed is none of connect"),
        (handler("systemEvents = []"), "systemEvents is not a setting; write system_events"),
        (handler("auth.type = 'ManagedIdentity'"), "there is no managed identity here"),
        (handler("auth.type = 'basic'"), r'auth\.type is "none" or "bearer"'),
        (handler("auth.type = 'bearer'"), r"auth\.token_env is missing"),
        (handler("auth = { type = 'bearer', token_env = 'NOT_SET' }"), "environment variable NOT_SET is not set"),
        (handler("auth = { token_env = 'HANDLER_TOKEN' }"), "needs type"),
        (handler("auth = { type = 'bearer', token = 's3cr3t' }"), r"auth\.token is not a setting; write token_env"),
        (handler("group_presence_events.event_names = ['moved']"), r"group_presence_events\.event_names: moved"),
        (handler("group_presence_events.group_filters = ['\\']"), r"group_presence_events\.group_filters: "),
        ("[hubs.a]\nevent_listeners = [{ endpoint = 'x' }]", r"event_listeners\[0\]\.endpoint: 'x' is neither"),
        (
            "[hubs.a]\nevent_listeners = [{ endpoint = 'log:', filter = { system_events = ['connect'] } }]",
            "connect is none of connected, disconnected",
        ),
        ("[hubs.1a]", "'1a' is not a legal hub name"),
        ("host = '0.0.0.0'", "choose an access key of your own"),
        ("access_keys = ['short']", "at least 32 bytes"),
        ("delivery.retry_delays = [1, 'x']", r"delivery\.retry_delays must be a number, not 'x'"),
        ("delivery.timeout_seconds = nan", r"delivery\.timeout_seconds: nan is not a number of seconds"),
        ("delivery.timeout = 1", r"delivery\.timeout is not a setting; write timeout_seconds"),
        ("chaos.rules = ['explode']", r"chaos\.rules\[0\]: 'explode': it begins with none of delay, drop"),
        ("port =", "is not TOML: "),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigError, match=complaint) as raised:
        load_config(path, environ={"HANDLER_TOKEN": "s3cr3t"})

    assert str(path) in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "nothing.toml")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [one for key, member in below for one in _paths(member, (*path, key))]


def _toml(value: Any) -> str:
    """Enough of TOML for what `tomllib` reads: everything inline."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return (
                '"' + "".join(one if one.isalnum() and one.isascii() else f"\\U{ord(one):08x}" for one in value) + '"'
            )
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{_toml(key)} = {_toml(member)}' for key, member in value.items())}}}"
        case _:
            return str(value)


def _complaint(path: Path) -> str | None:
    """Anything but a `ConfigError` fails the test."""
    try:
        load_config(path, environ={"HANDLER_TOKEN": "s3cr3t"})
    except ConfigError as error:
        return str(error)
    return None


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(_paths(tomllib.loads(EVERYTHING))), value=VALUES)
def test_any_value_in_any_place_is_taken_or_refused_in_words(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    document = tomllib.loads(EVERYTHING)
    table: Any = document
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    text = "\n".join(f"{_toml(key)} = {_toml(member)}" for key, member in document.items())

    complaint = _complaint(write(tmp_path, text))

    assert complaint is None or str(tmp_path) in complaint


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_refused_in_words(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "localpubsub.toml"
    path.write_bytes(data)

    complaint = _complaint(path)

    assert complaint is None or str(path) in complaint
